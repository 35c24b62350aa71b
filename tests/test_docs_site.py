"""The documentation site builds: every link and heading exists, every page is in the navigation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with errors for broken links."""
    for package in ('mkdocs', 'material', 'mkdocstrings'):
        pytest.importorskip(package, reason='the site needs requirements/docs.txt')
    folder = tmp_path_factory.mktemp('site')
    result = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(folder)],
        cwd=ROOT,
        env={**os.environ, 'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def test_pages_of_the_api_show_signatures(site: Path) -> None:
    page = (site / 'api' / 'apis.html').read_text()
    for word in ('init_model', 'segment_video', 'frames_per_pass', 'CheckpointMismatchError'):
        assert word in page


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob('*.html'):
        text = page.read_text()
        assert '<script src="http' not in text
        assert '<link rel="stylesheet" href="http' not in text


def test_pages_outside_docs_are_linked(site: Path) -> None:
    assert 'href="project/CHANGELOG.html"' in (site / 'index.html').read_text()

"""The whole report: a file that needs nothing else, and escapes what it shows."""

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import ATTACK
from scripts import exit_status

from r2vos_mm.cli.main import main
from r2vos_mm.report import compare_runs


class Outline(HTMLParser):
    """Tags with attributes, and texts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(' '.join(data.split()))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return ' '.join(filter(None, self.texts))


@pytest.fixture(scope='module')
def page(runs, tmp_path_factory: pytest.TempPathFactory) -> Outline:
    return Outline(compare_runs(runs, tmp_path_factory.mktemp('out') / 'report.html'))


def test_nothing_is_loaded_from_elsewhere(page):
    assert page.count('script') == page.count('link') == page.count('iframe') == 0
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith('on')]
        for name in ('src', 'href'):
            assert attributes.get(name, '#').startswith(('#', 'data:image/webp;base64,'))


def test_texts_of_strangers_are_escaped(page):
    assert f'“{ATTACK}”' in page.text
    assert '<b>v2' in page.text
    assert page.count('b') == 0


def test_tables_charts_and_pictures(page):
    assert page.count('svg') == 6  # ROC, three gates, kinds, scatter
    # Both runs of 4 positives with 4, 4, 3 and 1 frames, and of 2 false alarms with 1 and 4 frames
    assert page.count('img') == 2 * (12 + 5)
    assert 'J&F 0.0, consensus 0.30, emptied by the gate' in page.text
    assert '1.6 % of the pixels, consensus 0.80' in page.text  # 12 of 768
    assert 'model.test_cfg.gate_threshold: 0.5 / 0.7' in page.text
    assert 'Precision on cpu bfloat16 (the CPU has AMX)' in page.text
    assert re.search(r'checkpoint SHA-256 [0-9a-f]{64} [0-9a-f]{64}', page.text)


def test_missing_frames_and_masks_are_named_in_place(runs, tmp_path):
    moved = tmp_path / 'moved'
    shutil.copytree(runs[0], moved)
    (moved / 'masks.pkl').unlink()
    without_masks = Outline(compare_runs([moved], tmp_path / 'a.html')).text
    assert 'No masks: ' in without_masks
    assert 'Difference to' not in without_masks
    nowhere = Outline(compare_runs(runs, tmp_path / 'b.html', data_root=tmp_path / 'nowhere'))
    assert nowhere.count('img') == 0
    assert 'No frames: the data set of the test cannot be opened' in nowhere.text
    alone = tmp_path / 'alone.csv'
    shutil.copy(runs[0] / 'pairs.csv', alone)
    page = Outline(compare_runs([alone], tmp_path / 'c.html')).text
    assert 'No frames: no run has a config that names its data' in page
    assert 'alone: no dumped config was found' in page


def test_command(runs, tmp_path, capsys):
    out = tmp_path / 'report.html'
    line = ['compare', *map(str, runs), '--out', str(out), '--names', 'A', 'B', '--worst', '1']
    assert exit_status(main, line) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(out)
    page = Outline(out)
    assert 'A / B' in page.text
    assert page.count('article') == 4
    assert exit_status(main, [*line[:-2], '--masks', 'x']) == 2
    assert 'error: 1 masks for 2 runs' in capsys.readouterr().err
    assert exit_status(main, ['compare', str(tmp_path / 'none')]) == 2
    assert 'none: No such file' in capsys.readouterr().err

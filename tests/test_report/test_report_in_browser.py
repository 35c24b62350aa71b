"""The report in a headless browser."""

from pathlib import Path

import pytest

from r2vos_mm.report import compare_runs


@pytest.fixture(scope='module')
def report(runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compare_runs(runs, tmp_path_factory.mktemp('report') / 'report.html')


@pytest.mark.parametrize('width', [1280, 390])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_page(browser, report: Path, width: int, scheme: str):
    context = browser.new_context(viewport=dict(width=width, height=900), color_scheme=scheme)
    page, problems = context.new_page(), []
    page.set_default_timeout(30_000)
    page.on('pageerror', lambda error: problems.append(str(error)))
    page.on('console', lambda line: problems.append(line.text))
    page.on('dialog', lambda dialog: problems.append(dialog.message))
    page.on(
        'request',
        lambda request: (
            request.url.startswith('data:')
            or request.url == report.as_uri()
            or problems.append(request.url)
        ),
    )
    page.goto(report.as_uri())
    assert not problems
    assert page.title() == 'good / bad'
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    assert page.locator('table:visible').count() >= 4
    assert page.locator('svg:visible').count() == 6
    closed = page.locator('details:not([open]) > summary')
    while closed.count():
        closed.first.click()
    drawn = 'images => images.map(i => i.complete && i.naturalWidth)'
    sizes = page.locator('img').evaluate_all(drawn)
    assert len(sizes) == 34
    assert min(sizes) == 213  # 24x32 frames, enlarged to a shorter side of 160
    ground = page.evaluate('getComputedStyle(document.body).backgroundColor')
    assert ground == {'light': 'rgb(243, 245, 248)', 'dark': 'rgb(15, 18, 22)'}[scheme]
    context.close()

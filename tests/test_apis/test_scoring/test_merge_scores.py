"""Scores of parts are those of the whole, byte for byte; overlaps and gaps are named."""

from __future__ import annotations

import json
from pathlib import Path

import mask_sets
import pytest
from mask_sets import FRAMES, LEFT, RIGHT, save
from samples import random_sample

from r2vos_mm.cli.main import main
from r2vos_mm.evaluation import JFRMetric
from r2vos_mm.utils.parts import Part


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two videos with predictions, of which one frame is missing, and a negative pair."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    mask_sets.write_truth(tmp_path)
    mask_sets.write_predictions(tmp_path / 'pred')
    for frame in FRAMES:
        save(tmp_path / 'pred' / 'b' / 'a_0_n0' / f'{frame}.png', 255 * RIGHT)
    rows = [
        dict(pair_id=f'{video}/{number}/p', video=video, exp_video=video, exp_id=number, exp=text,
             kind='positive', rank=0, label=1, obj_id=obj)
        for video, number, text, obj in (
            ('a', '0', 'left', '1'), ('a', '1', 'right', '2'), ('b', '0', 'late', '1'))
    ]  # fmt: skip
    negative = dict(pair_id='a/0/n0', video='b', exp_video='a', exp_id='0', exp='left')
    rows.append(negative | dict(kind='easy', rank=0, label=0, obj_id=''))
    (tmp_path / 'pairs.json').write_text(json.dumps({'format': 'r2-pairs/1', 'pairs': rows}))
    return tmp_path


def score(root: Path, name: str, *options: str) -> int:
    """Score into ``<name>.csv``, ``.json`` and ``.txt``; return the exit status."""
    outputs = [f'--{kind}={root / name}.{kind}' for kind in ('csv', 'json')]
    outputs.append(f'--missing={root / name}.txt')
    try:
        return main(['score', *options, *outputs])
    except SystemExit as stop:
        return stop.code


def inputs(root: Path, *options: str) -> list[str]:
    return [
        str(root / 'pred'), str(root / 'Annotations'), '--processes', '1',
        '--expressions', str(root / 'meta_expressions.json'), '--pairs', str(root / 'pairs.json'),
        '--groups', 'no_target', 'presence', 'visa', *options]  # fmt: skip


def files(root: Path, name: str) -> list[bytes]:
    return [(root / f'{name}.{kind}').read_bytes() for kind in ('csv', 'json', 'txt')]


def parts(root: Path, count: int = 2, *options: str) -> list[str]:
    names = [f'part{number}' for number in range(1, count + 1)]
    for number, name in enumerate(names, start=1):
        score(root, name, *inputs(root, '--part', f'{number}/{count}', *options))
    return [str(root / f'{name}.json') for name in names]


@pytest.mark.parametrize('is_complete', [True, False])
def test_parts_make_the_whole(root, capsys, is_complete):
    if not is_complete:
        (root / 'pred' / 'a' / '0' / f'{FRAMES[1]}.png').unlink()
    status = score(root, 'whole', *inputs(root))
    whole = capsys.readouterr().out
    reports = parts(root)
    capsys.readouterr()
    assert score(root, 'merged', '--merge', *reversed(reports)) == status == (not is_complete) * 2
    assert files(root, 'merged') == files(root, 'whole')
    assert capsys.readouterr().out == whole.replace('whole.', 'merged.')
    entries = json.loads((root / 'merged.json').read_text())['figures']
    assert ({f['key']: f['value'] for f in entries}['J'] is not None) == is_complete


def test_objects_of_davis(root, capsys):
    (root / 'Annotations' / 'b' / f'{FRAMES[0]}.png').unlink()
    for frame in FRAMES:
        save(root / 'maps' / 'a' / f'{frame}.png', LEFT + 2 * RIGHT)
        save(root / 'maps' / 'b' / f'{frame}.png', LEFT)
    given = [str(root / 'maps'), str(root / 'Annotations'), '--processes', '1']
    given += ['--protocol', 'davis_unsup']
    assert score(root, 'whole', *given) == 0
    for number in (1, 2):
        assert score(root, f'p{number}', *given, '--part', f'{number}/2') == 0
    assert score(root, 'merged', '--merge', str(root / 'p1.json'), str(root / 'p2.json')) == 0
    assert files(root, 'merged') == files(root, 'whole')
    objects = [(root / f'{name}.objects.csv').read_bytes() for name in ('merged', 'whole')]
    assert objects[0] == objects[1]


def test_a_part_whose_annotation_is_broken(root, capsys):
    for frame in FRAMES:
        save(root / 'Annotations' / 'a' / f'{frame}.png', 3 * LEFT)
    assert score(root, 'whole', *inputs(root)) == 2
    reports = parts(root)
    assert score(root, 'merged', '--merge', *reports) == 2
    assert files(root, 'merged') == files(root, 'whole')


def test_what_the_model_gives(tmp_path):
    """Consensus, masks before the gate and candidates go through a report, too."""
    samples = [random_sample(index) for index in range(4)]
    videos = [sample.video_id for sample in samples]

    def evaluate(name: str, part: Part | None) -> Path:
        groups = ('quality', 'robustness', 'cgf1', 'verdict', 'gate', 'presence')
        paths = dict(json_path=tmp_path / f'{name}.json', csv_path=tmp_path / f'{name}.csv')
        metric = JFRMetric(groups=groups, protocols=['per_expression', 'a2d'], **paths)
        if part is not None:
            metric.dataset_meta = {'part': {**part._asdict(), 'videos': videos}}
        chosen = samples if part is None else part.of(samples)
        metric.process(None, [sample.to_dict() for sample in chosen])
        metric.evaluate(len(chosen))
        return paths['json_path']

    whole = evaluate('whole', None)
    reports = [str(evaluate(f'p{i}', Part(i, 3))) for i in (1, 2, 3)]
    merged = tmp_path / 'merged.json'
    assert main(['score', '--merge', *reports, '--json', str(merged)]) == 0
    assert merged.read_bytes() == whole.read_bytes()
    assert {'AUROC', 'ungated/J&F'} <= {f['key'] for f in json.loads(whole.read_text())['figures']}


def changed(path: str, **changes: object) -> str:
    """Write a copy of a report whose ``part`` has other content; return its path."""
    content = json.loads(Path(path).read_text())
    content['part'] |= changes
    copy = Path(path).with_name('copy.json')
    copy.write_text(json.dumps(content))
    return str(copy)


class TestRefused:
    """One line names what is wrong; nothing is written."""

    @pytest.fixture
    def refused(self, root, capsys):
        def check(*options: str) -> str:
            capsys.readouterr()
            assert score(root, 'merged', *options) == 2
            assert not (root / 'merged.json').exists()
            output = capsys.readouterr()
            assert output.err.count('\n') == 1
            assert not output.out
            return output.err

        return check

    def test_gaps(self, root, refused):
        one, _ = parts(root)
        assert 'part 2/2 is missing: 1 videos, b' in refused('--merge', one)
        content = json.loads(Path(one).read_text())
        content['rows'] = []
        Path(one).write_text(json.dumps(content))
        assert f'{one} lacks 1 of its videos: a' in refused('--merge', one, _)

    def test_overlap(self, root, refused):
        one, two = parts(root)
        twice = refused('--merge', one, two, changed(one))
        assert twice == f'error: part 1/2 is given twice: {one} and {root / "copy.json"}\n'
        message = refused('--merge', one, changed(one, index=2))
        assert message.startswith(f"error: pair 'a/0/p' is in both {one} and ")

    def test_other_sets_and_settings(self, root, refused):
        one, two = parts(root)
        other = json.loads(Path(two).read_text())['part']['settings'] | {'threshold': 128}
        message = refused('--merge', one, changed(two, settings=other))
        assert 'with different threshold: None, 128' in message
        assert 'they differ in c' in refused('--merge', one, changed(two, videos=['a', 'b', 'c']))
        assert 'of different divisions' in refused('--merge', one, changed(two, count=3))

    def test_files_of_other_kinds(self, root, refused):
        score(root, 'whole', *inputs(root))
        whole = str(root / 'whole.json')
        assert f'{whole} is not the report of a part' in refused('--merge', whole)
        assert 'does not exist' in refused('--merge', str(root / 'none.json'))
        one, _ = parts(root)
        assert "'0/0' is not a part" in refused('--merge', changed(one, index=0, count=0))

    def test_options(self, root, refused, capsys):
        assert "'3/2' is not a part such as 2/4" in refused(*inputs(root), '--part', '3/2')
        assert 'part 3/3 is empty: there are only 2' in refused(*inputs(root), '--part', '3/3')
        assert '--merge takes reports only' in refused('a', '--merge', 'b')
        with pytest.raises(SystemExit):
            main(['score', *inputs(root), '--part', '1/2'])
        assert '--part needs --json' in capsys.readouterr().err

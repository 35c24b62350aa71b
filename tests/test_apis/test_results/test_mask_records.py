"""Masks as run-length codes in JSON and JSON Lines."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from record_samples import FIELDS, MASKS, records_of, some_records

from r2vos_mm.apis.results import mask_records as records_module
from r2vos_mm.apis.results.compressed_masks import CompressedMasks
from r2vos_mm.apis.results.mask_records import (
    JsonLinesWriter,
    MaskRecord,
    joined_parts,
    mask_records,
    read_coco_rle,
    write_coco_rle,
)


def test_a_record_has_the_keys_of_the_format():
    dog, cat = (record.as_dict() for record in records_of())
    codes = dog.pop('segmentations')
    assert codes[0] is None
    np.testing.assert_array_equal(coco_mask.decode(codes[1]), MASKS[0, 1])
    rest = dict(frames=['a', 'b', 'c'], first_frame=0, size=[4, 6], scores=[0.5, 0.75, 1])
    verdict = dict(score=0.75, consensus=0.75, found=True)
    assert dog == rest | verdict | dict(video='clip', expression='the dog', index=0)
    assert cat['segmentations'] == [None, None, None]
    assert (cat['found'], cat['consensus'], cat['score']) == (False, 0.25, 0.25)


@pytest.mark.parametrize(
    'container',
    [
        lambda masks: masks,
        lambda masks: [list(row) for row in masks],
        CompressedMasks.encode,
        lambda masks: records_of(masks, found=None),
    ],
    ids=['array', 'lists', 'compressed', 'records'],
)
def test_masks_are_read_from_any_container(container):
    assert records_of(container(MASKS)) == records_of()


def test_masks_of_what_is_not_found_are_not_read():
    class Unread:
        def __getitem__(self, p):
            assert p == 0
            return MASKS[0]

    assert records_of(Unread()) == records_of()


def test_models_without_verdicts_and_numbers_that_json_lacks():
    (record,) = records_of(
        MASKS[:1], texts=['the dog'], found=None, consensus=None, scores=[[np.nan, 0.5, 1]]
    )
    assert record.found
    assert record.consensus is None
    assert record.scores == [None, 0.5, 1]
    assert record.score == 0.75
    assert records_of(scores=None)[0].score is None


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(some_records(), max_size=3), suffix=st.sampled_from(['.json', '.jsonl']))
def test_files_give_back_what_was_written(tmp_path_factory, drawn, suffix):
    records = [record for each in drawn for record in each]
    path = tmp_path_factory.mktemp('records') / f'a{suffix}'
    write_coco_rle(path, iter(records))
    assert read_coco_rle(path) == records
    for record in records:
        for t, code in enumerate(record.segmentations):
            expected = np.zeros(record.size) if code is None else coco_mask.decode(code)
            np.testing.assert_array_equal(record[t], expected)


@settings(max_examples=40, deadline=None)
@given(masks=arrays(bool, (2, 5, 3, 4)), cuts=st.sets(st.integers(1, 4)))
def test_parts_of_a_stream_are_joined(tmp_path_factory, masks, cuts):
    """Cut anywhere, the file of the parts is read as that of the whole video."""
    names, scores = list('abcde'), np.float32([[0.5, 0.25, 0, 1, 1], [1, 0, 0, 0, 0]])
    whole = mask_records(masks, **FIELDS | dict(size=(3, 4)), frames=names, scores=scores)
    path = tmp_path_factory.mktemp('parts') / 'a.jsonl'
    ends = [0, *sorted(cuts), 5]
    with JsonLinesWriter(path) as file:
        for start, end in zip(ends, ends[1:]):
            part = mask_records(
                masks[:, start:end],
                **FIELDS | dict(size=(3, 4)),
                frames=names[start:end],
                scores=scores[:, start:end],
                first_frame=start,
            )
            file.write(part)
            assert len(path.read_text().splitlines()) == 2 * ends.index(end)
    assert read_coco_rle(path) == whole


def test_the_last_verdict_of_a_stream_counts():
    first, last = records_of()[0], replace(records_of()[0], first_frame=3, found=False)
    (joined,) = joined_parts([first, replace(last, consensus=0.25)])
    assert (joined.found, joined.consensus, len(joined)) == (False, 0.25, 6)
    np.testing.assert_array_equal(joined[4], MASKS[0, 1])


def test_two_videos_of_one_name_are_two_records():
    assert joined_parts(records_of() + records_of()) == records_of() + records_of()


def test_a_missing_part_is_an_error():
    first, last = records_of()[0], replace(records_of()[0], first_frame=4)
    with pytest.raises(ValueError, match="'the dog' in 'clip' goes on at frame 4, expected 3"):
        joined_parts([first, last])
    with pytest.raises(ValueError, match='expected 0'):
        joined_parts([last])


def test_a_stopped_stream_leaves_a_file_that_can_be_read(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(records_module, 'warn', warnings.append)
    path = tmp_path / 'a.jsonl'
    with JsonLinesWriter(path) as file:
        file.write(records_of())
    with path.open('a') as file:
        file.write('{"video": "cl')
    assert read_coco_rle(path) == records_of()
    assert warnings == [f'{path}: line 3 is incomplete: skipped']


def test_standard_output(capsys):
    with JsonLinesWriter('-') as file:
        file.write(records_of())
    lines = capsys.readouterr().out.splitlines()
    assert [MaskRecord.from_dict(json.loads(line)) for line in lines] == records_of()
    assert not sys.stdout.closed


def test_an_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / 'a.json'
    write_coco_rle(path, records_of())

    def broken():
        yield records_of()[1]
        raise RuntimeError('decoder')

    with pytest.raises(RuntimeError, match='decoder'):
        write_coco_rle(path, broken())
    assert read_coco_rle(path) == records_of()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(expression=' '), "no text 'expression'"),
        (dict(size=[4]), r'size \[4\]'),
        (dict(segmentations=[]), 'of one length'),
        (dict(frames=[1, 2, 3]), 'of one length'),
        (dict(index='0'), "an 'index'"),
    ],
)
@pytest.mark.parametrize('suffix', ['.json', '.jsonl'])
def test_records_that_cannot_be_used(tmp_path, suffix, change, message):
    content = [record.as_dict() for record in records_of()]
    content[1] |= change
    lines = [json.dumps(item) for item in content]
    path = tmp_path / f'a{suffix}'
    path.write_text('\n'.join(lines) + '\n' if suffix == '.jsonl' else f'[{",".join(lines)}]')
    with pytest.raises(ValueError, match=rf'a\{suffix}: record 1 .*{message}'):
        read_coco_rle(path)


@pytest.mark.parametrize('content', ['{}', '3', '[1]', '[{}]'])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(ValueError, match=r'a\.json'):
        read_coco_rle(tmp_path / 'a.json')


def test_a_line_that_is_not_json(tmp_path):
    (tmp_path / 'a.jsonl').write_text('\n{\n')
    with pytest.raises(ValueError, match=r'a\.jsonl: line 2 is not JSON'):
        read_coco_rle(tmp_path / 'a.jsonl')

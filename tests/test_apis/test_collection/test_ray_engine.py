"""The engine of Ray with a stand-in for Ray, and what Ray's batches look like."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_collection import FakeLabeller, label, write_manifest

from r2vos_mm.apis.collection import ray_data


class Rows:
    """What ``ray.data.from_items`` gives, done in this process."""

    def __init__(self, count: int) -> None:
        self.count = count

    def map_batches(self, kind: Any, *, fn_constructor_args: list, **_: object) -> 'Rows':
        self.doer = kind(*fn_constructor_args)
        return self

    def materialize(self) -> None:
        for number in range(self.count):
            self.doer(dict(item=[number]))


def test_long_videos_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One video of ten spans, which are more units than there are videos."""
    context = SimpleNamespace(enable_progress_bars=True)
    data = SimpleNamespace(
        DataContext=SimpleNamespace(get_current=lambda: context),
        from_items=lambda items, **_: Rows(len(items)),
    )
    ray = SimpleNamespace(is_initialized=lambda: True, cluster_resources=dict)
    monkeypatch.setitem(sys.modules, 'ray', ray)
    monkeypatch.setitem(sys.modules, 'ray.data', data)
    build = partial(FakeLabeller, seconds=0)
    summary = label(write_manifest(tmp_path, [40]), build=build, max_frames=4, engine='ray')
    assert (summary['videos'], summary['frames']) == (1, 40)


@pytest.mark.parametrize('spans', [[None, None], np.full(2, np.nan, np.float32)])
def test_columns_without_spans(spans: object) -> None:
    """Ray turns a column of nulls into NaN."""
    texts = np.array([['x'], ['y']])
    batch = dict(id=np.array(['a', 'b']), video=np.array(['a.mp4', 'b.mp4']), expressions=texts)
    jobs = ray_data._jobs(batch | dict(span=spans))
    assert [(job.id, job.texts, job.span) for job in jobs] == [
        ('a', ('x',), None), ('b', ('y',), None),
    ]  # fmt: skip
    [first, _] = ray_data._jobs(batch | dict(span=[np.array([2, 5]), None]))
    assert first.span == (2, 5)

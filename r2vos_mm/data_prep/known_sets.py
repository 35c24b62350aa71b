"""List public data sets and what they contain when they are complete."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class KnownSet:
    """What a public data set contains when it is complete.

    Attributes:
        folder: its usual folder below ``data``.
        page: where its owners offer it.
        counts: {split: {'videos' | 'sentences' | 'frames': number}}; several numbers if there are
            several releases.
        readers: {split: config of the data set class that reads it}, empty for sets in the layout
            of Refer-YouTube-VOS.
        mask_files: {split: file with its masks}, for masks that are optional for testing.
    """

    folder: str
    page: str
    counts: Mapping[str, Mapping[str, int | tuple[int, ...]]]
    readers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mask_files: Mapping[str, str] = field(default_factory=dict)


def _counts(**splits: tuple[int | tuple[int, ...], ...]) -> dict[str, dict]:
    """Name the numbers of each split: videos, sentences and frames, as far as published."""
    names = ('videos', 'sentences', 'frames')
    return {split: dict(zip(names, numbers)) for split, numbers in splits.items()}


def _readers(kind: str, splits: Iterable[str], **config: str) -> dict[str, dict[str, str]]:
    return {split: dict(type=kind, split=split, **config) for split in splits}


def _refcoco(ann_file: str, **splits: tuple[int, ...]) -> KnownSet:
    return KnownSet(
        'coco',
        'https://github.com/lichengunc/refer (images: https://cocodataset.org, train2014)',
        _counts(**splits),
        _readers('RefCOCODataset', splits, ann_file=ann_file),
    )


_SENTENCES = 'https://kgavrilyuk.github.io/publication/actor_action'
# Numbers of Refer-YouTube-VOS: Seo et al., ECCV 2020, and the files themselves; of Ref-DAVIS17 and
# JHMDB-Sentences: the files; of MeViS: its releases of 2023 and 2025; of RefCOCO: the catalogue of
# TensorFlow Datasets (a 'video' is an image). The scored validation videos of Refer-YouTube-VOS are
# 202 of the 507 listed.
KNOWN_SETS = {
    'ref-youtube-vos': KnownSet(
        'ref-youtube-vos',
        'https://youtube-vos.org',
        _counts(train=(3471, 12913), valid=(202, 834, 5486)),
    ),
    'ref-davis': KnownSet(
        'ref-davis',
        'https://davischallenge.org',
        _counts(train=(60,), valid=(30, 244, 1999)),
    ),
    'mevis': KnownSet(
        'mevis',
        'https://henghuiding.com/MeViS',
        _counts(train=(1662, (23051, 27502)), valid_u=(50, (793, 907)), valid=(140, (2236, 2523))),
        _readers('MeViSDataset', ('train', 'valid_u', 'valid')),
        {split: f'{split}/mask_dict.json' for split in ('train', 'valid_u')},
    ),
    'a2d-sentences': KnownSet(
        'a2d_sentences',
        f'{_SENTENCES} (videos: https://web.eecs.umich.edu/~jjcorso/r/a2d)',
        _counts(train=(), test=()),
        _readers('A2DSentencesDataset', ('train', 'test')),
    ),
    'jhmdb-sentences': KnownSet(
        'jhmdb_sentences',
        f'{_SENTENCES} (list of frames: https://github.com/mttr2021/MTTR)',
        _counts(test=(928, 2784)),
        dict(test=dict(type='JHMDBSentencesDataset')),
    ),
    'refcoco': _refcoco(
        'refcoco/refs(unc).p',
        **dict(train=(16994, 120624), val=(1500, 10834), testA=(750, 5657), testB=(750, 5095)),
    ),
    'refcoco+': _refcoco(
        'refcoco+/refs(unc).p', train=(16992,), val=(1500,), testA=(750,), testB=(750,)
    ),
    'refcocog': _refcoco('refcocog/refs(umd).p', train=(21899,), val=(1300,), test=(2600,)),
}

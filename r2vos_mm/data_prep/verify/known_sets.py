"""Public data sets and what they hold when they are complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class KnownSet:
    """What a public data set holds when it is complete.

    Attributes:
        folder: its usual folder below ``data``.
        page: where its owners give it out.
        counts: {split: {'videos' | 'sentences' | 'frames': number}}; several numbers where there
            are several releases.
        readers: {split: config of the data set class that reads it}, empty for sets in the layout
            of Refer-YouTube-VOS.
        mask_files: {split: file with its masks}, where testing does without.
    """

    folder: str
    page: str
    counts: Mapping[str, Mapping[str, int | tuple[int, ...]]]
    readers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mask_files: Mapping[str, str] = field(default_factory=dict)


def _refcoco(folder: str, pickle: str, splits: Mapping[str, tuple[int, ...]]) -> KnownSet:
    """RefCOCO or one of its sisters; ``splits`` has images and, where published, sentences."""
    return KnownSet(
        'coco',
        'https://github.com/lichengunc/refer (images: https://cocodataset.org, train2014)',
        {split: dict(zip(('videos', 'sentences'), numbers)) for split, numbers in splits.items()},
        readers={
            split: dict(type='RefCOCODataset', split=split, ann_file=f'{folder}/{pickle}')
            for split in splits
        },
    )


# Numbers of Refer-YouTube-VOS: Seo et al., ECCV 2020, and the files themselves; of Ref-DAVIS17 and
# JHMDB-Sentences: the files; of MeViS: its releases of 2023 and 2025; of RefCOCO: the catalogue of
# TensorFlow Datasets (a 'video' is an image there). The scored validation videos of
# Refer-YouTube-VOS are 202 of the 507 listed.
KNOWN_SETS = {
    'ref-youtube-vos': KnownSet(
        'ref-youtube-vos',
        'https://youtube-vos.org',
        dict(
            train=dict(videos=3471, sentences=12913),
            valid=dict(videos=202, sentences=834, frames=5486),
        ),
    ),
    'ref-davis': KnownSet(
        'ref-davis',
        'https://davischallenge.org',
        dict(train=dict(videos=60), valid=dict(videos=30, sentences=244, frames=1999)),
    ),
    'mevis': KnownSet(
        'mevis',
        'https://henghuiding.com/MeViS',
        dict(
            train=dict(videos=1662, sentences=(23051, 27502)),
            valid_u=dict(videos=50, sentences=(793, 907)),
            valid=dict(videos=140, sentences=(2236, 2523)),
        ),
        readers={
            split: dict(type='MeViSDataset', split=split) for split in ('train', 'valid_u', 'valid')
        },
        mask_files={split: f'{split}/mask_dict.json' for split in ('train', 'valid_u')},
    ),
    'a2d-sentences': KnownSet(
        'a2d_sentences',
        'https://kgavrilyuk.github.io/publication/actor_action (videos: '
        'https://web.eecs.umich.edu/~jjcorso/r/a2d)',
        dict(train={}, test={}),
        readers={
            split: dict(type='A2DSentencesDataset', split=split) for split in ('train', 'test')
        },
    ),
    'jhmdb-sentences': KnownSet(
        'jhmdb_sentences',
        'https://kgavrilyuk.github.io/publication/actor_action (list of frames: '
        'https://github.com/mttr2021/MTTR)',
        dict(test=dict(videos=928, sentences=2784)),
        readers=dict(test=dict(type='JHMDBSentencesDataset')),
    ),
    'refcoco': _refcoco(
        'refcoco',
        'refs(unc).p',
        dict(train=(16994, 120624), val=(1500, 10834), testA=(750, 5657), testB=(750, 5095)),
    ),
    'refcoco+': _refcoco(
        'refcoco+', 'refs(unc).p', dict(train=(16992,), val=(1500,), testA=(750,), testB=(750,))
    ),
    'refcocog': _refcoco(
        'refcocog', 'refs(umd).p', dict(train=(21899,), val=(1300,), test=(2600,))
    ),
}

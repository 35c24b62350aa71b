"""List public data sets: where their owners publish them, their parts and their published sizes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class LayoutPart:
    """A file, or a folder of files, of a layout.

    Attributes:
        place: path below the data root.
        page: where its owners publish it.
        members: for a folder: regular expression of the wanted paths in it.
        alias: another path under which the downloads may contain it.
        required: whether the set is incomplete without it.
    """

    place: str
    page: str
    members: str = ''
    alias: str = ''
    required: bool = True

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Pattern of members of an archive; group 1 is the path within the part."""
        names = '|'.join(map(re.escape, filter(None, (self.place, self.alias))))
        inner = f'/({self.members})$' if self.members else '()$'
        return re.compile(f'(?:^|/)(?:{names}){inner}')


@dataclass(frozen=True)
class KnownSet:
    """The content of a complete public data set.

    Attributes:
        folder: its usual folder below ``data``.
        page: where its owners publish it.
        counts: {split: {'videos' | 'sentences' | 'frames': number, or a tuple of releases}}.
        parts: the parts that the downloads contain.
        readers: {split: config of its data set class}, empty for the layout of Refer-YouTube-VOS.
        mask_files: {split: file with its masks}, for masks that are optional for testing.
        is_in_parts: whether a copy with some of the splits is complete.
    """

    folder: str
    page: str
    counts: Mapping[str, Mapping[str, int | tuple[int, ...]]]
    parts: Sequence[LayoutPart] = ()
    readers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mask_files: Mapping[str, str] = field(default_factory=dict)
    is_in_parts: bool = False


TEXT_FILES = tuple(f'Davis17_annot{i}{view}.txt' for i in (1, 2) for view in ('', '_full_video'))
_YTVOS, _DAVIS = 'https://youtube-vos.org', 'https://davischallenge.org'
_DAVIS_TEXTS = (
    'https://www.mpi-inf.mpg.de (Khoreva et al., Video Object Segmentation with Language)'
)
_MEVIS = 'https://henghuiding.com/MeViS'
_A2D_VIDEOS = 'https://web.eecs.umich.edu/~jjcorso/r/a2d'
_A2D_TEXTS = 'https://kgavrilyuk.github.io/publication/actor_action'
_MTTR = 'https://github.com/mttr2021/MTTR'
_JHMDB = 'http://jhmdb.is.tue.mpg.de'
_REFER = 'https://github.com/lichengunc/refer'
_GREFCOCO = 'https://github.com/henghuiding/gRefCOCO'
_COCO = 'https://cocodataset.org'
_LONG_RVOS = 'https://isee-laboratory.github.io/Long-RVOS'
_YOURVOS = 'the page of its authors (YoURVOS, untrimmed referring video object segmentation)'
_SA2VA = 'https://github.com/bytedance/Sa2VA (frames: https://ai.meta.com/datasets/segment-anything-video)'
_VEVAL = 'https://huggingface.co/datasets/facebook/SACo-VEval'
_FRAMES, _MASKS = r'[^/]+/[^/]+\.jpg', r'[^/]+/[^/]+\.png'
_A2D_H5 = 'a2d_annotation_with_instances'
_A2D_FILES = ('a2d_annotation.txt', 'a2d_missed_videos.txt')
_A2D_LISTS = 'a2d_sentences_single_frame_{}_annotations.json'
_EXPRESSIONS = 'meta_expressions/{}/meta_expressions.json'


def _counts(**splits: tuple[int | tuple[int, ...], ...]) -> dict[str, dict]:
    """Name the numbers of each split: videos, sentences and frames, as far as published."""
    names = ('videos', 'sentences', 'frames')
    return {split: dict(zip(names, numbers)) for split, numbers in splits.items()}


def _readers(kind: str, splits: Iterable[str], **config: str) -> dict[str, dict[str, str]]:
    return {split: dict(type=kind, split=split, **config) for split in splits}


def _files(page: str, *names: str, below: str = '', required: bool = True) -> list[LayoutPart]:
    """Return files that downloads may contain without the folder ``below``."""
    return [LayoutPart(below + name, page, '', name if below else '', required) for name in names]


def _mevis(split: str) -> list[LayoutPart]:
    files = [f'{split}/meta_expressions.json', f'{split}/mask_dict.json']
    return [LayoutPart(f'{split}/JPEGImages', _MEVIS, _FRAMES), *_files(_MEVIS, *files)]


def _refcoco(
    folder: str,
    references: str,
    page: str = _REFER,
    kind: str = 'RefCOCODataset',
    **splits: tuple[int, ...],
) -> KnownSet:
    images = LayoutPart('train2014', _COCO, r'COCO_train2014_\d{12}\.jpg')
    references = f'{folder}/{references}'
    return KnownSet(
        'coco',
        f'{page} (images: {_COCO}, train2014)',
        _counts(**splits),
        [images, *_files(page, references, f'{folder}/instances.json')],
        _readers(kind, splits, ann_file=references),
    )


def _layout(page: str, splits: Sequence[str], masks: str = _MASKS) -> list[LayoutPart]:
    """Return the parts of a set in the layout of Refer-YouTube-VOS, all split by split."""
    parts = []
    for split in splits:
        folders = {f'{split}/JPEGImages': _FRAMES, f'{split}/Annotations': masks}
        parts += [LayoutPart(place, page, members) for place, members in folders.items()]
        name = f'{split}/meta_expressions.json'
        parts.append(LayoutPart(_EXPRESSIONS.format(split), page, '', name))
    return parts


def _veval() -> KnownSet:
    """Return the three parts of SA-Co/VEval, each with a validation and a test split."""
    media = dict(sav='saco_sav/JPEGImages_24fps', yt1b='saco_yt1b/JPEGImages_6fps')
    media |= dict(smartglasses='saco_sg/JPEGImages_6fps')
    parts = [
        LayoutPart(f'media/{name}', _VEVAL, _FRAMES, required=False) for name in media.values()
    ]
    readers = {}
    for source, folder in media.items():
        for split in (f'{source}_val', f'{source}_test'):
            name = f'annotation/saco_veval_{split}.json'
            parts.append(LayoutPart(name, _VEVAL, '', Path(name).name, required=False))
            config = dict(split=split, ann_file=name, image_folder=f'media/{folder}')
            readers[split] = dict(type='VEvalDataset', **config)
    return KnownSet('saco-veval', _VEVAL, {}, parts, readers, is_in_parts=True)


# Numbers of Refer-YouTube-VOS: Seo et al., ECCV 2020, and the files themselves; of Ref-DAVIS17 and
# JHMDB-Sentences: the files; of MeViS: its releases of 2023 and 2025; of RefCOCO: the catalogue of
# TensorFlow Datasets (a 'video' is an image). The scored validation videos of Refer-YouTube-VOS are
# 202 of the 507 listed. The challenge's validation masks are those of first frames only, so its
# layout has none.
KNOWN_SETS = {
    'ref-youtube-vos': KnownSet(
        'ref-youtube-vos',
        _YTVOS,
        _counts(train=(3471, 12913), valid=(202, 834, 5486)),
        [
            LayoutPart('train/JPEGImages', _YTVOS, _FRAMES),
            LayoutPart('train/Annotations', _YTVOS, _MASKS),
            LayoutPart('valid/JPEGImages', _YTVOS, _FRAMES),
            *_files(_YTVOS, *map(_EXPRESSIONS.format, ('train', 'valid'))),
            *_files(_YTVOS, _EXPRESSIONS.format('test'), 'train/meta.json', required=False),
        ],
    ),
    'ref-davis': KnownSet(
        'ref-davis',
        _DAVIS,
        _counts(train=(60,), valid=(30, 244, 1999)),
        [
            LayoutPart('DAVIS/JPEGImages/480p', _DAVIS, _FRAMES),
            LayoutPart('DAVIS/Annotations_unsupervised/480p', _DAVIS, _MASKS),
            LayoutPart('DAVIS/Annotations/480p', _DAVIS, _MASKS, required=False),
            *_files(_DAVIS, *(f'ImageSets/2017/{s}.txt' for s in ('train', 'val')), below='DAVIS/'),
            *_files(_DAVIS, 'davis_semantics.json', below='DAVIS/', required=False),
            *_files(_DAVIS_TEXTS, *TEXT_FILES, below='davis_text_annotations/'),
        ],
    ),
    'mevis': KnownSet(
        'mevis',
        _MEVIS,
        _counts(train=(1662, (23051, 27502)), valid_u=(50, (793, 907)), valid=(140, (2236, 2523))),
        [*_mevis('train'), *_mevis('valid_u'), *_mevis('valid')[:2]],
        _readers('MeViSDataset', ('train', 'valid_u', 'valid')),
        {split: f'{split}/mask_dict.json' for split in ('train', 'valid_u')},
    ),
    'a2d-sentences': KnownSet(
        'a2d_sentences',
        f'{_A2D_TEXTS} (videos: {_A2D_VIDEOS})',
        _counts(train=(), test=()),
        [
            LayoutPart('Release/clips320H', _A2D_VIDEOS, r'[^/]+\.mp4', 'Release/CLIPS320'),
            LayoutPart('Release/videoset.csv', _A2D_VIDEOS),
            LayoutPart(f'text_annotations/{_A2D_H5}', _A2D_TEXTS, r'[^/]+/\d+\.h5', _A2D_H5),
            *_files(_A2D_TEXTS, *_A2D_FILES, below='text_annotations/'),
            *_files(_MTTR, *map(_A2D_LISTS.format, ('train', 'test')), required=False),
            LayoutPart('a2d_sentences_test_annotations_in_coco_format.json', _MTTR, required=False),
        ],
        _readers('A2DSentencesDataset', ('train', 'test')),
    ),
    'jhmdb-sentences': KnownSet(
        'jhmdb_sentences',
        f'{_A2D_TEXTS} (list of frames: {_MTTR})',
        _counts(test=(928, 2784)),
        [
            LayoutPart('Rename_Images', _JHMDB, r'[^/]+/[^/]+/\d+\.png'),
            LayoutPart('puppet_mask', _JHMDB, r'[^/]+/[^/]+/puppet_mask\.mat'),
            LayoutPart('jhmdb_annotation.txt', _A2D_TEXTS, required=False),
            LayoutPart('jhmdb_sentences_samples_metadata.json', _MTTR),
            LayoutPart('jhmdb_sentences_gt_annotations_in_coco_format.json', _MTTR, required=False),
        ],
        dict(test=dict(type='JHMDBSentencesDataset')),
    ),
    'refcoco': _refcoco(
        'refcoco',
        'refs(unc).p',
        **dict(train=(16994, 120624), val=(1500, 10834), testA=(750, 5657), testB=(750, 5095)),
    ),
    'refcoco+': _refcoco(
        'refcoco+', 'refs(unc).p', train=(16992,), val=(1500,), testA=(750,), testB=(750,)
    ),
    'refcocog': _refcoco('refcocog', 'refs(umd).p', train=(21899,), val=(1300,), test=(2600,)),
    # docs/datasets.md lists what was not verified with the owners' files in the sets below.
    'grefcoco': _refcoco(
        'grefcoco',
        'grefs(unc).json',
        _GREFCOCO,
        'GRefCOCODataset',
        **dict(train=(), val=(), testA=(), testB=()),
    ),
    'long-rvos': KnownSet(
        'long-rvos',
        _LONG_RVOS,
        _counts(train=(), valid=(), test=()),
        _layout(_LONG_RVOS, ('train', 'valid', 'test'), r'[^/]+/[^/]+/[^/]+\.png'),
        _readers('LongRVOSDataset', ('train', 'valid', 'test')),
        is_in_parts=True,
    ),
    'yourvos': KnownSet(
        'yourvos',
        _YOURVOS,
        _counts(test=()),
        [*_layout(_YOURVOS, ('test',)), LayoutPart('spans.txt', _YOURVOS)],
        _readers('YoURVOSDataset', ('test',)),
    ),
    'ref-sav': KnownSet(
        'ref-sav',
        _SA2VA,
        _counts(valid=()),
        [
            LayoutPart('JPEGImages', _SA2VA, _FRAMES),
            *_files(_SA2VA, 'meta_expressions_valid.json', 'mask_dict.json'),
        ],
        _readers('RefSAVDataset', ('valid',)),
        dict(valid='mask_dict.json'),
    ),
    'saco-veval': _veval(),
}

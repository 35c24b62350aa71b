"""What the layout of each public data set is made of, and where its owners give it out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ..verify.known_sets import KNOWN_SETS


@dataclass(frozen=True)
class Part:
    """A file, or a folder of files, of a layout.

    Attributes:
        place: where it belongs below the data root.
        members: of a folder: regular expression of the paths in it that are wanted. '' of a file.
        page: who gives it out.
        names: as what else it may be found in the downloads, with as much of its path as it takes
            to know it.
        required: whether the set is incomplete without it.
    """

    place: str
    members: str = ''
    page: str = ''
    names: tuple[str, ...] = ()
    required: bool = True

    @property
    def known_as(self) -> tuple[str, ...]:
        """All its names, the usual one first."""
        return (self.place, *self.names)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a member of an archive; group 1 is its path within the part."""
        names = '|'.join(map(re.escape, self.known_as))
        inner = f'/({self.members})' if self.members else '()'
        return re.compile(f'(?:^|/)(?:{names}){inner}$')


_FRAMES, _MASKS = r'[^/]+/[^/]+\.jpg', r'[^/]+/[^/]+\.png'


def _refer_youtube_vos() -> list[Part]:
    page = KNOWN_SETS['ref-youtube-vos'].page
    sentences = [
        Part(f'meta_expressions/{split}/meta_expressions.json', page=page, required=split != 'test')
        for split in ('train', 'valid', 'test')
    ]
    # The challenge's validation masks are those of first frames: frames without would be left out.
    return [
        Part('train/JPEGImages', _FRAMES, page),
        Part('train/Annotations', _MASKS, page),
        Part('valid/JPEGImages', _FRAMES, page),
        *sentences,
        Part('train/meta.json', page=page, required=False),
    ]


def _ref_davis() -> list[Part]:
    page = 'https://davischallenge.org'
    texts = 'https://www.mpi-inf.mpg.de (Khoreva et al., Video Object Segmentation with Language)'
    return [
        Part('DAVIS/JPEGImages/480p', _FRAMES, page),
        Part('DAVIS/Annotations_unsupervised/480p', _MASKS, page),
        Part('DAVIS/Annotations/480p', _MASKS, page, required=False),
        *(
            Part(
                f'DAVIS/ImageSets/2017/{split}.txt',
                page=page,
                names=(f'ImageSets/2017/{split}.txt',),
            )
            for split in ('train', 'val')
        ),
        Part(
            'DAVIS/davis_semantics.json', page=page, names=('davis_semantics.json',), required=False
        ),
        *(
            Part(f'davis_text_annotations/{name}.txt', page=texts, names=(f'{name}.txt',))
            for name in TEXT_FILES
        ),
    ]


def _mevis() -> list[Part]:
    page = KNOWN_SETS['mevis'].page
    parts = []
    for split in ('train', 'valid_u', 'valid'):
        parts += [
            Part(f'{split}/JPEGImages', _FRAMES, page),
            Part(f'{split}/meta_expressions.json', page=page),
        ]
        if split != 'valid':
            parts.append(Part(f'{split}/mask_dict.json', page=page))
    return parts


def _a2d() -> list[Part]:
    videos = 'https://web.eecs.umich.edu/~jjcorso/r/a2d'
    texts = 'https://kgavrilyuk.github.io/publication/actor_action'
    lists = 'https://github.com/mttr2021/MTTR'
    return [
        Part('Release/clips320H', r'[^/]+\.mp4', videos, names=('Release/CLIPS320',)),
        Part('Release/videoset.csv', page=videos),
        Part(
            'text_annotations/a2d_annotation_with_instances',
            r'[^/]+/\d+\.h5',
            texts,
            names=('a2d_annotation_with_instances',),
        ),
        *(
            Part(f'text_annotations/{name}.txt', page=texts, names=(f'{name}.txt',))
            for name in ('a2d_annotation', 'a2d_missed_videos')
        ),
        *(
            Part(f'a2d_sentences_{name}.json', page=lists, required=False)
            for name in (
                'single_frame_train_annotations',
                'single_frame_test_annotations',
                'test_annotations_in_coco_format',
            )
        ),
    ]


def _jhmdb() -> list[Part]:
    videos = 'http://jhmdb.is.tue.mpg.de'
    lists = 'https://github.com/mttr2021/MTTR'
    return [
        Part('Rename_Images', r'[^/]+/[^/]+/\d+\.png', videos),
        Part('puppet_mask', r'[^/]+/[^/]+/puppet_mask\.mat', videos),
        Part(
            'jhmdb_annotation.txt',
            required=False,
            page='https://kgavrilyuk.github.io/publication/actor_action',
        ),
        Part('jhmdb_sentences_samples_metadata.json', page=lists),
        Part('jhmdb_sentences_gt_annotations_in_coco_format.json', page=lists, required=False),
    ]


def _refcoco(folder: str, pickle: str) -> list[Part]:
    page = 'https://github.com/lichengunc/refer'
    return [
        Part('train2014', r'COCO_train2014_\d{12}\.jpg', 'https://cocodataset.org'),
        Part(f'{folder}/{pickle}', page=page),
        Part(f'{folder}/instances.json', page=page),
    ]


TEXT_FILES = (
    'Davis17_annot1',
    'Davis17_annot1_full_video',
    'Davis17_annot2',
    'Davis17_annot2_full_video',
)
PARTS: Mapping[str, Sequence[Part]] = {
    'ref-youtube-vos': _refer_youtube_vos(),
    'ref-davis': _ref_davis(),
    'mevis': _mevis(),
    'a2d-sentences': _a2d(),
    'jhmdb-sentences': _jhmdb(),
    'refcoco': _refcoco('refcoco', 'refs(unc).p'),
    'refcoco+': _refcoco('refcoco+', 'refs(unc).p'),
    'refcocog': _refcoco('refcocog', 'refs(umd).p'),
}

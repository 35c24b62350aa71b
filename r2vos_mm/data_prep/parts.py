"""List the parts of each public data set's layout, and where their owners offer them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Part:
    """A file, or a folder of files, of a layout.

    Attributes:
        place: path below the data root.
        page: where its owners offer it.
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
        return re.compile(
            f'(?:^|/)(?:{names})' + (f'/({self.members})$' if self.members else '()$')
        )


TEXT_FILES = tuple(f'Davis17_annot{i}{view}' for i in (1, 2) for view in ('', '_full_video'))
_FRAMES, _MASKS = r'[^/]+/[^/]+\.jpg', r'[^/]+/[^/]+\.png'
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
_EXPRESSIONS = 'meta_expressions/{}/meta_expressions.json'
_A2D_H5 = 'a2d_annotation_with_instances'


def _mevis(split: str) -> list[Part]:
    return [
        Part(f'{split}/JPEGImages', _MEVIS, _FRAMES),
        Part(f'{split}/meta_expressions.json', _MEVIS),
        Part(f'{split}/mask_dict.json', _MEVIS),
    ]


def _refcoco(folder: str, pickle: str) -> list[Part]:
    return [
        Part('train2014', 'https://cocodataset.org', r'COCO_train2014_\d{12}\.jpg'),
        Part(f'{folder}/{pickle}', _REFER),
        Part(f'{folder}/instances.json', _REFER),
    ]


PARTS: Mapping[str, Sequence[Part]] = {
    # The challenge's validation masks are those of first frames, so the layout goes without.
    'ref-youtube-vos': [
        Part('train/JPEGImages', _YTVOS, _FRAMES),
        Part('train/Annotations', _YTVOS, _MASKS),
        Part('valid/JPEGImages', _YTVOS, _FRAMES),
        Part(_EXPRESSIONS.format('train'), _YTVOS),
        Part(_EXPRESSIONS.format('valid'), _YTVOS),
        Part(_EXPRESSIONS.format('test'), _YTVOS, required=False),
        Part('train/meta.json', _YTVOS, required=False),
    ],
    'ref-davis': [
        Part('DAVIS/JPEGImages/480p', _DAVIS, _FRAMES),
        Part('DAVIS/Annotations_unsupervised/480p', _DAVIS, _MASKS),
        Part('DAVIS/Annotations/480p', _DAVIS, _MASKS, required=False),
        Part('DAVIS/ImageSets/2017/train.txt', _DAVIS, alias='ImageSets/2017/train.txt'),
        Part('DAVIS/ImageSets/2017/val.txt', _DAVIS, alias='ImageSets/2017/val.txt'),
        Part('DAVIS/davis_semantics.json', _DAVIS, alias='davis_semantics.json', required=False),
        *(
            Part(f'davis_text_annotations/{n}.txt', _DAVIS_TEXTS, '', f'{n}.txt')
            for n in TEXT_FILES
        ),
    ],
    'mevis': [*_mevis('train'), *_mevis('valid_u'), *_mevis('valid')[:2]],
    'a2d-sentences': [
        Part('Release/clips320H', _A2D_VIDEOS, r'[^/]+\.mp4', 'Release/CLIPS320'),
        Part('Release/videoset.csv', _A2D_VIDEOS),
        Part(f'text_annotations/{_A2D_H5}', _A2D_TEXTS, r'[^/]+/\d+\.h5', _A2D_H5),
        Part('text_annotations/a2d_annotation.txt', _A2D_TEXTS, alias='a2d_annotation.txt'),
        Part('text_annotations/a2d_missed_videos.txt', _A2D_TEXTS, alias='a2d_missed_videos.txt'),
        Part('a2d_sentences_single_frame_train_annotations.json', _MTTR, required=False),
        Part('a2d_sentences_single_frame_test_annotations.json', _MTTR, required=False),
        Part('a2d_sentences_test_annotations_in_coco_format.json', _MTTR, required=False),
    ],
    'jhmdb-sentences': [
        Part('Rename_Images', _JHMDB, r'[^/]+/[^/]+/\d+\.png'),
        Part('puppet_mask', _JHMDB, r'[^/]+/[^/]+/puppet_mask\.mat'),
        Part('jhmdb_annotation.txt', _A2D_TEXTS, required=False),
        Part('jhmdb_sentences_samples_metadata.json', _MTTR),
        Part('jhmdb_sentences_gt_annotations_in_coco_format.json', _MTTR, required=False),
    ],
    'refcoco': _refcoco('refcoco', 'refs(unc).p'),
    'refcoco+': _refcoco('refcoco+', 'refs(unc).p'),
    'refcocog': _refcoco('refcocog', 'refs(umd).p'),
}

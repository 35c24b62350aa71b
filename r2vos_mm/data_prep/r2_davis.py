"""Build R2-DAVIS: real 480p videos with positive pairs and three kinds of negative pairs.

The 20 videos of DAVIS 2016's validation are among those of Ref-DAVIS17. In 13 of them exactly one
object is annotated, so its mask is that of the expression: 13 x 4 positive pairs. The other 7 are
only used in negative pairs. Negatives are ordered by hashes as in :mod:`.r2_pairs`, so the pairs
depend only on the expressions, the seed and the lists below, not on frames or masks.

* ``other_video``: another of the 20 videos, whose objects are of other categories.
* ``attribute``: the same video, and the expression with another category noun, colour or side.
* ``relation``: the same video, and the expression with another relation or motion.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from r2vos_mm.datasets.pairs.categories import GROUPS_VERSION
from r2vos_mm.datasets.pairs.words import (
    COLOURS,
    CONFUSABLE_COLOURS,
    LEXICON_VERSION,
    NOUNS,
    has_words,
    replace_words,
)
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import stems, write_json
from r2vos_mm.utils.formats.expressions import frame_order, normalize_text
from r2vos_mm.utils.formats.pairs import FORMAT, pairs_sha256
from r2vos_mm.utils.masks_io import read_label_png

from .davis import make_link
from .r2_pairs import DEFAULT_SEED, Candidates, R2Pairs, Shown, build_rows
from .r2_pairs_source import PairSource, SourceExpression, SourceVideo

NAME = 'r2-davis'
KINDS = ('other_video', 'attribute', 'relation')
WORDS_VERSION = 'v1'
# fmt: off
# Categories of all objects of the 20 videos, by the names of YouTube-VOS. The street of
# scooter-black has cars that are not annotated.
CATEGORIES: dict[str, tuple[str, ...]] = {
    'blackswan': ('duck',), 'breakdance': ('person',), 'camel': ('camel',),
    'car-roundabout': ('sedan',), 'car-shadow': ('sedan',), 'cows': ('cow',),
    'dance-twirl': ('person',), 'dog': ('dog',), 'drift-chicane': ('sedan',),
    'drift-straight': ('sedan',), 'goat': ('sheep',), 'libby': ('dog',), 'parkour': ('person',),
    'bmx-trees': ('bike', 'person'), 'horsejump-high': ('horse', 'person'),
    'kite-surf': ('parachute', 'surfboard', 'person'), 'motocross-jump': ('motorbike', 'person'),
    'paragliding-launch': ('backpack', 'person', 'parachute'),
    'scooter-black': ('motorbike', 'person', 'sedan'), 'soapbox': ('sedan', 'person'),
}
# Videos with one object.
POSITIVE_VIDEOS = tuple(name for name, listed in CATEGORIES.items() if len(listed) == 1)
# The new words must be false of the whole video, including people, cars and plants in the
# background, which are not annotated. So the nouns are those of large animals, no motion is one of
# spectators or parked cars, and cars get colours that few cars have.
_NOUN_CATEGORIES = (
    'ape', 'bear', 'camel', 'cat', 'cow', 'crocodile', 'deer', 'dog', 'dolphin', 'elephant', 'fox',
    'giant_panda', 'giraffe', 'horse', 'kangaroo', 'lion', 'monkey', 'penguin',
    'rabbit', 'shark', 'sheep', 'tiger', 'turtle', 'whale', 'zebra',
)
_NOUNS = {category: NOUNS[category] for category in _NOUN_CATEGORIES}
_COLOURS_OF_CARS = ('green', 'orange', 'pink', 'purple', 'yellow')
_SIDES = {
    'left': ('right',), 'right': ('left',), 'leftmost': ('rightmost',), 'rightmost': ('leftmost',),
}
_RELATIONS: dict[str, tuple[str, ...]] = {
    'on': ('under', 'above'), 'over': ('under',), 'across': ('under',),
    'through': ('under', 'above'), 'next to': ('far from',), 'towards': ('away from',),
}
_MOTIONS = (
    'performing a breakdance', 'performing breakdance', 'performing a headspin', 'breakdancing',
    'dancing', 'twirling', 'walking', 'running', 'jumping', 'moving', 'racing', 'drifting',
)
_NO_MOTIONS = ('racing track',)  # phrases in which such a word does not describe a motion
_OTHER_MOTIONS = ('sleeping', 'swimming', 'flying', 'climbing a tree')
_OTHER_MOTIONS_OF_CARS = ('flying', 'rolling over', 'sinking', 'burning')
# fmt: on


def build_r2_davis(
    expressions: Mapping[str, Any],
    *,
    negatives_per_kind: int = 1,
    seed: str = DEFAULT_SEED,
    exclude: frozenset[str] = frozenset(),
) -> R2Pairs:
    """Build the pairs by the rules in the description of the module.

    The j-th negative of kind k has the rank 3 j + k, so larger sets contain the smaller ones.

    Args:
        expressions: entries of the videos of Ref-DAVIS17's validation, with ``exp`` and ``obj_id``.
        negatives_per_kind: per expression; fewer if there is no word to change (``short``).
        seed: text that goes into the hashes.
        exclude: ids of pairs found to be true; the next candidates replace them.

    Raises:
        ValueError: there are no expressions of the 20 videos.
    """
    problems = ProblemList('expressions')
    source = _source(expressions, problems)
    candidates = Candidates(source, seed)
    changed = (partial(change, candidates=candidates) for change in (_attributes, _relations))
    kinds = dict(zip(KINDS, (candidates.easy, *changed), strict=True))
    positives = (source.videos[name] for name in POSITIVE_VIDEOS if name in source.videos)
    rows, short = build_rows(positives, kinds, negatives_per_kind, exclude)
    content = dict(
        format=FORMAT,
        name=f'{NAME}-n{negatives_per_kind}',
        params=dict(
            seed=seed,
            n_neg=negatives_per_kind,
            kinds=list(KINDS),
            groups=GROUPS_VERSION,
            lexicon=f'{LEXICON_VERSION}, {WORDS_VERSION}',
            exclude=sorted(exclude),
        ),
        source=dict(dataset='ref-davis17', split='valid'),
        counts=Counter(row['kind'] for row in rows) | dict(videos=len(source.videos)),
        short=short,
        pairs_sha256=pairs_sha256(rows),
        pairs=rows,
    )
    return R2Pairs(content, problems)


def write_r2_davis(
    pairs: R2Pairs, expressions: Mapping[str, Any], data_root: Path, davis: Path | None
) -> str | None:
    """Write the pairs file, and with ``davis`` the expressions and links to frames and masks.

    Args:
        pairs, expressions: result of :func:`build_r2_davis` and its first argument.
        data_root: folder of the data set.
        davis: folder of DAVIS 2017 with ``JPEGImages/480p`` and ``Annotations/480p`` (of the
            semi-supervised task), or these without ``480p``; None: pairs only.

    Returns:
        SHA-256 of lines ``<video>/<frame>\\t<SHA-256 of the object ids>`` for the linked masks of
        the positive videos; None without ``davis``.

    Raises:
        FileNotFoundError: ``davis`` has none of the videos.
    """
    write_json(data_root / f'pairs/{pairs.content["name"]}.json', pairs.content)
    if davis is None:
        return None
    parts = (davis / 'JPEGImages', davis / 'Annotations')
    images, masks = (p / '480p' if (p / '480p').is_dir() else p for p in parts)
    videos, missing = {}, []
    for name in sorted(CATEGORIES.keys() & expressions.keys()):
        if not (images / name).is_dir() or not (masks / name).is_dir():
            missing.append(name)
            continue
        for part, folder in (('JPEGImages', images), ('Annotations', masks)):
            make_link(data_root / 'valid' / part / name, (folder / name).resolve())
        frames = sorted(stems(images / name, '.jpg'), key=frame_order)
        videos[name] = dict(expressions=expressions[name]['expressions'], frames=frames)
    if not videos:
        raise FileNotFoundError(f'{davis} has none of the videos, such as {images / missing[0]}')
    for name in missing:
        pairs.problems.add(name, f'is not in {davis}', 'video skipped')
    write_json(data_root / 'meta_expressions/valid/meta_expressions.json', dict(videos=videos))
    return _masks_sha256(masks, videos)


def _masks_sha256(masks: Path, videos: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(videos.keys() & set(POSITIVE_VIDEOS)):
        for frame in videos[name]['frames']:
            ids = read_label_png(masks / name / f'{frame}.png')
            digest.update(f'{name}/{frame}\t{hashlib.sha256(ids).hexdigest()}\n'.encode())
    return digest.hexdigest()


def _source(expressions: Mapping[str, Any], problems: ProblemList) -> PairSource:
    """Return those of the 20 videos that have expressions."""
    videos = {}
    for name, categories in sorted(CATEGORIES.items()):
        entry = expressions.get(name)
        if entry is None:
            problems.add(name, 'has no expressions', 'video skipped')
            continue
        texts = entry['expressions']
        own = tuple(
            SourceExpression(name, exp_id, texts[exp_id]['exp'], '1', categories[0])
            for exp_id in sorted(texts, key=frame_order)
        )
        videos[name] = SourceVideo(name, own, (), frozenset(categories), entry)
    if not videos:
        raise ValueError('no video of R2-DAVIS is in the expressions: take those of Ref-DAVIS17')
    return PairSource(videos, False, problems)


def _attributes(own: SourceExpression, candidates: Candidates) -> Iterator[Shown]:
    """Yield the own video with another noun, colour or side."""
    texts = dict(
        noun=[text for _, text, _ in candidates.swap(own, nouns=_NOUNS)],
        colour=[*_other_colours(own, candidates.videos[own.video_id])],
        side=[*_other_words(own, _SIDES)],
    )
    return _interleaved(own, texts, candidates)


def _relations(own: SourceExpression, candidates: Candidates) -> Iterator[Shown]:
    """Yield the own video with another relation or motion."""
    others = _OTHER_MOTIONS_OF_CARS if own.category == 'sedan' else _OTHER_MOTIONS
    motions = dict.fromkeys(_MOTIONS, others)
    if any(has_words(own.text, words) for words in _NO_MOTIONS):
        motions = {}
    texts = dict(
        relation=[*_other_words(own, _RELATIONS), *_turned_paths(own)],
        motion=[*_other_words(own, motions)],
    )
    return _interleaved(own, texts, candidates)


def _interleaved(
    own: SourceExpression, texts: Mapping[str, list[str]], candidates: Candidates
) -> Iterator[Shown]:
    """Yield the changes in turn, so that one with many candidates does not displace the others."""
    order = sorted(texts, key=lambda change: candidates.digest(own, change))
    ranked = [
        sorted(set(texts[change]), key=lambda text: candidates.digest(own, text))
        for change in order
    ]
    for turn in zip_longest(*ranked):
        for change, text in zip(order, turn):
            if text is not None:
                yield Shown(own.video_id, text, change)


def _other_colours(own: SourceExpression, video: SourceVideo) -> Iterator[str]:
    """Yield the text with another colour, which no expression of the video names."""
    texts = ' '.join(normalize_text(other.text) for other in video.expressions)
    named = {colour for colour in COLOURS if has_words(texts, colour)}
    for old in (colour for colour in COLOURS if has_words(own.text, colour)):
        for new in _COLOURS_OF_CARS if own.category == 'sedan' else COLOURS:
            like = {frozenset((new, colour)) for colour in named}
            if new not in named and not like & CONFUSABLE_COLOURS:
                yield replace_words(own.text, old, new)


def _other_words(own: SourceExpression, changes: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Yield the text with each of the words that it has replaced."""
    for old, others in changes.items():
        if has_words(own.text, old):
            yield from (replace_words(own.text, old, new) for new in others)


def _turned_paths(own: SourceExpression) -> Iterator[str]:
    """Yield the text with ``from a to b`` turned around."""
    turned = re.sub(r'\bfrom (\w+) to (\w+)\b', r'from \2 to \1', own.text)
    if turned != own.text:
        yield turned

"""Build pairs of videos and expressions that measure robustness, the same on every machine.

The pairs of the original R2-YouTube-VOS were never published; the paper only calls them "unpaired
video and text" (R2-VOS, Sec. 4.1). :func:`build_r2_pairs` orders candidates by a hash of the seed,
the expression and the candidate, so the pairs do not depend on a generator, a library or the order
of files, the negatives for n = 3 include those for n = 1, and new videos only change their pairs.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

from r2vos_mm.datasets.pairs.categories import GROUPS_VERSION, closure, may_contain
from r2vos_mm.datasets.pairs.words import (
    ATTRIBUTES,
    LEXICON_VERSION,
    NOUNS,
    noun_uses,
    replace_noun,
)
from r2vos_mm.datasets.records import NO_TARGET, POSITIVE
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.files import file_sha256
from r2vos_mm.utils.formats.expressions import normalize_text
from r2vos_mm.utils.formats.pairs import FORMAT, pairs_sha256

from .r2_pairs_source import PairSource, SourceExpression, SourceVideo, read_source

DEFAULT_SEED = 'r2-2023'
# Names of data sets by the usual names of their folders, and short names in names of pairs files.
DATASET_OF_FOLDER = {
    'ref-youtube-vos': 'refer-youtube-vos',
    'refer_youtube_vos': 'refer-youtube-vos',
    'ref-davis': 'ref-davis17',
}
KINDS = ('easy', 'swap', 'hard')
SHORT_NAMES = {'refer-youtube-vos': 'rytvos', 'valid': 'val'}
_ATTRIBUTE_WORDS = frozenset(word for group in ATTRIBUTES for word in group)


@dataclass(frozen=True)
class R2Pairs:
    """Pairs that were built.

    Attributes:
        content: the pairs file (``r2-pairs/1``).
        problems: problems of the input.
        meta_expressions: the expressions file of Refer-YouTube-VOS with the negatives added, for
            inference scripts that cannot read pairs files; empty for R2-DAVIS.
    """

    content: dict[str, Any]
    problems: ProblemList
    meta_expressions: dict[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """:func:`~r2vos_mm.utils.formats.pairs.pairs_sha256` of the pairs."""
        return self.content['pairs_sha256']


class Shown(NamedTuple):
    """A video, the text shown with it, and the kind of word changed in the text, if known."""

    video_id: str
    text: str
    change: str = ''


def build_r2_pairs(
    expressions: str | Path,
    *,
    categories: str | Path | None = None,
    video_ids: Collection[str] | None = None,
    negatives_per_positive: int = 1,
    kind: str = 'easy',
    seed: str = DEFAULT_SEED,
    exclude: Collection[str] = (),
    name: str | None = None,
    dataset: str | None = None,
    split: str | None = None,
) -> R2Pairs:
    """Pair every expression with its own video, and build negative pairs for it.

    Expressions about nothing in their video (MeViS 2) become negative pairs ``no_target`` with it.

    Args:
        expressions: file of expressions, in any form of :mod:`~r2vos_mm.data_prep.r2_pairs_source`.
        categories: file of categories; if neither file has any, nouns are used (``lexical``).
        video_ids: the videos to use. None: all.
        negatives_per_positive: per expression; fewer if candidates run out (listed as ``short``).
        kind: ``easy``, ``swap`` or ``hard``, see the methods of :class:`Candidates`.
        seed: text that goes into the hash.
        exclude: ids of negative pairs that were inspected and found to be true. The next candidate
            replaces them, under its own rank: the id of a pair always means the same pair.
        name: defaults to ``r2-<dataset>-<split><number of videos>-<kind>-n<negatives>``.
        dataset, split: origin; by default that of :func:`origin_of`. RefCOCO needs the split.

    Raises:
        FileNotFoundError, ValueError: a file or an argument cannot be used.
    """
    if kind not in KINDS:
        raise ValueError(f'kind must be one of {", ".join(KINDS)}, got {kind!r}')
    if negatives_per_positive < 0:
        raise ValueError(f'negatives_per_positive must be at least 0, got {negatives_per_positive}')
    expressions = Path(expressions)
    categories = Path(categories) if categories is not None else None
    source = read_source(expressions, categories=categories, video_ids=video_ids, split=split)
    candidates = {kind: getattr(Candidates(source, seed), kind)}
    rows, short = build_rows(
        source.videos.values(), candidates, negatives_per_positive, frozenset(exclude)
    )
    stated = dict(dataset=dataset, split=split)
    origin = origin_of(expressions) | {key: name for key, name in stated.items() if name}
    short_name = '-'.join(SHORT_NAMES.get(part, part) for part in origin.values() if part)
    ending = f'{"-lexical" if source.is_lexical else ""}-n{negatives_per_positive}'
    labels = Counter(row['label'] for row in rows)
    counts = dict(positive=labels[1], negative=labels[0], short=len(short))
    content = dict(
        format=FORMAT,
        name=name or f'r2-{short_name}{len(source.videos)}-{kind}{ending}',
        params=_params(source, kind, seed, negatives_per_positive, exclude),
        source=origin | _source_hashes(expressions, categories, source),
        counts=counts | dict(videos=len(source.videos)),
        short=short,
        pairs_sha256=pairs_sha256(rows),
        pairs=rows,
    )
    return R2Pairs(content, source.problems, _meta_expressions(source, rows))


def _params(
    source: PairSource, kind: str, seed: str, wanted: int, exclude: Collection[str]
) -> dict[str, Any]:
    """Return the ``params`` of the file: all that the pairs depend on besides the expressions."""
    params = dict(seed=seed, n_neg=wanted, kind=kind, groups=GROUPS_VERSION)
    if source.is_lexical or kind == 'swap':
        params.update(lexicon=LEXICON_VERSION)
    return params | dict(
        categories='lexical' if source.is_lexical else 'annotated', exclude=sorted(exclude)
    )


def origin_of(expressions: Path) -> dict[str, str | None]:
    """Return data set and split from the path of a file of expressions, or its folder's name.

    >>> origin_of(Path('/data/ref-youtube-vos/meta_expressions/valid/meta_expressions.json'))
    {'dataset': 'refer-youtube-vos', 'split': 'valid'}
    >>> origin_of(Path('/data/mevis/valid_u/meta_expressions.json'))
    {'dataset': 'mevis', 'split': 'valid_u'}
    >>> origin_of(Path('/downloads/meta_expressions.json'))
    {'dataset': 'downloads', 'split': None}
    """
    folder, split = expressions.resolve().parent, None
    if folder.parent.name == 'meta_expressions':
        folder, split = folder.parent.parent, folder.name
    elif folder.name.split('_')[0] in ('train', 'valid', 'test'):
        folder, split = folder.parent, folder.name
    return dict(dataset=DATASET_OF_FOLDER.get(folder.name, folder.name), split=split)


def build_rows(
    videos: Iterable[SourceVideo],
    candidates: Mapping[str, Callable[[SourceExpression], Iterable[Shown]]],
    wanted: int,
    exclude: frozenset[str],
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the rows of a pairs file, and the number of negatives where there are too few.

    The j-th of the ``wanted`` negatives of kind k of n, from ``candidates[kind]``, has the rank
    n j + k; those whose ids are in ``exclude`` are skipped.
    """
    rows, short = [], {}
    for video in videos:
        for own in video.expressions:
            rows.append(_pair_row(own, POSITIVE))
            for first_rank, (kind, candidates_of) in enumerate(candidates.items()):
                ranks = count(first_rank, len(candidates))
                possible = (_pair_row(own, kind, *x) for x in zip(candidates_of(own), ranks))
                usable = (row for row in possible if row['pair_id'] not in exclude)
                negatives = list(islice(usable, wanted))
                rows += negatives
                if len(negatives) < wanted:
                    name = f'{video.video_id}/{own.exp_id}'
                    short[name if len(candidates) == 1 else f'{name}/{kind}'] = len(negatives)
        absent = (_pair_row(own, NO_TARGET) for own in video.absent)
        rows += [row for row in absent if row['pair_id'] not in exclude]
    return rows, short


def _pair_row(
    own: SourceExpression, kind: str, shown: Shown | None = None, rank: int = 0
) -> dict[str, Any]:
    """Return the row for an expression and ``shown``, by default its own video and text."""
    shown = shown or Shown(own.video_id, own.text)
    ending = {POSITIVE: 'p', NO_TARGET: NO_TARGET}.get(kind, f'n{rank}')
    row = dict(
        pair_id=f'{own.video_id}/{own.exp_id}/{ending}',
        video=shown.video_id,
        exp_video=own.video_id,
        exp_id=own.exp_id,
        exp=shown.text,
        obj_id=own.obj_id,
        category=own.category,
        label=int(kind == POSITIVE),
        kind=kind,
        rank=rank,
    )
    if kind == 'hard':
        row['certain'] = False
    if shown.change:
        row['change'] = shown.change
    return row


class Candidates:
    """Find candidates for negative pairs, one method per kind; the best come first."""

    def __init__(self, source: PairSource, seed: str) -> None:
        self.videos, self.seed = source.videos, seed
        self.videos_without = cache(self._videos_without)
        self.words_about = cache(self._words_about)

    def easy(self, own: SourceExpression) -> list[Shown]:
        """Return other videos that cannot contain the object by their categories, by the hash."""
        others = self.videos_without(own.category) if own.category else []
        ordered = sorted(others, key=lambda video_id: self.digest(own, video_id))
        return [Shown(video_id, own.text) for video_id in ordered if video_id != own.video_id]

    def swap(
        self, own: SourceExpression, *, nouns: Mapping[str, Sequence[str]] = NOUNS
    ) -> list[Shown]:
        """Return the same video with nouns of categories that it does not have, by the hash."""
        group = closure(own.category)
        use = next((use for use in noun_uses(own.text) if use.category in group), None)
        if use is None:
            return []
        video = self.videos[own.video_id]
        text = ' '.join(other.text for other in video.expressions)
        taken = {use.category for use in noun_uses(text)} | video.categories | group
        free = (category for category in nouns if not may_contain(taken, category))
        others = [noun for category in free for noun in nouns[category]]
        others.sort(key=lambda noun: self.digest(own, noun))
        return [Shown(own.video_id, replace_noun(own.text, use, noun)) for noun in others]

    def hard(self, own: SourceExpression) -> list[Shown]:
        """Return other videos with the category, the most different expressions first.

        Their expressions share no colour or attribute word with this one, and differ by words
        inserted, deleted or replaced. Such pairs may be true: they are marked ``"certain": false``.
        """
        words, ranked = _words(own), []
        for video_id, others in self.words_about(own.category).items():
            shared = _ATTRIBUTE_WORDS & set(words) & {word for other in others for word in other}
            if others and not shared and video_id != own.video_id:
                distance = min(edit_distance(words, other) for other in others)
                ranked.append((-distance, self.digest(own, video_id), video_id))
        return [Shown(video_id, own.text) for _, _, video_id in sorted(ranked)]

    def _videos_without(self, category: str) -> list[str]:
        return [
            video_id
            for video_id, video in self.videos.items()
            if video.categories and not may_contain(video.categories, category)
        ]

    def _words_about(self, category: str) -> dict[str, list[list[str]]]:
        return {
            video_id: [_words(own) for own in video.expressions if own.category == category]
            for video_id, video in self.videos.items()
            if category in video.categories
        }

    def digest(self, own: SourceExpression, candidate: str) -> bytes:
        """Return the hash that orders the candidates of an expression."""
        text = f'{self.seed}|{own.video_id}|{own.exp_id}|{candidate}'
        return hashlib.sha256(text.encode()).digest()


def _words(own: SourceExpression) -> list[str]:
    return normalize_text(own.text).split()


def edit_distance(first: Sequence[str], second: Sequence[str]) -> int:
    """Return how many words must be inserted, deleted or replaced to turn one into the other.

    >>> edit_distance('a dog on the left'.split(), 'the dog on left'.split())
    2
    """
    row = list(range(len(second) + 1))
    for i, word in enumerate(first, start=1):
        previous, row[0] = row[0], i
        for j, other in enumerate(second, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def _source_hashes(
    expressions: Path, categories: Path | None, source: PairSource
) -> dict[str, str]:
    """Return the SHA-256 of the source files, and of the sorted video ids by line."""
    hashes = dict(expressions_sha256=file_sha256(expressions))
    if categories is not None:
        hashes['categories_sha256'] = file_sha256(categories)
    video_ids = ''.join(f'{video_id}\n' for video_id in source.videos)
    return hashes | dict(video_ids_sha256=hashlib.sha256(video_ids.encode()).hexdigest())


def _meta_expressions(source: PairSource, rows: list[dict]) -> dict[str, Any]:
    """Return the expressions file with an additional expression for each negative pair."""
    videos = {
        video.video_id: dict(video.entry, expressions=dict(video.entry['expressions']))
        for video in source.videos.values()
    }
    for row in rows:
        if row['label'] == 0:
            exp_id = f'{row["exp_video"]}_{row["exp_id"]}_n{row["rank"]}'
            if row['kind'] == NO_TARGET:  # appears under its new number only
                del videos[row['video']]['expressions'][row['exp_id']]
            videos[row['video']]['expressions'][exp_id] = dict(exp=row['exp'], label=0)
    return dict(videos=videos)

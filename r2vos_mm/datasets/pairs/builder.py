"""Build pairs of videos and expressions that measure robustness, the same on every machine.

The pairs of the original R2-YouTube-VOS were never published, only that they are "unpaired video
and text" (R2-VOS, Sec. 4.1). :func:`build_r2_pairs` defines a rule instead. Nothing is drawn:
candidates are ordered by a hash of the seed, the expression and the candidate. So the pairs do not
depend on a generator, a library or the order of the files, the negatives for n = 1 are among those
for n = 3, and an additional video changes only the pairs that show it.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.expressions_file import normalise_sentence
from r2vos_mm.utils.pairs_file import FORMAT, pairs_sha256

from ..records import NO_TARGET, POSITIVE
from .categories import GROUPS_VERSION, closure, may_contain
from .nouns import LEXICON_VERSION, NOUNS, noun_uses, replace_noun
from .sources import PairSource, SourceSentence, read_source
from .word_changes import ATTRIBUTES

DEFAULT_SEED = 'r2-2023'
# Names of data sets by the usual names of their folders, and short names in names of pairs files.
DATASET_OF_FOLDER = {
    'ref-youtube-vos': 'refer-youtube-vos',
    'refer_youtube_vos': 'refer-youtube-vos',
    'ref-davis': 'ref-davis17',
}
SHORT_NAMES = {'refer-youtube-vos': 'rytvos', 'valid': 'val'}
_ATTRIBUTE_WORDS = frozenset(word for group in ATTRIBUTES for word in group)


@dataclass(frozen=True)
class R2Pairs:
    """Result of :func:`build_r2_pairs`.

    Attributes:
        content: the pairs file (``r2-pairs/1``).
        meta_expressions: the expressions file of Refer-YouTube-VOS with the negatives added, for
            inference scripts that cannot read pairs files.
        problems: what the input lacks.
    """

    content: dict[str, Any]
    meta_expressions: dict[str, Any]
    problems: ProblemList

    @property
    def counts(self) -> dict[str, int]:
        """Numbers of positive and negative pairs, of expressions short of negatives, of videos."""
        return self.content['counts']

    @property
    def sha256(self) -> str:
        """See :func:`~r2vos_mm.utils.pairs_file.pairs_sha256`."""
        return self.content['pairs_sha256']

    def video_uses(self) -> Counter:
        """Return how often each video is shown with a negative pair."""
        return Counter(row['video'] for row in self.content['pairs'] if row['label'] == 0)


@dataclass(frozen=True)
class _Candidate:
    """A video and the sentence to show it with."""

    video_id: str
    exp: str


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

    * ``easy``: the frames of another video that, by its annotated categories, cannot contain the
      object (:func:`~r2vos_mm.datasets.pairs.categories.may_contain`), ordered by the hash.
    * ``swap``: the same video, and in the expression the noun of the object's category is replaced
      by one of a category that the video does not have, ordered by the hash.
    * ``hard``: another video with an object of the same category, whose expressions share no colour
      or attribute word with this one; those with the most different expressions (words inserted,
      deleted or replaced) first. They may be true: they are marked ``"certain": false``.

    Expressions about nothing in their video (MeViS, version 2) become additional negative pairs of
    kind ``no_target`` with it.

    Args:
        expressions: file of expressions, in any form of :mod:`~r2vos_mm.datasets.pairs.sources`.
        categories: file of categories. If neither file has any, the nouns of the expressions are
            used (``lexical``).
        video_ids: the videos to use. None: all.
        negatives_per_positive: negatives of each expression; fewer where there are no more
            candidates, which the file lists under ``short``.
        seed: text that goes into the hash.
        exclude: ids of negative pairs that were inspected and found true. The next candidate
            takes their place, under its own rank: the id of a pair always means the same pair.
        name: name of the set. Defaults to
            ``r2-<dataset>-<split><number of videos>-<kind>-n<negatives>``.
        dataset, split: origin of the expressions, as written into the file. Default to what the
            path of ``expressions`` says, see :func:`origin_of`.

    Raises:
        FileNotFoundError, ValueError: a file or an argument cannot be used.
    """
    if kind not in _ORDERS:
        raise ValueError(f'kind must be one of {", ".join(_ORDERS)}, got {kind!r}')
    if negatives_per_positive < 0:
        raise ValueError(f'negatives_per_positive must be at least 0, got {negatives_per_positive}')
    expressions = Path(expressions)
    categories = Path(categories) if categories is not None else None
    source = read_source(expressions, categories=categories, video_ids=video_ids)
    rows, short = _build(source, kind, seed, negatives_per_positive, frozenset(exclude))
    found = origin_of(expressions)
    origin = Origin(dataset or found.dataset, split or found.split)
    labels = Counter(row['label'] for row in rows)
    kind_name = f'{kind}-lexical' if source.is_lexical else kind
    default_name = f'r2-{origin.short_name}{len(source.videos)}-{kind_name}'
    content = dict(
        format=FORMAT,
        name=name or f'{default_name}-n{negatives_per_positive}',
        params=_params(source, kind, seed, negatives_per_positive, exclude),
        source=asdict(origin) | _source_hashes(expressions, categories, source),
        counts=dict(
            positive=labels[1], negative=labels[0], short=len(short), videos=len(source.videos)
        ),
        short=short,
        pairs_sha256=pairs_sha256(rows),
        pairs=rows,
    )
    return R2Pairs(content, _meta_expressions(source, rows), source.problems)


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


@dataclass(frozen=True)
class Origin:
    """Data set and split of expressions, None where unknown."""

    dataset: str
    split: str | None

    @property
    def short_name(self) -> str:
        """Both as in the name of a pairs file, such as ``rytvos-val``."""
        return '-'.join(SHORT_NAMES.get(part, part) for part in (self.dataset, self.split) if part)


def origin_of(expressions: Path) -> Origin:
    """Return data set and split by the path of a file of expressions, or else by its folder's name.

    >>> origin_of(Path('/data/ref-youtube-vos/meta_expressions/valid/meta_expressions.json'))
    Origin(dataset='refer-youtube-vos', split='valid')
    >>> origin_of(Path('/data/mevis/valid_u/meta_expressions.json'))
    Origin(dataset='mevis', split='valid_u')
    >>> origin_of(Path('/downloads/meta_expressions.json'))
    Origin(dataset='downloads', split=None)
    """
    folder, split = expressions.resolve().parent, None
    if folder.parent.name == 'meta_expressions':
        folder, split = folder.parent.parent, folder.name
    elif folder.name.split('_')[0] in ('train', 'valid', 'test'):
        folder, split = folder.parent, folder.name
    return Origin(DATASET_OF_FOLDER.get(folder.name, folder.name), split)


def _build(
    source: PairSource, kind: str, seed: str, wanted: int, exclude: frozenset[str]
) -> tuple[list[dict], dict[str, int]]:
    """Return the rows, and the number of negatives of the expressions that have too few."""
    candidates = _ORDERS[kind](source, seed)
    rows, short = [], {}
    for video in source.videos.values():
        for sentence in video.sentences:
            rows.append(_row(sentence, _Candidate(video.video_id, sentence.exp), POSITIVE, 0))
            ranked = enumerate(candidates(sentence))
            possible = (_row(sentence, candidate, kind, rank) for rank, candidate in ranked)
            usable = (row for row in possible if row['pair_id'] not in exclude)
            negatives = list(islice(usable, wanted))
            rows += negatives
            if len(negatives) < wanted:
                short[f'{video.video_id}/{sentence.exp_id}'] = len(negatives)
        for sentence in video.absent:
            row = _row(sentence, _Candidate(video.video_id, sentence.exp), NO_TARGET, 0)
            if row['pair_id'] not in exclude:
                rows.append(row)
    return rows, short


def _row(sentence: SourceSentence, shown: _Candidate, kind: str, rank: int) -> dict[str, Any]:
    ending = {POSITIVE: 'p', NO_TARGET: NO_TARGET}.get(kind, f'n{rank}')
    row = dict(
        pair_id=f'{sentence.video_id}/{sentence.exp_id}/{ending}',
        video=shown.video_id,
        exp_video=sentence.video_id,
        exp_id=sentence.exp_id,
        exp=shown.exp,
        obj_id=sentence.obj_id,
        category=sentence.category,
        label=int(kind == POSITIVE),
        kind=kind,
        rank=rank,
    )
    return row | dict(certain=False) if kind == 'hard' else row


# Function that gives the candidates of a sentence, the best first.
_Order = Callable[[SourceSentence], list[_Candidate]]


def _digest(seed: str, sentence: SourceSentence, candidate: str) -> bytes:
    text = f'{seed}|{sentence.video_id}|{sentence.exp_id}|{candidate}'
    return hashlib.sha256(text.encode()).digest()


def _easy_order(source: PairSource, seed: str) -> _Order:
    @cache
    def videos_without(category: str) -> list[str]:
        return [
            video.video_id
            for video in source.videos.values()
            if video.categories and not may_contain(video.categories, category)
        ]

    def in_order(sentence: SourceSentence) -> list[_Candidate]:
        others = videos_without(sentence.category) if sentence.category else []
        ordered = sorted(
            (video_id for video_id in others if video_id != sentence.video_id),
            key=lambda other: _digest(seed, sentence, other),
        )
        return [_Candidate(video_id, sentence.exp) for video_id in ordered]

    return in_order


def _swap_order(source: PairSource, seed: str) -> _Order:
    def in_order(sentence: SourceSentence) -> list[_Candidate]:
        own = closure(sentence.category)
        use = next((use for use in noun_uses(sentence.exp) if use.category in own), None)
        if use is None:
            return []
        video = source.videos[sentence.video_id]
        text = ' '.join(other.exp for other in video.sentences)
        taken = {use.category for use in noun_uses(text)} | video.categories | own
        nouns = [
            noun
            for category, listed in NOUNS.items()
            if not may_contain(taken, category)
            for noun in listed
        ]
        return [
            _Candidate(sentence.video_id, replace_noun(sentence.exp, use, noun))
            for noun in sorted(nouns, key=lambda noun: _digest(seed, sentence, noun))
        ]

    return in_order


def _hard_order(source: PairSource, seed: str) -> _Order:
    @cache
    def sentences_about(category: str) -> dict[str, list[tuple[str, ...]]]:
        return {
            video.video_id: [
                _words(other) for other in video.sentences if other.category == category
            ]
            for video in source.videos.values()
            if category in video.categories
        }

    def in_order(sentence: SourceSentence) -> list[_Candidate]:
        words = _words(sentence)
        ranked = []
        for video_id, others in sentences_about(sentence.category).items():
            shared = _ATTRIBUTE_WORDS & set(words) & {word for other in others for word in other}
            if others and not shared and video_id != sentence.video_id:
                distance = min(edit_distance(words, other) for other in others)
                ranked.append((-distance, _digest(seed, sentence, video_id), video_id))
        return [_Candidate(video_id, sentence.exp) for _, _, video_id in sorted(ranked)]

    return in_order


_ORDERS: dict[str, Callable[[PairSource, str], _Order]] = dict(
    easy=_easy_order, swap=_swap_order, hard=_hard_order
)
KINDS = tuple(_ORDERS)


def _words(sentence: SourceSentence) -> tuple[str, ...]:
    return tuple(normalise_sentence(sentence.exp).split())


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
    files = dict(expressions_sha256=expressions)
    if categories is not None:
        files.update(categories_sha256=categories)
    hashes = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
    video_ids = ''.join(f'{video_id}\n' for video_id in source.videos)
    return hashes | dict(video_ids_sha256=hashlib.sha256(video_ids.encode()).hexdigest())


def _meta_expressions(source: PairSource, rows: list[dict]) -> dict[str, Any]:
    """Return the expressions file with an additional expression for each negative pair.

    A video's own expression about nothing (MeViS) appears under its new number only.
    """
    videos = {
        video.video_id: dict(video.entry, expressions=dict(video.entry['expressions']))
        for video in source.videos.values()
    }
    for row in rows:
        if row['label'] == 0:
            exp_id = f'{row["exp_video"]}_{row["exp_id"]}_n{row["rank"]}'
            if row['kind'] == NO_TARGET:
                del videos[row['video']]['expressions'][row['exp_id']]
            videos[row['video']]['expressions'][exp_id] = dict(exp=row['exp'], label=0)
    return dict(videos=videos)

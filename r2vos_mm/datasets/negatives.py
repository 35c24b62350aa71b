"""Draw the negative pairs of training clips: expressions that are not true of the clip's video.

Their kinds are ``other_video`` (an expression of another video), ``attribute`` and ``relation`` (an
expression of the same video with one word changed) and ``no_target`` (an expression that the data
marks as being about nothing). The config sets the share of each kind.
"""

from abc import ABCMeta, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np

from r2vos_mm.registry import TASK_UTILS
from r2vos_mm.utils.data_issues import ProblemList
from r2vos_mm.utils.logging import warn

from .pairs.categories import may_contain
from .pairs.words import ATTRIBUTES, RELATIONS, change_one_word
from .records import NO_TARGET, Expression, Pair, VideoRecord, read_pairs

DEFAULT_SHARES = dict(other_video=0.5, attribute=0.25, relation=0.25)
MAX_TRIES = 50
MAX_REPEATS = 4
# Words that expressions about different things share.
# fmt: off
_FUNCTION_WORDS = frozenset((
    'a', 'an', 'and', 'are', 'as', 'at', 'behind', 'being', 'beside', 'black', 'blue', 'brown',
    'by', 'from', 'front', 'green', 'grey', 'has', 'he', 'her', 'his', 'in', 'into', 'is', 'it',
    'its', 'left', 'moving', 'near', 'next', 'of', 'off', 'on', 'one', 'other', 'out', 'over',
    'red', 'right', 'she', 'side', 'small', 'standing', 'that', 'the', 'their', 'there', 'this',
    'to', 'top', 'two', 'under', 'up', 'walking', 'was', 'white', 'who', 'with', 'yellow',
))
# fmt: on


class NegativeSource(metaclass=ABCMeta):
    """Draw the negative pairs of a clip.

    Args:
        per_clip: number of negative pairs of a clip; fewer if no more can be found.
        shares: relative frequency of each kind; a kind without a pair for a video is replaced.
    """

    def __init__(self, *, per_clip: int = 1, shares: Mapping[str, float] = DEFAULT_SHARES) -> None:
        shares = {kind: share for kind, share in shares.items() if share != 0}
        if per_clip < 0 or not shares or min(shares.values()) < 0:
            raise ValueError(
                f'negatives need per_clip >= 0 and shares >= 0, not all zero; got '
                f'per_clip={per_clip}, shares={shares}'
            )
        self.per_clip = per_clip
        self.kinds = tuple(shares)
        self.probabilities = np.array(list(shares.values())) / sum(shares.values())
        self.videos: Sequence[VideoRecord] = ()

    def prepare(self, videos: Sequence[VideoRecord], data_root: Path) -> None:
        """Set the videos; the data set calls it once, before the first draw."""
        self.videos = videos

    def draw(self, video: VideoRecord, rng: np.random.Generator) -> list[Pair]:
        """Return up to ``per_clip`` negative pairs of different texts for ``video``."""
        pairs: dict[str, Pair] = {}
        for _ in range(self.per_clip):
            pair = self._draw_new(video, pairs.keys(), rng)
            if pair is not None:
                pairs[pair.text] = pair
        return list(pairs.values())

    def _draw_new(
        self, video: VideoRecord, taken: Container[str], rng: np.random.Generator
    ) -> Pair | None:
        """Return a pair whose text is not taken, of the drawn kind if it has one."""
        for kind in self._weighted_order(rng):
            for _ in range(MAX_REPEATS):
                pair = self.draw_kind(kind, video, rng)
                if pair is None:
                    break
                if pair.text not in taken:
                    return pair
        return None

    def _weighted_order(self, rng: np.random.Generator) -> list[str]:
        """Return all kinds, drawn by share without replacement; each replaces those before it."""
        # The smallest of exponential variables with rates p_i is the i-th with probability p_i.
        waits = rng.exponential(size=len(self.kinds)) / self.probabilities
        return [self.kinds[i] for i in np.argsort(waits)]

    @abstractmethod
    def draw_kind(self, kind: str, video: VideoRecord, rng: np.random.Generator) -> Pair | None:
        """Return one negative pair of the given kind; None if the video has none."""


@TASK_UTILS.register_module()
class TrainNegatives(NegativeSource):
    """Make negatives from the expressions and categories of the training set.

    * ``other_video``: an expression of another video whose category (or group) is not annotated in
      this one (:mod:`.pairs.categories`); without categories, one that shares no content word.
    * ``attribute``, ``relation``: an expression about the only object of its category, with one
      word changed to one that no expression of the video contains.
    * ``no_target``: an expression that the data marks as being about nothing in this video.
    """

    _GROUPS = dict(attribute=ATTRIBUTES, relation=RELATIONS)

    def __init__(self, *, per_clip: int = 1, shares: Mapping[str, float] = DEFAULT_SHARES) -> None:
        super().__init__(per_clip=per_clip, shares=shares)
        unknown = set(self.kinds) - {'other_video', NO_TARGET, *self._GROUPS}
        if unknown:
            raise ValueError(
                f'TrainNegatives knows other_video, attribute, relation and {NO_TARGET}, not '
                f'{sorted(unknown)}; other kinds need PairsFileNegatives'
            )

    def prepare(self, videos: Sequence[VideoRecord], data_root: Path) -> None:
        """See the base class; warn if categories are missing."""
        super().prepare(videos, data_root)
        unknown = sum(not video.categories for video in videos)
        if unknown:
            warn(
                f'{unknown} of {len(videos)} videos in {data_root} have no categories in meta.json:'
                ' their negative expressions are chosen by comparing words. Add meta.json for '
                'negatives chosen by category'
            )

    def draw_kind(self, kind: str, video: VideoRecord, rng: np.random.Generator) -> Pair | None:
        """See the base class."""
        if kind == NO_TARGET:
            absent = video.absent and video.absent[int(rng.integers(len(video.absent)))]
            return Pair.of(video.video_id, absent) if absent else None
        found = self._other_video if kind == 'other_video' else self._changed_word
        return found(kind, video, rng)

    def _other_video(self, kind: str, video: VideoRecord, rng: np.random.Generator) -> Pair | None:
        for _ in range(MAX_TRIES):
            other = self.videos[int(rng.integers(len(self.videos)))]
            expression = other.expressions[int(rng.integers(len(other.expressions)))]
            if other.source_id != video.source_id and not _may_be_true(video, other, expression):
                origin = f'{other.video_id}:{expression.exp_id}'
                return _pair(expression.text, video, origin, expression, kind)
        return None

    def _changed_word(self, kind: str, video: VideoRecord, rng: np.random.Generator) -> Pair | None:
        known = '\n'.join(expression.text for expression in video.expressions)
        for index in rng.permutation(len(video.expressions)):
            expression = video.expressions[int(index)]
            if _is_only_one_of_its_category(video, expression.obj_id):
                groups = self._GROUPS[kind]
                changed = change_one_word(expression.text, groups, avoid=known, rng=rng)
                if changed is not None:
                    return _pair(changed, video, expression.exp_id, expression, kind)
        return None


@TASK_UTILS.register_module()
class PairsFileNegatives(NegativeSource):
    """Draw negatives from a pairs file, e.g. proven ones of a synthetic set.

    Args:
        pairs_file: ``r2-pairs/1`` file, relative to the data root.
        per_clip, shares: see :class:`NegativeSource`; the kinds are those of the file.
    """

    def __init__(
        self, *, pairs_file: str, per_clip: int = 1, shares: Mapping[str, float] = DEFAULT_SHARES
    ) -> None:
        super().__init__(per_clip=per_clip, shares=shares)
        self.pairs_file = pairs_file
        self.pairs: dict[tuple[str, str], list[Pair]] = {}

    def prepare(self, videos: Sequence[VideoRecord], data_root: Path) -> None:
        """Read the file.

        Raises:
            FileNotFoundError, ValueError: the file has no usable negative pair of these kinds.
        """
        super().prepare(videos, data_root)
        path = data_root / self.pairs_file
        problems = ProblemList(str(path))
        by_kind: dict[tuple[str, str], list[Pair]] = defaultdict(list)
        pairs = read_pairs(path, problems)
        for video in videos:
            for pair in pairs.get(video.video_id, ()):
                if pair.is_negative and pair.kind in self.kinds:
                    by_kind[video.video_id, pair.kind].append(pair)
        problems.report()
        if not by_kind:
            raise ValueError(
                f'{path} has no negative pair of kind {", ".join(self.kinds)} for any '
                'of the videos. Check shares and pairs_file of the negatives'
            )
        self.pairs = dict(by_kind)

    def draw_kind(self, kind: str, video: VideoRecord, rng: np.random.Generator) -> Pair | None:
        """See the base class."""
        pairs = self.pairs.get((video.video_id, kind))
        return pairs[int(rng.integers(len(pairs)))] if pairs else None


def _pair(text: str, video: VideoRecord, origin: str, expression: Expression, kind: str) -> Pair:
    """Return a negative pair; its id names the video, the origin of the text and the kind."""
    pair_id = f'{video.video_id}/{origin}/{kind}'
    return Pair(text, pair_id, expression.exp_id, kind=kind, is_negative=True)


def _may_be_true(video: VideoRecord, other: VideoRecord, expression: Expression) -> bool:
    """Return whether an expression of another video may describe something in this one."""
    if expression.text in video.texts:
        return True
    category = other.categories.get(expression.obj_id)
    if video.categories and category is not None:
        return may_contain(video.categories.values(), category)
    own = {word for text in video.texts for word in text.split()}
    return bool((own & set(expression.text.split())) - _FUNCTION_WORDS)


def _is_only_one_of_its_category(video: VideoRecord, obj_id: str) -> bool:
    """Return whether no other object has its category, or else all expressions are about it."""
    category = video.categories.get(obj_id)
    if category is None:
        return len({expression.obj_id for expression in video.expressions}) == 1
    return Counter(video.categories.values())[category] == 1

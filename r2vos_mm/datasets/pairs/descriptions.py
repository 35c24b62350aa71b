"""Describe annotated objects in words that are true of one object, or of none, by measurement.

A description is a category and claims about it. Each claim is checked against every object of a
scene with a margin, so its answer is yes, no or unclear: a description *names* an object if it is
true of that one and false of all others, and is *absent* if it is false of all.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TypeVar

import cv2
import numpy as np

from .categories import may_contain
from .words import COLOURS, CONFUSABLE_COLOURS, plural

# fmt: off
# Nouns that fit every object of a category of COCO, the most usual first.
NOUNS: dict[str, tuple[str, ...]] = {
    'airplane': ('airplane', 'plane', 'aircraft'), 'backpack': ('backpack', 'rucksack'),
    'baseball bat': ('baseball bat', 'bat'), 'baseball glove': ('baseball glove', 'mitt'),
    'bicycle': ('bicycle', 'bike'), 'car': ('car', 'automobile'),
    'cell phone': ('cell phone', 'mobile phone', 'phone'), 'couch': ('couch', 'sofa'),
    'cup': ('cup', 'mug'), 'dining table': ('table', 'dining table'),
    'donut': ('donut', 'doughnut'), 'fire hydrant': ('fire hydrant', 'hydrant'),
    'frisbee': ('frisbee',), 'hair drier': ('hair dryer',), 'handbag': ('handbag', 'purse'),
    'laptop': ('laptop', 'laptop computer'), 'motorcycle': ('motorcycle', 'motorbike'),
    'mouse': ('computer mouse',), 'oven': ('oven', 'stove'), 'person': ('person', 'human'),
    'potted plant': ('potted plant', 'plant'), 'refrigerator': ('refrigerator', 'fridge'),
    'remote': ('remote control', 'remote'), 'scissors': ('scissors', 'pair of scissors'),
    'skis': ('skis', 'pair of skis'), 'sports ball': ('ball',), 'suitcase': ('suitcase',),
    'teddy bear': ('teddy bear', 'stuffed bear'), 'tennis racket': ('tennis racket', 'racket'),
    'tie': ('tie', 'necktie'), 'truck': ('truck', 'lorry'),
    'tv': ('television', 'tv', 'monitor', 'screen'), 'wine glass': ('wine glass', 'glass'),
}
# People are also named by what they have with them.
_PEOPLE_WITH = {
    'skateboard': ('skateboarder',), 'skis': ('skier',), 'snowboard': ('snowboarder',),
    'surfboard': ('surfer',), 'tennis racket': ('tennis player',),
}
_CARRIED = (
    'backpack', 'baseball bat', 'baseball glove', 'bicycle', 'cell phone', 'frisbee', 'handbag',
    'horse', 'kite', 'laptop', 'motorcycle', 'skateboard', 'skis', 'snowboard', 'sports ball',
    'suitcase', 'surfboard', 'teddy bear', 'tennis racket', 'tie', 'umbrella',
)
# Categories, beyond those of pairs/categories.py, that one noun or one look may stand for.
_SIMILAR = tuple(map(frozenset, (
    ('bottle', 'vase', 'cup', 'wine glass', 'bowl'), ('couch', 'chair', 'bench', 'bed'),
    ('handbag', 'backpack', 'suitcase'), ('tv', 'laptop'), ('laptop', 'keyboard'),
    ('cell phone', 'remote'), ('oven', 'microwave', 'toaster'), ('knife', 'fork', 'spoon'),
    ('donut', 'cake'), ('hot dog', 'sandwich'), ('apple', 'orange'), ('bear', 'teddy bear'),
    ('skis', 'snowboard'), ('potted plant', 'vase'), ('baseball glove', 'sports ball'),
)))
_CLAIM_WORDS = {
    'side': ('left', 'right', 'top', 'bottom'), 'order': ('leftmost', 'rightmost'),
    'size': ('biggest', 'smallest'), 'colour': tuple(c for c in COLOURS if c != 'gray'),
    'relation': ('left of', 'right of', 'above', 'below'), 'possession': ('with',),
    'motion': ('left', 'right'),
}
# fmt: on
# Relative frequencies of what a description claims; '' stands for the category alone.
CLAIM_SHARES = {
    '': 1.5,
    'side': 1.0,
    'order': 1.0,
    'size': 0.6,
    'colour': 1.5,
    'relation': 0.8,
    'possession': 0.6,
    'motion': 1.0,
}  # fmt: skip
SECOND_CLAIM = 0.25  # probability
_GROUP_SHARES = {kind: CLAIM_SHARES[kind] for kind in ('', 'side', 'colour', 'relation')}
_NUMBERS = ('', '', 'two', 'three', 'four', 'five', 'six')
_MEASURED_PIXELS = 2000
_SKIN = frozenset(('brown', 'orange', 'pink'))  # colours that may be those of skin, not of clothes


@dataclass(frozen=True)
class Instance:
    """An annotated object in the T frames of a clip.

    Attributes:
        obj_id: its id.
        category: name of its category.
        boxes: (T, 4) x1, y1, x2, y2 relative to the frame; NaN where it is not visible.
        area: its mean share of the frame.
        colours: share of its pixels by colour name.
        motion: shift to the right relative to the background over the clip, in frame widths.
        is_clear: whether it is visible enough, and annotated as one object, to be referred to.
    """

    obj_id: str
    category: str
    boxes: np.ndarray
    area: float
    colours: Mapping[str, float] = field(default_factory=dict)
    motion: float = 0.0
    is_clear: bool = True

    @cached_property
    def centres(self) -> np.ndarray:
        """Centres (T, 2) of the boxes, x and y."""
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


Scene = Sequence[Instance]
Item = TypeVar('Item')


@dataclass(frozen=True)
class Claim:
    """A claim about an object: its kind, a word of that kind, and the other category if any."""

    kind: str
    word: str
    other: str = ''


@dataclass(frozen=True)
class Description:
    """A category and what is claimed of it."""

    category: str
    claims: tuple[Claim, ...] = ()

    def truth(self, instance: Instance, scene: Scene) -> bool | None:
        """Return whether it is true of an object of a scene; None if that is unclear."""
        return _all(self._answers(instance, scene))

    def names(self, index: int, scene: Scene) -> bool:
        """Return whether it is true of one object and false of all others."""
        return self.truth(scene[index], scene) is True and all(
            self.truth(x, scene) is False for other, x in enumerate(scene) if other != index
        )

    def members(self, scene: Scene) -> tuple[int, ...]:
        """Return the objects of which it is true; none if any is unclear or not to be named."""
        answers = [self.truth(instance, scene) for instance in scene]
        members = tuple(index for index, answer in enumerate(answers) if answer)
        is_sure = None not in answers and all(scene[index].is_clear for index in members)
        return members if is_sure else ()

    def is_absent(self, scene: Scene) -> bool:
        """Return whether it is false of all objects."""
        return all(self.truth(instance, scene) is False for instance in scene)

    def _answers(self, instance: Instance, scene: Scene) -> Iterable[bool | None]:
        yield has_category(instance.category, self.category)
        for claim in self.claims:
            yield _CHECKS[claim.kind](claim, instance, scene)


@cache
def has_category(own: str, category: str) -> bool | None:
    """Return whether an object annotated as ``own`` is of a category; None if they are confusable.

    >>> has_category('dog', 'dog'), has_category('bus', 'truck'), has_category('dog', 'truck')
    (True, None, False)
    """
    if own == category:
        return True
    is_similar = any({own, category} <= group for group in _SIMILAR)
    return None if is_similar or may_contain([own], category) else False


def colour_shares(image: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Return the share of each colour name among the pixels of an object.

    Args:
        image: (H, W, 3) uint8 BGR.
        mask: (H, W) bool.

    Returns:
        Shares that sum to 1; empty without pixels.
    """
    pixels = image[mask]
    if not len(pixels):
        return {}
    pixels = pixels[:: -(-len(pixels) // _MEASURED_PIXELS)]
    hue, saturation, value = cv2.cvtColor(pixels[None], cv2.COLOR_BGR2HSV)[0].T.astype(int)
    is_grey, is_dull = (saturation < 40) | (value < 60), (value < 150) | (saturation < 110)
    conditions = {
        'black': value < 50,
        'white': is_grey & (value > 190),
        'grey': is_grey,
        'pink': ((hue < 8) | (hue >= 172)) & (saturation < 110) & (value > 170),
        'red': (hue < 8) | (hue >= 172),
        'brown': (hue < 20) & is_dull | (hue < 30) & (value < 110),
        'orange': hue < 20,
        'yellow': hue < 33,
        'green': hue < 86,
        'blue': hue < 128,
        'purple': hue < 150,
    }
    names = (*conditions, 'pink')
    labels = np.select(list(conditions.values()), range(len(conditions)), len(conditions))
    counts = np.bincount(labels, minlength=len(names)) / len(labels)
    shares: dict[str, float] = dict.fromkeys(conditions, 0.0)
    for name, share in zip(names, counts, strict=True):
        shares[name] += float(share)
    return shares


def draw_description(scene: Scene, index: int, rng: np.random.Generator) -> Description | None:
    """Draw a description that names one object of the scene; None if none does."""
    for found in _candidates(scene, index, CLAIM_SHARES, rng):
        if found.names(index, scene):
            return _with_second_claim(found, scene, index, rng)
    return None


def draw_group(
    scene: Scene, rng: np.random.Generator
) -> tuple[Description, tuple[int, ...]] | None:
    """Draw a description that is true of several objects of a category and false of all others.

    Returns:
        The description and the indices of the objects, at least two; None if there is none.
    """
    counts = Counter(x.category for x in scene if x.is_clear)
    categories = sorted(category for category, count in counts.items() if count > 1)
    for category in _shuffled(categories, rng):
        first = next(i for i, x in enumerate(scene) if x.category == category)
        for found in _candidates(scene, first, _GROUP_SHARES, rng):
            members = found.members(scene)
            if len(members) > 1:
                return found, members
    return None


def _candidates(
    scene: Scene, index: int, shares: Mapping[str, float], rng: np.random.Generator
) -> Iterator[Description]:
    """Yield descriptions by the category of an object and at most one claim, drawn by share."""
    category = scene[index].category
    for kind in _in_weighted_order(shares, rng):
        if kind:
            claims = _shuffled(_claims(kind, scene, index), rng)
            yield from (Description(category, (claim,)) for claim in claims)
        else:
            yield Description(category)


def draw_absent(
    kind: str,
    scene: Scene,
    rng: np.random.Generator,
    *,
    categories: Sequence[str],
    other: Scene = (),
) -> Description | None:
    """Draw a description of nothing in the scene; None if all attempts fail.

    Args:
        kind: ``absent``, a category that is not there; ``other_picture``, what names an object of
            ``other``; or a wrong ``side``, ``colour``, ``relation``, ``possession`` or ``motion``.
        scene: the objects.
        rng: source of all draws.
        categories: names to draw categories from, each as often as it should come.
        other: the objects of another picture.
    """
    for _ in range(_TRIES):
        found = _false_description(kind, scene, rng, categories, other)
        if found is not None and found.is_absent(scene):
            return found
    return None


def phrase(
    description: Description,
    rng: np.random.Generator,
    nouns: Mapping[str, Sequence[str]] = NOUNS,
    *,
    count: int = 1,
) -> str:
    """Phrase a description, with one of several nouns, articles and wordings for each claim.

    With a ``count`` of 2 or more it is about that many objects.

    >>> rng = np.random.default_rng(0)
    >>> claim = Claim('relation', 'left of', 'bench')
    >>> phrase(Description('dog', (claim,)), rng)
    'a dog to the left of a bench'
    """
    noun = _pick(nouns.get(description.category, (description.category,)), rng)
    before, after = [], []
    for claim in description.claims:
        if claim.kind == 'possession' and rng.random() < 0.5 and claim.other in _PEOPLE_WITH:
            noun = _pick(_PEOPLE_WITH[claim.other], rng)
            continue
        other = _pick(nouns.get(claim.other, (claim.other,)), rng)
        turns = _TURNS[claim.kind]
        if claim.kind == 'colour' and description.category == 'person':
            turns = _CLOTHES
        turn = _pick(turns.get(claim.word, turns.get('', ())), rng)
        text = turn.format(word=claim.word, other=other)
        (before if turn.startswith('<') else after).append(text.lstrip('<'))
    if count > 1:
        return _quantity(count, rng) + _in_plural(' '.join([*before, plural(noun), *after]))
    words = ' '.join([*before, noun, *after])
    return f'{_article(words, rng, description)}{words}'


_TRIES = 12
# Wordings that begin with '<' come before the noun.
_TURNS: dict[str, dict[str, tuple[str, ...]]] = {
    'side': {
        'left': ('on the left', 'on the left side', '<left', 'at the left', 'to the left'),
        'right': ('on the right', 'on the right side', '<right', 'at the right', 'to the right'),
        'top': ('at the top', 'in the upper part', '<upper'),
        'bottom': ('at the bottom', 'in the lower part', '<lower'),
    },
    'order': {
        'leftmost': ('<leftmost', 'furthest to the left', 'farthest left', '<left-most'),
        'rightmost': ('<rightmost', 'furthest to the right', 'farthest right', '<right-most'),
    },
    'size': {
        'biggest': ('<biggest', '<largest', '<big', '<large'),
        'smallest': ('<smallest', '<small', '<little'),
    },
    'colour': {'': ('<{word}', '<{word}', 'that is {word}')},
    'relation': {
        '': ('{word} the {other}', '{word} a {other}'),
        'left of': (
            'to the left of the {other}',
            'left of the {other}',
            'to the left of a {other}',
        ),
        'right of': (
            'to the right of the {other}',
            'right of the {other}',
            'to the right of a {other}',
        ),
    },
    'possession': {'': ('with the {other}', 'with a {other}', 'who has a {other}')},
    'motion': {
        '': ('moving {word}', 'moving to the {word}', 'that moves to the {word}', 'going {word}')
    },
}
_CLOTHES = {'': ('in {word}', 'wearing {word}', 'in {word} clothes', 'dressed in {word}')}


def _quantity(count: int, rng: np.random.Generator) -> str:
    options = ['all ', 'all the ', 'the ']
    if count < len(_NUMBERS):
        options += [f'the {_NUMBERS[count]} ', f'{_NUMBERS[count]} ']
    return _pick([*options, 'both '] if count == 2 else options, rng)


def _in_plural(words: str) -> str:
    return words.replace('that is ', 'that are ').replace('who has ', 'who have ')


def _article(words: str, rng: np.random.Generator, description: Description) -> str:
    kind = _pick(('the ', 'the ', 'a ', ''), rng)
    is_plural = words.endswith(('skis', 'scissors')) and 'pair' not in words
    is_unique = any(claim.kind in ('order', 'size') for claim in description.claims)
    is_unique |= words.startswith(('left ', 'right ', 'upper ', 'lower '))
    if kind == 'a ' and (is_plural or is_unique):
        return 'the '
    return 'an ' if kind == 'a ' and words[0] in 'aeiou' else kind


def _pick(options: Sequence[Item], rng: np.random.Generator) -> Item:
    return options[int(rng.integers(len(options)))]


def _shuffled(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))]


def _in_weighted_order(shares: Mapping[str, float], rng: np.random.Generator) -> list[str]:
    """Return all keys, drawn by share without replacement."""
    weights = np.array(list(shares.values()))
    names = list(shares)
    order = rng.choice(len(names), len(names), replace=False, p=weights / weights.sum())
    return [names[i] for i in order]


def _claims(kind: str, scene: Scene, index: int | None = None) -> list[Claim]:
    """Return all claims of a kind that could be made; of people, only what they may have."""
    words = _CLAIM_WORDS[kind]
    if kind not in ('relation', 'possession'):
        return [Claim(kind, word) for word in words]
    own = scene[index].category if index is not None else ''
    others = sorted({x.category for x in scene if x.is_clear and x.category != own})
    if kind == 'possession':
        others = [other for other in others if other in _CARRIED] if own in ('person', '') else []
    return [Claim(kind, word, other) for word in words for other in others]


def _with_second_claim(
    found: Description, scene: Scene, index: int, rng: np.random.Generator
) -> Description:
    """Return the description, sometimes with a second claim of another kind that is also true."""
    if rng.random() >= SECOND_CLAIM:
        return found
    used = {claim.kind for claim in found.claims}
    # 'The biggest dog on the left' is ambiguous: of all dogs, or of those on the left?
    if used & {'order', 'size'}:
        used |= {'order', 'size', 'side'}
    kinds = [kind for kind in ('side', 'colour', 'relation', 'motion') if kind not in used]
    kind = _pick(kinds, rng)
    for claim in _shuffled(_claims(kind, scene, index), rng):
        longer = Description(found.category, (*found.claims, claim))
        if longer.names(index, scene):
            return longer
    return found


def _false_description(
    kind: str, scene: Scene, rng: np.random.Generator, categories: Sequence[str], other: Scene
) -> Description | None:
    if kind == 'other_picture':
        clear = [i for i, x in enumerate(other) if x.is_clear]
        return draw_description(other, _pick(clear, rng), rng) if clear else None
    if kind == 'absent':
        category, claim = _pick(categories, rng), None
        if not Description(category).is_absent(scene):
            return None
        if rng.random() < 0.6:
            kind = _pick(('side', 'colour', 'relation', 'motion'), rng)
            claim = _random_claim(kind, scene, rng)
        return Description(category, (claim,) if claim else ())
    clear = sorted({x.category for x in scene if x.is_clear})
    if kind == 'possession':
        clear = [category for category in clear if category == 'person']
    if not clear:
        return None
    category, claim = _pick(clear, rng), _random_claim(kind, scene, rng, categories)
    return Description(category, (claim,)) if claim and claim.other != category else None


def _random_claim(
    kind: str, scene: Scene, rng: np.random.Generator, categories: Sequence[str] = ()
) -> Claim | None:
    claims = _claims(kind, scene)
    if kind == 'possession' and categories:
        claims = [Claim(kind, 'with', other) for other in categories if other in _CARRIED]
    return _pick(claims, rng) if claims else None


def _all(answers: Iterable[bool | None]) -> bool | None:
    """Return whether all answers are yes; None if some are unclear and none is no."""
    result: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            result = None
    return result


def _decide(is_true: np.ndarray | bool, is_false: np.ndarray | bool) -> bool | None:
    """Return True or False if the condition for it holds in all frames, else None."""
    return True if np.all(is_true) else False if np.all(is_false) else None


def _side(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    axis = 0 if claim.word in ('left', 'right') else 1
    centre, extent = instance.centres[:, axis], np.ptp(instance.boxes[:, axis::2], axis=1)
    if claim.word in ('right', 'bottom'):
        centre = 1 - centre
    return _decide((centre < 0.4) & (extent < 0.7), centre > 0.58)


def _rivals(instance: Instance, scene: Scene) -> list[Instance]:
    """Return the other objects that the category of this one may stand for."""
    return [
        other
        for other in scene
        if other is not instance and has_category(other.category, instance.category) is not False
    ]


def _order(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    sign = 1 if claim.word == 'leftmost' else -1
    rivals = _rivals(instance, scene)
    gaps = [sign * (other.centres - instance.centres)[:, 0] for other in rivals]
    return _all(_decide(gap > 0.05, gap < -0.05) for gap in gaps) if gaps else None


def _size(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    rivals = _rivals(instance, scene)
    ratios = [instance.area / max(other.area, 1e-9) for other in rivals]
    if claim.word == 'smallest':
        ratios = [1 / max(ratio, 1e-9) for ratio in ratios]
    return _all(_decide(ratio > 1.5, ratio < 1 / 1.5) for ratio in ratios) if ratios else None


def _colour(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    shares = instance.colours
    if not shares:
        return None
    is_person = instance.category == 'person'
    if is_person and claim.word in _SKIN:
        return None
    share = shares.get(claim.word, 0.0)
    close = sum(s for c, s in shares.items() if frozenset((c, claim.word)) in CONFUSABLE_COLOURS)
    is_main = share == max(s for c, s in shares.items() if not is_person or c not in _SKIN)
    return _decide(is_main and share > (0.35 if is_person else 0.45), share + close < 0.1)


def _relation(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    others = _others_of(claim.other, instance, scene)
    if not others:  # there is no such thing to be left of, or perhaps one
        return None if others is None else False
    answers = {_is_beside(claim.word, instance, other) for other in others}
    return answers.pop() if len(answers) == 1 else None


def _others_of(category: str, instance: Instance, scene: Scene) -> list[Instance] | None:
    """Return the other objects of a category; None if it is unclear of any."""
    found = [(x, has_category(x.category, category)) for x in scene if x is not instance]
    if any(is_one is None for _, is_one in found):
        return None
    return [x for x, is_one in found if is_one]


def _is_beside(word: str, instance: Instance, other: Instance) -> bool | None:
    axis = 0 if word in ('left of', 'right of') else 1
    sign = 1 if word in ('left of', 'above') else -1
    gap = sign * (other.centres - instance.centres)[:, axis]
    half = (
        np.ptp(instance.boxes[:, axis::2], axis=1) + np.ptp(other.boxes[:, axis::2], axis=1)
    ) / 2
    # mostly beside each other: the overlap is below a third of the mean extent
    return _decide((gap > 0.06) & (gap > half * 2 / 3), gap < -0.04)


def _with(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    """Return whether the other thing is mostly in this person's box and in no other person's."""
    things = _others_of(claim.other, instance, scene)
    if things is None:
        return None
    shares = [_overlap(thing, instance) for thing in things]
    return _decide(
        bool(shares) and max(map(np.min, shares)) > 0.6, all(np.all(s == 0) for s in shares)
    )


def _overlap(thing: Instance, instance: Instance) -> np.ndarray:
    """Return the share (T,) of a thing's box within the slightly larger box of an object."""
    a, b = thing.boxes, instance.boxes + np.array([-0.02, -0.02, 0.02, 0.02])
    inner = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    return inner.clip(min=0).prod(1) / np.maximum((a[:, 2:] - a[:, :2]).prod(1), 1e-9)


def _motion(claim: Claim, instance: Instance, scene: Scene) -> bool | None:
    shift = instance.motion if claim.word == 'right' else -instance.motion
    return _decide(shift > 0.08, shift < 0.01)


_CHECKS: dict[str, Callable[[Claim, Instance, Scene], bool | None]] = dict(
    side=_side,
    order=_order,
    size=_size,
    colour=_colour,
    relation=_relation,
    possession=_with,
    motion=_motion,
)

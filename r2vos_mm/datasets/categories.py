"""When a video may contain an object of a category although no such object is annotated.

YouTube-VOS annotates about six objects a video. Two rules keep sentences that may be true out of
the negative pairs: categories that annotators and viewers mix up form groups, and people usually
come with things that people ride, hold or wear.
"""
from typing import Iterable

GROUPS: tuple[frozenset[str], ...] = tuple(map(frozenset, (
    ('person', 'hand'),
    ('sedan', 'truck', 'bus'),
    ('ape', 'monkey'),
    ('bird', 'duck', 'eagle', 'owl', 'parrot', 'penguin'),
    ('cat', 'lion', 'tiger', 'leopard'),
    ('fish', 'shark', 'whale', 'dolphin', 'earless_seal'),
    ('lizard', 'crocodile'),
    ('bike', 'motorbike'),
    ('skateboard', 'snowboard', 'surfboard'),
    ('bear', 'giant_panda'),
    ('mouse', 'squirrel'),
    ('horse', 'zebra'),
    ('sheep', 'deer', 'cow'),
    ('dog', 'fox'),
)))
PEOPLE = frozenset(('person', 'hand'))
COMPANIONS_OF_PEOPLE = frozenset((
    'skateboard', 'surfboard', 'snowboard', 'tennis_racket', 'paddle', 'bike', 'motorbike',
    'parachute', 'hat', 'umbrella', 'frisbee', 'knife', 'guitar', 'microphone', 'eyeglasses',
    'boat', 'bucket', 'sign', 'cloth', 'flag', 'handbag', 'bag', 'ball', 'rope', 'paper', 'camera',
    'backpack', 'cup', 'ring', 'jacket', 'tie', 'mirror', 'necktie', 'stuffed_toy', 'toilet',
    'sedan', 'truck', 'bus', 'train', 'airplane', 'others'))


def closure(category: str) -> frozenset[str]:
    """The category and those of its group; unknown names form their own group.

    >>> sorted(closure('fox'))
    ['dog', 'fox']
    >>> sorted(closure('circle'))
    ['circle']
    """
    return next((group for group in GROUPS if category in group), frozenset((category,)))


def may_contain(categories: Iterable[str], target: str) -> bool:
    """Whether a video with annotated ``categories`` may show an object of category ``target``.

    >>> may_contain({'dog'}, 'fox'), may_contain({'surfboard'}, 'person')
    (True, True)
    >>> may_contain({'dog'}, 'cat')
    False
    """
    present = frozenset(categories)
    if closure(target) & present:
        return True
    return target in PEOPLE and bool(COMPANIONS_OF_PEOPLE & present)

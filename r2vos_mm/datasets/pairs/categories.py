"""Decide whether a video may contain an unannotated object of a category.

YouTube-VOS annotates about six objects per video. Two rules keep expressions that may be true out
of the negative pairs: categories that are easily confused form groups, and things that people ride,
hold or wear imply people. Names of other data sets are mapped to those of YouTube-VOS first.
"""

from collections.abc import Iterable
from functools import cache

GROUPS_VERSION = 'v1'
# fmt: off
GROUPS: tuple[frozenset[str], ...] = tuple(map(frozenset, (
    ('person', 'hand'), ('sedan', 'truck', 'bus'), ('ape', 'monkey'),
    ('bird', 'duck', 'eagle', 'owl', 'parrot', 'penguin'), ('cat', 'lion', 'tiger', 'leopard'),
    ('fish', 'shark', 'whale', 'dolphin', 'earless_seal'), ('lizard', 'crocodile'),
    ('bike', 'motorbike'), ('skateboard', 'snowboard', 'surfboard'), ('bear', 'giant_panda'),
    ('mouse', 'squirrel'), ('horse', 'zebra'), ('sheep', 'deer', 'cow'), ('dog', 'fox'),
)))
PEOPLE = frozenset(('person', 'hand'))
COMPANIONS_OF_PEOPLE = frozenset((
    'skateboard', 'surfboard', 'snowboard', 'tennis_racket', 'paddle', 'bike', 'motorbike',
    'parachute', 'hat', 'umbrella', 'frisbee', 'knife', 'guitar', 'microphone', 'eyeglasses',
    'boat', 'bucket', 'sign', 'cloth', 'flag', 'handbag', 'bag', 'ball', 'rope', 'paper',
    'camera', 'backpack', 'cup', 'ring', 'jacket', 'tie', 'mirror', 'necktie', 'stuffed_toy',
    'toilet', 'sedan', 'truck', 'bus', 'train', 'airplane', 'others',
))

# Names of DAVIS 2017 and everyday names; things in people's hands that YouTube-VOS does not name
# are its 'others'. The spelling gaint_panda is that of YouTube-VOS.
_ALIASES = dict(
    aeroplane='airplane', bicycle='bike', car='sedan', cell_phone='others', cellphone='others',
    gaint_panda='giant_panda', goose='duck', gun='others', kart='others', kite='parachute',
    leash='rope', motorcycle='motorbike', oar='paddle', plane='airplane', scooter='motorbike',
    ski='snowboard', ski_poles='others', skis='snowboard', stick='others', stroller='others',
    swan='duck', swing='others', tractor='truck', violin='others', wheelchair='others',
)
# fmt: on


@cache
def canonical(category: str) -> str:
    """Return the YouTube-VOS name of a category if it has one, in lower case without blanks.

    >>> canonical('Car'), canonical('giant panda'), canonical('circle')
    ('sedan', 'giant_panda', 'circle')
    """
    name = '_'.join(category.lower().replace('-', ' ').split())
    return _ALIASES.get(name, name)


def closure(category: str) -> frozenset[str]:
    """Return the categories of the group of a category; unknown names form their own.

    >>> sorted(closure('fox'))
    ['dog', 'fox']
    >>> sorted(closure('circle'))
    ['circle']
    """
    name = canonical(category)
    return next((group for group in GROUPS if name in group), frozenset((name,)))


def may_contain(categories: Iterable[str], target: str) -> bool:
    """Return whether a video with annotated ``categories`` may show an object of ``target``.

    >>> may_contain({'dog'}, 'fox'), may_contain({'surfboard'}, 'person')
    (True, True)
    >>> may_contain({'dog'}, 'cat'), may_contain({'car'}, 'bus')
    (False, True)
    """
    present = frozenset(map(canonical, categories))
    if closure(target) & present:
        return True
    return canonical(target) in PEOPLE and bool(COMPANIONS_OF_PEOPLE & present)

"""Change nouns, attributes and relations of expressions, by closed lists of words."""

import re
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

LEXICON_VERSION = 'v1'

# Nouns of the categories of YouTube-VOS, singular, the most usual first. A noun that fits things
# of several categories (panda, board, bag) is listed with one of them, or not at all.
# fmt: off
NOUNS: dict[str, tuple[str, ...]] = {
    'airplane': ('airplane', 'plane', 'aeroplane', 'jet', 'aircraft'),
    'ape': ('ape', 'gorilla', 'orangutan', 'chimpanzee'),
    'ball': ('ball', 'football', 'soccer ball', 'tennis ball'),
    'bear': ('bear', 'polar bear', 'brown bear'), 'bike': ('bike', 'bicycle'),
    'bird': ('bird', 'pigeon', 'dove', 'seagull', 'swan'),
    'boat': ('boat', 'ship', 'canoe', 'kayak', 'sailboat'), 'bottle': ('bottle',),
    'bus': ('bus',), 'butterfly': ('butterfly',), 'camel': ('camel',), 'cat': ('cat', 'kitten'),
    'chameleon': ('chameleon',), 'cow': ('cow', 'bull', 'calf', 'ox'),
    'crocodile': ('crocodile', 'alligator'), 'deer': ('deer', 'elk', 'moose'),
    'dog': ('dog', 'puppy'), 'dolphin': ('dolphin',),
    'duck': ('duck', 'goose', 'rooster', 'hen', 'chicken'), 'eagle': ('eagle', 'hawk', 'falcon'),
    'earless_seal': ('seal', 'sea lion'), 'elephant': ('elephant',), 'fish': ('fish', 'goldfish'),
    'flag': ('flag',), 'fox': ('fox',), 'frisbee': ('frisbee',), 'frog': ('frog', 'toad'),
    'giant_panda': ('giant panda', 'panda'), 'giraffe': ('giraffe',), 'guitar': ('guitar',),
    'hand': ('hand',), 'handbag': ('handbag', 'purse'), 'hat': ('hat', 'helmet', 'cap'),
    'hedgehog': ('hedgehog',), 'horse': ('horse', 'pony', 'foal'),
    'jellyfish': ('jellyfish', 'jelly fish'), 'kangaroo': ('kangaroo', 'wallaby'),
    'knife': ('knife',), 'leopard': ('leopard', 'cheetah', 'jaguar'), 'lion': ('lion', 'lioness'),
    'lizard': ('lizard', 'gecko', 'iguana'), 'microphone': ('microphone',), 'mirror': ('mirror',),
    'monkey': ('monkey', 'baboon'), 'motorbike': ('motorbike', 'motorcycle', 'motor bike'),
    'mouse': ('mouse', 'rat', 'hamster'), 'owl': ('owl',), 'paddle': ('paddle', 'oar'),
    'parachute': ('parachute',), 'parrot': ('parrot', 'parakeet', 'cockatoo', 'macaw'),
    'penguin': ('penguin',),
    'person': (
        'person', 'man', 'woman', 'boy', 'girl', 'child', 'kid', 'lady', 'guy', 'rider',
        'skateboarder', 'surfer', 'player', 'skier', 'snowboarder', 'cyclist', 'dancer',
    ),
    'plant': ('plant',), 'rabbit': ('rabbit', 'bunny'), 'raccoon': ('raccoon',),
    'rope': ('rope', 'leash'), 'sedan': ('car', 'sedan'), 'shark': ('shark',),
    'sheep': ('sheep', 'lamb', 'goat'), 'shovel': ('shovel',), 'skateboard': ('skateboard',),
    'small_panda': ('red panda',), 'snail': ('snail',), 'snake': ('snake',),
    'snowboard': ('snowboard',), 'spider': ('spider',), 'squirrel': ('squirrel',),
    'surfboard': ('surfboard', 'surf board'), 'tennis_racket': ('tennis racket', 'racket'),
    'tiger': ('tiger',), 'toilet': ('toilet',), 'train': ('train', 'locomotive'),
    'truck': ('truck', 'lorry', 'pickup'), 'turtle': ('turtle', 'tortoise'),
    'umbrella': ('umbrella',), 'whale': ('whale', 'orca'), 'zebra': ('zebra',),
}

_IRREGULAR = dict(
    bunny='bunnies', butterfly='butterflies', calf='calves', child='children', goose='geese',
    knife='knives', lady='ladies', lorry='lorries', man='men', mouse='mice', ox='oxen',
    person='people', pony='ponies', puppy='puppies', toothbrush='toothbrushes',
    wallaby='wallabies', woman='women',
)
_UNCHANGED = ('aircraft', 'broccoli', 'deer', 'elk', 'fish', 'moose', 'scissors', 'sheep', 'skis')
COLOURS = (
    'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'brown', 'black', 'white',
    'grey', 'gray',
)
CONFUSABLE_COLOURS = frozenset(map(frozenset, (
    ('grey', 'gray'), ('grey', 'white'), ('gray', 'white'), ('grey', 'black'), ('gray', 'black'),
    ('grey', 'blue'), ('gray', 'blue'), ('brown', 'black'), ('brown', 'orange'), ('brown', 'red'),
    ('brown', 'yellow'), ('brown', 'grey'), ('brown', 'gray'), ('orange', 'red'),
    ('orange', 'yellow'), ('pink', 'red'), ('pink', 'purple'), ('pink', 'white'),
    ('blue', 'purple'), ('blue', 'green'), ('yellow', 'white'), ('yellow', 'green'),
    ('blue', 'black'),
)))
# fmt: on

ATTRIBUTES: tuple[tuple[str, ...], ...] = (
    COLOURS,
    ('small', 'big'),
    ('little', 'large'),
    ('young', 'old'),
    ('tall', 'short'),
    ('light', 'dark'),
    ('long', 'short'),
)
RELATIONS: tuple[tuple[str, ...], ...] = (
    ('left', 'right'),
    ('in front of', 'behind'),
    ('above', 'below'),
    ('on top of', 'under'),
    ('towards', 'away from'),
    ('up', 'down'),
    ('leftmost', 'rightmost'),
    ('inside', 'outside'),
    ('first', 'last'),
    ('front', 'back'),
)


def plural(noun: str) -> str:
    """Return the plural of a noun of this list, or of those for the categories of COCO.

    >>> [plural(noun) for noun in ('fox', 'goldfish', 'computer mouse', 'man', 'pair of skis')]
    ['foxes', 'goldfish', 'computer mice', 'men', 'pairs of skis']
    """
    head, of, rest = noun.partition(' of ')
    before, blank, word = head.rpartition(' ')
    if not word.endswith(_UNCHANGED):
        ending = 'es' if word.endswith(('s', 'x', 'ch')) else 's'
        word = _IRREGULAR.get(word) or word + ending
    return before + blank + word + of + rest


@dataclass(frozen=True)
class NounUse:
    """A noun in an expression, its category and its place (``text[start:end]``)."""

    noun: str
    category: str
    is_plural: bool
    start: int = 0
    end: int = 0


@cache
def _forms() -> dict[str, NounUse]:
    """Return every singular and plural; a word that is both counts as singular."""
    nouns = {noun: category for category, listed in NOUNS.items() for noun in listed}
    plurals = {plural(noun): NounUse(noun, category, True) for noun, category in nouns.items()}
    return plurals | {noun: NounUse(noun, category, False) for noun, category in nouns.items()}


@cache
def _pattern() -> re.Pattern:
    """Return the pattern of any form as whole words, longer forms first."""
    forms = sorted(_forms(), key=len, reverse=True)
    return re.compile(rf'\b({"|".join(map(re.escape, forms))})\b', re.IGNORECASE)


def noun_uses(text: str) -> list[NounUse]:
    """Return the nouns of the list in an expression, in their order.

    Adjacent nouns ('puppy dog') are one use of the last one.

    >>> [(use.noun, use.category) for use in noun_uses('A puppy Dog near two giant pandas')]
    [('dog', 'dog'), ('giant panda', 'giant_panda')]
    """
    uses: list[NounUse] = []
    for match in _pattern().finditer(text):
        start = match.start()
        if uses and not text[uses[-1].end : start].strip():
            start = uses.pop().start
        uses.append(replace(_forms()[match[1].lower()], start=start, end=match.end()))
    return uses


def replace_noun(text: str, use: NounUse, noun: str) -> str:
    """Return the expression with ``use`` replaced by another noun of the list.

    A plural stays a plural, and an article before the noun is adapted.

    >>> text = 'two Dogs next to a dog'
    >>> [replace_noun(text, use, 'elephant') for use in noun_uses(text)]
    ['two elephants next to a dog', 'two Dogs next to an elephant']
    """
    before, after = text[: use.start], text[use.end :]
    if use.is_plural:
        return before + plural(noun) + after
    ending = 'n' if noun[0] in 'aeiou' else ''
    before = re.sub(r'\b(a)n?(\s+)$', rf'\g<1>{ending}\2', before, flags=re.IGNORECASE)
    return before + noun + after


def has_words(text: str, words: str) -> bool:
    """Return whether ``text`` contains ``words`` as whole words."""
    return re.search(rf'\b{re.escape(words)}\b', text) is not None


def change_one_word(
    text: str, groups: tuple[tuple[str, ...], ...], *, avoid: str, rng: np.random.Generator
) -> str | None:
    """Return the expression with one word (or phrase) replaced by another of its group.

    Args:
        text: normalized expression.
        groups: :data:`ATTRIBUTES` or :data:`RELATIONS`.
        avoid: text whose words are not used, such as the other expressions of the video.
        rng: chooses among the possible changes.

    Returns:
        The changed expression, or None if it has no word of the groups.
    """
    changes = [
        (old, new)
        for group in groups
        for old in group
        if has_words(text, old)
        for new in group
        if old != new
        and frozenset((old, new)) not in CONFUSABLE_COLOURS
        and not has_words(text, new)
        and not has_words(avoid, new)
    ]
    if not changes:
        return None
    return replace_words(text, *changes[int(rng.integers(len(changes)))])


def replace_words(text: str, old: str, new: str) -> str:
    """Return the text with a word or phrase replaced; an article before it is adapted.

    >>> replace_words('a red car on a road', 'red', 'orange')
    'an orange car on a road'
    """
    # The article must fit the new word, or it reveals the change.
    article = 'an ' if new[0] in 'aeiou' else 'a '
    pattern = rf'\b(an? )?{re.escape(old)}\b'
    return re.sub(pattern, lambda use: (article if use[1] else '') + new, text)

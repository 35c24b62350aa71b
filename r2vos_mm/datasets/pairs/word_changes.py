"""Change one word of an expression, from closed lists, so that it is no longer true."""

import re

import numpy as np

# fmt: off
_COLOURS = (
    'red', 'orange', 'yellow', 'green', 'blue', 'purple', 'pink', 'brown', 'black', 'white',
    'grey', 'gray',
)
_CONFUSABLE = frozenset(map(frozenset, (
    ('grey', 'gray'), ('grey', 'white'), ('gray', 'white'), ('grey', 'black'), ('gray', 'black'),
    ('grey', 'blue'), ('gray', 'blue'), ('brown', 'black'), ('brown', 'orange'), ('brown', 'red'),
    ('brown', 'yellow'), ('brown', 'grey'), ('brown', 'gray'), ('orange', 'red'),
    ('orange', 'yellow'), ('pink', 'red'), ('pink', 'purple'), ('pink', 'white'),
    ('blue', 'purple'), ('blue', 'green'), ('yellow', 'white'), ('yellow', 'green'),
    ('blue', 'black'),
)))
# fmt: on

ATTRIBUTES: tuple[tuple[str, ...], ...] = (
    _COLOURS,
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


def has_words(text: str, words: str) -> bool:
    """Return whether ``text`` contains ``words`` as whole words."""
    return re.search(rf'\b{re.escape(words)}\b', text) is not None


def change_one_word(
    sentence: str, groups: tuple[tuple[str, ...], ...], *, avoid: str, rng: np.random.Generator
) -> str | None:
    """Return the sentence with one word (or phrase) replaced by another of its group.

    Args:
        sentence: normalised sentence.
        groups: :data:`ATTRIBUTES` or :data:`RELATIONS`.
        avoid: text whose words are not used, such as the other sentences of the video.
        rng: chooses among the possible changes.

    Returns:
        The changed sentence, or None if it has no word of the groups.
    """
    changes = [
        (old, new)
        for group in groups
        for old in group
        if has_words(sentence, old)
        for new in group
        if old != new
        and frozenset((old, new)) not in _CONFUSABLE
        and not has_words(sentence, new)
        and not has_words(avoid, new)
    ]
    if not changes:
        return None
    old, new = changes[int(rng.integers(len(changes)))]
    article = 'an' if new[0] in 'aeiou' else 'a'
    # The article must fit the new word, or it reveals the change.
    changed = re.sub(rf'\ban? {re.escape(old)}\b', f'{article} {new}', sentence)
    return re.sub(rf'\b{re.escape(old)}\b', new, changed)

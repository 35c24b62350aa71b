"""Finding and replacing the noun a sentence is about."""

import doctest

import pytest

from r2vos_mm.datasets.pairs import words
from r2vos_mm.datasets.pairs.words import NOUNS, noun_uses, plural, replace_noun


def test_examples_of_the_docstrings() -> None:
    assert doctest.testmod(words).failed == 0


def test_a_noun_stands_in_one_category() -> None:
    listed = [noun for category in NOUNS.values() for noun in category]
    assert len(listed) == len(set(listed))
    assert all(noun == noun.lower().strip() for noun in listed)


@pytest.mark.parametrize(
    ('sentence', 'expected'),
    [
        ('', []),
        ('moving left', []),
        ('a carpet on a mantel', []),
        ('rats', ['mouse']),
        ('PEOPLE and  Children', ['person', 'person']),
        ('a sheepdog', []),
        ('a jelly fish near fish', ['jellyfish', 'fish']),
        ('the dog, the cat.', ['dog', 'cat']),
        ('a motorcycle rider', ['person']),
        ('a dog s tail', ['dog']),
    ],
)
def test_whole_words(sentence: str, expected: list[str]) -> None:
    assert [use.category for use in noun_uses(sentence)] == expected


@pytest.mark.parametrize(
    ('sentence', 'noun', 'expected'),
    [
        ('an owl', 'dog', 'a dog'),
        ('An  Owl', 'dog', 'A  dog'),
        ('owls', 'child', 'children'),
        ('an old owl', 'ape', 'an old ape'),
        ('banana owl', 'dog', 'banana dog'),
        ('a puppy dog s ear', 'cat', 'a cat s ear'),
    ],
)
def test_replacing(sentence: str, noun: str, expected: str) -> None:
    assert replace_noun(sentence, noun_uses(sentence)[0], noun) == expected


@pytest.mark.parametrize(
    ('noun', 'expected'),
    [
        ('dog', 'dogs'),
        ('bus', 'buses'),
        ('ostrich', 'ostriches'),
        ('jellyfish', 'jellyfish'),
        ('person', 'people'),
        ('sheep', 'sheep'),
    ],
)
def test_plural(noun: str, expected: str) -> None:
    assert plural(noun) == expected

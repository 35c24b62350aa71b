"""Sentences that are proven untrue of a video: the negative pairs of RefShapes.

Three strengths. ``other_video``: the sentence of another video. ``attribute``: one attribute word
of the video's own sentence changed. ``relation``: its motion, position or relation changed. The
last two keep the form of true sentences, so the words alone do not give a negative away; a
sentence about appearance alone therefore has no ``relation`` negative.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

from .facts import Facts
from .grammar import Phrase, Sentence, alternatives, is_absent

NEGATIVE_KINDS: tuple[str, ...] = ('other_video', 'attribute', 'relation')
OPPOSITES: dict[str, str] = {
    'left': 'right',
    'right': 'left',
    'up': 'down',
    'down': 'up',
    'top': 'bottom',
    'bottom': 'top',
    'left of': 'right of',
    'right of': 'left of',
    'above': 'below',
    'below': 'above',
    'in front of': 'behind',
    'behind': 'in front of',
    'entering': 'leaving',
    'leaving': 'entering',
    'passing in front of': 'passing behind',
    'passing behind': 'passing in front of',
}
RARE: dict[str, float] = {
    'entering': 0.15,
    'leaving': 0.15,
    'circling': 0.6,
    'in front of': 0.5,
    'behind': 0.5,
    'passing in front of': 0.4,
    'passing behind': 0.4,
}
"""Statements that true sentences make seldom: drawn less, lest the words alone tell a negative."""


def _changes(phrase: Phrase) -> list[tuple[str, str, Phrase]]:
    """(field, new word, phrase) for every way to change one mentioned attribute."""
    return [
        (field, word, replace(phrase, **{field: word}))
        for field in phrase.mentioned()
        for word in ATTRIBUTES[field]
        if word != getattr(phrase, field)
    ]


def _attribute_options(sentence: Sentence, facts: Facts) -> dict[str, list[tuple[Sentence, float]]]:
    """Proven untrue sentences by changed attribute, with weights.

    A word that the video also shows (on another object) weighs more: it makes the harder negative.
    """
    options: dict[str, list[tuple[Sentence, float]]] = {}
    parts = {'subject': sentence.subject, 'anchor': sentence.anchor}
    for part, phrase in parts.items():
        for field, word, changed in _changes(phrase) if phrase is not None else ():
            candidate = replace(sentence, **{part: changed})
            if is_absent(candidate, facts):
                weight = 3.0 if facts.attributes[field, word] else 1.0
                options.setdefault(field, []).append((candidate, weight))
    return options


def _draw(
    options: list[tuple[Sentence, float]], count: int, rng: np.random.Generator
) -> list[Sentence]:
    shares = np.array([weight for _, weight in options])
    picks = rng.choice(
        len(options), size=min(count, len(options)), replace=False, p=shares / shares.sum()
    )
    return [options[int(pick)][0] for pick in picks]


def attribute_negatives(
    sentence: Sentence, facts: Facts, count: int, rng: np.random.Generator
) -> list[Sentence]:
    """Up to ``count`` sentences with one attribute word changed, untrue of the whole video.

    Every attribute has the same chance, however many words it has.
    """
    options = [
        (candidate, weight / sum(share for _, share in found))
        for found in _attribute_options(sentence, facts).values()
        for candidate, weight in found
    ]
    return _draw(options, count, rng) if options else []


def relation_negatives(
    sentence: Sentence, facts: Facts, count: int, rng: np.random.Generator
) -> list[Sentence]:
    """Up to ``count`` sentences with the statement changed, rather to its opposite."""
    candidates = [replace(sentence, word=word) for word in alternatives(sentence)]
    options = [
        (
            candidate,
            RARE.get(candidate.word, 1.0)
            * (3.0 if candidate.word == OPPOSITES.get(sentence.word) else 1.0),
        )
        for candidate in candidates
        if is_absent(candidate, facts)
    ]
    return _draw(options, count, rng) if options else []


def other_videos(
    sentence: Sentence,
    key: str,
    video: str,
    videos: Sequence[str],
    facts: Mapping[str, Facts],
    count: int,
) -> list[str]:
    """Up to ``count`` videos in which nothing answers to a sentence of ``video``.

    Candidate k = 0, 1, ... is number SHA-256("<key>|<k>") modulo the number of videos: no state is
    shared between sentences, so the choice depends neither on the order of work nor on a random
    generator's version. After as many draws as there are videos the rest follows in listed order.
    """
    found: list[str] = []
    tried = {video}
    drawn = (
        videos[
            int.from_bytes(hashlib.sha256(f'{key}|{k}'.encode()).digest()[:8], 'big') % len(videos)
        ]
        for k in range(len(videos))
    )
    for candidate in chain(drawn, videos):
        if len(found) == count:
            break
        if candidate not in tried:
            tried.add(candidate)
            if is_absent(sentence, facts[candidate]):
                found.append(candidate)
    return found

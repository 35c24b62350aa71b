"""Build sentences about RefShapes objects, true and false: structure, wording, truth and choice.

A sentence is a structure, which is then rendered as text. Its truth is judged by the structure and
the :class:`.facts.Facts` of a world, never by the text. So the same function decides which object a
sentence names, and whether it is false of all objects of another video.

There are three kinds of negatives. ``other_video``: a sentence of another video. ``attribute``: the
video's own sentence with one attribute word changed. ``relation``: with its motion, position or
relation changed. The last two cannot be recognized from the text alone, because they keep the form
of true sentences; so a sentence about appearance has no ``relation`` negative.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain

import numpy as np
from numpy.random import Generator

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

from .facts import RELATIONS, SIDES, Facts, Verdict

ADJECTIVE_ORDERS = (('size', 'texture', 'colour'), ('size', 'colour', 'texture'))
CLAUSES: dict[str, dict[str, tuple[str, ...]]] = {
    'motion': {
        'left': ('moving left', 'going to the left', 'that moves left'),
        'right': ('moving right', 'going to the right', 'that moves right'),
        'up': ('moving up', 'going up', 'that moves up'),
        'down': ('moving down', 'going down', 'that moves down'),
        'still': ('standing still', 'staying in place', 'that does not move'),
        'circling': ('circling around', 'that circles around'),
        'entering': ('entering the scene', 'coming into view'),
        'leaving': ('leaving the scene', 'going out of view'),
    },
    'position': {
        'left': ('on the left', 'on the left side'),
        'right': ('on the right', 'on the right side'),
        'top': ('at the top', 'near the top'),
        'bottom': ('at the bottom', 'near the bottom'),
    },
    'relation': {
        'left of': ('to the left of', 'left of'),
        'right of': ('to the right of', 'right of'),
        'above': ('above', 'higher than'),
        'below': ('below', 'lower than'),
        'in front of': ('in front of', 'that partly hides'),
        'behind': ('behind', 'partly hidden by'),
        'passing in front of': ('passing in front of', 'that passes in front of'),
        'passing behind': ('passing behind', 'that passes behind'),
    },
}
"""Wordings of each statement; a wording belongs to one statement only."""
# Kinds to try in turn for an object that has no sentence of the wanted kind.
_FALLBACKS = dict(
    appearance=('appearance', 'relation', 'position', 'motion'),
    motion=('motion', 'appearance', 'relation', 'position'),
    position=('position', 'relation', 'appearance', 'motion'),
    relation=('relation', 'position', 'appearance', 'motion'),
)
NEGATIVE_KINDS = ('other_video', 'attribute', 'relation')
_PAIRS = dict(left='right', up='down', top='bottom', above='below', entering='leaving')
_PAIRS |= {'left of': 'right of', 'in front of': 'behind', 'passing in front of': 'passing behind'}
OPPOSITES = _PAIRS | {second: first for first, second in _PAIRS.items()}
# True sentences rarely make these statements: draw them less often, or their words would give
# negatives away.
RARE = dict(entering=0.15, leaving=0.15, circling=0.6, behind=0.5) | {'in front of': 0.5}
RARE |= {'passing in front of': 0.4, 'passing behind': 0.4}


@dataclass(frozen=True)
class Phrase:
    """A noun phrase; attributes that it does not mention are None ('object' for the shape)."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    texture: str | None = None

    def mentioned(self) -> dict[str, str]:
        """Return the attributes that the phrase mentions, in the order of ``ATTRIBUTES``."""
        words = {field: getattr(self, field) for field in ATTRIBUTES}
        return {field: word for field, word in words.items() if word is not None}

    def matches(self, facts: Facts) -> int:
        """Return the bit mask of the objects that the phrase describes."""
        masks = (facts.attributes[item] for item in self.mentioned().items())
        return reduce(int.__and__, masks, (1 << facts.count) - 1)

    def text(self, order: int = 0) -> str:
        """Return the words, e.g. 'the small striped red star'."""
        adjectives = (getattr(self, field) for field in ADJECTIVE_ORDERS[order])
        return ' '.join(['the', *filter(None, adjectives), self.shape or 'object'])


@dataclass(frozen=True)
class Sentence:
    """A subject and, unless ``kind`` is 'appearance', one statement about it.

    Attributes:
        subject: what the sentence is about.
        kind: 'appearance', or a key of ``CLAUSES``.
        word: the statement, a key of ``CLAUSES[kind]``.
        anchor: what a relation refers to.
        form: numbers of the order of adjectives and the wording, of the same meaning.
    """

    subject: Phrase
    kind: str = 'appearance'
    word: str | None = None
    anchor: Phrase | None = None
    form: tuple[int, int] = (0, 0)

    def text(self) -> str:
        """Return the sentence in lower case, with single blanks."""
        order, wording = self.form
        wordings = CLAUSES[self.kind][self.word] if self.word else ('',)
        anchor = self.anchor.text(order) if self.anchor else ''
        parts = (self.subject.text(order), wordings[wording % len(wordings)], anchor)
        return ' '.join(filter(None, parts))


def judge(sentence: Sentence, facts: Facts) -> Verdict:
    """Return the objects of a world for which a sentence is certain, and possible.

    A relation holds for an object if it holds towards *some* object that its anchor describes.
    """
    certain = possible = subjects = sentence.subject.matches(facts)
    if sentence.kind == 'relation':
        anchors, towards = sentence.anchor.matches(facts), facts.relations[sentence.word]
        verdicts = [verdict for index, verdict in enumerate(towards) if anchors >> index & 1]
        certain, possible = (reduce(int.__or__, masks, 0) for masks in zip((0, 0), *verdicts))
    elif sentence.kind != 'appearance':
        table = facts.motions if sentence.kind == 'motion' else facts.positions
        certain, possible = table[sentence.word]
    return Verdict(subjects & certain, subjects & possible)


def names_only(sentence: Sentence, index: int, facts: Facts) -> bool:
    """Return whether a sentence is certain for object ``index`` and possible for no other.

    The anchor of a relation must describe exactly one object, as 'the' implies.
    """
    if sentence.anchor is not None and sentence.anchor.matches(facts).bit_count() != 1:
        return False
    verdict = judge(sentence, facts)
    return verdict.certain == verdict.possible == 1 << index


def is_absent(sentence: Sentence, facts: Facts) -> bool:
    """Return whether a sentence is possible for no object of a world."""
    return judge(sentence, facts).possible == 0


def _phrases(index: int, facts: Facts) -> list[Phrase]:
    """Return all 16 phrases that are true of an object, from 'the object' to all attributes."""
    words = dict(item for item, objects in facts.attributes.items() if objects >> index & 1)
    return [
        Phrase(**{field: words[field] for bit, field in enumerate(ATTRIBUTES) if code >> bit & 1})
        for code in range(1 << len(ATTRIBUTES))
    ]


def _weight(phrase: Phrase) -> float:
    return 1.0 if phrase.shape else 0.3


def _draw(weights: Iterable[float], rng: Generator) -> int:
    shares = np.array(list(weights))
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def _candidates(
    index: int, phrases: list[Phrase], statement: Sentence, facts: Facts
) -> list[tuple[Sentence, float]]:
    """Return the sentences that make a statement and name one object only, with weights."""
    if not judge(statement, facts).certain >> index & 1:
        return []
    # Offsets are far more frequent than occlusions, and some phrases need no statement.
    rare = 3.0 if statement.kind == 'relation' and statement.word not in SIDES else 1.0
    found = []
    for phrase in phrases:
        sentence = replace(statement, subject=phrase)
        if names_only(sentence, index, facts):
            needed = 3.0 if phrase.matches(facts).bit_count() > 1 else 1.0
            found.append((sentence, rare * (_weight(phrase) * needed)))
    return found


def _plan(count: int, rng: Generator) -> list[str]:
    """Return wanted kinds: half appearance, a quarter motion, a quarter position or relation."""
    cycle = ('appearance', 'motion', 'place', 'appearance')
    return [
        ('position' if rng.random() < 0.35 else 'relation') if kind == 'place' else kind
        for kind in (cycle[slot % len(cycle)] for slot in range(count))
    ]


def describe(index: int, facts: Facts, count: int, rng: Generator) -> list[Sentence]:
    """Choose up to ``count`` sentences that name object ``index`` and no other object.

    There may be fewer or none, such as for twins that only a borderline motion distinguishes.
    """
    described = [_phrases(number, facts) for number in range(facts.count)]
    anything = Phrase()
    statements = [Sentence(anything)]
    statements += [
        Sentence(anything, k, word) for k in ('motion', 'position') for word in CLAUSES[k]
    ]
    for other, phrases in enumerate(described):
        unique = [phrase for phrase in phrases if phrase.matches(facts) == 1 << other]
        if unique and other != index:
            anchor = unique[_draw(map(_weight, unique), rng)]
            statements += [Sentence(anything, 'relation', word, anchor) for word in RELATIONS]
    pools: dict[str, list[tuple[Sentence, float]]] = {kind: [] for kind in _FALLBACKS}
    for statement in statements:
        pools[statement.kind] += _candidates(index, described[index], statement, facts)
    chosen: list[Sentence] = []
    for wanted in _plan(count, rng):
        pool = next((pools[kind] for kind in _FALLBACKS[wanted] if pools[kind]), None)
        if pool:
            sentence, _ = pool.pop(_draw((weight for _, weight in pool), rng))
            form = (int(rng.random() < 0.25), int(rng.integers(6)))
            chosen.append(replace(sentence, form=form))
    return chosen


def _sha256(text: str, num_bytes: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:num_bytes], 'big')


def _attribute_changes(sentence: Sentence, facts: Facts) -> dict[Sentence, float]:
    """Return false sentences with one attribute word changed, with weights equal per attribute."""
    options: dict[str, dict[Sentence, float]] = {}
    for part in ('subject', 'anchor'):
        phrase = getattr(sentence, part) or Phrase()
        for field, old in phrase.mentioned().items():
            for word in ATTRIBUTES[field]:
                changed = replace(sentence, **{part: replace(phrase, **{field: word})})
                if word != old and is_absent(changed, facts):
                    # A word that is true of another object makes the negative harder.
                    weight = 3.0 if facts.attributes[field, word] else 1.0
                    options.setdefault(field, {})[changed] = weight
    return {
        changed: weight / sum(found.values())
        for found in options.values()
        for changed, weight in found.items()
    }


def _relation_changes(sentence: Sentence, facts: Facts) -> dict[Sentence, float]:
    """Return false sentences with another statement, with weights; the opposite is preferred."""
    options = {}
    for word in CLAUSES.get(sentence.kind, ()):
        changed = replace(sentence, word=word)
        if word != sentence.word and is_absent(changed, facts):
            opposite = 3.0 if word == OPPOSITES.get(sentence.word) else 1.0
            options[changed] = RARE.get(word, 1.0) * opposite
    return options


def _other_videos(
    sentence: Sentence, key: str, video: str, facts: Mapping[str, Facts], count: int
) -> Iterator[str]:
    """Yield up to ``count`` other videos for which a sentence is false, drawn by SHA-256."""
    videos, tried = list(facts), {video}
    drawn = (videos[_sha256(f'{key}|{k}', 8) % len(videos)] for k in range(len(videos)))
    for candidate in chain(drawn, videos):
        if not count:
            return
        if candidate not in tried and is_absent(sentence, facts[candidate]):
            yield candidate
            count -= 1
        tried.add(candidate)


def draw_negatives(
    sentence: Sentence, key: str, video: str, facts: Mapping[str, Facts], count: int
) -> list[tuple[str, str, str]]:
    """Draw (kind, video shown, text) of at most ``count`` negatives of each kind for a sentence.

    All choices derive from the SHA-256 of ``key``. The sentence is about ``video`` of ``facts``.
    """
    others = _other_videos(sentence, key, video, facts, count)
    found = [('other_video', other, sentence.text()) for other in others]
    rng = np.random.default_rng(_sha256(key, 16))
    for kind, options_of in (('attribute', _attribute_changes), ('relation', _relation_changes)):
        options = options_of(sentence, facts[video])
        if options:
            shares, size = np.array(list(options.values())), min(count, len(options))
            picks = rng.choice(len(shares), size=size, replace=False, p=shares / shares.sum())
            found += [(kind, video, list(options)[pick].text()) for pick in picks]
    return found

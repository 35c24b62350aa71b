"""Sentences about RefShapes objects: structure, wording, truth, and choice.

A sentence is a structure first and words second. Truth is judged on the structure against the
:class:`.facts.Facts` of a world, never on the words, so the same judge says which object a
sentence names and that no object of another video answers to it.
"""

from dataclasses import dataclass, replace

import numpy as np

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

from .facts import RELATIONS, Facts, Verdict

KINDS: tuple[str, ...] = ('appearance', 'motion', 'position', 'relation')

ADJECTIVE_ORDERS: tuple[tuple[str, ...], ...] = (
    ('size', 'texture', 'colour'),
    ('size', 'colour', 'texture'),
)
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
"""Wordings of every statement; each wording occurs under one statement only."""


@dataclass(frozen=True)
class Phrase:
    """A noun phrase; None where an attribute is not mentioned ('object' for the shape)."""

    shape: str | None = None
    colour: str | None = None
    size: str | None = None
    texture: str | None = None

    def mentioned(self) -> tuple[str, ...]:
        """Names of the attributes that the phrase mentions, in the order of ``ATTRIBUTES``."""
        return tuple(field for field in ATTRIBUTES if getattr(self, field) is not None)

    def matches(self, facts: Facts) -> int:
        """Bit mask of the objects that the phrase describes."""
        found = (1 << facts.count) - 1
        for field in ATTRIBUTES:
            word = getattr(self, field)
            if word is not None:
                found &= facts.attributes[field, word]
        return found

    def text(self, order: int = 0) -> str:
        """The words, e.g. 'the small striped red star'."""
        words = [getattr(self, field) for field in ADJECTIVE_ORDERS[order]]
        return ' '.join(['the', *(word for word in words if word), self.shape or 'object'])


@dataclass(frozen=True)
class Sentence:
    """A subject and, unless ``kind`` is 'appearance', one statement about it.

    ``word`` is the statement: a key of ``CLAUSES[kind]``. ``anchor`` is what a relation refers to.
    ``form`` = (adjective order, wording) only changes the words, never the meaning.
    """

    subject: Phrase
    kind: str = 'appearance'
    word: str | None = None
    anchor: Phrase | None = None
    form: tuple[int, int] = (0, 0)

    def text(self) -> str:
        """The sentence in words: lower case, single blanks."""
        parts = [self.subject.text(self.form[0])]
        if self.word is not None:
            wordings = CLAUSES[self.kind][self.word]
            parts.append(wordings[self.form[1] % len(wordings)])
        if self.anchor is not None:
            parts.append(self.anchor.text(self.form[0]))
        return ' '.join(parts)


def _relation_verdict(sentence: Sentence, facts: Facts) -> Verdict:
    anchors = sentence.anchor.matches(facts)
    certain = possible = 0
    for index in range(facts.count):
        if anchors >> index & 1:
            verdict = facts.relations[sentence.word][index]
            certain |= verdict.certain
            possible |= verdict.possible
    return Verdict(certain, possible)


def judge(sentence: Sentence, facts: Facts) -> Verdict:
    """The objects of a world for which a sentence certainly, and possibly, holds.

    A relation holds for x if it holds towards *some* object that its anchor phrase describes.
    """
    subjects = sentence.subject.matches(facts)
    if sentence.kind == 'appearance':
        return Verdict(subjects, subjects)
    if sentence.kind == 'relation':
        found = _relation_verdict(sentence, facts)
    else:
        found = (facts.motions if sentence.kind == 'motion' else facts.positions)[sentence.word]
    return Verdict(subjects & found.certain, subjects & found.possible)


def names_only(sentence: Sentence, index: int, facts: Facts) -> bool:
    """Whether a sentence certainly holds for object ``index`` and for no other, even leniently.

    The anchor of a relation must describe exactly one object, as 'the' promises.
    """
    if sentence.anchor is not None and sentence.anchor.matches(facts).bit_count() != 1:
        return False
    verdict = judge(sentence, facts)
    return verdict.certain == verdict.possible == 1 << index


def is_absent(sentence: Sentence, facts: Facts) -> bool:
    """Whether no object of a world satisfies a sentence, even leniently."""
    return judge(sentence, facts).possible == 0


def phrases_for(attributes: dict[str, str]) -> list[Phrase]:
    """All 16 phrases that are true of an object, from 'the object' to all four attributes."""
    choices = [
        [field for bit, field in enumerate(ATTRIBUTES) if code >> bit & 1]
        for code in range(1 << len(ATTRIBUTES))
    ]
    return [Phrase(**{field: attributes[field] for field in fields}) for fields in choices]


Weighted = tuple[Sentence, float]


def _phrase_weight(phrase: Phrase, needed: bool) -> float:
    """How much a phrase is wanted: rather 'star' than 'object', rather not already unique."""
    return (1.0 if phrase.shape else 0.3) * (3.0 if needed else 1.0)


def _appearance(index: int, own: list[Phrase], facts: Facts) -> list[Weighted]:
    return [
        (Sentence(phrase), _phrase_weight(phrase, False))
        for phrase in own
        if names_only(Sentence(phrase), index, facts)
    ]


def _statements(index: int, own: list[Phrase], facts: Facts, kind: str) -> list[Weighted]:
    """Motion or position sentences; one whose phrase alone would do weighs less."""
    table = facts.motions if kind == 'motion' else facts.positions
    found = []
    for word, verdict in table.items():
        if not verdict.certain >> index & 1:
            continue
        for phrase in own:
            sentence = Sentence(phrase, kind, word)
            if names_only(sentence, index, facts):
                needed = phrase.matches(facts).bit_count() > 1
                found.append((sentence, _phrase_weight(phrase, needed)))
    return found


def _relations(
    index: int, described: list[list[Phrase]], facts: Facts, rng: np.random.Generator
) -> list[Weighted]:
    """Relation sentences; of every other object one unique phrase, drawn, serves as the anchor."""
    found = []
    for other, phrases in enumerate(described):
        unique = [phrase for phrase in phrases if phrase.matches(facts) == 1 << other]
        if other == index or not unique:
            continue
        shares = np.array([_phrase_weight(phrase, False) for phrase in unique])
        anchor = unique[int(rng.choice(len(unique), p=shares / shares.sum()))]
        for word in RELATIONS:
            if not facts.relations[word][other].certain >> index & 1:
                continue
            # Offsets are far more frequent than occlusion: weigh the latter up.
            wanted = 1.0 if word in ('left of', 'right of', 'above', 'below') else 3.0
            for phrase in described[index]:
                sentence = Sentence(phrase, 'relation', word, anchor)
                if names_only(sentence, index, facts):
                    needed = phrase.matches(facts).bit_count() > 1
                    found.append((sentence, wanted * _phrase_weight(phrase, needed)))
    return found


def _plan(count: int, rng: np.random.Generator) -> list[str]:
    """Kinds wanted of an object's sentences: half appearance, a quarter motion, a quarter place."""
    cycle = ('appearance', 'motion', 'place', 'appearance')
    plan = [cycle[slot % len(cycle)] for slot in range(count)]
    return [
        ('position' if rng.random() < 0.35 else 'relation') if kind == 'place' else kind
        for kind in plan
    ]


def _fallbacks(kind: str) -> tuple[str, ...]:
    """Kinds to try in turn when an object has no sentence of the kind wanted."""
    order = {
        'appearance': ('appearance', 'relation', 'position', 'motion'),
        'motion': ('motion', 'appearance', 'relation', 'position'),
        'position': ('position', 'relation', 'appearance', 'motion'),
        'relation': ('relation', 'position', 'appearance', 'motion'),
    }
    return order[kind]


def describe(
    index: int,
    attributes: tuple[dict[str, str], ...],
    facts: Facts,
    count: int,
    rng: np.random.Generator,
) -> list[Sentence]:
    """Choose up to ``count`` sentences that name object ``index`` and no other object.

    ``attributes`` are the words of all objects. Returns fewer, down to none, when there are not
    enough different ones: twins that only a borderline motion tells apart have none.
    """
    described = [phrases_for(words) for words in attributes]
    own = described[index]
    pools = {
        'appearance': _appearance(index, own, facts),
        'motion': _statements(index, own, facts, 'motion'),
        'position': _statements(index, own, facts, 'position'),
        'relation': _relations(index, described, facts, rng),
    }
    chosen: list[Sentence] = []
    for wanted in _plan(count, rng):
        for kind in _fallbacks(wanted):
            pool = pools[kind]
            if pool:
                shares = np.array([weight for _, weight in pool])
                pick = int(rng.choice(len(pool), p=shares / shares.sum()))
                form = (int(rng.random() < 0.25), int(rng.integers(6)))
                chosen.append(replace(pool.pop(pick)[0], form=form))
                break
    return chosen


def alternatives(sentence: Sentence) -> tuple[str, ...]:
    """The other statements that could stand in place of a sentence's own."""
    if sentence.word is None:
        return ()
    return tuple(word for word in CLAUSES[sentence.kind] if word != sentence.word)

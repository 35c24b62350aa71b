"""Find negatives: sentences that are verified to be false for a video.

There are three kinds. ``other_video``: a sentence of another video. ``attribute``: the video's own
sentence with one attribute word changed. ``relation``: with its motion, position or relation
changed. The last two keep the form of true sentences, so that they cannot be recognized from the
text alone; a sentence about appearance therefore has no ``relation`` negative.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np

from r2vos_mm.datasets.refshapes_words import ATTRIBUTES

from .facts import Facts
from .grammar import CLAUSES, Phrase, Sentence, is_absent

NEGATIVE_KINDS = ('other_video', 'attribute', 'relation')
_PAIRS = dict(left='right', up='down', top='bottom', above='below', entering='leaving')
_PAIRS |= {'left of': 'right of', 'in front of': 'behind', 'passing in front of': 'passing behind'}
OPPOSITES = _PAIRS | {second: first for first, second in _PAIRS.items()}
# True sentences rarely make these statements: draw them less, or their words give negatives away.
RARE = (
    dict.fromkeys(('entering', 'leaving'), 0.15)
    | dict.fromkeys(('passing in front of', 'passing behind'), 0.4)
    | dict.fromkeys(('in front of', 'behind'), 0.5)
    | dict(circling=0.6)
)


def _sha256(text: str, num_bytes: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:num_bytes], 'big')


def _attribute(sentence: Sentence, facts: Facts) -> dict[Sentence, float]:
    """Return false sentences with one attribute word changed, with weights.

    Each attribute has the same share, however many words it has. A word that is true of another
    object of the video makes the negative harder and is preferred.
    """
    options: dict[str, dict[Sentence, float]] = {}
    for part in ('subject', 'anchor'):
        phrase = getattr(sentence, part) or Phrase()
        for field, old in phrase.mentioned().items():
            for word in ATTRIBUTES[field]:
                changed = replace(sentence, **{part: replace(phrase, **{field: word})})
                if word != old and is_absent(changed, facts):
                    weight = 3.0 if facts.attributes[field, word] else 1.0
                    options.setdefault(field, {})[changed] = weight
    return {
        changed: weight / sum(found.values())
        for found in options.values()
        for changed, weight in found.items()
    }


def _relation(sentence: Sentence, facts: Facts) -> dict[Sentence, float]:
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
    """Yield up to ``count`` other videos for which a sentence is false.

    Candidate k = 0, 1, ... is number SHA-256("<key>|<k>") modulo the number of videos, so that the
    choice depends neither on the order of work nor on the version of a random generator. After as
    many draws as there are videos, the others follow in their order.
    """
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
    """Draw (kind, video shown, text) of the negatives of a sentence.

    Args:
        sentence: a sentence about ``video``.
        key: text that identifies it; all choices derive from its SHA-256.
        video: a key of ``facts``.
        facts: those of all videos.
        count: maximum number of negatives of each kind.
    """
    others = _other_videos(sentence, key, video, facts, count)
    found = [('other_video', other, sentence.text()) for other in others]
    rng = np.random.default_rng(_sha256(key, 16))
    for kind, options_of in (('attribute', _attribute), ('relation', _relation)):
        options = options_of(sentence, facts[video])
        if options:
            shares, size = np.array(list(options.values())), min(count, len(options))
            picks = rng.choice(len(shares), size=size, replace=False, p=shares / shares.sum())
            found += [(kind, video, list(options)[pick].text()) for pick in picks]
    return found

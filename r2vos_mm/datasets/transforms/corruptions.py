"""Corrupt frames and expressions in five severities, to measure robustness.

Corruptions are the same in every run: random numbers depend on a seed and on what is corrupted, not
on the order of the items. Severities of frames: ImageNet-C (Hendrycks and Dietterich, ICLR 2019).
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS

SEVERITIES = range(1, 6)
WORDS_CHANGED = (0.1, 0.2, 0.3, 0.4, 0.5)  # share, at least one word
_SIDE = 224
_OCTAVES = 7
_NEIGHBOUR_KEYS = dict(zip('qwertyuiopasdfghjklzxcvbnm', 'wertyuioposdfghjklkxcvbnmn'))


def seeded(*parts: object) -> np.random.Generator:
    """Return a generator whose numbers depend on ``parts`` only, on every machine.

    >>> int(seeded(0, 'a dog').integers(100)) == int(seeded(0, 'a dog').integers(100))
    True
    """
    digest = hashlib.sha256('|'.join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], 'big'))


def _noise(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise, independent for each frame, like that of a camera."""
    return _as_bytes(image + 255 * sigma * rng.standard_normal(image.shape, dtype=np.float32))


def _blur(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Apply a Gaussian blur, wider in larger images."""
    return cv2.GaussianBlur(image, (0, 0), sigma * min(image.shape[:2]) / _SIDE)


def _jpeg(image: np.ndarray, quality: int, rng: np.random.Generator) -> np.ndarray:
    encoded = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)


def _brightness(image: np.ndarray, added: float, rng: np.random.Generator) -> np.ndarray:
    """Increase HSV's value, clipped at white."""
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2HSV)
    hsv[..., 2] = np.minimum(hsv[..., 2] + added, 1)
    return _as_bytes(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


def _contrast(image: np.ndarray, left: float, rng: np.random.Generator) -> np.ndarray:
    """Move all colours towards the mean colour of the image."""
    mean = image.mean((0, 1), dtype=np.float64)
    return _as_bytes((image - mean) * left + mean)


def _fog(image: np.ndarray, level: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Add white clouds; the largest value of the image stays the largest."""
    amount, decay = level
    brightest = max(float(image.max()), 1) / 255
    foggy = image / 255 + amount * _clouds(image.shape[:2], decay, rng)[..., None]
    return _as_bytes(255 * foggy * brightest / (brightest + amount))


def _clouds(shape: tuple[int, int], decay: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise (H, W) in [0, 1], each octave twice as fine and ``decay`` times weaker."""
    field = np.zeros(shape, np.float32)
    for octave in range(_OCTAVES):
        coarse = rng.random((2**octave + 1, 2**octave + 1), dtype=np.float32)
        field += cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) / decay**octave
    return (field - field.min()) / max(float(np.ptp(field)), 1e-6)


def _as_bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(image).clip(0, 255).astype(np.uint8)


# The function of each kind, and what it gets for the severities 1 to 5.
FRAME_CORRUPTIONS: dict[str, tuple[Callable[..., np.ndarray], tuple]] = dict(
    noise=(_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),  # of the range from black to white
    blur=(_blur, (1, 2, 3, 4, 6)),  # pixels at a short side of 224
    jpeg=(_jpeg, (25, 18, 15, 10, 7)),  # quality
    brightness=(_brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),  # of the range of HSV's value
    contrast=(_contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),  # what is left of it
    # Amount, and decay of the octaves.
    fog=(_fog, ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))),
)


def corrupt_frame(
    image: np.ndarray, *, kind: str, severity: int, rng: np.random.Generator
) -> np.ndarray:
    """Return an image (H, W, 3) uint8 BGR corrupted in one of :data:`FRAME_CORRUPTIONS`."""
    corrupt, levels = FRAME_CORRUPTIONS[kind]
    return corrupt(image, levels[severity - 1], rng)


def _drop(words: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Drop words, but not all."""
    dropped = rng.permutation(len(words))[: min(count, len(words) - 1)]
    return [word for i, word in enumerate(words) if i not in dropped]


def _swap(words: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """Swap words with the next one."""
    for i in sorted(rng.permutation(len(words[:-1]))[:count]):
        words[i], words[i + 1] = words[i + 1], words[i]
    return words


def _misspell(words: list[str], count: int, rng: np.random.Generator) -> list[str]:
    for i in sorted(rng.permutation(len(words))[:count]):
        words[i] = _misspelt(words[i], rng)
    return words


def _misspelt(word: str, rng: np.random.Generator) -> str:
    """Return a word with a letter dropped, doubled, swapped, or replaced by one beside its key."""
    at, kind = int(rng.integers(len(word))), int(rng.integers(4))
    head, letter, tail = word[:at], word[at], word[at + 1 :]
    if kind == 0 and len(word) > 1:
        return head + tail
    if kind == 1:
        return head + 2 * letter + tail
    if kind == 2 and tail and tail[0] != letter:
        return head + tail[0] + letter + tail[1:]
    return head + _NEIGHBOUR_KEYS.get(letter, 'x') + tail


EXPRESSION_CORRUPTIONS: dict[str, Callable[[list[str], int, np.random.Generator], list[str]]] = (
    dict(drop=_drop, swap=_swap, typos=_misspell)
)


def corrupt_text(text: str, *, kind: str, severity: int, seed: int = 0) -> str:
    """Return an expression of which a tenth (severity 1) to a half (5) of the words is corrupted.

    Args:
        text: the expression.
        kind: ``'drop'`` (some words), ``'swap'`` (with the next word) or ``'typos'``.
        severity: 1 to 5.
        seed: the draws depend only on it, the kind, the severity and the text.

    >>> len(corrupt_text('a brown dog that runs to the left', kind='drop', severity=5).split())
    4
    >>> sorted(corrupt_text('a red dog', kind='swap', severity=3).split())
    ['a', 'dog', 'red']
    """
    words, rng = text.split(), seeded(seed, kind, severity, text)
    count = math.ceil(WORDS_CHANGED[severity - 1] * len(words))
    return ' '.join(EXPRESSION_CORRUPTIONS[kind](words, count, rng))


class _Corruption(BaseTransform):
    """Base of both transforms; ``kinds`` are the corruptions by name."""

    kinds: Mapping[str, Any] = {}

    def __init__(self, *, kind: str, severity: int, seed: int = 0) -> None:
        if kind not in self.kinds or severity not in SEVERITIES:
            raise ValueError(
                f'kind is one of {", ".join(self.kinds)} and severity 1 to 5, got {kind!r} and '
                f'{severity!r}'
            )
        self.kind, self.severity, self.seed = kind, severity, seed


@TRANSFORMS.register_module()
class CorruptFrames(_Corruption):
    """Corrupt all frames of a clip in the same way.

    It comes outside the broadcasters, after the resize: severities are for the size that the model
    sees. Only noise differs from frame to frame; fog is the same field in all frames.

    Required keys, lists over the frames: ``img`` (H, W, 3) uint8 BGR (modified), ``clip``.

    Args:
        kind: ``'noise'``, ``'blur'``, ``'jpeg'``, ``'brightness'``, ``'contrast'`` or ``'fog'``.
        severity: 1 to 5.
        seed: random numbers depend only on it and on the ids of video and frame.

    Raises:
        ValueError: the kind or severity is unknown.
    """

    kinds = FRAME_CORRUPTIONS

    def transform(self, results: dict) -> dict:
        """Corrupt ``img``."""
        clip = results['clip'][0]
        corrupted = []
        for image, frame in zip(results['img'], clip.frame_ids):
            drawn_for = (clip.video_id, frame) if self.kind == 'noise' else (clip.video_id,)
            rng = seeded(self.seed, self.kind, *drawn_for)
            corrupted.append(corrupt_frame(image, kind=self.kind, severity=self.severity, rng=rng))
        results['img'] = corrupted
        return results


@TRANSFORMS.register_module()
class CorruptExpressions(_Corruption):
    """Corrupt all expressions of a clip, including those of negative pairs.

    Required keys: ``clip`` (a list over the frames). Modified keys: ``clip``.

    Args:
        kind, severity, seed: see :func:`corrupt_text`.

    Raises:
        ValueError: the kind or severity is unknown.
    """

    kinds = EXPRESSION_CORRUPTIONS

    def transform(self, results: dict) -> dict:
        """Corrupt the expressions of ``clip``."""
        change = partial(corrupt_text, kind=self.kind, severity=self.severity, seed=self.seed)
        clips = results['clip']
        results['clip'] = [clips[0].with_texts(change)] * len(clips)
        return results

"""Corrupt frames and sentences in five severities, to measure robustness.

Corruptions are the same in every run: random numbers depend on a seed and on what is corrupted, not
on the order of the items. The severities of frames are those of Hendrycks and Dietterich, ICLR
2019, Appendix B (ImageNet-C).
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from r2vos_mm.registry import TRANSFORMS

SEVERITIES = range(1, 6)
NOISE_SIGMA = (0.08, 0.12, 0.18, 0.26, 0.38)  # of the range from black to white
BLUR_SIGMA = (1, 2, 3, 4, 6)  # pixels at a short side of 224
JPEG_QUALITY = (25, 18, 15, 10, 7)
BRIGHTER_BY = (0.1, 0.2, 0.3, 0.4, 0.5)  # of the range of HSV's value
CONTRAST_LEFT = (0.4, 0.3, 0.2, 0.1, 0.05)
FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))  # amount, decay of octaves
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


def add_noise(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise, independent for each frame, like that of a camera."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return _as_bytes(image + 255 * NOISE_SIGMA[severity - 1] * noise)


def blur(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Apply a Gaussian blur, wider in larger images."""
    sigma = BLUR_SIGMA[severity - 1] * min(image.shape[:2]) / _SIDE
    return cv2.GaussianBlur(image, (0, 0), sigma)


def compress(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Compress to a JPEG of low quality."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY[severity - 1]]
    return cv2.imdecode(cv2.imencode('.jpg', image, quality)[1], cv2.IMREAD_COLOR)


def brighten(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Increase HSV's value, clipped at white."""
    hsv = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_BGR2HSV)
    hsv[..., 2] = np.minimum(hsv[..., 2] + BRIGHTER_BY[severity - 1], 1)
    return _as_bytes(255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))


def lower_contrast(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Move all colours towards the mean colour of the image."""
    mean = image.mean((0, 1), dtype=np.float64)
    return _as_bytes((image - mean) * CONTRAST_LEFT[severity - 1] + mean)


def add_fog(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    """Add white clouds; the largest value of the image stays the largest."""
    amount, decay = FOG[severity - 1]
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


FRAME_CORRUPTIONS: dict[str, Callable[[np.ndarray, int, np.random.Generator], np.ndarray]] = dict(
    noise=add_noise,
    blur=blur,
    jpeg=compress,
    brightness=brighten,
    contrast=lower_contrast,
    fog=add_fog,
)


def drop_words(sentence: str, severity: int, seed: int = 0) -> str:
    """Drop a tenth (severity 1) to a half (5) of the words, but not all.

    >>> len(drop_words('a brown dog that runs to the left of a tree', 5).split())
    5
    """
    words = sentence.split()
    count = min(_count(words, severity), len(words) - 1)
    dropped = _chosen(words, count, seeded(seed, 'drop', severity, sentence))
    return ' '.join(word for i, word in enumerate(words) if i not in dropped)


def swap_words(sentence: str, severity: int, seed: int = 0) -> str:
    """Swap a tenth to a half of the words with the next one.

    >>> sorted(swap_words('a red dog', 3).split())
    ['a', 'dog', 'red']
    """
    words = sentence.split()
    count = min(_count(words, severity), len(words) - 1)
    for i in sorted(_chosen(words[:-1], count, seeded(seed, 'swap', severity, sentence))):
        words[i], words[i + 1] = words[i + 1], words[i]
    return ' '.join(words)


def make_typos(sentence: str, severity: int, seed: int = 0) -> str:
    """Misspell a tenth to a half of the words.

    A letter is dropped, doubled, swapped with the next one or replaced by a neighbour on the
    keyboard.
    """
    words = sentence.split()
    rng = seeded(seed, 'typos', severity, sentence)
    for i in sorted(_chosen(words, _count(words, severity), rng)):
        words[i] = _misspelt(words[i], rng)
    return ' '.join(words)


def _misspelt(word: str, rng: np.random.Generator) -> str:
    """Return a word with one wrong letter; words of one letter get another one."""
    at, kind = int(rng.integers(len(word))), int(rng.integers(4))
    head, letter, tail = word[:at], word[at], word[at + 1 :]
    if kind == 0 and len(word) > 1:
        return head + tail
    if kind == 1:
        return head + 2 * letter + tail
    if kind == 2 and tail and tail[0] != letter:
        return head + tail[0] + letter + tail[1:]
    return head + _NEIGHBOUR_KEYS.get(letter, 'x') + tail


def _count(words: Sequence[str], severity: int) -> int:
    return math.ceil(WORDS_CHANGED[severity - 1] * len(words))


def _chosen(words: Sequence[str], count: int, rng: np.random.Generator) -> set[int]:
    """Return the places of ``count`` words."""
    return set(rng.permutation(len(words))[: max(count, 0)].tolist())


SENTENCE_CORRUPTIONS: dict[str, Callable[[str, int, int], str]] = dict(
    drop=drop_words, swap=swap_words, typos=make_typos
)


class _Corruption(BaseTransform):
    """Base of both transforms; ``kinds`` are the functions by name."""

    kinds: Mapping[str, Callable] = {}

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

    Required keys, lists over the frames: ``img`` (H, W, 3) uint8 BGR, ``clip``. Modified keys:
    ``img``.

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
            corrupted.append(self.kinds[self.kind](image, self.severity, rng))
        results['img'] = corrupted
        return results


@TRANSFORMS.register_module()
class CorruptSentences(_Corruption):
    """Corrupt all sentences of a clip, including those of negative pairs.

    Required keys: ``clip`` (a list over the frames). Modified keys: ``clip``.

    Args:
        kind: ``'drop'`` drops words, ``'swap'`` swaps neighbours, ``'typos'`` misspells.
        severity: 1 to 5, from a tenth to a half of the words, at least one.
        seed: random numbers depend only on it, the severity and the sentence.

    Raises:
        ValueError: the kind or severity is unknown.
    """

    kinds = SENTENCE_CORRUPTIONS

    def transform(self, results: dict) -> dict:
        """Corrupt the sentences of ``clip``."""
        clip, change = results['clip'][0], self.kinds[self.kind]
        pairs = tuple(
            replace(pair, sentence=change(pair.sentence, self.severity, self.seed))
            for pair in clip.pairs
        )
        results['clip'] = [replace(clip, pairs=pairs)] * len(results['clip'])
        return results

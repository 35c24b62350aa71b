"""Draw Unicode text on numpy images with PIL, since cv2.putText is limited to ASCII."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from .style import Colour


def clean_text(text: str) -> str:
    """Return one line without control characters, lone surrogates or repeated white space."""
    printable = (' ' if unicodedata.category(c) in ('Cc', 'Cs') else c for c in text)
    return ' '.join(''.join(printable).split())


def wrap_text(text: str, font: FreeTypeFont, width: int, *, max_lines: int) -> list[str]:
    """Break ``text`` into lines of at most ``width`` pixels.

    Lines break at spaces; a word wider than the line breaks between characters (some languages
    have no spaces). Text that does not fit in ``max_lines`` is replaced by an ellipsis.

    Args:
        text: Any Unicode text; it is cleaned first.
        font: Font to draw it with.
        width: Pixels.
        max_lines: At least 1.
    """
    lines: list[str] = []
    rest = clean_text(text)
    while rest and len(lines) < max_lines:
        # The longest prefix within the width, at least one character.
        prefixes = range(1, len(rest) + 1)
        cut = max(1, bisect_right(prefixes, width, key=lambda n: font.getlength(rest[:n])))
        space = rest.rfind(' ', 0, cut + 1)
        if cut < len(rest) and space > 0:
            cut = space
        lines.append(rest[:cut])
        rest = rest[cut:].lstrip()
    if rest:
        line = lines[-1]
        while line and font.getlength(line + '…') > width:
            line = line[:-1]
        lines[-1] = line.rstrip() + '…'
    return lines


def line_height(font: FreeTypeFont) -> int:
    """Return the pixels from one baseline to the next."""
    return sum(font.getmetrics()) + 1


def draw_lines(
    image: np.ndarray,
    lines: Sequence[str],
    origin: tuple[int, int],
    font: FreeTypeFont,
    *,
    colour: Colour,
) -> None:
    """Write lines into ``image`` (H, W, 3) uint8, in place, from ``origin`` (x, y) down."""
    canvas = Image.fromarray(image)
    x, y = origin
    for row, line in enumerate(lines):
        place = x, y + row * line_height(font)
        ImageDraw.Draw(canvas).text(place, line, font=font, fill=colour)
    image[:] = np.asarray(canvas)


def text_chip(
    text: str, font: FreeTypeFont, *, fill: Colour, colour: Colour = (255, 255, 255)
) -> np.ndarray:
    """Return a filled label around ``text``: (h, w, 3) uint8, two to five pixels of margin."""
    width = int(np.ceil(font.getlength(text))) + 10
    chip = np.full((line_height(font) + 4, width, 3), fill, np.uint8)
    draw_lines(chip, [text], (5, 2), font, colour=colour)
    return chip


def paste(
    image: np.ndarray, patch: np.ndarray, origin: tuple[int, int], *, opacity: float = 1.0
) -> None:
    """Put ``patch`` (h, w, 3) into ``image`` (H, W, 3) in place, its corner at (x, y), cropped."""
    x, y = origin
    target = image[y : y + patch.shape[0], x : x + patch.shape[1]]
    source = patch[: target.shape[0], : target.shape[1]]
    if opacity < 1:
        source = np.rint(opacity * source + (1 - opacity) * target).astype(np.uint8)
    target[:] = source

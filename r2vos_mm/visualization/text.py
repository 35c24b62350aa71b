"""Unicode text on numpy images. cv2.putText knows ASCII only, so PIL draws."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .style import Colour

_ELLIPSIS = '…'


def clean_text(text: str) -> str:
    """One line without control characters, lone surrogates or repeated white space."""
    printable = (' ' if unicodedata.category(c) in ('Cc', 'Cs') else c for c in text)
    return ' '.join(''.join(printable).split())


def wrap_text(text: str, font: ImageFont.FreeTypeFont, width: int, *, max_lines: int) -> list[str]:
    """Breaks ``text`` into lines of at most ``width`` pixels.

    Lines break at spaces; a word wider than the line breaks between characters (there are languages
    without spaces). What does not fit in ``max_lines`` is replaced by an ellipsis.

    Args:
        text: any Unicode text; it is cleaned first.
        font: the font it will be drawn with.
        width: pixels.
        max_lines: at least 1.
    """
    lines: list[str] = []
    rest = clean_text(text)
    while rest and len(lines) < max_lines:
        line, rest = _split_line(rest, font, width)
        lines.append(line)
    if rest:
        lines[-1] = _shorten(lines[-1], font, width)
    return lines


def _split_line(text: str, font: ImageFont.FreeTypeFont, width: int) -> tuple[str, str]:
    count = _fitting_characters(text, font, width)
    if count == len(text):
        return text, ''
    space = text.rfind(' ', 0, count + 1)
    cut = space if space > 0 else count
    return text[:cut], text[cut:].lstrip()


def _fitting_characters(text: str, font: ImageFont.FreeTypeFont, width: int) -> int:
    """Length of the longest prefix within ``width``, at least 1, by bisection."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle]) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def _shorten(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while line and font.getlength(line + _ELLIPSIS) > width:
        line = line[:-1]
    return line.rstrip() + _ELLIPSIS


def line_height(font: ImageFont.FreeTypeFont) -> int:
    """Pixels from one baseline to the next."""
    ascent, descent = font.getmetrics()
    return ascent + descent + 1


def draw_lines(
    image: np.ndarray,
    lines: Sequence[str],
    origin: tuple[int, int],
    font: ImageFont.FreeTypeFont,
    *,
    colour: Colour,
) -> None:
    """Writes lines into ``image`` (H, W, 3) uint8, in place, from ``origin`` (x, y) down."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    x, y = origin
    for line in lines:
        draw.text((x, y), line, font=font, fill=colour)
        y += line_height(font)
    image[:] = np.asarray(canvas)


def text_chip(
    text: str, font: ImageFont.FreeTypeFont, *, fill: Colour, colour: Colour = (255, 255, 255)
) -> np.ndarray:
    """A filled label around ``text``: (h, w, 3) uint8, two to five pixels of margin."""
    width = int(np.ceil(font.getlength(text))) + 10
    chip = np.empty((line_height(font) + 4, width, 3), np.uint8)
    chip[:] = fill
    draw_lines(chip, [text], (5, 2), font, colour=colour)
    return chip


def paste(
    image: np.ndarray, patch: np.ndarray, origin: tuple[int, int], *, opacity: float = 1.0
) -> None:
    """Puts ``patch`` (h, w, 3) into ``image`` (H, W, 3) in place, its corner at (x, y), cropped."""
    x, y = origin
    target = image[y : y + patch.shape[0], x : x + patch.shape[1]]
    source = patch[: target.shape[0], : target.shape[1]]
    if opacity < 1:
        source = np.rint(opacity * source + (1 - opacity) * target).astype(np.uint8)
    target[:] = source

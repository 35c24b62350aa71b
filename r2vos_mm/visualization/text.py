"""Draw Unicode text on NumPy images with PIL, since cv2.putText is limited to ASCII."""

import unicodedata
from bisect import bisect_right

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
    while rest and lines[-1] and font.getlength(lines[-1] + '…') > width:
        lines[-1] = lines[-1][:-1]
    return [*lines[:-1], lines[-1].rstrip() + '…'] if rest else lines


def line_height(font: FreeTypeFont) -> int:
    """Return the pixels from one baseline to the next."""
    return sum(font.getmetrics()) + 1


def draw_lines(
    image: np.ndarray, lines: list[str], at: tuple[int, int], font: FreeTypeFont, *, colour: Colour
) -> None:
    """Write lines into ``image`` (H, W, 3) uint8, in place, from ``at`` (x, y) down."""
    canvas = Image.fromarray(image)
    for row, line in enumerate(lines):
        place = at[0], at[1] + row * line_height(font)
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
    image: np.ndarray, patch: np.ndarray, at: tuple[int, int], *, opacity: float = 1.0
) -> None:
    """Put ``patch`` (h, w, 3) into ``image`` (H, W, 3) in place, its corner at (x, y), cropped."""
    target = image[at[1] : at[1] + patch.shape[0], at[0] : at[0] + patch.shape[1]]
    source = patch[: target.shape[0], : target.shape[1]]
    if opacity < 1:
        source = np.rint(opacity * source + (1 - opacity) * target).astype(np.uint8)
    target[:] = source

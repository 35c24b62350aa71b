"""Colours, sizes and fonts shared by everything that is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import ImageFont

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Style:
    """How things look. Colours are RGB in 0-255, lengths are pixels of the drawn image.

    Prediction and truth differ in hue and in form (fill or contour), and verdicts carry a mark
    beside their colour, so that the drawings can be read by the colour-blind and in grey print.

    Attributes:
        prediction: fill and contour of the predicted mask.
        truth: contour of the true mask.
        rejected: dashed contour of a mask that the gate emptied.
        right, wrong: a verdict that agrees with the truth, or does not.
        neutral: no verdict, or no truth to compare it with.
        negative: label of a sentence that does not belong to the video.
        ink, faint, paper: text, secondary text and background.
        alpha: opacity of the fill, in [0, 1].
        shorter: frames whose shorter side is below this are enlarged to it.
        longer: no drawn frame has a longer side above this; it wins over ``shorter``.
        gap: white space between cells.
        max_lines: lines a sentence may take before it ends in an ellipsis.
        font_path: a TrueType file for scripts that DejaVu Sans lacks (Chinese, Japanese, Korean).
            None takes the DejaVu Sans that matplotlib brings along.
    """

    prediction: Colour = (36, 132, 255)
    truth: Colour = (255, 196, 0)
    rejected: Colour = (235, 235, 235)
    right: Colour = (22, 128, 74)
    wrong: Colour = (201, 42, 42)
    neutral: Colour = (84, 96, 112)
    negative: Colour = (173, 92, 0)
    ink: Colour = (24, 28, 34)
    faint: Colour = (98, 106, 118)
    paper: Colour = (255, 255, 255)
    alpha: float = 0.45
    shorter: int = 256
    longer: int = 640
    gap: int = 6
    max_lines: int = 3
    font_path: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f'Style.alpha is an opacity in [0, 1], got {self.alpha}')
        if min(self.shorter, self.longer, self.max_lines) < 1 or self.gap < 0:
            raise ValueError(
                'Style.shorter, .longer and .max_lines are at least 1 and .gap at least 0, got '
                f'{self.shorter}, {self.longer}, {self.max_lines} and {self.gap}'
            )

    def small(self) -> Style:
        """The same style with cells small enough to stand in rows of a sheet."""
        return replace(self, shorter=min(self.shorter, 256), longer=min(self.longer, 288))

    def font(self, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        """The font at ``size`` pixels; the bold cut exists only for the bundled DejaVu Sans."""
        return _load_font(self.font_path or _bundled_font(bold), size)


def _bundled_font(bold: bool) -> str:
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return str(Path(matplotlib.get_data_path(), 'fonts', 'ttf', name))


@lru_cache(maxsize=64)
def _load_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(path, size)
    except OSError as error:
        raise FileNotFoundError(
            f'Cannot read the font {path!r}: give Style.font_path a TrueType '
            'file, or None for the bundled DejaVu Sans'
        ) from error

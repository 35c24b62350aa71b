"""Define the colours, sizes and fonts of all drawings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import matplotlib
from PIL import ImageFont

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Style:
    """Colours (RGB in 0-255), lengths (pixels of the drawn image) and fonts.

    Prediction and truth differ in hue and in form (fill or contour), and verdicts carry a mark
    beside their colour, so that drawings stay readable for the colour-blind and in grey print.

    Attributes:
        prediction, truth: Predicted mask (fill and contour) and true mask (contour).
        rejected: Dashed contour of a mask that the gate emptied.
        right, wrong: A verdict that agrees with the truth, or does not.
        neutral: No verdict, or no truth to compare it with.
        negative: Label of an expression that does not belong to the video.
        ink, faint, paper: Text, secondary text and background.
        alpha: Opacity of the fill, in [0, 1].
        shorter: Frames whose shorter side is below this are enlarged to it.
        longer: Maximum of the longer side of a drawn frame; it wins over ``shorter``.
        gap: White space between cells.
        max_lines: Maximum lines of an expression, which then ends in an ellipsis.
        font_path: TrueType file for scripts that DejaVu Sans lacks (Chinese, Japanese, Korean).
            None takes the DejaVu Sans that comes with matplotlib.
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
        lengths = self.shorter, self.longer, self.max_lines, self.gap + 1
        if min(lengths) < 1:
            raise ValueError(f'Style.shorter, .longer, .max_lines or .gap is too small in {self}')

    def small(self) -> Style:
        """Return the style with cells small enough for the rows of a sheet."""
        return replace(self, shorter=min(self.shorter, 256), longer=min(self.longer, 288))

    def font(self, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        """Return the font at ``size`` pixels; only the bundled DejaVu Sans has a bold cut."""
        name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
        return _load_font(self.font_path or f'{matplotlib.get_data_path()}/fonts/ttf/{name}', size)


@lru_cache(maxsize=64)
def _load_font(path: str, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(path, size)
    except OSError as error:
        what = f'Cannot read the font {path!r}: give Style.font_path a TrueType file, or None'
        raise FileNotFoundError(what) from error

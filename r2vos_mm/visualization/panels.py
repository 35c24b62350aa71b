"""Compose frames with headers, strips, grids, contact sheets and attention sheets.

All functions return RGB images (h, w, 3) uint8; ``style`` holds colours, sizes and fonts.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from .overlay import display_size, draw_box, overlay_heat, overlay_masks, resize, resize_mask
from .style import Colour, Style
from .text import draw_lines, line_height, paste, text_chip, wrap_text
from .views import ClipView, PairView, spread

_PAD, _BAR = 6, 4
_INDENT = 11  # text starts where the text of a label starts, not where its box does


def verdict_colour(view: PairView, style: Style) -> Colour:
    """Return green for a verdict that agrees with the truth, red for one that does not, else grey.

    Without any verdict the label of a negative pair has its own colour.
    """
    if view.correct is not None:
        return style.right if view.correct else style.wrong
    return style.negative if view.found is None and view.is_negative else style.neutral


def verdict_labels(view: PairView) -> list[str]:
    """Return the labels of the header: verdict with consensus, then the truth.

    >>> verdict_labels(PairView('a red ball', consensus=0.04, is_negative=True, kind='attribute'))
    ['✓ not in the video', 'consensus 0.04', 'truth: negative (attribute)']
    >>> verdict_labels(PairView('a red ball', is_negative=False))
    ['truth: positive']
    """
    labels = []
    if view.found is not None:
        mark = {True: '✓ ', False: '✗ ', None: ''}[view.correct]
        verdict = f'{mark}{"" if view.found else "not "}in the video'
        labels += [verdict, f'consensus {view.consensus:.2f}']
    if view.is_negative is not None:
        kind = '' if view.kind in ('', 'positive', 'negative') else f' ({view.kind})'
        labels.append(f'truth: {"negative" if view.is_negative else "positive"}{kind}')
    return labels


def header_band(
    view: PairView, width: int, *, title: str = '', style: Style = Style()
) -> np.ndarray:
    """Draw verdict, truth and expression on a pale band under a bar of the verdict's colour.

    The expression wraps to ``width`` pixels; ``title`` stands in bold before the labels.
    """
    colour = verdict_colour(view, style)
    size = 12 if width < 420 else 14
    font, bold = style.font(size), style.font(size, bold=True)
    pale = tuple(round(0.92 * p + 0.08 * c) for p, c in zip(style.paper, colour))
    labels = verdict_labels(view)
    chips = [text_chip(title, bold, fill=pale, colour=style.ink)] if title else []
    chips += [text_chip(text, bold, fill=colour) for text in labels[:1]]
    chips += [text_chip(text, font, fill=pale, colour=style.faint) for text in labels[1:]]
    upper = _flow([chip[:, : width - 2 * _PAD] for chip in chips], width, pale, left=_PAD)
    lines = wrap_text(f'“{view.sentence}”', font, width - 2 * _INDENT, max_lines=style.max_lines)
    top, middle = _BAR + _PAD, _BAR + _PAD + len(upper)
    band = _blank(middle + line_height(font) * len(lines) + _PAD, width, pale)
    band[:_BAR], band[top:middle] = colour, upper
    draw_lines(band, lines, (_INDENT, middle), font, colour=style.ink)
    return band


def _flow(
    chips: Sequence[np.ndarray], width: int, fill: Colour, *, left: int = 0, below: int = 0
) -> np.ndarray:
    """Set chips in rows on an image of ``width`` pixels, with margins."""
    places, x, y, row = [], left, 0, 0
    for chip in chips:
        if x > left and x + chip.shape[1] > width - _PAD:
            x, y, row = left, y + row + 2, 0
        places.append((x, y))
        x, row = x + chip.shape[1] + 4, max(row, len(chip))
    image = _blank(y + row + (4 if chips else 0) + below, width, fill)
    for chip, place in zip(chips, places):
        paste(image, chip, place)
    return image


def draw_frame(
    frame: np.ndarray,
    view: PairView,
    index: int,
    *,
    size: tuple[int, int] | None = None,
    label: str = '',
    style: Style = Style(),
) -> np.ndarray:
    """Draw frame ``index`` of a clip with its masks, boxes and score, without a header.

    Args:
        frame: (H, W, 3) uint8 RGB.
        view, index: The pair and the position in its arrays.
        size: (h, w) to draw at; None takes ``display_size``.
        label: Text for the upper left corner, such as the frame's name.
    """
    size = size or display_size(frame.shape[:2], style)
    image = overlay_masks(
        resize(frame, size),
        mask=_mask_at(view.masks, index, size),
        true_mask=_mask_at(view.true_masks, index, size),
        rejected_mask=_mask_at(view.rejected_masks if view.found is False else None, index, size),
        style=style,
    )
    if view.true_boxes is not None and view.masks is None:
        draw_box(image, view.true_boxes[index], style.truth)
    if view.boxes is not None and view.found is not False:
        draw_box(image, view.boxes[index], style.prediction)
    if label:
        paste(image, text_chip(label, style.font(11), fill=style.ink), (0, 0), opacity=0.75)
    if view.scores is not None:
        chip = text_chip(f'score {view.scores[index]:.2f}', style.font(11), fill=style.ink)
        paste(image, chip, (0, max(0, size[0] - len(chip))), opacity=0.75)
    return image


def _mask_at(masks: np.ndarray | None, index: int, size: tuple[int, int]) -> np.ndarray | None:
    if masks is not None and not 0 <= index < len(masks):
        raise ValueError(f'Frame {index} is asked for, the masks have {len(masks)} frames')
    return None if masks is None else resize_mask(masks[index], size)


def clip_strip(
    clip: ClipView, *, columns: int = 6, width: int = 0, style: Style = Style()
) -> np.ndarray:
    """Draw one pair: the header over at most ``columns`` frames, spread evenly over the clip.

    ``width`` is the minimum in pixels, to align the rows of a sheet.
    """
    labels = clip.frame_ids or [''] * len(clip.frames)
    cells = [
        draw_frame(clip.frames[i], clip.pair, i, label=str(labels[i]), style=style)
        for i in spread(len(clip.frames), columns)
    ]
    strip = _pad_to(beside(cells, style), width, style)
    band = header_band(clip.pair, strip.shape[1], title=clip.title, style=style)
    return np.concatenate([band, strip])


def contact_sheet(
    clips: Sequence[ClipView], *, columns: int = 6, style: Style = Style().small()
) -> np.ndarray:
    """Draw positives, then negatives, one row per pair, with a legend at the end.

    Args:
        clips: Rows in any order, at least one; pairs without a label count as positives.
        columns: Maximum number of frames per row.
    """
    if not clips:
        raise ValueError('A contact sheet needs at least one clip')
    cells = [display_size(clip.frames[0].shape[:2], style)[1] + style.gap for clip in clips]
    width = max(min(columns, len(clip.frames)) * cell for clip, cell in zip(clips, cells))
    width -= style.gap
    parts = []
    names = ('an object of the video', 'nothing in the video (negatives)')
    for is_negative, name in enumerate(names):
        group = [clip for clip in clips if bool(clip.pair.is_negative) == is_negative]
        if group:
            parts.append(_section_title(f'Expressions about {name}: {len(group)}', width, style))
            parts += [clip_strip(clip, columns=columns, width=width, style=style) for clip in group]
    parts.append(legend([clip.pair for clip in clips], width, style=style))
    return stack(parts, style)


def _section_title(text: str, width: int, style: Style) -> np.ndarray:
    font = style.font(16, bold=True)
    lines = wrap_text(text, font, width - 2 * _INDENT, max_lines=2)
    image = _blank(line_height(font) * len(lines) + _PAD, width, style.paper)
    draw_lines(image, lines, (_INDENT, _PAD), font, colour=style.ink)
    return image


def legend(views: Sequence[PairView], width: int, *, style: Style = Style()) -> np.ndarray:
    """Explain the colours in the drawing of ``views``."""
    emptied = 'dashed: predicted, but emptied by the verdict'
    entries = [
        (style.prediction, 'predicted', lambda v: v.masks is not None or v.boxes is not None),
        (style.truth, 'truth', lambda v: v.true_masks is not None or v.true_boxes is not None),
        (style.rejected, emptied, lambda v: v.rejected_masks is not None and v.found is False),
        (style.right, '✓ verdict right', lambda v: v.correct is not None),
        (style.wrong, '✗ verdict wrong', lambda v: v.correct is not None),
        (style.negative, 'negative pair', lambda v: v.found is None and v.is_negative),
    ]
    chips = []
    for colour, text, fits in entries:
        if any(map(fits, views)):
            chip = text_chip(text, style.font(12), fill=style.paper, colour=style.ink)
            swatch = _blank(len(chip), len(chip), style.paper)
            swatch[2:-2, 2:-2] = style.faint
            swatch[3:-3, 3:-3] = colour
            chips.append(np.concatenate([swatch, chip], axis=1))
    return _flow(chips, width, style.paper, left=_PAD, below=_PAD)


def video_grid(
    frames: Iterable[np.ndarray],
    views: Sequence[PairView],
    *,
    title: str = '',
    frame_ids: Sequence[str] | None = None,
    style: Style = Style(),
) -> Iterator[np.ndarray]:
    """Draw the frames of one video with one cell per pair, for ``write_video``.

    Headers and legend are drawn once; frames are read when they are needed. With several pairs a
    cell is at most half of ``style.longer``.

    Args:
        frames: T RGB frames (H, W, 3) uint8 of one size, as are the images.
        views: At least one pair.
        title, frame_ids: Text such as the video's name, and T labels or None.
    """
    if not views:
        raise ValueError('A video is drawn with at least one pair')
    columns = int(np.ceil(np.sqrt(len(views))))
    headers: list[np.ndarray] = []
    for index, frame in enumerate(frames):
        label = str(frame_ids[index]) if frame_ids else ''
        if not headers:
            size = _cell_size(frame.shape[:2], columns, style)
            width = max(size[1], 200)
            headers = _row_headers(views, columns, width, title, style)
            key = legend(views, columns * (width + style.gap) - style.gap, style=style)
        cells = []
        for header, view in zip(headers, views):
            image = draw_frame(frame, view, index, size=size, label=label, style=style)
            cells.append(np.concatenate([header, _pad_to(image, width, style)]))
        rows = [beside(cells[i : i + columns], style) for i in range(0, len(cells), columns)]
        yield stack([*rows, key], style)


def _cell_size(shape: tuple[int, int], columns: int, style: Style) -> tuple[int, int]:
    size = display_size(shape, style)
    limit = style.longer if columns == 1 else max(style.longer // 2, style.shorter)
    return tuple(round(side * min(1.0, limit / max(size))) for side in size)


def _row_headers(
    views: Sequence[PairView], columns: int, width: int, title: str, style: Style
) -> list[np.ndarray]:
    """Return the header bands of the cells, those of a row equally high."""
    bands = [header_band(view, width, title=title, style=style) for view in views]
    heights = [max(map(len, bands[i : i + columns])) for i in range(0, len(bands), columns)]
    missing = [heights[i // columns] - len(band) for i, band in enumerate(bands)]
    return [np.pad(b, ((0, n), (0, 0), (0, 0)), mode='edge') for b, n in zip(bands, missing)]


def attention_sheet(
    clip: ClipView, *, columns: int = 4, style: Style = Style().small()
) -> np.ndarray:
    """Draw where an expression grounds: frames, attention and grounded features in three rows.

    The attention between words and pixels (summed over words) and the norm of the text-conditioned
    early features are shown as heat over grey frames, each on one scale for the whole clip
    (R2-VOS, visualization of early grounding).

    Args:
        clip: Its pair has ``grounding_attention`` or ``early_features``, (T, h, w) float.
        columns: Maximum number of frames.
    """
    maps = {
        'grounding attention, summed over words': clip.pair.grounding_attention,
        'norm of the grounded features f_early': clip.pair.early_features,
    }
    maps = {name: heat for name, heat in maps.items() if heat is not None}
    if not maps:
        raise ValueError('The pair has no map: let the segmentor return its grounding maps')
    chosen = spread(len(clip.frames), columns)
    frames = [clip.frames[i] for i in chosen]
    frames = [resize(frame, display_size(frame.shape[:2], style)) for frame in frames]
    parts = [clip_strip(clip, columns=columns, style=style)]
    for name, heat in maps.items():
        low, high = float(np.min(heat)), float(np.max(heat))
        cells = [overlay_heat(f, heat[i], low=low, high=high) for f, i in zip(frames, chosen)]
        parts += [_heat_title(name, low, high, parts[0].shape[1], style), beside(cells, style)]
    return stack(parts, style)


def _heat_title(name: str, low: float, high: float, width: int, style: Style) -> np.ndarray:
    """Draw the name of a map, then its colour bar between the values at its ends."""
    font, paper = style.font(12), style.paper
    ramp = np.tile(np.linspace(0, 1, 96, dtype=np.float32), (line_height(font) + 4, 1))
    bar = overlay_heat(np.zeros((*ramp.shape, 3), np.uint8), ramp, low=0, high=1, opacity=1)
    title = text_chip(name, style.font(12, bold=True), fill=paper, colour=style.ink)
    left = text_chip(f'{low:.3g}', font, fill=paper, colour=style.faint)
    right = text_chip(f'{high:.3g}', font, fill=paper, colour=style.faint)
    return _flow([title, np.concatenate([left, bar, right], axis=1)], width, paper)


def beside(images: Sequence[np.ndarray], style: Style) -> np.ndarray:
    """Put images side by side with a gap, tops aligned."""
    edges = np.cumsum([0, *(image.shape[1] + style.gap for image in images)])
    sheet = _blank(max(map(len, images)), edges[-1] - style.gap, style.paper)
    for image, x in zip(images, edges):
        paste(sheet, image, (x, 0))
    return sheet


def stack(images: Sequence[np.ndarray], style: Style) -> np.ndarray:
    """Put images one under the other with a gap, left sides aligned, inside a margin."""
    edges = np.cumsum([style.gap, *(len(image) + style.gap for image in images)])
    width = max(image.shape[1] for image in images) + 2 * style.gap
    sheet = _blank(edges[-1], width, style.paper)
    for image, y in zip(images, edges):
        paste(sheet, image, (style.gap, y))
    return sheet


def _pad_to(image: np.ndarray, width: int, style: Style) -> np.ndarray:
    padded = _blank(len(image), max(width, image.shape[1]), style.paper)
    padded[:, : image.shape[1]] = image
    return padded


def _blank(height: int, width: int, fill: Colour) -> np.ndarray:
    return np.full((height, width, 3), fill, np.uint8)

"""Compute which tokens of 3-D attention windows attend to which, and at what offset.

Pure functions of sizes, cached per shape. Axes are always (time, rows, columns); a *window* of
``wt x wh x ww`` cells holds ``M = wt * wh * ww`` tokens.
"""

from dataclasses import dataclass
from itertools import product
from operator import eq

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from ..layers.caching import cache_tensors

Size3D = tuple[int, int, int]

# Layouts kept per process. One holds at most 8 masks of M x M bytes (1.2 MB at the full 8x7x7
# window), so that a run over videos of many sizes stays below 40 MB of masks.
CACHED_LAYOUTS = 32


@dataclass(frozen=True)
class WindowGrid:
    """Division of a map into windows."""

    size: Size3D  # cells (T, h, w) of the map
    window: Size3D  # cells of one window, no larger than the map
    shift: Size3D  # cells by which the map is rolled before it is cut, 0 for an unshifted axis

    @property
    def counts(self) -> Size3D:
        """Windows along each axis."""
        return tuple(-(-cells // window) for cells, window in zip(self.size, self.window))

    @property
    def padding(self) -> Size3D:
        """Cells added at the end of each axis to fill its last window."""
        return tuple(-cells % window for cells, window in zip(self.size, self.window))

    @property
    def is_shifted(self) -> bool:
        """Whether any axis is shifted."""
        return any(self.shift)


@dataclass(frozen=True)
class ShiftedLayout:
    """Windows of a shifted grid, grouped by their mask.

    Windows that are last along the same axes share one mask, so G windows need at most 8.
    """

    order: Tensor  # (G,) window indices, sorted by group
    inverse: Tensor  # (G,) the permutation that undoes ``order``
    group_sizes: tuple[int, ...]
    forbidden: Tensor  # (groups, M, M) bool, True if a query (row) must not see a key (column)


def fit_window(size: Size3D, window_size: Size3D, *, shifted: bool) -> WindowGrid:
    """Clip the window to the map along axes where the map is no larger, without a shift there."""
    pairs = list(zip(size, window_size))
    shift = tuple(extent // 2 if shifted and cells > extent else 0 for cells, extent in pairs)
    return WindowGrid(tuple(size), tuple(map(min, size, window_size)), shift)


@dataclass(frozen=True)
class PaddedFrames:
    """Places of the frames of a clip in the windows of the longer clip that padding makes of it.

    The windows of a padded clip differ from those of the clip alone. With these places, frames
    share their windows and masks with the same frames and zeros as without the padding.
    """

    shown: Tensor  # (T,) bool, False for frames of padding
    hidden: Tensor  # (M,) bool, tokens of a window that a window of the clip alone lacks
    # for grids shifted in time: frame at each of the T' places, and place of each of the T frames
    frames: Tensor | None = None
    places: Tensor | None = None


def place_frames(grid: WindowGrid, window: int, num_frames: Tensor) -> PaddedFrames:
    """Place the first ``num_frames`` () frames of a padded clip as if the others did not exist.

    Alone, N frames are padded to whole windows and rolled, and the last window holds both ends, for
    which the layout of the grid has a mask. Here that window becomes the last one of the grid.
    A clip that is not longer than a window is not rolled.

    Args:
        grid: division of the padded clip's maps.
        window: frames of the configured window.
        num_frames: N, at least 1.
    """
    device, extent = num_frames.device, grid.window[0]
    shown = torch.arange(grid.size[0], device=device) < num_frames
    hidden = torch.arange(extent, device=device) >= num_frames
    hidden = hidden.repeat_interleave(grid.window[1] * grid.window[2])
    if not grid.shift[0]:
        return PaddedFrames(shown, hidden)
    is_long = num_frames > window
    count = (num_frames + window - 1) // window  # windows of the clip alone
    shift, last = is_long * grid.shift[0], is_long * (grid.counts[0] - 1)
    place = torch.arange(grid.counts[0] * window, device=device)
    index = torch.where(place // window == last, count - 1, place // window)
    frames = (index * window + place % window + shift) % (count * window)
    place = (place[: grid.size[0]] - shift) % (count * window)
    index = torch.where(place // window == count - 1, last, place // window)
    return PaddedFrames(shown, hidden, frames, index * window + place % window)


def partition(maps: Tensor, grid: WindowGrid, padded: PaddedFrames | None = None) -> Tensor:
    """Cut maps into windows, after zero-padding and rolling according to the grid.

    (B, T, h, w, C) -> (G, B, M, C), the G windows counted time first, columns last. ``padded``
    places the frames of a padded clip, whose other frames must be zero.
    """
    pad_t, pad_h, pad_w = grid.padding
    if any(grid.padding):
        maps = F.pad(maps, (0, 0, 0, pad_w, 0, pad_h, 0, pad_t))
    places = None if padded is None else padded.frames
    if places is not None:
        maps = maps.index_select(1, places).roll([-x for x in grid.shift[1:]], dims=(2, 3))
    elif grid.is_shifted:
        maps = maps.roll([-cells for cells in grid.shift], dims=(1, 2, 3))
    wt, wh, ww = grid.window
    return rearrange(
        maps, 'b (gt wt) (gh wh) (gw ww) c -> (gt gh gw) b (wt wh ww) c', wt=wt, wh=wh, ww=ww
    )


def merge(windows: Tensor, grid: WindowGrid, padded: PaddedFrames | None = None) -> Tensor:
    """Put windows back into maps: the inverse of :func:`partition`."""
    (gt, gh, gw), (wt, wh, ww) = grid.counts, grid.window
    axes = dict(gt=gt, gh=gh, gw=gw, wt=wt, wh=wh, ww=ww)
    maps = rearrange(windows, '(gt gh gw) b (wt wh ww) c -> b (gt wt) (gh wh) (gw ww) c', **axes)
    places = None if padded is None else padded.places
    if places is not None:
        maps = maps.index_select(1, places).roll(grid.shift[1:], dims=(2, 3))
    elif grid.is_shifted:
        maps = maps.roll(grid.shift, dims=(1, 2, 3))
    frames, rows, columns = grid.size
    return maps[:, :frames, :rows, :columns]


@cache_tensors(maxsize=CACHED_LAYOUTS)
def relative_position_index(window_size: Size3D, tokens: int, device: torch.device) -> Tensor:
    """Return the row of the bias table for each (query, key) of a window of M tokens, (M, M) int64.

    The table has one row per offset, (2wt-1)(2wh-1)(2ww-1) in all, time offsets slowest. Offsets
    are counted within the *configured* window, and a clipped window takes the top-left block. This
    is exact if only time is clipped. If rows or columns are clipped too (maps of fewer than 7 rows
    or columns), tokens get the offsets of others, with which the released models were trained.
    """
    axes = [torch.arange(extent, device='cpu') for extent in window_size]
    cells = torch.stack(torch.meshgrid(*axes, indexing='ij')).flatten(1)[:, :tokens]
    offsets = cells[:, :, None] - cells[:, None, :]
    index = torch.zeros_like(offsets[0])
    for offset, extent in zip(offsets, window_size):
        index = index * (2 * extent - 1) + offset + extent - 1
    return index.to(device)


@cache_tensors(maxsize=CACHED_LAYOUTS)
def shifted_layout(grid: WindowGrid, device: torch.device) -> ShiftedLayout:
    """Group the windows of a shifted grid by their mask, which separates rolled borders."""
    places = product(*map(range, grid.counts))
    last = [tuple(map(eq, place, (n - 1 for n in grid.counts))) for place in places]
    groups = sorted(set(last))
    order = torch.tensor(sorted(range(len(last)), key=last.__getitem__), device='cpu')
    sides = torch.stack([_sides(grid, axes) for axes in groups])  # (groups, M)
    return ShiftedLayout(
        order=order.to(device),
        inverse=order.argsort().to(device),
        group_sizes=tuple(last.count(axes) for axes in groups),
        forbidden=(sides[:, :, None] != sides[:, None, :]).to(device),
    )


def _sides(grid: WindowGrid, last: tuple[bool, ...]) -> Tensor:
    """Return the sides (M,) of rolled borders that tokens are on, in a window last on some axes."""
    axes = [
        torch.arange(cells, device='cpu') >= cells - shift * is_last
        for cells, shift, is_last in zip(grid.window, grid.shift, last)
    ]
    time, rows, columns = torch.meshgrid(*axes, indexing='ij')
    return (4 * time + 2 * rows + 1 * columns).flatten()

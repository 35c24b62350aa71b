"""Overlays, contact sheets, grounding figures and videos of what sentences found."""

from .overlay import overlay_heat, overlay_masks, resize_mask
from .panels import (
    clip_strip,
    contact_sheet,
    draw_frame,
    grounding_figure,
    header_band,
    verdict_labels,
    video_grid,
)
from .style import Style
from .views import ClipView, PairView, balanced, pair_views, spread
from .visualizer import ReferringVisualizer
from .writers import FrameFiles, write_image, write_video

__all__ = [
    'ClipView',
    'FrameFiles',
    'PairView',
    'ReferringVisualizer',
    'Style',
    'balanced',
    'clip_strip',
    'contact_sheet',
    'draw_frame',
    'grounding_figure',
    'header_band',
    'overlay_heat',
    'overlay_masks',
    'pair_views',
    'resize_mask',
    'spread',
    'verdict_labels',
    'video_grid',
    'write_image',
    'write_video',
]

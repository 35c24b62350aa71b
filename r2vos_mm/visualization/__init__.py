"""Draw overlays, contact sheets, attention sheets and videos of predictions and truth."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'overlay': ['overlay_heat', 'overlay_masks', 'resize_mask'],
        'panels': ['attention_sheet', 'clip_strip', 'contact_sheet', 'draw_frame', 'video_grid'],
        'style': ['Style'],
        'views': ['ClipView', 'PairView', 'balanced', 'pair_views', 'spread'],
        'visualizer': ['ReferringVisualizer'],
        'writers': ['write_image', 'write_video'],
    },
)

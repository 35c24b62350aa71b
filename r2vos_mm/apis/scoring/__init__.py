"""Score masks on disk, continue a stopped scoring, merge parts and compare methods."""

from r2vos_mm.utils import lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    {
        'coco_results': ['score_results'],
        'compare': ['compare_scores'],
        'mask_files': ['find_ground_truth', 'score_videos'],
        'merge': ['merge_parts'],
    },
)

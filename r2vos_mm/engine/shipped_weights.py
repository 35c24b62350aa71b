"""Read the checkpoints of this package by the paths that MMEngine takes from its metafiles."""

from pathlib import Path
from typing import Any

from mmengine.runner.checkpoint import CheckpointLoader

from r2vos_mm.utils.checkpoint import MapLocation, read_checkpoint

from .model_index import content_root

_SHIPPED = 'configs/checkpoints/r2vos_'


@CheckpointLoader.register_scheme(prefixes=_SHIPPED)
def load_shipped(filename: str, map_location: MapLocation = None) -> dict[str, Any]:
    """Read a checkpoint by a path relative to the configs of the package, or to this folder.

    ``mmengine.hub.get_model(NAME, pretrained=True)`` gives such paths.
    """
    path = Path(filename)
    return read_checkpoint(path if path.is_file() else content_root() / path, map_location)

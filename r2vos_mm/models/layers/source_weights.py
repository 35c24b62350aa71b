"""Omit weights that a source provides from checkpoints."""

from mmengine.model import BaseModule

from r2vos_mm.utils.state_dict import FitReport


class SourceWeights(BaseModule):
    """Base of parts that load their weights from a source: a package, a file or the hub.

    While the part is ``frozen``, checkpoints omit the weights that the source provides, unless
    others have been loaded.
    """

    frozen = False
    has_source = False  # whether the weights are those of the source

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self._register_state_dict_hook(_omit_provided)
        self.register_load_state_dict_post_hook(_accept_missing)

    def init_weights(self) -> None:
        """Apply ``init_cfg`` if there is one; else keep the loaded or random weights."""
        if self.init_cfg:
            super().init_weights()

    def is_provided(self, key: str) -> bool:
        """Return whether the source provides the tensor of a name with any prefix."""
        return False

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: object) -> None:
        if any(key.startswith(prefix) and self.is_provided(key) for key in state_dict):
            self.has_source = False
        super()._load_from_state_dict(state_dict, prefix, *args)


def _omit_provided(module: SourceWeights, state_dict: dict, prefix: str, metadata: dict) -> None:
    if module.frozen and module.has_source:
        for key in [k for k in state_dict if k.startswith(prefix) and module.is_provided(k)]:
            del state_dict[key]


def _accept_missing(module: SourceWeights, result: FitReport) -> None:
    """Remove weights that the source provides from the missing ones of a checkpoint."""
    if module.frozen and module.has_source:
        result.missing_keys[:] = [k for k in result.missing_keys if not module.is_provided(k)]

"""Leave weights that a source provides out of checkpoints."""

from mmengine.model import BaseModule

from r2vos_mm.utils.state_dict import FitReport


class SourceWeights(BaseModule):
    """Base of parts that load weights of their own: of a package, a file or the hub.

    Checkpoints leave out what the source provides while the part is ``frozen``, until other weights
    are loaded.
    """

    frozen = False
    has_source = False  # whether the weights are those of the source

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self._register_state_dict_hook(_leave_out)
        self.register_load_state_dict_post_hook(_excuse)

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


def _leave_out(module: SourceWeights, state_dict: dict, prefix: str, metadata: dict) -> None:
    if module.frozen and module.has_source:
        for key in [k for k in state_dict if k.startswith(prefix) and module.is_provided(k)]:
            del state_dict[key]


def _excuse(module: SourceWeights, result: FitReport) -> None:
    """Remove weights that the source provides from those that a checkpoint lacks."""
    if module.frozen and module.has_source:
        result.missing_keys[:] = [k for k in result.missing_keys if not module.is_provided(k)]

"""Describe a model of transformers by its configuration."""

from typing import Any

# Entries of a configuration that do not change the model.
_NOT_OF_THE_MODEL = (
    'architectures',
    'dtype',
    'id2label',
    'label2id',
    'torch_dtype',
    'transformers_version',
)


def plain_config(config: Any) -> dict[str, Any]:
    """Return what ``AutoConfig.for_model`` builds a configuration of transformers from again."""
    kept = {
        name: value
        for name, value in sorted(config.to_dict().items())
        if name not in _NOT_OF_THE_MODEL and not name.startswith('_')
    }
    return dict(model_type=config.model_type) | kept

"""Text encoders."""

from .transformer_text_encoder import (
    TransformerTextEncoder,
    build_language_model,
    load_language_model,
    load_tokenizer,
)

__all__ = [
    'TransformerTextEncoder',
    'build_language_model',
    'load_language_model',
    'load_tokenizer',
]

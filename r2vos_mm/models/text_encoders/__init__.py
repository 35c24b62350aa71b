"""Text encoders."""

from .transformer_text_encoder import TransformerTextEncoder, load_language_model

__all__ = ['TransformerTextEncoder', 'load_language_model']

"""Files, logging, command-line and tensor helpers that every other folder may import."""

from .lazy import register_all_modules

__all__ = ['register_all_modules']

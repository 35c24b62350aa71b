"""Word lists and categories that negative pairs are made with."""

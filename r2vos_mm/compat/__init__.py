"""Work around incompatible versions of the ecosystem; each module states the reason."""

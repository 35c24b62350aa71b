"""Shims for versions of the ecosystem; each module states which trouble it removes."""

"""Fixtures of the tests of datasets."""

from hypothesis import settings

# Examples are the same in every run, and none fails because the machine is busy.
settings.register_profile('datasets', deadline=None, derandomize=True)
settings.load_profile('datasets')

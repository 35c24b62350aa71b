"""Prepare, check and generate data sets: the sub-commands ``r2vos data``."""

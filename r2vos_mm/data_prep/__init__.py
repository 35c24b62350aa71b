"""Prepare official downloads and verify data sets."""

"""Readers of annotations, masks and videos, and the errors they raise."""

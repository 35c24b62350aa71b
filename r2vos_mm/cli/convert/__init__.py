"""Convert and publish checkpoints: the sub-commands ``r2vos convert``."""

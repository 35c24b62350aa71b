"""Sub-commands ``r2vos convert``: convert and publish checkpoints."""

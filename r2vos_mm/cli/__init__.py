"""Provide the command ``r2vos``: one module per sub-command, which ``tools`` also call."""

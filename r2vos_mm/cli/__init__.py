"""The command ``r2vos``: one module per sub-command; the scripts under ``tools`` call them, too."""

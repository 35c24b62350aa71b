"""Sub-commands ``r2vos data``: prepare, check and generate data sets."""

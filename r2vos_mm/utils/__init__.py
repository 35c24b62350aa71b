"""Files, logging, command-line and tensor helpers that every other folder may import."""

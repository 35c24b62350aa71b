"""Turn data samples into scores of pairs and objects, and these into metric values."""

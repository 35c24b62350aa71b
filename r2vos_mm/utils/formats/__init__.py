"""Read and write annotation files: expressions, pairs, SA-Co/VEval, lists of benchmarks."""

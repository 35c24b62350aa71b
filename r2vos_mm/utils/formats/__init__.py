"""Read and write the files of expressions and pairs of expressions and videos."""

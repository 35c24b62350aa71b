"""Read the benchmarks, each in the form that its owners publish."""

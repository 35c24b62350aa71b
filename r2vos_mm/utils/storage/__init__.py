"""Read and write files of object stores, databases and archives like local files."""

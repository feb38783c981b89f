"""Our own model formats, one a file, laid out as a stranger's package would be."""

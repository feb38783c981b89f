"""Our own architectures, one a file, laid out as a stranger's package would be."""

"""Empty, with the name of one of our entry points."""

"""A Ray cluster as an engine: actors that are local engines, and who hands them chunks."""

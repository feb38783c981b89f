"""One run over many machines that know nothing of each other: its shards, and their merging."""

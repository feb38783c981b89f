"""The state of a run on disk, and whether and how the next one goes on from it."""

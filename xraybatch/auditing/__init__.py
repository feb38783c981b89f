"""A folder's health before anyone trains: what is broken, double, contradictory, or a give-away.

Comes in: films, and what a person said of them. Goes out: an `Audit`, a tree of frozen records that
reports show. Nothing is written, nothing is changed; every film is read once.
"""

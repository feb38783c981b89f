"""Films and a model to one row for every film: job, dispatch, engines, publishing.

Comes in: items and a `Model`. Goes out: a results table, a run record beside it, and the job that
lets the same command go on.
"""

"""Bytes to uint8 film: readers, display mapping, resize, limits, and many films at once.

Comes in: an open file and a `DecodingRule`. Goes out: a `Film`, or a `FilmError` with a status.
`decode` is the only way to pixels in the whole application.
"""

"""A result made readable: console, Markdown, JSON, pictures. Computes no number.

Comes in: a `Report` (or a model's card). Goes out: text for a medium, with whatever comes from a
table escaped for it, and Altair charts. `words` has what every medium says; `scoring` is the
way from two tables to a report, for the command line and for Python.
"""

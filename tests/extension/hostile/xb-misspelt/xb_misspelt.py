"""Misspells its hook."""

from xraybatch import hookimpl


@hookimpl
def register_architecture():
    return []

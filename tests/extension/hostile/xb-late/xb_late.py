"""Loads well; its hook fails when it is called."""

from xraybatch import hookimpl


@hookimpl
def register_exporters():
    raise RuntimeError("the licence server does not answer")

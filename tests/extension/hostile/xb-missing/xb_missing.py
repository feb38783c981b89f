"""Needs a library that is not installed."""

import a_library_that_nobody_has

from xraybatch import hookimpl


@hookimpl
def register_architectures():
    return [a_library_that_nobody_has.architecture()]

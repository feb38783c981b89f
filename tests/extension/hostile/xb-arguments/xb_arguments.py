"""Its hook wants an argument that there is not."""

from xraybatch import hookimpl


@hookimpl
def register_architectures(registrar):
    registrar.add("network")

"""What importing a plugin costs, in an interpreter that has loaded nothing before."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from xraybatch.extension.hookspecs import HOOKS

LIMIT = 0.05  # seconds
HEAVY = ("keras", "tensorflow", "tf2onnx", "torch", "jax")
_TRIES = 3
_PATIENCE = 60.0
_MARK = "xraybatch-import-cost"

# the records and the loader are there before the clock starts: they are no cost of the plugin
_CODE = f"""
import importlib, sys, time, xraybatch
from importlib.metadata import EntryPoint
for name in xraybatch.__all__:
    getattr(xraybatch, name)
for name in sys.argv[2:]:
    importlib.import_module(name)
busy, passed = time.process_time(), time.perf_counter()
plugin = EntryPoint("plugin", sys.argv[1], "xraybatch").load()
for hook in {tuple(hook for hook, _ in HOOKS.values())!r}:
    getattr(plugin, hook, list)()
busy, passed = time.process_time() - busy, time.perf_counter() - passed
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print("\\n{_MARK}", busy, passed, *heavy, file=sys.__stdout__)
"""


@dataclass(frozen=True)
class ImportCost:
    """What an import took, the best of three.

    Attributes
    ----------
    busy : float
        Seconds of CPU.
    passed : float
        Seconds on the clock.
    heavy : tuple of str
        Training libraries that it loaded.
    """

    busy: float
    passed: float
    heavy: tuple[str, ...]


def import_cost(plugin: str, already_loaded: tuple[str, ...] = ()) -> ImportCost:
    """Import a plugin in fresh interpreters and call its hooks.

    Parameters
    ----------
    plugin : str
        As an entry point names it: ``module`` or ``module:attribute``.
    already_loaded : tuple of str
        Modules that are loaded before the clock starts.

    Raises
    ------
    ImportError
        If it cannot be imported there; the text is the last line of what Python said.
    """
    best = _once(plugin, already_loaded)
    for _ in range(_TRIES - 1):
        if best.heavy or (best.busy < LIMIT and best.passed < LIMIT):
            break  # it is decided
        other = _once(plugin, already_loaded)
        best = ImportCost(min(best.busy, other.busy), min(best.passed, other.passed), best.heavy)
    return best


def _once(plugin: str, already_loaded: tuple[str, ...]) -> ImportCost:
    command = [sys.executable, "-c", _CODE, plugin, *already_loaded]
    # what is watched over by a coverage tool is slower than what a person runs
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    found = kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, capture_output=True, text=True, env=found, timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        raise ImportError(f"importing it does not end within {_PATIENCE:g} seconds") from None
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            busy, passed, *heavy = line.split()[1:]
            return ImportCost(float(busy), float(passed), tuple(heavy))
    said = done.stderr.strip().splitlines() or [f"Python left with exit code {done.returncode}"]
    raise ImportError(said[-1])

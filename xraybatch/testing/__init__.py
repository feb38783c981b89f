"""Contract suites that a stranger's plugin can run on itself.

Comes in: the name of a record that is installed. Goes out: one result a check, a sentence each.

In a pytest file of the plugin, three lines do it; nothing here imports pytest::

    from xraybatch.testing import ArchitectureContract

    class TestMine(ArchitectureContract):
        name = "mine"

Without pytest, ``xraybatch plugins --test mine`` runs the same checks, and `run_contract` does so
from Python.
"""

from xraybatch.testing.architecture import ArchitectureContract
from xraybatch.testing.contract import Broken, Contract
from xraybatch.testing.exporter import ExporterContract
from xraybatch.testing.metric import MetricContract
from xraybatch.testing.reader import ReaderContract
from xraybatch.testing.runner import CheckResult, Verdict, checks_of, run_checks, run_contract

__all__ = [
    "ArchitectureContract",
    "Broken",
    "CheckResult",
    "Contract",
    "ExporterContract",
    "MetricContract",
    "ReaderContract",
    "Verdict",
    "checks_of",
    "run_checks",
    "run_contract",
]

"""Batch classification of radiographs and its evaluation, with plugin models.

The names here are the public ones. All are loaded at first use, so that importing the package
costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# onnxruntime's builds report machine and program to their maker; it reads this when it is imported
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from xraybatch.api.adopting import adopt as adopt
    from xraybatch.api.auditing import Audit as Audit
    from xraybatch.api.auditing import audit as audit
    from xraybatch.api.calibrating import Calibration as Calibration
    from xraybatch.api.calibrating import calibrate as calibrate
    from xraybatch.api.classifier import Classifier as Classifier
    from xraybatch.api.classifier import load_model as load_model
    from xraybatch.api.comparing import Comparison as Comparison
    from xraybatch.api.comparing import Tries as Tries
    from xraybatch.api.comparing import compare as compare
    from xraybatch.api.predicting import predict as predict
    from xraybatch.api.scoring import Report as Report
    from xraybatch.api.scoring import score as score
    from xraybatch.api.sharing import list_films as list_films
    from xraybatch.api.sharing import merge as merge
    from xraybatch.api.showing import View as View
    from xraybatch.api.showing import show as show
    from xraybatch.api.training import Run as Run
    from xraybatch.api.training import train as train
    from xraybatch.cli.console import ConsoleProgress as ConsoleProgress
    from xraybatch.core.errors import InputError as InputError
    from xraybatch.core.errors import ModelError as ModelError
    from xraybatch.core.errors import UsageError as UsageError
    from xraybatch.core.errors import XraybatchError as XraybatchError
    from xraybatch.core.errors import XraybatchWarning as XraybatchWarning
    from xraybatch.core.progress import Progress as Progress
    from xraybatch.core.status import FilmError as FilmError
    from xraybatch.core.status import FilmStatus as FilmStatus
    from xraybatch.core.tasks import Task as Task
    from xraybatch.core.tasks import TaskKind as TaskKind
    from xraybatch.extension.hookspecs import hookimpl as hookimpl
    from xraybatch.extension.records import Architecture as Architecture
    from xraybatch.extension.records import BuildOptions as BuildOptions
    from xraybatch.extension.records import DisplayHints as DisplayHints
    from xraybatch.extension.records import Exporter as Exporter
    from xraybatch.extension.records import ExportJob as ExportJob
    from xraybatch.extension.records import ImageReader as ImageReader
    from xraybatch.extension.records import Limits as Limits
    from xraybatch.extension.records import LookupTable as LookupTable
    from xraybatch.extension.records import Metric as Metric
    from xraybatch.extension.records import Network as Network
    from xraybatch.extension.records import Option as Option
    from xraybatch.extension.records import Preset as Preset
    from xraybatch.extension.records import StoredImage as StoredImage
    from xraybatch.extension.records import TrainingDefaults as TrainingDefaults
    from xraybatch.extension.records import Undefined as Undefined
    from xraybatch.extension.records import Window as Window
    from xraybatch.models.card import Card as Card
    from xraybatch.training.adoption.adopt import Adopted as Adopted
    from xraybatch.training.options import TrainOptions as TrainOptions

_RECORDS = (
    *("Architecture", "BuildOptions", "DisplayHints", "Exporter", "ExportJob", "ImageReader"),
    *("Limits", "LookupTable", "Metric", "Network", "Option", "Preset", "StoredImage"),
    *("TrainingDefaults", "Undefined", "Window"),
)

# public name → module it lives in
_HOMES = {
    "train": "xraybatch.api.training",
    "predict": "xraybatch.api.predicting",
    "score": "xraybatch.api.scoring",
    "list_films": "xraybatch.api.sharing",
    "merge": "xraybatch.api.sharing",
    "compare": "xraybatch.api.comparing",
    "calibrate": "xraybatch.api.calibrating",
    "adopt": "xraybatch.api.adopting",
    "show": "xraybatch.api.showing",
    "audit": "xraybatch.api.auditing",
    "Audit": "xraybatch.api.auditing",
    "load_model": "xraybatch.api.classifier",
    "Classifier": "xraybatch.api.classifier",
    "Run": "xraybatch.api.training",
    "Report": "xraybatch.api.scoring",
    "Comparison": "xraybatch.api.comparing",
    "Calibration": "xraybatch.api.calibrating",
    "Tries": "xraybatch.api.comparing",
    "View": "xraybatch.api.showing",
    "Adopted": "xraybatch.training.adoption.adopt",
    "Card": "xraybatch.models.card",
    "TrainOptions": "xraybatch.training.options",
    "ConsoleProgress": "xraybatch.cli.console",
    "Progress": "xraybatch.core.progress",
    "XraybatchError": "xraybatch.core.errors",
    "InputError": "xraybatch.core.errors",
    "ModelError": "xraybatch.core.errors",
    "UsageError": "xraybatch.core.errors",
    "XraybatchWarning": "xraybatch.core.errors",
    "FilmError": "xraybatch.core.status",
    "FilmStatus": "xraybatch.core.status",
    "Task": "xraybatch.core.tasks",
    "TaskKind": "xraybatch.core.tasks",
    "hookimpl": "xraybatch.extension.hookspecs",
    **dict.fromkeys(_RECORDS, "xraybatch.extension.records"),
}

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("xraybatch")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'xraybatch' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)

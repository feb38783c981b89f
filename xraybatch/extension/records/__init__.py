"""Every record that a hook returns, and the records it is handed: one module for each hook's.

All are frozen; none imports anything heavy, so that a plugin's module imports in milliseconds.
"""

from xraybatch.extension.records.architecture import (
    Architecture,
    BuildOptions,
    Network,
    Preset,
    TrainingDefaults,
)
from xraybatch.extension.records.exporter import Exporter, ExportJob, PredictFilms
from xraybatch.extension.records.image import (
    DisplayHints,
    ImageReader,
    Limits,
    LookupTable,
    StoredImage,
    Window,
)
from xraybatch.extension.records.metric import Metric, Undefined
from xraybatch.extension.records.option import Option, OptionValue

__all__ = [
    "Architecture",
    "BuildOptions",
    "DisplayHints",
    "ExportJob",
    "Exporter",
    "ImageReader",
    "Limits",
    "LookupTable",
    "Metric",
    "Network",
    "Option",
    "OptionValue",
    "PredictFilms",
    "Preset",
    "StoredImage",
    "TrainingDefaults",
    "Undefined",
    "Window",
]

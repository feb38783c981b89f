"""Presets: a published project's options by one name, and where its data is looked for."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from xraybatch.core.errors import PluginError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.extension.records import Preset
from xraybatch.extension.registry import registry
from xraybatch.training.options import TrainOptions

_SEVERAL = ("task", "option", "tries")


def preset_values(name: str) -> dict[str, Any]:
    """What a preset says, as fields of `TrainOptions`; whatever a person gives goes before it.

    Raises
    ------
    UsageError
        If there is no such preset.
    PluginError
        If it sets what is no option.
    """
    owned = registry().get(Preset, name)
    known = {entry.name for entry in fields(TrainOptions)}
    found: dict[str, Any] = {"plugin": owned.record.architecture, "preset": name}
    for key, value in owned.record.settings.items():
        field = key.replace("-", "_")
        if field not in known:
            raise PluginError(
                f"The preset '{name}' of {owned.owner} sets '{key}', which is no option.",
                did_you_mean(key, known),
            )
        several = field in _SEVERAL and not isinstance(value, tuple)
        found[field] = (value,) if several else value
    return found


def place_of(name: str) -> Path:
    """The folder in which a preset's data is looked for when nobody names one.

    Raises
    ------
    UsageError
        If it is not there; the message says where to get the data and under which licence.
    """
    preset = registry().get(Preset, name).record
    place = Path(preset.default_place)
    if not place.exists():
        raise UsageError(
            f"The data of the preset '{name}' is not in {place}, and no --data is given.",
            f"Get it from: {preset.source} (licence: {preset.licence}). It comes as "
            f"{preset.data_form}. Then name it with --data.",
        )
    return place

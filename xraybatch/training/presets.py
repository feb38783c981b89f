"""Presets: a published project's options by one name, and where its data is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from xraybatch.core.errors import PluginError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.extension.records import Architecture, Preset
from xraybatch.extension.registry import registry
from xraybatch.sources.archives.extract import ARCHIVES
from xraybatch.training.options import TrainOptions

_SEVERAL = ("task", "tries")
_OPTION = "option"


def preset_values(name: str) -> dict[str, Any]:
    """What a preset says, as fields of `TrainOptions`; whatever a person gives goes before it.

    All but its options of the architecture, which `preset_options` puts together with a person's.

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
        if key == _OPTION:
            continue
        field = key.replace("-", "_")
        if field not in known:
            raise PluginError(
                f"The preset '{name}' of {owned.owner} sets '{key}', which is no option.",
                did_you_mean(key, known),
            )
        several = field in _SEVERAL and not isinstance(value, tuple)
        found[field] = (value,) if several else value
    return found


def preset_options(name: str, plugin: str, given: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """A preset's options of the architecture with a person's, which go before them.

    Parameters
    ----------
    name : str
    plugin : str
        The architecture; where a person took another than the preset's, what that does not know is
        left out.
    given : sequence of str
        ``key=value``.

    Returns
    -------
    tuple of str
        ``key=value``, each key once.
    str
        What was left out, a sentence; empty: nothing.
    """
    stored = registry().get(Preset, name).record.settings.get(_OPTION, ())
    known = {option.name for option in registry().get(Architecture, plugin).record.options}
    own = [str(text) for text in (stored if isinstance(stored, tuple) else (stored,))]
    fits = [text for text in own if _key(text) in known]
    others = [text for text in own if text not in fits]
    said = f"{plugin} has no such option, left out of the preset: {', '.join(others)}."
    together = {_key(text): text for text in (*fits, *given)}
    return tuple(together.values()), said if others else ""


def place_of(name: str) -> Path:
    """What a preset's data is looked for in when nobody names it.

    Returns
    -------
    Path
        The folder; or an archive called like it, or the only thing in it.

    Raises
    ------
    UsageError
        If it is not there; the message says where to get the data and under which licence.
    """
    preset = registry().get(Preset, name).record
    place = Path(preset.default_place)
    if place.is_dir():
        inside = [path for path in place.iterdir() if not path.name.startswith(".")]
        alone = len(inside) == 1 and _is_archive(inside[0])
        return inside[0] if alone else place
    for suffix in ARCHIVES:
        if (archive := place.with_name(place.name + suffix)).is_file():
            return archive
    raise UsageError(
        f"The data of the preset '{name}' is not in {place}, and no --data is given.",
        f"Get it from: {preset.source} (licence: {preset.licence}). It comes as "
        f"{preset.data_form}. Put it there, or name it with --data.",
    )


def is_place_of(name: str, data: Path) -> bool:
    """Whether a path is where a preset's data is documented to lie, or what `place_of` finds."""
    places = [Path(registry().get(Preset, name).record.default_place)]
    with suppress(UsageError):
        places.append(place_of(name))
    return data.resolve() in [place.resolve() for place in places]


def _is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVES) and path.is_file()


def _key(text: str) -> str:
    return text.partition("=")[0]

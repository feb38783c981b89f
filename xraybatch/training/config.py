"""A training run's options as TOML: read for ``--config``, written so that a run can be repeated.

Keys are the long names of the options without the hyphens in front. Paths are relative to the
current folder, as on the command line.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.names import did_you_mean
from xraybatch.training.data_source import typed_source
from xraybatch.training.folder import place_of
from xraybatch.training.options import WEIGHTS, TrainOptions
from xraybatch.training.settings import Settings

KEYS = tuple(entry.name.replace("_", "-") for entry in fields(TrainOptions))


def read_config(path: Path) -> dict[str, Any]:
    """Read options from a TOML file.

    Returns
    -------
    dict
        Names of the fields of `TrainOptions` to plain values.

    Raises
    ------
    InputError
        If the file cannot be read or is no TOML.
    UsageError
        If a key is no option.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Check --config.") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is no TOML file: {error}.", "Check --config.") from None
    if "try" in data:  # the option's name, which no field can have
        data["tries"] = data.pop("try")
    for key in data:
        if key not in KEYS:
            raise UsageError(f"{path} has the unknown key '{key}'.", did_you_mean(key, KEYS))
    return {key.replace("-", "_"): value for key, value in data.items()}


def write_config(options: TrainOptions, settings: Settings, weights: str) -> str:
    """What repeats a run, as TOML: every setting with the value that it really had.

    Parameters
    ----------
    options : TrainOptions
        As a person gave them: what films were unpacked into is no place to come back to.
    settings : Settings
    weights : str
        What was really loaded (``imagenet``, ``none`` or a path), so that a repetition does not
        depend on the net.
    """
    resolved = {entry.name: getattr(options, entry.name) for entry in fields(options)}
    for name in ("epochs", "batch_size", "optimizer", "learning_rate", "weight_decay"):
        resolved[name] = getattr(settings, name)
    for name in ("patience", "fine_tune", "val_split", "dropout"):
        resolved[name] = getattr(settings, name)
    for name in ("augment", "imbalance", "schedule", "monitor", "keep"):
        resolved[name] = getattr(settings, name)
    resolved["image_size"] = f"{settings.rule.height}x{settings.rule.width}"
    resolved["option"] = [f"{name}={_plain(value)}" for name, value in settings.values.items()]
    resolved["weights"] = weights if weights in WEIGHTS else str(Path(weights).resolve())
    resolved["out"] = None  # a repetition is another run
    if options.data is not None:
        resolved["data"] = typed_source(Path(options.data))
    if options.labels is not None:
        resolved["labels"] = str(Path(options.labels).resolve())
    lines = ["# xraybatch train --config config.toml repeats this run"]
    lines += [
        f"{name.replace('_', '-')} = {_toml(value)}"
        for name, value in resolved.items()
        if value is not None and value not in ("", (), [])
    ]
    return "\n".join(lines) + "\n"


def check_names(options: TrainOptions, settings: Settings) -> None:
    """Refuse what `write_config` could not write once the run is done.

    Raises
    ------
    UsageError
        If an option, or the real name of a file or folder that it names, is not UTF-8.
    """
    try:
        lines = write_config(options, settings, options.weights).split("\n")
    except RuntimeError:  # a link to itself, told where it is opened
        return
    out = "" if options.out is None else place_of(options.out).name  # the model's name
    for line in (*lines, f"out = {out}"):
        name, _, value = line.partition(" = ")
        shown = value.encode("utf-8", "backslashreplace").decode()
        if shown != value:
            raise UsageError(
                f"--{name} {shown} has bytes that are no UTF-8, which a run's files cannot name.",
                "Rename it; names of films may be what they are.",
            )


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    if isinstance(value, int | float):
        return repr(value)
    # JSON's escapes are TOML's, but for the one control character that JSON lets through
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")

"""Pretrained weights: from Keras' cache, the net or a file; never waited for without end."""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xraybatch.core.errors import InputError, PluginError, UsageError
from xraybatch.core.interrupts import uninterrupted
from xraybatch.core.progress import Progress
from xraybatch.extension.records import Architecture, BuildOptions, Network
from xraybatch.training.options import WEIGHTS
from xraybatch.training.settings import Settings

PATIENCE = 10.0  # seconds within which it must be known whether weights can be had
_LEAST = 256 << 10  # bytes in that time by which a slow net differs from a dead one
_FILES = (".h5", ".hdf5", ".keras")

TITLE = "no pretrained weights"


@dataclass(frozen=True)
class LoadedWeights:
    """What was asked for, what was loaded, and why not where that differs.

    Attributes
    ----------
    asked, loaded : str
        ``imagenet``, ``none``, or the name of a file; `asked` may be ``auto``.
    reason : str
        Why nothing was loaded although it was asked for; else empty.
    """

    asked: str
    loaded: str
    reason: str = ""


def build_network(
    architecture: Architecture,
    settings: Settings,
    asked: str,
    progress: Progress,
    *,
    patience: float = PATIENCE,
) -> tuple[Network, LoadedWeights]:
    """Build an architecture with the weights that were asked for.

    Parameters
    ----------
    architecture : Architecture
    settings : Settings
    asked : str
        ``auto``, ``imagenet``, ``none``, or the path of a Keras weights file.
    progress : Progress
        Is warned where ``auto`` finds no weights.
    patience : float
        Seconds after which a net that gives nothing is given up.

    Raises
    ------
    InputError
        If weights that were asked for by name cannot be had.
    UsageError
        If the architecture has none, or refuses its options.
    PluginError
        If the architecture cannot be built at all.
    """
    if asked not in WEIGHTS:
        return _from_file(architecture, settings, Path(asked))
    if asked == "none" or (asked == "auto" and not architecture.pretrained_on):
        return _build(architecture, settings, None), LoadedWeights(asked, "none")
    if not architecture.pretrained_on:
        raise UsageError(
            f"The architecture '{architecture.name}' has no ImageNet weights.",
            "Leave --weights out.",
        )
    network, reason = _from_net(architecture, settings, progress, patience)
    if network is not None:
        return network, LoadedWeights(asked, architecture.pretrained_on)
    if asked == "imagenet":
        raise InputError(
            f"The ImageNet weights of '{architecture.name}' cannot be had: {reason}",
            "Bring the file from another machine and name it with --weights PATH, "
            "or use --weights none.",
        )
    progress.warn(
        TITLE,
        f"The ImageNet weights of '{architecture.name}' cannot be had: {reason}\n"
        "The whole network is trained from random weights instead: slower, and with few films "
        "much worse. --weights PATH takes a weights file from another machine; --plugin narrow is "
        "made for few films without weights.",
    )
    return _build(architecture, settings, None), LoadedWeights(asked, "none", reason)


def _from_file(
    architecture: Architecture, settings: Settings, path: Path
) -> tuple[Network, LoadedWeights]:
    if not path.is_file():
        raise InputError(
            f"There is no weights file {path}.", f"Use one of {', '.join(WEIGHTS)}, or a file."
        )
    if path.suffix.lower() not in _FILES:
        raise InputError(
            f"{path.name} is no Keras weights file.", "Its name ends in .weights.h5 or .h5."
        )
    try:
        network = architecture.build(_options(settings, str(path)))
    except Exception as error:
        raise InputError(
            f"The weights in {path.name} do not fit '{architecture.name}': {_line(error)}",
            "It needs a Keras file of this architecture's backbone without the top.",
        ) from error
    if not network.pretrained:
        raise UsageError(
            f"The architecture '{architecture.name}' takes no weights file.", "Leave --weights out."
        )
    return network, LoadedWeights(path.name, path.name)


def _from_net(
    architecture: Architecture, settings: Settings, progress: Progress, patience: float
) -> tuple[Network | None, str]:
    """Build with weights in a thread of its own, which is left behind when the net gives nothing.

    A time limit on sockets alone would wait for a name server, or for a byte a minute.
    """
    result: dict[str, Any] = {}

    def work() -> None:
        import keras

        keras.config.disable_interactive_logging()  # of this thread: no bar of Keras' own
        try:
            result["network"] = architecture.build(_options(settings, "imagenet"))
        except Exception as error:
            result["error"] = error

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(patience)
    try:
        with progress.stage("loading ImageNet weights", None, unit="MB") as stage:
            thread = threading.Thread(target=work, name="weights", daemon=True)
            with uninterrupted():
                thread.start()
            reason = _wait(thread, patience, stage)
    finally:
        socket.setdefaulttimeout(before)
    if not reason and "error" in result:
        reason = _line(result["error"])
    if not reason and not result["network"].pretrained:
        reason = "the architecture did not load them."
    return (None, reason) if reason else (result["network"], "")


def _wait(thread: threading.Thread, patience: float, stage: Any) -> str:
    """Wait as long as bytes arrive; a sentence part why it was given up, or nothing."""
    told = _downloaded()
    begun, arrived = time.monotonic(), told
    while thread.is_alive():
        thread.join(0.2)
        now = _downloaded()
        if (more := (now - told) >> 20) > 0:
            stage.advance(more)
            told += more << 20
        if time.monotonic() - begun >= patience and thread.is_alive():
            if now - arrived < _LEAST:
                return f"the net gave nothing within {patience:g} seconds."
            begun, arrived = time.monotonic(), now
    return ""


def _downloaded() -> int:
    """Bytes in Keras' folder of weights."""
    home = Path(os.environ.get("KERAS_HOME") or Path("~", ".keras")).expanduser()
    total = 0
    for path in (home / "models").glob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # removed meanwhile
            continue
    return total


def _build(architecture: Architecture, settings: Settings, weights: str | None) -> Network:
    try:
        return architecture.build(_options(settings, weights))
    except ValueError as error:
        raise UsageError(
            f"The architecture '{architecture.name}' refuses: {_line(error)}",
            "Films may be too small for it (--image-size); its options stand in `xraybatch plugins "
            "architecture`.",
        ) from error
    except Exception as error:
        raise PluginError(
            f"The architecture '{architecture.name}' cannot be built: {_line(error)}",
            "Run with `xraybatch --debug` and tell its author.",
        ) from error


def _options(settings: Settings, weights: str | None) -> BuildOptions:
    return BuildOptions(settings.rule.height, settings.rule.width, weights, settings.values)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].rstrip(".") + "."

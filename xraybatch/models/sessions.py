"""One model on several GPUs: a session on each, all with batches of one size."""

from __future__ import annotations

from collections.abc import Sequence

from xraybatch.core.cores import available_cores
from xraybatch.models.devices import CPU, each_device
from xraybatch.models.model import Model
from xraybatch.models.session import BATCH, Session

# each takes memory for its layers: 120 MB of a ResNet50 at 224 x 224, of larger films far more
_MOST_ABREAST = 2
_BATCHES_EACH = 8  # fewer, and cores without a last batch stand idle for too long


def open_sessions(
    model: Model,
    *,
    device: str = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    films: int = 0,
) -> list[Session]:
    """Sessions on all devices that were asked for.

    Parameters
    ----------
    model : Model
    device : str
        As for `Session`, or several GPUs: ``cuda:0,1``.
    batch_size, threads : int, optional
        As for `Session`. The GPU with the least memory decides how large a batch may be.
    films : int
        About how many will be classified: of many, a CPU computes several batches at once.

    Raises
    ------
    UsageError
        If a device is named twice.
    ModelError
        As `Session` does, for any of them.
    """
    devices, note = each_device(device), ""
    abreast = min(threads or available_cores(), _MOST_ABREAST)
    if films < abreast * _BATCHES_EACH * (batch_size or BATCH[CPU]):
        abreast = 1
    while True:
        sessions: list[Session] = []
        for one in devices:
            size = sessions[0].batch_size if sessions else batch_size
            sessions.append(
                Session(model, device=one, batch_size=size, threads=threads, abreast=abreast)
            )
        smallest = min(sessions, key=lambda session: session.batch_size)
        if smallest.batch_size == sessions[0].batch_size:
            sessions[0].note = sessions[0].note or note
            return sessions
        batch_size, note = smallest.batch_size, smallest.note


def device_of(sessions: Sequence[Session]) -> str:
    """Where they run, as it would be asked for: ``cpu``, ``cuda:0``, ``cuda:0,1``."""
    first, *others = (session.device for session in sessions)
    return ",".join([first, *(device.removeprefix("cuda:") for device in others)])

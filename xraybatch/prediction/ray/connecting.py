"""Connecting to a Ray cluster, quietly and within a time limit.

Ray says much on the terminal, waits for ever for an address that nobody listens on, and reports to
its maker: here it does none of that.
"""

from __future__ import annotations

import atexit
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from xraybatch.core.errors import InputError, MissingExtra, UsageError
from xraybatch.core.interrupts import beside, is_done, result_of

AUTO = "auto"
START_SECONDS = 60.0  # that connecting may take, and after it the first actor
_KNOCK = 5.0  # seconds that somebody must answer in at the address
_ADDRESS_VARIABLE = "RAY_ADDRESS"
_SCHEME = "ray://"
_START = (
    "Start one: `ray start --head --port=6379` here, `ray start --address=HERE:6379` on the other "
    "machines; docs/ray.md."
)


def check_installed() -> None:
    """Raise `MissingExtra` where Ray is not installed; imports nothing."""
    if find_spec("ray") is None:
        raise MissingExtra(
            "--engine ray needs Ray, which is not installed.",
            "Install it with: pip install 'xraybatch[ray]'",
        )


def connect(address: str) -> bool:
    """Connect; False where the program was connected already, which is left as it is."""
    named = os.environ.get(_ADDRESS_VARIABLE, "") if address == AUTO else address
    if named and named != AUTO:
        _knock(named)
    # before it is imported: it and its C++ side read them then
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import ray

    if ray.is_initialized():
        return False
    try:
        with _silence():
            _within(START_SECONDS, lambda: _init(address))
    except TimeoutError:
        # whoever waits for the cluster holds the lock that leaving it takes
        atexit.unregister(ray.shutdown)
        raise InputError(
            f"The Ray cluster at {named or address} did not let this program in within "
            f"{START_SECONDS:g} seconds.",
            "Is this machine one of its nodes? `ray status` here must answer; docs/ray.md.",
        ) from None
    except ConnectionError:
        where = f" at {named}" if named else " on this machine"
        raise InputError(f"There is no Ray cluster{where}.", _START) from None
    except Exception as error:
        said = str(error).strip().splitlines()
        raise InputError(
            f"The Ray cluster at {named or address} cannot be used: "
            f"{said[0][:300] if said else type(error).__name__}",
            "Every node needs the same versions of Python and Ray; docs/ray.md.",
        ) from None
    return True


def _init(address: str) -> None:
    import ray

    _say_nothing_of_raylets()
    ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)


def _say_nothing_of_raylets() -> None:
    """No setting keeps what Ray's nodes say of a death off standard output.

    Where a version of Ray has the function no more, it may say it.
    """
    from ray._private import worker

    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_, **__: None


def _knock(address: str) -> None:
    """Raise unless somebody listens there: Ray would wait for minutes."""
    if address.startswith(_SCHEME):
        raise UsageError(
            f"--address {address} is one of Ray's client, which is not used.",
            "Give HOST:PORT of the head, on a machine that is a node of the cluster.",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise UsageError(
            f"--address '{address}' is no address.", "Write auto, or HOST:PORT such as head:6379."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _KNOCK).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        raise InputError(f"Nobody answers at {address}: {reason}.", _START) from None


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do something in a thread, and raise `TimeoutError` where it takes longer.

    Also because Ray takes the handler of SIGTERM for itself where it is started by the main thread.
    """
    done = beside(work)
    if not is_done(done, seconds):
        raise TimeoutError
    result_of(done)


@contextmanager
def _silence() -> Iterator[None]:
    """Send what C++ writes while it connects, before it has a file for that, to nowhere."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

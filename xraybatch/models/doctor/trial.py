"""The demonstration model run on one device, in a process of its own.

A library that is broken or meets another driver than it was built for may end the process or wait
without end; that must be a finding, not the end of the examination.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import as_file

from xraybatch.core.errors import XraybatchError
from xraybatch.models.devices import DeviceFellBack

PATIENCE = 120.0  # seconds; CUDA may compile its kernels at first use
_MARK = "xraybatch-trial:"


@dataclass(frozen=True)
class Trial:
    """What came of it.

    Attributes
    ----------
    device : str
    runtime, package, cuda : str
        Version of onnxruntime as imported, the distribution that it says it is of, and the CUDA
        version that it was built for; empty where it cannot be imported or does not tell.
    providers : tuple of str
        That it lists.
    error : str
        Why there are no answers.
    fell_back : bool
        Whether that is because it ran on another device.
    seconds : float or None
        For one batch.
    batch_size : int or None
    answers : dict of str to list
        Probabilities of the synthetic films by task.
    expected : dict of str to list
        The same from the model's card.
    """

    device: str
    runtime: str = ""
    package: str = ""
    cuda: str = ""
    providers: tuple[str, ...] = ()
    error: str = ""
    fell_back: bool = False
    seconds: float | None = None
    batch_size: int | None = None
    answers: dict[str, list[list[float]]] = field(default_factory=dict)
    expected: dict[str, list[list[float]]] = field(default_factory=dict)


def run_trial(device: str, patience: float = PATIENCE) -> Trial:
    """Start a process that tries the device, and wait for what it says."""
    # -P: a file called onnxruntime.py in the current folder is not what is examined
    command = [sys.executable, "-P", "-m", __name__, device]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Trial(device, error=f"nothing came of it within {patience:g} seconds")
    return read_trial(device, done.returncode, done.stdout, done.stderr)


def read_trial(device: str, code: int, output: str, errors: str) -> Trial:
    """Turn what the process printed and how it ended into a `Trial`."""
    for line in reversed(output.splitlines()):
        if line.startswith(_MARK):
            values = json.loads(line.removeprefix(_MARK))
            values["providers"] = tuple(values["providers"])
            known = {one.name for one in fields(Trial)}
            return Trial(**{name: value for name, value in values.items() if name in known})
    last = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "")
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Trial(device, error=f"the process ended with {ended}" + (f": {last}" if last else ""))


def try_device(device: str) -> Trial:
    """Import onnxruntime, run the demonstration model; in this process."""
    trial = Trial(device)
    try:
        trial = _runtime(trial)
        return _answered(trial)
    except XraybatchError as error:
        text = error.message
        return replace(trial, error=text, fell_back=isinstance(error, DeviceFellBack))
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        return replace(trial, error=f"{type(error).__name__}: {lines[0]}"[:300])


def _runtime(trial: Trial) -> Trial:
    import onnxruntime

    trial = replace(
        trial,
        runtime=str(getattr(onnxruntime, "__version__", "")),
        providers=tuple(onnxruntime.get_available_providers()),
    )
    try:
        from onnxruntime.capi import build_and_package_info as build
    except ImportError:
        return trial
    return replace(
        trial,
        package=str(getattr(build, "package_name", "")),
        cuda=str(getattr(build, "cuda_version", "") or ""),
    )


def _answered(trial: Trial) -> Trial:
    from xraybatch.models.model import load_model
    from xraybatch.models.selftest import FILMS, synthetic_films
    from xraybatch.models.session import Session
    from xraybatch_samples import model_file

    with as_file(model_file()) as path:
        model = load_model(path)
    card = model.card
    seed, count = (card.self_test.seed, card.self_test.films) if card.self_test else (0, FILMS)
    # without its self-test, which would say that answers are off, and not by how much
    session = Session(replace(model, card=replace(card, self_test=None)), device=trial.device)
    answers = session.predict(synthetic_films(seed, count, card.rule.height, card.rule.width))
    batch = synthetic_films(1, session.batch_size, card.rule.height, card.rule.width)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        session.predict(batch)
        seconds.append(time.perf_counter() - begin)
    return replace(
        trial,
        seconds=statistics.median(seconds),
        batch_size=session.batch_size,
        answers={task: values.tolist() for task, values in answers.items()},
        expected=(
            {
                task: [list(row) for row in rows]
                for task, rows in card.self_test.probabilities.items()
            }
            if card.self_test
            else {}
        ),
    )


if __name__ == "__main__":
    print(f"{_MARK}{json.dumps(asdict(try_device(sys.argv[1])))}")  # noqa: T201

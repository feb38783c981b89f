"""A GPU beside the CPU: do they answer alike, is the GPU repeatable, and how fast is each?

    python benchmarks/gpu.py [--model RUN] [--films FOLDER] [--device cuda:0] [--write]

Prints a Markdown table; with --write it replaces the one in docs/performance.md. Speeds are medians
of runs that alternate between the two, so that what else the machine does meets both. Without a GPU
it says so and leaves with 0; ``--device cpu`` tries the program itself.
"""

from __future__ import annotations

import argparse
import platform
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xraybatch.core.cores import available_cores
from xraybatch.core.errors import XraybatchError
from xraybatch.core.status import FilmError
from xraybatch.images.decode import decode
from xraybatch.models.choice import choose_model
from xraybatch.models.devices import count_gpus, resolve_device
from xraybatch.models.doctor.nvidia import read_driver
from xraybatch.models.model import Model
from xraybatch.models.processor import cpu_name
from xraybatch.models.session import INPUT, Session

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
SUFFIXES = {".png", ".jpg", ".jpeg", ".dcm", ".tif", ".tiff"}
ROUNDS = 7

Films = NDArray[np.uint8]
Probabilities = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Comparison:
    """What was measured; speeds in films/s."""

    films: int
    requested: str
    real: str
    largest_difference: float
    changed: int
    same_bytes: bool
    cpu_speed: float
    speed: float
    plain_batch: float
    bound_batch: float
    bound_same_bytes: bool
    batch_size: int


def read_films(model: Model, folder: Path | None) -> Films:
    """Every film of a folder (the sample films by default) that decodes, by the model's rule."""
    from xraybatch_samples import films_folder

    with as_file(films_folder()) as samples:
        paths = sorted((folder or Path(samples)).rglob("*"))
        found = []
        for path in paths:
            if path.suffix.lower() in SUFFIXES:
                try:
                    found.append(decode(path.read_bytes(), model.card.rule, name=path.name).pixels)
                except FilmError as error:
                    print(f"left out: {path.name}: {error.sentence}")
    return np.stack(found)[..., None]


def compare(model: Model, films: Films, device: str) -> Comparison:
    """Predict on both, twice on `device`; then time both in turn."""
    cpu, other = Session(model, device="cpu"), Session(model, device=device)
    expected, answers = cpu.predict(films), other.predict(films)
    again = Session(model, device=device).predict(films)
    times = alternate([lambda: cpu.predict(films), lambda: other.predict(films)])
    plain, bound, alike = time_binding(model, films, device, other.batch_size)
    return Comparison(
        films=len(films),
        requested=device,
        real=other.device,
        largest_difference=max(float(np.abs(answers[t] - expected[t]).max()) for t in expected),
        changed=changed_classes(model, expected, answers),
        same_bytes=all(answers[t].tobytes() == again[t].tobytes() for t in answers),
        cpu_speed=len(films) / times[0],
        speed=len(films) / times[1],
        plain_batch=plain,
        bound_batch=bound,
        bound_same_bytes=alike,
        batch_size=other.batch_size,
    )


def changed_classes(model: Model, a: Probabilities, b: Probabilities) -> int:
    """Answers of any task that another class would be given for: most probable, or 0.5 each."""
    changed = 0
    for entry in model.card.tasks:
        ours, theirs = a[entry.task.name], b[entry.task.name]
        if entry.task.kind == "multilabel":
            changed += int(((ours >= 0.5) != (theirs >= 0.5)).sum())
        else:
            changed += int((ours.argmax(axis=1) != theirs.argmax(axis=1)).sum())
    return changed


def alternate(runs: Sequence[Callable[[], object]], rounds: int = ROUNDS) -> list[float]:
    """Median seconds of each, run in turn; one round before does not count."""
    seconds: list[list[float]] = [[] for _ in runs]
    for number in range(rounds + 1):
        for run, times in zip(runs, seconds, strict=True):
            begin = time.perf_counter()
            run()
            if number:
                times.append(time.perf_counter() - begin)
    return [statistics.median(times) for times in seconds]


def time_binding(model: Model, films: Films, device: str, size: int) -> tuple[float, float, bool]:
    """Milliseconds of a batch, plain and with I/O binding, and whether both answer alike."""
    import onnxruntime as ort

    request = resolve_device(device)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = available_cores()
    session = ort.InferenceSession(model.content, options, providers=list(request.providers))
    names = [entry.task.name for entry in model.card.tasks]
    batch = np.ascontiguousarray(np.resize(films, (size, *films.shape[1:])))
    kind, number = ("cpu", 0) if device == "cpu" else ("cuda", request.providers[0][1]["device_id"])
    place = ort.OrtValue.ortvalue_from_numpy(batch, kind, number)
    binding = session.io_binding()
    binding.bind_ortvalue_input(INPUT, place)
    for name in names:
        binding.bind_output(name, kind, number)

    def bound() -> list[Any]:
        place.update_inplace(batch)
        session.run_with_iobinding(binding)
        return list(binding.copy_outputs_to_cpu())

    def plain() -> list[Any]:
        return list(session.run(names, {INPUT: batch}))

    alike = all(a.tobytes() == b.tobytes() for a, b in zip(plain(), bound(), strict=True))
    times = alternate([plain, bound], rounds=5 * ROUNDS)
    return 1000 * times[0], 1000 * times[1], alike


def fragment(model: Model, found: Comparison) -> str:
    """The figures as Markdown."""
    driver = read_driver()
    gpu = "none"
    if driver is not None and driver.gpus:
        names = " and ".join(dict.fromkeys(one.name for one in driver.gpus))
        gpu = f"{names}, driver {driver.version}, CUDA {driver.cuda[0]}.{driver.cuda[1]}"
    rows = {
        "requested, got": f"`{found.requested}`, `{found.real}`",
        "largest difference of a probability": f"{found.largest_difference:.2g}",
        "classes that changed": f"{found.changed} of {found.films}",
        "two runs, same bytes": "yes" if found.same_bytes else "**no**",
        "films/s, CPU": f"{found.cpu_speed:,.0f}",
        f"films/s, {found.real}": f"{found.speed:,.0f} ({found.speed / found.cpu_speed:.1f} ×)",
        f"one batch of {found.batch_size}, plain run": f"{found.plain_batch:.2f} ms",
        "the same with I/O binding": f"{found.bound_batch:.2f} ms",
        "I/O binding, same bytes": "yes" if found.bound_same_bytes else "**no**",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    rule = model.card.rule
    return "\n".join(
        [
            f"Model {model.card.name or model.path.name}, {rule.height}x{rule.width}; films that "
            f"are decoded already. GPU: {gpu}. CPU: {cpu_name()}, {available_cores()} cores. "
            f"onnxruntime-gpu {version('onnxruntime-gpu')}, Python {platform.python_version()}, "
            f"{time.strftime('%F')}.",
            "",
            "| | |",
            "|---|---|",
            *lines,
        ]
    )


def put(text: str, page: Path) -> None:
    """Replace what stands between the two marks of `page`."""
    begin, end = "<!-- benchmarks/gpu.py -->", "<!-- end -->"
    old = page.read_text(encoding="utf-8")
    new, count = re.subn(
        f"{begin}.*?{end}", lambda _: f"{begin}\n{text}\n{end}", old, count=1, flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{page} has no {begin} … {end}.")
    page.write_text(new, encoding="utf-8", newline="\n")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, help="model file or run folder")
    parser.add_argument("--films", type=Path, help="folder of films (default: the sample films)")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--write", nargs="?", type=Path, const=PAGE, help="page to write into")
    options = parser.parse_args(arguments)
    if options.device != "cpu" and count_gpus() == 0:
        print("There is no NVIDIA GPU here, so nothing was measured.")
        return
    model = choose_model(options.model).model
    films = read_films(model, options.films)
    try:
        text = fragment(model, compare(model, films, options.device))
    except XraybatchError as error:  # a GPU that is there and cannot be used
        raise SystemExit(f"{error}\nxraybatch doctor says more.") from None
    print(text)
    if options.write:
        put(text, options.write)


if __name__ == "__main__":
    main()

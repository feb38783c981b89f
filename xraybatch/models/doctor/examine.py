"""The examination: every check in order, each guarded; one that breaks is itself a finding."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from xraybatch.core.memory import Memory, read_memory
from xraybatch.extension.registry import PluginRow
from xraybatch.models.doctor.devices import check_devices, check_providers, cpu_row, gpu_rows
from xraybatch.models.doctor.machine import (
    Cores,
    Place,
    System,
    Text,
    folder_size,
    read_cores,
    read_environment,
    read_place,
    read_shared_memory,
    read_system,
    read_telemetry,
    read_text,
)
from xraybatch.models.doctor.nvidia import Driver, read_driver
from xraybatch.models.doctor.packages import (
    deciding,
    read_distributions,
    read_requirements,
    unmet,
)
from xraybatch.models.doctor.parts import (
    check_decoder_fingerprint,
    check_plugins,
    check_readers,
    read_decoder,
    read_plugins,
)
from xraybatch.models.doctor.privacy import Names, read_names, without_names
from xraybatch.models.doctor.report import (
    SCHEMA,
    DeviceRow,
    DeviceState,
    Diagnosis,
    Finding,
    Package,
    Verdict,
    plural,
)
from xraybatch.models.doctor.runtimes import check_cuda, check_distributions, check_driver
from xraybatch.models.doctor.system import (
    check_cores,
    check_environment,
    check_memory,
    check_packages,
    check_place,
    check_shared_memory,
    check_system,
    check_telemetry,
    check_text,
    check_training,
    size,
    training_missing,
)
from xraybatch.models.doctor.trial import Trial, run_trial
from xraybatch.models.processor import cpu_name

T = TypeVar("T")


@dataclass(frozen=True)
class Probes:
    """The ways to ask the machine; each may be replaced by what another machine would say."""

    system: Callable[[], System] = read_system
    distributions: Callable[[], dict[str, str]] = read_distributions
    requirements: Callable[[], tuple[str, ...]] = read_requirements
    driver: Callable[[], Driver | None] = read_driver
    trial: Callable[[str], Trial] = run_trial
    processor: Callable[[], str] = cpu_name
    cores: Callable[[], Cores] = read_cores
    memory: Callable[[], Memory | None] = read_memory
    shared_memory: Callable[[], Place | None] = read_shared_memory
    temporary: Callable[[], str] = tempfile.gettempdir
    place: Callable[[Path], Place] = read_place
    folder_size: Callable[[Path], int] = folder_size
    text: Callable[[], Text] = read_text
    environment: Callable[[], dict[str, str]] = read_environment
    telemetry: Callable[[], str] = read_telemetry
    plugins: Callable[[], list[PluginRow]] = read_plugins
    decoder: Callable[[], str] = read_decoder
    names: Callable[[], Names] = read_names


def examine(cache: Callable[[], Path], probes: Probes | None = None) -> Diagnosis:
    """Look at this machine and installation; nothing that is found is raised.

    Parameters
    ----------
    cache : callable
        Gives the folder of the training cache.
    probes : Probes, optional
        This machine's by default.

    Returns
    -------
    Diagnosis
        Without the names of user, host and home folder.
    """
    asked = _Asked(probes or Probes())
    findings: list[Finding] = []

    def check(topic: str, work: Callable[[], Iterable[Finding]]) -> None:
        try:
            findings.extend(work())
        except (Exception, SystemExit) as error:
            findings.append(_unexamined(topic, error))

    look = asked.probes
    check("python", lambda: check_system(look.system()))
    check("packages", lambda: check_packages(asked.packages, asked.unmet))
    check("training", lambda: check_training(asked.distributions))
    check("onnxruntime", lambda: check_distributions(asked.distributions, asked.cpu, asked.driver))
    check("driver", lambda: check_driver(asked.driver))
    check("cuda", lambda: check_cuda(asked.distributions, asked.cpu, asked.driver))
    check("providers", lambda: check_providers(asked.cpu.providers))
    check("devices", lambda: check_devices(asked.devices))
    check("decoder", lambda: check_decoder_fingerprint(look.decoder()))
    check("readers", lambda: check_readers(asked.plugins))
    check("plugins", lambda: check_plugins(asked.plugins))
    check("cores", lambda: check_cores(look.cores()))
    check("memory", lambda: check_memory(look.memory(), look.cores().used))
    check("shared memory", lambda: check_shared_memory(look.shared_memory()))
    check("disk", lambda: _places(look))
    check("cache", lambda: _cache(look, cache()))
    check("encoding", lambda: check_text(look.text()))
    check("telemetry", lambda: check_telemetry(look.telemetry()))
    check("environment", lambda: check_environment(look.environment()))
    diagnosis = Diagnosis(
        SCHEMA,
        datetime.now(UTC).isoformat(timespec="seconds"),
        _or_nothing(lambda: asked.packages),
        _or_nothing(lambda: asked.cpu.providers),
        _or_nothing(lambda: asked.devices),
        tuple(findings),
        _or_empty(lambda: _summary(asked, findings)),
    )
    try:
        return without_names(diagnosis, look.names())
    except (Exception, SystemExit) as error:  # better no page than one with names
        gone = _unexamined("privacy", error)
        return Diagnosis(SCHEMA, diagnosis.created, (), (), (), (gone,), gone.sentence)


class _Asked:
    """Answers that several checks need, asked for once; a probe that raises does so for each."""

    def __init__(self, probes: Probes) -> None:
        self.probes = probes

    @cached_property
    def distributions(self) -> dict[str, str]:
        return self.probes.distributions()

    @cached_property
    def packages(self) -> tuple[Package, ...]:
        return deciding(self.distributions, self.probes.requirements())

    @property
    def unmet(self) -> list[str]:
        return unmet(self.distributions, self.probes.requirements())

    @cached_property
    def driver(self) -> Driver | None:
        return self.probes.driver()

    @cached_property
    def cpu(self) -> Trial:
        return self.probes.trial("cpu")

    @cached_property
    def devices(self) -> tuple[DeviceRow, ...]:
        rows = [cpu_row(self.cpu, self.probes.processor())]
        if self.driver is not None:
            rows.extend(gpu_rows(self.driver, self.probes.trial, self.cpu))
        return tuple(rows)

    @cached_property
    def plugins(self) -> list[PluginRow]:
        return self.probes.plugins()


def _places(look: Probes) -> Iterator[Finding]:
    # its name may be a patient's
    yield from check_place("disk", "the current folder", look.place(Path()))
    temporary = look.temporary()
    yield from check_place("disk", f"the temporary folder {temporary}", look.place(Path(temporary)))


def _cache(look: Probes, folder: Path) -> Iterator[Finding]:
    words = f"the training cache {folder}, which holds {size(look.folder_size(folder))}"
    yield from check_place("cache", words, look.place(folder))


def _unexamined(topic: str, error: BaseException) -> Finding:
    lines = str(error).strip().splitlines() or [""]
    return Finding(
        topic,
        Verdict.PROBLEM,
        f"Could not be examined: {type(error).__name__}: {lines[0]}"[:300],
        "Report this page.",
    )


def _summary(asked: _Asked, findings: list[Finding]) -> str:
    problems = [finding.topic for finding in findings if finding.verdict is Verdict.PROBLEM]
    working = [row.device for row in asked.devices if row.state is DeviceState.WORKS]
    training = "not installed" if training_missing(asked.distributions) else "installed"
    cores = plural(asked.probes.cores().used, "core")
    if not problems:
        where = " and ".join(sorted(working, reverse=True))
        return f"Prediction works here on {where} with {cores}; training is {training}."
    topics = ", ".join(dict.fromkeys(problems))
    if "cpu" not in working:
        return f"Prediction does not work here: see {topics}."
    return f"Prediction runs here, but cannot be relied on: see {topics}."


def _or_nothing(read: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
    try:
        return read()
    except (Exception, SystemExit):
        return ()


def _or_empty(read: Callable[[], str]) -> str:
    try:
        return read()
    except (Exception, SystemExit):
        return "Not all could be examined: see the problems above."

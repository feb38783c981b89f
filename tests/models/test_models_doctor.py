"""The doctor on machines that are not here, and on this one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xraybatch.core.memory import Memory
from xraybatch.extension.registry import PluginRow
from xraybatch.models.doctor import examine as examination
from xraybatch.models.doctor.examine import Probes, examine
from xraybatch.models.doctor.machine import Cores, Place, System, Text
from xraybatch.models.doctor.nvidia import Driver, Gpu
from xraybatch.models.doctor.privacy import Names
from xraybatch.models.doctor.report import DeviceState, Diagnosis, Finding, Verdict
from xraybatch.models.doctor.runtimes import CUDA_12, CUDA_13
from xraybatch.models.doctor.trial import Trial

PROVIDERS = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
ANSWERS = {"label": [[0.2, 0.8], [0.5, 0.5]]}
T4 = Gpu("Tesla T4", 16 << 30, (7, 5))
V100 = Gpu("Tesla V100", 16 << 30, (7, 0))
TENSORFLOW_GPU = {"tensorflow": "2.21.0", "nvidia-cudnn-cu12": "9.8.0"}
BUILDS = {
    "1.26.0": "12.8",
    "1.31.1": "13.0",
}


def trial(device: str, runtime: str = "1.31.1", off: float = 0.0) -> Trial:
    answers = {task: [[p + off for p in row] for row in rows] for task, rows in ANSWERS.items()}
    return Trial(
        device,
        runtime,
        "onnxruntime-gpu",
        BUILDS[runtime],
        PROVIDERS,
        seconds=0.01,
        batch_size=16,
        answers=answers,
        expected=ANSWERS,
    )


HEALTHY = Probes(
    system=lambda: System("3.11.7", "CPython", 64, "Linux 6.1.0", "x86_64", "glibc 2.36"),
    distributions=lambda: {"xraybatch": "0.1.0", "numpy": "2.4.6", "onnxruntime-gpu": "1.31.1"},
    requirements=lambda: ("numpy>=1.26", "onnxruntime-gpu>=1.23", 'keras>=3; extra == "train"'),
    driver=lambda: None,
    trial=trial,
    processor=lambda: "x86_64 Some CPU",
    cores=lambda: Cores(8, 8, None, 8),
    memory=lambda: Memory(64 * 10**9, 50 * 10**9),
    shared_memory=lambda: Place(8 * 10**9, 8 * 10**9, True),
    temporary=lambda: "/tmp",
    place=lambda _: Place(100 * 10**9, 200 * 10**9, True),
    folder_size=lambda _: 10**9,
    text=lambda: Text("utf-8", "UTF-8", "utf-8"),
    environment=dict,
    telemetry=lambda: "1",
    plugins=lambda: [PluginRow("xraybatch:readers", "ok", "", 0.0, {"reader": [_reader()]})],
    decoder=lambda: "0123456789abcdef",
    names=lambda: Names(("/home/jane",), "jane", "ward7"),
)


def _reader() -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(name="png")


def look(**probes: Callable[..., Any]) -> Diagnosis:
    return examine(lambda: Path("/home/jane/.cache/xraybatch"), replace(HEALTHY, **probes))


def on(topic: str, diagnosis: Diagnosis) -> list[Finding]:
    return [finding for finding in diagnosis.findings if finding.topic == topic]


def only(topic: str, diagnosis: Diagnosis) -> Finding:
    (found,) = on(topic, diagnosis)
    return found


def gpu_machine(
    version: str,
    cuda: tuple[int, int],
    *,
    gpus: tuple[Gpu, ...] = (T4,),
    more: dict[str, str] | None = None,
    on_gpu: Callable[[str], Trial] | None = None,
) -> Diagnosis:
    found = {"xraybatch": "0.1.0", "numpy": "2", "onnxruntime-gpu": version, **(more or {})}

    def run(device: str) -> Trial:
        if device != "cpu" and on_gpu is not None:
            return on_gpu(device)
        return trial(device, version)

    return look(
        distributions=lambda: found,
        driver=lambda: Driver("550.54.15", cuda, gpus),
        trial=run,
    )


def fell_back(device: str) -> Trial:
    text = f"--device {device} was asked for, but onnxruntime fell back to CPUExecutionProvider."
    return Trial(device, "1.31.1", "onnxruntime-gpu", "13.0", PROVIDERS, text, fell_back=True)


def test_a_healthy_machine_without_a_gpu() -> None:
    diagnosis = look()
    assert not diagnosis.problems
    assert {finding.verdict for finding in diagnosis.findings} == {Verdict.OK}
    assert diagnosis.summary == (
        "Prediction works here on cpu with 8 cores; training is not installed."
    )


def test_this_machine(tmp_path: Path) -> None:
    diagnosis = examine(lambda: tmp_path / "cache")
    assert diagnosis.problems == ()
    cpu = diagnosis.devices[0]
    assert (cpu.device, cpu.state) == ("cpu", DeviceState.WORKS)
    assert cpu.difference is not None
    assert cpu.difference <= 2e-4
    assert "Prediction works here on" in diagnosis.summary
    assert json.loads(json.dumps(diagnosis.to_dict(), allow_nan=False))["schema"] == "1.0"


def test_two_onnxruntimes_share_a_folder() -> None:
    found = {
        "numpy": "2",
        "onnxruntime": "1.31.1",
        "onnxruntime-gpu": "1.30.0",
        "onnxruntime-directml": "1.24.4",
    }
    diagnosis = look(distributions=lambda: found)
    clash = only("onnxruntime", diagnosis)
    assert clash.verdict is Verdict.PROBLEM
    assert clash.commands == (
        "pip uninstall -y onnxruntime onnxruntime-gpu onnxruntime-directml",
        "pip install onnxruntime-gpu==1.30.0",
    )
    assert "cannot be relied on: see onnxruntime" in diagnosis.summary


def test_a_clash_on_a_gpu_machine_is_repaired_by_the_build_for_its_driver() -> None:
    diagnosis = gpu_machine("1.31.1", (12, 4), more={"onnxruntime": "1.31.1"})
    assert only("onnxruntime", diagnosis).commands == (
        "pip uninstall -y onnxruntime onnxruntime-gpu",
        CUDA_12,
    )


def test_what_is_imported_is_another_version_than_pip_knows() -> None:
    diagnosis = look(trial=lambda device: trial(device, "1.26.0"))
    assert "1.26.0 is what Python imports" in only("onnxruntime", diagnosis).sentence


@pytest.mark.parametrize(
    ("version", "cuda", "gpus", "more", "verdict", "commands", "words"),
    [
        # the driver is too old for this build
        ("1.31.1", (12, 4), (T4,), {}, Verdict.NOTE, (CUDA_12,), "runs CUDA up to 12.4"),
        ("1.31.1", (11, 4), (T4,), {}, Verdict.NOTE, (CUDA_12,), "up to 11.4"),
        ("1.26.0", (11, 4), (T4,), {}, Verdict.NOTE, (CUDA_12,), "up to 11.4"),
        # TensorFlow wants CUDA 12
        ("1.31.1", (13, 0), (T4,), TENSORFLOW_GPU, Verdict.NOTE, (CUDA_12,), "cannot serve both"),
        # CUDA 13 has dropped the GPU
        ("1.31.1", (13, 0), (T4, V100), {}, Verdict.NOTE, (CUDA_12,), "Tesla V100"),
        # pip has not installed the libraries
        ("1.31.1", (13, 0), (T4,), {}, Verdict.NOTE, (CUDA_13,), "nvidia-cudnn-cu13"),
        ("1.26.0", (12, 4), (T4,), {}, Verdict.NOTE, (CUDA_12,), "nvidia-cublas-cu12"),
    ],
)
def test_cuda_that_does_not_fit_comes_with_the_line_to_type(
    version: str,
    cuda: tuple[int, int],
    gpus: tuple[Gpu, ...],
    more: dict[str, str],
    verdict: Verdict,
    commands: tuple[str, ...],
    words: str,
) -> None:
    diagnosis = gpu_machine(version, cuda, gpus=gpus, more=more)
    found = only("cuda", diagnosis)
    assert (found.verdict, found.commands) == (verdict, commands)
    assert words in found.sentence
    assert not diagnosis.problems  # the CPU predicts all the same


@pytest.mark.parametrize(
    ("version", "cuda", "suffix"), [("1.26.0", (12, 4), "-cu12"), ("1.31.1", (13, 1), "")]
)
def test_cuda_that_fits(version: str, cuda: tuple[int, int], suffix: str) -> None:
    libraries = [f"nvidia-{part}{suffix}" for part in ("cuda-runtime", "cublas", "cufft")]
    more = dict.fromkeys([*libraries, f"nvidia-cudnn-cu{cuda[0]}"], "1")
    diagnosis = gpu_machine(version, cuda, more=more, gpus=(T4, T4))
    assert only("cuda", diagnosis).verdict is Verdict.OK
    assert [row.state for row in diagnosis.devices] == [DeviceState.WORKS] * 3
    assert "on cuda:1 and cuda:0 and cpu" in diagnosis.summary


def test_tensorflow_s_cuda_is_told_without_a_gpu_too() -> None:
    found = {"numpy": "2", "onnxruntime-gpu": "1.31.1", **TENSORFLOW_GPU}
    assert only("cuda", look(distributions=lambda: found)).commands == (CUDA_12,)


def test_a_build_without_cuda_on_a_gpu_machine() -> None:
    plain = Trial("cpu", "1.31.1", "onnxruntime", "", ("CPUExecutionProvider",), seconds=0.1,
                  batch_size=16, answers=ANSWERS, expected=ANSWERS)  # fmt: skip
    diagnosis = look(
        requirements=lambda: ("numpy",),
        distributions=lambda: {"numpy": "2", "onnxruntime": "1.31.1"},
        driver=lambda: Driver("580.95", (13, 0), (T4,)),
        trial=lambda device: replace(plain, device=device, error="" if device == "cpu" else "no"),
    )
    found = only("cuda", diagnosis)
    assert "built without CUDA" in found.sentence
    assert found.commands == ("pip uninstall -y onnxruntime", CUDA_13)


def test_a_gpu_that_falls_back_is_a_note_and_the_cpu_works() -> None:
    diagnosis = gpu_machine("1.31.1", (13, 0), on_gpu=fell_back)
    row = diagnosis.devices[1]
    assert (row.device, row.name, row.state) == ("cuda:0", "Tesla T4", DeviceState.FALLS_BACK)
    assert "fell back to CPU" in only("cuda:0", diagnosis).sentence
    assert diagnosis.summary.startswith("Prediction works here on cpu with")


def test_a_gpu_that_computes_otherwise_is_told_by_how_much() -> None:
    diagnosis = gpu_machine("1.31.1", (13, 0), on_gpu=lambda device: trial(device, off=1e-2))
    row = diagnosis.devices[1]
    assert row.state is DeviceState.DIFFERS
    assert row.difference == pytest.approx(1e-2)
    assert "0.01 off the CPU's" in only("cuda:0", diagnosis).sentence
    assert "cuda:0" not in diagnosis.summary


@pytest.mark.parametrize(
    ("off", "state"), [(1.9e-4, DeviceState.WORKS), (2.1e-4, DeviceState.DIFFERS)]
)
def test_the_tolerance_is_that_of_the_self_test(off: float, state: DeviceState) -> None:
    diagnosis = gpu_machine("1.31.1", (13, 0), on_gpu=lambda device: trial(device, off=off))
    assert diagnosis.devices[1].state is state


@pytest.mark.parametrize("off", [1e-2, float("nan"), float("inf")])
def test_a_cpu_that_computes_otherwise_is_a_problem(off: float) -> None:
    diagnosis = look(trial=lambda device: trial(device, off=off))
    assert only("cpu", diagnosis).verdict is Verdict.PROBLEM
    assert diagnosis.summary == "Prediction does not work here: see cpu."
    json.dumps(diagnosis.to_dict(), allow_nan=False)


def test_answers_of_another_shape_differ() -> None:
    wrong = replace(trial("cuda:0"), answers={"label": [[1.0]]})
    diagnosis = gpu_machine("1.31.1", (13, 0), on_gpu=lambda _: wrong)
    assert diagnosis.devices[1].state is DeviceState.DIFFERS


def test_a_driver_that_gives_no_gpu() -> None:
    broken = Driver("550.54", (12, 4), (), "unknown error (CUDA error 999)")
    assert "CUDA error 999" in only("driver", look(driver=lambda: broken)).sentence
    hidden = Driver("550.54", (12, 4), ())
    assert "CUDA_VISIBLE_DEVICES" in only("driver", look(driver=lambda: hidden)).hint


def test_what_prediction_lacks_is_installed_by_the_line_it_gives() -> None:
    diagnosis = look(distributions=lambda: {"numpy": "1.20.0", "onnxruntime-gpu": "1.31.1"})
    found = only("packages", diagnosis)
    assert found.verdict is Verdict.PROBLEM
    assert found.commands == ("pip install 'numpy>=1.26'",)


def test_no_onnxruntime_at_all() -> None:
    gone = Trial("cpu", error="ModuleNotFoundError: No module named 'onnxruntime'")
    diagnosis = look(
        distributions=lambda: {"numpy": "2"}, requirements=lambda: (), trial=lambda _: gone
    )
    assert {f.topic for f in diagnosis.problems} == {"onnxruntime", "cpu"}
    assert diagnosis.summary == "Prediction does not work here: see onnxruntime, cpu."


def test_half_of_training() -> None:
    found = {"numpy": "2", "onnxruntime-gpu": "1.31.1", "tensorflow": "2.21.0", "keras": "3.15"}
    diagnosis = look(distributions=lambda: found)
    assert only("training", diagnosis).sentence == "Training lacks tf2onnx, onnx."
    whole = look(distributions=lambda: {**found, "tf2onnx": "1", "onnx": "1"})
    assert "training is installed" in whole.summary


def test_cores_are_told_with_what_limits_them() -> None:
    found = only("cores", look(cores=lambda: Cores(64, 8, 2.5, 2)))
    assert found.verdict is Verdict.OK
    assert found.sentence == "xraybatch uses 2 cores (machine 64, affinity 8, quota 2.5)."


def test_a_container_with_little_memory() -> None:
    limited = Memory(64 * 10**9, 50 * 10**9, limit=10**9, in_use=4 * 10**8)
    assert limited.free == 6 * 10**8
    found = only("memory", look(memory=lambda: limited))
    assert found.verdict is Verdict.NOTE
    assert "600 MB" in found.sentence
    assert only("memory", look(memory=lambda: None)).verdict is Verdict.OK


def test_disks_and_shared_memory() -> None:
    full = look(place=lambda _: Place(10**6, 10**9, True))
    assert {f.verdict for f in (*on("disk", full), *on("cache", full))} == {Verdict.NOTE}
    closed = look(place=lambda _: Place(10**12, 10**12, False))
    assert "cannot be written" in only("cache", closed).sentence
    small = look(shared_memory=lambda: Place(0, 1 << 16, True))
    assert "--shm-size" in only("shared memory", small).hint


def test_text_that_is_not_utf_8() -> None:
    found = only("encoding", look(text=lambda: Text("utf-8", "ANSI_X3.4-1968", "cp1252")))
    assert found.verdict is Verdict.NOTE
    assert "ANSI_X3.4-1968" in found.sentence
    assert "cp1252" in found.sentence


@pytest.mark.parametrize("value", ["0", ""])
def test_a_runtime_that_may_report_to_its_maker_is_told(value: str) -> None:
    assert only("telemetry", look(telemetry=lambda: value)).verdict is Verdict.NOTE


def test_an_untried_platform_is_said_to_be_one() -> None:
    windows = System("3.13.1", "CPython", 64, "Windows 11", "AMD64", "")
    assert only("python", look(system=lambda: windows)).verdict is Verdict.NOTE
    short = System("3.11.7", "CPython", 32, "Linux 6", "i686", "")
    assert only("python", look(system=lambda: short)).verdict is Verdict.PROBLEM


def test_plugins_broken_and_blocked() -> None:
    rows = [
        PluginRow("xraybatch:readers", "ok", "", 0.0, {"reader": [_reader()]}),
        PluginRow("theirs:net", "broken", "ImportError: no torch", 0.0),
        PluginRow("xraybatch:cnn", "blocked", "blocked by XRAYBATCH_BLOCK", 0.0),
    ]
    diagnosis = look(plugins=lambda: rows)
    fine, broken, blocked = on("plugins", diagnosis)
    assert fine.sentence == "1 plugin loaded."
    assert (broken.verdict, broken.commands) == (
        Verdict.NOTE,
        ("export XRAYBATCH_BLOCK=theirs:net",),
    )
    assert "no torch" in broken.sentence
    assert "xraybatch:cnn" in blocked.sentence
    ours = [replace(rows[1], owner="xraybatch:readers")]
    assert {f.topic for f in look(plugins=lambda: ours).problems} == {"readers", "plugins"}


PROBES = [one.name for one in fields(Probes)]


@pytest.mark.parametrize("error", [RuntimeError("boom"), SystemExit(3), KeyError("x")])
@pytest.mark.parametrize("name", PROBES)
def test_a_probe_that_breaks_is_a_problem_and_not_the_end(name: str, error: BaseException) -> None:
    def broken(*_: object) -> Any:
        raise error

    diagnosis = look(**{name: broken})
    unexamined = [f for f in diagnosis.findings if "Could not be examined" in f.sentence]
    assert unexamined
    assert {f.verdict for f in unexamined} == {Verdict.PROBLEM}
    assert diagnosis.summary
    if name != "names":  # without these nothing may be shown
        assert len(diagnosis.findings) > 10


def test_all_probes_broken_at_once() -> None:
    def broken(*_: object) -> Any:
        raise OSError("gone")

    good = {"names": HEALTHY.names}
    probes = Probes(**{**dict.fromkeys(PROBES, broken), **good})  # type: ignore[arg-type]
    diagnosis = examine(broken, probes)
    assert len(diagnosis.problems) == len(diagnosis.findings)
    assert diagnosis.summary


@given(
    found=st.dictionaries(
        st.sampled_from(["onnxruntime", "onnxruntime-gpu", "tensorflow", "numpy", "x"]),
        st.text(max_size=8),
    ),
    cuda=st.text(max_size=5),
    numbers=st.tuples(st.integers(-1, 20), st.integers(-1, 20)),
)
def test_nothing_that_is_found_is_raised(
    found: dict[str, str], cuda: str, numbers: tuple[int, int]
) -> None:
    odd = replace(trial("cpu"), cuda=cuda)
    diagnosis = look(
        distributions=lambda: found,
        driver=lambda: Driver("", numbers, (T4,)),
        trial=lambda device: replace(odd, device=device),
    )
    assert diagnosis.findings
    json.dumps(diagnosis.to_dict())


def test_no_person_host_or_folder_of_films_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        PluginRow(
            "theirs:x", "broken", "OSError: /home/jane/lib/a.so, /media/jane/x, /n/ward7/y", 0
        )
    ]
    diagnosis = look(
        plugins=lambda: rows,
        environment=lambda: {"XRAYBATCH_CACHE": "/home/jane/cache"},
        temporary=lambda: "/home/jane/tmp",
    )
    text = json.dumps(diagnosis.to_dict())
    assert "jane" not in text
    assert "ward7" not in text
    assert "XRAYBATCH_CACHE=~/cache" in text
    assert "~/.cache/xraybatch" in text


def test_the_current_folder_is_not_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "Doe_John_1970"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(examination, "run_trial", trial)
    diagnosis = examine(lambda: tmp_path, replace(Probes(), trial=trial))
    assert "Doe" not in json.dumps(diagnosis.to_dict())

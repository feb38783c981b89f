"""Devices on machines that are not here: a fake onnxruntime and a fake driver."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, current_thread, main_thread
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from xraybatch.core.errors import ModelError, UsageError
from xraybatch.models import devices
from xraybatch.models.devices import (
    CPU,
    CUDA,
    DeviceFellBack,
    check_provider,
    each_device,
    resolve_device,
)
from xraybatch.models.doctor.nvidia import Driver, Gpu
from xraybatch.models.model import load_model
from xraybatch.models.session import Session
from xraybatch.models.sessions import open_sessions

TENSORRT = "TensorrtExecutionProvider"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, list[str]], None]:
    """A machine with so many GPUs and an onnxruntime that lists these providers."""

    def make(gpus: int, providers: list[str]) -> None:
        monkeypatch.setattr(devices, "count_gpus", lambda: gpus)
        monkeypatch.setattr(devices, "_available", lambda: providers)

    return make


@pytest.fixture
def fake_runtime(
    machine: Callable[[int, list[str]], None], monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> Callable[..., list[Any]]:
    """onnxruntime replaced: sessions compute on this machine's CPU and say another provider."""
    import onnxruntime as real

    def make(*, gpus: int, listed: list[str], got: str) -> list[Any]:
        machine(gpus, listed)
        asked: list[Any] = []

        class FakeSession:
            def __init__(self, content: bytes, options: Any, providers: list[Any]) -> None:
                asked.extend(providers)
                self._inner = real.InferenceSession(content, options, providers=[CPU])

            def get_providers(self) -> list[str]:
                return [got] if got == CPU else [got, CPU]

            def io_binding(self) -> Any:
                return _OnCpu(self._inner.io_binding())

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inner, name)

        def on_cpu(shape: Any, kind: Any, *_: Any) -> Any:
            return real.OrtValue.ortvalue_from_shape_and_type(shape, kind)

        fake = ModuleType("onnxruntime")
        fake.__dict__.update(
            InferenceSession=FakeSession,
            SessionOptions=real.SessionOptions,
            GraphOptimizationLevel=real.GraphOptimizationLevel,
            get_available_providers=lambda: listed,
            OrtValue=SimpleNamespace(ortvalue_from_shape_and_type=on_cpu),
        )
        monkeypatch.setitem(sys.modules, "onnxruntime", fake)
        return asked

    return make


class _OnCpu:
    """A binding whose outputs are not where they were asked for, but here."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def bind_output(self, name: str, *_: Any) -> None:
        self._inner.bind_output(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@pytest.mark.parametrize("text", ["", "gpu", "cuda:", "cuda:-1", "cuda:1.5", "CUDA", "cpu\n"])
def test_what_is_no_device_is_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="no device"):
        resolve_device(text)


def test_auto_without_a_driver_is_the_cpu_and_nothing_to_tell(machine: Any) -> None:
    machine(0, [TENSORRT, CUDA, CPU])
    request = resolve_device("auto")
    assert (request.wanted, request.note) == (CPU, "")
    assert [name for name, _ in request.providers] == [CPU]


def test_auto_with_a_gpu_but_no_cuda_build_says_what_to_install(
    fake_runtime: Any, tiny_model: Path
) -> None:
    fake_runtime(gpus=1, listed=["AzureExecutionProvider", CPU], got=CPU)
    session = Session(load_model(tiny_model), device="auto")
    assert session.device == "cpu"
    assert "xraybatch[gpu]" in session.note


def test_auto_that_falls_back_runs_on_the_cpu_and_says_so(
    fake_runtime: Any, tiny_model: Path
) -> None:
    asked = fake_runtime(gpus=1, listed=[TENSORRT, CUDA, CPU], got=CPU)
    session = Session(load_model(tiny_model), device="auto")
    assert session.device == "cpu"
    assert "could not be loaded" in session.note
    assert [name for name, _ in asked] == [CUDA, CPU]  # TensorRT is never asked for


def test_a_gpu_asked_for_by_name_and_not_got_is_an_error(
    fake_runtime: Any, tiny_model: Path
) -> None:
    fake_runtime(gpus=2, listed=[TENSORRT, CUDA, CPU], got=CPU)
    with pytest.raises(DeviceFellBack, match=r"cuda:1 was asked for.*fell back to CPU"):
        Session(load_model(tiny_model), device="cuda:1")


def test_a_gpu_that_is_got_is_named_in_the_results(
    fake_runtime: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runtime(gpus=2, listed=[TENSORRT, CUDA, CPU], got=CUDA)
    session = Session(load_model(tiny_model), device="cuda:1")
    assert (session.device, session.note) == ("cuda:1", "")
    answers = session.predict(np.zeros((3, 32, 24, 1), np.uint8))
    assert answers["label"].shape == (3, 3)
    gpus = (Gpu("NVIDIA T4", 1 << 34, (7, 5)), Gpu("NVIDIA A100", 1 << 36, (8, 0)))
    driver = Driver("550.54", (12, 4), gpus)
    monkeypatch.setattr("xraybatch.models.doctor.nvidia.read_driver", lambda: driver)
    assert session.processor == "NVIDIA A100, batches of 32"  # both decide the last bits


def test_buffers_that_stay_on_the_device_change_no_answer(tiny_model: Path) -> None:
    films = np.random.default_rng(0).integers(0, 256, (37, 32, 24, 1), np.uint8)
    model = load_model(tiny_model)
    plain = Session(model, device="cpu")
    bound = Session(model, device="cpu", bound=True)
    names = [*plain.outputs]
    with ThreadPoolExecutor(2) as threads:  # as two batches in flight
        found = list(threads.map(bound.predict, [films, films[::-1]] * 5, [names] * 10))
    for number, answers in enumerate(found):
        expected = plain.predict(films[:: -1 if number % 2 else 1], names)
        assert list(answers) == names
        for name in names:
            np.testing.assert_array_equal(answers[name], expected[name])


@pytest.mark.parametrize("abreast", [1, 2])
def test_a_cpu_computes_as_many_batches_at_once_as_it_should(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, abreast: int
) -> None:
    run, at_work, most = Session._run, [], []
    together = Barrier(abreast)

    def runs(self: Session, names: list[str], batch: Any) -> Any:
        at_work.append(batch)
        together.wait(60)
        most.append(len(at_work))
        together.wait(60)
        answers = run(self, names, batch)
        at_work.pop()
        return answers

    session = Session(load_model(tiny_model), device="cpu", abreast=abreast)
    monkeypatch.setattr(Session, "_run", runs)
    films = np.zeros((160, 32, 24, 1), np.uint8)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(session.predict, [films] * 4))
    assert most == [abreast] * 40


def test_the_main_thread_takes_no_turn_that_ctrl_c_could_leave_taken(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(load_model(tiny_model), device="cpu")
    run, at_work, may_end = Session._run, Event(), Event()

    def runs(self: Session, names: list[str], batch: Any) -> Any:
        if current_thread() is not main_thread():
            at_work.set()
            assert may_end.wait(60)
        return run(self, names, batch)

    monkeypatch.setattr(Session, "_run", runs)
    films = np.zeros((2, 32, 24, 1), np.uint8)
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(session.predict, films)
        assert at_work.wait(60)
        here = session.predict(films)
        may_end.set()
        there = other.result()
    assert {k: v.tolist() for k, v in here.items()} == {k: v.tolist() for k, v in there.items()}


def test_a_gpu_that_runs_out_of_memory_later_says_how_to_go_on(
    fake_runtime: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runtime(gpus=1, listed=[CUDA, CPU], got=CUDA)
    session = Session(load_model(tiny_model), device="cuda")

    def full(*_: Any) -> None:
        raise RuntimeError("Failed to allocate memory\nand a trace")

    monkeypatch.setattr("xraybatch.models.binding.Binding.run", full)
    with pytest.raises(ModelError, match="cuda:0 stopped computing: Failed to allocate") as error:
        session.predict(np.zeros((3, 32, 24, 1), np.uint8))
    assert "smaller --batch-size than 32" in error.value.hint


def test_several_gpus_are_named_once_each() -> None:
    assert each_device("cuda:0,2,11") == ["cuda:0", "cuda:2", "cuda:11"]
    assert [each_device(text) for text in ("auto", "cpu", "cuda:1")] == [
        ["auto"],
        ["cpu"],
        ["cuda:1"],
    ]
    with pytest.raises(UsageError, match="cuda:1 twice"):
        each_device("cuda:1,0,1")
    for text in ("cuda:0,", "cuda:,1", "cuda:0,cuda:1", "cpu,cuda:0"):
        with pytest.raises(UsageError, match="no device"):
            resolve_device(each_device(text)[0])


def test_the_gpu_with_the_least_memory_decides_how_large_batches_are(
    fake_runtime: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_runtime(gpus=3, listed=[CUDA, CPU], got=CUDA)
    run = Session._run

    def runs(self: Session, names: list[str], batch: Any) -> Any:
        if len(batch) > {"cuda:0": 64, "cuda:1": 9, "cuda:2": 24}[self.device]:
            raise RuntimeError("Failed to allocate memory")
        return run(self, names, batch)

    monkeypatch.setattr(Session, "_run", runs)
    sessions = open_sessions(load_model(tiny_model), device="cuda:0,1,2")
    assert [session.device for session in sessions] == ["cuda:0", "cuda:1", "cuda:2"]
    assert [session.batch_size for session in sessions] == [8, 8, 8]
    assert sessions[0].note == "The GPU's memory holds batches of 8 films only."


@pytest.mark.parametrize(
    ("gpus", "there"), [(1, "one GPU, cuda:0"), (3, "3 GPUs, cuda:0 to cuda:2")]
)
def test_a_gpu_that_is_not_there_is_said_before_anything_is_loaded(
    machine: Any, gpus: int, there: str
) -> None:
    machine(gpus, [CUDA, CPU])
    with pytest.raises(ModelError, match=f"cuda:7 .*{there}"):
        resolve_device("cuda:7")


def test_a_gpu_asked_for_without_driver_or_without_build(machine: Any) -> None:
    machine(0, [CUDA, CPU])
    with pytest.raises(ModelError, match="no NVIDIA driver"):
        resolve_device("cuda")
    machine(1, [CPU])
    with pytest.raises(ModelError, match="without CUDA"):
        resolve_device("cuda")


def test_cuda_computes_in_full_precision_by_an_algorithm_that_timing_does_not_choose(
    machine: Any,
) -> None:
    machine(2, [CUDA, CPU])
    options = dict(resolve_device("cuda:1").providers)[CUDA]
    assert options["device_id"] == 1
    assert options["use_tf32"] == "0"
    assert options["cudnn_conv_algo_search"] != "EXHAUSTIVE"


def test_onnxruntime_knows_the_options_that_it_is_given(machine: Any) -> None:
    """A misspelt option of the CUDA provider would be refused on GPU machines only."""
    import onnxruntime

    machine(1, [CUDA, CPU])
    if CUDA not in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime was built without CUDA")
    options = {k: str(v) for k, v in dict(resolve_device("cuda").providers)[CUDA].items()}
    library = Path(onnxruntime.__file__).parent / "capi" / "libonnxruntime_providers_cuda.so"
    if not library.exists():
        pytest.skip("the library of the CUDA provider has another name here")
    content = library.read_bytes()
    assert [name for name in options if name.encode() not in content] == []


def test_the_provider_is_compared_by_name() -> None:
    request = SimpleNamespace(text="cuda", wanted=CUDA, note="")
    assert check_provider(request, CUDA) == ""  # type: ignore[arg-type]
    with pytest.raises(DeviceFellBack, match=TENSORRT):
        check_provider(request, TENSORRT)  # type: ignore[arg-type]


def test_counting_gpus_needs_no_driver() -> None:
    code = (
        "import ctypes\n"
        "def gone(*_): raise OSError('no such library')\n"
        "ctypes.CDLL = gone\n"
        "from xraybatch.models.devices import count_gpus, has_nvidia_driver\n"
        "print(count_gpus(), has_nvidia_driver())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]


@pytest.mark.parametrize("first", ["session", "devices"])
def test_onnxruntime_reports_nothing_to_its_maker(
    tiny_model: Path, tmp_path: Path, first: str
) -> None:
    """Its builds would write a device number and a queue of events below the home folder."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    home = tmp_path / "home"
    home.mkdir()
    environment.update(HOME=str(home), USERPROFILE=str(home), LOCALAPPDATA=str(home))
    code = (
        "import sys\n"
        f"import xraybatch.models.{first}\n"
        "from xraybatch.models.model import load_model\n"
        "from xraybatch.models.session import Session\n"
        "Session(load_model(sys.argv[1]), device='cpu')\n"
    )
    subprocess.run([sys.executable, "-c", code, tiny_model], env=environment, check=True)
    assert list(home.rglob("*")) == []


def test_the_benchmark_on_a_machine_without_a_gpu_says_so(tmp_path: Path) -> None:
    if devices.count_gpus():
        pytest.skip("this machine has a GPU")
    program = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"
    page = tmp_path / "page.md"
    command = [sys.executable, program, "--write", page]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "There is no NVIDIA GPU here, so nothing was measured.\n"
    assert not page.exists()

"""What the doctor reads of a machine: control groups, folders, a driver, a process that dies."""

from __future__ import annotations

import ctypes
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from xraybatch.core import cores
from xraybatch.core import memory as core_memory
from xraybatch.core.cores import control_groups
from xraybatch.core.memory import read_memory
from xraybatch.models.doctor import nvidia
from xraybatch.models.doctor import trial as trials
from xraybatch.models.doctor.machine import (
    folder_size,
    read_cores,
    read_environment,
    read_place,
    read_system,
)
from xraybatch.models.doctor.nvidia import read_driver
from xraybatch.models.doctor.privacy import Names, read_names, without_names
from xraybatch.models.doctor.report import Finding, Verdict
from xraybatch.models.doctor.trial import Trial, read_trial, run_trial, try_device


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty control groups and a machine of 64 GB."""
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path)
    monkeypatch.setattr(cores, "_OWN_GROUPS", tmp_path / "own")
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 64000000 kB\nMemFree: 1 kB\nMemAvailable: 50000000 kB\n")
    monkeypatch.setattr(core_memory, "_MEMORY", memory)
    return tmp_path


def test_limits_of_version_2_are_those_of_the_tightest_group(container: Path) -> None:
    (container / "own").write_text("0::/a/b\n")
    (container / "a" / "b").mkdir(parents=True)
    (container / "a" / "b" / "memory.max").write_text("max\n")
    (container / "a" / "b" / "cpu.max").write_text("max 100000\n")
    (container / "a" / "memory.max").write_text("4000000000\n")
    (container / "a" / "memory.current").write_text("1000000000\n")
    (container / "a" / "cpu.max").write_text("150000 100000\n")
    memory = read_memory()
    assert memory is not None
    assert (memory.total, memory.limit, memory.free) == (64_000_000 << 10, 4 * 10**9, 3 * 10**9)
    assert read_cores().quota == 1.5


def test_limits_of_version_1(container: Path) -> None:
    (container / "own").write_text("5:memory:/job\n4:cpu,cpuacct:/job\n0::/\n")
    for controller in ("memory", "cpu"):
        (container / controller / "job").mkdir(parents=True)
    (container / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (container / "memory" / "job" / "memory.limit_in_bytes").write_text("2000000000\n")
    (container / "memory" / "job" / "memory.usage_in_bytes").write_text("500000000\n")
    (container / "cpu" / "job" / "cpu.cfs_quota_us").write_text("200000\n")
    (container / "cpu" / "job" / "cpu.cfs_period_us").write_text("100000\n")
    memory = read_memory()
    assert memory is not None
    assert (memory.limit, memory.free) == (2 * 10**9, 15 * 10**8)
    assert read_cores().quota == 2.0


def test_no_limit_at_all(container: Path) -> None:
    (container / "own").write_text("4:cpu:/\n0::/\n")
    (container / "cpu").mkdir()
    (container / "cpu" / "cpu.cfs_quota_us").write_text("-1\n")
    (container / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    memory = read_memory()
    assert memory is not None
    assert memory.limit is None
    assert memory.free == 50_000_000 << 10
    assert read_cores().quota is None


def test_a_system_without_control_groups_or_proc(container: Path) -> None:
    (container / "meminfo").unlink()
    assert control_groups("") == []
    memory = read_memory()
    assert memory is None or memory.total > 0


def test_a_folder_that_is_not_there_yet_lies_on_its_parent_s_disk(tmp_path: Path) -> None:
    assert read_place(tmp_path / "a" / "b").total == read_place(tmp_path).total
    assert folder_size(tmp_path / "a") == 0
    (tmp_path / "film").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("nowhere")
    assert 5 <= folder_size(tmp_path) < 100


def test_only_our_variables_are_read_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAYBATCH_MODEL", "Patient Meier/m.onnx")
    monkeypatch.setenv("XRAYBATCH_BLOCK", "a:b")
    monkeypatch.setenv("XRAYBATCH_PACS_PASSWORD", "hunter2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    found = read_environment()
    assert (found["XRAYBATCH_BLOCK"], found["XRAYBATCH_MODEL"]) == ("a:b", "(set, not shown)")
    assert "hunter2" not in str(found)
    assert all(name.startswith("XRAYBATCH_") for name in found)


def test_the_system_has_no_host_name() -> None:
    import platform

    assert platform.node() == "" or platform.node() not in str(read_system()).split()


def test_names_are_taken_out_of_paths_and_nothing_else() -> None:
    names = Names(("/home/ann",), "model", "ct")
    text = "/home/ann/x /home/anna/y /srv/model/z C:\\Users\\model\\a model ct /n/ct: /models"
    finding = Finding("model", Verdict.OK, text, "", (text,))
    cleaned = without_names(finding, names)
    expected = "~/x /home/anna/y /srv/USER/z C:\\Users\\USER\\a model ct /n/HOST: /models"
    assert cleaned == Finding("model", Verdict.OK, expected, "", (expected,))


def test_a_home_folder_that_is_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "home").symlink_to("real")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    both = f"{tmp_path}/home/a {tmp_path}/real/b"
    assert without_names((both,), read_names()) == ("~/a ~/b",)


def test_a_process_that_dies_says_how() -> None:
    died = read_trial("cuda:0", -11, "", "warning\nSegmentation fault in libcudnn\n\n")
    assert died.error == "the process ended with signal 11: Segmentation fault in libcudnn"
    assert read_trial("cpu", 1, "noise\n", "").error == "the process ended with exit code 1"


def test_noise_around_the_answer_is_passed_over() -> None:
    trial = Trial("cpu", "1.31.1", providers=("CPUExecutionProvider",), answers={"a": [[1.0]]})
    line = f"xraybatch-trial:{json.dumps({**asdict(trial), 'of_a_newer_version': 1})}"
    assert read_trial("cpu", 0, f"Failed to load x\n{line}\nbye\n", "") == trial


def test_a_device_that_hangs_is_given_up() -> None:
    assert "within 0.01 seconds" in run_trial("cpu", patience=0.01).error


def test_the_current_folder_is_not_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise SystemExit('not the real one')\n")
    monkeypatch.chdir(tmp_path)
    found = run_trial("cpu")
    assert found.error == ""
    assert found.answers.keys() == found.expected.keys() != set()


def test_a_device_that_is_not_there_is_an_answer() -> None:
    from xraybatch.models.devices import count_gpus

    if count_gpus() > 63:
        pytest.skip("this machine has 64 GPUs")
    found = try_device("cuda:63")
    assert "cuda:63" in found.error
    assert found.runtime


def test_onnxruntime_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = try_device("cpu")
    assert found.error.startswith("ModuleNotFoundError")
    assert found.providers == ()


def test_the_trial_is_silent_but_for_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert trials.run_trial("cpu").error == ""
    assert capfd.readouterr() == ("", "")


class FakeCuda:
    """A driver's library with one GPU."""

    def __init__(self, cuda: int, init: int, gpus: int) -> None:
        self._cuda, self._init, self._gpus = cuda, init, gpus

    def cuDriverGetVersion(self, out: Any) -> int:
        out._obj.value = self._cuda
        return 0

    def cuInit(self, _: int) -> int:
        return self._init

    def cuDeviceGetCount(self, out: Any) -> int:
        out._obj.value = self._gpus
        return 0

    def cuDeviceGet(self, out: Any, index: int) -> int:
        out._obj.value = index
        return 0

    def cuDeviceGetName(self, out: Any, _: int, device: Any) -> int:
        out.value = b"Tesla T4"
        return 0

    def cuDeviceTotalMem_v2(self, out: Any, device: Any) -> int:
        out._obj.value = 16 << 30
        return 0

    def cuDeviceGetAttribute(self, out: Any, attribute: int, device: Any) -> int:
        out._obj.value = {75: 7, 76: 5}[attribute]
        return 0

    def cuGetErrorString(self, code: int, out: Any) -> int:
        out._obj.value = b"unknown error"
        return 0


@pytest.mark.parametrize(
    ("init", "gpus", "error"),
    [(0, 2, ""), (0, 0, ""), (100, 0, ""), (999, 0, "unknown error (CUDA error 999)")],
)
def test_a_driver_is_asked_itself(
    monkeypatch: pytest.MonkeyPatch, init: int, gpus: int, error: str
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: FakeCuda(12040, init, gpus))
    monkeypatch.setattr(nvidia, "_version", lambda: "550.54.15")
    driver = read_driver()
    assert driver is not None
    assert (driver.version, driver.cuda, driver.error) == ("550.54.15", (12, 4), error)
    assert [(g.name, g.memory, g.capability) for g in driver.gpus] == [
        ("Tesla T4", 16 << 30, (7, 5))
    ] * gpus


def test_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> None:
        raise OSError("libcuda.so.1: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", gone)
    assert read_driver() is None

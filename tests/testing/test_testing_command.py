"""``xraybatch plugins --test``: what a name means, what is printed, which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xraybatch import Architecture, ImageReader, Preset
from xraybatch.cli.plugin_tests import Target, find_targets
from xraybatch.core.errors import PluginError, UsageError
from xraybatch.extension.registry import PluginRow, Registry

STRANGERS = Path(__file__).resolve().parent / "strangers"


def net(name: str) -> Architecture:
    return Architecture(name, "A network.", build=lambda options: None)  # type: ignore[arg-type,return-value]


def film(name: str) -> ImageReader:
    return ImageReader(name, "A reader.", (".x",), bool, lambda *_: None)  # type: ignore[arg-type,return-value]


PRESET = Preset("knee", "A project.", "net", {}, "folders", "somewhere", "CC0", "data")
KNOWN = Registry(
    [
        PluginRow("ours:net", "ok", "", 0.0, {"architecture": [net("net"), net("both")]}),
        PluginRow("ours:films", "ok", "", 0.0, {"reader": [film("grey"), film("both")]}),
        PluginRow("xb:mine", "ok", "", 0.0, {"architecture": [net("twice")], "preset": [PRESET]}),
        PluginRow("yb:mine", "ok", "", 0.0, {"architecture": [net("twice")]}),
        PluginRow("zb:lost", "broken", "ImportError: no libx", 0.0),
        PluginRow("zb:kept-out", "blocked", "blocked by XRAYBATCH_BLOCK", 0.0),
    ]
)


@pytest.mark.parametrize(
    ("asked", "kind", "expected"),
    [
        ("net", None, [("architecture", "net", "ours:net")]),
        ("reader:both", None, [("reader", "both", "ours:films")]),
        ("both", "architecture", [("architecture", "both", "ours:net")]),
        ("ours:films", None, [("reader", "grey", "ours:films"), ("reader", "both", "ours:films")]),
        # the owner of one of two that claim a name; what has no suite is left out
        ("xb:mine", None, [("architecture", "twice", "xb:mine")]),
    ],
)
def test_what_a_name_means(asked: str, kind: str | None, expected: list[Any]) -> None:
    assert find_targets(KNOWN, asked, kind) == [Target(*fields) for fields in expected]


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ("nett", UsageError, "Did you mean 'net'?"),
        ("nett", UsageError, "zb:lost"),
        ("both", UsageError, "architecture:both or reader:both"),
        ("knee", UsageError, "no suite for a preset"),
        ("twice", PluginError, "'xb:mine' and 'yb:mine'"),
        ("zb:lost", PluginError, "broken: ImportError: no libx"),
        ("lost", PluginError, "broken: ImportError: no libx"),
        ("zb:kept-out", PluginError, "XRAYBATCH_BLOCK"),
    ],
)
def test_a_name_that_means_nothing_to_test(asked: str, error: Any, words: str) -> None:
    with pytest.raises(error) as caught:
        find_targets(KNOWN, asked)
    assert words in str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a metric that ignores weights and a reader, installed."""
    (tmp_path / "strange_plugin.py").write_text(
        "from xraybatch import hookimpl\n"
        "@hookimpl\n"
        "def register_metrics():\n"
        "    from strange_metrics import heedless, metric\n"
        "    return [metric(heedless)]\n"
        "@hookimpl\n"
        "def register_image_readers():\n"
        "    from strange_readers import GOOD\n"
        "    return [GOOD]\n"
    )
    info = tmp_path / "xb_strange-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: xb-strange\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[xraybatch]\nstrange = strange_plugin\n")
    return tmp_path


def run(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{STRANGERS}", "COLUMNS": "200"}
    command = [sys.executable, "-m", "xraybatch", *arguments]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, env=environment)
    assert "Traceback" not in done.stderr
    return done


def test_a_check_that_fails_is_exit_code_4_and_named(site: Path) -> None:
    done = run(site, "plugins", "--test", "share_right")
    assert done.returncode == 4
    assert "share_right: a_weight_is_a_repetition" in done.stderr
    assert "1 of " in done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "failed" in line]
    assert "Weighted rows" in line
    assert "checks" in done.stderr.splitlines()[0], "no progress is shown"


def test_checks_as_json(site: Path) -> None:
    done = run(site, "plugins", "--test", "xb-strange:strange", "--json")
    assert done.returncode == 4
    metric, reader = sorted(json.loads(done.stdout), key=lambda entry: entry["kind"])
    assert (metric["kind"], metric["name"], metric["owner"]) == (
        *("metric", "share_right"),
        "xb-strange:strange",
    )
    verdicts = {check["name"]: check["verdict"] for check in metric["checks"]}
    assert verdicts["a_weight_is_a_repetition"] == "failed"
    assert set(metric["checks"][0]) == {"name", "sentence", "verdict", "reason", "seconds"}
    assert "skipped" in {check["verdict"] for check in reader["checks"]}


def test_a_readers_example_is_a_file_that_is_named(site: Path) -> None:
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("strange_readers_here", STRANGERS / "strange_readers.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    (site / "film.grey").write_bytes(module.example())
    done = run(site, "plugins", "--test", "grey", "--example", "film.grey")
    assert done.returncode == 0, done.stderr
    assert "skipped" not in done.stdout
    assert run(site, "plugins", "--example", "film.grey").returncode == 2


def test_a_plugin_that_leaves_has_not_passed(install_plugin: Any) -> None:
    code = (
        "import os\n"
        "from xraybatch import ImageReader, hookimpl\n"
        "@hookimpl\n"
        "def register_image_readers():\n"
        "    return [ImageReader('leaver', 'Leaves.', ('.leave',), sniff, read)]\n"
        "def sniff(head): os._exit(0)\n"
        "def read(file, limits, frame): os._exit(0)\n"
    )
    environment = install_plugin("xb-leaver", "leaver", "leaver_reader", code)
    done = subprocess.run(
        [sys.executable, "-m", "xraybatch", "plugins", "--test", "leaver", "--json"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert "ended the program" in done.stderr

"""What ``docs/offline.md`` promises: Keras' own files and hashes, lines that fit, no network."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "offline.md").read_text(encoding="utf-8")


@pytest.mark.train
def test_the_weights_file_is_the_one_that_keras_asks_for() -> None:
    spec = find_spec("keras")  # its source is read, not imported
    if spec is None or spec.origin is None:
        pytest.skip("Keras is not installed: pip install 'xraybatch[train]'")
    source = (Path(spec.origin).parent / "src" / "applications" / "resnet.py").read_text()
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if node.targets[0].id in ("BASE_WEIGHTS_PATH", "WEIGHTS_HASHES")
    }
    assert f"`{constants['BASE_WEIGHTS_PATH']}`" in TEXT
    assert f"`{constants['WEIGHTS_HASHES']['resnet50'][1]}`" in TEXT
    template = "{weights_name}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert template in source
    assert f"`{template.format(weights_name='resnet50')}`" in TEXT


def test_every_extra_that_is_named_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = set(re.findall(r"'(?:\.|xraybatch)\[([a-z,-]+)\]'", TEXT))
    assert named == {"train", "gpu", "train-gpu"}
    assert named <= set(project["optional-dependencies"])


def test_the_constraints_for_a_gpu_leave_onnxruntime_to_the_extra() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    left = [line for line in lines if not re.match("^onnxruntime", line)]
    assert "grep -v '^onnxruntime'" in TEXT
    assert len(left) == len(lines) - 1


def test_the_commands_ask_no_server_for_anything(tmp_path: Path) -> None:
    """Python's own events of names looked up and connections begun, over the page's commands."""
    code = (
        "import sys\n"
        "asked = []\n"
        "def watch(event, values):\n"
        "    name = event in ('socket.getaddrinfo', 'socket.gethostbyname', 'urllib.Request')\n"
        "    if name or (event == 'socket.connect' and isinstance(values[1], tuple)):\n"
        "        asked.append(f'{event} {values}')\n"
        "sys.addaudithook(watch)\n"
        "from xraybatch.cli.app import main\n"
        "for line in (\n"
        "    'sample films', 'predict films/P001 films/P002 --out r.csv -q --device cpu',\n"
        "    'score r.csv films/labels.csv --resamples 50', 'inspect', 'plugins', 'doctor',\n"
        "):\n"
        "    try:\n"
        "        main(line.split())\n"
        "    except SystemExit as leave:\n"
        "        print(line, leave.code, file=sys.stderr)\n"
        "print('asked', asked, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    lines = done.stderr.splitlines()
    assert "asked []" in lines, done.stderr
    for command in ("sample films", "inspect", "plugins", "doctor"):
        assert f"{command} 0" in lines, done.stderr

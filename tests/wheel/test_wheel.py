"""What a user installs: the wheel, built through the sdist, away from this tree."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.wheel

# what the base install does not bring
TRAINING = ("tensorflow", "keras", "tf2onnx", "onnx")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def base_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the wheel and the base dependencies, in which training cannot be imported."""
    folder = tmp_path_factory.mktemp("base")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    )
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--target", str(site), str(wheel)], check=True)
    # a path line adds this environment's libraries, not its .pth files: not the editable install
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "block.pth").write_text("import block_training\n")
    (site / "block_training.py").write_text(
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {TRAINING!r}:\n"
        "            raise ModuleNotFoundError(f\"No module named '{name}'\", name=name)\n"
        "sys.meta_path.insert(0, Block())\n"
    )
    return python


def run(python: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    return subprocess.run(
        [str(python), "-m", "xraybatch", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
    )


def test_it_holds_four_packages_and_what_they_need(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == {"xraybatch", "xraybatch_plugins", "xraybatch_exporters", "xraybatch_samples"}
    for package in tops:
        assert f"{package}/py.typed" in names
    assert "xraybatch_samples/films/labels.csv" in names
    assert "xraybatch_samples/demo.onnx" in names
    assert not [n for n in names if "__pycache__" in n or "/tests/" in n]
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_its_contents_are_well_formed(wheel: Path) -> None:
    command = [str(Path(sys.executable).parent / "check-wheel-contents"), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_sdist_holds_no_litter(wheel: Path) -> None:
    import tarfile

    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        names = archive.getnames()
    litter = ("/.venv", "/runs/", "/.coverage", "/.mypy_", "/.ruff_", "/.pytest_", "__pycache__")
    assert not [name for name in names if any(word in name for word in litter)]


def test_nothing_unprefixed_is_importable(base_python: Path, tmp_path: Path) -> None:
    names = "('plugins', 'exporters', 'sample_data')"
    code = f"from importlib.util import find_spec; print(*map(find_spec, {names}))"
    done = subprocess.run([base_python, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["None", "None", "None"]


def test_base_install_samples_predicts_and_scores(base_python: Path, tmp_path: Path) -> None:
    for arguments in (
        ["--help"],
        ["sample", "folder"],
        ["predict", "./folder", "--out", "results.csv"],
        ["score", "results.csv", "folder/labels.csv", "--report", "score.html"],
        ["plugins"],
        ["inspect"],
    ):
        done = run(base_python, *arguments, cwd=tmp_path)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    films = len((tmp_path / "folder" / "labels.csv").read_text().splitlines()) - 1
    assert len((tmp_path / "results.csv").read_text().splitlines()) == films + 1


def test_training_without_tensorflow_says_what_to_install(
    base_python: Path, tmp_path: Path
) -> None:
    done = run(base_python, "train", "--plugin", "cnn", cwd=tmp_path)
    assert done.returncode == 3
    assert "xraybatch[train]" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []

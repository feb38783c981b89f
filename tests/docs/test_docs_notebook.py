"""docs/quickstart.ipynb is run from the first cell to the last."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "quickstart.ipynb"

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install '.[dev]'")


def committed() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of each code cell."""
    nbclient = pytest.importorskip(
        "nbclient", reason="nbclient is not installed: pip install '.[dev]'"
    )
    folder = tmp_path_factory.mktemp("notebook")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")  # nobody is there: no network
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "XRAYBATCH_CACHE"):
            (folder / ".home" / name).mkdir(parents=True)
            patch.setenv(name, str(folder / ".home" / name))
        notebook = committed()
        client = nbclient.NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": str(folder)}}
        )
        client.execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    names = ["install", "labels", "counts", "train", "predict", "score", "film"]
    return dict(zip(names, outputs, strict=True))


def html(outputs: list[Any]) -> str:
    """What the last line of a cell shows."""
    assert outputs[-1].output_type == "execute_result"
    return str(outputs[-1].data["text/html"])


@pytest.mark.train
def test_the_notebook_shows_what_it_promises(executed: dict[str, list[Any]]) -> None:
    for name, outputs in executed.items():
        for output in outputs:
            assert output.output_type in ("execute_result", "display_data"), (name, output)
    assert executed["install"] == []
    assert "patient" in html(executed["labels"])
    assert "osteoporosis" in html(executed["counts"])

    run = html(executed["train"])
    assert "Run folder" in run
    assert "Model card" in run
    assert "28 films" in run
    assert "Parity with Keras" in str(executed["train"])

    assert "138 rows × 8 columns" in html(executed["predict"])
    assert "seen_in_training" in html(executed["predict"])
    assert "synthetic sample films" in str(executed["predict"])

    score = html(executed["score"])
    assert "28 films" in score
    assert "ccuracy" in score

    *_, shown, answer = executed["film"]  # before them: this is a demonstration
    assert "image/png" in shown.data
    assert answer.data["text/plain"].count("films/P") == 1
    assert "prob.osteoporosis" in html(executed["film"])


def test_the_committed_notebook_has_no_outputs_and_no_places() -> None:
    notebook = committed()
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/(home|Users|work|root|tmp|content)/", text)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"  # Jupyter's own and Colab's


def test_the_first_cell_installs_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(cell for cell in committed().cells if cell.cell_type == "code")
    asked: list[str] = []
    source = re.sub(r"%pip (.*)", r"pip('''\1''')", first.source)
    assert source != first.source
    exec(source, {"pip": asked.append})
    assert asked == []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(source, {"pip": asked.append})
    assert asked == ['install --quiet "xraybatch[train]"']


def test_the_names_and_commands_of_the_notebook_are_there() -> None:
    import xraybatch

    code = "\n".join(c.source for c in committed().cells if c.cell_type == "code")
    names = set(re.findall(r"xraybatch\.(\w+)", code))
    assert {"train", "predict", "score", "load_model"} <= names
    assert names <= set(xraybatch.__all__)
    words = "\n".join(c.source for c in committed().cells if c.cell_type == "markdown")
    commands = re.findall(r"^xraybatch (\w+) (.*)$", words, re.M)
    assert len(commands) == 3
    for name, rest in commands:
        import_module(f"xraybatch.cli.{name}").command.make_context(name, shlex.split(rest))

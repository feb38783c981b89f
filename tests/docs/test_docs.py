"""Commands in the documents are true: all are parsed, those of README are run."""

from __future__ import annotations

import json
import re
import shlex
import warnings
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest

from xraybatch import XraybatchWarning
from xraybatch.cli.app import OURS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "plugins" / "README.md",
    ROOT / "exporters" / "README.md",
    ROOT / "sample_data" / "README.md",
    ROOT / "CONTRIBUTING.md",
]
_COMMAND = re.compile(r"^(?: {4}|\$ |)xraybatch +(?P<rest>[a-z].*)$")


def commands(document: Path) -> list[str]:
    """Lines of code blocks that call xraybatch."""
    found, fenced = [], False
    text = document.read_text(encoding="utf-8").replace("\\\n", " ")  # lines that go on
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        match = _COMMAND.match(line if not fenced else line.strip())
        if match and (fenced or line.startswith("    ")):
            found.append(match["rest"].split("   ")[0].split(" #")[0].strip())
    return found


ALL = [(d.relative_to(ROOT).as_posix(), c) for d in DOCUMENTS if d.exists() for c in commands(d)]


@pytest.mark.parametrize(("document", "line"), ALL)
def test_every_command_in_the_documents_is_one(document: str, line: str) -> None:
    name, *arguments = shlex.split(line)
    assert name in OURS, f"{document}: xraybatch {line}"
    command = import_module(f"xraybatch.cli.{name}").command
    with suppress(click.exceptions.Exit):  # --help
        command.make_context(name, arguments)


def test_every_command_is_documented_in_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in OURS if f"xraybatch {name}" not in text] == []


@pytest.mark.train
def test_the_python_of_readme_runs(empty_folder: Path) -> None:
    from xraybatch_samples import write

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"## From Python\n\n```python\n(.+?)```", text, re.S)
    assert code is not None
    write(empty_folder / "films")
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XraybatchWarning)  # a demonstration
        exec(code[1].replace("epochs=20", "epochs=1"), names)
    assert len(names["results"]) == 138
    assert names["report"].join.matched == 138


def test_links_inside_the_documents_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(
            r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")
        ):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_make_targets_that_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"`?make ([a-z]+)", (ROOT / "README.md").read_text())):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_cards_fit_the_published_schema(tiny_model: Path) -> None:
    import jsonschema

    from xraybatch.models.choice import choose_model
    from xraybatch.models.model import load_model

    schema = json.loads((ROOT / "docs" / "card.schema.json").read_text())
    for model in (load_model(tiny_model), choose_model(None).model):
        jsonschema.validate(model.card.to_dict(), schema)
    assert set(schema["properties"]) == set(load_model(tiny_model).card.to_dict())


def test_every_tag_that_can_be_asked_for_is_documented() -> None:
    from xraybatch.images.readers.dicom_tags import ALLOWED_TAGS

    text = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")
    listed = text.split("## What of the header")[1].split("Names, dates")[0]
    assert set(re.findall(r"`([A-Z][A-Za-z]+)`", listed)) == ALLOWED_TAGS


def test_every_column_of_results_is_documented() -> None:
    from xraybatch.core.status import FilmStatus

    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for name in (
        "path",
        "status",
        "prob.<class>",
        "pred.<finding>",
        "frame",
        "tag.<Keyword>",
        "patient",
        "study",
        "seen_in_training",
        "error",
        "set",
        "abstain",
    ):
        assert f"`{name}`" in text, name
    assert [s for s in FilmStatus if f"`{s}`" not in text] == []

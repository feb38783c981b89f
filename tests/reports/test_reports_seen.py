"""Films of the training make a model look better than it is: that is said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from xraybatch import score
from xraybatch.reports.console import render


@pytest.mark.parametrize("seen", [0, 3])
def test_films_seen_in_training_are_told(tmp_path: Path, seen: int) -> None:
    results, labels = tmp_path / "r.csv", tmp_path / "l.csv"
    rows = [f"f{i},ok,{'ab'[i % 2]},{1 - i % 2},{i % 2},{int(i < seen)}," for i in range(8)]
    header = "path,status,label,prob.a,prob.b,seen_in_training,error"
    results.write_text("\n".join([header, *rows]) + "\n")
    labels.write_text("path,label\n" + "".join(f"f{i},{'ab'[i % 2]}\n" for i in range(8)))
    said = " ".join(score(results, labels, positive="b").sentences)
    assert ("3 of 8 films were seen in training" in said) == bool(seen)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("00000000", "0 of 8 films were used to train"),
        ("10000000", "1 of 8 films was used to train"),
        ("0000    ", "0 of 4 films were used to train"),
        ("        ", None),
    ],
)
def test_that_no_film_was_seen_is_told_too(tmp_path: Path, cells: str, said: str | None) -> None:
    results, labels = tmp_path / "r.csv", tmp_path / "l.csv"
    rows = [f"f{i},ok,{'ab'[i % 2]},{1 - i % 2},{i % 2},{c.strip()}," for i, c in enumerate(cells)]
    header = "path,status,label,prob.a,prob.b,seen_in_training,error"
    results.write_text("\n".join([header, *rows]) + "\n")
    labels.write_text("path,label\n" + "".join(f"f{i},{'ab'[i % 2]}\n" for i in range(8)))
    record = {"card": {"name": "m"}, "model": {"name": "m"}}
    (tmp_path / "r.csv.run.json").write_text(json.dumps(record))
    text = render(score(results, labels, positive="b"), width=200)
    assert (said in text) if said else "used to train" not in text

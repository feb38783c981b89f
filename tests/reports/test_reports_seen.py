"""Films of the training make a model look better than it is: that is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from xraybatch import score


@pytest.mark.parametrize("seen", [0, 3])
def test_films_seen_in_training_are_told(tmp_path: Path, seen: int) -> None:
    results, labels = tmp_path / "r.csv", tmp_path / "l.csv"
    rows = [f"f{i},ok,{'ab'[i % 2]},{1 - i % 2},{i % 2},{int(i < seen)}," for i in range(8)]
    header = "path,status,label,prob.a,prob.b,seen_in_training,error"
    results.write_text("\n".join([header, *rows]) + "\n")
    labels.write_text("path,label\n" + "".join(f"f{i},{'ab'[i % 2]}\n" for i in range(8)))
    said = " ".join(score(results, labels, positive="b").sentences)
    assert ("3 of 8 films were seen in training" in said) == bool(seen)

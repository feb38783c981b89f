"""What a split keeps whole and what scores are clustered by, where some names are not known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xraybatch.core.tables import read_table
from xraybatch.training.artefacts import write_split
from xraybatch.training.card_of_run import _limits
from xraybatch.training.folds import deal
from xraybatch.training.gather import Gathered, find, gather
from xraybatch.training.held_back import truth_of
from xraybatch.training.leak import _reason
from xraybatch.training.options import TrainOptions
from xraybatch.training.patients import kept_whole, said_of_clusters
from xraybatch.training.prepare import Prepared
from xraybatch.training.settings import settle
from xraybatch.training.split import groups_of
from xraybatch.training.train import _divided


def gathered(
    folder: Path, patients: list[str], studies: list[str], said: Any, **options: Any
) -> tuple[Gathered, Prepared]:
    """Films of these patients and studies, read and split as `train` would."""
    from xraybatch.extension.records import Architecture
    from xraybatch.extension.registry import registry

    rng = np.random.default_rng(0)
    names = [f"{i:02}.png" for i in range(len(patients))]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (16, 16)).astype(np.uint8)).save(folder / name)
    table = {"path": names, "patient": patients, "study": studies}
    table["label"] = ["sick" if i % 2 else "normal" for i in range(len(names))]
    pd.DataFrame(table).to_csv(folder / "labels.csv", index=False)
    asked = TrainOptions("narrow", data=folder, image_size="16", workers=0, **options)
    settings = settle(asked, registry().get(Architecture, "narrow").record)
    given = gather(find(folder, asked, said), asked, settings, cache=folder / "c", progress=said)
    return given, _divided(given, asked, settings)


def test_films_without_a_patient_stay_with_their_study() -> None:
    patients = ["p", "", "", "", "q", "r", "", "", ""]
    studies = ["s", "s", "t", "t", "u", "u", "u", "u", ""]
    whole, names = kept_whole(patients, studies)
    assert whole == "patient"
    groups = groups_of(names, [bytes([i]) for i in range(9)]).tolist()
    together = [{0, 1}, {2, 3}, {4}, {5}, {6, 7}, {8}]
    assert [{i for i in range(9) if groups[i] == group} for group in dict.fromkeys(groups)] == (
        together
    )
    mirrored, others = kept_whole(studies, patients, "study")
    assert (mirrored, [name.replace("patient ", "study ") for name in others]) == (
        "study",
        list(names),
    )


@pytest.mark.parametrize(
    ("patients", "studies", "group_by", "whole", "names"),
    [
        (["", ""], ["s", ""], "patient", "study", ("s", "")),
        (["p", ""], ["", ""], "study", "patient", ("p", "")),
        (["p", "q"], ["s", "s"], "study", "study", ("s", "s")),
        (["p", "q"], ["s", "s"], "film", "film", ("", "")),
        (["", ""], ["", ""], "patient", "film", ("", "")),
    ],
)
def test_what_is_kept_whole_is_what_is_known(
    patients: list[str], studies: list[str], group_by: str, whole: str, names: tuple[str, ...]
) -> None:
    assert kept_whole(patients, studies, group_by) == (whole, names)


@pytest.mark.parametrize("seed", range(3))
def test_no_study_of_unknown_patients_is_divided(tmp_path: Path, said: Any, seed: int) -> None:
    patients = [f"p{i // 4}" if i < 8 else "" for i in range(40)]
    studies = [f"s{i // 4}" for i in range(40)]
    _, prepared = gathered(tmp_path, patients, studies, said, seed=seed)
    parts = prepared.table.groupby("study")["split"].nunique()
    assert parts.max() == 1
    assert "Films without a patient, kept with their study: 32." in said.notes


@pytest.mark.parametrize(("group_by", "units"), [("film", "single films"), ("study", "studies")])
def test_patients_are_known_whatever_the_split_keeps_whole(
    tmp_path: Path, said: Any, group_by: str, units: str
) -> None:
    patients, studies = [f"p{i // 4}" for i in range(40)], [f"s{i // 2}" for i in range(40)]
    given, prepared = gathered(tmp_path, patients, studies, said, group_by=group_by)
    truth = truth_of(prepared, np.arange(len(prepared.table)))
    assert truth["patient"].tolist() == prepared.table["patient"].tolist()
    everything = [
        *said.notes,
        prepared.split.overlap,
        _limits(prepared, demonstration=False),
        *said_of_clusters(prepared.table, prepared.whole),
        _reason(prepared, prepared),
    ]
    for sentence in everything[-4:-1]:
        assert f"{units} although patients" in sentence
    assert "not by patient" in everything[-1]
    assert not any("Patients are not known" in s or "not known" in s for s in everything)
    dealt = deal(given, TrainOptions("narrow", folds=2, group_by=group_by), said)
    assert units in dealt.how


def test_studies_stand_for_patients_that_are_not_known(tmp_path: Path, said: Any) -> None:
    _, prepared = gathered(tmp_path, [""] * 40, [f"s{i // 4}" for i in range(40)], said)
    truth = truth_of(prepared, np.arange(len(prepared.table)))
    assert truth["patient"].tolist() == prepared.table["study"].tolist()
    assert said_of_clusters(prepared.table, prepared.whole) == [
        "Patients are not known: the films of one study count as those of one patient."
    ]
    assert "Patients were not known" in _limits(prepared, demonstration=False)
    assert "patients are not known" in prepared.split.overlap
    write_split(tmp_path, prepared)
    table = read_table(tmp_path / "split.csv")
    assert "patient" not in table  # they are called what they are
    assert table["study"].tolist() == prepared.table["study"].tolist()


def test_a_card_counts_patients_and_not_films_without_one(tmp_path: Path, said: Any) -> None:
    from xraybatch.training.card_of_run import _data

    patients = [f"p{i // 2}" if i < 20 else "" for i in range(40)]
    _, prepared = gathered(tmp_path, patients, [""] * 40, said)
    scores = {"label": np.full((40, 2), 0.5, np.float32)}
    data = _data(prepared, TrainOptions("narrow"), scores, demonstration=False)
    assert (data["films"], data["patients"], data["films_without_patient"]) == (40, 10, 20)
    table = prepared.table.assign(patient="")
    data = _data(replace(prepared, table=table), TrainOptions("n"), scores, demonstration=False)
    assert data["patients"] is None
    assert "films_without_patient" not in data

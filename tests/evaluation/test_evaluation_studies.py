"""Films put together to studies: by every rule and by hand, and where MURA has its films."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xraybatch.core.errors import InputError, UsageError
from xraybatch.core.tasks import Task, TaskKind
from xraybatch.evaluation.aggregation import MAX, MEAN, NOISY_OR, VOTE, put_together
from xraybatch.evaluation.join import join
from xraybatch.evaluation.options import ScoreOptions
from xraybatch.evaluation.scoring import score
from xraybatch.evaluation.studies import Grouping, group
from xraybatch.sources.mura import mura_place

BINARY = Task("label", TaskKind.BINARY, ("no", "yes"), "yes")
THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))
FINDINGS = Task("found", TaskKind.MULTILABEL, ("effusion", "mass"))


def by_hand(p, codes, unit, units, rule):
    """The definition, one study after the other."""
    rows = []
    for u in range(units):
        mine = p[unit == u]
        if rule == MEAN:
            rows.append(mine.mean(0))
        elif rule == MAX:
            rows.append([1 - mine[:, 1].max(), mine[:, 1].max()])
        elif rule == NOISY_OR:
            none = np.prod(1 - mine[:, 1])
            rows.append([none, 1 - none])
        else:
            rows.append(np.bincount(codes[unit == u], minlength=p.shape[1]) / len(mine))
    return np.array(rows)


@given(seed=st.integers(0, 10_000), rule=st.sampled_from([MEAN, MAX, VOTE, NOISY_OR]))
@settings(max_examples=60, deadline=None)
def test_rules_are_their_definitions(seed, rule):
    rng = np.random.default_rng(seed)
    units = int(rng.integers(1, 6))
    unit = np.r_[np.arange(units), rng.integers(0, units, 7)]
    positive = rng.random(len(unit)).round(1)
    p = np.stack([1 - positive, positive], axis=1)
    codes = (positive >= 0.5).astype(np.int64)
    found, said = put_together(p, codes, unit, units, BINARY, [0.5], rule)
    np.testing.assert_allclose(found, by_hand(p, codes, unit, units, rule), atol=1e-12)
    if rule != VOTE:
        assert (said == (found[:, 1].astype(np.float32) >= np.float32(0.5))).all()
    order = rng.permutation(len(unit))
    again, _ = put_together(p[order], codes[order], unit[order], units, BINARY, [0.5], rule)
    np.testing.assert_allclose(again, found, atol=1e-12)


def test_a_tied_vote_goes_to_the_higher_mean():
    p = np.array([[0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.4, 0.3, 0.3]])
    found, said = put_together(p[:2], np.array([0, 1]), np.zeros(2, int), 1, THREE, [], VOTE)
    assert found[0].tolist() == [0.5, 0.5, 0.0]
    assert said.tolist() == [1]


def test_a_threshold_is_met_as_float32():
    p = np.array([[0.9, 0.1], [0.5, 0.5]])
    bar = [float(np.float32(0.3))]
    assert put_together(p, np.array([0, 1]), np.zeros(2, int), 1, BINARY, bar, MEAN).codes == [1]
    assert put_together(p, np.array([0, 1]), np.zeros(2, int), 1, BINARY, [0.31], MEAN).codes == [0]


def tables(rows):
    """Rows of path, study, patient, truth, probability of yes (None: failed)."""
    results = pd.DataFrame(
        {
            "path": [r[0] for r in rows],
            "status": ["ok" if r[4] is not None else "corrupt" for r in rows],
            "label": ["" if r[4] is None else ("yes" if r[4] >= 0.5 else "no") for r in rows],
            "prob.no": ["" if r[4] is None else str(1 - r[4]) for r in rows],
            "prob.yes": ["" if r[4] is None else str(r[4]) for r in rows],
        },
        dtype=object,
    )
    labels = pd.DataFrame(
        {
            "path": [r[0] for r in rows],
            "study": [r[1] for r in rows],
            "patient": [r[2] for r in rows],
            "label": [r[3] for r in rows],
        },
        dtype=object,
    )
    return results, labels


ROWS = [
    ("a1", "s1", "p1", "yes", 0.75),
    ("a2", "s1", "p1", "", 0.5),
    ("b1", "s2", "p1", "no", 0.25),
    ("b2", "s2", "p1", "no", None),
    ("c1", "s3", "p2", "no", None),
    ("d1", "", "p3", "yes", 0.125),
]


def grouped(rule=MEAN, rows=ROWS):
    joined, _ = join(*tables(rows), ["label"])
    return group(joined, [BINARY], {"label": ["label"]}, {}, Grouping("study", rule))


def test_studies_have_one_answer_one_truth_and_the_films_that_were_read():
    joined, sentences = grouped()
    table = joined.aggregated.set_index("study")
    assert table.columns.tolist() == ["n_films", "label", "prob.no", "prob.yes"]
    assert table.loc["s1"].tolist() == ["2", "yes", "0.375", "0.625"]
    assert table.loc["s2"].tolist() == ["1", "no", "0.75", "0.25"]
    assert table.loc["s3"].tolist() == ["0", "", "", ""]
    assert len(table) == 4
    assert joined.labels["label"].tolist()[:3] == ["yes", "no", "no"]
    said = " ".join(sentences)
    assert "6 films were put together to 4 studies of 1 to 2 films, by the mean" in said
    assert "films without one, each counted alone: 1" in said
    assert "judged by some of their films, because others have no answer (corrupt 2): 1" in said


def test_score_by_study_counts_studies_and_keeps_patients():
    results, labels = tables(ROWS)
    report = score(results, labels, tasks=[BINARY],
                   options=ScoreOptions(grouping=Grouping("study"), resamples=100))  # fmt: skip
    (task,) = report.tasks
    assert report.settings.unit == "study"
    assert (task.films, task.patients, task.failed) == (3, 2, 1)
    assert task.estimates["accuracy"].value == 2 / 3
    assert report.join.matched == 6


def test_what_cannot_be_put_together_is_refused():
    with pytest.raises(InputError, match="films with 'yes' and 'no' in column 'label'"):
        grouped(rows=[*ROWS, ("a3", "s1", "p1", "no", 0.5)])
    with pytest.raises(InputError, match=r"study of film '.*' has films of more than one patient"):
        grouped(rows=[*ROWS, ("a3", "s1", "p9", "", 0.5)])
    with pytest.raises(UsageError, match="Did you mean 'mean'"):
        Grouping("study", "men")
    results, labels = tables(ROWS)
    with pytest.raises(InputError, match="Neither table has a column 'study'"):
        score(results, labels.drop(columns="study"), tasks=[BINARY],
              options=ScoreOptions(grouping=Grouping("study")))  # fmt: skip
    joined, _ = join(*tables(ROWS), ["label"])
    with pytest.raises(UsageError, match="max needs a positive class"):
        group(joined, [THREE], {"label": ["label"]}, {}, Grouping("study", MAX))


def test_the_places_of_mura_are_studies_patients_and_regions_without_any_column():
    place = "MURA-v1.1/valid/XR_{}/patient{}/study1_{}/image{}.png"
    rows = [
        (place.format("WRIST", "00001", "positive", 1), "", "", "yes", 0.9),
        (place.format("WRIST", "00001", "positive", 2), "", "", "yes", 0.3),
        (place.format("ELBOW", "00001", "negative", 1), "", "", "no", 0.2),
        (place.format("ELBOW", "00002", "negative", 1), "", "", "no", 0.7),
    ]
    results, labels = tables(rows)
    labels = labels.drop(columns=["study", "patient"])
    report = score(
        results, labels, tasks=[BINARY],
        options=ScoreOptions(grouping=Grouping("study"), slices=["region"], min_slice=1,
                             resamples=100),
    )  # fmt: skip
    (task,) = report.tasks
    assert task.films == 3
    assert task.estimates["accuracy"].value == 2 / 3
    (by_region,) = task.slices
    assert {one.value: one.films for one in by_region.slices} == {"elbow": 2, "wrist": 1}
    assert mura_place(rows[2][0]).study == "patient00001-elbow-study1"


def test_findings_are_put_together_each_for_itself():
    p = np.array([[0.25, 0.75], [0.75, 0.25]])
    found, said = put_together(p, (p >= 0.5).astype(int), np.zeros(2, int), 1, FINDINGS,
                               [0.5, 0.6], MAX)  # fmt: skip
    assert found.tolist() == [[0.75, 0.75]]
    assert said.tolist() == [[1, 1]]
    _, said = put_together(p, (p >= 0.5).astype(int), np.zeros(2, int), 1, FINDINGS,
                           [0.5, 0.6], VOTE)  # fmt: skip
    assert said.tolist() == [[1, 0]], "tied votes are decided by the mean and its threshold"


def scored(rows=ROWS, labels=None, **options):
    results, truth = tables(rows)
    truth = truth if labels is None else truth.assign(**labels)
    chosen = ScoreOptions(grouping=Grouping("study"), resamples=100, **options)
    return score(results, truth, tasks=[BINARY], options=chosen)


def test_a_reader_of_one_film_has_read_the_study_and_must_agree_with_himself():
    readers = {"dr": ["", "yes", "no", "", "no", "yes"]}
    (task,) = scored(labels=readers, readers=["dr"]).tasks
    pair = next(p for p in task.readers.pairs if (p.one, p.other) == ("truth", "dr"))
    assert pair.films == 3
    assert pair.agreement.value == 1.0
    with pytest.raises(
        InputError, match=r"study of film '.*' has films with 'no' and 'yes' in column 'dr'"
    ):
        scored(labels={"dr": ["no", "yes", "", "", "", ""]}, readers=["dr"])


def test_a_study_in_two_parts_is_in_neither():
    (task,) = scored(labels={"site": ["a", "b", "b", "b", "b", ""]}, slices=["site"],
                     min_slice=1).tasks  # fmt: skip
    (found,) = task.slices
    assert {one.value: one.films for one in found.slices} == {"(several)": 1, "b": 1, "(empty)": 1}


def test_a_threshold_that_nobody_knows_is_said():
    assert "was decided at 0.5: the threshold" in " ".join(scored().join.sentences)
    known = scored(thresholds={"label": (0.5,)}).join.sentences
    assert "was decided at" not in " ".join(known)


def test_repeated_labels_must_agree_in_every_column_that_is_read():
    results, labels = tables(ROWS)
    labels = pd.concat([labels.assign(site="a"), labels.iloc[:1].assign(site="b")])
    with pytest.raises(InputError, match="with 'a' and 'b' in column 'site'"):
        score(results, labels, tasks=[BINARY], options=ScoreOptions(slices=["site"]))
    assert score(results, labels, tasks=[BINARY]).join.duplicates == 1

"""From tables to a report: joins, tasks, masks, failed films, plugins, bars, the schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from xraybatch.core.errors import BarMissed, InputError, UsageError
from xraybatch.core.label_maps import parse_label_map
from xraybatch.core.tasks import Task, TaskKind, TaskRequest
from xraybatch.evaluation import ScoreOptions, score
from xraybatch.evaluation.bars import check_bars, named_estimates
from xraybatch.evaluation.columns import infer_tasks
from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.join import join
from xraybatch.evaluation.schema import report_schema
from xraybatch.extension.records import Metric, Undefined

ROOT = Path(__file__).resolve().parents[2]
BINARY = Task("label", TaskKind.BINARY, ("normal", "fractured"), "fractured")
THREE = Task("label", TaskKind.MULTICLASS, ("a", "b", "c"))


def table(**columns):
    return pd.DataFrame(columns, dtype=str)


def results_of(task, probabilities, paths=None, prefix=""):
    """Results of a single-label task as `predict` writes them."""
    probabilities = np.asarray(probabilities)
    n = len(probabilities)
    paths = paths or [f"f/{i:04}.png" for i in range(n)]
    answers = [task.classes[k] for k in probabilities.argmax(axis=1)]
    found = {"path": paths, "status": ["ok"] * n, task.name: answers}
    for k, name in enumerate(task.classes):
        found[f"{prefix}prob.{name}"] = [repr(float(p)) for p in probabilities[:, k]]
    return table(**found)


def random_tables(task, n=80, patients=30, seed=0):
    rng = np.random.default_rng(seed)
    size = len(task.classes)
    truth = rng.integers(0, size, n)
    logits = rng.normal(size=(n, size)) + 1.2 * (truth[:, None] == np.arange(size))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    results = results_of(task, probabilities)
    labels = table(
        path=results["path"],
        label=[task.classes[k] for k in truth],
        patient=[f"{p:03}" for p in rng.integers(0, patients, n)],
    )
    return results, labels, truth, probabilities


# ── the numbers reach the report ───────────────────────────────────────────────────────────────


def test_multiclass_report_holds_scikit_learns_numbers():
    results, labels, truth, prob = random_tables(THREE)
    report = score(results, labels, tasks=[THREE])
    task, guess = report.tasks[0], prob.argmax(axis=1)
    assert task.estimates["accuracy"].value == metrics.accuracy_score(truth, guess)
    theirs = metrics.roc_auc_score(truth, prob, multi_class="ovr")
    assert task.estimates["macro_auc"].value == pytest.approx(theirs, abs=1e-14)
    theirs = metrics.f1_score(truth, guess, average=None)
    assert [c.estimates["f1"].value for c in task.by_class] == pytest.approx(theirs)
    assert np.array(task.confusion.counts).tolist() == (
        metrics.confusion_matrix(truth, guess).tolist()
    )
    assert [c.support for c in task.by_class] == np.bincount(truth).tolist()
    assert (report.join.matched, report.join.patients) == (80, labels["patient"].nunique())
    assert report.settings.clustering == "clustered by patient"
    for estimate in named_estimates(report).values():
        assert estimate.value is not None
        assert estimate.low is None or estimate.low <= estimate.value <= estimate.high
    assert task.estimates["kappa"].low is not None


def test_binary_numbers_are_those_of_the_positive_class():
    results, labels, truth, prob = random_tables(BINARY)
    found = score(results, labels, tasks=[BINARY]).tasks[0].estimates
    guess = prob.argmax(axis=1)
    assert found["auc"].value == pytest.approx(metrics.roc_auc_score(truth, prob[:, 1]))
    assert found["sensitivity"].value == metrics.recall_score(truth, guess)
    assert found["specificity"].value == metrics.recall_score(truth, guess, pos_label=0)
    assert found["ppv"].value == metrics.precision_score(truth, guess)
    assert found["npv"].value == metrics.precision_score(truth, guess, pos_label=0)
    assert found["f1"].value == pytest.approx(metrics.f1_score(truth, guess))
    other = Task("label", TaskKind.BINARY, BINARY.classes, "normal")
    flipped = score(results, labels, tasks=[other]).tasks[0].estimates
    assert flipped["sensitivity"] == found["specificity"]
    assert flipped["auc"].value == pytest.approx(found["auc"].value, abs=1e-12)


def test_ordinal_has_quadratic_kappa():
    task = Task("label", TaskKind.ORDINAL, ("mild", "moderate", "severe"))
    results, labels, truth, prob = random_tables(task)
    found = score(results, labels, tasks=[task]).tasks[0].estimates["quadratic_kappa"]
    theirs = metrics.cohen_kappa_score(truth, prob.argmax(axis=1), weights="quadratic")
    assert found.value == pytest.approx(theirs)
    assert found.low < found.value < found.high


def test_the_answer_is_the_column_and_never_an_argmax():
    results = results_of(BINARY, [[0.6, 0.4], [0.9, 0.1]])
    results["label"] = ["fractured", "normal"]  # a threshold of 0.3
    labels = table(path=results["path"], label=["fractured", "normal"])
    assert score(results, labels, tasks=[BINARY]).tasks[0].estimates["accuracy"].value == 1.0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_the_rows_changes_nothing(seed):
    results, labels, _, _ = random_tables(THREE, n=25, patients=9, seed=seed)
    labels.loc[:4, "patient"] = ""
    options = ScoreOptions(resamples=100)
    first = score(results, labels, tasks=[THREE], options=options)
    other = score(
        results.sample(frac=1, random_state=seed),
        labels.sample(frac=1, random_state=seed + 1),
        tasks=[THREE],
        options=options,
    )
    assert first == other


def test_rows_written_twice_under_new_names_make_no_interval_narrower():
    results, labels, _, _ = random_tables(THREE, n=60, patients=60)
    labels["patient"] = [f"p{i}" for i in range(60)]
    copies = [results.assign(path=f"{i}/" + results["path"]) for i in range(4)]
    truths = [labels.assign(path=f"{i}/" + labels["path"]) for i in range(4)]
    clustered = score(pd.concat(copies), pd.concat(truths), tasks=[THREE]).tasks[0].estimates
    naive = (
        score(pd.concat(copies), pd.concat(truths).drop(columns="patient"), tasks=[THREE])
        .tasks[0]
        .estimates
    )
    for name in ("accuracy", "macro_auc", "macro_f1", "kappa"):
        assert clustered[name].value == pytest.approx(naive[name].value)
        width = clustered[name].high - clustered[name].low
        assert width > 1.6 * (naive[name].high - naive[name].low), name


def test_same_seed_same_report_and_other_seed_other_ends():
    results, labels, _, _ = random_tables(THREE)
    one, two = (score(results, labels, tasks=[THREE]) for _ in range(2))
    assert one == two
    other = score(results, labels, tasks=[THREE], options=ScoreOptions(seed=5))
    assert one.tasks[0].estimates["kappa"].low != other.tasks[0].estimates["kappa"].low
    assert one.tasks[0].estimates["accuracy"] == other.tasks[0].estimates["accuracy"]


def test_confidence_widens_every_interval():
    results, labels, _, _ = random_tables(THREE)
    at = {
        level: score(results, labels, tasks=[THREE], options=ScoreOptions(confidence=level))
        for level in (0.8, 0.99)
    }
    for name, narrow in named_estimates(at[0.8]).items():
        wide = named_estimates(at[0.99])[name]
        if narrow.low is not None:
            assert wide.low <= narrow.low, name
            assert narrow.high <= wide.high, name
            # what is a share of few films may stop at 0 or 1 on both levels
            assert wide.high - wide.low > narrow.high - narrow.low or narrow.low in (0, 1), name


# ── what is undefined, failed, or not labelled ─────────────────────────────────────────────────


def test_one_class_only_is_said_and_never_shown_as_zero():
    results = results_of(BINARY, [[0.9, 0.1]] * 6)
    labels = table(path=results["path"], label=["normal"] * 6)
    found = score(results, labels, tasks=[BINARY]).tasks[0].estimates
    for name in ("auc", "sensitivity", "ppv", "f1", "macro_recall", "kappa", "mcc"):
        assert found[name].value is None, name
        assert found[name].reason, name
    assert found["specificity"].value == 1.0
    assert "fractured" in found["balanced_accuracy"].caution


def test_failed_films_are_counted_left_out_and_then_counted_wrong():
    results, labels, truth, prob = random_tables(THREE)
    blank = ["status", "label", *[f"prob.{name}" for name in THREE.classes]]
    results.loc[:9, blank] = ["corrupt", "", "", "", ""]
    results.loc[10, blank] = ["timeout", "", "", "", ""]
    report = score(results, labels, tasks=[THREE])
    assert report.join.failed == {"corrupt": 10, "timeout": 1}
    assert (report.join.coverage.value, report.join.coverage.n) == (69 / 80, 80)
    task = report.tasks[0]
    assert (task.films, task.failed) == (69, 11)
    right = int((truth == prob.argmax(axis=1))[11:].sum())
    assert task.estimates["accuracy"].value == right / 69
    assert task.estimates["accuracy_if_failed_wrong"].value == right / 80
    whole = score(results_of(THREE, prob), labels, tasks=[THREE])
    assert "accuracy_if_failed_wrong" not in whole.tasks[0].estimates


def test_every_film_failed():
    results, labels, _, _ = random_tables(THREE, n=5)
    results["status"] = "corrupt"
    results[["label", "prob.a", "prob.b", "prob.c"]] = ""
    found = score(results, labels, tasks=[THREE]).tasks[0].estimates
    assert {e.value for name, e in found.items() if "_if_failed_" not in name} == {None}
    assert found["accuracy_if_failed_wrong"].value == 0.0  # five films, all wrong: a true zero


def test_empty_labels_are_masked():
    results, labels, _, _ = random_tables(THREE)
    labels.loc[:19, "label"] = ""
    task = score(results, labels, tasks=[THREE]).tasks[0]
    assert (task.films, task.unlabelled) == (60, 20)


def test_one_patient_has_values_without_intervals():
    results, labels, _, _ = random_tables(THREE)
    labels["patient"] = "007"
    found = score(results, labels, tasks=[THREE]).tasks[0].estimates
    assert all(e.value is not None and e.low is None and e.interval_reason for e in found.values())


# ── several tasks, findings, plugins ───────────────────────────────────────────────────────────


def test_several_tasks_have_their_own_columns_and_masks():
    view = Task("view", TaskKind.BINARY, ("ap", "lateral"), "ap")
    left, labels, _, _ = random_tables(THREE)
    left.columns = [c.replace("prob.", "label.prob.") for c in left.columns]
    right = results_of(view, np.random.default_rng(1).dirichlet([1, 1], 80), prefix="view.")
    results = left.join(right.drop(columns=["path", "status"]))
    labels["view"] = ["ap"] * 30 + ["lateral"] * 30 + [""] * 20
    report = score(results, labels, tasks=[THREE, view])
    assert [t.films for t in report.tasks] == [80, 60]
    assert "view.auc" in named_estimates(report)
    assert "auc" not in named_estimates(report)
    inferred = infer_tasks(list(results.columns), positive="ap")
    assert [(t.name, t.kind, t.classes) for t in inferred] == [
        ("label", "multiclass", ("a", "b", "c")),
        ("view", "binary", ("ap", "lateral")),
    ]


def test_multilabel_findings_are_binary_tasks_with_masks():
    rng = np.random.default_rng(5)
    task = Task("label", TaskKind.MULTILABEL, ("Effusion", "Mass"))
    truth = rng.integers(0, 2, (90, 2))
    prob = np.clip(0.3 * truth + rng.random((90, 2)) * 0.7, 0, 1)
    results = table(path=[f"{i}" for i in range(90)], status=["ok"] * 90, label=[""] * 90)
    labels = table(path=results["path"], patient=[str(i // 3) for i in range(90)])
    for k, name in enumerate(task.classes):
        results[f"prob.{name}"] = [repr(float(p)) for p in prob[:, k]]
        results[f"pred.{name}"] = [str(int(p > 0.5)) for p in prob[:, k]]
        labels[name] = [str(t) for t in truth[:, k]]
    labels.loc[:29, "Mass"] = ""
    report = score(results, labels, tasks=[task])
    mass = report.tasks[0].findings[1]
    assert (mass.task, mass.films, mass.unlabelled) == ("Mass", 60, 30)
    theirs = metrics.roc_auc_score(truth[30:, 1], prob[30:, 1])
    assert mass.estimates["auc"].value == pytest.approx(theirs)
    overall = report.tasks[0].estimates
    sensitivities = [f.estimates["sensitivity"].value for f in report.tasks[0].findings]
    assert overall["macro_sensitivity"].value == pytest.approx(np.mean(sensitivities))
    assert overall["macro_sensitivity"].low is not None
    aucs = [f.estimates["auc"].value for f in report.tasks[0].findings]
    assert overall["macro_auc"].value == pytest.approx(np.mean(aucs))
    assert named_estimates(report)["sensitivity.Mass"] == mass.estimates["sensitivity"]
    assert infer_tasks(list(results.columns)) == (task,)
    labels["Mass"] = ["0"] * 90
    none = score(results, labels, tasks=[task]).tasks[0]
    assert "Mass" in none.estimates["macro_sensitivity"].reason
    assert none.findings[1].estimates["auc"].reason == "no film is of 'Mass'"


def _metric(compute, needs="labels"):
    return Metric("mine", "A stranger's.", needs, (TaskKind.MULTICLASS,), True, compute)


def test_a_plugin_metric_takes_part_with_an_interval():
    results, labels, truth, prob = random_tables(THREE)

    def weighted_accuracy(y_true, y_pred, weights):
        return float(np.average(y_true == y_pred, weights=weights))

    options = ScoreOptions(metrics=[_metric(weighted_accuracy)])
    found = score(results, labels, tasks=[THREE], options=options).tasks[0].estimates["mine"]
    assert found.value == pytest.approx(metrics.accuracy_score(truth, prob.argmax(axis=1)))
    assert found.low < found.value < found.high
    check_bars(score(results, labels, tasks=[THREE], options=options), ["mine=0.1"])


def test_a_broken_plugin_metric_is_undefined_and_not_the_end():
    results, labels, _, _ = random_tables(THREE)

    def broken(y_true, y_prob, weights):
        raise RuntimeError("no  such\nthing")

    for compute, words in (
        (broken, "RuntimeError: no such thing"),
        (lambda *_: float("nan"), "returned nan"),
        (lambda *_: Undefined("too few"), "too few"),
        (lambda *_: "text", "ValueError"),
    ):
        options = ScoreOptions(metrics=[_metric(compute, "probabilities")])
        found = score(results, labels, tasks=[THREE], options=options).tasks[0]
        assert words in found.estimates["mine"].reason
        assert found.estimates["accuracy"].value is not None


def test_a_plugin_metric_never_takes_the_place_of_ours():
    results, labels, _, _ = random_tables(THREE)
    metric = Metric("kappa", "", "labels", (TaskKind.MULTICLASS,), True, lambda *_: 7.0)
    options = ScoreOptions(metrics=[metric])
    found = score(results, labels, tasks=[THREE], options=options).tasks[0].estimates
    assert found["kappa"].value < 1
    assert found["plugin.kappa"].value == 7.0


# ── joins ──────────────────────────────────────────────────────────────────────────────────────


def films(*paths, **columns):
    return table(path=list(paths), status=["ok"] * len(paths), **columns)


def test_text_stays_text_and_a_leading_dot_is_ignored():
    results = films("007.png", "./=1.png")
    labels = table(path=["7.png", "./007.png", "=1.png"], label=["a", "b", "c"])
    joined, told = join(results, labels, ["label"])
    assert joined.labels["label"].tolist() == ["b", "c"]
    assert (told.matched, told.only_in_labels, told.only_in_results) == (2, 1, 0)
    assert joined.only_in_labels == (2,)
    assert told.sentences == ("No patients are known: films are treated as independent.",)


@pytest.mark.parametrize(
    ("results", "labels", "words"),
    [
        (["a/1.png", "a/2.png"], ["1.png", "2.png"], "without the first folder of the results'"),
        (["p/1.png", "q/1.png"], ["x/p/1.png", "x/q/1.png"], "first folder of the labels'"),
        (["p/1.png", "q/1.png"], ["x/y/p/1.png", "x/y/q/1.png"], "first 2 folders of the labels'"),
        (["a/b.x.png", "c/d.png"], ["b.x.png", "d.png"], "folder of the results'"),
        (["1.2.840.17"], ["x/y/1.2.840.17"], "folders of the labels'"),
        (["N18.JPG", "n19.jpg"], ["n18", "N19"], "suffix, upper and lower case alike"),
        (["a/b.x.png", "c/d.png"], ["b.x", "d"], "without the results' suffix"),
        (["a/IM1", "a/IM2"], ["IM1.dcm", "IM2.dcm"], "without the labels' suffix"),
        (["a/1.png"], ["1.dcm"], "without suffix"),
        (["a/1.png"], ["a\\1.png"], "backslashes"),
        (["é.png"], ["e\u0301.png"], "accents"),
    ],
)
def test_a_fallback_is_tried_when_nothing_matches_and_is_told(results, labels, words):
    _, told = join(films(*results), table(path=labels, label=["a"] * len(labels)), ["label"])
    assert told.matched == len(results)
    assert words in told.matched_by
    assert told.matched_by in told.sentences[0]


def test_no_fallback_when_one_path_matches():
    _, told = join(
        films("a/1.png", "a/2.png"), table(path=["a/1.png", "2.png"], label=["a", "b"]), ["label"]
    )
    assert (told.matched, told.matched_by) == (1, "path")


def test_ambiguous_names_are_refused_with_an_example_of_each_side():
    with pytest.raises(InputError) as caught:
        join(films("p/1.png", "q/1.png"), table(path=["r/1.png"], label=["a"]), ["label"])
    assert "'p/1.png'" in caught.value.message
    assert "'r/1.png'" in caught.value.message
    assert "'1.png' would stand for several films" in caught.value.message


def test_folders_that_contradict_each_other_and_parts_of_a_uid_are_no_match():
    with pytest.raises(InputError, match=r"By file name, 'PatA/1.dcm' would be 'PatB/1.dcm'"):
        join(films("PatA/1.dcm"), table(path=["PatB/1.dcm"], label=["a"]), ["label"])
    with pytest.raises(InputError, match="No film is in both"):
        join(films("1.2.840.99.17"), table(path=["1.2.840.99.18"], label=["a"]), ["label"])


def test_what_would_match_more_is_told():
    stems = [f"f{i}" for i in range(10)]
    results = films(*(f"w/{name}.png" for name in stems))
    labels = table(path=["w/f0.png", *stems[1:]], label=["a"] * 10)
    _, told = join(results, labels, ["label"])
    assert told.matched == 1
    assert "By file name, without the results' suffix 9 would match" in " ".join(told.sentences)


def test_no_film_in_common():
    with pytest.raises(InputError, match=r"No film is in both.*'a\.png'.*'b\.png'"):
        join(films("a.png"), table(path=["b.png"], label=["a"]), ["label"])
    with pytest.raises(InputError, match="The results have no rows"):
        join(films(), table(path=["b.png"], label=["a"]), ["label"])


def test_columns_that_are_hardly_patients_are_told():
    paths = [f"{i}.png" for i in range(120)]
    labels = table(path=paths, label=["x", "y"] * 60, site=["a", "b"] * 60)
    _, told = join(films(*paths), labels, ["label"], patient_column="site")
    assert any("2 patients for 120 films: does 'site' say" in s for s in told.sentences)
    labels["site"] = [str(i // 40) for i in range(120)]
    _, told = join(films(*paths), labels, ["label"], patient_column="site")
    assert not told.sentences
    with pytest.raises(UsageError, match="--patient-column label is the column of the truth"):
        join(films(*paths), labels, ["label"], patient_column="label")
    with pytest.raises(InputError, match="The labels have no rows"):
        join(films(*paths), labels[:0], ["label"])


def test_a_column_of_something_else_is_not_explained_value_by_value():
    results = results_of(THREE, [[0.5, 0.25, 0.25]] * 30)
    labels = table(path=list(results["path"]), label=[f"{'long/' * 20}{i}" for i in range(30)])
    with pytest.raises(InputError, match="30 different values that are no class") as caught:
        score(results, labels, tasks=[THREE])
    assert "--label-column" in caught.value.hint
    assert len(caught.value.message) < 200


def test_duplicates_of_one_mind_are_kept_once_and_others_refused():
    results = films("a.png", "b.png")
    labels = table(path=["a.png", "./a.png", "b.png"], label=["x", "x", "y"], note=["1", "2", "3"])
    _, told = join(results, labels, ["label"])
    assert (told.matched, told.duplicates, told.labels_films) == (2, 1, 2)
    labels["label"] = ["x", "z", "y"]
    with pytest.raises(InputError, match=r"'a\.png' stands twice.*'x' and 'z'"):
        join(results, labels, ["label"])
    labels = labels.assign(label="x", patient=["1", "2", "3"])
    with pytest.raises(InputError, match="'patient'"):
        join(results, labels, ["label"])
    with pytest.raises(InputError, match=r"'a\.png' stands 2 times in the results"):
        join(films("a.png", "./a.png"), labels, ["label"])


def test_frames_join_by_path_or_by_path_and_frame():
    results = films("a.dcm", "a.dcm", "b.png", frame=["10", "2", ""])
    by_path, _ = join(results, table(path=["a.dcm", "b.png"], label=["x", "y"]), ["label"])
    assert by_path.results["frame"].tolist() == ["2", "10", ""]
    assert by_path.labels["label"].tolist() == ["x", "x", "y"]
    labels = table(path=["a.dcm", "a.dcm"], frame=["2", "10"], label=["x", "z"])
    by_frame, told = join(results, labels, ["label"])
    assert by_frame.labels["label"].tolist() == ["x", "z"]
    assert told.only_in_results == 1


def test_patients_are_found_and_missing_ones_are_alone():
    results = films("a", "b", "c", "d", patient=["9", "9", "9", "9"])
    labels = table(path=["a", "b", "c", "d"], label=["x"] * 4, patient=["7", "007", "", ""])
    joined, told = join(results, labels, ["label"])
    assert len(set(joined.patients.tolist())) == 4
    assert told.patients == 4
    assert "2" in told.sentences[0]
    joined, told = join(results, labels.drop(columns="patient"), ["label"])
    assert told.patients == 1
    named, _ = join(results, labels.assign(mrn="1"), ["label"], patient_column="mrn")
    assert set(named.patients.tolist()) == {0}


def test_names_of_patients_are_compared_without_blanks_and_in_one_spelling():
    results = films("a", "b", "c", "d")
    patient = ["é", "e\u0301 ", " ", ""]
    labels = table(path=["a", "b", "c", "d"], label=["x"] * 4, patient=patient)
    joined, told = join(results, labels, ["label"])
    assert joined.patients.tolist() == [0, 0, 1, 2]
    twice = pd.concat([labels, labels.assign(patient=["é", "é", "", ""])], ignore_index=True)
    assert join(results, twice, ["label"])[1].duplicates == 4
    _, told = join(results, labels.assign(patient=" "), ["label"])
    assert told.patients is None


def test_a_column_of_truth_is_not_taken_for_the_patients():
    labels = table(path=["a", "b"], patient=["x", "x"])
    _, told = join(films("a", "b"), labels, ["patient"])
    assert told.patients is None


def test_accents_find_each_other_beside_paths_that_match():
    results = films("a.png", "b.png", "é.png", "w/u.png", "i\u0301.png", "í.png")
    paths = ["a.png", "b.png", "e\u0301.png", "w\\u.png", "í.png"]
    labels = table(path=paths, label=list("abcde"))
    joined, told = join(results, labels, ["label"])
    pairs = dict(zip(joined.results["path"], joined.labels["label"], strict=True))
    assert pairs == {"a.png": "a", "b.png": "b", "é.png": "c", "w/u.png": "d", "í.png": "e"}
    assert told.matched_by == "path"
    assert told.sentences[0].startswith("Matched in spite of backslashes or accents")
    assert told.sentences[0].endswith(": 2 films.")


def test_spellings_that_would_stand_for_several_films_match_none_and_it_is_said():
    results = films("a.png", "w/\N{LATIN SMALL LETTER E WITH ACUTE}.png")
    paths = ["a.png", "w/e\u0301.png", "w\\e\u0301.png"]
    _, told = join(results, table(path=paths, label=["a", "b", "c"]), ["label"])
    assert told.matched == 1
    assert told.sentences[0].startswith("Not matched, because but for backslashes or accents")
    assert told.sentences[0].endswith(": 1 film.")


def test_tables_in_the_wrong_order_and_missing_columns():
    results, labels = films("a", **{"prob.x": ["1"]}), table(path=["a"], label=["x"])
    with pytest.raises(InputError, match="wrong order"):
        join(labels, results, ["label"])
    with pytest.raises(InputError, match="no column 'status'"):
        join(labels, labels, ["label"])
    with pytest.raises(InputError, match="no column 'file'") as caught:
        join(results, labels, ["label"], path_column="file")
    assert "--path-column" in caught.value.hint
    with pytest.raises(InputError, match="no column 'mrn'"):
        join(results, labels, ["label"], patient_column="mrn")
    _, told = join(results, table(path=["a", "", ""], label=["x", "y", "z"]), ["label"])
    assert told.matched == 1
    assert "without a path" in told.sentences[0]


# ── tasks and cells ────────────────────────────────────────────────────────────────────────────


def test_unknown_labels_name_both_sides():
    results, labels, _, _ = random_tables(BINARY)
    labels["label"] = ["0", "1"] * 40
    with pytest.raises(InputError, match=r"'0', '1'.*normal, fractured") as caught:
        score(results, labels, tasks=[BINARY])
    assert "--label-map" in caught.value.hint
    options = ScoreOptions(label_map=parse_label_map("0=normal, 1=fractured"))
    assert score(results, labels, tasks=[BINARY], options=options).tasks[0].films == 80
    options = ScoreOptions(label_map=parse_label_map("0=normal,1="))
    assert score(results, labels, tasks=[BINARY], options=options).tasks[0].unlabelled == 40
    with pytest.raises(UsageError, match="'norml' is no class") as caught:
        score(results, labels, tasks=[BINARY], options=ScoreOptions(label_map={"0": "norml"}))
    assert "'normal'" in caught.value.hint


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("prob.a", "1.5", "not all between 0 and 1"),
        ("prob.a", "", "not all numbers"),
        ("prob.a", "nan", "not all numbers"),
        ("prob.a", "1,5", "not all numbers"),
        ("prob.a", "0", "do not sum to 1"),
        ("label", "d", "none of: a, b, c"),
        ("label", "", "none of: a, b, c"),
    ],
)
def test_answers_that_are_none_name_the_film(column, value, words):
    results = results_of(THREE, [[0.5, 0.25, 0.25]] * 4)
    results.loc[2, column] = value
    labels = table(path=results["path"], label=["a"] * 4)
    with pytest.raises(InputError, match=words) as caught:
        score(results, labels, tasks=[THREE])
    assert "'f/0002.png'" in caught.value.message


def test_results_without_probabilities_have_no_auc():
    results, labels, _, _ = random_tables(THREE)
    task = score(results[["path", "status", "label"]], labels, tasks=[THREE]).tasks[0]
    assert task.estimates["macro_auc"].reason == "the results have no probabilities"
    assert task.estimates["accuracy"].value is not None
    with pytest.raises(InputError, match=r"no column 'prob\.b'"):
        score(results.drop(columns="prob.b"), labels, tasks=[THREE])
    with pytest.raises(InputError, match="no column 'label'"):
        score(results.drop(columns="label"), labels, tasks=[THREE])


def test_tasks_are_inferred_from_columns_or_asked_for():
    columns = ["path", "status", "grade", "prob.normal", "prob.fractured", "error"]
    with pytest.raises(UsageError) as caught:
        infer_tasks(columns)
    assert "--positive" in caught.value.hint
    assert infer_tasks(columns, positive="normal")[0].positive == "normal"
    with pytest.raises(UsageError, match="has the class 'fracture'") as caught:
        infer_tasks([*columns, "prob.other"], positive="fracture")
    request = [TaskRequest("grade", TaskKind.ORDINAL)]
    assert infer_tasks(columns, request)[0].classes == ("normal", "fractured")
    with pytest.raises(UsageError, match="no task 'grad'") as caught:
        infer_tasks(columns, [TaskRequest("grad")])
    assert "'grade'" in caught.value.hint
    with pytest.raises(InputError, match="tasks are not known"):
        infer_tasks(["path", "status", "label"])


def test_the_column_of_the_truth():
    task = Task("grade", TaskKind.MULTICLASS, ("a", "b", "c"))
    results, labels, _, _ = random_tables(task)
    assert score(results, labels, tasks=[task]).tasks[0].label_column == "label"
    labels = labels.rename(columns={"label": "truth"})
    with pytest.raises(InputError, match="no column 'grade'"):
        score(results, labels, tasks=[task])
    options = ScoreOptions(label_column="truth")
    assert score(results, labels, tasks=[task], options=options).tasks[0].films == 80


@pytest.mark.parametrize("wrong", [{"confidence": 95}, {"resamples": 3}, {"seed": -1}])
def test_options_that_make_no_interval(wrong):
    with pytest.raises(UsageError):
        ScoreOptions(**wrong)


# ── bars and schema ────────────────────────────────────────────────────────────────────────────


def test_bars():
    results, labels, _, _ = random_tables(THREE)
    report = score(results, labels, tasks=[THREE])
    value = report.tasks[0].estimates["accuracy"].value
    check_bars(report, [f"accuracy={value!r}", "recall.a=0", "label.macro_f1=0.1", "coverage=1"])
    with pytest.raises(BarMissed, match=r"accuracy is .*its bar is 0\.99.*kappa is") as caught:
        check_bars(report, ["accuracy=0.99", "recall.a=0", "kappa=0.99"])
    assert caught.value.exit_code == 4
    with pytest.raises(UsageError, match="'acuracy'") as caught:
        check_bars(report, ["acuracy=0.9"])
    assert "'accuracy'" in caught.value.hint
    for text in ("accuracy", "=0.9", "accuracy=high", "accuracy=nan"):
        with pytest.raises(UsageError, match="NAME=VALUE"):
            check_bars(report, [text])


def test_a_bar_may_be_for_the_lower_end():
    results, labels, _, _ = random_tables(THREE)
    report = score(results, labels, tasks=[THREE])
    accuracy = report.tasks[0].estimates["accuracy"]
    between = (accuracy.low + accuracy.value) / 2
    check_bars(report, [f"accuracy={between}", f"accuracy:low={accuracy.low}"])
    with pytest.raises(BarMissed, match=r"the lower end of accuracy is 0\.\d+, its bar is"):
        check_bars(report, [f"accuracy:low={between}"])
    with pytest.raises(BarMissed, match="ece has no lower end"):
        check_bars(report, ["ece:low=0"])
    with pytest.raises(UsageError, match="no number 'acuracy'"):
        check_bars(report, ["acuracy:low=0"])


def test_an_undefined_number_misses_its_bar_and_a_near_one_shows_that_it_is_below():
    results = results_of(BINARY, [[0.9, 0.1]] * 6)
    labels = table(path=results["path"], label=["normal"] * 6)
    report = score(results, labels, tasks=[BINARY])
    with pytest.raises(BarMissed, match="auc is undefined"):
        check_bars(report, ["auc=0"])
    with pytest.raises(BarMissed, match=r"specificity is 1\.000, its bar is 1\.1"):
        check_bars(report, ["specificity=1.1"])


def test_the_schema_is_published_and_holds(tmp_path):
    published = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    # after a change of the dataclasses: json.dumps(report_schema(), indent=2) into that file
    assert published == report_schema()
    results, labels, _, _ = random_tables(THREE)
    labels.loc[:40, "label"] = ""
    plain = score(results, labels, tasks=[THREE]).to_dict()
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.validate(plain, published)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    del plain["tasks"][0]["films"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain, published)


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": None, "interval_reason": "x"},
        {"value": 0.5},
        {"value": float("nan"), "interval_reason": "x"},
        {"value": 0.5, "low": 0.1, "interval_reason": "x"},
    ],
)
def test_an_estimate_cannot_be_half_said(wrong):
    with pytest.raises(ValueError, match=r"estimate|interval"):
        Estimate(**wrong)

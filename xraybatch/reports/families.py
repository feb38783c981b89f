"""The numbers of a task in families: in which order they are read, and which a terminal shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isclose
from typing import NamedTuple

from xraybatch.evaluation.estimate import Estimate
from xraybatch.evaluation.report import TaskReport

_LEVELS = [f"{a}_at_{b}_{level}" for a, b in (("sensitivity", "specificity"),
           ("specificity", "sensitivity")) for level in (90, 95)]  # fmt: skip
_AVERAGES = [f"{over}_{of}" for of in ("recall", "sensitivity", "specificity", "precision", "ppv",
             "f1") for over in ("macro", "weighted", "micro")]  # fmt: skip
_FAILED = [f"{of}_if_failed_{as_}" for of in ("accuracy", "sensitivity", "specificity")
           for as_ in ("wrong", "right")]  # fmt: skip
PROBABILITIES = "Probabilities"
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "Ranking by probability": (
        "auc", "macro_auc", "ovo_auc", "average_precision", "macro_average_precision", *_LEVELS,
        "youden_j",
    ),
    "Answers": (
        "sensitivity", "specificity", "ppv", "npv", "ppv_at_prevalence", "npv_at_prevalence", "f1",
        "lr_positive", "lr_negative", "accuracy", "exact_match", "top_2_accuracy",
        "top_3_accuracy", *_FAILED, "balanced_accuracy",
    ),
    "Averages over classes": tuple(_AVERAGES),
    "Agreement with the truth": (
        "kappa", "quadratic_kappa", "linear_kappa", "mcc", "mean_grade_error", "off_by_one",
        "within_one_grade",
    ),
    PROBABILITIES: (
        "brier", "brier_multiclass", "brier_skill", "log_loss", "calibration_slope",
        "calibration_intercept", "observed_expected", "ece", "ece_equal_mass",
        "ece_squared_debiased", "mce",
    ),
}  # fmt: skip
FURTHER = "Of plugins"
_SAME_AS = {"weighted_recall": "accuracy", "macro_recall": "balanced_accuracy"}
_OF_CLASSES = ("prevalence", "precision", "recall")  # beside those that tasks have too
# said by another number, or of interest to few: the files have them
NOT_ON_TERMINALS = frozenset(
    {"weighted_recall", "weighted_precision", "youden_j", "observed_expected",
     "ece_equal_mass", "ece_squared_debiased", "mce", "linear_kappa", "off_by_one",
     "sensitivity_at_specificity_95", "specificity_at_sensitivity_90", "micro_sensitivity",
     "micro_ppv", "top_3_accuracy"}
    | set(_FAILED) - {"accuracy_if_failed_wrong", "accuracy_if_failed_right"}
)  # fmt: skip


class Family(NamedTuple):
    """Numbers that are read together: a title, and each by name."""

    title: str
    estimates: Mapping[str, Estimate]


def families(task: TaskReport, *, terminal: bool = False) -> list[Family]:
    """The numbers of a task in families, those of plugins last; empty families are left out.

    Parameters
    ----------
    task : TaskReport
    terminal : bool
        Whether what would crowd a terminal is left out.
    """
    shown = {
        name: estimate
        for name, estimate in task.estimates.items()
        if not (is_said_twice(name, task) or (terminal and _is_left_out(name, task)))
    }
    found = [
        Family(title, {name: shown[name] for name in names if name in shown})
        for title, names in FAMILIES.items()
    ]
    known = {name for names in FAMILIES.values() for name in names}
    found.append(Family(FURTHER, {n: e for n, e in shown.items() if n not in known}))
    return [family for family in found if family.estimates]


def all_numbers(metrics: Iterable[str]) -> frozenset[str]:
    """Names of every number that a report may have of a task, a class or a finding.

    Parameters
    ----------
    metrics : iterable of str
        Names of the metrics of plugins.
    """
    of_plugins = {name for metric in metrics for name in (metric, f"plugin.{metric}")}
    ours = {name for names in FAMILIES.values() for name in names}
    return frozenset(ours | set(_OF_CLASSES) | of_plugins)


def left_out(task: TaskReport) -> int:
    """How many numbers a terminal does not show."""
    return sum(
        _is_left_out(name, task) and not is_said_twice(name, task) for name in task.estimates
    )


def is_said_twice(name: str, task: TaskReport) -> bool:
    """Whether a number is another one by definition, which is shown; JSON alone has both."""
    mine, same = task.estimates.get(name), task.estimates.get(_SAME_AS.get(name, ""))
    if mine is None or same is None or mine.value is None or same.value is None:
        return False
    return isclose(mine.value, same.value, abs_tol=1e-12)


def _is_left_out(name: str, task: TaskReport) -> bool:
    # of two classes, averages say less than the classes themselves
    return name in NOT_ON_TERMINALS or (task.positive is not None and name in _AVERAGES)

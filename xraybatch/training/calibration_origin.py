"""Where the fitted parts of a card come from, in words and as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xraybatch.core.counting import counted
from xraybatch.evaluation.answers import Answers
from xraybatch.evaluation.calibration_report import TaskCalibration
from xraybatch.evaluation.joined import Joined
from xraybatch.evaluation.thresholds import NUMBER, ThresholdRule
from xraybatch.models.card import TaskCard
from xraybatch.reports.given import Given

BEFORE = "before calibration"


def source(
    results: Given, labels: Given, films: Answers, joined: Joined, seen: int
) -> dict[str, Any]:
    """Where a part of a card comes from; names without folders, and no path of a film."""
    return {
        "table": results.name,
        "sha256": results.digest,
        "labels": labels.name,
        "labels_sha256": labels.digest,
        "films": len(films.y_true),
        "patients": len(set(films.patients.tolist())) if joined.patients_known else None,
        "seen_in_training": seen,
        "seal": results.record["model"]["seal"],
    }


def with_origin(
    fitted: TaskCard,
    rule: ThresholdRule | None,
    report: TaskCalibration,
    joined: Joined,
    source: Mapping[str, Any],
) -> TaskCard:
    """What was fitted, with where it comes from."""
    if fitted.calibration is not None:
        fitted = replace(fitted, calibration={**fitted.calibration, "fitted_on": dict(source)})
    if fitted.conformal is not None:
        trust = [
            {
                "of_class": level.of_class,
                "films": level.films,
                "patients": level.patients,
                "spread": [level.spread_low, level.spread_high],
            }
            for level in report.levels
        ]
        fitted = replace(
            fitted, conformal={**fitted.conformal, "trust": trust, "fitted_on": dict(source)}
        )
    if rule is not None:
        fitted = replace(fitted, threshold_origin=_origin(rule, source, report, joined))
    return fitted


def _origin(
    rule: ThresholdRule, source: Mapping[str, Any], report: TaskCalibration, joined: Joined
) -> str:
    """``sensitivity>=0.95 on val.csv (sha256 0a1b2c3d4e5f), 312 films of 150 patients``."""
    if rule.kind == NUMBER:
        return f"{rule.text}, as given"
    digest = f" (sha256 {source['sha256'][:12]})" if source["sha256"] else ""
    patients = f" of {counted(report.patients, 'patient')}" if joined.patients_known else ""
    return f"{rule.text} on {source['table']}{digest}, {counted(report.films, 'film')}{patients}"


def dropped(before: TaskCard, after: TaskCard) -> list[str]:
    """A sentence on what an earlier `calibrate` had set and this one does not; else none."""
    lost = [
        word
        for word, old, new in (
            ("calibration", before.calibration, after.calibration),
            ("thresholds", before.thresholds, after.thresholds),
            ("conformal levels", before.conformal, after.conformal),
        )
        if old is not None and new is None
    ]
    if not lost:
        return []
    return [f"Task '{before.task.name}' lost what it had and was not asked for: {', '.join(lost)}."]


def scores_before(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Scores were made before; where the card names their films, it says so."""
    found = dict(scores)
    if found and BEFORE not in str(found.get("part", "")):
        found["part"] = "; ".join(filter(None, [str(found.get("part", "")), BEFORE]))
    return found

"""A methods paragraph to paste, its references, and the checklist items that a report answers.

Item numbers: CLAIM 2024 (Tejani et al., Radiol Artif Intell 6:e240300), STARD-AI 2025
(doi 10.1038/s41591-025-03953-8), TRIPOD+AI 2024 (Collins et al., BMJ, doi 10.1136/bmj-2023-078378).
"""

from __future__ import annotations

from collections.abc import Iterator

from xraybatch.core.counting import films, verb
from xraybatch.evaluation.report import AnswerFacts, Report, TaskReport
from xraybatch.evaluation.studies import FILM
from xraybatch.reports import words
from xraybatch.reports.model_words import thresholds

GUIDELINES = "CLAIM 2024; STARD-AI 2025; TRIPOD+AI 2024"
_OBUCHOWSKI = "Obuchowski NA. Biometrics 1997;53:567-578 (AUC of clustered films)."
_WILSON = (
    "Wilson EB. J Am Stat Assoc 1927;22:209-212; Rao JNK, Scott AJ. Biometrics 1992;48:577-585 "
    "(design effect)."
)
_BCA = "Efron B. J Am Stat Assoc 1987;82:171-185 (BCa intervals)."
_VICKERS = (
    "Vickers AJ, Elkin EB. Med Decis Making 2006;26:565-574 (net benefit; curves in the HTML "
    "report)."
)
_HOLM = "Holm S. Scand J Stat 1979;6:65-70."
_HAND = "Hand DJ, Till RJ. Mach Learn 2001;45:171-186 (one-against-one AUC)."


def methods_paragraph(report: Report) -> str:
    """What was done, in full sentences; nothing in it that was not done."""
    return " ".join(filter(None, _sentences(report)))


def references(report: Report) -> list[str]:
    """What the paragraph rests on."""
    found = []
    if _made_by(report, "Obuchowski"):
        found.append(_OBUCHOWSKI)
    if any("ovo_auc" in task.estimates for task in report.tasks):
        found.append(_HAND)
    if _made_by(report, "Wilson"):
        found.append(_WILSON)
    if _made_by(report, "BCa"):
        found.append(_BCA)
    if any(task.decision for task in _leaves(report)):
        found.append(_VICKERS)
    if any(task.slices for task in report.tasks):
        found.append(_HOLM)
    return found


def checklist(report: Report) -> list[tuple[str, str, str]]:
    """Items that the report answers: what, which of the guidelines, and where it stands."""
    patients = report.join.patients is not None
    model = report.model
    rows = [
        ("flow of films and patients", "CLAIM 35; STARD-AI 24; TRIPOD+AI 20a", "Films"),
        ("unreadable, missing, unlabelled", "CLAIM 12; STARD-AI 19, 20; TRIPOD+AI 11", "Films"),
        (
            "measures, uncertainty",
            "CLAIM 29, 38; STARD-AI 18, 31; TRIPOD+AI 23a",
            "tables",
        ),
    ]
    if patients:
        rows.append(("unit of analysis: clustered by patient", "CLAIM 29; STARD-AI 18", "Methods"))
    if any(task.confusion or task.findings for task in report.tasks):
        rows.append(("cross tabulation", "CLAIM 39; STARD-AI 30", "confusion matrix"))
    if any(task.reliability for task in _leaves(report)):
        rows.append(
            ("discrimination, calibration, utility", "TRIPOD+AI 12e", "tables, HTML report")
        )
    if model and model.split:
        rows.append(("how films were split, disjointness", "CLAIM 20", "Films"))
    if (model and any(one.origin for one in model.answers)) or _points(report):
        rows.append(("origin of thresholds", "STARD-AI 15c; TRIPOD+AI 15", "Methods"))
    if any(task.slices for task in report.tasks):
        rows.append(("subgroups", "CLAIM 37; STARD-AI 21, 23; TRIPOD+AI 14, 23a", "slices"))
    if any(task.readers for task in report.tasks):
        rows.append(("variability of readers", "CLAIM 18", "readers"))
    if any(task.positive for task in _leaves(report)):
        rows.append(("prevalence", "STARD-AI 26", "confusion matrix"))
    rows.append(("software and versions, seed", "CLAIM 23; TRIPOD+AI 12g", "How it was made"))
    return rows


LEFT_TO_YOU = (
    "For you to write: source and eligibility of patients, how the truth was established, how the "
    "number of patients was decided beforehand, registration, funding, limits."
)


def _sentences(report: Report) -> Iterator[str]:
    settings, model = report.settings, report.model
    if model is not None:
        seal = f" (seal {model.seal[:12]})" if model.seal else ""
        yield f"Answers of the model {model.name or 'at hand'}{seal} were compared with the labels."
    else:
        yield "Answers were compared with the labels."
    if model is not None and model.folds:
        yield (
            f"It was trained {model.folds} times in a cross-validation, and every film answered by "
            "the model whose training left it out; intervals do not say how other trainings "
            "would differ."
        )
    for task in report.tasks:
        several = f"Task {task.task}: " if len(report.tasks) > 1 else ""
        yield f"{several}{words.task_films(task, report)}"
        for answers in model.answers if model else ():
            if answers.task == task.task:
                yield from _answered(answers)
    if settings.unit != FILM:
        yield next((s for s in report.join.sentences if "put together" in s), "")
    if report.join.only_in_labels:
        count = report.join.only_in_labels
        yield f"{films(count)} of the labels {verb('was', count)} not in the results and left out."
    if report.join.only_in_results:
        count = report.join.only_in_results
        yield (
            f"{films(count)} of the results had no row of labels and {verb('was', count)} left out."
        )
    if sum(report.join.failed.values()):
        yield settings.failed_films
    yield from intervals(report)
    for task in report.tasks:
        for point in task.operating_points:
            yield f"Threshold by the rule {point.rule}: {point.origin}."
    if settings.prevalence is not None:
        yield (
            f"Predictive values were also computed for a prevalence of {settings.prevalence:g}, by "
            "Bayes' rule."
        )
    if any(task.slices for task in report.tasks):
        yield (
            "Each slice was compared with all other films by the square-and-add interval of the "
            "difference (Newcombe 1998), with Holm's correction within a column."
        )
    for task in report.tasks:
        if task.readers is not None:
            weights = " with quadratic weights" if task.readers.weights == "quadratic" else ""
            yield (
                "Agreement of truth, model and readers: Cohen's kappa of each pair"
                f"{weights}, not tested."
            )
        if task.without_seen:
            yield (
                f"On {films(task.seen)} of these the model had been trained; the main numbers were "
                "also computed without."
            )
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"Software: {versions}."


def _answered(found: AnswerFacts) -> Iterator[str]:
    """How probabilities became answers."""
    if found.calibration:
        yield f"Probabilities of {found.task} were calibrated by {found.calibration}."
    if found.thresholds:
        yield f"Threshold of {found.task}: {thresholds(found)}."
    if found.sets:
        yield f"Sets of classes of {found.task}: conformal, {found.sets}."


def intervals(report: Report) -> Iterator[str]:
    """How the intervals of a report were made: a sentence for each way that was taken."""
    settings = report.settings
    level = f"{100 * settings.confidence:g} %"
    if report.join.patients is None:
        yield f"Patients were not known: the {level} intervals treat films as independent."
    else:
        yield f"All {level} intervals take films of one patient as one cluster."
    if _made_by(report, "Obuchowski"):
        yield (
            "Areas under the ROC curve: Obuchowski's clustered variance on the logit scale with "
            "Student's quantile."
        )
    if _made_by(report, "Wilson"):
        yield (
            "Proportions: Wilson's interval with the number of films divided by the design effect, "
            "and Student's quantile where patients have several films."
        )
    if _made_by(report, "sandwich") or _made_by(report, "logistic"):
        yield "Calibration slope and intercept: logistic fits, errors clustered by patient."
    if _made_by(report, "bootstrap"):
        yield (
            f"All other measures: bootstrap of whole patients, {settings.resamples:,} resamples, "
            f"seed {settings.seed}, BCa where leaving single patients out gives an acceleration, "
            "else percentile."
        )


def _leaves(report: Report) -> Iterator[TaskReport]:
    for task in report.tasks:
        yield from task.findings or (task,)


def _points(report: Report) -> bool:
    return any(task.operating_points for task in report.tasks)


def _made_by(report: Report, method: str) -> bool:
    return any(
        method in estimate.method
        for task in (*report.tasks, *_leaves(report))
        for estimate in (
            *task.estimates.values(),
            *(e for one in task.by_class for e in one.estimates.values()),
        )
    )

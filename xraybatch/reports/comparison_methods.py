"""The methods paragraph of a comparison, and its references; nothing in it that was not done."""

from __future__ import annotations

from collections.abc import Iterator

from xraybatch.core.versions import versions_of
from xraybatch.evaluation.comparison import Comparison
from xraybatch.evaluation.delong import DELONG, DELONG_CLUSTERED
from xraybatch.evaluation.difference import Difference
from xraybatch.evaluation.mcnemar import MCNEMAR, OBUCHOWSKI
from xraybatch.evaluation.paired_bootstrap import EXCHANGE
from xraybatch.evaluation.report import Report
from xraybatch.evaluation.scoring import PACKAGES
from xraybatch.evaluation.verdict import spoken
from xraybatch.reports import words
from xraybatch.reports.methods import intervals, references

_DELONG_1988 = "DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845 (paired AUC)."
_OBUCHOWSKI_1997 = "Obuchowski NA. Biometrics 1997;53:567-578 (AUC of clustered films)."
_MCNEMAR_1947 = "McNemar Q. Psychometrika 1947;12:153-157."
_OBUCHOWSKI_1998 = (
    "Obuchowski NA. Stat Med 1998;17:1495-1507 (shares of clustered films, in pairs)."
)
_TANGO_1998 = "Tango T. Stat Med 1998;17:891-908 (interval of the difference of paired shares)."
_HOLM_1979 = "Holm S. Scand J Stat 1979;6:65-70."


def comparison_methods(found: Comparison) -> str:
    """What was done, in full sentences."""
    return " ".join(_sentences(found))


def comparison_references(found: Comparison) -> list[str]:
    """What the paragraph rests on."""
    made = _made(found)
    cited = []
    if {DELONG, DELONG_CLUSTERED} & made:
        cited.append(_DELONG_1988)
    if DELONG_CLUSTERED in made:
        cited.append(_OBUCHOWSKI_1997)
    if MCNEMAR in made:
        cited.append(_MCNEMAR_1947)
    if OBUCHOWSKI in made:
        cited.append(_OBUCHOWSKI_1998)
    if {MCNEMAR, OBUCHOWSKI} & made:
        cited.append(_TANGO_1998)
    if _tests(found) > 1:
        cited.append(_HOLM_1979)
    of_each = dict.fromkeys(s for report in _reports(found) for s in references(report))
    return [*cited, *(s for s in of_each if s not in cited)]


def _sentences(found: Comparison) -> Iterator[str]:
    names = [model.name for model in found.models]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    yield f"The models {listed} were compared on the films that all of them answered."
    several = len(found.tasks) > 1
    for t, task in enumerate(found.tasks):
        whose = f"Task {task.task}: " if several else ""
        entered = words.task_films(found.models[0].tasks[t], _reports(found)[0])
        yield f"{whose}{entered[:1].upper()}{entered[1:]}"
        yield f"{whose}The primary number is {spoken(task.primary)}."
        margins = {p.non_inferiority.margin for p in task.pairs if p.non_inferiority is not None}
        for margin in margins:
            yield (
                f"{whose}Not worse than {names[0]} by more than a margin of {margin:g} was "
                "concluded from the one-sided 97.5 % bound of the difference."
            )
    yield "Differences are of the same films, in pairs."
    yield from _tests_in_words(found)
    tests = _tests(found)
    if tests > 1:
        yield (
            f"P-values are two-sided and adjusted for the {tests} pairs of models by Holm's "
            "method, not for the number of measures."
        )
    else:
        yield "P-values are two-sided and not adjusted for the number of measures."
    yield "The numbers of each model have intervals of their own."
    yield from dict.fromkeys(s for report in _reports(found) for s in intervals(report))
    yield "How other trainings of the models would differ is in no interval and no test."
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    yield f"Software: {versions}."


def _tests_in_words(found: Comparison) -> Iterator[str]:
    made, settings = _made(found), found.settings
    if {DELONG, DELONG_CLUSTERED} & made:
        clustered = ", with Obuchowski's variance for several films of a patient"
        yield (
            "Areas under the ROC curve: DeLong's test and interval for paired curves"
            f"{clustered if DELONG_CLUSTERED in made else ''}."
        )
    if MCNEMAR in made:
        yield "Accuracy and other shares: McNemar's exact test and Tango's score interval."
    if OBUCHOWSKI in made:
        yield (
            "Accuracy and other shares, of patients with several films: Obuchowski's test for "
            "clustered pairs, and Tango's score interval with the number of films divided by the "
            "design effect."
        )
    if EXCHANGE in made:
        yield (
            f"All other differences: bootstrap of whole patients, the same ones for both models, "
            f"{settings.resamples:,} resamples, seed {settings.seed}; p-values by exchanging the "
            "answers of both models in whole patients at random."
        )


def _differences(found: Comparison) -> Iterator[Difference]:
    for task in found.tasks:
        for pair in task.pairs:
            yield from pair.differences.values()


def _made(found: Comparison) -> set[str]:
    """Names of all intervals and tests of differences that there are."""
    return {name for one in _differences(found) for name in (one.estimate.method, one.test)}


def _tests(found: Comparison) -> int:
    return max(task.tests for task in found.tasks)


def _reports(found: Comparison) -> list[Report]:
    """Each model's numbers as a score has them, for words that are about a score."""
    return [Report(found.join, model.tasks, found.settings) for model in found.models]


def _versions() -> dict[str, str]:
    return versions_of(PACKAGES)

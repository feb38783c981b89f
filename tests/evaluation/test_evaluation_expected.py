"""Every published value kept beside the real films: reproduced, or the reason why not."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest
from scipy.stats import chi2, norm

from xraybatch.evaluation import classification
from xraybatch.evaluation.bootstrap import Sample, Sampling
from xraybatch.evaluation.calibration import calibration
from xraybatch.evaluation.delong import DELONG, DELONG_CLUSTERED, Ranked, auc_difference
from xraybatch.evaluation.mcnemar import (
    MCNEMAR,
    OBUCHOWSKI,
    mcnemar_exact,
    obuchowski,
    share_difference,
)
from xraybatch.evaluation.planning import patients_apart, power_apart
from xraybatch.evaluation.proportions import proportion
from xraybatch.evaluation.rank_bootstrap import rank_estimates
from xraybatch.evaluation.ranking import Components, Part, Ranking, clustered_variance
from xraybatch.evaluation.reliability import calibration_errors
from xraybatch.evaluation.sums import mean_samples
from xraybatch.evaluation.thresholds import choose, parse_rule
from xraybatch.evaluation.utility import decision_curve, net_benefit

Z = norm.ppf(0.975)
FEW = Sampling(resamples=50)
ASAH, MRA, DCA = "asah.csv", "obuchowski1997_mra.csv", "dca_binary.csv"
PSYCHIATRY, THYROIDS = "psychiatry_matched_pairs.csv", "thyroids_pet_spect.csv"
SAS = "table [[0,4,1],[0,8,0],[0,1,5]]"
TABLE = "table [[44,7,10],[5,30,9],[2,6,37]] rows=truth"
TIMES = "mean of: 10 12 12.5 12.5 13.9 15 21 22 23 34 50 81 89 121 134 213"
TWO_SAMPLES = "z=16 23 38 94 99 141 197; y=10 27 31 40 46 50 52 104 146"
CLOSEST = 1e-12  # the published doubles went through other sums
RESAMPLES = 60_000

# rows that nothing here makes
PARTIAL = "partial areas are not given: sensitivity at a specificity says it in plain words"
ONE_CURVE = "an AUC is not tested against 0.5: patients are planned for the width of its interval"
CHI_SQUARE = "McNemar is exact with one film a patient, and Obuchowski's with several"
ANOTHER = "one form for clusters is enough: Obuchowski's, which weighs films, as the shares do"
EXACT = "Wilson's interval is given, with an effective number of films where patients have several"
ASYMPTOTIC = "kappa's interval is bootstrapped by patient, not from its error by film"
PAIRED_ONLY = "models are compared on the same films"
NOT_MADE = {
    (ASAH, "paired DeLong wfns-s100b p greater"): "p-values are two-sided",
    (ASAH, "unpaired DeLong wfns-s100b D"): PAIRED_ONLY,
    (ASAH, "pAUC wfns specificity 1-0.9"): PARTIAL,
    (ASAH, "pAUC ndka specificity 1-0.9"): PARTIAL,
    (ASAH, "pAUC McClish-corrected wfns spec 1-0.9"): PARTIAL,
    (ASAH, "pAUC McClish-corrected ndka spec 1-0.9"): PARTIAL,
    (ASAH, "pAUC wfns sensitivity 1-0.9"): PARTIAL,
    (ASAH, "pAUC ndka sensitivity 1-0.9"): PARTIAL,
    (ASAH, "power 1 ROC, 41 cases 72 controls AUC 0.73"): ONE_CURVE,
    (ASAH, "cases for power 0.95, kappa 1.7, AUC of s100b"): ONE_CURVE,
    (ASAH, "controls for the same"): ONE_CURVE,  # the first of two; the second is below
    **{
        (data, f"{name}, 1 df"): reason
        for data in (PSYCHIATRY, THYROIDS)
        for name, reason in (
            ("McNemar chi-square", CHI_SQUARE),
            ("Eliasziw-Donner chi-square", ANOTHER),
            ("Durkalski 2003 chi-square", ANOTHER),
            ("Yang 2010 chi-square", ANOTHER),
        )
    },
    **{(n, "Clopper-Pearson 95%"): EXACT for n in ("81/263", "15/148", "0/20", "1/29")},
    **{
        (SAS, f"{of}{what}"): ASYMPTOTIC
        for of in ("", "weighted ")
        for what in ("ASE", "CI lower", "CI upper")
    },
    (TABLE, "kappa ASE"): ASYMPTOTIC,
    (TIMES, "bootstrap basic 95% (rtol 0.005)"): "intervals are BCa or percentile",
    (TWO_SAMPLES, "BCa acceleration of mean(z)-mean(y), 2-sample jackknife"): (
        "no number has two samples drawn apart: patients are drawn with all of their films"
    ),
    (DCA, "trapezoid under PR points (sklearn auc)"): "optimistic: the average precision is given",
    (DCA, "squared ECE debiased, 10 equal-width bins"): "given for bins of equal mass",
}


@pytest.fixture
def read(shared_data):
    def table(name):
        with (shared_data / "statistics" / name).open(newline="") as file:
            return list(csv.DictReader(file))

    return table


def test_every_published_value_is_reproduced_or_has_a_reason(read):
    made = {
        (data, quantity): value
        for numbers in (asah(read), mra(read), clustered_pairs(read), dca(read), tables())
        for data, quantity, value in numbers
    }
    rows = defaultdict(list)
    for row in read("expected.csv"):
        rows[row["data"], row["quantity"]].append(row["value"])
    planned = (ASAH, "controls for the same")
    assert len(rows[planned]) == 2
    del rows[planned][0]  # of one curve, in NOT_MADE; then that of two
    reasons = {key: reason for key, reason in NOT_MADE.items() if key != planned}
    assert not set(made) & set(reasons)
    assert set(rows) == set(made) | set(reasons), "a row that is neither made nor explained"
    for key, published in rows.items():
        if key not in reasons:
            for found, digits in zip(np.atleast_1d(made[key]), published[0].split(), strict=True):
                near = tolerance(key[1], digits)
                assert found == pytest.approx(float(digits), **near), key


def tolerance(quantity, digits):
    """Half of the last digit that was printed, or what the row itself names."""
    if "rtol" in quantity:
        return {"rel": 0.005}
    last = len(digits.partition(".")[2])
    return {"abs": max(0.51 * 10.0**-last, CLOSEST)}


def wald(ranking, patients):
    half = Z * clustered_variance([(ranking, patients)]) ** 0.5
    return ranking.auc() - half, ranking.auc() + half


def asah(read):
    """One film a patient: AUC, DeLong's variances, two markers in pairs, planning, Youden."""
    rows = read(ASAH)
    markers = ("wfns", "ndka", "s100b")
    positive = np.array([row["outcome"] == "Poor" for row in rows])
    scores = {name: np.array([float(row[name]) for row in rows]) for name in markers}
    alone = np.arange(len(rows))
    ranked = {name: Ranked([Part(positive, s, alone, "poor")]) for name, s in scores.items()}
    for name in markers:
        title = f"auc {name}" if name == "s100b" else f"auc {name} (positive=Poor)"
        yield ASAH, title, Ranking(positive, scores[name]).auc()
        variance = clustered_variance([(Ranking(positive, scores[name]), alone)])
        yield ASAH, f"DeLong variance {name}", variance
    for pair in ("wfns,ndka", "ndka,s100b", "s100b,wfns"):
        one, other = (ranked[name] for name in pair.split(","))
        yield ASAH, f"DeLong covariance {pair}", one.shares.covariance(other.shares)
    for pair in ("wfns-s100b", "wfns-ndka", "ndka-s100b"):
        one, other = (ranked[name] for name in pair.split("-"))
        found = auc_difference(other, one)  # the published differences are the first less the other
        assert found.test == DELONG
        yield ASAH, f"paired DeLong {pair} z", found.estimate.value / found.standard_error
        yield ASAH, f"paired DeLong {pair} p two-sided", found.p
        yield ASAH, f"paired DeLong {pair} CI lower", found.estimate.low
        yield ASAH, f"paired DeLong {pair} CI upper", found.estimate.high
    women = np.array([row["gender"] == "Female" for row in rows])
    for data, some in ((ASAH, alone), (f"{ASAH} gender=Female", np.flatnonzero(women))):
        ranking = Ranking(positive[some], scores["ndka"][some])
        low, high = wald(ranking, np.arange(len(some)))
        title = "DeLong 95% CI ndka" if data == ASAH else "DeLong ndka"
        yield data, f"{title} lower", low
        yield data, f"{title} upper", high
        if data != ASAH:
            yield data, "DeLong ndka auc", ranking.auc()
    yield from youden(positive, scores["s100b"])
    yield from power(ranked["ndka"], ranked["wfns"])


def youden(positive, scores):
    chosen = choose(parse_rule("youden"), positive, scores / 10)  # a threshold is up to 1
    called = (scores / 10).astype(np.float32) >= np.float32(chosen.threshold)
    # the published threshold lies half way to the next lower score
    title = "s100b Youden-best threshold (midpoint; the cut itself is >=0.22)"
    yield ASAH, title, (scores[called].min() + scores[~called].max()) / 2
    for name, side in (("sensitivity", positive), ("specificity", ~positive)):
        right = (called == positive)[side]
        share = proportion(right, np.arange(len(right)), "").value
        yield ASAH, f"s100b at best: {name}", share


def power(ndka, wfns):
    """Of two curves; pROC takes their variance to be the first one's twice, were they equal."""
    found = auc_difference(ndka, wfns)
    without = (2 * ndka.shares.variance() - 2 * ndka.shares.covariance(wfns.shares)) ** 0.5
    observed, error = found.estimate.value, found.standard_error
    title = "power 2 paired ROC ndka,wfns DeLong"
    yield ASAH, title, power_apart(observed, error, 0.95, without)
    cases, controls = (patients_apart(observed, error, n, 0.9, 0.95, without) for n in (41, 72))
    yield ASAH, "cases for power 0.9, 2 paired ROC DeLong", cases
    yield ASAH, "controls for the same", controls


def mra(read):
    """Obuchowski's example: two readers, 65 arteries of 36 patients."""
    rows = read(MRA)
    positive = np.array([row["stenosis"] == "1" for row in rows])
    patients = np.unique([row["patient"] for row in rows], return_inverse=True)[1]
    rankings = [Ranking(positive, np.array([float(r[f"reader{i}"]) for r in rows])) for i in (1, 2)]
    one, two = (Components(ranking, patients, patients.max() + 1) for ranking in rankings)
    yield MRA, "clusters", one.patients
    yield MRA, "clusters with a positive", one.with_positive
    yield MRA, "clusters with a negative", one.with_negative
    yield MRA, "positives", one.positives
    yield MRA, "negatives", one.negatives
    s10 = one.with_positive / ((one.with_positive - 1) * one.positives)
    s01 = one.with_negative / ((one.with_negative - 1) * one.negatives)
    s11 = one.patients / (one.patients - 1)
    for name, a, b in (("reader1", one, one), ("reader2", two, two), ("cross", one, two)):
        yield MRA, f"S10 {name}", s10 * a.x @ b.x
        yield MRA, f"S01 {name}", s01 * a.y @ b.y
    for name, a, b in (("reader1", one, one), ("reader2", two, two), ("12", one, two)):
        yield MRA, f"S11 {name}", s11 * a.x @ b.y
    yield MRA, "S11 21", s11 * two.x @ one.y
    for name, ranking in zip(("reader1", "reader2"), rankings, strict=True):
        yield MRA, f"auc {name}", ranking.auc()
        yield MRA, f"se {name}", clustered_variance([(ranking, patients)]) ** 0.5
        by_row = clustered_variance([(ranking, np.arange(len(rows)))]) ** 0.5
        yield MRA, f"se {name} by row DeLong (wrong for this design)", by_row
    low, high = wald(rankings[0], patients)
    yield MRA, "CI reader1 lower", low
    yield MRA, "CI reader1 upper (not clipped)", high
    scores = (np.array([float(row[f"reader{i}"]) for row in rows]) for i in (1, 2))
    found = auc_difference(*(Ranked([Part(positive, s, patients, "stenosis")]) for s in scores))
    assert found.test == DELONG_CLUSTERED
    yield MRA, "difference reader2-reader1", found.estimate.value
    yield MRA, "se difference", found.standard_error
    yield MRA, "CI difference lower", found.estimate.low
    yield MRA, "CI difference upper", found.estimate.high
    yield MRA, "p difference", found.p


def clustered_pairs(read):
    """Two methods right and wrong on the same films."""
    exact, clustered = "McNemar exact p (ignoring clusters)", "Obuchowski 1998 chi-square, 1 df"
    b, c = (np.array([int(row[k]) for row in read(PSYCHIATRY)]) for k in "bc")
    yield PSYCHIATRY, clustered, obuchowski(b - c)[0]
    yield PSYCHIATRY, exact, mcnemar_exact(b.sum(), c.sum())
    rows = read(THYROIDS)
    first, other = (np.array([row[k] == "1" for row in rows]) for k in ("pet", "spect"))
    patients = np.unique([row["patient"] for row in rows], return_inverse=True)[1]
    found = share_difference(first, other, patients, "")
    alone = share_difference(first, other, np.arange(len(rows)), "")
    assert (found.test, alone.test) == (OBUCHOWSKI, MCNEMAR)
    yield THYROIDS, clustered, chi2.isf(found.p, 1)
    yield THYROIDS, exact, alone.p


def dca(read):
    """Probabilities: net benefit, Brier, log loss, slope and intercept, calibration errors."""
    rows = read(DCA)
    positive, alone = np.array([row["cancer"] == "1" for row in rows]), np.arange(len(rows))
    p = np.array([float(row["cancerpredmarker"]) for row in rows])
    history = np.array([float(row["famhistory"]) for row in rows])
    curve = decision_curve(positive, history, alone, "cancer", FEW)
    for t in (0.05, 0.1, 0.2):
        at = curve.thresholds.index(t)
        yield DCA, f"net benefit famhistory at {t:g}", curve.model[at].value
        yield DCA, f"net benefit treat-all at {t:g}", curve.everyone[at]
    for t in (0.1, 0.2):
        found = net_benefit(positive, p >= t, alone, t, FEW)
        yield DCA, f"net benefit cancerpredmarker at {t:g}", found.value
    part = Part(positive, p, alone, "cancer")
    ranks = rank_estimates([part], FEW).parts[0]
    found = calibration(*part, FEW)
    errors = calibration_errors(positive, p)
    slope, intercept = found["calibration_slope"], found["calibration_intercept"]
    yield DCA, "Brier cancerpredmarker", found["brier"].value
    yield DCA, "log loss", found["log_loss"].value
    yield DCA, "auc", Ranking(positive, p).auc()
    yield DCA, "average precision", ranks["average_precision"].value
    yield DCA, "calibration slope (in-sample logistic fit, so 1)", slope.value
    yield DCA, "calibration intercept (offset), so 0", intercept.value
    yield DCA, "SE of slope", (slope.high - slope.low) / 2 / Z
    yield DCA, "SE of intercept with slope fixed at 1", (intercept.high - intercept.low) / 2 / Z
    yield DCA, "ECE 10 equal-width bins", errors["ece"].value
    yield DCA, "ECE 10 equal-mass bins", errors["ece_equal_mass"].value
    yield DCA, "MCE 10 equal-width bins", errors["mce"].value
    yield DCA, "squared ECE debiased, 10 equal-mass bins", errors["ece_squared_debiased"].value


def tables():
    """What stands in the rows themselves: shares, confusion matrices, times."""
    for hits, n in ((81, 263), (15, 148), (0, 20), (1, 29)):
        found = proportion(np.arange(n) < hits, np.arange(n), "")
        yield f"{hits}/{n}", "Wilson 95%", (found.low, found.high)
    sas = np.array([[0, 4, 1], [0, 8, 0], [0, 1, 5]])
    yield SAS, "kappa", classification.kappa(sas)
    yield SAS, "weighted (weights 0,1,2) kappa", classification.linear_kappa(sas)
    other = np.array([[44, 7, 10], [5, 30, 9], [2, 6, 37]])
    yield TABLE, "kappa", classification.kappa(other)
    yield TABLE, "kappa linear", classification.linear_kappa(other)
    yield TABLE, "kappa quadratic", classification.quadratic_kappa(other)
    yield TABLE, "MCC multiclass", classification.mcc(other)
    yield TABLE, "balanced accuracy", classification.balanced_accuracy(other)
    times = np.array([float(word) for word in TIMES.split()[2:]])
    (sample,) = mean_samples(times[:, None], np.ones(len(times)), Sampling(resamples=RESAMPLES))
    plain = Sample(sample.point, sample.drawn)  # without a jackknife
    for name, drawn in (("percentile", plain), ("BCa", sample)):
        found = drawn.estimate("", len(times), 0.95)
        assert found.method == f"bootstrap, {name}"
        yield TIMES, f"bootstrap {name} 95% (rtol 0.005)", (found.low, found.high)

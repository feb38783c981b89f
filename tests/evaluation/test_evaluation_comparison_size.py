"""How often the tests of a comparison see a difference that is not there: 5 in 100, not more.

Normal scores of total variance 1, 1 to 5 films a patient, prevalence 0.3, both models with an AUC
of 0.9; of their variance 0.3 is the patient's, and half of it common to both models.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.special import ndtri

from xraybatch.evaluation import classification
from xraybatch.evaluation.bootstrap import Sampling
from xraybatch.evaluation.delong import Ranked, auc_difference
from xraybatch.evaluation.mcnemar import share_difference
from xraybatch.evaluation.paired_bootstrap import count_differences
from xraybatch.evaluation.paired_ranks import RankedScores, rank_differences
from xraybatch.evaluation.ranking import Part

SIZES, SHARES = np.arange(1, 6), (0.2, 0.25, 0.25, 0.2, 0.1)
PREVALENCE, OF_PATIENT, OF_BOTH, AUC = 0.3, 0.3, 0.5, 0.9
SEPARATION = 2**0.5 * float(ndtri(AUC))


def world(rng, patients, mixed):
    """Labels, two models' scores (2, n), patients; `mixed`: each film has a label of its own."""
    owner = np.repeat(np.arange(patients), rng.choice(SIZES, patients, p=SHARES))
    n = len(owner)
    labels = rng.random(n if mixed else patients) < PREVALENCE
    positive = labels if mixed else labels[owner]

    def alike(count):
        both = rng.normal(size=count)
        return OF_BOTH**0.5 * both + (1 - OF_BOTH) ** 0.5 * rng.normal(size=(2, count))

    noise = OF_PATIENT**0.5 * alike(patients)[:, owner] + (1 - OF_PATIENT) ** 0.5 * alike(n)
    return positive, noise + SEPARATION * positive, owner


def numbers(flat):
    counts = flat.reshape(*flat.shape[:-1], 2, 2)
    each = (classification.kappa, classification.balanced_accuracy)
    return np.stack([of(counts) for of in each] + [classification.f1(counts)[..., 1]], axis=-1)


def compared(positive, scores, patients, seed, resamples):
    """Differences of two models by name, and by tests that take films for independent."""
    alone = np.arange(len(patients))
    guesses = (scores > SEPARATION / 2).astype(np.int64)
    truth = positive.astype(np.int64)
    right = guesses == truth
    ranked = [
        [Ranked([Part(positive, s, owner, "x")]) for s in scores] for owner in (patients, alone)
    ]
    cells = truth * 2 + guesses
    sampling = Sampling(0.95, resamples, seed)
    counted = count_differences(cells[0], cells[1], patients, 4, numbers, sampling)
    return {
        "auc": auc_difference(*ranked[0]),
        "auc of films": auc_difference(*ranked[1]),
        "accuracy": share_difference(right[0], right[1], patients, ""),
        "sensitivity": share_difference(*right[:, positive], patients[positive], ""),
        "specificity": share_difference(*right[:, ~positive], patients[~positive], ""),
        **dict(zip(("kappa", "balanced", "f1"), counted, strict=True)),
    }


def sizes(patients, mixed, replicates, resamples, seed):
    """Share of replicates that each test rejects at 5 %."""
    rejected, made = Counter(), 0
    for r in range(replicates):
        positive, scores, owner = world(
            np.random.default_rng([seed, patients, mixed, r]), patients, mixed
        )
        if min(len(set(owner[positive])), len(set(owner[~positive]))) < 2:
            continue
        made += 1
        for name, found in compared(positive, scores, owner, r, resamples).items():
            rejected[name] += found.p is not None and found.p <= 0.05
    return {name: count / made for name, count in rejected.items()}, (0.05 * 0.95 / made) ** 0.5


@pytest.mark.soak
@pytest.mark.parametrize("mixed", [False, True], ids=["one label", "mixed labels"])
@pytest.mark.parametrize("patients", [40, 100, 300])
def test_no_difference_is_seen_five_times_in_a_hundred(patients, mixed):
    found, error = sizes(patients, mixed, 2000, 400, seed=2)
    told = {name: f"{100 * share:.1f} %" for name, share in found.items()}
    naive = found.pop("auc of films")
    assert found["auc"] == pytest.approx(0.05, abs=2.5 * error), told
    # tests of few counts step from one value to the next, and stay below
    lowest = 0.03 if patients >= 100 else 0.01
    for name, share in found.items():
        assert lowest <= share <= 0.05 + 2.5 * error, (name, told)
    if not mixed:
        assert naive > 0.05 + 5 * error, "films of a patient are no independent films"


@pytest.mark.soak
@pytest.mark.parametrize("mixed", [False, True], ids=["one label", "mixed labels"])
def test_no_difference_of_rank_numbers_is_seen_too_often(mixed):
    seen, made = Counter(), 600
    for r in range(made):
        positive, scores, owner = world(np.random.default_rng([3, mixed, r]), 100, mixed)
        sides = [
            RankedScores([Part(positive, s, owner, "x")], Sampling(0.95, 200, r)) for s in scores
        ]
        for name, found in rank_differences(*sides).items():
            seen[name] += found.p <= 0.05
    told = {name: f"{100 * count / made:.1f} %" for name, count in seen.items()}
    error = (0.05 * 0.95 / made) ** 0.5
    for count in seen.values():
        assert 0.02 <= count / made <= 0.05 + 2.5 * error, told


def test_no_difference_is_seen_about_five_times_in_a_hundred():
    found, error = sizes(60, False, 250, 200, seed=1)
    naive = found.pop("auc of films")
    for name, share in found.items():
        assert share <= 0.05 + 2.5 * error, (name, share)
    assert found["auc"] >= 0.05 - 2.5 * error
    assert naive > found["auc"]

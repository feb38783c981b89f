"""Films unlike the training films are told; films like them are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import entropy

from xraybatch.core.tasks import Task, TaskKind
from xraybatch.images.greys import STEPS, grey_counts, grey_distances
from xraybatch.images.rule import DecodingRule
from xraybatch.models.card import Card, TaskCard
from xraybatch.prediction.unlike import Likeness, Scores, compare, stability_index

TASK = Task("label", TaskKind.BINARY, ("no", "yes"), "yes")


def _card(**data: object) -> Card:
    return Card((TaskCard(TASK),), DecodingRule(32, 32), data=data)


def _films(seed: int, count: int, brightness: float) -> np.ndarray:
    draw = np.random.default_rng(seed)
    level = brightness + draw.normal(0, 6, (count, 1, 1))
    return np.clip(level + draw.normal(0, 30, (count, 32, 32)), 0, 255).astype(np.uint8)


def _trained_on(films: np.ndarray) -> Card:
    counts = grey_counts(films)
    shares = counts.sum(0) / counts.sum()
    bar = np.quantile(grey_distances(counts, shares), 0.99)
    return _card(grey_histogram=list(shares), grey_bar=float(bar))


def _beyond(card: Card, films: np.ndarray) -> int:
    likeness = Likeness(card)
    return sum((apart or 0) > likeness.bar for apart in likeness.distances(films))


def test_greys_are_counted_as_numpy_counts_them() -> None:
    films = np.random.default_rng(0).integers(0, 256, (3, 40, 50), np.uint8)
    for some in (films, films[:, ::2, ::3], films[:0]):
        counts = grey_counts(some)
        assert counts.shape == (len(some), STEPS)
        for film, found in zip(some, counts, strict=True):
            assert (found == np.histogram(film, STEPS, (0, 256))[0]).all()


def test_distance_is_none_for_the_same_greys_and_one_for_no_grey_in_common() -> None:
    dark_and_light = grey_counts(np.stack([np.full((8, 8), grey, np.uint8) for grey in (0, 255)]))
    assert grey_distances(dark_and_light, dark_and_light[0] / 64).tolist() == [0, 1]


def test_films_like_those_of_the_training_are_not_told() -> None:
    card = _trained_on(_films(0, 400, 120))
    beyond = _beyond(card, _films(1, 300, 120))
    assert beyond <= 10
    assert compare(300, beyond, Scores(card)).sentences == ()


def test_brighter_films_are_told_with_their_number() -> None:
    card = _trained_on(_films(0, 400, 120))
    other = np.concatenate([_films(1, 260, 120), _films(2, 40, 170)])
    beyond = _beyond(card, other)
    assert beyond >= 40
    (sentence,) = compare(300, beyond, Scores(card)).sentences
    assert sentence.startswith(f"{beyond} of 300 films")


def test_two_odd_films_are_not_enough_to_tell() -> None:
    assert compare(2, 2, Scores(_card())).sentences == ()


def test_a_card_that_says_nothing_of_greys_compares_nothing() -> None:
    films = np.zeros((2, 32, 32), np.uint8)
    assert Likeness(_card()).distances(films) == [None, None]
    assert Likeness(_card(grey_histogram=[1 / 32] * 32)).distances(films) == [None, None]


@pytest.mark.parametrize(
    "data",
    [
        {"grey_histogram": ["a"] * STEPS, "grey_bar": 0.1},
        {"grey_histogram": [1] * STEPS, "grey_bar": "x"},
        {"grey_histogram": [-1] + [1] * (STEPS - 1), "grey_bar": 0.1},
        {"score_histograms": [1]},
        {"score_histograms": {"label": {"yes": "many"}}},
        {"score_histograms": {"label": {"yes": [1e300, 5]}}},
    ],
)
def test_a_card_that_says_what_is_no_count_compares_nothing(data: dict[str, object]) -> None:
    """A card needs only schema, tasks and rule to be read; a run does not stop at the rest."""
    card = _card(**data)
    assert Likeness(card).distances(np.zeros((1, 32, 32), np.uint8)) == [None]
    assert Scores(card).known == {}


def test_index_is_the_sum_of_both_divergences() -> None:
    expected, found = np.array([400, 300, 200, 100]), np.array([100, 200, 300, 400])
    p, q = (expected + 0.5) / 1002, (found + 0.5) / 1002
    chance = 3 * (1 / 1000 + 1 / 1000)
    both = entropy(p, q) + entropy(q, p)
    assert stability_index(expected, found) == pytest.approx(both - chance)


def test_index_of_two_samples_of_one_distribution_is_near_nothing() -> None:
    draw = np.random.default_rng(3)
    shares = draw.dirichlet(np.ones(10) * 3)
    found = [
        stability_index(draw.multinomial(200, shares), draw.multinomial(150, shares))
        for _ in range(300)
    ]
    assert np.quantile(found, 0.99) < 0.25
    assert np.mean(found) < 0.05


def test_scores_that_moved_are_told_with_their_class() -> None:
    draw = np.random.default_rng(0)
    trained, now = draw.beta(2, 5, 500), draw.beta(6, 2, 200)
    card = _card(
        score_histograms={
            "label": {
                "no": np.histogram(1 - trained, 10, (0, 1))[0].tolist(),
                "yes": np.histogram(trained, 10, (0, 1))[0].tolist(),
            }
        }
    )
    alike, moved = Scores(card), Scores(card)
    same = draw.beta(2, 5, 200)
    alike.add(np.stack([1 - same, same], 1).astype(np.float32))
    for part in np.split(now, 4):
        moved.add(np.stack([1 - part, part], 1).astype(np.float32))
    assert compare(0, 0, alike).sentences == ()
    told = compare(0, 0, moved)
    assert "'yes' (label)" in told.sentences[0] or "'no' (label)" in told.sentences[0]
    assert told.to_dict()["score_shifts"]["label"]["yes"] > 0.25


def test_few_films_are_not_compared_by_their_scores() -> None:
    card = _card(score_histograms={"label": {"no": [200] + [0] * 9, "yes": [0] * 9 + [200]}})
    scores = Scores(card)
    scores.add(np.tile(np.float32([1, 0]), (50, 1)))
    assert compare(50, 0, scores).shifts == {}

"""Distances between two maps, against answers known by hand and against scipy's own in one dimension."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from models.moved import earth_movers, total_variation


def alone(row: int, column: int) -> np.ndarray:
    """All weight on one cell of 4 × 5."""
    made = np.zeros((4, 5))
    made[row, column] = 1
    return made


def drawn(seed: int, *shape: int) -> np.ndarray:
    made = np.random.default_rng(seed).random(shape)
    return made / made.sum()


def test_all_of_the_weight_goes_the_straight_way() -> None:
    assert earth_movers(alone(0, 0), alone(3, 4)) == pytest.approx(5)
    assert total_variation(alone(0, 0).ravel(), alone(3, 4).ravel()) == pytest.approx(1)


def test_equal_maps_are_nowhere_apart() -> None:
    assert earth_movers(drawn(0, 7, 7), drawn(0, 7, 7)) == 0
    assert total_variation(drawn(0, 49), drawn(0, 49)) == 0


def test_only_what_moved_counts() -> None:
    half = (alone(0, 0) + alone(2, 2)) / 2
    assert earth_movers(half, (alone(0, 1) + alone(2, 2)) / 2) == pytest.approx(0.5)
    assert total_variation(half.ravel(), ((alone(0, 1) + alone(2, 2)) / 2).ravel()) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(3))
def test_in_a_line_it_is_scipys_distance(seed: int) -> None:
    before, after, places = drawn(seed, 1, 24), drawn(seed + 10, 1, 24), np.arange(24)
    expected = wasserstein_distance(places, places, before[0], after[0])
    assert earth_movers(before, after) == pytest.approx(expected, rel=1e-6)
    assert earth_movers(after, before) == pytest.approx(expected, rel=1e-6)


def test_every_look_has_a_total_variation_of_its_own() -> None:
    before = np.array([[1.0, 0, 0], [0.5, 0.5, 0]])
    assert total_variation(before, np.array([[0, 0, 1.0], [0.5, 0.25, 0.25]])).tolist() == [1.0, 0.25]


@pytest.mark.parametrize("seed", range(20))
def test_maps_that_hardly_differ_or_are_sharp_have_a_distance(seed: int) -> None:
    chance = np.random.default_rng(seed)
    before = chance.random((6, 18)) ** 12
    after = before * (1 + 1e-6 * chance.random((6, 18)))
    assert 0 <= earth_movers(before / before.sum(), after / after.sum()) < 1e-4
    sharp = chance.random((6, 18)) ** 40
    assert 0 < earth_movers(before / before.sum(), sharp / sharp.sum()) < 20

"""The bars and dots show the numbers they are given, and nothing else."""

import numpy as np
import pytest

from figures.faithful import BIN, importances, shuffles, stacked

SOURCE = ("a", "dog", "⟨end⟩")
ALPHA = np.array([0.1, 0.8, 0.1])
MOVED = np.array([0.3, 0.6, 0.1])
FALL = np.array([-4.0, 2.0, np.nan])
SLOPE = np.array([0.5, -0.25, 0.1])


def test_each_measure_is_relative_to_its_own_largest_and_keeps_its_sign() -> None:
    figure = importances(SOURCE, ALPHA, MOVED, FALL, SLOPE)
    assert [bars.name for bars in figure.data] == ["attention", "weight × norm", "leave one out", "gradient × input"]
    for bars, values in zip(figure.data, (ALPHA, MOVED, FALL, SLOPE), strict=True):
        np.testing.assert_allclose(bars.x, values / np.nanmax(np.abs(values)))
        np.testing.assert_allclose(bars.customdata, values)
        assert "customdata" in bars.hovertemplate and bars.orientation == "h"
    assert figure.data[2].x[0] == -1 and np.isnan(figure.data[2].x[2])


def test_the_measures_are_told_apart_without_colour() -> None:
    figure = importances(SOURCE, ALPHA, MOVED, FALL, SLOPE)
    assert len({bars.marker.color for bars in figure.data}) == 4
    assert len({bars.marker.pattern.shape for bars in figure.data}) == 4


def test_words_are_read_from_the_top_and_one_that_comes_twice_has_two_places() -> None:
    figure = importances(("a", "a", "⟨end⟩"), ALPHA, MOVED, FALL, SLOPE)
    low, high = figure.layout.yaxis.range
    assert low > high and figure.layout.yaxis.ticktext == ("a", "a", "⟨end⟩")
    assert tuple(figure.data[0].y) == figure.layout.yaxis.tickvals == (0, 1, 2)


def test_a_network_without_weights_has_two_bars_a_word() -> None:
    figure = importances(SOURCE, None, None, FALL, SLOPE)
    assert [bars.name for bars in figure.data] == ["leave one out", "gradient × input"]


def test_a_measure_of_zeros_is_drawn_as_zeros() -> None:
    figure = importances(SOURCE, ALPHA, MOVED, FALL, np.zeros(3))
    assert tuple(figure.data[3].x) == (0, 0, 0)


def test_a_longer_source_makes_a_higher_figure() -> None:
    heights = [
        importances(SOURCE * n, *(np.tile(x, n) for x in (ALPHA, MOVED, FALL, SLOPE))).layout.height for n in (1, 3)
    ]
    assert heights[1] > 2 * heights[0]


def test_each_shuffle_is_a_dot_at_its_distance_by_what_it_wrote() -> None:
    tv = np.array([0.1, 0.9, 0.11, 0.5])
    kept = np.array([True, False, True, False])
    figure = shuffles(tv, kept, ["un", "le", "un", "sur"], uniform=(0.3, False, "de"))
    same, other, even = figure.data
    assert (tuple(same.x), tuple(other.x), tuple(even.x)) == ((0.1, 0.11), (0.9, 0.5), (0.3,))
    assert (list(same.customdata), list(other.customdata)) == (["un", "un"], ["le", "sur"])
    assert (same.name, other.name, even.name) == ("same word: 2", "other word: 2", "equal weights: other word")
    assert len({dots.marker.symbol for dots in figure.data}) == len({dots.marker.color for dots in figure.data}) == 3
    assert tuple(even.y) == (-1,) and min(*same.y, *other.y) == 1


def test_what_is_decided_and_looked_at_has_its_own_name() -> None:
    figure = shuffles(np.array([0.1]), np.array([True]), ["good"], uniform=(0.3, False, "bad"), outcome="class")
    assert [dots.name for dots in figure.data] == ["same class: 1", "other class: 0", "equal weights: other class"]
    assert "p(class)" in figure.layout.xaxis.title.text
    assert "region" in importances(SOURCE, ALPHA, MOVED, FALL, SLOPE, part="region").layout.yaxis.title.text


@pytest.mark.parametrize("kept", [True, False])
def test_the_mark_of_equal_weights_tells_whether_they_keep_the_word(kept: bool) -> None:
    figure = shuffles(np.array([0.1]), np.array([True]), ["un"], uniform=(0.3, kept, "de"))
    assert figure.data[2].marker.symbol == ("star" if kept else "star-open")
    assert figure.data[2].name.endswith("same word" if kept else "other word")


def test_dots_that_are_close_stand_one_above_the_other() -> None:
    x = np.array([0.101, 0.5, 0.1001, 0.11])
    assert stacked(x).tolist() == [2, 1, 1, 3]
    assert stacked(x + 0.001).max() == 3 and stacked(np.zeros(100)).max() == 100
    assert stacked(np.arange(10) * 2 * BIN).tolist() == [1] * 10


def test_no_dot_is_cut_off() -> None:
    figure = shuffles(np.zeros(100), np.ones(100, bool), ["un"] * 100, uniform=(0.0, True, "un"))
    low, high = figure.layout.yaxis.range
    assert low < -1 and high > 100

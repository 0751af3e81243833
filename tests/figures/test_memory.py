"""Bars, lines and maps of how far back a model looks show the numbers they are given."""

import numpy as np
import pytest

from figures.memory import by_L, distances, looks


def test_bars_stand_at_their_distance() -> None:
    figure = distances({"this text": [0.5, 0.3, 0.2], "the test books": [0.4, 0.6]})
    assert [bars.name for bars in figure.data] == ["this text", "the test books"]
    assert list(figure.data[0].x) == [1, 2, 3] and list(figure.data[0].y) == [0.5, 0.3, 0.2]
    assert list(figure.data[1].x) == [1, 2]
    assert (
        len({bars.marker.color for bars in figure.data})
        == len({bars.marker.pattern.shape for bars in figure.data})
        == 2
    )
    assert all(bars.marker.pattern.bgcolor == bars.marker.color for bars in figure.data)


def test_nothing_to_draw_is_no_bars() -> None:
    assert not distances({}).data


def test_perplexity_stands_at_its_L_and_the_one_in_view_is_marked() -> None:
    figure = by_L({"plain": [(0, 50.0), (10, 50.0)], "key-value": [(0, 60.0), (10, 49.5)]}, 7)
    assert list(figure.data[1].x) == [0, 10] and list(figure.data[1].y) == [60.0, 49.5]
    assert len({line.marker.symbol for line in figure.data}) == 2
    assert figure.layout.shapes[0].x0 == figure.layout.shapes[0].x1 == 7


@pytest.mark.parametrize("models", [1, 3])
def test_each_model_has_its_map_of_all_its_steps(models: int) -> None:
    weights = np.array([[np.nan, np.nan], [1.0, np.nan], [0.25, 0.75]])
    figure = looks({f"model {i}": (("a", "a", "b"), weights) for i in range(models)})
    assert len(figure.data) == models
    for drawn in figure.data:
        assert list(drawn.y) == ["1 a", "2 a", "3 b"] and list(drawn.x) == [1, 2]
        np.testing.assert_array_equal(np.array(drawn.z, dtype=float), weights)
        assert (drawn.zmin, drawn.zmax) == (0, 1)
    assert sum(bool(drawn.showscale) for drawn in figure.data) == 1

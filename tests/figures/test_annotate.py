"""Curves with their band, and a plane with its boundary, show the numbers they are given."""

import numpy as np

from figures.annotate import curves, plane


def test_a_curve_has_a_band_of_one_deviation_to_either_side() -> None:
    figure = curves({"a": ([10, 20], [50.0, 60.0], [5.0, 2.0]), "b": ([10], [40.0], [0.0])}, {"a": 0, "b": 3}, "")
    shade, a, b = figure.data
    assert list(shade.x) == [10, 20, 20, 10] and list(shade.y) == [55, 62, 58, 45]
    assert list(a.y) == [50, 60] and list(a.customdata) == [5, 2] and list(b.y) == [40]
    assert a.marker.symbol != b.marker.symbol and a.line.color != b.line.color
    assert list(figure.layout.xaxis.tickvals) == [10, 20]


def test_the_plane_has_an_arrow_for_each_picked_point_and_a_line_for_each_measured() -> None:
    grid = np.linspace(0, 1, 5)
    points = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    figure = plane(
        (grid, grid), np.zeros((5, 5)), points, (points[:2], points[:2] + 0.1), points, np.array([0, 1, 1]),
        np.array([False, False, True]), points[:1], points[:1] + 0.25, np.array([0.35]),
    )  # fmt: skip
    by_name = {trace.name: trace for trace in figure.data}
    np.testing.assert_allclose(by_name["distance of 2 of them"].x, [0.1, 0.2, np.nan, 0.3, 0.4, np.nan])
    assert {"no label: 3", "label 0", "label 1", "free label 1", "asked for next", "boundary"} <= set(by_name)
    assert "free label 0" not in by_name and len(by_name["label 1"].x) == 1
    (arrow,) = figure.layout.annotations
    assert (arrow.ax, arrow.ay, arrow.x, arrow.y) == (0.1, 0.2, 0.35, 0.45)

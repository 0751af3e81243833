"""The drawings of the page "Adapt": what is drawn is what was given."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from figures import adapt

POINTS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [-1.0, -1.0]])
Y, D = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
W, B = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([-1.0, 4.0])


def drawn(figure: go.Figure) -> dict[str, set[tuple[float, float]]]:
    """The points of a figure, by the name that the legend gives them."""
    return {t.name: set(zip(t.x, t.y, strict=True)) for t in markers(figure.data)}


def markers(traces: Iterable[Any]) -> list[Any]:
    return [t for t in traces if t.type == "scatter" and t.mode == "markers"]


def test_the_label_head_s_drawing_tells_classes_and_domains_apart() -> None:
    figure = adapt.boundary(POINTS, Y, D, np.zeros((5, 5)), 3.0, by_domain=False)
    assert drawn(figure) == {
        "source, class 0": {(0.0, 1.0)},
        "source, class 1": {(1.0, 0.0)},
        "target, class 0": {(2.0, 2.0)},
        "target, class 1": {(-1.0, -1.0)},
    }
    assert {t.marker.symbol for t in markers(figure.data)} == {"circle", "x"}


def test_the_judge_s_drawing_tells_domains_apart_and_holds_its_field() -> None:
    field = np.arange(25.0).reshape(5, 5) / 24
    figure = adapt.boundary(POINTS, Y, D, field, 3.0, by_domain=True)
    assert drawn(figure) == {"source": {(0.0, 1.0), (1.0, 0.0)}, "target": {(2.0, 2.0), (-1.0, -1.0)}}
    heat = next(t for t in figure.data if t.type == "heatmap")
    assert np.array_equal(heat.z, field) and heat.x[0] == -3 and heat.y[-1] == 3


def test_features_are_drawn_with_the_variance_of_each_axis() -> None:
    figure = adapt.features(POINTS, Y, D, np.array([0.6, 0.3]))
    assert "60% and 30%" in figure.layout.title.text
    assert drawn(figure)["target"] == {(2.0, 2.0), (-1.0, -1.0)}


def test_a_hidden_unit_is_at_one_half_all_along_its_line() -> None:
    (lines,) = (t for t in adapt.units(POINTS, Y, D, W, B, 3.0).data if t.mode == "lines")
    ends = np.stack([lines.x, lines.y], 1).reshape(2, 3, 2)[:, :2]
    assert ends[0, :, 0] == pytest.approx([1, 1]) and ends[1, :, 1] == pytest.approx([-2, -2])


def test_the_slider_has_a_frame_a_snapshot_and_asks_nobody() -> None:
    found = {
        "d": D.tolist(),
        "y": Y.tolist(),
        "across": [[0, 1, 2, 3 + k] for k in range(3)],
        "up": [[k, 0, 0, 0] for k in range(3)],
    }
    figure = adapt.scrubbed({"without": found, "with": found})
    assert [frame.name for frame in figure.frames] == ["0", "1", "2"]
    assert [list(step.args[0]) for step in figure.layout.sliders[0].steps] == [["0"], ["1"], ["2"]]
    assert all(len(frame.data) == len(figure.data) for frame in figure.frames)
    assert list(figure.frames[2].data[1].x) == [2, 5] and list(figure.frames[2].data[0].y) == [2, 0]


def test_a_course_draws_what_was_measured_and_nothing_else() -> None:
    figure = adapt.course({"judge": ([0, 1], [50.0, 70.0]), "lambda": ([0, 1], [0.0, 0.5])}, 60)
    lines = {t.name: list(t.y) for t in figure.data}
    assert lines["the judge in the game"] == [50.0, 70.0] and lines["λ"] == [0.0, 0.5]
    assert lines["accuracy on the target"] == []
    assert lines["chance of the judge"] == [50, 50] and tuple(figure.layout.xaxis.range) == (0, 60)


def test_the_true_digit_is_marked() -> None:
    figure = adapt.opinions(["without", "with"], np.eye(10)[[3, 4]], 4)
    assert figure.layout.xaxis.ticktext[4] == "<b>4 ✓</b>" and figure.data[1].y[4] == 100


def test_frames_that_either_network_finds_likely_are_drawn_the_likeliest_on_top() -> None:
    p = np.array([[0.5, 0.3, 0.1, 0.06, 0.04, 0.0], [0.0, 0.9, 0.04, 0.01, 0.02, 0.03]])
    figure = adapt.frames(["without", "with"], p, list("abcdef"))
    assert list(figure.data[0].y) == ["f", "e", "d", "c", "a", "b"]
    assert list(figure.data[1].x) == pytest.approx([3, 2, 1, 4, 0, 90])

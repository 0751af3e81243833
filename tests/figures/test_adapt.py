"""The drawings of the page "Adapt": what is drawn is what was given."""

import numpy as np
import plotly.graph_objects as go
import pytest

from figures import adapt

POINTS = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [-1.0, -1.0]])
Y, D = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])


def moons() -> go.Figure:
    fields = (np.zeros((5, 5)), np.ones((5, 5)))
    units = (np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([-1.0, 4.0]))
    return adapt.moons(POINTS, Y, D, fields, POINTS[::-1], np.array([0.6, 0.3]), units, 3.0)


def test_every_point_is_drawn_once_in_each_of_the_four_drawings() -> None:
    figure = moons()
    for axis, expected in (("x", POINTS), ("x2", POINTS[::-1]), ("x3", POINTS), ("x4", POINTS)):
        traces = [t for t in figure.data if t.type == "scatter" and t.mode == "markers" and t.xaxis == axis]
        drawn = {(x, y) for t in traces for x, y in zip(t.x, t.y, strict=True)}
        assert drawn == {tuple(point) for point in expected.tolist()}, axis
    assert {t.name for t in figure.data if t.showlegend} >= {"source", "target", "source, class 0", "target, class 1"}


def test_a_hidden_unit_is_at_one_half_all_along_its_line() -> None:
    (lines,) = (t for t in moons().data if t.type == "scatter" and t.mode == "lines")
    ends = np.stack([lines.x, lines.y], 1).reshape(2, 3, 2)[:, :2]
    assert ends[0, :, 0] == pytest.approx([1, 1]) and ends[1, :, 1] == pytest.approx([-2, -2])


def test_the_slider_has_a_frame_an_epoch_and_asks_nobody() -> None:
    moment = {"features": POINTS.tolist(), "share": [0.6, 0.3], "d": D.tolist(), "y": Y.tolist()}
    figure = adapt.scrubbed({"without": [moment] * 3, "with": [moment] * 3})
    assert [frame.name for frame in figure.frames] == ["0", "1", "2"]
    assert [list(step.args[0]) for step in figure.layout.sliders[0].steps] == [["0"], ["1"], ["2"]]
    assert all(len(frame.data) == len(figure.data) for frame in figure.frames)


def test_a_course_draws_what_was_measured_and_nothing_else() -> None:
    figure = adapt.course({"judge": ([0, 1], [50.0, 70.0]), "lambda": ([0, 1], [0.0, 0.5])})
    drawn = {t.name: list(t.y) for t in figure.data}
    assert drawn["the judge in the game"] == [50.0, 70.0] and drawn["λ"] == [0.0, 0.5]
    assert drawn["accuracy on the target"] == []


def test_the_true_digit_is_marked() -> None:
    figure = adapt.opinions(["without", "with"], np.eye(10)[[3, 4]], 4)
    assert figure.layout.xaxis.ticktext[4] == "<b>4 ✓</b>" and figure.data[1].y[4] == 100

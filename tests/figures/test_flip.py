"""Maps of where a network looked, and curves of moved vectors, show the numbers they are given."""

import numpy as np

from figures.flip import attention, moved
from figures.palette import ALARM, CALM

WEIGHTS = np.array([[0.7, 0.2, 0.1], [0.0, 0.0, 1.0]])


def test_every_weight_stands_at_its_word_and_its_look() -> None:
    figure = attention(WEIGHTS, ["a", "b<c", "d&e"], ["look 1", "look 2"], ())
    assert np.array_equal(figure.data[0].z, WEIGHTS.T) and (figure.data[0].zmin, figure.data[0].zmax) == (0, 1)
    assert list(figure.layout.yaxis.ticktext) == ["a", "b&lt;c", "d&amp;e"]
    assert not figure.layout.shapes and figure.data[0].colorscale[-1][1] == CALM


def test_what_was_replaced_is_framed() -> None:
    figure = attention(WEIGHTS, ["a", "b", "c"], ["look 1", "look 2"], (1,))
    frame = figure.layout.shapes[0]
    assert (frame.y0, frame.y1, frame.x0, frame.x1) == (0.5, 1.5, -0.5, 1.5)
    assert figure.layout.yaxis.ticktext[1] == "<b>b</b>" and figure.data[0].colorscale[-1][1] == ALARM


def test_a_longer_sentence_is_drawn_higher() -> None:
    short = attention(WEIGHTS, ["a"] * 3, ["x", "y"], ())
    long = attention(np.ones((2, 30)) / 30, ["a"] * 30, ["x", "y"], ())
    assert long.layout.height > short.layout.height


def test_three_curves_over_epsilon_and_the_step_in_view() -> None:
    epsilons, p = np.array([0.0, 0.1, 0.4]), np.array([0.9, 0.5, 0.1])
    figure = moved(epsilons, p, p + 0.01, p + 0.02, 1, "p(positive)")
    assert (
        len(figure.data) == 3 and list(figure.data[0].y) == p.tolist() and list(figure.data[0].x) == epsilons.tolist()
    )
    assert len({curve.line.dash for curve in figure.data}) == 3
    assert figure.layout.shapes[0].x0 == 0.1 and figure.layout.yaxis.title.text == "p(positive)"

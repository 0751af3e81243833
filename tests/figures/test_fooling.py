"""Pictures and curves of the page "Step by step"."""

import numpy as np

from figures import fooling


def test_eta_is_amplified_to_be_seen_and_grey_where_nothing_changed() -> None:
    clean = np.full((2, 2, 3), 100, dtype=np.uint8)
    now = clean.copy()
    now[0, 0] = (101, 98, 100)
    eta, factor = fooling.amplified(clean, now)
    assert factor == 63
    assert eta[0, 0].tolist() == [191, 2, 128]
    assert (eta[1] == 128).all()
    assert fooling.amplified(clean, clean)[1] == 0


def test_two_maps_have_one_scale() -> None:
    grey = np.full((1, 2, 3), 80, dtype=np.uint8)
    strong, weak = (fooling.heat(grey, np.array([[value, 0.0]]), most=1.0) for value in (1.0, 0.5))
    assert strong[0, 0].sum() > weak[0, 0].sum() > weak[0, 1].sum()
    assert np.array_equal(strong[0, 1], weak[0, 1])
    assert (fooling.heat(grey, np.zeros((1, 2)), most=0.0)[0, 0] == strong[0, 1]).all()


def test_the_curve_holds_what_it_was_given_and_no_gradient_where_there_is_none() -> None:
    figure = fooling.walk([1.0, 2.0], [3.0, 6.0], [0.9, 0.5, 0.1], followed="J", t=1)
    assert [list(trace.y) for trace in figure.data] == [[1.0, 2.0], [0.9, 0.5, 0.1], [0.5, 1.0]]
    assert len(fooling.walk([1.0], [], [0.9, 0.5], followed="J", t=0).data) == 2


def test_a_box_lies_where_it_was_drawn() -> None:
    shape = fooling.place(np.zeros((20, 30, 3), dtype=np.uint8), (2, 5, 8, 10)).layout.shapes[0]
    assert (shape.x0, shape.x1, shape.y0, shape.y1) == (5, 15, 2, 10)

"""Drawings of the difficulties: lines, bands, digits in their colours."""

import numpy as np
import pytest

from figures import difficulties as figures
from figures.palette import CALM


def test_a_digit_is_drawn_in_the_colour_of_its_plane() -> None:
    x = np.zeros((2, 2, 8, 8))
    x[0, 0, 3, 4] = x[1, 1, 3, 4] = 1
    enlarged = figures.digits(x)
    picture = enlarged[:: figures.ENLARGED, :: figures.ENLARGED]
    assert picture.shape == (8, 18, 3) and enlarged.shape == (8 * figures.ENLARGED, 18 * figures.ENLARGED, 3)
    assert "#{:02X}{:02X}{:02X}".format(*picture[3, 4]) == CALM
    assert "#{:02X}{:02X}{:02X}".format(*picture[3, 9 + 4]) == figures.COLOURS[1]
    assert (picture.reshape(-1, 3) == 255).all(1).sum() == 8 * 18 - 2


def test_a_sweep_has_a_band_where_seeds_differ_and_marks_the_value_in_view() -> None:
    bands = {(0, 0): ("fails", ([50.0, 60.0], [2.0, 3.0])), (1, 0): ("mended", ([90.0, 91.0], [0.0, 0.0]))}
    figure = figures.sweep(["0", "0.9"], bands, "correlation", "0.9", 8)
    assert [trace.name for trace in figure.data if trace.name] == ["fails", "mended"]
    assert len(figure.data) == 3 and list(figure.data[0].y) == [52.0, 63.0, 57.0, 48.0]
    assert figure.layout.shapes[0].x0 == 1
    assert "8 seeds" in figure.layout.yaxis.title.text


@pytest.mark.parametrize("side", [0, 1])
def test_a_course_has_a_line_for_each_accuracy_of_each_side(side: int) -> None:
    lines = {(side, 0): ("as learned", [0, 1], [50.0, 80.0]), (side, 1): ("fair", [0, 1], [50.0, 70.0])}
    figure = figures.course(lines, 30)
    assert [trace.line.dash for trace in figure.data] == ["solid", "dot"]
    assert {trace.line.color for trace in figure.data} == {figures.SIDES[side][0]}

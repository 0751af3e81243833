"""What is painted on a grid, as a link holds it, and the line drawn around it."""

import numpy as np
import pytest

from figures.palette import ALARM
from figures.sway import outlined
from ui.components.painting import as_text, from_text


def test_cells_travel_in_a_link_and_come_back() -> None:
    for grid, cells in (((7, 7), (0, 1, 7, 48)), ((24, 24), (575,)), ((2, 3), ()), ((1, 4), (0, 1, 2, 3))):
        text = as_text(cells, grid)
        assert from_text(text, grid) == cells and len(text) < 160
    assert as_text((0, 1, 7, 8), (7, 7)) == "7x7.183"


@pytest.mark.parametrize("text", ["", "7x7", "7x7.", "8x7.1", "7x7.g", "7x7.-1", None, 5, "7x7.1 "])
def test_what_is_no_painting_of_this_grid_is_none(text: object) -> None:
    assert from_text(text, (7, 7)) == ()


def test_bits_beyond_the_grid_are_no_cells() -> None:
    assert from_text("2x2.ff", (2, 2)) == (0, 1, 2, 3)


def test_the_line_goes_around_the_painted_cells_and_no_further() -> None:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    drawn = outlined(pixels, (2, 3), (0, 1))
    line = tuple(int(ALARM[i : i + 2], 16) for i in (1, 3, 5))
    assert (drawn[20:] == 0).all() and (drawn[:, 40:] == 0).all()  # the cells that are not painted
    assert (drawn[0, :40] == line).all() and (drawn[:20, 39] == line).all()
    assert (drawn[8:12, 18:22] == 0).all()  # none between the two
    assert (outlined(pixels, (2, 3), ()) == 0).all()

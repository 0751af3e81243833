"""A drawn digit in MNIST's form."""

import pytest
import torch

from models.drawn import centred


@pytest.mark.parametrize(("rows", "columns"), [(slice(3, 40), slice(10, 20)), (slice(50, 56), slice(0, 30))])
def test_a_drawing_is_scaled_to_twenty_pixels_and_put_where_its_mass_is_in_the_middle(
    rows: slice, columns: slice
) -> None:
    ink = torch.zeros(56, 56)
    ink[rows, columns] = 1
    x = centred(ink)[0, 0]
    there = (x > 0.1).nonzero()
    high, wide = (there.amax(0) - there.amin(0) + 1).tolist()
    assert max(high, wide) == 20 and 0 <= x.min() and x.max() <= 1
    assert (there.float().mean(0) - 13.5).abs().max() <= 0.5
    tall = rows.stop - rows.start, columns.stop - columns.start
    assert min(high, wide) == pytest.approx(20 * min(tall) / max(tall), abs=1)


def test_heavy_at_one_end_is_moved_but_never_out_of_the_picture() -> None:
    ink = torch.zeros(56, 56)
    ink[8:48, 26:30] = 0.2
    ink[8:14, 10:46] = 1
    x = centred(ink)[0, 0]
    mass = x.sum(1) / x.sum()
    assert float((mass * torch.arange(28)).sum()) < 12 and (x > 0.1).any(1).nonzero().amin() == 8
    assert float(x.sum()) == pytest.approx(float(ink.sum()) * (20 / 40) ** 2, rel=0.1)


def test_an_empty_sheet_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="sheet is empty"):
        centred(torch.zeros(56, 56))

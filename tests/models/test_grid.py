"""The grid of regions: the network's own features, where they lie, and gradients down to the pixels."""

import pytest
import torch

from models.classifier import Classifier
from models.grid import CELL, CHANNELS, Grid, squash
from models.picture import gallery_picture, whole


@pytest.fixture(scope="module")
def grid(lite0: Classifier) -> Grid:
    return Grid(lite0)


def test_the_mean_of_the_regions_decides_as_the_classifier_does(grid: Grid, lite0: Classifier) -> None:
    x = squash(whole(gallery_picture("coffee")), 224, 224)
    with torch.no_grad():
        a = grid(x)
        assert a.shape == (1, 49, CHANNELS)
        logits = lite0.network.classifier(a.mean(1))
        assert torch.allclose(logits, lite0(x), atol=1e-4)


@pytest.mark.parametrize(("row", "column"), [(0, 6), (6, 0), (4, 1)])
def test_regions_are_counted_row_by_row(grid: Grid, row: int, column: int) -> None:
    """Change one cell of a picture: its region moves more than the mirrored one."""
    x = squash(whole(gallery_picture("coffee")), 224, 224)
    other = x.clone()
    other[..., row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = 0
    with torch.no_grad():
        moved = (grid(other) - grid(x)).norm(dim=-1)[0].view(7, 7)
    assert moved[row, column] > 2 * moved[column, row]


def test_gradients_reach_the_pixels_and_leave_nothing_behind(grid: Grid) -> None:
    x = torch.rand(2, 3, 100, 90, requires_grad=True)
    (gradient,) = torch.autograd.grad(grid(squash(x, 224, 224)).square().mean(), x)
    assert gradient.isfinite().all() and (gradient.abs().sum((1, 2, 3)) > 0).all()
    assert all(p.grad is None for p in grid.parameters())


def test_squash_keeps_what_fits_and_the_range() -> None:
    x = torch.rand(1, 3, 64, 32)
    assert squash(x, 64, 32) is x
    assert squash(x, 32, 64).shape == (1, 3, 32, 64)
    assert 0 <= squash(x, 17, 200).min() and squash(x, 17, 200).max() <= 1

"""Maps to take home: what is white, where the path goes, how many frames."""

import io

import numpy as np
import pytest
from PIL import Image

from figures.regions import all_steps, animation, centres, one

WORDS = ("a", "black", "$dog$", "⟨end⟩")


def maps(rows: int = 3, columns: int = 4) -> np.ndarray:
    weights = np.random.default_rng(0).exponential(size=(len(WORDS), rows, columns))
    return weights / weights.sum((1, 2), keepdims=True)


def picture() -> np.ndarray:
    return np.full((60, 90, 3), 128, np.uint8)


def test_the_centre_of_one_cell_is_its_own_and_of_two_between_them() -> None:
    weights = np.zeros((2, 3, 4))
    weights[0, 2, 1] = 1
    weights[1, 0, 0], weights[1, 0, 3] = 0.25, 0.75
    assert centres(weights).tolist() == [[1.5, 2.5], [2.75, 0.5]]


def test_the_cell_looked_at_is_the_brightest_of_the_picture() -> None:
    weights = np.zeros((1, 1, 2))
    weights[0, 0, 1] = 1
    drawn = np.asarray(Image.open(io.BytesIO(one(picture(), weights, ("dog",), 0))).convert("L")).astype(int)
    height, width = drawn.shape
    left, right = drawn[height // 2, width // 5], drawn[height // 2, width // 2]
    assert left == pytest.approx(0.4 * 128, abs=3)
    assert right == pytest.approx(0.4 * 128 + 0.6 * 255, abs=3)


@pytest.mark.parametrize("path", [False, True])
def test_a_gif_has_a_frame_a_step(path: bool) -> None:
    assert Image.open(io.BytesIO(animation(picture(), maps(), WORDS, path=path))).n_frames == len(WORDS)


def test_all_steps_are_on_one_sheet() -> None:
    few, many = (
        Image.open(io.BytesIO(all_steps(picture(), np.tile(maps(), (n, 1, 1)), WORDS * n))).size for n in (1, 3)
    )
    assert many[0] == few[0] and many[1] == pytest.approx(3 * few[1], rel=0.02)

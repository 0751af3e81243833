"""The animation: a frame a step, each with the rows written so far and no other."""

import io

import numpy as np
from PIL import Image

from figures.alignment import animation, file

WEIGHTS = np.eye(4)
SOURCE, TARGET = ("a", "b", "c", "d"), ("w", "x", "y", "z")


def frames() -> list[np.ndarray]:
    image = Image.open(io.BytesIO(animation(WEIGHTS, SOURCE, TARGET)))
    found = []
    for number in range(image.n_frames):
        image.seek(number)
        found.append(np.array(image.convert("RGB"), dtype=int))
    return found


def blue(frame: np.ndarray) -> int:
    """Pixels of a weight of one."""
    return int((np.abs(frame - (0, 0x72, 0xB2)).sum(-1) < 40).sum())


def test_the_rows_appear_one_by_one() -> None:
    counts = [blue(frame) for frame in frames()]
    assert len(counts) == 4
    steps = np.diff(counts)
    assert (steps > 100).all() and steps.max() < 1.3 * steps.min()


def test_the_last_row_written_is_framed_and_nothing_stands_below_it() -> None:
    tops = []
    for frame in frames():
        framed = np.argwhere(np.abs(frame - (0xD5, 0x5E, 0)).sum(-1) < 60)
        top, bottom, right = framed[:, 0].min(), framed[:, 0].max(), framed[:, 1].max()
        tops.append((top, bottom - top))
        assert (frame[bottom + 3 :, : right + 1] > 245).all()
    steps, heights = np.diff([top for top, _ in tops]), [height for _, height in tops]
    assert max(steps) - min(steps) <= 1 and max(heights) - min(heights) <= 1
    assert abs(steps[0] - heights[0]) <= 2


def test_a_picture_is_what_its_name_says() -> None:
    assert Image.open(io.BytesIO(file(WEIGHTS, SOURCE, TARGET, "png", 1))).format == "PNG"
    assert b"<svg" in file(WEIGHTS, SOURCE, TARGET, "svg")

"""What travels to the ε component, and what is believed of what comes back."""

import json

import numpy as np
import pytest
import torch

from attacks.axis import COARSE, gradient_axis
from models.classifier import Classifier
from models.picture import gallery_picture, to_pixels
from ui.components.epsilon import Released, header, packed_signs, valid_pixel, whole_step
from ui.components.packing import pack


def unpacked(packed: bytes, count: int) -> np.ndarray:
    """As the browser reads the signs."""
    return np.array([((packed[i >> 2] >> (2 * (i & 3))) & 3) - 1 for i in range(count)])


def test_signs_survive_packing() -> None:
    d = torch.randint(-1, 2, (1, 3, 5, 5), generator=torch.Generator().manual_seed(1)).float()
    packed = packed_signs(d)
    assert len(packed) == 19  # 75 values, four in a byte
    assert (unpacked(packed, 75) == d[0].permute(1, 2, 0).numpy().ravel()).all()


def test_pack_is_length_header_arrays() -> None:
    block = pack({"name": "η"}, b"abc", b"d")
    length = int.from_bytes(block[:4], "little")
    assert json.loads(block[4 : 4 + length]) == {"name": "η"}
    assert block[4 + length :] == b"abcd"


def test_header_tells_five_bars_a_step_and_stays_small(lite0: Classifier) -> None:
    axis = gradient_axis(lite0, to_pixels(gallery_picture("coffee"), 224), steps=COARSE)
    head = header(axis, lite0.categories, ["word"] * len(COARSE), Released(4, None))
    assert head["steps"] == COARSE
    assert head["complete"] is False
    assert head["truth"] == "espresso"
    assert [len(bars) for bars in head["bars"]] == [5] * len(COARSE)
    for bars, probabilities in zip(head["bars"], axis.probabilities, strict=True):
        assert [p for _, p in bars] == sorted((p for _, p in bars), reverse=True)
        assert dict(map(tuple, bars))[bars[0][0]] == pytest.approx(float(probabilities.max()), abs=1e-4)
    assert len(pack(head)) < 4096


@pytest.mark.parametrize("value", [None, "7", 7.5, -1, 33, True, [1], {"n": 1}])
def test_a_step_from_the_browser_is_checked(value: object) -> None:
    assert whole_step(value, 3) == 3


def test_a_good_step_is_taken() -> None:
    assert whole_step(32, 3) == 32


@pytest.mark.parametrize("value", [None, "x", [1], [1, 2, 3], [1.5, 2], [-1, 0], [0, 224], {"row": 1}])
def test_a_pixel_from_the_browser_is_checked(value: object) -> None:
    assert valid_pixel(value, 224) is None


def test_a_good_pixel_is_taken() -> None:
    assert valid_pixel([223, 0], 224) == (223, 0)

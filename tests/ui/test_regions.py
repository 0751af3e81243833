"""The component of maps over a picture, its Python half: what travels to the browser, and what of the browser's word is believed."""

import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from models.trace import Trace
from models.writer import Touch
from ui.components.regions import SHORTER, Manner, carried, grid, packed, photo, standalone
from ui.components.touching import valid_touch


def made(words: str, rows: int = 3, columns: int = 4, seed: int = 0) -> Trace:
    """A trace of random maps: a step a word."""
    draw, target = np.random.default_rng(seed), tuple(words.split())
    scores = draw.normal(size=(1, len(target), rows * columns)).astype(np.float32)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return Trace(
        source=tuple(f"row {r + 1}, column {c + 1}" for r in range(rows) for c in range(columns)),
        target=target,
        heads=("attention",),
        scores=scores,
        weights=weights,
        log_p=np.zeros(len(target), np.float32),
        candidates=tuple(((word, 0.6), ("dog", 0.3)) for word in target),
        values={"grid": np.array([rows, columns])},
    )


def pixels(height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


def unpacked(block: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(block[:4], "little")
    return json.loads(block[4 : 4 + length]), block[4 + length :]


def test_the_browser_gets_the_models_own_numbers() -> None:
    trace = made("a black dog")
    head, arrays = unpacked(packed(photo(pixels(), "d"), trace, None, Touch(), Manner(), of="x"))
    values = np.frombuffer(arrays, "<f4")
    assert np.array_equal(values[:36].reshape(3, 12), trace.weights[0])  # to the bit
    assert np.array_equal(values[36:].reshape(3, 12), trace.scores[0])
    assert head["grid"] == [3, 4] and head["size"] == [40, 30] and head["labels"] == ["caption"]


def test_the_picture_travels_without_loss_and_apart_from_the_weights() -> None:
    shot = photo(pixels(), "d")
    head, file = unpacked(carried(shot))
    assert head == {"picture": "d"}
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(file)).convert("RGB")), pixels())
    assert shot.file not in packed(shot, made("a dog"), None, Touch(), Manner(), of="x")


@pytest.mark.parametrize(("height", "width"), [(900, 1200), (1200, 900), (1000, 1000)])
def test_a_large_picture_is_made_smaller_and_keeps_its_shape(height: int, width: int) -> None:
    shot = photo(np.zeros((height, width, 3), np.uint8), "d")
    assert min(shot.width, shot.height) == SHORTER
    assert shot.width / shot.height == pytest.approx(width / height, rel=0.01)


def test_a_touched_trace_travels_beside_the_untouched() -> None:
    untouched, touched = made("a black dog"), made("a white dog runs", seed=1)
    head, arrays = unpacked(
        packed(photo(pixels(), "d"), untouched, touched, Touch(forbidden=frozenset({2})), Manner(), of="x", step=9)
    )
    assert [len(trace["target"]) for trace in head["traces"]] == [3, 4]
    assert len(arrays) == 4 * 2 * 12 * (3 + 4)
    assert head["touch"] == {"forbidden": [2]}
    assert head["traces"][1]["changed"] == [1, 3]
    assert head["step"] == 3, "the last there is"


@pytest.mark.parametrize(("steps", "rows", "limit"), [(20, 7, 20_000), (20, 14, 50_000)])
def test_the_payload_of_a_decoding_is_small(steps: int, rows: int, limit: int) -> None:
    trace = made("word " * steps, rows, rows)
    assert len(packed(photo(pixels(), "d"), trace, None, Touch(), Manner(), of="x")) < limit


def test_regions_that_are_no_grid_are_refused() -> None:
    trace = made("a dog")
    assert grid(trace) == (3, 4)
    with pytest.raises(ValueError, match="12 regions are no grid of 5 rows and 4 columns"):
        grid(Trace(**{**vars(trace), "values": {"grid": np.array([5, 4])}}))


def test_a_step_that_writes_nothing_is_called_by_what_would_be_decided_after_it() -> None:
    trace = made("hop1 hop2")
    answers = ((("red", 0.9), ("blue", 0.1)), (("blue", 0.8), ("red", 0.2)))
    decides = Trace(**{**vars(trace), "candidates": answers})
    head, _ = unpacked(packed(photo(pixels(), "d"), decides, None, Touch(), Manner(writes=False), of="x"))
    assert head["traces"][0]["target"] == ["red", "blue"] and not head["writes"]


def test_what_is_no_region_is_named_and_its_weights_travel() -> None:
    trace = made("a dog")
    summary = Trace(**{**vars(trace), "values": {"grid": np.array([2, 5])}})
    head, arrays = unpacked(packed(photo(pixels(), "d"), summary, None, Touch(), Manner(), of="x", paintable=False))
    assert head["grid"] == [2, 5] and head["others"] == ["row 3, column 3", "row 3, column 4"]
    assert head["editable"] and not head["paintable"]
    assert len(arrays) == 4 * 2 * 2 * 12


def test_a_painted_map_comes_back_exact_and_a_false_one_not() -> None:
    row = [0.25, 0.75, *[0.0] * 10]
    assert valid_touch({"of": "x", "weights": {"1": row}}, "x", 12).weights == {1: tuple(row)}
    assert valid_touch({"of": "x", "weights": {"1": row[:-1]}}, "x", 12).nothing()
    assert valid_touch({"of": "another picture", "weights": {"1": row}}, "x", 12).nothing()


def test_the_exported_file_needs_nothing_and_runs_nothing_of_the_words() -> None:
    trace = made("<script>alert(1)</script> dog")
    text = standalone(photo(pixels(), "d"), trace, Manner(), "<script>alert(1)</script>").decode()
    assert "<script>alert" not in text
    assert not re.search(r"https?://", text)
    assert "export default" not in text

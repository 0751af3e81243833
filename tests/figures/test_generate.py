"""The drawings of the page "Generate": what they draw is what they were given."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from figures import generate as figures

HISTORY = [
    (0, {"value": -1.4, "real": 0.5, "fake": 0.4, "js": 0.9, "js_floor": 0.02, "modes": 1.0}),
    (20, {"value": -1.2, "real": 0.6, "fake": 0.3, "js": 0.5, "js_floor": 0.02, "modes": 4.0, "loss_judge": 1.2}),
]


def test_curves_have_a_row_for_what_was_measured_and_no_other() -> None:
    figure = figures.curves(HISTORY)
    drawn = {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data}
    assert drawn["JS(real, made)"] == ([0, 20], [0.9, 0.5])
    assert drawn["judge’s loss"] == ([20], [1.2]), "not measured before the first round"
    assert drawn["modes covered"][1] == [1, 4]
    assert not {"entropy of the classes", "generator’s loss"} & set(drawn)
    assert len(figures.curves([]).data) == 0


def test_a_sheet_shows_each_picture_and_below_it_what_the_judge_says() -> None:
    pictures, opinion = np.zeros((3, 4, 8)), np.array([1.0, 0.25, 0.0])
    pictures[1] = 1.0
    pictures[2, 0, 7] = 0.5
    page = figures.sheet(pictures, opinion, 2, enlarged=2)
    across, down = 2 * 8 + figures.GAP, 2 * 4 + figures.BAR + 2 * figures.GAP
    assert page.shape == (2 * down, 2 * across, 3)
    assert (page[:8, :16] == 0).all() and (page[:8, across : across + 16] == 255).all()
    assert (page[down : down + 2, 14:16] == 128).all() and (page[down : down + 2, :14] == 0).all(), (
        "row by row, enlarged"
    )
    for i, long in enumerate((16, 4, 0)):
        bar = page[(i // 2) * down + 8, (i % 2) * across :][:16]
        blue = (bar == [0x56, 0xB4, 0xE9]).all(1)
        assert blue.tolist() == [True] * long + [False] * (16 - long)
        assert ((bar == [0xE6, 0x9F, 0x00]).all(1) == ~blue).all()


def test_a_picture_in_the_message_is_lossless() -> None:
    page = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    sent = base64.b64decode(figures.data_url(page).removeprefix("data:image/png;base64,"))
    assert (np.asarray(Image.open(io.BytesIO(sent))) == page).all()


def test_spectrograms_are_in_seconds_and_kilohertz() -> None:
    loud = np.random.default_rng(1).random((4, 6))
    figure = figures.spectrograms([("kick", loud), ("snare", loud / 2)], np.array([0, 0.1, 0.2, 1.0, 4.0]), 0.016)
    first, second = figure.data
    assert (first.z == loud).all() and (second.z == loud / 2).all()
    assert first.x[1] == pytest.approx(0.016)
    assert [row[0] for row in first.customdata] == ["0.00–0.10 kHz", "0.10–0.20 kHz", "0.20–1.00 kHz", "1.00–4.00 kHz"]
    assert list(figure.layout.yaxis.ticktext) == ["0", "0.1", "0.2", "1", "4"]
    assert [note.text for note in figure.layout.annotations] == ["kick", "snare"]


def test_cures_are_the_mean_over_seeds_and_every_seed() -> None:
    settings = {
        "collapse": {"modes": [[0, 1], [2, 3]], "js": [[1, 0.9], [0.9, 0.7]]},
        "cure": {"modes": [[0, 8]] * 2, "js": [[1, 0.1]] * 2},
    }
    figure = figures.cures(settings, [0, 200], 8)
    means = {(trace.name, trace.xaxis): list(trace.y) for trace in figure.data if trace.name}
    assert means[("collapse", "x")] == [1, 2] and means[("collapse", "x2")] == pytest.approx([0.95, 0.8])
    assert means[("cure", "x")] == [0, 8]
    assert sum(trace.name is None for trace in figure.data) == 8, "two seeds, two settings, two panels"
    assert len({trace.marker.symbol for trace in figure.data if trace.name}) == 2, "told apart by shape, too"

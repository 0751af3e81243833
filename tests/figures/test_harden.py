"""The drawings of the page "Harden": what is drawn is what was given."""

import numpy as np

from figures import harden


def test_tiles_keep_every_number_in_its_place_and_gaps_hold_none() -> None:
    pictures = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    sheet = harden.tiled(pictures, across=2)
    assert sheet.shape == (3 * 3 - 1, 2 * 4 - 1)
    assert np.array_equal(sheet[3:5, 4:7], pictures[3]) and np.isnan(sheet[:, 3]).all() and np.isnan(sheet[2]).all()
    assert np.nansum(sheet) == pictures.sum()


def test_the_plane_draws_every_way_and_counts_who_fools() -> None:
    x, x_adv = np.random.default_rng(0).random((2, 6, 2))
    y, fooled = np.array([0, 1, 0, 1, 1, 0]), np.array([True, False, True, False, False, False])
    traces = {trace.name: trace for trace in harden.plane(np.full((4, 4), 0.5), x, y, x_adv, fooled).data}
    ways = np.array([traces["η"].x, traces["η"].y]).T.reshape(6, 3, 2)
    assert (
        np.array_equal(ways[:, 0], x) and np.array_equal(ways[:, 1], x_adv) and np.isnan(ways[:, 2].astype(float)).all()
    )
    assert np.array_equal(traces["class 1"].x, x[y == 1, 0])
    assert np.array_equal(traces["partner that fools: 2 of 6"].y, x_adv[fooled, 1])


def test_each_frame_of_a_recorded_run_is_its_epoch() -> None:
    random = np.random.default_rng(0)
    ink, grey = random.normal(size=(3, 12, 5, 5)), random.normal(size=(3, 12, 41))
    lines = {name: [1.0, 2.0, 3.0] for name in harden.LINES}
    figure = harden.recorded(lines, ink, grey)
    assert len(figure.frames) == len(figure.layout.sliders[0].steps) == 3
    for epoch, frame in enumerate(figure.frames):
        mark, sheet, *answers = frame.data
        assert list(mark.x) == [epoch, epoch] and np.nansum(np.array(sheet.z)) == np.float64(
            np.nansum(harden.tiled(ink[epoch], 4))
        )
        for k, answer in enumerate(answers):
            assert np.array_equal(answer.y, grey[epoch, k])
        assert len(frame.traces) == len(frame.data) == 14
    assert figure.data[frame.traces[0]].name == "epoch in view"


def test_bars_are_percentages_with_a_star_at_the_truth() -> None:
    before, after = np.eye(10)[3], np.full(10, 0.1)
    figure = harden.answers(before, after, 3)
    assert [trace.y[3] for trace in figure.data] == [100, 10] and figure.data[0].x[3] == "3 ★"
    assert "★" not in "".join(harden.answers(before, after, None).data[0].x)

"""The drawings of the page "Smooth": what is drawn is what was given."""

import base64
import io

import numpy as np
from PIL import Image

from figures import smooth

AXIS = np.linspace(0, 1, 5)


def seen(classes: int = 2) -> smooth.Seen:
    random = np.random.default_rng(0)
    p = random.random((5, 5, classes))
    x, r = random.random((4, 2)), 0.1 * random.random((4, 2))
    return smooth.Seen(
        AXIS, p / p.sum(2, keepdims=True), random.random((5, 5)), x, r, np.array([0, 2]), np.array([1, 0])
    )


def test_an_arrow_goes_from_each_example_along_its_r() -> None:
    drawn = seen()
    figure = smooth.plane(drawn, lds=False, arrows=True, highest=1.0, chosen=3)
    arrows = next(trace for trace in figure.data if trace.name == "r_vadv")
    xy = np.stack([np.array(arrows.x, float), np.array(arrows.y, float)], 1).reshape(-1, 3, 2)
    np.testing.assert_allclose(xy[:, 0], drawn.x)
    np.testing.assert_allclose(xy[:, 1] - xy[:, 0], drawn.r)
    assert np.isnan(xy[:, 2]).all(), "a gap after each"
    ring = next(trace for trace in figure.data if trace.name == "looked at below")
    assert (ring.x[0], ring.y[0]) == tuple(drawn.x[3])
    without = smooth.plane(drawn, lds=False, arrows=False, highest=1.0)
    assert not {"r_vadv", "looked at below"} & {trace.name for trace in without.data}


def test_labels_stand_at_their_examples_and_there_is_a_boundary_a_class() -> None:
    drawn = seen(3)
    figure = smooth.plane(drawn, lds=True, arrows=False, highest=0.7)
    label = {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data}
    assert label["label 1"] == ([drawn.x[0, 0]], [drawn.x[0, 1]]) and label["label 0"] == (
        [drawn.x[2, 0]],
        [drawn.x[2, 1]],
    )
    heat = figure.data[0]
    assert heat.zmax == 0.7 and np.array_equal(np.array(heat.z), drawn.lds)
    assert sum(trace.type == "contour" for trace in figure.data) == 3


def test_the_surer_the_fuller_the_colour() -> None:
    colours = smooth.mixed(np.array([[[1.0, 0.0], [0.5, 0.5]]]))
    assert colours[0, 0].tolist() == [0, 114, 178, 110] and colours[0, 1, 3] == 0


def test_a_sheet_has_the_digits_and_a_row_a_network() -> None:
    digits = np.zeros((10, 28, 28), np.uint8)
    worst = np.full((2, 10, 28, 28), 128, np.uint8)
    worst[1, 3, 5, 6], worst[1, 3, 5, 7] = 255, 0
    page = smooth.sheet(digits, worst)
    assert page.shape == (3 * 60, 10 * 60, 3)
    at = lambda row, column, y, x: page[row * 60 + 2 + 2 * y, column * 60 + 2 + 2 * x]  # noqa: E731
    assert at(0, 3, 5, 6).tolist() == [0, 0, 0]
    assert at(2, 3, 5, 6).tolist() == [0xD5, 0x5E, 0x00] and at(2, 3, 5, 7).tolist() == [0x00, 0x72, 0xB2]
    assert at(2, 3, 9, 9).min() >= 253 and at(1, 3, 5, 6).min() >= 253


def test_a_film_shows_the_last_moment_first_and_has_a_frame_a_moment() -> None:
    pages = [np.full((4, 6, 3), 40 * k, np.uint8) for k in range(3)]
    figure = smooth.film(pages, [0, 5, 9], ["a", "b", "c"], {"alone": [9, 8, 7.5], "vat": [9, 3, 1]}, "error, %")
    assert figure.layout.title.text == "c" and figure.layout.sliders[0].active == 2
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0", "5", "9"]
    for k, frame in enumerate(figure.frames):
        picture = Image.open(io.BytesIO(base64.b64decode(frame.data[0].source.split(",")[1])))
        assert (np.asarray(picture) == pages[k]).all()
        assert list(frame.data[1].x) == [[0, 5, 9][k]] * 2 and list(frame.data[1].y) == [0, 9]
        assert frame.traces == (0, 3) and figure.data[3].mode == "lines" and frame.layout.title.text == "abc"[k]

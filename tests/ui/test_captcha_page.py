"""The page "Captcha" in process: what is drawn and read, every look, and what cannot be drawn."""

import json

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from models.draw import draw
from models.picture import png, read_picture, whole
from models.reader import COLUMNS, HEIGHT, ROWS, WIDTH
from tests import untrained
from tests.visiting import said, visit_page
from ui import cached
from ui.glimpses import FIRST, LOOKS

pytestmark = pytest.mark.usefixtures("strangers")


def visit(**query: str) -> AppTest:
    return visit_page("captcha", "regions", **query)


def table(app: AppTest, column: str) -> pd.DataFrame:
    return next(frame.value for frame in app.dataframe if column in frame.value)


def test_the_first_screen_reads_what_was_drawn_and_says_where_it_errs() -> None:
    app = visit()
    words = said(app)
    assert "is read, with p = " in words
    assert f"Drawn was {FIRST}: wrong at 1" in words
    assert "Σα = 1.000000" in words
    assert (
        f"squashed to {HEIGHT}×{WIDTH} pixels (rows × columns), of which the CNN makes {ROWS} × {COLUMNS} regions"
        in words
    )
    assert not app.warning and not app.error


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_is_drawn(look: str) -> None:
    app = visit(look=look)
    assert not app.warning and not app.error


def test_the_glimpses_are_those_of_the_trace() -> None:
    x = whole(read_picture(png(draw(FIRST, 1)), "captcha.png"))
    trace = untrained.reader().read(x)
    shown = table(visit(look="All letters"), "glimpse, % across")
    assert np.allclose(shown["glimpse, % across"], 100 * trace.values["glimpse"][:, 0])
    assert list(shown["letter"]) == list(trace.target)
    assert np.allclose(shown["p"], np.exp(trace.log_p))


def test_text_noise_and_seed_in_the_link_are_drawn() -> None:
    app = visit(drawn="abc23", dots="90", curves="5", seed="7")
    assert "Drawn was ABC23" in said(app)
    assert (
        app.session_state["regions_of"]
        != visit(drawn="abc23", dots="91", curves="5", seed="7").session_state["regions_of"]
    )


def test_another_is_another_text() -> None:
    app = visit()
    next(button for button in app.button if button.label == "Another").click().run()
    assert not app.exception
    assert f"Drawn was {FIRST}" not in said(app)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "has 3 to 8 characters; this text has 0"), ("HELLO", "“O” cannot be drawn"), ("<b>", "cannot be drawn"), ("ABCDEFGHJ", "this text has 9")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(text: str, words: str) -> None:
    app = visit()
    app.text_input(key="drawn").set_value(text).run()
    assert not app.exception
    assert words in said(app).replace("\\", "")
    assert not app.get("download_button")


def test_a_letter_is_forced_and_one_that_is_unknown_is_said() -> None:
    app = visit(touch=json.dumps({"words": {"0": "k"}}))
    assert "**K" in said(app) and "Touched: " in said(app)
    assert "does not know “?”" in said(visit(touch=json.dumps({"words": {"0": "?"}}))).replace("\\", "")


def test_more_noise_is_asked_of_drawn_captchas_only() -> None:
    app = visit(look="More noise")
    assert "“K7PXW2” drawn in 8 ways (seeds 1 to 8) with 1 curve and ever more dots" in said(app)
    found = cached.pictures.captcha_noise(FIRST, 1, 1)
    assert [dots for dots, _, _ in found] == [0, 25, 50, 75, 100, 125, 150]
    assert all(0 <= right <= 1 and 0 <= p <= 1 for _, right, p in found)


def test_a_bad_link_is_said() -> None:
    app = visit(dots="151", curves="x", seed="-1", look="away", step="0x", **{"from": "nowhere"})
    assert len(app.toast) == 6
    assert "is read, with p = " in said(app)


def test_upload_without_a_file_says_what_to_do() -> None:
    assert "Drop a photo here" in said(visit(**{"from": "Upload"}))

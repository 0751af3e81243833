"""The page "Ask" in process: photos and drawings, every look, several questions, and what cannot be read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from models.picture import gallery_picture, whole
from models.shapes import MANY, drawing, drawings
from tests import untrained
from tests.models import test_hub_answering as hub_networks
from tests.visiting import said, visit_page
from ui import cached
from ui.ask import EXAMPLES, FIRST, HUB, KINDS, LOOKS, PHOTOS, SHAPES
from ui.cached.pictures import Look

pytestmark = pytest.mark.usefixtures("strangers")


def visit(**query: str) -> AppTest:
    return visit_page("ask", "regions", **query)


def table(app: AppTest, column: str) -> pd.DataFrame:
    return next(frame.value for frame in app.dataframe if column in frame.value)


def test_the_first_screen_answers_beginning_at_the_second_hop() -> None:
    app = visit()
    words = said(app)
    assert "After the first hop it would have said " in words
    assert "Step 2, “hop 2”. Σα = 1.000000" in words
    assert "squashed to 416×320 pixels, of which the network makes 10 × 13 regions" in words
    assert not app.warning and not app.error


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("kind", [PHOTOS, SHAPES])
def test_every_look_is_drawn(kind: str, look: str) -> None:
    app = visit(look=look, about=KINDS[kind])
    assert not app.warning and not app.error


@pytest.mark.parametrize("family", hub_networks.FAMILIES)
def test_a_network_of_a_folder_answers_layer_by_layer(family: str, tmp_path: Path) -> None:
    folder = hub_networks.make(family, tmp_path / family)
    query = {"about": KINDS[HUB], "hub": str(folder), "text": hub_networks.QUESTION}
    for look in LOOKS:
        app = visit(**query, look=look)
        assert not app.warning and not app.error
        words = said(app)
        assert "After the first layer it would have said " in words and "Step 3, “layer 3”. Σα = 1.000000" in words
        assert "squashed to 32×32 pixels, of which the network makes 4 × 4 regions" in words
        assert ("choose ours" in words) == (look in ("This hop", "The model"))
    assert "head" in [box.key for box in app.selectbox]


def test_a_network_that_is_not_there_is_said() -> None:
    app = visit(about=KINDS[HUB], hub="/no/such/folder")
    assert "neither a name of a model nor a folder" in said(app) and not app.exception


def test_one_hop_has_one_map() -> None:
    app = visit(hops="1")
    assert "Step 1, “hop 1”" in said(app)
    assert "After the first hop" not in said(app)


def test_of_a_drawing_it_is_known_what_is_right() -> None:
    title = list(drawings())[3]
    app = visit(about=KINDS[SHAPES], drawing=title)
    question, truth = next(iter(drawings()[title].answers.items()))
    assert f"The package says {truth}: " in said(app)
    assert app.session_state["text"] == question
    several = table(visit(about=KINDS[SHAPES], drawing=title, look="Several questions"), "right answer")
    assert dict(zip(several["question"], several["right answer"], strict=True)) == drawings()[title].answers


def test_questions_asked_of_a_picture_are_kept_in_a_list() -> None:
    app = visit(look="Several questions")
    app.text_input(key="text").set_value("Is there a red circle?").run()
    app.text_input(key="text").set_value("What color is the table?").run()
    listed = list(table(app, "question")["question"])
    assert listed[:3] == [EXAMPLES[PHOTOS][0], "Is there a red circle?", "What color is the table?"]
    app.selectbox(key="gallery").select("camera").run()
    assert "Is there a red circle?" not in list(table(app, "question")["question"])


def test_the_cnn_runs_once_a_picture_whatever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    answerer = untrained.answerer("daquar")
    monkeypatch.setattr(type(answerer), "features", lambda self, x: calls.append(1) or self.grid(x[..., :320, :416]))
    app = visit(look="Several questions")
    app.text_input(key="text").set_value("Is there a red circle?").run()
    app.selectbox(key="hops").select("1").run()
    app.segmented_control(key="look").set_value("Its words").run()
    assert not app.exception
    assert len(calls) == 1


def test_the_words_influence_is_what_the_model_says_without_them() -> None:
    app = visit(look="Its words", text="What is on the table?")
    shown = table(app, "without")
    found = untrained.answerer("daquar").without_words(whole(gallery_picture(FIRST)), "What is on the table?")
    assert list(shown["without"]) == ["what", "is", "on", "the", "table"]
    assert np.allclose(shown["less by"], found.whole - found.p)


def test_a_painted_hop_in_the_link_is_answered_anew() -> None:
    row = [0.0] * 130
    row[7] = 1.0
    assert "Untouched it was " in said(visit(touch=json.dumps({"weights": {"0": row}})))


def test_a_judgement_is_counted() -> None:
    app = visit(look="Right place?")
    assert "Yang 2016 read a hundred wrong answers" in said(app)
    app.radio[0].set_value("right place, wrong answer").run()
    assert not app.exception
    assert list(app.session_state["judged"].values()) == ["right place, wrong answer"]


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "nothing to answer yet"), ("?!", "nothing to answer yet"), ("what " * 50, "50 words"), ("我喜欢学习。", "Not one word"), ("<b>what</b> is this", None)],
)  # fmt: skip
def test_what_cannot_be_read_is_said(text: str, words: str | None) -> None:
    app = visit()
    app.text_input(key="text").set_value(text).run()
    assert not app.exception
    if words:
        assert words in said(app)
        assert not app.get("download_button")


def test_words_that_the_model_does_not_know_are_named() -> None:
    assert "all one word to it: xylophone, purple" in said(visit(text="is the xylophone purple")).replace("\\", "")


def test_a_bad_link_is_said() -> None:
    app = visit(about="HAL", hops="9", drawing="none", gallery="x", look="away", step="second")
    assert len(app.toast) == 6
    assert "After the first hop" in said(app)


def test_the_drawings_are_read_like_uploads() -> None:
    assert len(drawings()) == MANY
    assert drawing(next(iter(drawings()))).pixels.shape == (64, 64, 3)


def test_answers_about_photos_share_their_eyes() -> None:
    assert (
        cached.pictures.eyes_of("ask-daquar-1")
        == cached.pictures.eyes_of("ask-daquar")
        != cached.pictures.eyes_of("ask-shapes")
    )
    assert Look("a", "b") == Look("a", "b")

"""The page "Caption" in process: every look, every way of decoding, touches, and input that cannot be read."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from models.picture import gallery
from models.writer import Touch
from tests import untrained
from tests.models.test_hub_captioning import make
from tests.visiting import said, visit_page
from ui import caption, regions
from ui.cached.pictures import Look
from ui.caption import HUB, LOOKS, WAYS

pytestmark = pytest.mark.usefixtures("strangers")


def visit(**query: str) -> AppTest:
    return visit_page("caption", "regions", **query)


def table(app: AppTest, column: str) -> pd.DataFrame:
    return next(frame.value for frame in app.dataframe if column in frame.value)


def test_the_first_screen_describes_the_picture_and_adds_up() -> None:
    app = visit()
    words = said(app)
    assert "red a tower cat man" in words
    assert "Σα = 1.000000" in words
    assert "All of the 512×512 picture, squashed to 224×224 pixels, of which the network makes 7 × 7 regions." in words
    assert "Lav Varshney" in words
    assert not app.warning and not app.error


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_is_drawn(look: str) -> None:
    app = visit(look=look)
    assert not app.warning and not app.error


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_decoding(way: str) -> None:
    assert "perplexity a word" in said(visit(way=way))


@pytest.mark.parametrize("key", list(gallery())[:3])
def test_every_map_sums_to_one(key: str) -> None:
    app = visit(gallery=gallery()[key].title)
    assert table(app, "α")["α"].sum() == pytest.approx(1, abs=1e-6)
    assert len(table(app, "α")) == 49


def test_the_numbers_of_a_step_are_its_own() -> None:
    lines = table(visit(look="This word", step="3"), "line").set_index("line")
    assert lines.loc["Q", "what"] == "the query, h_{t−1}"
    assert lines.loc["K", "shape"] == lines.loc["V", "shape"] == "49 × 24"


def test_a_painted_map_in_the_link_is_written_anew() -> None:
    row = [0.0] * 49
    row[0] = 1.0
    words = said(visit(touch=json.dumps({"weights": {"1": row}}), step="2", way="Greedy"))
    assert "red cat a tower" in words
    assert "Touched: " in words


def test_a_word_is_forced_and_one_that_is_unknown_is_said() -> None:
    assert "**snow" in said(visit(touch=json.dumps({"words": {"0": "snow"}})))
    app = visit(touch=json.dumps({"words": {"0": "xylophone"}}))
    assert "does not know the word “xylophone”" in said(app)
    assert "**red a tower" in said(app)


def test_what_a_beam_wrote_stays_up_to_the_step_touched() -> None:
    trace = untrained.captioner().write_from(untrained.captioner().features(untrained.noise()), beam=3)
    look = Look("caption", "", beam=3)
    touched = regions.continued(Touch(weights={2: (1.0,)}, words={3: "dog"}), trace, look)
    assert touched.words == {0: trace.target[0], 1: trace.target[1], 3: "dog"}
    free = Touch(forbidden=frozenset({1}), words={3: "dog"})
    assert regions.continued(free, trace, look) == free
    assert regions.continued(Touch(words={3: "dog"}), trace, Look("caption", "")).words == {3: "dog"}


def test_another_picture_begins_at_its_first_word() -> None:
    app = visit(step="4")
    assert "Step 4, " in said(app)
    app.selectbox(key="gallery").select("coffee").run()
    assert "Step 1, " in said(app)


def test_the_files_to_take_home_are_of_the_trace_in_view() -> None:
    app = visit()
    labels = [button.label for button in app.get("download_button")]
    assert {"Picture (PNG)", "All steps (PNG)", "Steps (GIF)", "Numbers (CSV)", "Steps offline (HTML)"} <= set(labels)


def test_upload_without_a_file_says_what_to_do() -> None:
    app = visit(source="Upload")
    assert "Drop a photo here" in said(app)
    assert not app.get("download_button")


def test_a_bad_link_is_said() -> None:
    app = visit(gallery="nothing", way="shout", look="away", step="x", source="y", touch="[")
    assert len(app.toast) == 5
    assert "red a tower" in said(app)


def test_the_gate_is_drawn_as_it_was_computed() -> None:
    beta = table(visit(look="All words"), "β")["β"].to_numpy()
    assert ((beta > 0) & (beta < 1)).all()
    trace = untrained.captioner().write_from(untrained.captioner().features(untrained.noise()))
    drawn = caption.figures.gate(trace.target, trace.values["beta"][:, 0])
    assert np.array_equal(drawn.data[0].y, trace.values["beta"][:, 0])


@pytest.mark.parametrize("kind", ["vit-gpt2", "blip"])
def test_a_captioner_in_a_folder_writes_and_shows_its_heads(tmp_path: Path, kind: str) -> None:
    folder = make(kind, tmp_path / kind)
    app = visit(model=HUB, hub=str(folder))
    words = said(app)
    assert "of which the network makes 4 × 4 regions" in words and "perplexity a word" in words
    app.selectbox(key="head").select("layer 2 · head 1").run()
    assert not app.exception
    assert table(app, "α")["α"].sum() == pytest.approx(1, abs=1e-5)
    assert "choose ours" in said(visit(model=HUB, hub=str(folder), look="Beam tree"))


def test_a_captioner_that_there_is_not_is_a_sentence() -> None:
    app = visit(model=HUB, hub="/no/such/folder")
    assert app.warning and not app.get("download_button")

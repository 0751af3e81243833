"""The page "Translate" in process: what it says for every kind of sentence and every look."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from models import zoo
from tests.models.test_hub import make
from tests.visiting import said, visit_page
from ui.stepping import WAYS
from ui.translate import EXAMPLES, HUB, TITLES
from ui.translate.looks import LOOKS


def visit(**query: str) -> AppTest:
    return visit_page("translate", "alignment", **query)


def test_the_first_screen_translates_and_adds_up() -> None:
    app = visit()
    assert "un chien noir et un chien blanc courent le long de la plage" in said(app).replace("\\", "")
    assert "Σα = 1.000000" in said(app)
    assert not app.warning


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_is_drawn(look: str) -> None:
    app = visit(look=look)
    assert not app.warning
    assert not app.error


@pytest.mark.parametrize("title", [TITLES[score] for score in zoo.TRANSLATORS])
def test_every_score_translates(title: str) -> None:
    app = visit(model=title, text="Two dogs are running.")
    assert "deux chiens" in said(app)


def test_the_one_without_attention_says_so_everywhere() -> None:
    for look in LOOKS:
        visit(model=TITLES["none"], look=look)
    assert "no attention" in said(visit(model=TITLES["none"]))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_decoding(way: str) -> None:
    assert "perplexity a word" in said(visit(way=way))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to translate"),
        ("word " * 300, "300 words"),
        ("我喜欢学习。", "Not one word"),
        ("🎉", "Not one word"),
        ("<b></b>", None),
    ],
)
def test_what_cannot_be_translated_gets_a_sentence(text: str, words: str | None) -> None:
    app = visit(text=text)
    if words:
        assert words in said(app)
    app.text_input(key="text").set_value("Two dogs are running.").run()
    assert "deux chiens" in said(app)


def test_a_link_restores_the_touch() -> None:
    app = visit(text=EXAMPLES[0], touch=json.dumps({"words": {"1": "gros"}}))
    assert "Touched: 1 of" in said(app)


@pytest.mark.parametrize("touch", ["{", "[]", "3", '{"words": {"1": "xyzzy"}}', '{"weights": {"0": [1]}}', "null"])
def test_a_broken_touch_in_a_link_is_survived(touch: str) -> None:
    assert "un chien noir" in said(visit(text=EXAMPLES[0], touch=touch)).replace("\\", "")


def test_values_of_a_link_that_there_are_not_are_told() -> None:
    app = visit(model="psychic", look="Nothing", step="x")
    assert len(app.toast) == 3


def test_a_hub_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    app = visit(model=HUB, hub="/no/such/folder")
    assert app.warning
    assert "Traceback" not in said(app)


def test_text_is_never_markup() -> None:
    app = visit(text="<img src=x onerror=alert(1)> the **dog** $runs$")
    assert "<img" not in said(app)


def test_a_model_in_a_folder_is_shown_by_layer_and_head(tmp_path: Path) -> None:
    folder = make("marian", tmp_path / "tiny")
    app = visit(model=HUB, hub=str(folder), text="a dog runs")
    heads = app.selectbox(key="head")
    assert len(heads.options) > 2
    assert heads.options[0] == "mean of all heads"
    app.selectbox(key="head").select(heads.options[-1]).run()
    assert not app.exception
    assert "perplexity a word" in said(app)
    for look in LOOKS:
        assert not visit(model=HUB, hub=str(folder), text="a dog runs", look=look).error

"""The page "Headline" in process: every look, every way, and input that cannot be read."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.visiting import said, visit_page
from ui.headline import EXAMPLES, LOOKS
from ui.stepping import WAYS


def visit(**query: str) -> AppTest:
    return visit_page("headline", "alignment", **query)


def test_the_first_screen_writes_and_adds_up() -> None:
    app = visit()
    words = said(app)
    assert "russian defense minister" in words
    assert "rather copied than written" in words
    assert "Σα = 1.000000" in words
    assert not app.warning


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_is_drawn(look: str) -> None:
    app = visit(look=look)
    assert not app.warning and not app.error


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_written(text: str) -> None:
    assert "perplexity a word" in said(visit(text=text))


def test_an_unknown_name_is_copied() -> None:
    app = visit(text=EXAMPLES[-1], look="Written or copied?")
    table = next(frame.value for frame in app.dataframe if "p_gen" in frame.value)
    copied = table[table["word"] == "freedonia"]
    assert len(copied) == 1 and copied["copied, % of P"].iloc[0] == pytest.approx(100)
    assert copied["looks most at"].iloc[0].endswith("freedonia")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_decoding(way: str) -> None:
    assert "perplexity a word" in said(visit(way=way))


@pytest.mark.parametrize("length", [4, 9])
def test_so_many_words_as_asked(length: int) -> None:
    assert f"of {length} words" in said(visit(length=str(length)))


def test_a_touch_in_the_link_is_done() -> None:
    touched = visit(touch=json.dumps({"words": {"0": "ivanov"}}))
    assert "**ivanov" in said(touched) and "Touched." in said(touched)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to write about"),
        ("word " * 300, "300 words"),
        ("我喜欢学习。", "Not one word"),
        ("🎉", "Not one word"),
        ("<b>police said</b>", None),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str | None) -> None:
    app = visit(text=text)
    assert not app.exception
    if words:
        assert words in said(app)


def test_a_bad_link_is_said() -> None:
    app = visit(length="99", way="shout", look="away")
    assert len(app.toast) == 3

"""The page "Words under attack" in process: all networks, every look, and input that cannot be read."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.visiting import ROOT, said, visit_page
from ui import cached
from ui.cached.words import Attacked, Flipping
from ui.words_under_attack import EXAMPLES, LOOKS, ONE, STOPPED, TASKS, Choice


def visit(**query: str) -> AppTest:
    return visit_page("words", **query)


def test_the_first_screen_is_fooled_by_one_word() -> None:
    app = visit()
    words = said(app)
    assert "Fooled by 1 word" in words and "“small” → “tiny”" in words
    assert "**negative**" in words and "**positive**" in words
    assert "The looks moved" in words and "Typed anew it is read the same" in words
    assert not app.warning and not app.error


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("task", TASKS.values())
def test_every_look_is_drawn(task: str, look: str) -> None:
    app = visit(task=task, look=look)
    assert not app.warning and not app.error
    if look == "Every candidate":
        table = app.dataframe[0].value
        assert len(table) > 5 and {"∇Jᵀ(e_new − e_old)", "J truly changed by", "similarity", "verdict"} <= set(table)
    if look == "At random":
        assert "of 100** fool the network" in said(app)


def test_one_look_is_attacked_too() -> None:
    words = said(visit(form=ONE))
    assert "ooled" in words and "The looks moved" in words


def test_a_french_word_is_brought_into_a_translation() -> None:
    words = said(visit(task=TASKS["translate"], word="rouge"))
    assert "Reached by 1 word" in words and "chapeau rouge" in words and "that is translating" in words


def test_a_translator_that_does_not_look_says_so() -> None:
    app = visit(task=TASKS["translate"], score="none")
    assert "looks at no word" in said(app)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"text": ""}, "nothing to classify"),
        ({"text": "xqzt wvbk"}, "Not one word"),
        ({"text": "😀😀"}, "Not one word"),
        ({"text": "good " * 61}, "at most 60"),
        ({"task": TASKS["translate"], "word": "zzzz"}, "does not know the French word"),
        ({"task": TASKS["translate"], "word": "homme"}, "in the translation already"),
        ({"task": TASKS["translate"], "word": "⟨end⟩"}, "no words"),
        ({"class_sentiment": "negative"}, "already"),
    ],
)
def test_what_cannot_be_attacked_is_said_in_plain_words(query: dict[str, str], word: str) -> None:
    app = visit(**query)
    assert word in said(app) and app.warning and not app.exception


@pytest.mark.parametrize("text", ["it was not", "!!! good ???", "I <b>love</b> $x$ *this* film", "good"])
def test_texts_with_little_to_replace_are_shown(text: str) -> None:
    words = said(visit(text=text))
    assert "ooled" in words or "Nothing to replace" in words


def test_a_search_that_was_stopped_goes_on_where_it_was() -> None:
    choice = Choice(Attacked("sentiment", EXAMPLES["sentiment"][4]), Flipping())
    cached.words.flips.clear()
    search = cached.words.flips(choice.asked, choice.how)
    while not search.rounds:
        search.go_on()
    assert not search.done
    first = search.rounds[0]
    app = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=120)
    app.session_state[STOPPED] = choice
    app.query_params["text"] = choice.asked.text
    app.switch_page(str(ROOT / "pages" / "words.py"))
    app.run()
    assert "Stopped after 1 of at most 3 words" in said(app) and len(search.rounds) == 1
    app.button(key="go_on").click().run()
    assert search.done and search.rounds[0] is first and len(search.rounds) > 1
    assert "Stopped" not in said(app)


def test_the_rounds_are_stepped_through_and_the_link_knows_which() -> None:
    bad = "The acting is wooden and the plot is a mess. The music is awful and the ending is a bore."
    last, first = visit(text=bad), visit(text=bad, step="1")
    shown = [next(line for line in said(app).split("\n") if line.startswith("**After**")) for app in (last, first)]
    assert shown[0] != shown[1] and shown[1].count(":orange[") == 1 < shown[0].count(":orange[")
    first.button(key="round_of_End").click().run()
    assert shown[0] in said(first)

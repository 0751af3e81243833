"""The page "Self-attention" in process: both tasks, every look, and input that cannot be read."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from tests.visiting import said, visit_page
from ui.self_attention import EXAMPLES, LOOKS, TASKS


def visit(**query: str) -> AppTest:
    return visit_page("self_attention", "alignment", **query)


def test_the_first_screen_decides_and_adds_up() -> None:
    app = visit()
    words = said(app)
    assert "negative" in words and "redundancy" in words
    assert "Σα = 1.000000" in words
    assert not app.warning


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("task", TASKS.values())
def test_every_look_is_drawn(task: str, look: str) -> None:
    app = visit(task=task, look=look)
    assert not app.warning and not app.error


@pytest.mark.parametrize(
    ("task", "text", "name"),
    [
        ("sentiment", EXAMPLES["sentiment"][1], "positive"),
        ("sentiment", "A boring, stupid mess.", "negative"),
        ("sentiment", EXAMPLES["sentiment"][4], "negative"),
        ("question-type", "What is the capital of Mongolia?", "place"),
        ("question-type", "How many people live in Tokyo?", "number"),
        ("question-type", "Who wrote the letter that started the war?", "person"),
    ],
)
def test_plain_cases_are_decided_rightly(task: str, text: str, name: str) -> None:
    assert f"**{name}**, p = " in said(visit(task=TASKS[task], text=text))


def test_another_task_begins_with_its_own_example() -> None:
    app = visit()
    app.selectbox(key="task").select("question-type").run()
    assert not app.exception
    assert app.text_input(key="text").value == EXAMPLES["question-type"][0]


def test_a_forbidden_word_is_said() -> None:
    app = visit(text="Not good", touch=json.dumps({"forbidden": [0]}))
    assert "Untouched it was" in said(app)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to classify"),
        ("word " * 450, "at most 400"),
        ("我喜欢学习", "Not one word"),
        ("🎉", "Not one word"),
        ("<b>x</b>", None),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str | None) -> None:
    app = visit(text=text)
    assert not app.exception
    if words:
        assert words in said(app)


def test_a_bad_link_is_said() -> None:
    assert len(visit(task="taste", look="away").toast) == 2

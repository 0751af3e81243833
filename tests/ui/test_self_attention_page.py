"""The page "Self-attention" in process: both tasks, every look, and input that cannot be read."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from models.card import read_card
from tests.visiting import control, said, visit_page
from ui.self_attention import ALL, EXAMPLES, FORMS, LOOKS, ONE, SEVERAL, TASKS, THIS, beside


def visit(**query: str) -> AppTest:
    return visit_page("self_attention", "alignment", **query)


def test_the_first_screen_decides_and_adds_up() -> None:
    app = visit()
    words = said(app)
    assert "negative" in words and "looks’ redundancy" in words
    assert "Σα = 1.000000" in words
    assert not app.warning


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", TASKS.values())
def test_every_look_is_drawn(task: str, form: str, look: str) -> None:
    app = visit(task=task, form=form, look=look)
    assert not app.warning and not app.error


@pytest.mark.parametrize("task", TASKS)
def test_both_forms_have_their_accuracy_on_the_page(task: str) -> None:
    words = said(visit(task=TASKS[task]))
    for form, names in FORMS.items():
        assert f"{read_card(names[task]).metrics['accuracy']:.1f} % after {form}" in words


def test_one_look_has_one_row_and_no_penalty() -> None:
    words = said(visit(form=ONE))
    assert "Σα = 1.000000" in words and "looks’ redundancy" not in words
    words = said(visit(form=ONE, look="This look"))
    assert "v_a" in words and "Look 1" in words


@pytest.mark.parametrize("task", TASKS)
def test_published_stands_beside_measured(task: str) -> None:
    table = beside(task)
    assert {"measured here", "Lin 2017", "Kim 2014"} <= set(table["from"])
    for names in FORMS.values():
        assert read_card(names[task]).metrics["accuracy"] in table["accuracy"].tolist()
    assert {"Yelp", "Age", "SNLI"} <= set(table["data"])
    ours = table[table["data"] == table["data"][0]]
    assert ours["accuracy"].is_monotonic_decreasing and len(ours) > 3
    assert not table["model"].str.contains(r"[()]").any()


def test_the_penalty_is_told_with_what_it_was_measured_to_do() -> None:
    app = visit(look="The model")
    assert "0.02 · ‖AAᵀ − I‖²" in said(app) and "report question-type" in said(app)
    assert any("penalty λ" in frame.value.columns for frame in app.dataframe)


@pytest.mark.parametrize(("doubted", "row"), [(THIS, "look"), (ALL, "decision")])
def test_the_looks_are_doubted_alone_and_together(doubted: str, row: str) -> None:
    words = said(visit(look="Is it true?", doubted=doubted))
    assert "Shuffling the weights" in words and "“negative”" in words
    assert ("Over all 4 looks" in words) == (row == "look")
    assert "Kendall’s τ" in words


def test_one_look_is_doubted_without_a_choice() -> None:
    app = visit(form=ONE, look="Is it true?")
    assert "Shuffling the weights" in said(app) and "Over all" not in said(app)
    assert [choice.label for choice in app.segmented_control] == ["After", "Look closer"]


def test_of_a_long_text_the_words_looked_at_most_are_drawn_and_the_rest_is_said() -> None:
    words = said(visit(text=EXAMPLES["sentiment"][4], look="Is it true?"))
    assert "Drawn are the 48 words looked at most; the others have 0." in words
    assert "for sentences of up to 40 words" in words


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
    assert control(app.text_input, "text").value == EXAMPLES["question-type"][0]


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
    assert len(visit(task="taste", look="away", form="7 looks", doubted="nothing").toast) == 4


def test_another_form_keeps_the_text() -> None:
    app = visit(text="A boring, stupid mess.", form=SEVERAL)
    app.query_params["form"] = ONE
    app.run()
    assert not app.exception and control(app.text_input, "text").value == "A boring, stupid mess."

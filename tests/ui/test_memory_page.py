"""The page "Memory" in process: every kind that ships, every look, touches from a link, and input that cannot be read."""

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from models import zoo
from models.key_value import ATTENTION, KINDS, PLAIN, PREDICT
from tests.visiting import control, said, visit_page
from ui import cached
from ui.memory import EXAMPLES, FURTHEST, MOST, TITLES, usual
from ui.memory.looks import LOOKS

TEXT = "The king had three sons."
WORDS = 6  # tokens of it


def visit(**query: str) -> AppTest:
    return visit_page("memory", "alignment", **query)


def test_the_first_screen_tells_a_story_and_says_how_far_back_it_looked() -> None:
    app = visit()
    words = said(app)
    assert "words were given, perplexity" in words and "it wrote 15 (bold)" in words
    assert "Daniluk 2017 found" in words and "Σα = 1.000000" in words
    assert not app.warning and not app.error
    assert app.selectbox(key="model").value == usual()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("kind", zoo.language_models())
def test_every_look_of_every_kind_is_drawn(kind: str, look: str) -> None:
    app = visit(model=TITLES[kind], look=look, text=TEXT, step="9")
    assert not app.warning and not app.error


@pytest.mark.parametrize("step", ["1", "2"])
@pytest.mark.parametrize("look", LOOKS)
def test_the_first_steps_have_little_or_nothing_before_them(look: str, step: str) -> None:
    assert not visit(text=TEXT, step=step, look=look).error
    if step == "1":
        assert "The first word has none before it" in said(visit(text=TEXT, step="1", look="Is it true?"))


def test_the_plain_one_says_that_it_does_not_look_back() -> None:
    app = visit(model=TITLES[PLAIN], text=TEXT)
    assert "does not look back" in said(app)
    assert app.slider(key="L").disabled


def test_one_more_word_is_one_more() -> None:
    app = visit(text=TEXT, words="3")
    assert "it wrote 3 (bold)" in said(app)
    app.button(key="one_more").click().run()
    app.run()
    assert control(app.number_input, "words").value == 4
    assert "it wrote 4 (bold)" in said(app)


def test_a_word_picked_at_the_end_is_gone_on_from() -> None:
    touch = {"words": {str(WORDS - 1 + 3): "dragon", str(WORDS + 3): "was"}}
    words = said(visit(text=TEXT, words="3", touch=json.dumps(touch)))
    assert "it wrote 5 (bold)" in words and "Touched: " in words


def test_a_story_is_not_written_past_its_end() -> None:
    app = visit(text="the king " * 120, words=str(MOST))
    assert app.button(key="one_more").disabled
    assert "it wrote 16 (bold)" in said(app)


def test_sampling_is_by_its_seed() -> None:
    one, same, other = (said(visit(text=TEXT, way="Sample", sampling="1.5", seed=seed)) for seed in ("1", "1", "2"))
    assert one == same != other


@pytest.mark.parametrize("L", ["1", str(FURTHEST)])
def test_L_is_what_is_looked_at(L: str) -> None:
    app = visit(text=EXAMPLES[0], L=L, model=TITLES[ATTENTION], look="This step")
    assert "Σα = 1.000000" in said(app)
    assert len(app.dataframe[1].value) == int(L)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Type the beginning of a story"),
        ("word " * 300, "at most 255"),
        ("我喜欢学习", "Not one word"),
        ("🎉", "Not one word"),
        ("<b>x</b>", None),
        ("The quarkly king", "Not known to it: quarkly"),
        ("** $x$ the king", None),
    ],
)
def test_what_cannot_be_read_is_said_and_the_page_goes_on(text: str, words: str | None) -> None:
    app = visit(text=text)
    if words:
        assert words in said(app)
    app.text_input(key="text").set_value(TEXT).run()
    assert not app.exception and "it wrote 15 (bold)" in said(app)


def test_a_word_that_the_model_does_not_know_cannot_be_forced() -> None:
    assert "does not know the word “xyzzy”" in said(visit(text=TEXT, touch=json.dumps({"words": {"6": "xyzzy"}})))


@pytest.mark.parametrize(
    "touch",
    ["{", "[]", "3", "null", '{"weights": {"7": [1]}}', '{"weights": {"7": [0.5]}}', '{"words": {"999": "king"}}'],
)
def test_a_broken_touch_in_a_link_is_survived(touch: str) -> None:
    assert "it wrote 15 (bold)" in said(visit(text=TEXT, touch=touch))


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", "psychic"), ("L", "99"), ("L", "x"), ("words", "-1"), ("way", "Beam of 5"), ("look", "away")],
)
def test_a_value_of_a_link_that_there_is_not_is_told(name: str, value: str) -> None:
    app = visit(text=TEXT, **{name: value})
    assert len(app.toast) == 1 and not app.error


@pytest.mark.parametrize("ships", [(PLAIN,), (PLAIN, ATTENTION), KINDS])
def test_it_works_with_as_many_kinds_as_ship(ships: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "language_models", lambda: ships)
    for look in LOOKS:
        app = visit(text=TEXT, look=look)
        assert app.selectbox(key="model").options == [TITLES[kind] for kind in ships]
        assert not app.error


def test_what_is_recorded_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = zoo.language_models()
    by_L = {kind: [[0, 70.0], [1, 60.0], [5, 51.1], [10, 51.0], [20, 51.0]] for kind in kinds}
    row = {"ppl": 51.0, "ppl_wikipedia": 82.0, "parameters": 4, "words": 9, "updates": 3, "minutes": 1.0}
    found: dict[str, Any] = {
        "command": "recorded by hand",
        "about": "About this.",
        "L": 10,
        "table": [{"kind": kind, **row} for kind in kinds],
        "by_L": by_L,
        "distance": {
            kind: {"weights": [0.1] * 10, "entropy": 3.3, "half": 5, "nine_tenths": 9}
            for kind in kinds
            if kind != PLAIN
        },
    }
    monkeypatch.setattr(zoo, "recorded", lambda _name: found)
    words = said(visit(text=TEXT, model=TITLES[ATTENTION]))
    assert "half on the last 5, nine tenths on the last 9 of 10 (a row" in words
    assert "perplexity 70.0 when it may look at nothing, 60.0 with the state just before" in words
    assert "from L = 5 on" in words
    assert "recorded by hand" in said(visit(text=TEXT, look="The models"))


def test_the_parts_of_a_state_are_named() -> None:
    kind = zoo.language_models()[-1]
    words = said(visit(text=TEXT, model=TITLES[kind], look="This step"))
    assert ("p_t: the third" if kind == PREDICT else "x_t = ") in words


def test_the_kinds_are_asked_for_by_their_own_names() -> None:
    for kind in zoo.language_models():
        assert cached.sentences.language_model(kind).kind == kind

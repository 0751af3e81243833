"""The page "Heads" in process: what it says for every kind of sentence, every way to show it and every look; and what it sends."""

from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from figures.heads import layers_by_heads
from figures.overview import file
from tests.models.test_encoder import make
from tests.visiting import control, said, visit_page
from ui import cached, heads
from ui.cached.heads import Reading
from ui.components.heads import packed, shades, valid_cell
from ui.heads import BETWEEN, EXAMPLES, HUB, PATTERNS, SHOWS, WEIGHTS, Choice, hidden_words, maps_of, places
from ui.heads.looks import LOOKS

PAIR = {"a": "A man plays a guitar.", "b": "Somebody makes music."}


def visit(**query: str) -> AppTest:
    return visit_page("heads", "heads_alignment", **query)


def words_of(app: AppTest) -> str:
    return said(app).replace("\\", "")


def test_the_first_screen_shows_what_it_stands_for() -> None:
    app = visit()
    assert "layer 4 · head 2** (both count from 1): “it” has its largest weight, **0.677**, on “animal”" in words_of(
        app
    )
    assert "Σα = 1.000000" in said(app) and "All 72 maps are shown" in said(app)
    assert dict(app.query_params) == {"a": EXAMPLES[0].a, "b": "", "layer": "4", "head": "2", "step": "11"}
    assert not app.warning and not app.toast


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("pair", [{}, PAIR], ids=["one", "two"])
def test_every_look_is_drawn(look: str, pair: dict[str, str]) -> None:
    app = visit(look=look, **pair)
    assert not app.warning and not app.error


@pytest.mark.parametrize("show", SHOWS)
@pytest.mark.parametrize("between", BETWEEN)
def test_everything_can_be_shown(show: str, between: str) -> None:
    app = visit(show=show, between=between, **PAIR)
    assert not app.warning and not app.toast
    assert "count from 1" in said(app)


def test_a_part_says_how_much_is_left_out() -> None:
    text = words_of(visit(between="A → B", **PAIR))
    assert "% of its weight is in this part; the rest goes to the tokens that are not shown" in text
    assert "trained to read sentences alone" in text


@pytest.mark.parametrize("only", PATTERNS)
def test_a_filter_says_what_it_hides(only: str) -> None:
    app = visit(only=only, share="0.5")
    assert ("The filter hides" in said(app)) == bool(PATTERNS[only])


def test_what_is_hidden_is_counted() -> None:
    trace = cached.heads.heads(Reading(EXAMPLES[0].a))
    rows, columns = places(trace, None, None)
    maps = maps_of(trace, 6, WEIGHTS, Choice(Reading(""), WEIGHTS, "", "previous", 0.5, 0.1), rows, columns)
    assert sum(maps.hidden) == 71 and not maps.hidden[2]
    blank = trace.weights[2][trace.weights[2] < 0.1].sum() / trace.weights[2].sum()
    assert hidden_words(maps) == (
        "The filter hides 71 of 72 heads, with 98.6 % of all weight. "
        f"Blank cells hide {100 * blank:.1f} % of the weight of the heads that are shown."
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to read"),
        ("word " * 250, "252 tokens; at most 128"),
        ("🎉", "Not one word"),
        ("我喜欢学习。", None),
        ("<b></b>", None),
        ("<script>alert(1)</script> the **dog** $runs$ :red[x]", None),
    ],
)
def test_what_cannot_be_read_gets_a_sentence_and_the_rest_is_shown(text: str, words: str | None) -> None:
    app = visit(a=text)
    assert (words or "count from 1") in words_of(app)
    assert "<script>" not in said(app) and "<b>" not in said(app)
    app.text_input(key="a").set_value("Two dogs are running.").run()
    assert "count from 1" in said(app) and not app.exception


def test_a_text_of_500_words_typed_is_refused() -> None:
    app = visit()
    app.text_input(key="a").set_value("word " * 500).run()
    assert "at most 128 can be read" in words_of(app)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_brings_its_head_and_token(number: int) -> None:
    app = visit(layer="1", head="7", step="3")
    app.button_group(key="example").select(number).run()
    example = EXAMPLES[number]
    assert control(app.text_input, "a").value == example.a
    assert f"layer {example.layer} · head {example.head}**" in said(app)
    assert f"row {example.token}, " in said(app)


def test_a_link_restores_head_and_token() -> None:
    text = words_of(visit(layer="1", head="3", step="4"))
    assert "layer 1 · head 3** (both count from 1): “didn” has its largest weight, **1.000**, on “animal”" in text


def test_values_of_a_link_that_there_are_not_are_told() -> None:
    app = visit(model="psychic", show="x", only="y", share="7", layer="0", head="-1", step="z", look="q", between="A")
    assert len(app.toast) == 9
    assert "count from 1" in said(app)
    assert "layer 6 · head 12" in said(visit(layer="400", head="99"))


@pytest.mark.parametrize("family", ["bert", "mpnet"])
def test_a_model_in_a_folder_is_shown_by_layer_and_head(family: str, tmp_path: Path) -> None:
    folder = make(family, tmp_path / "tiny")
    for look in LOOKS:
        app = visit(model=HUB, hub=str(folder), a="the old dog runs", b="a cat", look=look)
        assert "layer 3 · head 2" in said(app) and not app.error
    for show in SHOWS:
        assert not visit(model=HUB, hub=str(folder), a="the old dog runs", show=show).error


def test_a_model_that_is_not_there_is_told() -> None:
    app = visit(model=HUB, hub="/no/such/folder")
    assert "neither a name of a model nor a folder" in words_of(app)


@pytest.mark.parametrize(("tokens", "most"), [(64, 1_000_000), (128, 2_000_000)])
def test_all_heads_travel_in_little(tokens: int, most: int) -> None:
    trace = cached.heads.heads(Reading("dog " * (tokens - 2)))
    assert len(trace.source) == tokens
    rows, columns = places(trace, None, None)
    maps = maps_of(trace, 6, WEIGHTS, Choice(Reading(""), WEIGHTS, "", "", 0, 0), rows, columns)
    sent = packed(maps, "here", 0)
    assert 72 * tokens * tokens < len(sent) < most
    drawn = np.frombuffer(sent[-72 * tokens * tokens :], dtype=np.uint8).reshape(72, tokens, tokens)
    np.testing.assert_allclose(drawn / 255, trace.weights, atol=1 / 510 + 1e-6)


def test_shades() -> None:
    assert shades(np.array([0.0, 0.001, 0.0999, 0.1, 1.0, 1.2]), 0.1).tolist() == [0, 0, 0, 26, 255, 255]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ({"of": "x", "cell": 5}, 5),
        ({"of": "y", "cell": 5}, 1),
        ({"of": "x", "cell": 72}, 1),
        ({"of": "x", "cell": -1}, 1),
        ({"of": "x", "cell": True}, 1),
        ({"of": "x", "cell": "5"}, 1),
        (None, 1),
    ],
)
def test_the_browsers_word_is_only_its_word(value: object, cell: int) -> None:
    assert valid_cell(value, "x", 72, 1) == cell


def test_the_map_of_heads_counts_from_1_and_frames_the_one_in_view() -> None:
    figure = layers_by_heads(np.arange(12.0).reshape(3, 4), "α", 6)
    assert list(figure.data[0].x) == [1, 2, 3, 4] and list(figure.data[0].y) == [1, 2, 3]
    shape = figure.layout.shapes[0]
    assert (shape.x0, shape.x1, shape.y0, shape.y1) == (2.5, 3.5, 1.5, 2.5)
    assert figure.data[1].text[6] == "6.00"


def test_norms_change_what_is_seen() -> None:
    trace = cached.heads.heads(Reading(EXAMPLES[0].a))
    shares = heads.row_shares(trace.weights * trace.values["f"][:, None, :])
    np.testing.assert_allclose(shares.sum(-1), 1, atol=1e-5)
    assert np.abs(shares - trace.weights).max() > 0.2


def test_a_rollout_is_of_no_head() -> None:
    text = words_of(visit(show="Rollout", layer="6", look="Heads taken out"))
    assert "rollout up to layer 6** (layers count from 1)" in text
    assert "the one in view" not in text
    assert "without layer 4 · head 2, the one in view" in words_of(visit(look="Heads taken out"))


def test_unknown_tokens_are_explained() -> None:
    assert "[UNK] stands for what the model has no token for" in words_of(visit(a="A dog 🎉 runs."))
    assert "[UNK]" not in words_of(visit())


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_all_heads_are_taken_home(kind: str, begins: bytes) -> None:
    weights = np.tile(np.eye(5, dtype=np.float32), (6, 1, 1))
    names = (["1", "2"], ["1", "2", "3"])
    shown = file(weights, *names, [False] * 6, "layer╲head", "weight α", kind, dpi=40)
    hidden = file(weights, *names, [True] * 6, "layer╲head", "weight α", kind, dpi=40)
    assert shown.startswith(begins) and shown != hidden

"""The page "Scores and heads" in process: every number it shows, every state, and hand-typed nonsense."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from models import measure
from models.attention import MultiHead
from models.measure import Cost
from tests.visiting import said, visit_page
from ui import turns
from ui.scores import by_hand as hands
from ui.scores.by_hand import Hand, everything, tables, work
from ui.scores.choice import BY_HAND, CAUSAL, COST, FUNCTIONS, MASKS, NO_MASK, OWN_MASK, WHY, Choice, Rows
from ui.scores.cost import LENGTHS, TITLES, Measured, verdict
from ui.scores.matrices import EXAMPLE, WORDS, decode, drawn, encode, frame, problem
from ui.scores.scaling import scaling_at
from ui.scores.terms import concat_sentence, sentences, terms

SCORES = list(FUNCTIONS)


def visit(**query: str) -> AppTest:
    return visit_page("scores", **query)


def by_hand(score: str, heads: int = 1, mask: str = NO_MASK, tied: bool = False, **typed: Rows) -> Hand:
    return work(Choice(BY_HAND, score, heads, mask, tied), {**EXAMPLE, **typed})


# ---- the arithmetic ----


def test_the_example_can_be_checked_with_a_pencil() -> None:
    hand = by_hand("dot")
    assert hand.parts.scores[0].tolist() == [[4, 2, 0], [0, 2, 2]]
    total = math.exp(4) + math.exp(2) + 1
    alpha = [math.exp(4) / total, math.exp(2) / total, 1 / total]
    assert hand.parts.weights[0, 0].tolist() == pytest.approx(alpha)
    assert hand.output[0].tolist() == pytest.approx([alpha[0] - alpha[2], alpha[1] + alpha[2]])


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("score", SCORES)
def test_the_terms_of_every_cell_add_up_to_the_models_number(score: str, mask: str, heads: int) -> None:
    hand = work(Choice(BY_HAND, score, heads, mask), {**drawn(7), "mask": EXAMPLE["mask"]})
    shown = tables(hand)
    for step in ("scores", "weights", "output"):
        for row in range(len(shown[step])):
            for column in shown[step].columns:
                cell = shown[step].iloc[row][column]
                sentence, table = terms(hand, step, row, column)
                added = table.iloc[:, -1]
                if step == "weights" and column in WORDS:
                    assert added[WORDS.index(column)] / added.sum() == pytest.approx(cell, abs=1e-12)
                else:
                    assert added.sum() == pytest.approx(cell, abs=1e-12)
                assert f"{cell:.6g}" in sentence
    assert shown["weights"]["Σ"].tolist() == pytest.approx([1] * 2 * heads)
    assert shown["exp"].drop(columns="Σ").sum(axis=1).tolist() == pytest.approx(shown["exp"]["Σ"].tolist())


def test_two_heads_are_multihead_without_projections() -> None:
    hand = by_hand("scaled dot", heads=2, tied=True)
    layer = MultiHead(4, 2).double()
    with torch.no_grad():
        for W in (layer.W_Q, layer.W_K, layer.W_V, layer.W_O):
            W.weight.copy_(torch.eye(4))
            W.bias.zero_()
        Q, K = (hands.tensor(EXAMPLE[name]).unsqueeze(0) for name in "QK")
        output, parts = layer(Q, K, K)
    assert torch.allclose(output[0], hand.output)
    assert torch.allclose(parts.weights[0], hand.parts.weights)


@pytest.mark.parametrize("heads", [1, 2])
def test_concats_weights_ignore_the_query_and_no_other_scores_do(heads: int) -> None:
    def apart(score: str) -> float:
        hand = work(Choice(BY_HAND, score, heads), drawn(3) | {"mask": EXAMPLE["mask"]})
        return float((hand.parts.weights[:, 0] - hand.parts.weights[:, 1]).abs().amax())

    assert apart("concat") < 1e-12
    assert all(apart(score) > 0.01 for score in SCORES if score != "concat")
    sentence = concat_sentence(by_hand("concat", heads=heads), 0)
    assert "do not depend on the query" in sentence
    assert "2.5 for q₁ and -0.5 for q₂" in sentence if heads == 1 else "2 for q₁ and -1 for q₂" in sentence


def test_causal_hides_what_comes_later_and_a_blind_query_gets_nothing() -> None:
    causal = by_hand("dot", mask=CAUSAL)
    assert causal.parts.weights[0, 0].tolist() == [1, 0, 0]
    assert causal.exp[0, 0].tolist() == [math.exp(4), 0, 0]
    own = by_hand("dot", mask=OWN_MASK)
    assert own.parts.weights[0, 0, 2] == 0
    blind = work(Choice(BY_HAND, "dot", 1, OWN_MASK), {**EXAMPLE, "mask": [[0, 0, 0], [1, 1, 1]]})
    assert blind.output[0].tolist() == [0, 0]
    assert any("q₁ may see nothing at all" in sentence for sentence in sentences(blind))
    assert "no key at all" in terms(blind, "weights", 0, "cat")[0]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sign", [1, -1])
def test_scores_that_exp_cannot_hold_are_shifted_with_a_word(sign: int, mask: str) -> None:
    hand = by_hand("dot", mask=mask, Q=[[100 * sign] * 4, [0, 0, 0, 0]], K=[[100] * 4, [99] * 4, [1] * 4])
    assert hand.shifted
    assert torch.isfinite(hand.exp).all()
    assert torch.allclose(hand.exp / hand.exp.sum(-1, keepdim=True), hand.parts.weights)
    assert any("more than exp can hold" in sentence for sentence in sentences(hand))
    assert not by_hand("dot").shifted


def test_everything_is_in_the_json() -> None:
    numbers = json.loads(everything(by_hand("perceptron", heads=2, mask=CAUSAL)))
    weights = np.array(numbers["weights"])
    assert weights.shape == (2, 2, 3)
    assert np.allclose(weights.sum(-1), 1)
    output = np.einsum("hts,hsv->thv", weights, np.array(numbers["V"]).reshape(3, 2, 1).transpose(1, 0, 2)).reshape(
        2, 2
    )
    assert np.allclose(output, numbers["output"])
    assert set(numbers["parameters"]) == {"W_a", "U_a", "v_a"}


# ---- what is typed, and what comes in a link ----


@pytest.mark.parametrize("slot", list(EXAMPLE))
def test_a_matrix_comes_back_from_the_link(slot: str) -> None:
    rows = drawn(5).get(slot, EXAMPLE[slot])
    assert decode(encode(rows), slot) == rows


@pytest.mark.parametrize("text", ["", "x", "1_2", "nan_0_1_0~0_1_0_1", "inf_0_1_0~0_1_0_1", "1e30_0_1_0~0_1_0_1", "1_0_1_0~0_1_0_1~1_1_1_1", "__~__"])  # fmt: skip
def test_nonsense_in_a_link_is_no_matrix_and_the_page_stays(text: str) -> None:
    assert decode(text, "Q") is None
    app = visit(Q=text, K="<b>", score="<i>", heads="9", d="-3", seed="x", part="?", mask="1")
    assert "Click a cell" in said(app)
    assert len(app.toast) >= 5


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (None, "Row q₁, column 2 of Q is empty or no number."),
        (float("nan"), "is empty or no number"),
        ("cat", "is empty or no number"),
        (float("inf"), "numbers from −100 to 100"),
        (-math.inf, "numbers from −100 to 100"),
        (1e30, "Row q₁, column 2 of Q is 1e+30"),
        (-100.5, "numbers from −100 to 100"),
    ],
)
def test_a_bad_cell_is_a_sentence_and_the_last_good_numbers_stay(
    monkeypatch: pytest.MonkeyPatch, value: object, word: str
) -> None:
    app = visit()
    before = tables_of(app)
    with monkeypatch.context() as patched:
        patched.setattr(st, "data_editor", typing_into(st.data_editor, "Q", lambda table: put(table, value)))
        app.run()
    assert not app.exception
    assert len(app.warning) == 1
    assert word in app.warning[0].value
    assert tables_of(app) == before
    app.run()
    assert not app.warning, "the session goes on"


def test_a_typed_number_changes_every_step() -> None:
    app = visit()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(st, "data_editor", typing_into(st.data_editor, "Q", lambda table: put(table, 3.0)))
        app.run()
    assert not app.warning
    shown = tables_of(app)
    assert [4, 8, 0] in [row[:3] for table in shown for row in table]
    assert app.query_params["Q"] == "2_3_1_0~0_1_0_1"


def typing_into(editor: Callable[..., Any], slot: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Any:
    def edited(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
        result = editor(table, **options)
        return change(result) if options["key"].startswith(f"scores_{slot}_") else result

    return edited


def put(table: pd.DataFrame, value: object) -> pd.DataFrame:
    changed = table.astype(object)
    changed.iloc[0, 1] = value
    return changed


def tables_of(app: AppTest) -> list[list[list[float]]]:
    return [frame.value.to_numpy().tolist() for frame in app.dataframe[:8]]


def test_too_few_columns_are_a_sentence() -> None:
    assert "too many or too few" in problem("Q", frame("Q", EXAMPLE["Q"]).iloc[:, :3])


# ---- the states ----


@pytest.mark.parametrize("heads", ["1", "2"])
@pytest.mark.parametrize("score", SCORES)
def test_every_score_opens_from_a_link_with_its_own_source(score: str, heads: str) -> None:
    app = visit(score=score, heads=heads, mask_kind="causal", tied="true")
    shown = "\n".join(code.value for code in app.code)
    assert f"def {FUNCTIONS[score].__name__}(" in shown
    assert "def attend(" in shown
    assert ("do not depend on the query" in said(app)) == (score == "concat")
    assert "Masked: q₁ may not see “cat”" in said(app)
    assert "**V = K**" in said(app)
    assert ("Two heads" in said(app)) == (heads == "2")
    assert not app.toast


def test_matrices_of_the_link_are_computed_with() -> None:
    app = visit(Q="1_1_1_1~0_0_0_0")
    assert [2, 4, 2] in [row[:3] for table in tables_of(app) for row in table]


def test_draw_and_put_back() -> None:
    app = visit(seed="3")
    first = tables_of(app)
    app.button(key="scores_draw").click().run()
    assert tables_of(app) != first
    assert app.query_params["K"] == encode(drawn(3)["K"])
    app.button(key="scores_back").click().run()
    assert tables_of(app) == first
    assert "K" not in app.query_params


def test_typed_numbers_survive_another_part_of_the_page() -> None:
    app = visit()
    app.button(key="scores_draw").click().run()
    drawn = tables_of(app)
    app.segmented_control(key="part").set_value(WHY).run()
    app.segmented_control(key="part").set_value(BY_HAND).run()
    assert not app.exception
    assert tables_of(app) == drawn


def test_a_clicked_cell_is_shown_as_a_sum_and_leaves_with_its_head() -> None:
    app = visit(heads="2")
    app.session_state["scores_clicked"] = ("scores", 3, "sleeps")
    app.run()
    assert "**e(head₂ q₂, sleeps)** = 0 + 2 = **2**; the model's own number is 2." in said(app)
    app.segmented_control(key="heads").set_value(1).run()
    assert not app.exception
    assert "Click a cell" in said(app)


def test_why_shows_d_and_one() -> None:
    app = visit(part=WHY, d="256", seed="2")
    assert "At **d = 256**" in said(app)
    point = scaling_at("q·k", 256, 2)
    assert f"**{point.variance:.4g}** (about d)" in said(app)
    assert 200 < point.variance < 310
    app.slider(key="d").set_value(1).run()
    assert "**1 times** as large" in said(app)
    assert "def scaling(" in "\n".join(code.value for code in app.code)


def test_nothing_is_measured_before_the_button_and_all_after(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def quick(name: str, n: int, d: int) -> Cost:
        assert not turns.inference.acquire(blocking=False), "one measurement at a time"
        asked.append((name, n))
        return Cost(name, n, d, 8e-3 if name == "perceptron" else 2e-3, n * n * (50 if name == "perceptron" else 5), 7)

    monkeypatch.setattr(measure, "cost", quick)
    app = visit(part=COST)
    assert "half a gigabyte" in said(app)
    assert asked == []
    app.button(key="scores_measure").click().run()
    assert not app.exception
    assert sorted(asked) == sorted((name, n) for name in TITLES for n in LENGTHS)
    assert "**4 times the time, 10 times the memory**" in said(app)
    assert "held at 6 of 6 lengths" in said(app)
    assert turns.inference.acquire(blocking=False)
    turns.inference.release()
    app.run()
    assert "**4 times the time" in said(app), "kept until measured again"


def test_a_claim_that_does_not_hold_is_not_said_to_hold() -> None:
    costs = tuple(Cost(name, n, 256, 1e-3 if n < 64 else 1e-4 * len(name), 1000 * len(name), 0) for name in TITLES for n in LENGTHS)  # fmt: skip
    assert "held at 4 of 6" in verdict(Measured(costs, "here"))


def test_presenter_mode_shows_the_steps_alone() -> None:
    app = visit(presenter="1", score="concat")
    assert "do not depend on the query" in said(app)
    assert not app.tabs

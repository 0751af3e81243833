"""Q, K and V by hand: what was typed, every step that attention makes of it, and the terms of a clicked cell."""

import json
import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from figures import scores as figures
from models import measure
from models.attention import Attention, attend, split_heads
from ui.lecture import Download, Numbers
from ui.scores.choice import CAUSAL, FORMULAS, FUNCTIONS, NO_MASK, OWN_MASK, VECTORS, Choice, Rows
from ui.scores.matrices import EXAMPLE, OVERFLOW, QUERIES, WORDS, drawn, edit, put_in_link, replace, row_labels
from ui.scores.terms import sentences, terms

HINT = "Click a cell of the scores, the weights or the output: the terms that add up to it appear here."
ABOUT_EXAMPLE = (
    "Three words are the keys. Columns 1 to 4 stand for colour, animal, noun, verb: q₁ asks for a colour and the noun, "
    "q₂ for an animal and a verb."
)
ABOUT_HEADS = (
    "Two heads: `split_heads` gives head₁ the columns 1–2 of Q and K and the first half of V's, head₂ the rest; the output "
    "puts them side by side again. Nothing is projected here ($W^Q, W^K, W^V, W^O$ are identities), and both heads share "
    "the score's parameters, which are as wide as a head."
)


@dataclass(frozen=True)
class Hand:
    """What was typed, and every number that the model makes of it, a head each.

    `exp` is $e^{score}$, 0 where masked; if a score is beyond ±700, every row is less its largest score first, as `shifted` says.
    """

    choice: Choice
    inputs: dict[str, Rows]
    parameters: dict[str, Tensor]
    mask: Tensor | None
    Q: Tensor
    K: Tensor
    V: Tensor
    parts: Attention
    exp: Tensor
    shifted: bool
    output: Tensor

    @classmethod
    def draw(cls, choice: Choice) -> "Hand":
        """The tables to edit, and beside them every step."""
        left, right = st.columns([3, 7], gap="medium")
        with left:
            inputs = _editors(choice)
        hand = work(choice, inputs)
        put_in_link(choice.slots)
        with right:
            _steps(hand)
            _clicked(hand)
        return hand

    def notes(self) -> None:
        if self.choice.heads == 2:
            st.caption(ABOUT_HEADS)

    def numbers(self) -> Numbers:
        return Numbers("Every score and what becomes of it.", long_table(self))

    def downloads(self) -> list[Download]:
        name = self.choice.score.replace(" ", "_")
        return [
            Download("Numbers CSV", lambda: long_table(self).to_csv(index=False).encode(), f"{name}.csv", "text/csv"),
            Download("Everything JSON", lambda: everything(self), f"{name}.json", "application/json"),
        ]


def work(choice: Choice, inputs: dict[str, Rows]) -> Hand:
    """Attention by hand in float64: the chosen score of `models.attention`, through `attend`, once for each head."""
    Q, K = tensor(inputs["Q"]), tensor(inputs["K"])
    V = K if choice.tied else tensor(inputs["V"])
    q, k, v = (split_heads(x.unsqueeze(0), choice.heads)[0] for x in (Q, K, V))
    parameters = {name: tensor(inputs[slot]) for name, slot in choice.parameters.items()}
    parameters = {name: x.squeeze(-1) if (choice.score, name) in VECTORS else x for name, x in parameters.items()}
    mask = {
        NO_MASK: lambda: None,
        CAUSAL: lambda: torch.ones(len(Q), len(K), dtype=torch.bool).tril(),
        OWN_MASK: lambda: tensor(inputs["mask"]).bool(),
    }[choice.mask]()
    parts = attend(q, k, v, lambda q, k: FUNCTIONS[choice.score](q, k, **parameters), mask)
    exp, shifted = exponentials(parts.scores, mask)
    output = parts.context.transpose(-3, -2).flatten(-2)
    return Hand(choice, inputs, parameters, mask, q, k, v, parts, exp, shifted, output)


def tensor(rows: Rows) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def exponentials(scores: Tensor, mask: Tensor | None) -> tuple[Tensor, bool]:
    """e^score, 0 where masked. Where it would overflow, every row less its largest score first; and whether that was done."""
    allowed = scores if mask is None else scores.masked_fill(~mask, -math.inf)
    shifted = bool((scores.abs() > OVERFLOW).any())
    if shifted:
        top = allowed.amax(-1, keepdim=True)
        allowed = allowed - top.where(top.isfinite(), torch.zeros_like(top))
    return allowed.exp(), shifted


def _editors(choice: Choice) -> dict[str, Rows]:
    """Tables for the matrices in use, and the two buttons."""
    with st.container(horizontal=True):
        st.button("Put back", key="scores_back", icon=":material/undo:", on_click=replace, args=[EXAMPLE])
        st.button(
            f"Draw seed {choice.seed}",
            key="scores_draw",
            icon=":material/casino:",
            on_click=lambda: replace(drawn(choice.seed)),
        )
    inputs = {slot: edit(slot) for slot in choice.slots}
    if choice.tied:
        st.markdown("**V = K**, as often.")
    if all(inputs[slot] == EXAMPLE[slot] for slot in ("Q", "K")):
        st.caption(ABOUT_EXAMPLE)
    return inputs


def tables(hand: Hand) -> dict[str, pd.DataFrame]:
    """The four steps, a row a query (and head)."""
    index = row_labels(hand.choice.heads)
    flat = [x.flatten(0, 1).tolist() for x in (hand.parts.scores, hand.exp, hand.parts.weights)]
    scores, exp, weights = (pd.DataFrame(rows, index=index, columns=WORDS) for rows in flat)
    exp["Σ"] = hand.exp.sum(-1).flatten().tolist()
    weights["Σ"] = hand.parts.weights.sum(-1).flatten().tolist()
    weights["H"] = measure.entropy(hand.parts.weights).flatten().tolist()
    columns = [str(j + 1) for j in range(hand.output.shape[-1])]
    output = pd.DataFrame(hand.output.tolist(), index=QUERIES, columns=columns)
    return {"scores": scores, "exp": exp, "weights": weights, "output": output}


def _steps(hand: Hand) -> None:
    """Scores, their exponentials and sums, weights, output: each as numbers and as colours."""
    power = r"e_{ts} - \max_{s'} e_{ts'}" if hand.shifted else "e_{ts}"
    formulas = {
        "scores": rf"$e_{{ts}} = {FORMULAS[hand.choice.score]}$",
        "exp": rf"$\exp({power})$, row sum Σ",
        "weights": r"$\alpha_{ts} = \exp / Σ$, entropy $H$ (nats)",
        "output": r"$c_t = \sum_s \alpha_{ts} v_s$",
    }
    for at, (column, (step, table)) in enumerate(
        zip([*st.columns(2), *st.columns(2)], tables(hand).items(), strict=True)
    ):
        with column.container(gap="xsmall"):
            st.markdown(f"**{at + 1} · {STEPS[step]}** {formulas[step]}")
            _step_table(step, table)
            st.plotly_chart(
                figures.heat(**heat(step, table)),
                key=f"heat_{step}",
                config={"displayModeBar": False},
                alt=f"The {step} as colours",
            )
    for sentence in sentences(hand):
        st.markdown(sentence)


def heat(step: str, table: pd.DataFrame) -> dict[str, Any]:
    """What `figures.scores.heat` draws of a step: without sums, and with weights always from 0 to 1."""
    shown = table.drop(columns=["Σ", "H"], errors="ignore")
    legend = {"scores": "e", "exp": "exp", "weights": "α", "output": "c"}[step]
    span = (0.0, 1.0) if step == "weights" else None
    return {
        "values": shown.to_numpy().tolist(),
        "rows": list(shown.index),
        "columns": list(shown.columns),
        "legend": legend,
        "span": span,
        "large": st.query_params.get("presenter") == "1",
    }


def _step_table(step: str, table: pd.DataFrame) -> None:
    pattern = "%.5g" if step == "exp" else "%.4f"
    config = {column: st.column_config.NumberColumn(column, format=pattern, width=56) for column in table.columns}
    alt = f"The {step}"
    if step == "exp":
        st.dataframe(table, column_config=config, key="scores_table_exp", alt=alt)
        return
    st.dataframe(
        table,
        column_config=config,
        key=_cell_key(step),
        on_select=_remember,
        selection_mode="single-cell",
        alt=f"{alt}. Click a cell for its terms.",
    )


STEPS = {"scores": "Scores", "exp": "Exponentials", "weights": "Weights", "output": "Output"}
CLICKABLE = ["scores", "weights", "output"]


def _cell_key(step: str) -> str:
    return f"scores_cell_{step}_{st.session_state.get(f'scores_clicks_{step}', 0)}"


def _remember() -> None:
    """Keep the cell clicked last, and take the mark off the other tables."""
    marked = {step: _selected(step) for step in CLICKABLE}
    before = st.session_state.get("scores_clicked")
    new = [(step, *cell) for step, cell in marked.items() if cell and (step, *cell) != before]
    st.session_state["scores_clicked"] = new[0] if new else None
    for step, cell in marked.items():
        if cell and new and step != new[0][0]:
            st.session_state[f"scores_clicks_{step}"] = st.session_state.get(f"scores_clicks_{step}", 0) + 1


def _selected(step: str) -> tuple[int, str] | None:
    state = st.session_state.get(_cell_key(step))
    cells = state["selection"]["cells"] if state else []
    return (int(cells[0][0]), str(cells[0][1])) if cells else None


def _clicked(hand: Hand) -> None:
    """The cell clicked last, as a sum."""
    cell = st.session_state.get("scores_clicked")
    if cell is None or not _exists(hand, cell):
        st.info(HINT, icon=":material/touch_app:")
        return
    sentence, table = terms(hand, *cell)
    with st.container(border=True, key="scores_terms"):
        st.markdown(sentence)
        config = {name: st.column_config.NumberColumn(name, format="%.6g") for name in table.columns[1:]}
        st.dataframe(table, hide_index=True, column_config=config, alt="The terms of the clicked cell")


def _exists(hand: Hand, cell: tuple[str, int, str]) -> bool:
    step, row, column = cell
    table = tables(hand)[step]
    return row < len(table) and column in table.columns


def long_table(hand: Hand) -> pd.DataFrame:
    """A row for each head, query and key."""
    sums = hand.exp.sum(-1)
    exp = "exp(e − max e)" if hand.shifted else "exp(e)"
    return pd.DataFrame(
        [
            {
                "head": head + 1,
                "query": QUERIES[t],
                "key": WORDS[s],
                "may look": hand.mask is None or bool(hand.mask[t, s]),
                "e": float(hand.parts.scores[head, t, s]),
                exp: float(hand.exp[head, t, s]),
                "Σ": float(sums[head, t]),
                "α": float(hand.parts.weights[head, t, s]),
            }
            for head in range(hand.choice.heads)
            for t in range(len(QUERIES))
            for s in range(len(WORDS))
        ]
    )


def everything(hand: Hand) -> bytes:
    """All that was typed and computed, as JSON."""
    choice = hand.choice
    numbers = {
        "score": choice.score,
        "heads": choice.heads,
        "Q": hand.inputs["Q"],
        "K": hand.inputs["K"],
        "V": hand.inputs["K" if choice.tied else "V"],
        "parameters": {name: x.tolist() for name, x in hand.parameters.items()},
        "mask": None if hand.mask is None else hand.mask.tolist(),
        "scores": hand.parts.scores.tolist(),
        "exp_of_score_less_row_maximum" if hand.shifted else "exp": hand.exp.tolist(),
        "row_sums": hand.exp.sum(-1).tolist(),
        "weights": hand.parts.weights.tolist(),
        "entropy_nats": measure.entropy(hand.parts.weights).tolist(),
        "context": hand.parts.context.tolist(),
        "output": hand.output.tolist(),
    }
    return json.dumps(numbers, indent=1).encode()

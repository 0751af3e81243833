"""What the page "Scores and heads" computes and says: matrices typed by hand, and two measurements.

Each of the three parts is a class with the same four methods: `draw` is the main figure, `notes` what explains it,
`numbers` and `downloads` what there is to take home.
"""

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

import pandas as pd
import streamlit as st
import torch
from torch import Tensor

from figures import scores as figures
from models import measure
from models.attention import Attention, attend, concat, dot, general, perceptron, scaled_dot, softmax, split_heads
from ui import cached
from ui.lecture import Download, Numbers

Rows = list[list[float]]

BY_HAND, WHY, COST = PARTS = ["By hand", "Why √d_k?", "Faster and lighter?"]
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "dot": dot,
    "general": general,
    "concat": concat,
    "perceptron": perceptron,
    "scaled dot": scaled_dot,
}
FORMULAS = {
    "dot": r"q_t^\top k_s",
    "general": r"q_t^\top W_a k_s",
    "concat": r"W_a [q_t; k_s]",
    "perceptron": r"v_a^\top \tanh(W_a q_t + U_a k_s)",
    "scaled dot": r"q_t^\top k_s / \sqrt{d_k}",
}
PARAMETERS = {"general": ["W_a"], "concat": ["W_a"], "perceptron": ["W_a", "U_a", "v_a"]}
VECTORS = [("concat", "W_a"), ("perceptron", "v_a")]
HEADS = [1, 2]
NO_MASK, CAUSAL, OWN_MASK = MASKS = ["none", "causal", "your own"]

QUERIES = ["q₁", "q₂"]
WORDS = ["black", "cat", "sleeps"]
SMALL = "₁₂₃₄₅₆₇₈"
LIMIT = 100.0  # a number typed by hand is at most so large
OVERFLOW = 700  # e^709 is the largest power that a float64 holds
GRID = [2**i for i in range(11)]
LENGTHS = [16, 32, 64, 128, 256, 512]
D = 256
TITLES = {
    "perceptron": "additive (perceptron)",
    "general": "multiplicative (general)",
    "dot": "dot product",
    "scaled_dot": "scaled dot product",
}
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

# What the matrices hold at the start; a score's parameters once for each number of heads.
EXAMPLE: dict[str, Rows] = {
    "Q": [[2, 0, 1, 0], [0, 1, 0, 1]],
    "K": [[2, 0, 0, 0], [0, 2, 2, 0], [0, 0, 0, 2]],
    "V": [[1, 0], [0, 1], [-1, 1]],
    "general_W_a_1": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
    "general_W_a_2": [[0, 1], [1, 0]],
    "concat_W_a_1": [[1], [-1], [0.5], [0.5], [0.5], [1], [-0.5], [1]],
    "concat_W_a_2": [[1], [-1], [0.5], [1]],
    "perceptron_W_a_1": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]],
    "perceptron_U_a_1": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1]],
    "perceptron_v_a_1": [[2], [1], [-1]],
    "perceptron_W_a_2": [[1, 0, 0.5], [0, 1, -0.5]],
    "perceptron_U_a_2": [[1, 0, -0.5], [0, 1, 0.5]],
    "perceptron_v_a_2": [[2], [1], [-1]],
    "mask": [[1, 1, 0], [1, 1, 1]],
}


@dataclass(frozen=True)
class Choice:
    """What the controls say."""

    part: str
    score: str = "dot"
    heads: int = 1
    mask: str = NO_MASK
    tied: bool = False
    seed: int = 1

    @property
    def parameters(self) -> dict[str, str]:
        """The matrices that the score needs beside Q, K and V, and where each is kept."""
        return {name: f"{self.score}_{name}_{self.heads}" for name in PARAMETERS.get(self.score, [])}

    @property
    def slots(self) -> list[str]:
        """The matrices that are edited."""
        own = ["mask"] if self.mask == OWN_MASK else []
        return ["Q", "K", *([] if self.tied else ["V"]), *self.parameters.values(), *own]


class Shown(Protocol):
    """One part of the page, drawn."""

    def notes(self) -> None: ...

    def numbers(self) -> Numbers: ...

    def downloads(self) -> list[Download]: ...


# ---- matrices: typed, drawn, sent in a link -------------------------------------------------------------------------


def encode(rows: Rows) -> str:
    """A matrix in characters that an address may hold: `_` between numbers, `~` between rows."""
    return "~".join("_".join(f"{value:.6g}" for value in row) for row in rows)


def decode(text: str, slot: str) -> Rows | None:
    """The matrix that a link holds, or None if it is not one that could be typed."""
    try:
        rows = [[float(value) for value in row.split("_")] for row in text.split("~")]
    except ValueError:
        return None
    if [len(row) for row in rows] != [len(row) for row in EXAMPLE[slot]]:
        return None
    return rows if all(abs(value) <= LIMIT for row in rows for value in row) else None


def drawn(seed: int) -> dict[str, Rows]:
    """Random numbers with one decimal for every matrix but the mask."""
    generator = torch.Generator().manual_seed(seed)
    return {
        slot: [[round(value, 1) for value in row] for row in _normal(example, generator)]
        for slot, example in EXAMPLE.items()
        if slot != "mask"
    }


def _normal(example: Rows, generator: torch.Generator) -> Rows:
    return torch.randn(len(example), len(example[0]), generator=generator, dtype=torch.float64).tolist()


def labels(slot: str) -> tuple[list[str], list[str]]:
    """The names of a matrix's rows and columns."""
    example = EXAMPLE[slot]
    rows, columns = ([str(i + 1) for i in range(size)] for size in (len(example), len(example[0])))
    if slot.startswith("concat"):
        return [f"{x}{SMALL[i]}" for x in "qk" for i in range(len(rows) // 2)], columns
    known = {"Q": QUERIES, "K": WORDS, "V": WORDS, "mask": QUERIES}
    return known.get(slot, rows), WORDS if slot == "mask" else columns


def frame(slot: str, rows: Rows) -> pd.DataFrame:
    """A matrix as the table in which it is edited."""
    index, columns = labels(slot)
    table = pd.DataFrame(rows, index=index, columns=columns, dtype=float)
    return table.astype(bool) if slot == "mask" else table


def problem(slot: str, table: pd.DataFrame) -> str:
    """The sentence about the first cell that is no number of a sensible size, or ""."""
    name = _name(slot)
    if table.shape != frame(slot, EXAMPLE[slot]).shape:
        return f"{name} has rows or columns too many or too few."
    for row in table.index:
        for column in table.columns:
            value = pd.to_numeric(table.at[row, column], errors="coerce")
            where = f"Row {row}, column {column} of {name}"
            if pd.isna(value):
                return f"{where} is empty or no number."
            if abs(value) > LIMIT:
                return f"{where} is {value:.4g}; numbers from −{LIMIT:.0f} to {LIMIT:.0f} can be computed with here."
    return ""


def _name(slot: str) -> str:
    return slot if slot in ("Q", "K", "V", "mask") else "_".join(slot.split("_")[1:3])


def _kept() -> dict[str, Rows]:
    """The last complete matrices of this visitor: the link's at first, else the example's."""
    if "scores_kept" not in st.session_state:
        linked = {slot: decode(st.query_params.get(slot, ""), slot) for slot in EXAMPLE}
        st.session_state["scores_kept"] = {slot: linked[slot] or example for slot, example in EXAMPLE.items()}
    return st.session_state["scores_kept"]


def _replace(matrices: dict[str, Rows]) -> None:
    """Put these matrices into the tables, which are made anew."""
    st.session_state["scores_kept"] = {**_kept(), **matrices}
    st.session_state["scores_generation"] = st.session_state.get("scores_generation", 0) + 1


def _edit(slot: str) -> Rows:
    """The table of one matrix, and what it holds; while a cell cannot be used, the last complete numbers, with a word."""
    key = f"scores_{slot}_{st.session_state.get('scores_generation', 0)}"
    given = st.session_state.setdefault("scores_given", {})
    if key not in st.session_state:
        given[slot] = _kept()[slot]
    title = "May look (mask)" if slot == "mask" else f"{_name(slot)} · {len(given[slot])}×{len(given[slot][0])}"
    config = {column: _column(slot, column) for column in labels(slot)[1]}
    alt = f"The matrix {_name(slot)}"
    with st.container(gap="xsmall"):
        st.markdown(f"**{title}**")
        table = st.data_editor(frame(slot, given[slot]), key=key, column_config=config, disabled=["_index"], alt=alt)
    if slot == "mask":
        table = table.fillna(False).astype(bool).astype(float)
    words = problem(slot, table)
    if words:
        st.warning(f"{words} The last complete numbers are used until it is mended.", icon=":material/edit_off:")
    else:
        _kept()[slot] = table.astype(float).to_numpy().tolist()
    return _kept()[slot]


def _column(slot: str, column: str) -> Any:
    kind = st.column_config.CheckboxColumn if slot == "mask" else st.column_config.NumberColumn
    return kind(column, width=56)


def _put_in_link(slots: list[str]) -> None:
    """The address holds the matrices that are not as at the start."""
    for slot in EXAMPLE:
        rows = _kept()[slot]
        if slot not in slots or rows == EXAMPLE[slot]:
            st.query_params.pop(slot, None)
        elif st.query_params.get(slot) != encode(rows):
            st.query_params[slot] = encode(rows)


def in_link(name: str, options: list[str]) -> str:
    """A control's value before it is drawn: the page's code must be known by then."""
    value = st.session_state.get(name) or st.query_params.get(name)
    return value if value in options else options[0]


LINK: dict[str, Callable[[str], bool]] = {
    "part": lambda value: value in PARTS,
    "score": lambda value: value in FUNCTIONS,
    "heads": lambda value: value in map(str, HEADS),
    "mask_kind": lambda value: value in MASKS,
    "tied": lambda value: value in ("true", "false"),
    "seed": lambda value: value.isdecimal() and int(value) <= 9999,
    "d": lambda value: value.isdecimal() and 1 <= int(value) <= 1024,
    **{slot: lambda value, slot=slot: decode(value, slot) is not None for slot in EXAMPLE},  # type: ignore[misc]
}


# ---- Q, K and V by hand ---------------------------------------------------------------------------------------------


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
        _put_in_link(choice.slots)
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
        st.button("Put back", key="scores_back", icon=":material/undo:", on_click=_replace, args=[EXAMPLE])
        st.button(
            f"Draw seed {choice.seed}",
            key="scores_draw",
            icon=":material/casino:",
            on_click=lambda: _replace(drawn(choice.seed)),
        )
    inputs = {slot: _edit(slot) for slot in choice.slots}
    if choice.tied:
        st.markdown("**V = K**, as often.")
    if all(inputs[slot] == EXAMPLE[slot] for slot in ("Q", "K")):
        st.caption(ABOUT_EXAMPLE)
    return inputs


def row_labels(heads: int) -> list[str]:
    """The queries, once for each head."""
    return QUERIES if heads == 1 else [f"head{SMALL[h]} {q}" for h in range(heads) for q in QUERIES]


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


def terms(hand: Hand, step: str, row: int, column: str) -> tuple[str, pd.DataFrame]:
    """How one cell comes about: a sentence with the sum, and a table whose last column holds what is added."""
    if step == "output":
        return _output_terms(hand, row, int(column) - 1)
    head, t = divmod(row, len(QUERIES))
    name = row_labels(hand.choice.heads)[row]
    if step == "weights":
        return _weight_terms(hand, head, t, column, name)
    s = WORDS.index(column)
    table = score_terms(hand, head, t, s)
    return _sum(f"e({name}, {column})", table, float(hand.parts.scores[head, t, s])), table


def score_terms(hand: Hand, head: int, t: int, s: int) -> pd.DataFrame:
    """The products that one score is the sum of."""
    q, k = hand.Q[head, t], hand.K[head, s]
    if hand.choice.score == "general":
        qW = q @ hand.parameters["W_a"]
        columns = {"qᵀW_a": qW, "k": k, "(qᵀW_a)·k": qW * k}
    elif hand.choice.score == "concat":
        both, W_a = torch.cat([q, k]), hand.parameters["W_a"]
        columns = {"[q; k]": both, "W_a": W_a, "W_a·[q; k]": W_a * both}
    elif hand.choice.score == "perceptron":
        Wq, Uk, v_a = q @ hand.parameters["W_a"], k @ hand.parameters["U_a"], hand.parameters["v_a"]
        hidden = torch.tanh(Wq + Uk)
        columns = {"W_a q": Wq, "U_a k": Uk, "tanh(W_a q + U_a k)": hidden, "v_a": v_a, "v_a·tanh": v_a * hidden}
    elif hand.choice.score == "scaled dot":
        columns = {"q": q, "k": k, "q·k": q * k, "q·k / √d_k": q * k / math.sqrt(len(k))}
    else:
        columns = {"q": q, "k": k, "q·k": q * k}
    numbers = {name: column.tolist() for name, column in columns.items()}
    return pd.DataFrame({"i": [str(i + 1) for i in range(len(next(iter(columns.values()))))], **numbers})


def _weight_terms(hand: Hand, head: int, t: int, column: str, name: str) -> tuple[str, pd.DataFrame]:
    weights, exp = hand.parts.weights[head, t], hand.exp[head, t]
    if column == "H":
        surprise = torch.special.entr(weights)
        table = pd.DataFrame({"key": WORDS, "α": weights.tolist(), "−α ln α": surprise.tolist()})
        return _sum(f"H({name})", table, float(measure.entropy(weights))), table
    table = pd.DataFrame({"key": WORDS, "e": hand.parts.scores[head, t].tolist(), "exp": exp.tolist()})
    if column == "Σ":
        table = pd.DataFrame({"key": WORDS, "α": weights.tolist()})
        return _sum(f"Σ α({name})", table, float(weights.sum())), table
    s = WORDS.index(column)
    if not exp.sum():
        return f"**α({name}, {column}) = 0**: the mask lets {name} see no key at all.", table
    parts = " + ".join(_plain(value) for value in exp.tolist())
    return (
        f"**α({name}, {column})** = {_plain(float(exp[s]))} / ({parts}) = {_plain(float(exp[s]))} / "
        f"{_plain(float(exp.sum()))} = **{float(exp[s] / exp.sum()):.6g}**; the model's own number is "
        f"{float(weights[s]):.6g}.",
        table,
    )


def _output_terms(hand: Hand, t: int, j: int) -> tuple[str, pd.DataFrame]:
    head, own = divmod(j, hand.V.shape[-1])
    alpha, v = hand.parts.weights[head, t], hand.V[head, :, own]
    table = pd.DataFrame({"key": WORDS, "α": alpha.tolist(), "v": v.tolist(), "α·v": (alpha * v).tolist()})
    by = f", written by head{SMALL[head]}" if hand.choice.heads > 1 else ""
    return _sum(f"c({QUERIES[t]}), number {j + 1}{by}", table, float(hand.output[t, j])), table


def _sum(name: str, table: pd.DataFrame, model: float) -> str:
    added = table.iloc[:, -1].tolist()
    words = " + ".join(_plain(value) for value in added)
    return f"**{name}** = {words} = **{sum(added):.6g}**; the model's own number is {model:.6g}."


def _plain(value: float) -> str:
    """A number as a term of a sum."""
    text = f"{value + 0.0:.4g}".replace("-", "−")
    return f"({text})" if value < 0 else text


def sentences(hand: Hand) -> list[str]:
    """What is to be seen in the numbers, where something is."""
    found = []
    if hand.choice.score == "concat":
        found += [concat_sentence(hand, head) for head in range(hand.choice.heads)]
    if hand.shifted:
        found.append(
            f"A score beyond ±{OVERFLOW} is more than exp can hold, so every row is less its largest score first, as "
            "torch's softmax does it; the weights are the same."
        )
    if hand.mask is not None:
        hidden = [
            f"{q} may not see “{word}”"
            for q, row in zip(QUERIES, hand.mask.tolist(), strict=True)
            for word, may in zip(WORDS, row, strict=True)
            if not may
        ]
        if hidden:
            found.append(f"Masked: {', '.join(hidden)}. Such a score counts as −∞, so its exp is 0.")
        blind = [q for q, row in zip(QUERIES, hand.mask.tolist(), strict=True) if not any(row)]
        found += [f"{q} may see nothing at all: its weights and its output are zero." for q in blind]
    return found


def concat_sentence(hand: Hand, head: int) -> str:
    """The weights of `concat` do not depend on the query, and the numbers that show it."""
    w_q, w_k = hand.parameters["W_a"].split(hand.Q.shape[-1])
    adds = " and ".join(f"{float(q @ w_q):.4g} for {name}" for name, q in zip(QUERIES, hand.Q[head], strict=True))
    keys = ", ".join(f"{float(k @ w_k):.4g} ({word})" for word, k in zip(WORDS, hand.K[head], strict=True))
    free = softmax(hand.parts.scores[head])
    apart = float((free - free[0]).abs().max())
    who = f"Head{SMALL[head]}: concat's" if hand.choice.heads > 1 else "Concat's"
    rest = " Here the rows differ only by the mask." if hand.mask is not None else ""
    return (
        f"**{who} weights do not depend on the query:** a query adds one number to every key's score ({adds}; the keys add "
        f"{keys}), and the softmax cancels what is added to all. The rows of α differ by at most {apart:.1g}.{rest}"
    )


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


# ---- why √d_k -------------------------------------------------------------------------------------------------------

PAIR = {"q·k": dot, "q·k / √d": scaled_dot}
MEASURES = {
    "variance": "variance of the score",
    "entropy": "entropy of α (nats)",
    "largest": "largest weight",
    "gradient": "gradient ‖∂α/∂e‖",
}


@lru_cache(maxsize=8192)
def scaling_at(name: str, d: int, seed: int) -> measure.Scaling:
    """One point of the curves; the same for every visitor."""
    with cached.inference:
        return measure.scaling(PAIR[name], d, seed=seed)


@dataclass(frozen=True)
class Why:
    """Dot and scaled dot over d, and at the slider's d."""

    d: int
    seed: int
    curves: dict[str, list[measure.Scaling]]
    here: dict[str, measure.Scaling]

    @classmethod
    def draw(cls, choice: Choice) -> "Why":
        """The slider and the four curves."""
        d = st.slider("d, the numbers of a query and of a key", 1, 1024, 64, key="d", bind="query-params")
        shown = cls(
            d,
            choice.seed,
            {name: [scaling_at(name, at, choice.seed) for at in GRID] for name in PAIR},
            {name: scaling_at(name, d, choice.seed) for name in PAIR},
        )
        st.markdown(why_sentence(shown))
        for column, (field, title) in zip([*st.columns(2), *st.columns(2)], MEASURES.items(), strict=True):
            column.plotly_chart(
                figures.over_d(**why_curves(shown, field, title)), key=f"why_{field}", alt=f"The {title} against d"
            )
        return shown

    def notes(self) -> None:
        st.caption(
            f"2,000 queries and, for each, 10 keys of d independent normal numbers with mean 0 and variance 1, by seed "
            f"{self.seed}. The variance is that of 2,000 independent pairs; entropy, largest weight and gradient are means over "
            "the 2,000 queries."
        )

    def numbers(self) -> Numbers:
        return Numbers(f"At d = {self.d}, seed {self.seed}.", scaling_table(self.here, [self.d]))

    def downloads(self) -> list[Download]:
        points = sorted({*GRID, self.d})
        seed = self.seed

        def csv() -> bytes:
            return scaling_table({}, points, seed).to_csv(index=False).encode()

        def as_json() -> bytes:
            return scaling_table({}, points, seed).to_json(orient="records", force_ascii=False, indent=1).encode()

        return [
            Download("Curves CSV", csv, f"sqrt_d_seed_{seed}.csv", "text/csv"),
            Download("Curves JSON", as_json, f"sqrt_d_seed_{seed}.json", "application/json"),
        ]


def why_sentence(shown: Why) -> str:
    """What the slider's d does, in numbers."""
    plain, scaled = (shown.here[name] for name in PAIR)
    times = scaled.gradient / plain.gradient
    return (
        f"At **d = {shown.d}** the variance of q·k is **{plain.variance:.4g}** (about d) and that of q·k/√d is "
        f"**{scaled.variance:.4g}** (about 1). Over 10 keys the softmax of q·k gives its favourite **{plain.largest:.0%}** "
        f"of the weight (entropy {plain.entropy:.3g} of at most {math.log(10):.3g} nats), that of q·k/√d "
        f"**{scaled.largest:.0%}** (entropy {scaled.entropy:.3g}). The gradient that comes through the softmax is "
        f"**{times:.2g} times** as large with the root."
    )


def why_curves(shown: Why, field: str, title: str) -> dict[str, Any]:
    """What `figures.scores.over_d` draws of one measure."""
    limits = {"entropy": {"ln 10, all keys alike": math.log(10)}, "largest": {"1/10, all keys alike": 0.1}}
    points = {name: sorted({*curve, shown.here[name]}) for name, curve in shown.curves.items()}
    return {
        "d": [point.d for point in next(iter(points.values()))],
        "curves": {name: [getattr(point, field) for point in curve] for name, curve in points.items()},
        "here": shown.d,
        "title": title,
        "limits": limits.get(field),
        "log": field == "variance",
    }


def scaling_table(here: dict[str, measure.Scaling], points: list[int], seed: int = 0) -> pd.DataFrame:
    """A row a score and d; what is not in `here` is looked up."""
    return pd.DataFrame(
        [{"score": name, **(here.get(name) or scaling_at(name, d, seed))._asdict()} for name in PAIR for d in points]
    )


# ---- faster and lighter? --------------------------------------------------------------------------------------------

EMPTY = (
    "“Measure” times additive attention against general, dot and scaled dot on this machine, now: "
    f"{', '.join(map(str, LENGTHS[:-1]))} and {LENGTHS[-1]} queries against as many keys of {D} numbers, forward. It also "
    "counts the most bytes that each needs at one moment. It takes about six seconds, and half a gigabyte for a moment."
)


@dataclass(frozen=True)
class Measured:
    """What was measured, when and with what; nothing at first."""

    costs: tuple[measure.Cost, ...] = ()
    machine: str = ""

    @classmethod
    def draw(cls, _choice: Choice) -> "Measured":
        """The button, and time and memory over the length."""
        st.markdown("The slide says of multiplicative attention: *plus rapide et moins gourmande en mémoire*.")
        if st.button("Measure", key="scores_measure", icon=":material/timer:", type="primary"):
            st.session_state["scores_measured"] = cls(measure_all(), machine())
        shown: Measured = st.session_state.get("scores_measured", cls())
        if not shown.costs:
            st.info(EMPTY, icon=":material/speed:")
            return shown
        st.markdown(verdict(shown))
        time, memory = st.columns(2)
        for column, name, title, unit in (
            (time, "seconds", "time (milliseconds)", 1e-3),
            (memory, "bytes", "most memory (megabytes)", 1e6),
        ):
            figure = figures.costs(LENGTHS, cost_curves(shown.costs, name, unit), title=title)
            column.plotly_chart(figure, key=f"cost_{name}", alt=f"{title} of four scores against the length")
        return shown

    def notes(self) -> None:
        if not self.costs:
            return
        st.markdown("How many times the other scores' the **additive** score's time and memory are:")
        config = {
            column: st.column_config.NumberColumn(column, format="%.1f ×") for column in ratios(self.costs).columns[1:]
        }
        st.dataframe(ratios(self.costs), hide_index=True, column_config=config, alt="Ratios of time and of memory")
        learnt = {cost.score: cost.parameters for cost in self.costs}
        st.caption(
            "Numbers that each learns at d = 256: "
            + ", ".join(f"{TITLES[name]} {count:,}" for name, count in learnt.items())
            + ". The additive score holds n × n hidden layers of d numbers at once (n² d), the others n × n scores (n²)."
        )

    def numbers(self) -> Numbers:
        return Numbers(self.machine or "Nothing is measured yet.", cost_table(self.costs))

    def downloads(self) -> list[Download]:
        if not self.costs:
            return []

        def as_json() -> bytes:
            numbers = [cost._asdict() for cost in self.costs]
            return json.dumps({"measured": self.machine, "costs": numbers}, indent=1).encode()

        return [
            Download(
                "Times CSV", lambda: cost_table(self.costs).to_csv(index=False).encode(), "score_costs.csv", "text/csv"
            ),
            Download("Times JSON", as_json, "score_costs.json", "application/json"),
        ]


def measure_all() -> tuple[measure.Cost, ...]:
    """Every score at every length, one at a time on this server, with a bar."""
    cells = [(name, n) for n in LENGTHS for name in TITLES]
    bar, costs = st.progress(0.0, "Waiting for the machine …"), []
    for at, (name, n) in enumerate(cells):
        bar.progress(at / len(cells), f"{TITLES[name]}, {n} queries and keys …")
        with cached.inference:
            costs.append(measure.cost(name, n, D))
    bar.empty()
    return tuple(costs)


def machine() -> str:
    """Where and when."""
    now = datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    return f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}, float32, {now}"


def verdict(shown: Measured) -> str:
    """What was measured here, in a sentence, and at how many lengths the slide is right."""
    by = {(cost.score, cost.n): cost for cost in shown.costs}
    additive, other = by["perceptron", LENGTHS[-1]], by["general", LENGTHS[-1]]
    held = sum(
        by["perceptron", n].seconds > by["general", n].seconds and by["perceptron", n].bytes > by["general", n].bytes
        for n in LENGTHS
    )
    return (
        f"**Measured here, on this machine** ({shown.machine}): for {additive.n} queries and keys of {D} numbers the additive "
        f"score took {_time(additive.seconds)} and {additive.bytes / 1e6:.3g} MB, the multiplicative one "
        f"{_time(other.seconds)} and {other.bytes / 1e6:.3g} MB: **{additive.seconds / other.seconds:.3g} times the time, "
        f"{additive.bytes / other.bytes:.3g} times the memory**. The slide's claim held at {held} of {len(LENGTHS)} lengths."
    )


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def cost_curves(costs: tuple[measure.Cost, ...], name: str, unit: float) -> dict[str, list[float]]:
    """One measure over the lengths, a score each."""
    return {
        title: [getattr(cost, name) / unit for cost in costs if cost.score == score] for score, title in TITLES.items()
    }


def ratios(costs: tuple[measure.Cost, ...]) -> pd.DataFrame:
    """The additive score's time and memory divided by each other score's, a row a length."""
    by = {(cost.score, cost.n): cost for cost in costs}
    others = [name for name in TITLES if name != "perceptron"]
    return pd.DataFrame(
        [
            {"n": n}
            | {f"time / {_short(name)}": by["perceptron", n].seconds / by[name, n].seconds for name in others}
            | {f"memory / {_short(name)}": by["perceptron", n].bytes / by[name, n].bytes for name in others}
            for n in LENGTHS
        ]
    )


def _short(name: str) -> str:
    return name.replace("_", " ")


def cost_table(costs: tuple[measure.Cost, ...]) -> pd.DataFrame:
    return pd.DataFrame([cost._asdict() for cost in costs], columns=list(measure.Cost._fields))


# ---- the page -------------------------------------------------------------------------------------------------------

DRAWN: dict[str, Callable[[Choice], Shown]] = {BY_HAND: Hand.draw, WHY: Why.draw, COST: Measured.draw}


def choose() -> Choice:
    """The controls of the part that is shown."""
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        part = _one_of("Show", PARTS, "part")
        seed = 1 if part == COST else _seed()
    if part != BY_HAND:
        return Choice(part, seed=seed)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        score = _one_of("Score", list(FUNCTIONS), "score")
        heads = _one_of("Heads", HEADS, "heads")
        mask = _one_of(
            "Mask", MASKS, "mask_kind", help="Causal: query t sees the keys 1 to t and none that comes later."
        )
        tied = st.toggle("V = K", key="tied", bind="query-params", help="On the slides keys are often the values, too.")
    return Choice(part, score, heads, mask, tied, seed)


def _one_of(label: str, options: list[Any], key: str, help: str | None = None) -> Any:
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params", help=help, wrap=True
    )
    return options[0] if chosen is None else chosen


def _seed() -> int:
    seed = st.number_input(
        "Seed", 0, 9999, 1, key="seed", bind="query-params", width=140, help="The same seed draws the same numbers."
    )
    return int(seed or 0)


def code() -> list[Callable[..., Any]]:
    """Our functions that compute what is shown."""
    part = in_link("part", PARTS)
    if part == WHY:
        return [scaled_dot, measure.scaling, measure.softmax_gradient, measure.entropy]
    if part == COST:
        return [measure.cost, measure.median_seconds, measure.peak_bytes, perceptron, general]
    return [FUNCTIONS[in_link("score", list(FUNCTIONS))], attend, softmax, split_heads]

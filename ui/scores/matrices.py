"""The matrices of the page: typed into tables, drawn by a seed, sent in a link."""

from typing import Any

import pandas as pd
import streamlit as st
import torch

from ui.scores.choice import Rows

QUERIES = ["q₁", "q₂"]
WORDS = ["black", "cat", "sleeps"]
SMALL = "₁₂₃₄₅₆₇₈"
LIMIT = 100.0  # a number typed by hand is at most so large
OVERFLOW = 700  # e^709 is the largest power that a float64 holds

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
    name = name_of(slot)
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


def name_of(slot: str) -> str:
    return slot if slot in ("Q", "K", "V", "mask") else "_".join(slot.split("_")[1:3])


def kept() -> dict[str, Rows]:
    """The last complete matrices of this visitor: the link's at first, else the example's."""
    if "scores_kept" not in st.session_state:
        linked = {slot: decode(st.query_params.get(slot, ""), slot) for slot in EXAMPLE}
        st.session_state["scores_kept"] = {slot: linked[slot] or example for slot, example in EXAMPLE.items()}
    return st.session_state["scores_kept"]


def replace(matrices: dict[str, Rows]) -> None:
    """Put these matrices into the tables, which are made anew."""
    st.session_state["scores_kept"] = {**kept(), **matrices}
    st.session_state["scores_generation"] = st.session_state.get("scores_generation", 0) + 1


def edit(slot: str) -> Rows:
    """The table of one matrix, and what it holds; while a cell cannot be used, the last complete numbers, with a word."""
    key = f"scores_{slot}_{st.session_state.get('scores_generation', 0)}"
    given = st.session_state.setdefault("scores_given", {})
    if key not in st.session_state:
        given[slot] = kept()[slot]
    title = "May look (mask)" if slot == "mask" else f"{name_of(slot)} · {len(given[slot])}×{len(given[slot][0])}"
    config = {column: _column(slot, column) for column in labels(slot)[1]}
    alt = f"The matrix {name_of(slot)}"
    with st.container(gap="xsmall"):
        st.markdown(f"**{title}**")
        table = st.data_editor(frame(slot, given[slot]), key=key, column_config=config, disabled=["_index"], alt=alt)
    if slot == "mask":
        table = table.fillna(False).astype(bool).astype(float)
    words = problem(slot, table)
    if words:
        st.warning(f"{words} The last complete numbers are used until it is mended.", icon=":material/edit_off:")
    else:
        kept()[slot] = table.astype(float).to_numpy().tolist()
    return kept()[slot]


def _column(slot: str, column: str) -> Any:
    kind = st.column_config.CheckboxColumn if slot == "mask" else st.column_config.NumberColumn
    return kind(column, width=56)


def put_in_link(slots: list[str]) -> None:
    """The address holds the matrices that are not as at the start."""
    for slot in EXAMPLE:
        rows = kept()[slot]
        if slot not in slots or rows == EXAMPLE[slot]:
            st.query_params.pop(slot, None)
        elif st.query_params.get(slot) != encode(rows):
            st.query_params[slot] = encode(rows)


def row_labels(heads: int) -> list[str]:
    """The queries, once for each head."""
    return QUERIES if heads == 1 else [f"head{SMALL[h]} {q}" for h in range(heads) for q in QUERIES]

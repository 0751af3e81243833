"""The computation behind a step, in tables: the same five lines Q, K, V, weights, output (A8) for every model that attends."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from models.terms import Terms, exp_scores
from models.trace import Trace, entropy
from models.writer import Touch

FIRST = 6  # numbers of a vector shown in one line


WHAT = {
    "Q": "the query, h_t",
    "K": "the keys, h̄_s",
    "V": "the values, h̄_s",
    "weights": "α_t = softmax(score(Q, K))",
    "output": "c_t = Σ α_ts V_s",
}


def five_lines(
    Q: np.ndarray, K: np.ndarray, V: np.ndarray, weights: np.ndarray, output: np.ndarray, what: Mapping[str, str] = WHAT
) -> pd.DataFrame:
    """One query's attention as the lecture's five lines.

    Args: Q (d_q,), K (source, d_k), V (source, d_v), weights (source,), output (d_v,); what: each line is.
    """
    lines = dict(zip(WHAT, (Q, K, V, weights, output), strict=True))
    return pd.DataFrame(
        [
            {
                "line": name,
                "what": what[name],
                "shape": " × ".join(map(str, value.shape)),
                "numbers": _first(value),
                "norm": float(np.linalg.norm(value)),
            }
            for name, value in lines.items()
        ]
    )


def per_source(trace: Trace, t: int, touch: Touch) -> pd.DataFrame:
    """A row a source word: score, exp, sum, weight. Less the largest score, the softmax is the same and exp stays small."""
    if not trace.weights.shape[2]:
        return pd.DataFrame()
    exps = exp_scores(trace, t, [s not in touch.forbidden for s in range(len(trace.source))])
    return pd.DataFrame(
        {
            "source": [f"{s + 1} {word}" for s, word in enumerate(trace.source)],
            "score" if touch.temperature == 1 else f"score / {touch.temperature:.2f}": trace.scores[0, t].astype(
                np.float64
            ),
            "exp(score − max)": exps,
            "÷ sum": exps.sum(),
            "α": trace.weights[0, t].astype(np.float64),
        }
    )


def row_sentence(trace: Trace, t: int, head: int = 0) -> str:
    """Sum and entropy of a row, in words."""
    weights = trace.weights[head, t].astype(np.float64)
    if not len(weights):
        return "This model has no attention: no scores, no weights; c is the same fixed vector at every step."
    return f"Σα = {weights.sum():.6f}; entropy {float(entropy(weights)):.3f} of {np.log2(len(weights)):.3f} bits."


def vectors(trace: Trace, t: int) -> pd.DataFrame:
    """The numbers of h_t, c_t and a_t, one below the other."""
    columns = {name: pd.Series(trace.values[name][t]) for name in ("h", "c", "a") if name in trace.values}
    return pd.DataFrame(columns).rename_axis("i").reset_index()


def clicked(frame: pd.DataFrame, key: str) -> tuple[int, str] | None:
    """Show a table; the cell that was clicked, as (row, column), or None."""
    chosen: Any = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        column_config=exact(frame),
        key=key,
        height=min(38 + 35 * len(frame), 320),
    )
    cells = chosen.selection.cells
    return (cells[0][0], cells[0][1]) if cells and cells[0][0] < len(frame) else None


def exact(frame: pd.DataFrame) -> dict[str, Any]:
    """Six digits after the point for every column of numbers that are not whole."""
    return {name: st.column_config.NumberColumn(format="%.6f") for name in frame.select_dtypes("floating").columns}


def show_terms(terms: Terms) -> None:
    """The products of one number, the largest first, and the sum that they make."""
    frame = pd.DataFrame(
        {"of": terms.labels, terms.left_name: terms.left, terms.right_name: terms.right, "product": terms.products}
    ).sort_values("product", key=abs, ascending=False)
    total = float(terms.products.sum(dtype=np.float64))
    finished = f", {terms.finish} of it {terms.recomputed():.6f}" if terms.finish else ""
    st.markdown(
        f"**{terms.title}** = {terms.value:.6f}: {len(frame)} products add up to {total:.6f}{finished} "
        f"(difference {abs(terms.recomputed() - terms.value):.1e})."
    )
    st.dataframe(frame, hide_index=True, column_config=exact(frame), height=min(38 + 35 * len(frame), 320))


def ask_terms(frame: pd.DataFrame, key: str, ask: Callable[[int, str], Terms | None]) -> None:
    """A table whose cells can be clicked, and beneath it the products of the one that was."""
    cell = clicked(frame, key)
    terms = ask(*cell) if cell else None
    if terms is not None:
        show_terms(terms)


def _first(value: np.ndarray) -> str:
    flat = value.reshape(-1)
    more = f" … {flat.size - FIRST} more" if flat.size > FIRST else ""
    return "  ".join(f"{number:.4f}" for number in flat[:FIRST]) + more

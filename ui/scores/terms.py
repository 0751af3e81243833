"""How the numbers by hand come about: the terms of one cell, and what is to be seen in all of them."""

import math
from typing import TYPE_CHECKING

import pandas as pd
import torch

from models import measure
from models.attention import softmax
from ui.scores.matrices import OVERFLOW, QUERIES, SMALL, WORDS, row_labels

if TYPE_CHECKING:
    from ui.scores.by_hand import Hand


def terms(hand: "Hand", step: str, row: int, column: str) -> tuple[str, pd.DataFrame]:
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


def score_terms(hand: "Hand", head: int, t: int, s: int) -> pd.DataFrame:
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


def _weight_terms(hand: "Hand", head: int, t: int, column: str, name: str) -> tuple[str, pd.DataFrame]:
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


def _output_terms(hand: "Hand", t: int, j: int) -> tuple[str, pd.DataFrame]:
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


def sentences(hand: "Hand") -> list[str]:
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


def concat_sentence(hand: "Hand", head: int) -> str:
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

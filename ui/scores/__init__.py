"""What the page "Scores and heads" computes and says: matrices typed by hand, and two measurements.

Each of the three parts is a class with the same four methods: `draw` is the main figure, `notes` what explains it,
`numbers` and `downloads` what there is to take home.
"""

from collections.abc import Callable
from typing import Any

import streamlit as st

from models import measure
from models.attention import attend, general, perceptron, scaled_dot, softmax, split_heads
from ui.scores.by_hand import Hand
from ui.scores.choice import BY_HAND, COST, FUNCTIONS, HEADS, MASKS, PARTS, WHY, Choice, Shown
from ui.scores.cost import Measured
from ui.scores.matrices import EXAMPLE, decode
from ui.scores.scaling import Why

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


def in_link(name: str, options: list[str]) -> str:
    """A control's value before it is drawn: the page's code must be known by then."""
    value = st.session_state.get(name) or st.query_params.get(name)
    return value if value in options else options[0]


def code() -> list[Callable[..., Any]]:
    """Our functions that compute what is shown."""
    part = in_link("part", PARTS)
    if part == WHY:
        return [scaled_dot, measure.scaling, measure.softmax_gradient, measure.entropy]
    if part == COST:
        return [measure.cost, measure.median_seconds, measure.peak_bytes, perceptron, general]
    return [FUNCTIONS[in_link("score", list(FUNCTIONS))], attend, softmax, split_heads]

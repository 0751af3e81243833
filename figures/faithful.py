"""Is it true? The weights beside other measures of the same words, and what shuffled weights write: numbers in, Plotly out."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float

from figures.palette import ALARM, CALM, NOISE, QUIET

MEASURES = {  # the pattern tells them apart without colour
    "attention": (CALM, ""),
    "weight × norm": (QUIET, "/"),
    "leave one out": (ALARM, "."),
    "gradient × input": (NOISE, "x"),
}
SIGNED = ("leave one out", "gradient × input")
BIN = 0.02  # TV: dots closer than this are stacked


def importances(
    source: Sequence[str],
    attention: Float[np.ndarray, " source"] | None,
    moved: Float[np.ndarray, " source"] | None,
    leave_one_out: Float[np.ndarray, " source"],
    gradient: Float[np.ndarray, " source"],
    part: str = "word",
) -> go.Figure:
    """Four bars a source word, the first on top; each measure relative to its largest absolute value, the number in the hover.

    Args:
        attention, moved: None if the network has no weights; then they are not drawn.
        leave_one_out, gradient: in nats, signed; NaN is drawn as no bar.
        part: what a source is called.
    """
    figure = go.Figure()
    for name, values in zip(MEASURES, (attention, moved, leave_one_out, gradient), strict=True):
        if values is not None:
            _bars(figure, name, values)
    rows = len(source)
    figure.update_yaxes(
        tickvals=list(range(rows)), ticktext=list(source), range=[rows - 0.5, -0.5], title=f"source {part}"
    )
    figure.update_xaxes(
        title="relative to the largest of its kind", range=[-1.05, 1.05], zeroline=True, zerolinecolor=QUIET
    )
    return figure.update_layout(
        height=110 + (10 + 7 * len(figure.data)) * rows,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        barmode="group",
        bargap=0.25,
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def _bars(figure: go.Figure, name: str, values: Float[np.ndarray, " source"]) -> None:
    largest = np.nanmax(np.abs(values), initial=0)
    colour, pattern = MEASURES[name]
    figure.add_bar(
        x=values / largest if largest else values,
        y=list(range(len(values))),
        name=name,
        orientation="h",
        marker={"color": colour, "pattern": {"shape": pattern, "bgcolor": colour, "fgcolor": "white", "size": 5}},
        customdata=values,
        hovertemplate="%{customdata:+.4f} nats" if name in SIGNED else "%{customdata:.4f}",
    )


def shuffles(
    tv: Float[np.ndarray, " shuffles"],
    kept: Bool[np.ndarray, " shuffles"],
    outcomes: Sequence[str],
    *,
    uniform: tuple[float, bool, str],
    outcome: str = "word",
) -> go.Figure:
    """A dot a shuffle at its exact TV distance, dots that are close one above the other; the uniform weights are a mark below them.

    Args:
        tv: of the outcome's distribution, 0 to 1.
        kept: whether the most probable outcome is the same.
        outcomes: the most probable one of each.
        uniform: the same three of the uniform weights.
        outcome: what one is called.
    """
    figure = go.Figure()
    heights = stacked(tv)
    for same, name, colour, symbol in (
        (True, f"same {outcome}", CALM, "circle"),
        (False, f"other {outcome}", ALARM, "x"),
    ):
        rows = np.flatnonzero(kept == same).tolist()
        _dots(figure, tv[rows], heights[rows], [outcomes[row] for row in rows], f"{name}: {len(rows)}", colour, symbol)
    distance, same, decided = uniform
    name = f"equal weights: {'same' if same else 'other'} {outcome}"
    _dots(figure, [distance], [-1], [decided], name, NOISE, "star" if same else "star-open", size=14)
    figure.update_xaxes(title=f"total-variation distance of p({outcome})", range=[-0.03, 1.03])
    figure.update_yaxes(
        title="shuffles", range=[-2.5, max(10, int(heights.max(initial=0)) + 2)], zeroline=False, tickformat="d"
    )
    return figure.update_layout(
        height=300,
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def stacked(x: Float[np.ndarray, " dots"]) -> Float[np.ndarray, " dots"]:
    """A height for each dot: the how-manieth of its bin it is, from 1."""
    bins, seen = np.floor(x / BIN).astype(int), dict[int, int]()
    heights = np.zeros(len(x))
    for dot in np.argsort(x, kind="stable"):
        seen[bins[dot]] = seen.get(bins[dot], 0) + 1
        heights[dot] = seen[bins[dot]]
    return heights


def _dots(
    figure: go.Figure,
    x: Sequence[float] | np.ndarray,
    y: Sequence[float] | np.ndarray,
    outcomes: Sequence[str],
    name: str,
    colour: str,
    symbol: str,
    size: int = 7,
) -> None:
    figure.add_scatter(
        x=list(x),
        y=list(y),
        name=name,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": size},
        customdata=list(outcomes),
        hovertemplate="TV = %{x:.4f}: “%{customdata}”",
    )

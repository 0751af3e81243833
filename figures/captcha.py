"""Figures of the page "Captcha": where the glimpses are, and how much noise is borne."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from figures.palette import ALARM, CALM


def glimpses(
    letters: Sequence[str], across: Float[np.ndarray, " letters"], wide: Float[np.ndarray, " letters"]
) -> go.Figure:
    """How far across the picture each glimpse is. Args: across, wide: mean and standard deviation, % of the width."""
    names = [f"{t + 1} {letter}" for t, letter in enumerate(letters)]
    figure = go.Figure(
        go.Scatter(
            x=names,
            y=across,
            error_y={"type": "data", "array": wide, "thickness": 2},
            mode="lines+markers",
            line={"color": CALM},
            marker={"size": 10},
            hovertemplate="%{x}: %{y:.1f} % across<extra></extra>",
        )
    )
    figure.update_yaxes(title="across, %", range=[-5, 105])
    figure.update_layout(height=260, margin={"l": 10, "r": 10, "t": 10, "b": 10})
    return figure


def noise(found: Sequence[tuple[int, float, float]]) -> go.Figure:
    """Args: found: number of dots, share read right, mean probability of what was drawn."""
    dots, right, p = zip(*found, strict=True)
    figure = go.Figure()
    for name, values, colour, symbol in (
        ("read right, %", right, CALM, "circle"),
        ("p of what was drawn, mean, %", p, ALARM, "square"),
    ):
        figure.add_scatter(
            x=dots,
            y=[100 * value for value in values],
            name=name,
            mode="lines+markers",
            line={"color": colour},
            marker={"symbol": symbol, "size": 9},
            hovertemplate="%{x} dots: %{y:.1f} %",
        )
    figure.update_xaxes(title="dots")
    figure.update_yaxes(range=[-3, 103], title="%")
    figure.update_layout(
        height=320, margin={"l": 10, "r": 10, "t": 20, "b": 40}, legend={"orientation": "h", "y": 1.12}
    )
    return figure

"""Drawings of the page "Self-attention"."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from figures.palette import ALARM, CALM

STYLES = ((ALARM, "circle"), (CALM, "square"))


def dropped(curves: Mapping[str, tuple[Sequence[str], np.ndarray]], name: str) -> go.Figure:
    """The probability of a class against the number of words taken out; hover for the word."""
    figure = go.Figure()
    for (title, (words, p)), (colour, symbol) in zip(curves.items(), STYLES, strict=False):
        figure.add_scatter(
            x=list(range(len(p))),
            y=p.tolist(),
            name=title,
            mode="lines+markers",
            line={"color": colour},
            marker={"symbol": symbol, "size": 9},
            customdata=["nothing", *words],
            hovertemplate="without “%{customdata}”: p = %{y:.6f}",
        )
    figure.update_layout(
        xaxis={"title": "words taken out", "dtick": 1},
        yaxis={"title": f"p({name})", "range": [0, 1.02]},
        legend={"orientation": "h", "y": 1.12},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        height=340,
    )
    return figure

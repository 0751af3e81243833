"""A line with one standard deviation to either side."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

Style = tuple[str, str, str]  # colour, symbol, dash


def add_band(
    figure: go.Figure, x: Sequence[float], means: Sequence[float], spread: Sequence[float], name: str, style: Style
) -> None:
    """Add the line `name`, in %, and a shade of its colour from mean - spread to mean + spread where there is any."""
    colour, symbol, dash = style
    low, high = np.subtract(means, spread), np.add(means, spread)
    if max(spread, default=0) > 0:
        figure.add_scatter(
            x=[*x, *reversed(x)],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor="rgba({},{},{},0.15)".format(*hex_to_rgb(colour)),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            legendgroup=name,
        )
    figure.add_scatter(
        x=list(x),
        y=list(means),
        customdata=list(spread),
        name=name,
        legendgroup=name,
        mode="lines+markers",
        line={"color": colour, "dash": dash},
        marker={"symbol": symbol, "size": 7},
        hovertemplate="%{y:.1f} ± %{customdata:.1f} %",
    )

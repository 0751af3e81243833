"""The figure of the page "Caption": how much of what is seen counts for each word."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from figures.palette import CALM


def gate(words: Sequence[str], beta: Float[np.ndarray, " words"]) -> go.Figure:
    """A bar a word. Args: beta: from 0 (what is seen does not count) to 1."""
    names = [f"{t + 1} {word}" for t, word in enumerate(words)]
    figure = go.Figure(go.Bar(x=names, y=beta, marker_color=CALM, hovertemplate="%{x}: β = %{y:.6f}<extra></extra>"))
    figure.update_yaxes(title="β", range=[0, 1])
    figure.update_layout(height=240, margin={"l": 10, "r": 10, "t": 10, "b": 10})
    return figure

"""Figures of the page "Ask": what the question's words do for the answer, and how errors are counted."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from figures.palette import ALARM, CALM, QUIET


def influence(words: Sequence[str], less: Float[np.ndarray, " words"]) -> go.Figure:
    """A bar a word. Args: less: how far the answer's probability falls without it; below 0 it rises."""
    figure = go.Figure(
        go.Bar(
            x=less,
            y=[f"{i + 1} {word}" for i, word in enumerate(words)],
            orientation="h",
            marker_color=[CALM if value >= 0 else ALARM for value in less],
            hovertemplate="without “%{y}”: less by %{x:.6f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="p with all words − p without this one")
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(height=90 + 30 * len(words), margin={"l": 10, "r": 10, "t": 10, "b": 40})
    return figure


def counted(counts: Mapping[str, int], title: str) -> go.Figure:
    """A bar for each kind."""
    figure = go.Figure(
        go.Bar(
            x=list(counts.values()),
            y=list(counts),
            orientation="h",
            marker_color=QUIET,
            text=list(counts.values()),
            hoverinfo="skip",
        )
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(title=title, height=260, margin={"l": 10, "r": 10, "t": 50, "b": 10})
    return figure

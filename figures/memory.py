"""Drawings of the page "Memory": how far back a language model looks."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from figures.palette import ALARM, CALM, NOISE, QUIET

STYLES = ((ALARM, ""), (CALM, "/"), (NOISE, "."))  # colour and pattern
COLOURS = {"plain": QUIET, "attention": NOISE, "key-value": CALM, "key-value-predict": ALARM}
MARKS = {"plain": "x", "attention": "circle", "key-value": "square", "key-value-predict": "diamond"}
WEIGHTS = [[0, "rgba(0,114,178,0)"], [1, CALM]]  # one hue, as strong as the weight
ROW = 19  # pixels of a step


def distances(curves: Mapping[str, Sequence[float]]) -> go.Figure:
    """The mean weight by distance. Args: curves: by name, the weight of the state just before, of the one before that, ..."""
    figure = go.Figure()
    for (name, weights), (colour, pattern) in zip(curves.items(), STYLES, strict=False):
        figure.add_bar(
            x=list(range(1, len(weights) + 1)),
            y=list(weights),
            name=name,
            marker={"color": colour, "pattern": {"shape": pattern, "bgcolor": colour, "fgcolor": "white", "size": 5}},
            hovertemplate="%{x} back: %{y:.4f}",
        )
    figure.update_xaxes(title="states back from the one that looks", dtick=1)
    figure.update_yaxes(title="mean weight α", rangemode="tozero")
    return figure.update_layout(
        height=330,
        barmode="group",
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def by_L(curves: Mapping[str, Sequence[tuple[int, float]]], L: int) -> go.Figure:
    """Perplexity by the number of states looked back at. Args: curves: by kind, (L, perplexity); L: the one in view."""
    figure = go.Figure()
    for name, points in curves.items():
        figure.add_scatter(
            x=[back for back, _ in points],
            y=[ppl for _, ppl in points],
            name=name,
            mode="lines+markers",
            line={"color": COLOURS.get(name, QUIET)},
            marker={"symbol": MARKS.get(name, "circle"), "size": 9},
            hovertemplate="L = %{x}: perplexity %{y:.2f}",
        )
    figure.add_vline(x=L, line={"color": ALARM, "dash": "dot"}, annotation_text=f"L = {L}")
    figure.update_xaxes(title="L, states looked back at")
    figure.update_yaxes(title="perplexity a word")
    return figure.update_layout(
        height=360,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def looks(maps: Mapping[str, tuple[Sequence[str], np.ndarray]]) -> go.Figure:
    """Several models' weights by distance, step by step, side by side.

    Args:
        maps: by name, the words that the steps write, and (step, distance) weights, NaN where there is no state.
    """
    figure = make_subplots(1, len(maps), subplot_titles=list(maps), horizontal_spacing=0.16 / len(maps) + 0.04)
    for number, (target, weights) in enumerate(maps.values()):
        figure.add_heatmap(
            z=weights,
            x=list(range(1, weights.shape[1] + 1)),
            y=[f"{t + 1} {word}" for t, word in enumerate(target)],
            zmin=0,
            zmax=1,
            colorscale=WEIGHTS,
            xgap=1,
            ygap=1,
            hovertemplate="“%{y}”, %{x} back: %{z:.6f}<extra></extra>",
            colorbar={"title": "weight α", "thickness": 12} if number == 0 else None,
            showscale=number == 0,
            row=1,
            col=number + 1,
        )
    longest = max(len(target) for target, _ in maps.values())
    figure.update_yaxes(autorange="reversed", showgrid=False, dtick=1)
    figure.update_xaxes(title="states back", showgrid=False)
    return figure.update_layout(height=90 + ROW * longest, margin={"l": 10, "r": 10, "t": 40, "b": 10})

"""Figures of the page "Translate": the beam's tree, the race of the scores, quality by length."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from figures.palette import ALARM, CALM, NOISE, QUIET

WEIGHTS = [[0, "rgba(0,114,178,0)"], [1, CALM]]  # one hue, as strong as the weight
MARKS = {"perceptron": "circle", "general": "square", "dot": "diamond", "concat": "x", "none": "triangle-down"}
COLOURS = {"perceptron": CALM, "general": ALARM, "dot": NOISE, "concat": "#CC79A7", "none": QUIET}


def tree(nodes: Sequence[tuple[str, int, float]], best: Sequence[int]) -> go.Figure:
    """A beam search. Args: nodes: word, number of the parent (−1: none), log p up to it; best: the nodes of the sentence chosen."""
    depth: list[int] = []
    for _, parent, _ in nodes:
        depth.append(1 if parent < 0 else depth[parent] + 1)
    height = _heights([parent for _, parent, _ in nodes])
    edges = [(parent, child) for child, (_, parent, _) in enumerate(nodes) if parent >= 0]
    chosen = set(best)
    figure = go.Figure()
    for colour, width, kept in ((QUIET, 1, False), (ALARM, 3, True)):
        drawn = [edge for edge in edges if (edge[1] in chosen) == kept]
        x = [value for parent, child in drawn for value in (depth[parent], depth[child], None)]
        y = [value for parent, child in drawn for value in (height[parent], height[child], None)]
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip", showlegend=False
        )
    figure.add_scatter(
        x=depth,
        y=height,
        mode="markers+text",
        text=[f"<b>{word}</b>" if i in chosen else word for i, (word, _, _) in enumerate(nodes)],
        textposition="top center",
        marker={"color": [ALARM if i in chosen else QUIET for i in range(len(nodes))], "size": 8},
        customdata=[log_p for *_, log_p in nodes],
        hovertemplate="%{text}<br>log p up to here %{customdata:.4f}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(title="step", dtick=1, showgrid=False, range=[0.5, max(depth, default=1) + 0.7])
    figure.update_yaxes(visible=False)
    figure.update_layout(
        height=max(320, 46 * (1 + max(height, default=0) - min(height, default=0))),
        margin={"l": 10, "r": 10, "t": 20, "b": 40},
    )
    return figure


def _heights(parents: Sequence[int]) -> list[float]:
    """A row for each leaf, and for each other node the row of its first child: a tree that does not cross itself."""
    children: dict[int, list[int]] = {}
    for child, parent in enumerate(parents):
        children.setdefault(parent, []).append(child)
    heights = [0.0] * len(parents)
    leaves = 0
    order = [*reversed(children.get(-1, []))]
    visited: list[int] = []
    while order:
        node = order.pop()
        visited.append(node)
        if node not in children:
            heights[node] = -float(leaves)
            leaves += 1
        order.extend(reversed(children.get(node, [])))
    for node in reversed(visited):
        if node in children:
            heights[node] = heights[children[node][0]]
    return heights


def race(maps: Mapping[str, tuple[Sequence[str], Sequence[str], np.ndarray]]) -> go.Figure:
    """The weights of several models side by side.

    Args:
        maps: by name, the target's words, the source's words, (target, source) weights.
    """
    columns = 2
    rows = -(-len(maps) // columns)
    longest = max((len(target) for target, _, _ in maps.values()), default=1)
    figure = make_subplots(
        rows, columns, subplot_titles=list(maps), horizontal_spacing=0.12, vertical_spacing=0.32 / rows
    )
    for number, (target, source, weights) in enumerate(maps.values()):
        figure.add_heatmap(
            z=weights,
            x=[f"{s + 1} {word}" for s, word in enumerate(source)],
            y=[f"{t + 1} {word}" for t, word in enumerate(target)],
            zmin=0,
            zmax=1,
            colorscale=WEIGHTS,
            xgap=1,
            ygap=1,
            hovertemplate="“%{y}” ← “%{x}”: %{z:.6f}<extra></extra>",
            colorbar={"title": "weight α", "thickness": 12} if number == 0 else None,
            showscale=number == 0,
            row=number // columns + 1,
            col=number % columns + 1,
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(tickangle=-50, showgrid=False)
    figure.update_layout(height=rows * (150 + 24 * longest), margin={"l": 10, "r": 10, "t": 40, "b": 10})
    return figure


def by_length(curves: Mapping[str, Sequence[tuple[str, float]]]) -> go.Figure:
    """BLEU by length of the source. Args: curves: by score, (words of the source, BLEU)."""
    figure = go.Figure()
    for name, points in curves.items():
        figure.add_scatter(
            x=[words for words, _ in points],
            y=[value for _, value in points],
            name=name,
            mode="lines+markers",
            line={"color": COLOURS.get(name, QUIET)},
            marker={"symbol": MARKS.get(name, "circle"), "size": 10},
            hovertemplate="%{x} words: BLEU %{y:.1f}",
        )
    figure.update_xaxes(title="words in the English sentence")
    figure.update_yaxes(title="BLEU", rangemode="tozero")
    figure.update_layout(height=380, margin={"l": 10, "r": 10, "t": 20, "b": 40}, legend={"orientation": "h", "y": 1.1})
    return figure

"""Drawings of the page "Words under attack"."""

from collections.abc import Collection, Sequence

import numpy as np
import plotly.graph_objects as go

from figures.palette import ALARM, CALM, NOISE

ROW, TOP, LONG = 22, 30, 70  # pixels of a word, of what stands above, and of that if it stands aslant
MANY = 4  # columns, from which on their names stand aslant


def attention(weights: np.ndarray, source: Sequence[str], target: Sequence[str], flipped: Collection[int]) -> go.Figure:
    """Where a network looked: a row a word of the sentence, a column a look or a word it wrote; what was replaced is framed.

    Args: weights: (target, source), drawn from 0 to 1 as they are; flipped: places in the source.
    """
    colour, top = ALARM if flipped else CALM, LONG if len(target) > MANY else TOP
    figure = go.Figure(
        go.Heatmap(
            z=weights.T,
            zmin=0,
            zmax=1,
            colorscale=[[0, "rgba(128,128,128,0.08)"], [1, colour]],
            customdata=np.array([[[word, column] for column in target] for word in source]),
            hovertemplate="“%{customdata[0]}” in %{customdata[1]}: %{z:.4f}<extra></extra>",
            showscale=False,
            xgap=1,
            ygap=1,
        )
    )
    labels = [f"<b>{_plain(word)}</b>" if place in flipped else _plain(word) for place, word in enumerate(source)]
    for place in flipped:
        figure.add_shape(
            type="rect",
            x0=-0.5,
            x1=len(target) - 0.5,
            y0=place - 0.5,
            y1=place + 0.5,
            line={"color": colour, "width": 2},
        )
    figure.update_layout(
        xaxis={
            "tickvals": list(range(len(target))),
            "ticktext": list(map(_plain, target)),
            "side": "top",
            "tickangle": -40 if len(target) > MANY else 0,
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        },
        yaxis={
            "tickvals": list(range(len(source))),
            "ticktext": labels,
            "autorange": "reversed",
            "fixedrange": True,
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
        height=top + 10 + ROW * len(source),
        margin={"l": 10, "r": 30 if top == LONG else 10, "t": top, "b": 10},
    )
    return figure


def moved(
    epsilons: np.ndarray, p: np.ndarray, p_noise: np.ndarray, p_nearest: np.ndarray, at: int, name: str
) -> go.Figure:
    """A probability against the size of the step: of the vectors, of the words nearest to them, and of a step at random."""
    figure = go.Figure()
    curves = (
        (p, "moved along the gradient", ALARM, "solid"),
        (p_nearest, "the nearest real words", CALM, "dash"),
        (p_noise, "moved at random", NOISE, "dot"),
    )
    for values, title, colour, dash in curves:
        figure.add_scatter(
            x=epsilons.tolist(),
            y=values.tolist(),
            name=title,
            line={"color": colour, "dash": dash},
            hovertemplate="ε = %{x:.3f}: %{y:.4f}",
        )
    figure.add_vline(x=float(epsilons[at]), line={"color": "#8C8C8C", "dash": "dot"})
    figure.update_layout(
        xaxis={"title": "ε, in units of the vectors"},
        yaxis={"title": name, "range": [0, 1.02]},
        legend={"orientation": "h", "y": 1.15},
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        height=340,
        hovermode="x",
    )
    return figure


def _plain(word: str) -> str:
    """Plotly reads < and & as HTML."""
    return word.replace("&", "&amp;").replace("<", "&lt;")

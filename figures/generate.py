"""Drawings of the page "Generate": what judge and generator did over time, sheets of pictures, spectrograms, cures."""

import base64
import io
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, UInt8
from PIL import Image
from plotly.subplots import make_subplots

from figures.palette import ALARM, CALM, NOISE, QUIET

PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
REAL, MADE = CALM, ALARM
BOTH = 2 * np.log(2)  # −V where the judge cannot tell
STYLES = ((ALARM, "circle"), (CALM, "square"), (NOISE, "diamond"), (PURPLE, "star"), (ORANGE, "cross"), (QUIET, "x"))
GAP, BAR = 2, 2  # pixels between pictures, and of the judge's bar below each

Lines = Mapping[str, tuple[str, str]]  # name of a metric → what it is called, its colour
ROWS: tuple[tuple[str, Lines], ...] = (
    ("losses, nats", {"loss_judge": ("judge’s loss", CALM), "loss_generator": ("generator’s loss", ALARM)}),
    ("judge’s mean", {"real": ("of real: D(x)", CALM), "fake": ("of made: D(G(z))", ALARM)}),
    ("critic’s estimate", {"distance": ("earth mover’s distance, as the critic has it", CALM)}),
    ("JS, bits", {"js": ("JS(real, made)", PURPLE), "js_floor": ("by chance alone", QUIET)}),
    ("entropy, bits", {"entropy": ("entropy of the classes", PURPLE)}),
    ("covered", {"modes": ("modes covered", NOISE)}),
)


def curves(history: Sequence[tuple[int, Mapping[str, float]]], height: int = 130) -> go.Figure:
    """What was measured, round by round: a row for each group of `ROWS` of which there is anything."""
    known = {name for _, metrics in history for name in metrics}
    rows = [(title, lines) for title, lines in ROWS if known & set(lines)]
    figure = make_subplots(len(rows) or 1, 1, shared_xaxes=True, vertical_spacing=0.05)
    for row, (title, lines) in enumerate(rows, 1):
        for name, (label, colour) in lines.items():
            if name not in known:
                continue
            at = [(step, metrics[name]) for step, metrics in history if name in metrics]
            figure.add_scatter(
                x=[step for step, _ in at],
                y=[value for _, value in at],
                name=label,
                mode="lines" if len(at) > 1 else "markers",
                line={"color": colour, "dash": "dot" if colour == QUIET else "solid"},
                row=row,
                col=1,
            )
        figure.update_yaxes(title={"text": title, "font": {"size": 12}}, row=row, col=1)
    figure.update_xaxes(title="rounds", row=len(rows) or 1, col=1)
    return figure.update_layout(
        height=60 + height * max(1, len(rows)),
        margin={"l": 10, "r": 10, "t": 50, "b": 10},
        hovermode="x unified",
        legend={"orientation": "h", "y": 1, "yanchor": "bottom"},
    )


def sheet(
    pictures: Float[np.ndarray, "n height width"], opinion: Float[np.ndarray, " n"], columns: int, enlarged: int = 1
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Pictures side by side, below each a bar as long as the judge takes it for real: blue, and orange for the rest.

    Args: pictures: from 0 to 1; opinion: D of each; enlarged: pixels a pixel.
    """
    n, height, width = pictures.shape
    height, width = height * enlarged, width * enlarged
    rows = -(-n // columns)
    page = np.full((rows * (height + BAR + 2 * GAP), columns * (width + GAP), 3), 128, np.uint8)
    blue, orange = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], np.uint8) for c in (SKY, ORANGE))
    for i, (picture, share) in enumerate(zip(pictures, opinion, strict=True)):
        top, left = (i // columns) * (height + BAR + 2 * GAP), (i % columns) * (width + GAP)
        grey = np.rint(255 * picture.clip(0, 1)).astype(np.uint8).repeat(enlarged, 0).repeat(enlarged, 1)
        page[top : top + height, left : left + width] = grey[..., None]
        long = round(float(np.clip(share, 0, 1)) * width)
        page[top + height : top + height + BAR, left : left + long] = blue
        page[top + height : top + height + BAR, left + long : left + width] = orange
    return page


def data_url(page: UInt8[np.ndarray, "rows columns 3"]) -> str:
    """A picture in the message itself, lossless."""
    file = io.BytesIO()
    Image.fromarray(page).save(file, "PNG", optimize=False)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def spectrograms(
    sounds: Sequence[tuple[str, Float[np.ndarray, "bands moments"]]],
    edges: Float[np.ndarray, " bands+1"],
    seconds: float,
    columns: int = 4,
) -> go.Figure:
    """Loudness from 0 to 1 over time and frequency, a panel a sound.

    Args: edges: of the bands, in kHz; bands are drawn alike high. seconds: of a moment.
    """
    rows = -(-len(sounds) // columns)
    figure = make_subplots(
        rows, columns, subplot_titles=[name for name, _ in sounds], horizontal_spacing=0.03, vertical_spacing=0.12,
        shared_xaxes=True, shared_yaxes=True,
    )  # fmt: skip
    spans = [f"{low:.2f}–{high:.2f} kHz" for low, high in pairwise(edges)]
    for i, (_, loud) in enumerate(sounds):
        bands, moments = loud.shape
        figure.add_heatmap(
            x=np.arange(moments) * seconds, y=np.arange(bands) + 0.5, z=loud, zmin=0, zmax=1,
            customdata=np.repeat(np.array(spans)[:, None], moments, 1), colorscale="Viridis", showscale=i == 0,
            colorbar={"title": "loudness"}, hovertemplate="%{x:.3f} s, %{customdata}: %{z:.2f}<extra></extra>",
            row=i // columns + 1, col=i % columns + 1,
        )  # fmt: skip
    ticks = np.linspace(0, len(edges) - 1, 5).astype(int)
    figure.update_yaxes(tickvals=ticks, ticktext=[f"{edges[k]:.2g}" for k in ticks])
    figure.update_yaxes(title="kHz", col=1)
    figure.update_xaxes(title="s", row=rows)
    return figure.update_layout(height=90 + 170 * rows, margin={"l": 10, "r": 10, "t": 40, "b": 10})


def cures(
    settings: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], steps: Sequence[int], modes: int
) -> go.Figure:
    """Modes covered and JS over the rounds, a line a setting: the mean over seeds, and every seed as a thin line.

    Args: settings: by name, of each metric a row a seed; modes: how many there are.
    """
    titles = {"modes": f"modes covered, of {modes}", "js": "JS(real, made), bits"}
    figure = make_subplots(1, 2, subplot_titles=list(titles.values()), horizontal_spacing=0.09)
    for number, (name, metrics) in enumerate(settings.items()):
        colour, symbol = STYLES[number % len(STYLES)]
        for column, metric in enumerate(titles, 1):
            for row in metrics[metric]:
                figure.add_scatter(
                    x=list(steps), y=list(row), mode="lines", line={"color": colour, "width": 1}, opacity=0.3,
                    showlegend=False, legendgroup=name, hoverinfo="skip", row=1, col=column,
                )  # fmt: skip
            figure.add_scatter(
                x=list(steps), y=np.mean(metrics[metric], 0), name=name, legendgroup=name, showlegend=column == 1,
                mode="lines+markers", line={"color": colour}, marker={"symbol": symbol, "size": 7},
                hovertemplate="%{y:.2f}", row=1, col=column,
            )  # fmt: skip
    figure.update_xaxes(title="rounds")
    return figure.update_layout(
        height=420, margin={"l": 10, "r": 10, "t": 60, "b": 10}, hovermode="x unified",
        legend={"orientation": "h", "y": -0.25, "yanchor": "top"},
    )  # fmt: skip

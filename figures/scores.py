"""The figures of the page "Scores and heads": numbers in, Plotly figures out."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from figures.palette import ALARM, CALM, NOISE, QUIET

SCALE = "Cividis"  # dark is low, light is high, for all eyes (Nuñez 2018)
LIGHT, DARK = "#FFFFFF", "#000000"  # the numbers on dark cells and on light ones
HEIGHT = 330
STYLES = ((ALARM, "diamond", "solid"), (CALM, "circle", "solid"), (NOISE, "square", "solid"), (QUIET, "x", "dot"))


def heat(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    legend: str,
    span: tuple[float, float] | None = None,
    large: bool = False,
) -> go.Figure:
    """A small matrix as coloured cells with its numbers, the first row on top; `span` fixes the ends of the scale."""
    figure = go.Figure(
        go.Heatmap(
            z=[list(row) for row in values],
            x=list(columns),
            y=list(rows),
            zmin=None if span is None else span[0],
            zmax=None if span is None else span[1],
            colorscale=SCALE,
            hovertemplate="%{y}, %{x}: %{z:.6~g}<extra></extra>",
            xgap=2,
            ygap=2,
            colorbar={"thickness": 12, "nticks": 3, "title": legend},
        )
    )
    cells = [(x, y, value) for y, row in zip(rows, values, strict=True) for x, value in zip(columns, row, strict=True)]
    least, most = span or (min(z for *_, z in cells), max(z for *_, z in cells))
    figure.add_scatter(
        x=[x for x, *_ in cells],
        y=[y for _, y, _ in cells],
        text=[f"{z:.3g}" for *_, z in cells],
        mode="text",
        textfont={"size": 21 if large else 15, "color": [LIGHT if 2 * z <= least + most else DARK for *_, z in cells]},
        hoverinfo="skip",
    )
    figure.update_xaxes(side="top", type="category", showgrid=False)
    figure.update_yaxes(autorange="reversed", type="category", showgrid=False)
    margin = {"l": 5, "r": 5, "t": 5, "b": 5}
    return figure.update_layout(height=60 + (64 if large else 42) * len(rows), margin=margin)


def over_d(
    d: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    here: int,
    *,
    title: str,
    limits: Mapping[str, float] | None = None,
    log: bool = False,
) -> go.Figure:
    """One measure against d (log axis), a curve a score, the slider's d marked; `limits` are named dashed lines."""
    figure = go.Figure()
    for (name, y), (colour, symbol, dash) in zip(curves.items(), STYLES, strict=False):
        _line(figure, d, y, name, colour, symbol, dash)
    for name, limit in (limits or {}).items():
        figure.add_hline(
            limit, line={"color": QUIET, "dash": "dash"}, annotation_text=name, annotation_position="top left"
        )
    figure.add_vline(here, line={"color": QUIET, "width": 6}, opacity=0.35)
    figure.update_xaxes(title="d", type="log", dtick=0.60206, tickformat="d")  # every factor of 4
    figure.update_yaxes(title=title, type="log" if log else "linear", rangemode="tozero")
    if log:
        figure.update_yaxes(dtick=1)
    return _layout(figure)


def costs(lengths: Sequence[int], curves: Mapping[str, Sequence[float]], *, title: str) -> go.Figure:
    """Time or memory against the length, both axes logarithmic, a line a score."""
    figure = go.Figure()
    for (name, y), (colour, symbol, dash) in zip(curves.items(), STYLES, strict=True):
        _line(figure, lengths, y, name, colour, symbol, dash)
    figure.update_xaxes(title="queries = keys = n", type="log", tickvals=list(lengths))
    figure.update_yaxes(title=title, type="log", dtick=1)
    return _layout(figure)


def _line(
    figure: go.Figure, x: Sequence[float], y: Sequence[float], name: str, colour: str, symbol: str, dash: str
) -> None:
    figure.add_scatter(
        x=list(x),
        y=list(y),
        name=name,
        mode="lines+markers",
        line={"color": colour, "dash": dash},
        marker={"symbol": symbol, "size": 8},
        hovertemplate="%{y:.4~g}",
    )


def _layout(figure: go.Figure) -> go.Figure:
    margin = {"l": 10, "r": 10, "t": 30, "b": 10}
    legend = {"orientation": "h", "y": -0.38}
    return figure.update_layout(height=HEIGHT, margin=margin, hovermode="x unified", legend=legend)

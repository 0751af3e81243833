"""The curves of the page "Fool a classifier": numbers in, Plotly figures out."""

from collections.abc import Sequence

import plotly.graph_objects as go

from figures.palette import ALARM, CALM, NOISE, QUIET

HEIGHT = 330


def probabilities(
    steps: Sequence[float],
    p_truth: Sequence[float],
    p_rival: Sequence[float],
    noise_steps: Sequence[float],
    p_noise: Sequence[float],
    *,
    truth: str,
    rival: str,
    n: int,
    first_fooled: float | None,
) -> go.Figure:
    """p(y) and p(ŷ) against ε in 255ths, with the current step `n` and the first (real) ε that fools."""
    figure = go.Figure()
    _curve(figure, steps, p_truth, f"p(y = {truth})", CALM, "circle")
    _curve(figure, steps, p_rival, f"p(ŷ = {rival})", ALARM, "diamond")
    _curve(figure, noise_steps, p_noise, "p(y) under random ±ε", NOISE, "x", dash="dot")
    if first_fooled is not None:
        words = f"fooled from {first_fooled:.2f}"
        figure.add_vline(first_fooled, line={"color": QUIET, "dash": "dash"}, annotation_text=words, annotation_y=0.62)
    _here(figure, n)
    figure.update_yaxes(title="probability", range=[-0.02, 1.02])
    return _axes(figure)


def losses(
    steps: Sequence[float],
    loss: Sequence[float],
    linear: Sequence[float],
    noise_steps: Sequence[float],
    noise_loss: Sequence[float],
    *,
    n: int,
    linear_until: float,
) -> go.Figure:
    """J(x + η) and its linear prediction against ε in 255ths; the shaded part is where the prediction holds."""
    figure = go.Figure()
    _curve(figure, steps, loss, "J(x + η), the network", ALARM, "circle")
    _curve(figure, steps, linear, "J(x) ± ε‖∇J‖₁, linear", QUIET, "line-ew", dash="dash")
    _curve(figure, noise_steps, noise_loss, "J under random ±ε", NOISE, "x", dash="dot")
    figure.add_vrect(0, linear_until, fillcolor=CALM, opacity=0.12, line_width=0)
    _here(figure, n)
    top, bottom = max(*loss, *noise_loss), min(*loss, *noise_loss, 0.0)
    margin = 0.15 * (top - bottom) + 0.05
    figure.update_yaxes(title="loss J (nats)", range=[bottom - margin, top + margin])
    return _axes(figure)


def first_step(
    steps: Sequence[float], loss: Sequence[float], linear: Sequence[float], *, linear_until: float
) -> go.Figure:
    """A close-up of `losses`: from no change to 1/255, in pictures that are not rounded."""
    figure = go.Figure()
    _curve(figure, steps, loss, "J(x + η), the network", ALARM, "circle")
    _curve(figure, steps, linear, "J(x) ± ε‖∇J‖₁, linear", QUIET, "line-ew", dash="dash")
    figure.add_vrect(0, min(linear_until, 1), fillcolor=CALM, opacity=0.12, line_width=0)
    figure.update_yaxes(title="loss J (nats)")
    return _axes(figure).update_xaxes(dtick=0.25, range=[-0.02, 1.02])


def _curve(
    figure: go.Figure, x: Sequence[float], y: Sequence[float], name: str, colour: str, symbol: str, dash: str = "solid"
) -> None:
    figure.add_scatter(
        x=list(x),
        y=list(y),
        name=name,
        mode="lines+markers",
        line={"color": colour, "dash": dash},
        marker={"symbol": symbol, "size": 6},
        hovertemplate="ε = %{x}/255: %{y:.4f}",
    )


def _here(figure: go.Figure, n: int) -> None:
    figure.add_vline(n, line={"color": QUIET, "width": 6}, opacity=0.35)


def _axes(figure: go.Figure) -> go.Figure:
    figure.update_xaxes(title="ε in 255ths", dtick=4, range=[-0.5, 32.5])
    return figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.3},
    )

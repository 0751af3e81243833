"""The page "Smooth without labels": its controls, two networks learning side by side, one example looked at, the recorded runs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from attacks.virtual import directions, hessian, kl, lds, power_iteration, r_vadv
from figures import smooth as figures
from models import zoo
from training import virtual
from training.report_smooth import NAME, PUBLISHED
from training.virtual import ALONE, REVIEWS_ADVERSARIAL, REVIEWS_ALONE, REVIEWS_VAT, TWIN, VAT, network_of
from training.virtual_tasks import LOOKED, MOONS, SPIRALS, TASKS, Task, axes
from ui import address, cached, controls, room
from ui.lecture import Download
from ui.room import Moment

TITLES = {"Two moons": MOONS, "Three spirals": SPIRALS}
BACKGROUNDS = ("What it answers", "LDS")
XIS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
CHANGEABLE = ("epsilon", "xi", "K", "weight", "entropy")
MOST_K, MOST_SEEDS = 8, 999
BOWL = 61  # places a side of the bowl
SIDES = {"Labels alone": TWIN, "With VAT": ""}
CURVES = {"error": "test error, %", "lds_mean": "mean LDS, nats"}
LINK: dict[str, Callable[[str], bool]] = {
    "task": lambda name: name in TITLES,
    "background": lambda name: name in BACKGROUNDS,
}
CODE = (r_vadv, power_iteration, kl, lds, hessian, virtual.objective, virtual.train)


@dataclass(frozen=True)
class Choice:
    """What was chosen above the figure."""

    task: str
    options: dict[str, Any]
    lds: bool
    arrows: bool
    example: int


@dataclass(frozen=True)
class Looked:
    r"""One example, and how the power iteration goes there.

    Attributes:
        x: where it is.
        d: the direction after 0, 1, … iterations.
        exact: the first eigenvector of $H$; `values`: both eigenvalues, the largest first.
        cos: $|\cos|$ of each direction with it. D: at $\epsilon d$, in nats.
        axis, bowl: $D$ for every $r$ on a grid.
    """

    x: Tensor
    d: Tensor
    exact: Tensor
    values: Tensor
    cos: Tensor
    D: Tensor
    axis: Tensor
    bowl: Tensor


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    knobs = TASKS[MOONS](None, 1, None).knobs
    cached.room.first_snapshot(virtual.train, _options(MOONS, 1, 8, knobs.epsilon, knobs.xi, 1, 1.0, 0.0))


# ---------------------------------------------------------------- controls


def choose() -> Choice:
    """The data, and how it learns."""
    what, labels_at, seed_at, example_at = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    title = what.segmented_control(
        "Examples", list(TITLES), default="Two moons", required=True, key="task", bind="query-params"
    )
    task = TITLES[title or "Two moons"]
    usual = TASKS[task](None, 1, None)
    labels = controls.number("Labels", 3, 60, len(usual.labelled), "labels", place=labels_at)
    seed = controls.number(
        "Seed", 1, MOST_SEEDS, 1, "seed", place=seed_at, help="Which examples have a label, and the first weights."
    )
    example = controls.number(
        "Example", 0, len(usual.x) - 1, 0, "at", place=example_at, help="Looked at below. Or click one."
    )
    one, two, three, four = st.columns(4)
    epsilon = one.slider(
        "ε, how far", 0.005, 0.15, usual.knobs.epsilon, 0.005, format="%.3f", key="epsilon", bind="query-params"
    )
    weight = two.slider("Weight of the LDS", 0.0, 4.0, 1.0, 0.25, key="weight", bind="query-params")
    K = three.slider(
        "K, power iterations", 0, MOST_K, 1, key="K", bind="query-params", help="With K = 0 the direction is random."
    )
    xi = four.select_slider(
        "ξ, where it looks", XIS, usual.knobs.xi, format_func=lambda value: f"{value:g}", key="xi", bind="query-params"
    )
    shown, arrows, entropy_at = st.columns([2, 1, 1], vertical_alignment="bottom")
    background = shown.segmented_control(
        "Colours", BACKGROUNDS, default=BACKGROUNDS[0], required=True, key="background", bind="query-params"
    )
    with_arrows = arrows.toggle("Arrows r_vadv", True, key="arrows", bind="query-params")
    entropy = entropy_at.slider("Weight of the entropy", 0.0, 1.0, 0.0, 0.1, key="entropy", bind="query-params")
    options = _options(task, seed, labels, epsilon, xi, K, weight, entropy)
    return Choice(task, options, background == BACKGROUNDS[1], with_arrows, example)


def _options(
    task: str, seed: int, labels: int, epsilon: float, xi: float, K: int, weight: float, entropy: float
) -> dict[str, Any]:
    return {
        "task": task,
        "seed": seed,
        "labels": labels,
        "epsilon": epsilon,
        "xi": xi,
        "K": K,
        "weight": weight,
        "entropy": entropy,
    }


# ---------------------------------------------------------------- live


def live(choice: Choice) -> Moment | None:
    """The run, its buttons, and what is drawn of it while it goes on."""
    return room.live(
        "smooth", virtual.train, choice.options, lambda moment: draw(choice, moment), changeable=CHANGEABLE
    )


def draw(choice: Choice, moment: Moment) -> None:
    """Both planes, and how both go."""
    view, metrics = moment.snapshot.view, moment.snapshot.metrics
    everywhere = torch.cat([view["lds"], view[TWIN + "lds"]])
    highest = moment.once("highest", lambda: float(torch.quantile(everywhere, 0.98)) or 1e-6)
    for column, (title, prefix) in zip(st.columns(2), SIDES.items(), strict=True):
        with column:
            error, smoothness = metrics[f"{prefix}error"], metrics[f"{prefix}lds_mean"]
            st.markdown(f"**{title}**: test error **{error:.1f} %**, LDS {smoothness:.3f} nats in the mean")
            kept = f"plane {prefix} {choice.lds} {choice.arrows} {choice.example}"
            st.plotly_chart(
                moment.once(kept, partial(_plane, choice, moment, prefix, highest)),
                key=f"plane_{prefix}",
                on_select=partial(_take, f"plane_{prefix}"),
                selection_mode="points",
                alt=f"{title}: the plane with the boundary, the examples, and an arrow at each in the worst direction",
            )
    if len(moment.history) > 1:
        for column, (metric, label) in zip(st.columns(2), CURVES.items(), strict=True):
            figure = moment.once(metric, partial(_curves, moment, metric, label))
            column.plotly_chart(figure, key=f"curve_{metric}", alt=f"{label} against updates, with and without VAT")


def _curves(moment: Moment, metric: str, label: str) -> go.Figure:
    drawn = {title: moment.series(prefix + metric) for title, prefix in SIDES.items()}
    return figures.lines(drawn, "updates", label, height=240)


def _take(key: str) -> None:
    """An example was clicked: it is looked at from now on."""
    points = st.session_state[key].selection.points
    numbers = [point["customdata"] for point in points if "customdata" in point]
    if numbers:
        first = numbers[0]
        address.put(at=int(first[0] if isinstance(first, list) else first))


def _plane(choice: Choice, moment: Moment, prefix: str, highest: float) -> go.Figure:
    task, view = _task(moment), moment.snapshot.view
    seen = figures.Seen(
        axes().numpy(),
        view[prefix + "p"].numpy(),
        view[prefix + "lds"].numpy(),
        task.x[:, 0, 0].numpy(),
        view[prefix + "r"].numpy(),
        task.labelled.numpy(),
        task.y[task.labelled].numpy(),
    )
    return figures.plane(seen, lds=choice.lds, arrows=choice.arrows, highest=highest, chosen=choice.example)


def _task(moment: Moment) -> Task:
    options = moment.options
    return TASKS[options["task"]](None, options["seed"], options["labels"])


# ---------------------------------------------------------------- one example


def looked(choice: Choice, moment: Moment) -> Looked:
    """The power iteration at the chosen example, in the network with VAT at this moment."""
    options, task = moment.options, _task(moment)
    network = network_of(task, moment.snapshot)
    x = task.x[choice.example : choice.example + 1]
    d = torch.cat(directions(network, x, K=MOST_K, xi=options["xi"], seed=LOOKED))[:, 0, 0]
    values, vectors = torch.linalg.eigh(hessian(network.double(), x.double())[0])
    exact, epsilon = vectors[:, -1].float(), options["epsilon"]
    network.float()
    axis = torch.linspace(-2 * epsilon, 2 * epsilon, BOWL)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    r = torch.stack([columns, rows], -1).reshape(-1, 1, 1, 2)
    with torch.no_grad():
        bowl = lds(network, x.expand(len(r), -1, -1, -1), r).reshape(BOWL, BOWL)
        D = lds(network, x.expand(len(d), -1, -1, -1), epsilon * d[:, None, None])
    return Looked(x[0, 0, 0], d, exact, values.flip(0).float(), (d @ exact).abs(), D, axis, bowl)


def _looked(choice: Choice, moment: Moment) -> Looked:
    found: Looked = moment.once(f"looked_{choice.example}", lambda: looked(choice, moment))
    return found


def notes(choice: Choice, moment: Moment) -> None:
    """One example from near, and the recorded runs."""
    found, K = _looked(choice, moment), int(moment.options["K"])
    st.header(f"Example {choice.example}: which way is worst?", anchor=False)
    st.markdown(words_of(found, K, float(moment.options["epsilon"])))
    left, right = st.columns([3, 2])
    left.plotly_chart(
        figures.bowl(
            found.axis.numpy(),
            found.bowl.numpy(),
            found.d[: K + 1].numpy(),
            found.exact.numpy(),
            float(moment.options["epsilon"]),
        ),
        key="bowl",
        alt="The divergence D around the example, the directions of the power iteration and the exact eigenvector",
    )
    line = {"|cos| with the exact eigenvector": (list(range(MOST_K + 1)), found.cos.tolist())}
    right.plotly_chart(
        figures.lines(line, "K", "|cos|", height=420), key="cosine", alt="|cos| against power iterations"
    )
    recorded_notes()


def words_of(found: Looked, K: int, epsilon: float) -> str:
    """What is to be seen of the power iteration."""
    first, second = found.values.tolist()
    if first <= 0 or not bool(found.d[-1].any()):
        return "The network’s answer is flat here: in float32 no direction is worse than another, and the arrow has no length."
    ratio = abs(second) / first
    share = (
        "Of two classes H has one direction only, so one iteration finds it."
        if ratio < 1e-6
        else f"Each iteration shrinks what is wrong by λ₂/λ₁ = {ratio:.2g}."
    )
    cos, D = (row[[0, K]].tolist() for row in (found.cos, found.D))
    return (
        f"At K = {K} |cos| with the exact first eigenvector of H is **{cos[1]:.4f}** (at random {cos[0]:.4f}), "
        f"and D at ε = {epsilon:g} is {D[1]:.3g} nats (at random {D[0]:.3g}). "
        f"{share} The bowl is D itself, not its approximation: where it is no ellipse, ε reaches beyond what H sees."
    )


# ---------------------------------------------------------------- recorded


def recorded_notes() -> None:
    """What the commands found on MNIST and IMDb."""
    found = zoo.recorded(NAME)
    if not found:
        return
    st.header("Recorded: MNIST with 100 labels, and reviews", anchor=False)
    st.markdown(recorded_words(found))
    st.dataframe(recorded_table(found), hide_index=True)
    st.plotly_chart(
        cached.smooth.film(),
        key="film",
        alt="One digit of each class and, below it, its worst direction without and with VAT, from update to update",
    )
    st.caption(
        f"Digits kept aside (seed {found['film']['seed']}), and the change of each that harms most: of its pixels, blue "
        f"where it darkens and orange where it lightens, full at {found['film']['scale']:.3f} of the range from black to white. "
        f"Move the slider."
    )
    left, right = st.columns([3, 2])
    drawn = {
        title: [(curves["step"][1:], errors[1:]) for errors in curves["error"].values()]
        for name, title in cached.smooth.FILMED.items()
        if (curves := found["runs"][name]["curves"])
    }
    left.plotly_chart(
        figures.seeds(drawn, "updates", "error on 1,000 digits kept aside, %"),
        key="recorded_curves",
        alt="The error on digits kept aside against updates, a line a seed, with and without VAT",
    )
    power = found["power"]
    rows = {f"ξ = {xi:g}": (power["K"], row) for xi, row in zip(power["xi"], power["float32"], strict=True)}
    right.plotly_chart(
        figures.lines(rows, "K", "|cos|, 784 pixels, float32", height=340),
        key="recorded_power",
        alt="|cos| of the power iteration with the exact eigenvector on digits, against K, a line a ξ",
    )
    st.caption(f"{found['about']} Recorded by `{found['command']}`.")


ROWS = {
    VAT: "MNIST, 100 labels, VAT",
    ALONE: "MNIST, 100 labels alone",
    REVIEWS_VAT: "IMDb, VAT on the word vectors",
    REVIEWS_ADVERSARIAL: "IMDb, adversarial training on the word vectors",
    REVIEWS_ALONE: "IMDb, labels alone",
}


def recorded_table(found: dict[str, Any]) -> pd.DataFrame:
    """A row a method."""
    return pd.DataFrame(
        [
            {
                "": title,
                "test error, %, by seed": ", ".join(f"{value:g}" for value in row["error"].values()),
                "mean": row["mean"],
                "± sd": row["sd"],
                "published": PUBLISHED.get(name),
                "updates": row["updates"],
                "minutes": row["minutes"],
            }
            for name, title in ROWS.items()
            if (row := found["runs"].get(name))
        ]
    )


def recorded_words(found: dict[str, Any]) -> str:
    """What the figures say."""
    runs, seeds = found["runs"], len(found["runs"][VAT]["error"])
    mean = {name: f"{row['mean']:g} %" for name, row in runs.items()}
    said = [
        f"With the same 100 labels the same network errs on **{mean[ALONE]}** of MNIST’s test half without, and on **{mean[VAT]}** "
        f"with VAT (mean of {seeds} seeds, VAT with the entropy; Miyato 2017, with linear layers alone: {PUBLISHED[VAT]} %)."
    ]
    if REVIEWS_VAT in runs and REVIEWS_ALONE in runs:
        said.append(
            f"On IMDb a small network errs on {mean[REVIEWS_ALONE]} without and {mean[REVIEWS_VAT]} with it (Miyato 2017, an LSTM "
            f"that was a language model before: {PUBLISHED[REVIEWS_ALONE]} → {PUBLISHED[REVIEWS_VAT]} %)."
        )
    return " ".join(said)


# ---------------------------------------------------------------- numbers, downloads


def numbers_caption(choice: Choice, moment: Moment) -> str:
    found = _looked(choice, moment)
    first, second = found.values.tolist()
    return (
        f"Example {choice.example} at ({found.x[0]:.3f}, {found.x[1]:.3f}), update {moment.snapshot.step}, with VAT: the direction "
        f"after each power iteration. Exact: ({found.exact[0]:.4f}, {found.exact[1]:.4f}), λ₁ = {first:.4g}, λ₂ = {second:.4g}."
    )


def numbers(choice: Choice, moment: Moment) -> pd.DataFrame:
    """The power iteration at the chosen example."""
    found = _looked(choice, moment)
    return pd.DataFrame(
        {
            "K": np.arange(MOST_K + 1),
            "d₁": found.d[:, 0].numpy(),
            "d₂": found.d[:, 1].numpy(),
            "|cos| with the exact": found.cos.numpy(),
            "D at ε d, nats": found.D.numpy(),
        }
    )


def downloads(moment: Moment) -> list[Download]:
    """The curves, the arrows, and the recorded runs."""

    def curves() -> bytes:
        return (
            pd.DataFrame([{"update": step, **metrics} for step, metrics in moment.now().history])
            .to_csv(index=False)
            .encode()
        )

    def arrows() -> bytes:
        now = moment.now()
        x, view = _task(now).x[:, 0, 0], now.snapshot.view
        columns = {"x1": x[:, 0], "x2": x[:, 1]}
        for name, prefix in (("vat", ""), ("alone", TWIN)):
            columns |= {f"r1_{name}": view[prefix + "r"][:, 0], f"r2_{name}": view[prefix + "r"][:, 1]}
            columns[f"lds_{name}"] = view[prefix + "lds_at"]
        return pd.DataFrame({name: column.numpy() for name, column in columns.items()}).to_csv(index=False).encode()

    def recorded() -> bytes:
        return json.dumps(zoo.recorded(NAME), ensure_ascii=False, indent=1).encode()

    return [
        Download("Curves CSV", curves, "smooth_curves.csv", "text/csv"),
        Download("Arrows and LDS CSV", arrows, "smooth_arrows.csv", "text/csv"),
        Download("Recorded runs JSON", recorded, "smooth_recorded.json", "application/json"),
    ]

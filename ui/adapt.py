"""The page "Adapt": what is chosen above it, and the moons that learn while one watches."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import streamlit as st
import torch

from figures import adapt as figures
from models import domain, zoo
from training import domain as training
from ui import cached, controls, room
from ui.lecture import Download, Numbers
from ui.room import Moment

NAME = "adapt"
MOONS, DIGITS, FRAMES, REVIEWS = "Two moons", "Digits on photographs", "Frames", "Reviews"
RISES, HELD = "rises (λ_p)", "is held"
CHANGEABLE = ("strength", "scheduled", "gamma", "rate", "pace")
RATES, PACES = (0.01, 0.03, 0.1, 0.3), (0.1, 0.3, 1.0, 3.0, 10.0)
MOST_SEEDS = 99
STRENGTH_HELP = (
    "How much the judge matters in the end, or all the time. "
    "0: no adversary, the upper row of Ganin's figure 2; 1: its lower row."
)
GAMMA_HELP = "How soon λ rises: λ_p = 2 / (1 + exp(−γ p)) − 1."
PACE_HELP = "The judge's rate over the others': below 1 it lags behind, above it is ahead."
LINK: dict[str, Callable[[str], bool]] = {"part": lambda name: name in parts()}


def parts() -> list[str]:
    """What there is to show: the moons always, the others where their runs were recorded."""
    recorded = {task.split("-")[0] for task in zoo.recorded(NAME).get("target", {})}
    needs = {DIGITS: "mnist", FRAMES: "frames", REVIEWS: "amazon"}
    return [MOONS, *(part for part, task in needs.items() if task in recorded)]


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.room.first_snapshot(training.train, moons_options(1.0, True, domain.GAMMA, 0.1, 1.0, 1))


def choose_part() -> str:
    return controls.part(parts(), MOONS)


def choose() -> dict[str, Any]:
    """The controls of the moons: options of `training.domain.train`."""
    first, second, third, fourth, fifth, sixth = st.columns([1.2, 1.2, 1.2, 1, 1, 0.8], vertical_alignment="bottom")
    strength = first.slider("λ in the end", 0.0, 6.0, 1.0, 0.1, key="strength", bind="query-params", help=STRENGTH_HELP)
    with second:
        way = st.segmented_control("λ", [RISES, HELD], default=RISES, required=True, key="way", bind="query-params")
    gamma = third.slider(
        "γ", 1.0, 30.0, domain.GAMMA, 1.0, key="gamma", bind="query-params", help=GAMMA_HELP, disabled=way == HELD
    )
    rate = fourth.select_slider("Rate μ", RATES, 0.1, key="rate", bind="query-params")
    pace = fifth.select_slider("Judge's pace", PACES, 1.0, key="pace", bind="query-params", help=PACE_HELP)
    seed = controls.number("Seed", 1, MOST_SEEDS, 1, "seed", place=sixth)
    return moons_options(strength, way != HELD, gamma, rate, pace, seed)


def moons_options(
    strength: float, scheduled: bool, gamma: float, rate: float, pace: float, seed: int
) -> dict[str, Any]:
    """As `training.domain.train` takes them."""
    return {
        "task": "moons",
        "strength": strength,
        "scheduled": scheduled,
        "gamma": gamma,
        "rate": rate,
        "pace": pace,
        "seed": seed,
    }


class Shown(Protocol):
    """What is in view, and all that the page says of it."""

    def notes(self) -> None: ...

    def numbers(self) -> Numbers: ...

    def downloads(self) -> list[Download]: ...


@dataclass(frozen=True)
class Moons:
    """A moment of the moons."""

    moment: Moment

    def notes(self) -> None:
        st.markdown(sentence(self.moment.snapshot.metrics))

    def numbers(self) -> Numbers:
        """Lengths of the gradients on all training points, and the check that one way back is the three rules."""
        network, x, y, d = at_work(self.moment)
        strength = self.moment.snapshot.metrics["lambda"]
        table = pd.DataFrame(
            [
                {"part": f"θ_{symbol}, {part}", "‖∂L_y/∂θ‖": pull.y, "‖∂L_d/∂θ‖": pull.d, "‖step‖/μ": pull.step}
                for (part, pull), symbol in zip(pulls(self.moment).items(), "fyd", strict=True)
            ]
        )
        return Numbers(
            f"Step {self.moment.snapshot.step}, λ = {strength:.4f}, all {len(x)} training points: how strongly each loss pulls "
            f"at each part, and the step of the three rules. {same_words(network, x, y, d, strength)} "
            "Adam then scales each number by itself.",
            table,
        )

    def downloads(self) -> list[Download]:
        return [Download("Course, CSV", lambda: course_csv(self.moment.now()), "adapt.csv", "text/csv")]


def draw(options: Mapping[str, Any]) -> Moons | None:
    moment = room.live(NAME, training.train, options, _draw, changeable=CHANGEABLE)
    return None if moment is None else Moons(moment)


def _draw(moment: Moment) -> None:
    """The plane as both heads see it, the features, the hidden units; the course, λ_p, the three rules."""
    pairs = (("label", "features"), ("judge", "units"))
    for pair in pairs:
        for column, name in zip(st.columns(2), pair, strict=True):
            column.plotly_chart(moment.once(name, partial(drawing, moment, name)), key=name, alt=ALTS[name])
    course, schedule = st.columns([2, 1])
    course.plotly_chart(
        moment.once("course", lambda: figures.course(series(moment), moment.snapshot.steps)),
        key="course",
        alt=COURSE_ALT,
    )
    schedule.plotly_chart(moment.once("schedule", lambda: rising(moment)), key="schedule", alt="λ against p")
    schedule.caption(f"λ = {moment.snapshot.metrics['lambda']:.4f} at p = {part_done(moment):.2f}.")
    for column, words in zip(st.columns(3), moment.once("rules", lambda: rules(moment)), strict=True):
        column.markdown(words)


ALTS = {
    "label": "The label head's boundary between the classes, with the points of both domains",
    "features": "The features of the points of both domains on their two main axes",
    "judge": "The judge's boundary between source and target",
    "units": "The lines on which the hidden units are at one half",
}
COURSE_ALT = "Accuracies of the label head, the judge and a fresh probe at every step, and λ"


def drawing(moment: Moment, name: str) -> Any:
    """One of the four drawings of Ganin 2016, figure 2."""
    view = {key: tensor.numpy() for key, tensor in moment.snapshot.view.items()}
    points, y, d = view["points"], view["y"], view["d"]
    if name == "features":
        return figures.features(view["features"], y, d, view["share"])
    if name == "units":
        state = moment.snapshot.state
        W, b = (state[f"model.features.0.{part}"].numpy() for part in ("weight", "bias"))
        return figures.units(points, y, d, W, b, training.REACH)
    return figures.boundary(points, y, d, view[name], training.REACH, by_domain=name == "judge")


def series(moment: Moment) -> dict[str, tuple[list[int], list[float]]]:
    """Steps and values of every metric; before the run begins, of the network as it is."""
    if not moment.history:
        return {name: ([moment.snapshot.step], [value]) for name, value in moment.snapshot.metrics.items()}
    return {name: moment.series(name) for name in moment.history[-1][1]}


def part_done(moment: Moment) -> float:
    return min(1.0, moment.snapshot.step / max(1, moment.snapshot.steps))


def rising(moment: Moment) -> Any:
    settings = training.Settings(**{name: moment.options[name] for name in CHANGEABLE})
    p = np.linspace(0, 1, 101)
    now = (part_done(moment), settings.at(part_done(moment)))
    return figures.schedule(p, np.array([settings.at(float(part)) for part in p]), now)


def at_work(moment: Moment) -> tuple[domain.DomainAdversarial, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The network of the moment, and all training points: inputs, classes of the source, domains."""
    seed = moment.options["seed"]
    network = training.network_of("moons", moment.snapshot, seed=seed)
    known = training.loaded("moons", None, seed)
    assert known.unlabelled is not None
    x, d = (torch.cat([getattr(part, name) for part in (known.labelled, known.unlabelled)]) for name in ("x", "d"))
    return network, x, known.labelled.y, d


def pulls(moment: Moment) -> dict[str, domain.Pull]:
    return moment.once("pulls", lambda: domain.pulls(*at_work(moment), moment.snapshot.metrics["lambda"]))


def rules(moment: Moment) -> list[str]:
    """The three update rules, each with the lengths of its terms now."""
    strength = moment.snapshot.metrics["lambda"]
    f, y, d = pulls(moment).values()
    return [
        r"$\theta_f \leftarrow \theta_f-\mu\Big(\frac{\partial L_y}{\partial\theta_f}"
        r"-\lambda\frac{\partial L_d}{\partial\theta_f}\Big)$"
        f"\n\nfeatures: {f.y:.3g} pulls to the class, {strength:.3g} · {f.d:.3g} away from the domain; together {f.step:.3g}",
        r"$\theta_y \leftarrow \theta_y-\mu\frac{\partial L_y}{\partial\theta_y}$"
        f"\n\nlabel head: {y.y:.3g} pulls to the class",
        r"$\theta_d \leftarrow \theta_d-\mu\frac{\partial L_d}{\partial\theta_d}$"
        f"\n\njudge: {d.d:.3g} pulls to the domain",
    ]


def sentence(metrics: Mapping[str, float]) -> str:
    """Where the run is, and which figure says what."""
    judge, probe = metrics["judge"], metrics["probe"]
    mixed = (
        "Both are near chance: the features do not tell the domains apart."
        if max(judge, probe) < 60
        else "The probe finds more than the judge of the game: that one lags behind, the domains are not as mixed as it says."
        if probe > judge + 10
        else "The features still give the domain away."
    )
    return (
        f"Right on the source: **{metrics['accuracy_source']:.1f} %**, on the target, whose labels nobody was told: "
        f"**{metrics['accuracy_target']:.1f} %**. The judge names the domain of {judge:.1f} %, a fresh probe on the frozen "
        f"features of {probe:.1f} % (half is chance). {mixed}"
    )


def same_words(
    network: domain.DomainAdversarial, x: torch.Tensor, y: torch.Tensor, d: torch.Tensor, strength: float
) -> str:
    """Whether the layer's one way back is the three rules, on the points in view."""
    expected = domain.rules(network, x, y, d, strength, 1.0)
    domain.descend(network, torch.optim.SGD(network.parameters(), 1.0), x, y, d, strength)
    apart = max(float((theta.detach() - expected[name]).abs().max()) for name, theta in network.named_parameters())
    return f"One way back through the reversal layer gives the same parameters as the three rules: at most {apart:.1e} apart."


def course_csv(moment: Moment) -> bytes:
    return pd.DataFrame([{"step": step, **metrics} for step, metrics in moment.history]).to_csv(index=False).encode()


def code() -> tuple[Callable[..., Any], ...]:
    return (domain.rules, domain.GradientReversal, domain.lambda_p, domain.descend, training.probe, training.train)

"""What can be chosen on the page "Generate": the part, and a live run's options or a seed of new z."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from training import gan
from training.report_generate import SETTINGS, SICK
from ui import address, controls
from ui.components.plane import Hundredths, plane, valid
from ui.lecture import Download

POINTS, DIGITS, MNIST, CURES, SOUND = PARTS = ("Points", "Digits 8 × 8", "MNIST", "Collapse and cures", "Sound")
LIVE = {POINTS: "points", DIGITS: "digits"}  # and what the names of its runs begin with
SHAPES = {
    "Ring of 8": "ring",
    "Grid of 25": "grid",
    "Two moons": "moons",
    "Spiral": "spiral",
    "Draw your own": "drawn",
}
OWN = "Your own settings"
PRESETS: dict[str, dict[str, Any]] = {
    "Usual": {},
    "Collapse on purpose": SETTINGS[SICK],
    **{f"Cure: {name}": options for name, options in SETTINGS.items() if name != SICK},
}
CHANGEABLE = ("kind", "saturating", "smoothing", "judge_rate", "generator_rate", "n_critic", "penalty", "every", "turn")
TURNS = {"Both": "both", "Judge D": "judge", "Generator G": "generator"}
RATES = (1e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2)
PENALTIES = (0.01, 0.1, 1.0, 10.0)
ROUNDS = (1, 5, 20, 50, 100)
MOST_SEEDS = 9999
LINK = {
    "part": lambda value: value in PARTS,
    "shape": lambda value: value in SHAPES,
    "preset": lambda value: value in {**PRESETS, OWN: {}},
    "learns": lambda value: value in TURNS,
}
PRESET_HELP = (
    "“Collapse on purpose” is a judge too slow for its generator; each cure changes one thing of that. A run that goes on takes "
    "a change at once: let it collapse, then choose a cure."
)
TURN_HELP = (
    "With “One step”: a step of the judge alone, of the generator alone, or of both, as many rounds as said beside."
)
SATURATING_HELP = "The generator makes log(1 − D(G(z))) small, as the formula says, instead of −log D(G(z))."


@dataclass(frozen=True)
class Choice:
    """What was chosen above the figure: a live run's options, or a seed of new z."""

    part: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1


@dataclass(frozen=True)
class Shown:
    """What the page tells of what is in view: notes, a table with its caption, files."""

    notes: Callable[[], None]
    caption: str
    table: pd.DataFrame
    files: tuple[Download, ...]


def choose() -> Choice | None:
    """Which part, and its controls."""
    part = controls.part(PARTS, POINTS)
    if part in LIVE:
        return _choose_live(part)
    if part in (MNIST, SOUND):
        return Choice(part, seed=controls.number("Seed of new z", 1, MOST_SEEDS, 1, "z", width=180))
    return Choice(CURES)


def _choose_live(part: str) -> Choice | None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        task = "digits"
        if part == POINTS:
            shape = st.selectbox("What is real", list(SHAPES), key="shape", bind="query-params", width=180)
            task = SHAPES[shape]
        named = st.selectbox(
            "Settings", [*PRESETS, OWN], key="preset", bind="query-params", help=PRESET_HELP, width=260
        )
        seed = controls.number("Seed", 1, MOST_SEEDS, 1, "seed", width=130)
        turn = st.segmented_control(
            "Who learns", list(TURNS), default="Both", required=True, key="learns", bind="query-params", help=TURN_HELP
        )
        every = st.select_slider("Rounds a step", ROUNDS, 20, key="every", bind="query-params", width=180)
    chosen = _own_settings(task) if named == OWN else PRESETS[named]
    drawn = _drawn() if task == "drawn" else ()
    if task == "drawn" and not drawn:
        st.info("Draw something in the square: lines, dots, a letter. Then start.", icon=":material/draw:")
        return None
    return Choice(part, options_of(task, seed, chosen, TURNS[turn or "Both"], every, drawn))


def _own_settings(task: str) -> dict[str, Any]:
    """Every hyper-parameter; only those that the kind has."""
    usual = gan.TASKS[task].options
    kind, judge, generator = st.columns(3)
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    critic = kind.segmented_control(
        "Kind", ["GAN", "WGAN-GP"], default="GAN", required=True, key="kind", bind="query-params"
    )
    chosen: dict[str, Any] = {
        "judge_rate": judge.select_slider("Judge’s rate", RATES, usual.judge_rate, key="judge", bind="query-params"),
        "generator_rate": generator.select_slider(
            "Generator’s rate", RATES, usual.generator_rate, key="made_rate", bind="query-params"
        ),
        "n_critic": left.slider("Judge’s steps a round", 1, 10, usual.n_critic, key="critic", bind="query-params"),
    }
    if critic == "WGAN-GP":
        penalty = middle.select_slider("Penalty λ", PENALTIES, usual.penalty, key="penalty", bind="query-params")
        return chosen | {"kind": "wgan-gp", "penalty": penalty}
    return chosen | {
        "smoothing": middle.slider("Label smoothing", 0.0, 0.4, 0.0, 0.05, key="smoothing", bind="query-params"),
        "saturating": right.toggle("Saturating loss", key="saturating", bind="query-params", help=SATURATING_HELP),
    }


def options_of(
    task: str, seed: int, chosen: Mapping[str, Any], turn: str, every: int, drawn: Hundredths = ()
) -> dict[str, Any]:
    """A run's options, every changeable one named, so that a preset takes back what another one set."""
    usual = vars(gan.TASKS[task].options)
    options = {name: chosen.get(name, usual[name]) for name in CHANGEABLE} | {"turn": turn, "every": every}
    whole = {"task": task, "seed": seed} | options
    return whole | ({"drawn": tuple((x / 100, y / 100) for x, y in drawn)} if drawn else {})


def _drawn() -> Hundredths:
    """What the visitor drew; in the link, two bytes a point."""
    st.session_state.setdefault("drawn", from_text(st.query_params.get("drawn", "")))
    drawn = plane(
        {}, words="", judged="", alt="An empty plane to draw on", drawn=st.session_state["drawn"], key="canvas"
    )
    st.session_state["drawn"] = drawn
    address.hold("drawn", to_text(drawn))
    return drawn


def to_text(drawn: Hundredths) -> str:
    """Two bytes a point, for a link."""
    return base64.urlsafe_b64encode(bytes(v + 100 for point in drawn for v in point)).decode()


def from_text(told: str) -> Hundredths:
    """What a link holds; nothing where it is damaged."""
    try:
        numbers = [byte - 100 for byte in base64.urlsafe_b64decode(told)]
    except ValueError:
        return ()
    return valid(list(zip(numbers[::2], numbers[1::2], strict=False)))

"""The page "Generate": two networks against each other, live on points and small digits; MNIST, cures and drum hits "
"recorded."""

import base64
import io
import json
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from figures import generate as figures
from models import divergence, drums, zoo
from models.card import read_card
from models.divergence import nearest_mode
from models.gan import critic_loss, generator_loss, gradient_penalty, judge_loss, value
from training import gan
from training.report_generate import COLLAPSING, NAME, SETTINGS
from ui import address, cached, controls, room
from ui.components.plane import Hundredths, plane, valid
from ui.lecture import Download
from ui.room import Moment

POINTS, DIGITS, MNIST, CURES, SOUND = PARTS = ("Points", "Digits 8 × 8", "MNIST", "Collapse and cures", "Sound")
LIVE = {POINTS: "points", DIGITS: "digits"}  # and what its runs begin with
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
    "Collapse on purpose": COLLAPSING,
    **{f"Cure: {name}": options for name, options in SETTINGS.items() if name != "collapse"},
}
CHANGEABLE = ("kind", "saturating", "smoothing", "judge_rate", "generator_rate", "n_critic", "every", "turn")
TURNS = {"Both": "both", "The judge alone": "judge", "The generator alone": "generator"}
RATES = (1e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3, 5e-3, 1e-2)
MOST_SEEDS = 9999
SHEET_COLUMNS, ENLARGED = 8, 6
ROWS_SHOWN = 20  # of the table of numbers
WALK = 10  # pictures from one z to another
FRESH_HITS = 6
LINK = {
    "part": lambda value: value in PARTS,
    "shape": lambda value: value in SHAPES,
    "preset": lambda value: value in {**PRESETS, OWN: {}},
    "learns": lambda value: value in TURNS,
}


@dataclass(frozen=True)
class Choice:
    """What was chosen above the figure: a live run's options, or a seed of new z."""

    part: str
    options: Mapping[str, Any] = field(default_factory=dict)
    drawn: Hundredths = ()
    seed: int = 1


@dataclass(frozen=True)
class Shown:
    """What is in view: the moment of a live run, or what was recorded and made anew."""

    choice: Choice
    moment: Moment | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)
    notes: Callable[[], None] = lambda: None
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    caption: str = ""
    files: tuple[Download, ...] = ()


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.first_snapshot(gan.train, dict(_options("ring", 1, {}, "both", 20)))


def choose() -> Choice | None:
    """Which part, and its controls."""
    part = st.segmented_control(
        "Part",
        list(PARTS),
        default=POINTS,
        required=True,
        key="part",
        bind="query-params",
        label_visibility="collapsed",
    )
    if part in LIVE:
        return _choose_live(part)
    if part in (MNIST, SOUND):
        return Choice(part, seed=controls.number("Seed of new z", 1, MOST_SEEDS, 1, "z", width=180))
    return Choice(CURES)


def _choose_live(part: str) -> Choice | None:
    shape, preset, seed = st.columns([2, 2, 1], vertical_alignment="bottom")
    task = "digits"
    if part == POINTS:
        task = SHAPES[shape.selectbox("What is real", list(SHAPES), key="shape", bind="query-params")]
    named = preset.selectbox("Settings", [*PRESETS, OWN], key="preset", bind="query-params", help=PRESET_HELP)
    chosen = _own_settings() if named == OWN else PRESETS[named]
    number = controls.number("Seed", 1, MOST_SEEDS, 1, "seed", place=seed)
    who, rounds = st.columns([3, 2], vertical_alignment="bottom")
    turn = who.segmented_control(
        "Who learns", list(TURNS), default="Both", required=True, key="learns", bind="query-params", help=TURN_HELP
    )
    every = rounds.select_slider("Rounds a step", (1, 5, 20, 50, 100), 20, key="every", bind="query-params")
    drawn = _drawn() if task == "drawn" else ()
    if task == "drawn" and not drawn:
        st.info("Draw something in the square: lines, dots, a letter. Then start.", icon=":material/draw:")
        return None
    return Choice(part, _options(task, number, chosen, TURNS[turn], every, drawn), drawn)


PRESET_HELP = (
    "“Collapse on purpose”: a judge too slow for its generator. The cures change one thing of that. A change holds at once "
    "for a run "
    "that goes on: let it collapse, then choose a cure."
)
TURN_HELP = (
    "With “One step” below: a step of the judge alone, of the generator alone, or of both. In “Rounds a step” rounds."
)


def _own_settings() -> dict[str, Any]:
    kind, judge, generator = st.columns(3)
    loss, smooth, critic = st.columns(3, vertical_alignment="bottom")
    wasserstein = kind.segmented_control(
        "Kind", ["GAN", "WGAN-GP"], default="GAN", required=True, key="kind", bind="query-params"
    )
    return {
        "kind": "wgan-gp" if wasserstein == "WGAN-GP" else "gan",
        "judge_rate": judge.select_slider("Judge’s rate", RATES, 1e-3, key="judge_rate", bind="query-params"),
        "generator_rate": generator.select_slider(
            "Generator’s rate", RATES, 1e-3, key="made_rate", bind="query-params"
        ),
        "saturating": loss.toggle("Saturating loss", key="saturating", bind="query-params", help=SATURATING_HELP),
        "smoothing": smooth.slider("Label smoothing", 0.0, 0.4, 0.0, 0.05, key="smoothing", bind="query-params"),
        "n_critic": critic.slider("Judge’s steps a round", 1, 10, 1, key="critic", bind="query-params"),
    }


SATURATING_HELP = "The generator makes log(1 − D(G(z))) small, as the formula says, and not −log D(G(z))."


def _options(
    task: str, seed: int, chosen: Mapping[str, Any], turn: str, every: int, drawn: Hundredths = ()
) -> dict[str, Any]:
    """A run's options, every changeable one named, so that a preset takes back what another one set."""
    usual = vars(gan.TASKS[task].options)
    options = {name: chosen.get(name, usual[name]) for name in CHANGEABLE} | {"turn": turn, "every": every}
    whole = {"task": task, "seed": seed} | options
    return whole | ({"drawn": tuple((x / 100, y / 100) for x, y in drawn)} if drawn else {})


def _drawn() -> Hundredths:
    """What the visitor drew; in the link, two hundredths a point."""
    told = st.query_params.get("drawn", "")
    st.session_state.setdefault("drawn", from_text(told))
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


# ---------------------------------------------------------------- live


def draw_live(choice: Choice) -> Shown | None:
    """The run's buttons, and its moment, redrawn while it goes on."""
    draw = draw_plane if choice.part == POINTS else draw_sheet
    moment = room.live("generate", gan.train, choice.options, draw, changeable=CHANGEABLE)
    if moment is None:
        return None
    table = point_numbers if choice.part == POINTS else digit_numbers
    return Shown(
        choice,
        moment,
        notes=lambda: live_notes(choice, moment),
        table=table(moment),
        caption=value_words(moment),
        files=(
            Download("History CSV", lambda: history_csv(moment.now()), "gan_history.csv", "text/csv"),
            Download("Made CSV", lambda: made_csv(moment.now()), "gan_made.csv", "text/csv"),
        ),
    )


def draw_plane(moment: Moment) -> None:
    """The plane of a moment beside its curves."""
    left, right = st.columns([1, 1])
    view, metrics = moment.snapshot.view, moment.snapshot.metrics
    with left:
        plane(
            moment.once("plane", lambda: arrays(view, metrics)),
            words=moment_words(moment),
            judged="critic, from made (0) to real (1):" if "distance" in metrics else "D =",
            alt=f"Points of a plane after {moment.snapshot.step} rounds: {moment_words(moment)}",
            moment=moment.snapshot.step,
        )
    with right:
        _curves(moment)


def draw_sheet(moment: Moment) -> None:
    """64 digits, always of the same z, beside the curves."""
    left, right = st.columns([1, 1])
    with left:
        st.image(
            moment.once("sheet", lambda: sheet_url(moment)),
            caption="G(z) of the same 64 z all the time; the bar below each: blue as far as the judge takes it for real",
            alt=f"64 digits of 8 × 8 pixels after {moment.snapshot.step} rounds",
        )
        st.markdown(moment_words(moment))
    with right:
        _curves(moment)


def _curves(moment: Moment) -> None:
    history = [(step, metrics) for step, metrics in moment.history] or [(moment.snapshot.step, moment.snapshot.metrics)]
    st.plotly_chart(
        moment.once("curves", lambda: figures.curves(history)),
        key="curves",
        alt="Losses, the judge's means, divergence and modes covered, round by round",
    )


def arrays(view: Mapping[str, torch.Tensor], metrics: Mapping[str, float]) -> dict[str, np.ndarray]:
    """What the plane draws; the field from 0 (made) to 1 (real)."""
    return {"field": opinion(view["field"], metrics)} | {
        name: view[name].numpy() for name in ("real", "made", "pull", "warp")
    }


def opinion(logits: torch.Tensor, metrics: Mapping[str, float]) -> np.ndarray:
    """D, or, of a critic, which knows no probabilities, its score from the mean of the made (0) to that of the real (1)."""
    if "distance" not in metrics:
        return logits.sigmoid().numpy()
    low, high = metrics["score_fake"], metrics["score_real"]
    return ((logits - low) / (high - low if high > low else 1.0)).clamp(0, 1).numpy()


def sheet_url(moment: Moment) -> str:
    view = moment.snapshot.view
    judged = opinion(view["opinion"], moment.snapshot.metrics)
    return figures.data_url(figures.sheet(view["made"][:, 0].numpy(), judged, SHEET_COLUMNS, ENLARGED))


def moment_words(moment: Moment) -> str:
    """Where it is, in a line."""
    metrics, of = moment.snapshot.metrics, modes_of(moment)
    said = [f"{moment.snapshot.step} rounds"]
    if "modes" in metrics:
        said.append(f"**{metrics['modes']:.0f} of {of}** {'classes' if of == 10 else 'modes'} covered")
    if "near" in metrics:
        said.append(f"{100 * metrics['near']:.0f} % within 3 sd of a mode")
    if "js" in metrics:
        said.append(f"JS {metrics['js']:.3f} bits (by chance alone {metrics['js_floor']:.3f})")
    if "entropy" in metrics:
        said.append(f"entropy {metrics['entropy']:.2f} of 3.32 bits")
    if "value" in metrics:
        said.append(f"V(D, G) = {metrics['value']:.3f}")
    else:
        said.append(f"critic’s distance {metrics['distance']:.3f}")
    return " · ".join(said)


def modes_of(moment: Moment) -> int:
    """How many modes there are."""
    centres = gan.TASKS[moment.options["task"]].centres
    return 10 if centres is None else len(centres)


def live_notes(choice: Choice, moment: Moment) -> None:
    metrics = moment.snapshot.metrics
    kind = "distance" if "distance" in metrics else "value"
    said = {
        "value": (
            "The judge makes V(D, G) = E log D(x) + E log(1 − D(G(z))) large, the generator small. Where the judge can no "
            "longer tell, "
            "D = ½ everywhere and V = −2 log 2 ≈ −1.386. A loss that stands still is no sign of an end: look at JS and at "
            "the modes."
        ),
        "distance": (
            "A critic gives scores, no probabilities: their difference, real minus made, is its estimate of the earth "
            "mover’s distance, and "
            "the gradient penalty keeps its slope near 1."
        ),
    }[kind]
    seen = {
        POINTS: (
            f"JS and KL are of two densities on {divergence.CELLS} × {divergence.CELLS} cells, {gan.JUDGED:,} points each, "
            "what falls "
            f"outside counted as one cell more; KL(real ‖ made) is {metrics.get('kl', 0):.2f} bits with half a point more "
            "in every cell. "
            "A mode is covered if it has a tenth of its fair share within 3 standard deviations. An arrow points where the "
            "generator’s "
            "loss falls, the longest 0.2 long. Each cell of the bent square holds as much of the noise as any other: where "
            "cells are small, "
            "points are dense."
        ),
        DIGITS: (
            "256 digits of fixed z are counted by a small network that learned scikit-learn’s digits here in a moment "
            "(about 97 % right); "
            "64 of them are drawn. A class is covered with 1 % of them."
        ),
    }[choice.part]
    st.markdown(f"{said} {seen}")


def value_words(moment: Moment) -> str:
    """V and its two terms, which add up."""
    metrics = moment.snapshot.metrics
    if "distance" in metrics:
        return (
            f"After {moment.snapshot.step} rounds the critic’s means are {metrics['score_real']:.4f} (real) and "
            f"{metrics['score_fake']:.4f} "
            f"(made); their difference is {metrics['distance']:.4f}."
        )
    return (
        f"After {moment.snapshot.step} rounds: E log D(x) = {metrics['log_real']:.4f}, E log(1 − D(G(z))) = "
        f"{metrics['log_fake']:.4f}; "
        f"V = {metrics['value']:.4f}. Below, the first {ROWS_SHOWN} of the fixed z."
    )


def point_numbers(moment: Moment) -> pd.DataFrame:
    """The first z, what is made of them, what the judge says."""
    view = {name: tensor[:ROWS_SHOWN] for name, tensor in moment.snapshot.view.items()}
    logit = view["opinion"]
    columns = {
        "z₁": view["z"][:, 0],
        "z₂": view["z"][:, 1],
        "G(z)₁": view["made"][:, 0],
        "G(z)₂": view["made"][:, 1],
        "judge’s logit": logit,
        "D(G(z))": logit.sigmoid(),
        "log(1 − D(G(z)))": torch.nn.functional.logsigmoid(-logit),
    }
    task = gan.TASKS[moment.options["task"]]
    if task.centres is not None:
        mode, near = nearest_mode(view["made"], task.centres, task.sd)
        columns |= {"nearest mode": mode, "within 3 sd": near}
    return pd.DataFrame({name: column.numpy() for name, column in columns.items()})


def digit_numbers(moment: Moment) -> pd.DataFrame:
    view = {name: tensor[:ROWS_SHOWN] for name, tensor in moment.snapshot.view.items()}
    logit = view["opinion"]
    return pd.DataFrame(
        {
            "picture": np.arange(1, len(logit) + 1),
            "taken for": view["classes"].numpy(),
            "judge’s logit": logit.numpy(),
            "D(G(z))": logit.sigmoid().numpy(),
            "log(1 − D(G(z)))": torch.nn.functional.logsigmoid(-logit).numpy(),
        }
    )


def history_csv(moment: Moment) -> bytes:
    return pd.DataFrame([{"round": step, **metrics} for step, metrics in moment.history]).to_csv(index=False).encode()


def made_csv(moment: Moment) -> bytes:
    made = moment.snapshot.view["made"].flatten(1).numpy()
    return pd.DataFrame(made, columns=[f"x{i + 1}" for i in range(made.shape[1])]).to_csv(index=False).encode()


# ---------------------------------------------------------------- MNIST, recorded


def draw_mnist(choice: Choice) -> Shown | None:
    """The film, scrubbed in the browser; below it what the shipped generator makes now."""
    found = zoo.recorded(NAME).get("mnist")
    if not found:
        st.info("Nothing was recorded of MNIST.")
        return None
    st.plotly_chart(
        cached.gan_film(), key="film", alt="64 digits made of the same z from the beginning to the end of training"
    )
    made = cached.gan_made("gan-mnist", choice.seed)
    return Shown(
        choice,
        recorded=found,
        notes=lambda: mnist_notes(choice, found, made),
        table=made_numbers(made.logits, made.classes, made.confidence),
        caption=f"What the shipped judge and the classifier say of {len(made.logits)} pictures of new z (seed {choice.seed}).",
        files=(
            Download("Made PNG", lambda: _png(made), f"gan_mnist_{choice.seed}.png", "image/png"),
            Download("Recorded run JSON", lambda: _json(found), "gan_mnist_recorded.json", "application/json"),
        ),
    )


def mnist_notes(choice: Choice, found: Mapping[str, Any], made: cached.Made) -> None:
    card = read_card("gan-mnist")
    st.markdown(recorded_words(found, card.metrics))
    st.caption(f"Recorded: `{card.source}`, then `{zoo.recorded(NAME)['command']}`. {card.measured_on}.")
    st.header("Made now, of new z", anchor=False)
    st.image(
        figures.data_url(figures.sheet(made.pictures[:, 0].numpy(), made.logits.sigmoid().numpy(), WALK, 3)),
        caption=f"The shipped generator, 20 z of seed {choice.seed}; below, on the straight way from the first z to the second",
        alt="Twenty digits of new z",
    )
    st.image(
        figures.data_url(figures.sheet(made.walk[:, 0].numpy(), made.walk_logits.sigmoid().numpy(), WALK, 3)),
        alt="Ten digits from one z to another",
    )


def recorded_words(found: Mapping[str, Any], metrics: Mapping[str, float]) -> str:
    """What was measured, in sentences; each number from the card or the record."""
    made, test = (dict(zip(found["shares"], found["distances"][name], strict=True)) for name in ("made", "test"))
    return (
        f"{found['steps'][-1]:,} rounds of 64 pictures, {found['minutes']} minutes. Of 10,000 new pictures a classifier finds "
        f"**{metrics['classes']:.0f} of 10** classes, entropy **{metrics['entropy']:.2f}** of 3.32 bits, and is sure to "
        f"{metrics['confidence']:.1f} % on average. Does it copy? The nearest of 60,000 training pictures is "
        f"{made[0.5]:.2f} away in the "
        f"median (least {made[0.0]:.2f}); from real test pictures it is {test[0.5]:.2f} (least {test[0.0]:.2f}), of "
        f"{found['compared']:,} each. "
        + (
            "No made picture is nearer to a training picture than real ones are to each other."
            if made[0.0] >= test[0.0]
            else "The nearest made picture is nearer than the nearest test picture: one may have been copied."
        )
    )


def made_numbers(logits: torch.Tensor, classes: torch.Tensor, confidence: torch.Tensor) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "picture": np.arange(1, len(logits) + 1),
            "judge’s logit": logits.numpy(),
            "D(G(z))": logits.sigmoid().numpy(),
            "taken for": classes.numpy(),
            "sure to": confidence.numpy(),
        }
    )


# ---------------------------------------------------------------- collapse and cures, recorded


def draw_cures(choice: Choice) -> Shown | None:
    """Modes and JS of every setting over seeds."""
    found = zoo.recorded(NAME)
    if "cures" not in found:
        st.info("Nothing was recorded of collapse and cures.")
        return None
    st.plotly_chart(
        figures.cures(found["cures"], found["steps"], len(gan.RING)),
        key="cures",
        alt="Modes covered and JS over the rounds, a line a setting",
    )
    return Shown(
        choice,
        recorded=found,
        notes=lambda: cures_notes(found),
        table=cures_table(found),
        caption=f"After {found['steps'][-1]:,} rounds, over {found['seeds']} seeds.",
        files=(Download("Recorded runs JSON", lambda: _json(found), "gan_cures.json", "application/json"),),
    )


def cures_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """A row a setting: what it changes, modes and JS at the end."""
    rows = []
    for name, metrics in found["cures"].items():
        modes, js = ([row[-1] for row in metrics[metric]] for metric in ("modes", "js"))
        rows.append(
            {
                "setting": name,
                "options": ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in found["settings"][name].items())
                or "as they are",
                "modes, mean": float(np.mean(modes)),
                "least": min(modes),
                "most": max(modes),
                "JS, mean": float(np.mean(js)),
            }
        )
    return pd.DataFrame(rows)


def cures_notes(found: Mapping[str, Any]) -> None:
    st.markdown(cures_words(found))
    st.caption(
        f"Recorded by `{found['command']}`: the ring of 8, {found['seeds']} seeds, thin lines; thick, their mean."
    )
    st.markdown(
        "To see it happen: **Points**, settings **Collapse on purpose**, Start; when all points sit on one or two modes "
        "and hop, choose a cure "
        "without stopping."
    )


def cures_words(found: Mapping[str, Any]) -> str:
    """Which cures cured, by their own numbers: at the end, on the mean over seeds, against the collapse."""
    ends = {name: found["verdicts"][name] for name in found["cures"]}
    sick = ends.pop("collapse")
    said = [f"**{name}** {end['mean']:.1f} ({end['least']:.0f} to {end['most']:.0f})" for name, end in ends.items()]
    return (
        f"Modes of {len(gan.RING)} that are covered after {found['steps'][-1]:,} rounds, mean over {found['seeds']} seeds "
        "(least to most): "
        f"the judge too slow for its generator {sick['mean']:.1f} ({sick['least']:.0f} to {sick['most']:.0f}); "
        f"{'; '.join(said)}."
    )


# ---------------------------------------------------------------- sound, recorded


def draw_sound(choice: Choice) -> Shown | None:
    """Real and made hits as spectrograms, at a recorded moment of training."""
    found = zoo.recorded(NAME).get("drums")
    if not found:
        st.info("Nothing was recorded of drum hits.")
        return None
    steps = [found["steps"][k] for k in found["chosen"]]
    at = st.select_slider("Round", steps, steps[-1], key="round", bind="query-params")
    moment = steps.index(at)
    shown = cached.drum_moment(moment)
    st.plotly_chart(
        figures.spectrograms(
            [(f"real: {name}", loud) for name, loud in shown.real] + [(f"made {i + 1}", loud) for i, loud in enumerate(shown.made)],
            drums.edges(), drums.LENGTH / drums.RATE / drums.SIDE,
        ),
        key="spectrograms",
        alt="Loudness over time and frequency of four real hits and eight made ones",
    )  # fmt: skip
    return Shown(
        choice,
        recorded=found,
        notes=lambda: sound_notes(choice, at, shown),
        table=pd.DataFrame(
            {
                "sound": np.arange(1, len(shown.opinion) + 1),
                "D(G(z))": shown.opinion,
                "nearest learned hit is a": shown.kinds,
            }
        ),
        caption=f"What the judge said at round {at} of each sound, and of which kind the nearest learned hit is.",
        files=(
            Download("Made WAV", lambda: wav(np.concatenate(shown.heard)), f"gan_drums_{at}.wav", "audio/wav"),
            Download("Recorded run JSON", lambda: _json(found), "gan_drums_recorded.json", "application/json"),
        ),
    )


def sound_notes(choice: Choice, at: int, shown: cached.Drums) -> None:
    card = read_card("gan-drums")
    metrics = card.metrics
    st.markdown(
        f"Hits of {drums.LENGTH / drums.RATE:.2f} s at {drums.RATE // 1000} kHz. The network makes loudness only ({drums.SIDE} "
        f"bands × {drums.SIDE} moments); phases are found by Griffin and Lim’s iteration. By the nearest hit learned "
        f"from, {metrics['kinds']:.0f} of 3 kinds are made, entropy {metrics['entropy']:.2f} of 1.58 bits; the nearest hit is "
        f"{metrics['nearest']:.1f} away in the median, from fresh real hits {metrics['nearest_test']:.1f}."
    )
    real, made = st.columns(2)
    real.subheader("Real", anchor=False)
    for (name, _), sound, again in zip(shown.real, shown.original, shown.inverted, strict=True):
        real.caption(f"{name}: as it is, and through loudness and back")
        real.audio(wav(sound), format="audio/wav")
        real.audio(wav(again), format="audio/wav")
    made.subheader(f"Made at round {at}", anchor=False)
    for i, sound in enumerate(shown.heard):
        made.caption(f"{i + 1}: D = {shown.opinion[i]:.2f}; nearest to a {shown.kinds[i]}")
        made.audio(wav(sound), format="audio/wav")
    st.subheader("Made now, of new z", anchor=False)
    for k, sound in enumerate(cached.drum_hits(choice.seed)):
        st.caption(f"seed {choice.seed}, {k + 1}")
        st.audio(wav(sound), format="audio/wav")
    st.caption(f"Recorded: `{card.source}`, then `{zoo.recorded(NAME)['command']}`. {card.measured_on}.")


def wav(sound: np.ndarray) -> bytes:
    """16 bits a sample; only a sound louder than 1 is made softer."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(drums.RATE)
        out.writeframes(np.rint(32767 * sound / max(1.0, float(np.abs(sound).max()))).astype("<i2").tobytes())
    return file.getvalue()


# ---------------------------------------------------------------- what all parts have

DRAWN: dict[str, Callable[[Choice], Shown | None]] = {
    **dict.fromkeys(LIVE, draw_live),
    MNIST: draw_mnist,
    CURES: draw_cures,
    SOUND: draw_sound,
}


def _json(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False, indent=1).encode()


def _png(made: cached.Made) -> bytes:
    page = figures.sheet(made.pictures[:, 0].numpy(), made.logits.sigmoid().numpy(), WALK, 3)
    return base64.b64decode(figures.data_url(page).split(",")[1])


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (
        value,
        gan.judge_step,
        judge_loss,
        gan.generator_step,
        generator_loss,
        critic_loss,
        gradient_penalty,
        divergence.density,
        divergence.kl,
        divergence.js,
        divergence.covered,
        drums.loudness,
        drums.heard,
    )

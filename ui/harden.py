"""The page "Harden": its controls, its live and recorded parts, the drawn digit, and what it says of them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch

from attacks.classification import attack
from attacks.gradient import fgsm, pgd
from figures import harden as figures
from models import zoo
from models.card import read_card
from models.digit_classifier import DigitClassifier, grey, ink
from models.drawn import centred
from training import hardening
from training.annotate import pool
from training.hardening import REACH, RESTARTS, RUNS, STEPS, overfitted
from training.report_harden import ATTACKED, FEW, NAME, NAMES, UNITS
from ui import address, cached, controls, room
from ui.annotate import TWO_DIGITS, data_url
from ui.components.sketch import sketch
from ui.lecture import Download
from ui.room import Moment
from ui.turns import inference

MOONS, DIGITS, RECORDED, DRAW = PARTS = ("Two moons", "Digits 8 × 8", "MNIST, recorded", "Draw a digit")
TASKS = {MOONS: "moons", DIGITS: "digits"}
INNER = {"FGSM": "fgsm", "PGD": "pgd", "random ±ε": "noise", "none": "none"}
MOST = {MOONS: 0.2, DIGITS: 0.4, DRAW: 0.4}  # ε, at most
FIRST = {MOONS: 0.06, DIGITS: 0.2, DRAW: 0.25}
EPSILON = {MOONS: "moons_epsilon", DIGITS: "digits_epsilon", DRAW: "epsilon"}  # the keys
EPOCHS = 400
DRAWN_UNITS = 32  # of the live network's first layer: the first ones
TITLES = {
    "digits-plain": "plain",
    "digits-noise": "random ±0.25",
    "digits-fgsm": "FGSM, ε = 0.25",
    "digits-overfit": "FGSM alone, ε = 0.3",
    "digits-pgd": "PGD, ε = 0.3",
}
LINK: dict[str, Callable[[str], bool]] = {
    "part": lambda name: name in PARTS,
    "inner": lambda name: name in INNER,
    "alpha": lambda text: controls.is_fraction(text, 1.0),
    **{key: partial(controls.is_fraction, high=MOST[part]) for part, key in EPSILON.items()},
    "steps": lambda text: text.isdecimal() and 1 <= int(text) <= 20,
}
METHODS: dict[str, Callable[[float], dict[str, Any]]] = {
    "FGSM": lambda _: {"method": "fgsm"},
    "PGD-20": lambda epsilon: {
        "method": "pgd",
        "steps": STEPS,
        "step_size": REACH * epsilon / STEPS,
        "seed": 0,
        "restarts": RESTARTS,
    },
}
OVERFIT = {"inner": "FGSM", "alpha": 0.0, EPSILON[DIGITS]: 0.3}


@dataclass(frozen=True)
class Choice:
    """What was chosen above the figure."""

    part: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shown:
    """What is in view: its numbers with what they are, what is said of it, and what can be taken home."""

    caption: str
    table: pd.DataFrame
    notes: Callable[[], None]
    file: str


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.room.first_snapshot(hardening.train, _options(MOONS, 0.5, FIRST[MOONS], "FGSM", 10, 1))


def choose() -> Choice | None:
    """Which part, and its controls."""
    part = controls.part(PARTS, MOONS)
    if part in TASKS:
        return Choice(part, _choose_live(part))
    return Choice(part)


def _choose_live(part: str) -> dict[str, Any]:
    alpha, epsilon, steps, seed = st.columns([2, 2, 1, 1], vertical_alignment="bottom")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        made = controls.one_of("x_adv is made by", list(INNER), "inner")
        if part == DIGITS:
            st.button(
                "Overfit on purpose",
                icon=":material/warning:",
                on_click=lambda: address.put(**OVERFIT),
                help="FGSM alone (α = 0) with ε = 0.3: then start, and watch the accuracy under FGSM and under PGD part.",
            )
    a = controls.fraction("α, the weight of the clean pictures", 0.0, 1.0, 0.5, 0.05, "alpha", place=alpha)
    e = controls.fraction("ε, pixels in [0, 1]", 0.0, MOST[part], FIRST[part], 0.01, EPSILON[part], place=epsilon)
    n = controls.number("PGD steps", 1, 20, 10, "steps", place=steps)
    s = controls.number("Seed", 1, 99, 1, "seed", place=seed)
    return _options(part, a, e, made, n, s)


def _options(part: str, alpha: float, epsilon: float, made: str, steps: int, seed: int) -> dict[str, Any]:
    return {
        "task": TASKS[part],
        "seed": seed,
        "epochs": EPOCHS,
        "alpha": alpha,
        "epsilon": epsilon,
        "inner": INNER[made],
        "steps": steps,
    }


# ---------------------------------------------------------------- live


def draw_live(choice: Choice) -> Shown | None:
    """A network that trains in the training room; α, ε and the inner attack hold from the next epoch on."""
    moment = room.live(
        f"harden-{choice.options['task']}",
        hardening.train,
        choice.options,
        DRAWINGS[choice.part],
        changeable=("alpha", "epsilon", "inner", "steps"),
    )
    if moment is None:
        return None
    table = pd.DataFrame([{"epoch": step, **metrics} for step, metrics in moment.history or [_first(moment)]])
    return Shown(
        "Measured after each epoch on the test examples: accuracy in %, the loss J̃ in nats, and the α and ε it trained with.",
        table,
        lambda: _live_notes(choice.part),
        "harden_live",
    )


def _first(moment: Moment) -> tuple[int, Any]:
    return moment.snapshot.step, moment.snapshot.metrics


def _curves(moment: Moment) -> None:
    lines = {name: moment.series(name) for name in figures.LINES}
    last = moment.snapshot.step
    if not any(steps for steps, _ in lines.values()):
        lines = {name: ([last], [moment.snapshot.metrics[name]]) for name in lines}
    drawn = moment.once("curves", lambda: figures.curves(lines, last))
    st.plotly_chart(drawn, key="curves", alt="Accuracy against epochs, a line an attack")


def _verdict(moment: Moment) -> None:
    """Where it stands, in a sentence; and an alarm where the attack it trains on says too much."""
    m = moment.snapshot.metrics
    st.markdown(
        f"ε = {m['epsilon']:g}: right on **{m['clean']:.1f} %** of clean test examples, {m['noise']:.1f} % with random ±ε, "
        f"{m['fgsm']:.1f} % under FGSM, **{m['pgd']:.1f} %** under PGD-20."
    )
    if overfitted(m):
        st.warning(
            f"**Catastrophic overfitting**: {m['fgsm']:.1f} % under FGSM, {m['pgd']:.1f} % under PGD-20. The network has learned "
            "where FGSM steps to, not to be robust. Choose PGD, or a larger α or a smaller ε, and train on.",
            icon=":material/warning:",
        )
    if m["fgsm"] > m["clean"] + 1:
        st.info(
            "More is right under FGSM than clean: the perturbation itself tells the label (label leaking, Kurakin 2017).",
            icon=":material/info:",
        )


def draw_moons(moment: Moment) -> None:
    """The plane beside the accuracies."""
    view = {name: value.numpy() for name, value in moment.snapshot.view.items()}
    drawn = moment.once("plane", lambda: figures.plane(**view))
    _verdict(moment)
    left, right = st.columns(2)
    with left:
        st.plotly_chart(drawn, key="plane", alt=PLANE_ALT)
    with right:
        _curves(moment)


PLANE_ALT = "Points of two classes, the boundary of the network, and where PGD moved each point"


def draw_digits(moment: Moment) -> None:
    """The accuracies, the first layer, and some digits with their partners."""
    view = moment.snapshot.view
    _verdict(moment)
    left, right = st.columns(2)
    with left:
        _curves(moment)
    with right:
        st.markdown(f"**The first layer**: what each of {DRAWN_UNITS} units weighs at each pixel.")
        drawn = moment.once("weights", lambda: figures.weights(view["weights"][:DRAWN_UNITS].numpy()))
        st.plotly_chart(drawn, key="weights", alt="Weights of the first layer")
        st.caption(
            f"Neighbouring pixels' weights correlate by **{smoothness(view['weights']):.2f}** (0: noise, 1: smooth)."
        )
    st.caption("Left a test digit, right what PGD-20 made of it: the network's answer to each.")
    with st.container(horizontal=True):
        for x, x_adv, y, before, after in zip(*(view[name] for name in PAIR), strict=True):
            pair = torch.cat([x, torch.full((8, 1), 0.5), x_adv], dim=1)[None]
            right_after = "✓" if after == y else "✗"
            st.image(
                data_url(pair, 6),
                caption=f"{before} → {after} {right_after}",
                alt=f"A {y}, taken for {before}, then for {after}",
            )


PAIR = ("x", "x_adv", "y", "answer", "answer_adv")


def smoothness(weights: torch.Tensor) -> float:
    """The correlation of weights that are neighbours in the picture, over all units."""
    pairs = [(weights[:, 1:], weights[:, :-1]), (weights[:, :, 1:], weights[:, :, :-1])]
    one, other = (torch.cat([pair[i].flatten() for pair in pairs]) for i in (0, 1))
    return float(torch.corrcoef(torch.stack([one, other]))[0, 1])


def _live_notes(part: str) -> None:
    what = pool(TASKS[part])
    st.markdown(
        f"Live: {len(what.x)} examples to train, {len(what.x_test)} to measure, a network of two hidden layers of 64 units. The "
        "measure is PGD of 20 steps with two random starts, whatever the training used; the training attack is told the true "
        "label. Change α, ε or the inner attack while it runs: they hold from the next epoch on."
    )


# ---------------------------------------------------------------- recorded


def draw_recorded(_choice: Choice) -> Shown | None:
    """The full experiment, epoch by epoch, in the browser."""
    found = zoo.recorded(NAME)
    if not found:
        st.info("Nothing is recorded yet: `python -m training report harden --data DIR` does it.")
        return None
    names = [name for name in RUNS if name in found["runs"]]
    name = st.segmented_control(
        "Run",
        names,
        default=names[-1],
        required=True,
        key="recorded_run",
        format_func=TITLES.__getitem__,
        bind="query-params",
    )
    run = found["runs"][name or names[-1]]
    st.markdown(recorded_verdict(run))
    epochs = len(run["ink"])
    ink, grey = np.reshape(run["ink"], (epochs, UNITS, 5, 5)), np.reshape(run["grey"], (epochs, UNITS, -1))
    st.plotly_chart(figures.recorded(run["curves"], ink, grey), key="recorded", alt=RECORDED_ALT)
    st.caption(
        "Move the slider: the first layer as it was after each epoch, the twelve units that ink moves most at the end. Left below: "
        "what each pixel of a unit's window adds to it when it turns from black to white (orange lifts, blue lowers; scaled to "
        "each epoch's largest). Right: each unit's answer to every grey of its strongest pixel, as a share of its largest; where a "
        "line lies flat, a change is not seen."
    )
    st.caption(f"**Recorded.** {found['about']} Recorded by `{found['command']}`.")
    return Shown(
        f"Errors in % at ε = {found['epsilon']}, all runs: clean and under FGSM on {found['n']:,} test pictures, with random signs "
        f"and under PGD-20 on the first {FEW:,}.",
        errors(found),
        lambda: _recorded_notes(found),
        "harden_recorded",
    )


RECORDED_ALT = (
    "Accuracies by epoch; the first layer at the epoch in view: what ink adds to each unit, and its answer to each grey"
)


def recorded_verdict(run: dict[str, Any]) -> str:
    """How the run ended, and how it was trained."""
    how, last = run["how"], {name: values[-1] for name, values in run["curves"].items()}
    said = "clean pictures only" if how["inner"] == "none" else f"{how['inner'].upper()}, α = {how.get('alpha', 0.5):g}"
    words = (
        f"Trained on {said}, measured at ε = {how['epsilon']:g}: {last['clean']:.1f} % clean, {last['noise']:.1f} % with random "
        f"±ε, {last['fgsm']:.1f} % under FGSM, **{last['pgd']:.1f} %** under PGD-20; {run['minutes']:g} minutes of training."
    )
    return words + (
        " **Catastrophic overfitting**: FGSM says it is robust, PGD says it is not." if overfitted(last) else ""
    )


def errors(found: dict[str, Any]) -> pd.DataFrame:
    """A row a run."""
    return pd.DataFrame(
        [
            {"trained on": TITLES[name], **run["error"], "FGSM made for the plain network": found["transfer"][name]}
            for name, run in found["runs"].items()
        ]
    )


def _recorded_notes(found: dict[str, Any]) -> None:
    st.header("Beside the papers", anchor=False)
    st.dataframe(beside(found), hide_index=True, column_config=dict.fromkeys(BESIDE, TWO_DIGITS))
    st.caption(
        "Goodfellow 2014: maxout networks, perturbed pictures not clipped to [0, 1]; ours are. Random noise of the same size is "
        f"his control: training on it does not help. Madry 2018, with AutoAttack as Croce & Hein 2020 report it; here on the first "
        f"{ATTACKED:,} test pictures. FGSM is each network's own, one step; what PGD does to them:"
    )
    st.dataframe(errors(found), hide_index=True)


def beside(found: dict[str, Any]) -> pd.DataFrame:
    """What the papers report and what we measured, a row a figure, as errors in %."""
    plain, by_fgsm, by_pgd = (read_card(name) for name in NAMES)
    ours = {name: run["error"] for name, run in found["runs"].items()}
    G, M = "Goodfellow 2014", "Madry 2018"
    rows = [
        (G, "plain, clean", 100 - plain.published["accuracy"], ours["digits-plain"]["clean"]),
        (G, "plain, FGSM ε = 0.25", 100 - plain.published["fgsm_0.25"], ours["digits-plain"]["fgsm"]),
        (G, "hardened with FGSM, clean", 100 - by_fgsm.published["accuracy"], ours["digits-fgsm"]["clean"]),
        (G, "hardened with FGSM, FGSM ε = 0.25", 100 - by_fgsm.published["fgsm_0.25"], ours["digits-fgsm"]["fgsm"]),
        (G, "trained on random ±0.25, FGSM ε = 0.25", found["noise_published"], ours["digits-noise"]["fgsm"]),
        (M, "hardened with PGD, clean", 100 - by_pgd.published["accuracy"], ours["digits-pgd"]["clean"]),
        (M, "hardened with PGD, FGSM ε = 0.25", None, ours["digits-pgd"]["fgsm"]),
        (
            M,
            "hardened with PGD, AutoAttack ε = 0.3",
            100 - by_pgd.published["autoattack_0.3"],
            100 - by_pgd.metrics["autoattack_0.3"],
        ),
    ]
    return pd.DataFrame(rows, columns=["paper", "what", *BESIDE]).round(2)


BESIDE = ("error in the paper, %", "error here, %")


# ---------------------------------------------------------------- a drawn digit


def draw_digit(_choice: Choice) -> Shown | None:
    """A digit before every network, clean and attacked at the same ε, each network by its own gradient."""
    paper, dials = st.columns([1, 1.6])
    with dials:
        source = controls.source(["Draw", "Gallery"], "digit_from")
        truth = _truth(source)
        epsilon = controls.fraction("ε, pixels in [0, 1]", 0.0, MOST[DRAW], FIRST[DRAW], 0.01, EPSILON[DRAW])
        method = controls.one_of("Attack", list(METHODS), "attack")
    with paper:
        drawn = sketch(key="sketch") if source == "Draw" else sample(int(truth or 0))
        if source == "Gallery":
            st.image(data_url(torch.tensor(drawn)[None], 28), caption="scikit-learn's, 8 × 8 pixels", alt=f"A {truth}")
    try:
        x = centred(torch.tensor(drawn))
    except ValueError:
        st.info("Draw a digit on the black sheet, or choose one from the gallery.", icon=":material/draw:")
        return None
    rows = []
    for place, name in zip(st.columns(len(NAMES)), NAMES, strict=True):
        try:
            network = cached.harden.digit_classifier(name)
        except zoo.WeightsUnavailableError as error:
            place.warning(str(error), icon=":material/cloud_off:")
            continue
        with inference:
            rows.append(_attacked(name, network, x, truth, epsilon, method, place))
    if not rows:
        return None
    return Shown(
        f"p of each digit in %, before and after {method} at ε = {epsilon:g}, a column a network.",
        pd.DataFrame({"digit": range(10), **{k: v for row in rows for k, v in row.items()}}),
        _digit_notes,
        "harden_digit",
    )


def _truth(source: str) -> int | None:
    """The digit it is: of the gallery it is known, of a drawing the visitor may say."""
    digits = [str(k) for k in range(10)]
    if source == "Gallery":
        return int(controls.one_of("Digit", digits, "digit"))
    said = controls.one_of("It is a", ["?", *digits], "said")
    return None if said == "?" else int(said)


def sample(k: int) -> np.ndarray:
    """The first of scikit-learn's test digits that is a `k`."""
    of = pool("digits")
    found: np.ndarray = of.x_test[of.y_test == k][0, 0].numpy()
    return found


def _attacked(
    name: str, network: DigitClassifier, x: torch.Tensor, truth: int | None, epsilon: float, method: str, place: Any
) -> dict[str, np.ndarray]:
    with torch.no_grad():
        before = network(x).softmax(1)[0]
    y = torch.tensor([truth if truth is not None else int(before.argmax())])
    x_adv = attack(network, x, y, epsilon, **METHODS[method](epsilon)).adversarial
    with torch.no_grad():
        after = network(x_adv).softmax(1)[0]
    with place:
        st.markdown(f"**{read_card(name).title}**")
        st.image(data_url(x_adv[0], 9), alt=f"The digit as {method} changed it against this network")
        st.markdown(_answer_words(before, after, int(y), truth))
        st.plotly_chart(
            figures.answers(before.numpy(), after.numpy(), truth), key=f"answers {name}", alt="p of each digit"
        )
    title = read_card(name).title
    return {f"{title}, before": 100 * before.numpy(), f"{title}, after": 100 * after.numpy()}


def _answer_words(before: torch.Tensor, after: torch.Tensor, y: int, truth: int | None) -> str:
    first, then = int(before.argmax()), int(after.argmax())
    said = f"Says {first} ({100 * float(before[first]):.1f} %), then {then} ({100 * float(after[then]):.1f} %): "
    if truth is not None and first != truth:
        return said + f"it is a {truth}, and was not recognised before."
    return said + ("**fooled**." if then != y else "not fooled.")


def _digit_notes() -> None:
    st.markdown(
        "The drawing is brought into MNIST's form: its longer side 20 pixels, its centre of mass in the middle of 28 × 28. Each "
        "network is attacked by its own gradient, within the same ε, against the digit that it is, or, where nobody says, against "
        "the network's own answer. Probabilities are those of the picture as 8 bits hold it."
    )


# ---------------------------------------------------------------- what all parts have

DRAWINGS: dict[str, Callable[[Moment], None]] = {MOONS: draw_moons, DIGITS: draw_digits}
DRAWN: dict[str, Callable[[Choice], Shown | None]] = {
    MOONS: draw_live,
    DIGITS: draw_live,
    RECORDED: draw_recorded,
    DRAW: draw_digit,
}


def downloads(shown: Shown) -> list[Download]:
    """The table in view, and the recorded runs."""
    return [
        Download("Numbers CSV", lambda: shown.table.to_csv(index=False).encode(), f"{shown.file}.csv", "text/csv"),
        Download(
            "Recorded runs JSON",
            lambda: json.dumps(zoo.recorded(NAME), ensure_ascii=False, indent=1).encode(),
            "harden_recorded.json",
            "application/json",
        ),
    ]


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (hardening.adversarial_loss, hardening.train, hardening.measure, fgsm, pgd, DigitClassifier, ink, grey)

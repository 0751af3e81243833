"""The page "Adapt": moons that learn while one watches, digits on photographs, reviews and frames, with and without the judge."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from attacks.perturbation import to_8bit
from figures import adapt as figures
from models import domain, zoo
from models.picture import from_pixels, gallery, gallery_picture, png, to_tensor
from training import domain as training
from training.report_domain import ADVERSARIAL, GANIN, NAME, PAIRS, PAPER, PLAIN
from ui import cached, controls, room
from ui.lecture import Download, Numbers
from ui.room import Moment

MOONS, DIGITS, LANGUAGE = "Two moons", "Digits on photographs", "Reviews and frames"
RISES, HELD = "rises (λ_p)", "is held"
MODELS = {"adapt-mnist-m-source-only": "source only", "adapt-mnist-m": "with the judge"}
CHANGEABLE = ("strength", "scheduled", "gamma", "rate", "pace")
RATES, PACES = (0.01, 0.03, 0.1, 0.3), (0.1, 0.3, 1.0, 3.0, 10.0)
MOST_SEEDS, MOST_PLACES = 99, 999
INK = 20  # pixels of a side of MNIST's digits, in the middle of 28
ENLARGED = 6
STRENGTH_HELP = "How much the judge matters in the end, or all the time. 0: no adversary, training on the source alone."
GAMMA_HELP = "How soon λ rises: λ_p = 2 / (1 + exp(−γ p)) − 1."
PACE_HELP = "The judge's rate over the others': below 1 it lags behind, above it is ahead."
LINK: dict[str, Callable[[str], bool]] = {"part": lambda name: name in parts()}


def parts() -> list[str]:
    """What there is to show: the moons always, the rest where its networks were recorded."""
    return [MOONS, *((DIGITS, LANGUAGE) if zoo.recorded(NAME) else ())]


@dataclass(frozen=True)
class Choice:
    """What was chosen above the figure; `options` are the moons', the rest is the digit's."""

    part: str
    options: dict[str, Any]
    digit: int = 0
    which: int = 0
    photograph: str = ""
    place: int = 0


@dataclass(frozen=True)
class Shown:
    """What is in view: a moment of the moons, or what both networks say of a picture (rows: networks)."""

    choice: Choice
    moment: Moment | None = None
    x: Tensor | None = None
    p: Tensor | None = None


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.first_snapshot(training.train, moons_options(1.0, True, domain.GAMMA, 0.1, 1.0, 1))


def choose() -> Choice:
    """Which part, and its controls."""
    part = st.segmented_control(
        "Part", parts(), default=MOONS, required=True, key="part", bind="query-params", label_visibility="collapsed"
    )
    if part == DIGITS:
        return _choose_digit()
    return Choice(part or MOONS, _choose_moons() if part in (None, MOONS) else {})


def _choose_moons() -> dict[str, Any]:
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


def _choose_digit() -> Choice:
    first, second, third, fourth = st.columns([1, 1, 2, 1], vertical_alignment="bottom")
    digit = controls.number("Digit", 0, 9, 3, "digit", place=first)
    which = controls.number("Which of them", 0, 100, 0, "which", place=second)
    titles = {entry.title: key for key, entry in gallery().items()}
    title = third.selectbox("Photograph", list(titles), key="photograph", bind="query-params")
    place = controls.number("Place", 0, MOST_PLACES, 1, "place", place=fourth)
    return Choice(DIGITS, {}, digit, which, titles[title], place)


# ---------------------------------------------------------------- the moons


def draw_moons(choice: Choice) -> Shown | None:
    moment = room.live(NAME, training.train, choice.options, _moment, changeable=CHANGEABLE)
    return None if moment is None else Shown(choice, moment)


def _moment(moment: Moment) -> None:
    """The plane, the course, λ_p."""
    st.plotly_chart(moment.once("plane", lambda: plane(moment)), key="plane", alt=PLANE_ALT)
    course, schedule = st.columns([2, 1])
    series = {name: moment.series(name) for name in ("accuracy_target", "accuracy_source", "judge", "probe", "lambda")}
    course.plotly_chart(moment.once("course", lambda: figures.course(series)), key="course", alt=COURSE_ALT)
    schedule.plotly_chart(moment.once("schedule", lambda: rising(moment)), key="schedule", alt="λ against p")
    schedule.caption(f"λ = {moment.snapshot.metrics['lambda']:.4f} at p = {part_done(moment):.2f}.")


PLANE_ALT = (
    "Four drawings: the label head's boundary, the features on their main axes, the judge's boundary, the hidden units"
)
COURSE_ALT = "Accuracies of the label head, the judge and a fresh probe at every step, and λ"


def plane(moment: Moment) -> Any:
    snapshot = moment.snapshot
    view = {name: tensor.numpy() for name, tensor in snapshot.view.items()}
    units = (snapshot.state["model.features.0.weight"].numpy(), snapshot.state["model.features.0.bias"].numpy())
    return figures.moons(
        view["points"],
        view["y"],
        view["d"],
        (view["label"], view["judge"]),
        view["features"],
        view["share"],
        units,
        training.REACH,
    )


def settings_of(moment: Moment) -> training.Settings:
    """Those that hold in the run in view."""
    return training.Settings(**{name: moment.options[name] for name in CHANGEABLE})


def part_done(moment: Moment) -> float:
    return min(1.0, moment.snapshot.step / max(1, moment.snapshot.steps))


def rising(moment: Moment) -> Any:
    settings, p = settings_of(moment), np.linspace(0, 1, 101)
    now = (part_done(moment), settings.at(part_done(moment)))
    return figures.schedule(p, np.array([settings.at(float(part)) for part in p]), now)


def moons_sentence(metrics: Mapping[str, float]) -> str:
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


# ---------------------------------------------------------------- a digit on a photograph


@cache
def handwritten() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return found.images / 16, found.target


def on_photograph(digit: int, which: int, photograph: str, place: int) -> Tensor:
    r"""$|x - \text{crop}|$ as MNIST-M: one of scikit-learn's digits, scaled, and the part of the photograph that `place` draws."""
    images, labels = handwritten()
    chosen = images[labels == digit]
    ink = torch.tensor(chosen[which % len(chosen)], dtype=torch.float32)[None, None]
    room_ = (domain.SIDE - INK) // 2
    x = F.pad(F.interpolate(ink, (INK, INK), mode="bilinear"), (room_,) * 4).expand(-1, 3, -1, -1)
    whole = gallery_picture(photograph).pixels
    random = np.random.default_rng(place)
    top, left = (int(random.integers(side - domain.SIDE + 1)) for side in whole.shape[:2])
    crop = to_tensor(whole[top : top + domain.SIDE, left : left + domain.SIDE])
    return (x - crop).abs()


def draw_digit(choice: Choice) -> Shown:
    """The picture, and what each network says it is."""
    x = on_photograph(choice.digit, choice.which, choice.photograph, choice.place)
    p = cached.opinions(tuple(MODELS), x)
    left, right = st.columns([1, 2], vertical_alignment="center")
    left.image(data_url(x[0]), caption=f"A {choice.digit} on a photograph: |digit − crop|", alt="A digit in colour")
    right.plotly_chart(
        figures.opinions(list(MODELS.values()), p.numpy(), choice.digit), key="opinions", alt=OPINIONS_ALT
    )
    return Shown(choice, x=x, p=p)


OPINIONS_ALT = "Probability of each digit, by the network that learned on the source alone and by the one with a judge"


def data_url(x: Tensor) -> str:
    """Every pixel a square: in the message itself, so that no file can be gone."""
    large = to_8bit(x).repeat_interleave(ENLARGED, 1).repeat_interleave(ENLARGED, 2)
    return "data:image/png;base64," + base64.b64encode(png(from_pixels(large[None]))).decode()


def digit_notes(found: Mapping[str, Any]) -> None:
    """The recorded runs: features by epoch, accuracies by epoch, tables."""
    st.header("Recorded: MNIST → MNIST-M, epoch by epoch", anchor=False)
    columns = {"source only": found["mixing"][PLAIN], "with the judge": found["mixing"][ADVERSARIAL]}
    st.plotly_chart(figures.scrubbed(columns), key="mixing", alt="Features of both domains, epoch by epoch")
    for side, variant, title in zip(st.columns(2), (PLAIN, ADVERSARIAL), columns, strict=True):
        history = found["history"][variant]
        names = history[-1]
        series = {
            name: ([i for i, row in enumerate(history) if name in row], [row[name] for row in history if name in row])
            for name in names
        }
        side.markdown(f"**{title}**, seed 1")
        side.plotly_chart(figures.course(series), key=f"course_{variant}", alt=COURSE_ALT)
    st.dataframe(digits_table(found), hide_index=True)
    st.caption(recorded_words(found))


def digits_table(found: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for task, title in (("mnist-m", "MNIST → MNIST-M"), ("mnist-usps", "MNIST → USPS"), ("usps-mnist", "USPS → MNIST")):
        by = dict(found["tasks"].get(task, {}))
        if task == "mnist-m" and "mnist-m-target-trained" in found["tasks"]:
            by["target-trained"] = found["tasks"]["mnist-m-target-trained"][PLAIN]
        names = {PLAIN: "source only", ADVERSARIAL: "with the judge", "target-trained": "trained on the target"}
        rows += [
            {
                "task": title,
                "network": names[variant],
                "target, %": spread(row),
                "seeds": len(row["each"]),
                "Ganin 2016, %": PAPER.get(task, {}).get(variant),
            }
            for variant, row in by.items()
        ]
    return pd.DataFrame(rows)


def spread(row: Mapping[str, Any]) -> str:
    """Mean ± one standard deviation over seeds."""
    return f"{row['mean']:.2f} ± {row['sd']:.2f}" if len(row["each"]) > 1 else f"{row['mean']:.2f}"


def recorded_words(found: Mapping[str, Any]) -> str:
    return (
        f"Recorded by `{found['command']}`: mean ± one standard deviation over seeds, after the last epoch; "
        "with and without the judge the same network, first weights and batches."
    )


# ---------------------------------------------------------------- reviews and frames


def draw_language(choice: Choice) -> Shown:
    """Tables: Ganin's twelve pairs, and frames with each text domain kept aside."""
    found = zoo.recorded(NAME)
    st.subheader("Reviews: Ganin's twelve pairs", anchor=False)
    st.dataframe(reviews_table(found), hide_index=True, column_config=dict.fromkeys(("NN", "DANN"), TWO_DIGITS))
    st.subheader("Frames in an open domain", anchor=False)
    st.dataframe(frames_table(found), hide_index=True)
    st.caption(recorded_words(found))
    return Shown(choice)


TWO_DIGITS = st.column_config.NumberColumn(format="%.2f")


def reviews_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Each pair, and the mean of them."""
    both = {pair: found["tasks"].get(f"amazon-{pair[0]}-{pair[1]}") for pair in PAIRS}
    known = {pair: by for pair, by in both.items() if by}
    columns: dict[str, list[Any]] = {"pair": [f"{source} → {target}" for source, target in known]}
    for title, variant in (("without, %", PLAIN), ("with, %", ADVERSARIAL)):
        columns[title] = [spread(by[variant]) for by in known.values()]
        columns[title].append(f"{np.mean([by[variant]['mean'] for by in known.values()]):.2f}")
    for title, which in (("Ganin's NN, %", 0), ("Ganin's DANN, %", 1)):
        columns[title] = [GANIN[pair][which] for pair in known]
        columns[title].append(round(float(np.mean(columns[title])), 2))
    columns["pair"].append(f"mean of {len(known)}")
    return pd.DataFrame(columns)


def frames_table(found: Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "kept aside": aside,
                "without, %": spread(found["tasks"][f"frames-{aside}"][PLAIN]),
                "with the judge, %": spread(found["tasks"][f"frames-{aside}"][ADVERSARIAL]),
            }
            for aside in training.ASIDE
            if f"frames-{aside}" in found["tasks"]
        ]
    )


# ---------------------------------------------------------------- the page's parts

DRAWN: dict[str, Callable[[Choice], Shown | None]] = {MOONS: draw_moons, DIGITS: draw_digit, LANGUAGE: draw_language}


def notes(shown: Shown) -> None:
    if shown.moment is not None:
        st.markdown(moons_sentence(shown.moment.snapshot.metrics))
    elif shown.p is not None:
        digit_notes(zoo.recorded(NAME))


def numbers(shown: Shown) -> Numbers:
    """Of the moons, how strongly the losses pull at each part; of a digit, what both networks say; of language, every seed."""
    if shown.moment is not None:
        return moons_numbers(shown.moment)
    if shown.p is not None:
        table = pd.DataFrame({"digit": range(10)} | dict(zip(MODELS.values(), shown.p.numpy(), strict=True)))
        return Numbers("Probabilities of the picture above, by the weights that ship.", table)
    tasks = zoo.recorded(NAME)["tasks"]
    each = [
        {"task": task, "variant": variant, **{f"seed {i}": v for i, v in enumerate(row["each"], 1)}}
        for task, by in tasks.items()
        for variant, row in by.items()
        if task.startswith(("amazon", "frames"))
    ]
    return Numbers("Accuracy on the target in %, every seed.", pd.DataFrame(each))


def moons_numbers(moment: Moment) -> Numbers:
    """Lengths of the gradients on all training points, and the check that one way back is the three rules."""
    seed = moment.options["seed"]
    network = training.network_of("moons", moment.snapshot, seed=seed)
    known = training.loaded("moons", None, seed)
    assert known.unlabelled is not None
    x = torch.cat([known.labelled.x, known.unlabelled.x])
    y, d = known.labelled.y, torch.cat([known.labelled.d, known.unlabelled.d])
    strength = moment.snapshot.metrics["lambda"]
    found = domain.pulls(network, x, y, d, strength)
    table = pd.DataFrame(
        [
            {"part": f"θ_{symbol}, {part}", "‖∂L_y/∂θ‖": pull.y, "‖∂L_d/∂θ‖": pull.d, "‖step‖/μ": pull.step}
            for (part, pull), symbol in zip(found.items(), "fyd", strict=True)
        ]
    )
    return Numbers(
        f"Step {moment.snapshot.step}, λ = {strength:.4f}, all {len(x)} training points: how strongly each loss pulls "
        f"at each part, and the step of the three rules. {same_words(network, x, y, d, strength)} "
        "Adam then scales each number by itself.",
        table,
    )


def same_words(network: domain.DomainAdversarial, x: Tensor, y: Tensor, d: Tensor, strength: float) -> str:
    """Whether the layer's one way back is the three rules, on the points in view."""
    expected = domain.rules(network, x, y, d, strength, 1.0)
    domain.descend(network, torch.optim.SGD(network.parameters(), 1.0), x, y, d, strength)
    apart = max(float((theta.detach() - expected[name]).abs().max()) for name, theta in network.named_parameters())
    return f"One way back through the reversal layer gives the same parameters as the three rules: at most {apart:.1e} apart."


def downloads(shown: Shown) -> list[Download]:
    if shown.moment is not None:
        moment = shown.moment
        return [
            Download("Course, CSV", lambda: course_csv(moment.now()), "adapt.csv", "text/csv"),
        ]
    files = [
        Download("Recorded, JSON", lambda: json.dumps(zoo.recorded(NAME)).encode(), "adapt.json", "application/json")
    ]
    if shown.x is not None:
        x = shown.x
        files.insert(0, Download("Digit, PNG", lambda: png(from_pixels(to_8bit(x[0])[None])), "digit.png", "image/png"))
    return files


def course_csv(moment: Moment) -> bytes:
    return pd.DataFrame([{"step": step, **metrics} for step, metrics in moment.history]).to_csv(index=False).encode()


def code() -> list[Callable[..., Any]]:
    return [domain.rules, domain.GradientReversal, domain.lambda_p, domain.descend, training.probe, training.train]

"""The page "What to label next": its controls, its three parts, and what it says of them."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch
from torch import Tensor

from attacks.nearest import deepfool
from attacks.perturbation import to_8bit
from figures import annotate as figures
from models import zoo
from models.picture import from_pixels, png
from training import annotate
from training.annotate import DFAL, ROUNDS, Settings, nearest, network_of, paired, pool
from training.report_annotate import AT, NAME, band
from training.snapshot import Snapshot
from ui import address, cached, controls
from ui.lecture import Download
from ui.running import go_on

TITLES = {
    "random": "random",
    "entropy": "entropy",
    "margin": "least margin",
    "deepfool": "DeepFool",
    DFAL: "DeepFool + partners (DFAL)",
}
STYLES = {title: number for number, title in enumerate(TITLES.values())}
ASKED = tuple(name for name in TITLES if name != DFAL)
DIGITS, MOONS, YOU = PARTS = ("Digits", "Two moons", "You label")
MOONS_START, MOONS_QUERY, MOONS_ROUNDS = 4, 3, 20
FIRST_ROUNDS, FIRST_SEEDS, MOST_SEEDS = 2, 3, 10
ENOUGH_SEEDS = 3  # for an interval that says anything
PATIENCE = 0.7  # seconds between two drawings of curves that grow
AT_ONCE = 0.01  # seconds: what was computed before takes less
ENLARGED = 8  # screen pixels of a digit's pixel
MOST_SAID = 60  # labels of a visitor
MEASURED = 4  # every so manieth unlabelled point of the plane is drawn with its distance
GRID = 120  # points a side of the plane
FREE_HELP = (
    "Ducoffe & Precioso's DFAL: each picture that was asked for brings its adversarial partner x + η, with the same label, "
    "at no cost. For DeepFool only."
)
LINK: dict[str, Callable[[str], bool]] = {
    "part": lambda name: name in PARTS,
    "strategy": lambda name: name in TITLES.values(),
    "rounds": lambda text: text.isdecimal() and int(text) <= ROUNDS,
    "said": lambda text: text == "" or (text.isdecimal() and len(text) <= MOST_SAID),
}


@dataclass(frozen=True)
class Choice:
    """What was chosen above the figure; `strategies` and `seeds` are those of the part "Digits"."""

    part: str
    settings: Settings
    strategies: tuple[str, ...] = ()
    seeds: int = 1

    def of(self, strategy: str, seed: int) -> Settings:
        return replace(self.settings, strategy=strategy, seed=seed)


@dataclass(frozen=True)
class Shown:
    """The moment in view, and the accuracies of all curves that are drawn: by strategy a row a seed."""

    settings: Settings
    snapshot: Snapshot
    accuracy: dict[str, list[list[float]]]
    notes: Callable[[], None]

    @property
    def labels(self) -> list[int]:
        rounds = max(len(row) for rows in self.accuracy.values() for row in rows)
        return [self.settings.start + r * self.settings.query for r in range(rounds)]


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    for r in range(FIRST_ROUNDS + 1):
        for strategy in ASKED:
            for seed in range(1, FIRST_SEEDS + 1):
                cached.room.annotated(Settings(strategy=strategy, seed=seed), r)


def choose() -> Choice | None:
    """Which part, and its controls; None, with a word, if nothing is left to draw."""
    part = controls.part(PARTS, DIGITS)
    if part == DIGITS:
        return _choose_digits()
    strategy, seed = st.columns([3, 1])
    with strategy:
        settings = Settings(strategy=_strategy("Ask for the label of", tuple(TITLES)))
    settings = replace(settings, seed=controls.number("Seed", 1, MOST_SEEDS, 1, "seed", place=seed))
    if part == MOONS:
        return Choice(MOONS, replace(settings, task="moons", start=MOONS_START, query=MOONS_QUERY))
    return Choice(YOU, replace(settings, query=1))


def _choose_digits() -> Choice | None:
    compared, start, query, seeds, free = st.columns([3, 1, 1, 1, 1.3], vertical_alignment="bottom")
    with compared:
        chosen = st.pills(
            "Strategies",
            [TITLES[name] for name in ASKED],
            selection_mode="multi",
            default=[TITLES[name] for name in ASKED],
            key="strategies",
            wrap=True,
            bind="query-params",
        )
    begin = controls.number("First labels", 10, 50, 10, "start", place=start)
    more = controls.number("Labels a round", 1, 50, 10, "query", place=query)
    runs = controls.number("Seeds", 1, MOST_SEEDS, FIRST_SEEDS, "seeds", place=seeds)
    with free:
        partners = st.toggle("Partners free", key="free", bind="query-params", help=FREE_HELP)
    names = tuple(name for name in ASKED if TITLES[name] in chosen)
    if not names:
        st.info("Choose a strategy: without one there is nothing to draw.")
        return None
    if partners:
        names = tuple(DFAL if name == "deepfool" else name for name in names)
    return Choice(DIGITS, Settings(start=begin, query=more), names, runs)


def _strategy(label: str, names: tuple[str, ...]) -> str:
    titles = [TITLES[name] for name in names]
    chosen = st.selectbox(label, titles, index=names.index("deepfool"), key="strategy", bind="query-params")
    return next(name for name in names if TITLES[name] == chosen)


# ---------------------------------------------------------------- digits


def draw_digits(choice: Choice) -> Shown | None:
    """Curves that grow while they are computed; what was computed once is there at once.

    A click in a fragment waits until the fragment has run, so it runs for `PATIENCE` seconds at a time: None until all is there.
    """
    wanted, row = _rounds(), st.container(horizontal=True, vertical_alignment="center")
    for label, key, icon, rounds, shortcut in (
        ("One more round", "more", "add", min(wanted + 1, ROUNDS), "n"),
        (f"On to {choice.settings.start + ROUNDS * choice.settings.query} labels", "all", "fast_forward", ROUNDS, None),
        ("From the start", "again", "replay", 0, None),
    ):
        row.button(
            label,
            key=key,
            icon=f":material/{icon}:",
            shortcut=shortcut,
            on_click=_want,
            args=(rounds,),
            disabled=rounds == wanted,
        )
    status = st.container()
    accuracy: dict[str, list[list[float]]] = {name: [[] for _ in range(choice.seeds)] for name in choice.strategies}
    runs = [(r, name, seed) for r in range(wanted + 1) for name in accuracy for seed in range(1, choice.seeds + 1)]
    growing, reached, spent = False, wanted, 0.0
    for done, (r, name, seed) in enumerate(runs):
        if spent > PATIENCE:
            growing, reached = True, max(0, r - 1)
            row.button("Stop", key="stop", icon=":material/stop:", on_click=_want, args=(reached,), type="primary")
            status.progress(done / len(runs), f"Round {r} of {wanted}: {TITLES[name]}, seed {seed}, learns and asks …")
            break
        begun = time.monotonic()
        snapshot = cached.room.annotated(choice.of(name, seed), r)
        took = time.monotonic() - begun
        spent += took if took > AT_ONCE else 0.0
        accuracy[name][seed - 1].append(snapshot.metrics["accuracy"])
    whole = {name: [row[: reached + 1] for row in rows] for name, rows in accuracy.items() if all(rows)}
    st.plotly_chart(_curves(choice.settings, whole), key="curves", alt=CURVES_ALT)
    if growing:
        go_on()
        return None
    settings = choice.of(choice.strategies[-1], 1)
    return Shown(settings, cached.room.annotated(settings, wanted), accuracy, lambda: _digit_notes(choice, accuracy))


CURVES_ALT = (
    "Test accuracy against the number of labels, a line a strategy with a band of one standard deviation over seeds"
)


def _rounds() -> int:
    told = st.query_params.get("rounds", "")
    st.session_state.setdefault("rounds", int(told) if LINK["rounds"](told) else FIRST_ROUNDS)
    address.hold("rounds", str(st.session_state["rounds"]))
    return int(st.session_state["rounds"])


def _want(rounds: int) -> None:
    st.session_state["rounds"] = rounds


def _curves(settings: Settings, accuracy: dict[str, list[list[float]]]) -> go.Figure:
    lines, seeds = {}, 1
    for name, rows in accuracy.items():
        means, spread = band(rows)
        seeds = len(rows)
        lines[TITLES[name]] = ([settings.start + r * settings.query for r in range(len(means))], means, spread)
    return figures.curves(lines, STYLES, _band_words(seeds))


def _band_words(seeds: int) -> str:
    return f" (mean ± 1 sd, {seeds} seeds)" if seeds > 1 else " (1 seed)"


def _digit_notes(choice: Choice, accuracy: dict[str, list[list[float]]]) -> None:
    rounds = len(next(iter(accuracy.values()))[0]) - 1
    st.markdown(live_sentence(choice, accuracy))
    st.header("What they ask for next", anchor=False)
    which, run = st.columns([3, 1])
    with which:
        titles = [TITLES[name] for name in choice.strategies]
        title = st.segmented_control("Asked for by", titles, default=titles[-1], required=True, key="asker")
    seed = run.number_input("of seed", 1, choice.seeds, 1, key="asker_seed")
    strategy = next(name for name in choice.strategies if TITLES[name] == title)
    settings = choice.of(strategy, int(seed))
    pictures(settings, cached.room.annotated(settings, rounds))
    recorded_notes()


def live_sentence(choice: Choice, accuracy: dict[str, list[list[float]]]) -> str:
    """Where the curves are, and, from three seeds on, the pairs."""
    rounds = len(next(iter(accuracy.values()))[0]) - 1
    at = {name: [row[-1] for row in rows] for name, rows in accuracy.items()}
    reached = ", ".join(f"{TITLES[name]} {np.mean(values):.1f} %" for name, values in at.items())
    said = f"Computed here, {choice.settings.start + rounds * choice.settings.query} labels: {reached}."
    ours = next((name for name in (DFAL, "deepfool") if name in at), None)
    if ours is None or choice.seeds < ENOUGH_SEEDS:
        return said
    others = [difference_words(TITLES[name], *paired(at[ours], at[name]), choice.seeds) for name in at if name != ours]
    return said + (f" {TITLES[ours]}, seed by seed: {'; '.join(others)}." if others else "")


def difference_words(other: str, difference: float, half: float, better: int, seeds: int) -> str:
    """A pair in words; nothing is claimed of an interval that holds 0."""
    verdict = "" if abs(difference) > half else ", which may be chance"
    return f"{difference:+.1f} ± {half:.1f} points on {other}, better in {better} of {seeds}{verdict}"


def pictures(settings: Settings, snapshot: Snapshot) -> None:
    """The picked pictures, each beside its partner, with the distance between and the two classes it lies between."""
    state = snapshot.state
    st.caption(
        "Left x, right its partner x + η just across the boundary: what the network says of each, and ‖η‖₂ (of pixels in [0, 1])."
    )
    x = pool(settings.task).x[state["picked"]]
    with st.container(horizontal=True):
        for i, (answer, rival) in enumerate(zip(state["answer"].tolist(), state["rival"].tolist(), strict=True)):
            pair = torch.cat([x[i], torch.full((1, 8, 1), 0.5), state["partner"][i]], dim=2)
            distance = float(state["distance"][i])
            st.image(
                data_url(pair, ENLARGED),
                caption=f"{answer} | {rival}: {distance:.3g}",
                alt=f"A digit taken for {answer}; changed by {distance:.3g} it is taken for {rival}",
            )


def data_url(x: Tensor, enlarged: int) -> str:
    """A grey picture (1, height, width), every pixel a square: in the message itself, so that no file can be gone."""
    large = to_8bit(x).repeat_interleave(enlarged, 1).repeat_interleave(enlarged, 2)
    return "data:image/png;base64," + base64.b64encode(png(from_pixels(large.repeat(3, 1, 1)[None]))).decode()


def recorded_notes() -> None:
    """What a command found over many seeds."""
    found = zoo.recorded(NAME)
    if not found:
        return
    st.header("Recorded, over more seeds", anchor=False)
    st.markdown(recorded_verdict(found))
    lines = {TITLES[name]: (found["labels"], *band(rows)) for name, rows in found["accuracy"].items()}
    st.plotly_chart(figures.curves(lines, STYLES, _band_words(found["seeds"])), key="recorded", alt=CURVES_ALT)
    table = pd.DataFrame(found["pairs"]).replace(TITLES)
    table.columns = pd.Index(
        ["labels", "strategy", "minus", "points", "± (95 %)", f"better, of {found['seeds']} seeds"]
    )
    st.dataframe(table, hide_index=True, column_config=dict.fromkeys(table.columns[3:5], TWO_DIGITS))
    st.caption(f"{found['about']} Recorded by `{found['command']}`.")


TWO_DIGITS = st.column_config.NumberColumn(format="%.2f")


def recorded_verdict(found: dict[str, Any]) -> str:
    """Whether the distance was worth it: against each other strategy, at how many of the fixed numbers of labels."""
    said = []
    for name in ("random", "entropy", "margin"):
        rows = [row for row in found["pairs"] if (row["strategy"], row["other"]) == ("deepfool", name)]
        won = [row["labels"] for row in rows if row["difference"] > row["half"]]
        lost = [row["labels"] for row in rows if -row["difference"] > row["half"]]
        said.append(f"against **{TITLES[name]}** {_places('better', won)}, {_places('worse', lost)}")
    free = [row for row in found["pairs"] if (row["strategy"], row["other"]) == (DFAL, "deepfool")]
    helped = [row["labels"] for row in free if row["difference"] > row["half"]]
    harmed = [row["labels"] for row in free if -row["difference"] > row["half"]]
    reached = "; ".join(
        f"{accuracy} % on average with "
        + ", ".join(f"{n if n else 'more than ' + str(found['labels'][-1])} ({TITLES[name]})" for name, n in by.items())
        for accuracy, by in found["enough"].items()
    )
    return (
        f"Seed by seed at {', '.join(map(str, AT))} labels, by 95 % intervals, DeepFool is {'; '.join(said)}. "
        f"Its partners as free examples {_places('helped', helped)} and {_places('harmed', harmed)}. Labels needed: {reached}."
    )


def _places(word: str, labels: list[int]) -> str:
    return f"{word} at {', '.join(map(str, labels))} labels" if labels else f"nowhere {word}"


# ---------------------------------------------------------------- two moons


def draw_moons(choice: Choice) -> Shown:
    """The plane at a round: what is labelled, the boundary, the distances of what is asked for next."""
    r = st.slider("Round", 0, MOONS_ROUNDS, FIRST_ROUNDS, key="round", bind="query-params")
    with st.spinner("Learning, round by round …"):
        snapshots = [cached.room.annotated(choice.settings, each) for each in range(r + 1)]
    snapshot = snapshots[-1]
    st.plotly_chart(
        plane(choice.settings, snapshot),
        key="plane",
        alt="A plane with points of two classes, the boundary of the network, and arrows from the points asked for to it",
    )
    accuracy = {choice.settings.strategy: [[each.metrics["accuracy"] for each in snapshots]]}
    return Shown(
        choice.settings, snapshot, accuracy, lambda: _moon_notes(snapshot, accuracy[choice.settings.strategy][0])
    )


def plane(settings: Settings, snapshot: Snapshot) -> go.Figure:
    """The figure of a moment of the moons."""
    known, state = pool(settings.task), snapshot.state
    everything = known.x[:, 0, 0]
    low, high = everything.amin(0) - 0.05, everything.amax(0) + 0.05
    x, y = (torch.linspace(float(low[i]), float(high[i]), GRID) for i in (0, 1))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    network = network_of(settings, snapshot)
    with torch.no_grad():
        p = network(torch.stack([columns, rows], -1).reshape(-1, 1, 1, 2)).softmax(1)[:, 1]
    rest = torch.ones(len(everything), dtype=torch.bool)
    rest[state["labelled"]] = False
    measured = known.x[rest][::MEASURED]
    partners = state["partners"][:, 0, 0]
    free = torch.arange(len(state["labelled"]) + len(partners)) >= len(state["labelled"])
    return figures.plane(
        (x.numpy(), y.numpy()),
        p.reshape(GRID, GRID).numpy(),
        everything[rest].numpy(),
        (measured[:, 0, 0].numpy(), nearest(network, measured).partner[:, 0, 0].numpy()),
        torch.cat([everything[state["labelled"]], partners]).numpy(),
        torch.cat([state["labels"], state["of_partners"]]).numpy(),
        free.numpy(),
        everything[state["picked"]].numpy(),
        state["partner"][:, 0, 0].numpy(),
        state["distance"].numpy(),
    )


def _moon_notes(snapshot: Snapshot, accuracy: list[float]) -> None:
    distance = snapshot.state["distance"]
    grown = " → ".join(f"{value:.1f}" for value in accuracy)
    st.markdown(
        f"{snapshot.metrics['labels']:.0f} labels, test accuracy **{accuracy[-1]:.1f} %** ({grown}). An arrow is the shortest way "
        f"that DeepFool found across the boundary p = ½: ‖η‖₂ is {float(distance.min()):.2g} to {float(distance.max()):.2g}. "
        "A label there can move the boundary; far from it, a label mostly says what the network knows. But the distance is to the "
        "network’s own boundary: where the network is wrong and sure, it asks nothing. The grey lines are the same for every "
        f"{MEASURED}th point without a label; some are plainly not the shortest, since DeepFool takes the boundary for flat."
    )


# ---------------------------------------------------------------- the visitor labels


def draw_yours(choice: Choice) -> Shown:
    """One digit to be labelled, and what the label does."""
    labels = _said()
    place, begun = st.empty(), time.monotonic()
    yours, perfect = list[float](), list[float]()
    for n in range(len(labels) + 1):
        if time.monotonic() - begun > PATIENCE:
            place.progress(n / (len(labels) + 1), f"Learning from your labels, {n} of {len(labels)} …")
        snapshot = cached.room.told(choice.settings, labels[:n])
        yours.append(snapshot.metrics["accuracy"])
        perfect.append(cached.room.annotated(choice.settings, n).metrics["accuracy"])
    place.empty()
    truth = int(annotate.truth(choice.settings, snapshot)[0])
    left, right = st.columns([1, 2])
    with left:
        x = pool("digits").x[snapshot.state["picked"]]
        st.image(
            data_url(x[0], 24),
            caption="Which digit is it? Click, or type it.",
            alt="The digit that is asked for",
            width=200,
        )
        with st.container(horizontal=True, gap="small"):
            for k in range(10):
                st.button(
                    str(k), key=f"say_{k}", on_click=_say, args=(k,), shortcut=str(k), disabled=len(labels) >= MOST_SAID
                )
        with st.container(horizontal=True, gap="small"):
            st.button(
                "The oracle labels", key="oracle", icon=":material/check:", on_click=_say, args=(truth,),
                disabled=len(labels) >= MOST_SAID,
            )  # fmt: skip
            st.button("Take back", key="back", icon=":material/undo:", on_click=_take_back, disabled=not labels)
    with right:
        numbers = [choice.settings.start + n for n in range(len(labels) + 1)]
        still = [0.0] * len(numbers)
        lines = {ORACLE: (numbers, perfect, still), YOURS: (numbers, yours, still)}
        st.plotly_chart(figures.curves(lines, {ORACLE: 2, YOURS: 3}, ""), key="yours", alt=YOURS_ALT)
    return Shown(
        choice.settings,
        snapshot,
        {choice.settings.strategy: [yours]},
        lambda: _your_notes(choice.settings, labels, snapshot),
    )


ORACLE, YOURS = "every label right", "your labels"
YOURS_ALT = "Test accuracy against the number of labels: with yours, and with labels that are all right"


def _said() -> tuple[int, ...]:
    told = st.query_params.get("said", "")
    st.session_state.setdefault("said", told if LINK["said"](told) else "")
    address.hold("said", st.session_state["said"])
    return tuple(map(int, st.session_state["said"]))


def _say(label: int) -> None:
    st.session_state["said"] += str(label)


def _take_back() -> None:
    st.session_state["said"] = st.session_state["said"][:-1]


def _your_notes(settings: Settings, labels: tuple[int, ...], snapshot: Snapshot) -> None:
    state = snapshot.state
    st.markdown(
        f"The network says {int(state['answer'][0])}; a change of ‖η‖₂ = {float(state['distance'][0]):.3g} would make it say "
        f"{int(state['rival'][0])}. Wrong labels are taken as they are: give some, and see what they do."
    )
    if not labels:
        return
    said = labels[-1]
    right = int(annotate.truth(settings, cached.room.told(settings, labels[:-1]))[0])
    before, after = (cached.room.told(settings, labels[:n]).metrics["accuracy"] for n in (len(labels) - 1, len(labels)))
    if said == right:
        st.success(f"{said} is right. Test accuracy {before:.1f} → {after:.1f} %.", icon=":material/check:")
        return
    with st.spinner("Learning once more, with the right label …"):
        instead = cached.room.told(settings, (*labels[:-1], right)).metrics["accuracy"]
    st.warning(
        f"You said {said}; it is a {right}. Test accuracy {before:.1f} → **{after:.1f} %**; with the right label it "
        f"would have been **{instead:.1f} %**. It stays, one of {settings.start + len(labels)} labels.",
        icon=":material/close:",
    )


# ---------------------------------------------------------------- what all parts have

DRAWN: dict[str, Callable[[Choice], Shown | None]] = {DIGITS: draw_digits, MOONS: draw_moons, YOU: draw_yours}


def numbers(shown: Shown) -> pd.DataFrame:
    """What every strategy would go by, for each example that is asked for."""
    state, network = shown.snapshot.state, network_of(shown.settings, shown.snapshot)
    x = pool(shown.settings.task).x[state["picked"]]
    with torch.no_grad():
        first, second = network(x).softmax(1).topk(2).values.T
    return pd.DataFrame(
        {
            "number in the pool": state["picked"].numpy(),
            "ŷ": state["answer"].numpy(),
            "rival": state["rival"].numpy(),
            "p(ŷ)": first.numpy(),
            "entropy −Σ p log p": -annotate.by_entropy(network, x).numpy(),
            "margin p₍₁₎ − p₍₂₎": (first - second).numpy(),
            "distance ‖η‖₂": state["distance"].numpy(),
        }
    )


def numbers_caption(shown: Shown) -> str:
    return (
        f"What {TITLES[shown.settings.strategy]} (seed {shown.settings.seed}) asks for after "
        f"{shown.snapshot.metrics['labels']:.0f} labels, and what every strategy would go by."
    )


def downloads(shown: Shown) -> list[Download]:
    """The curves in view, and the recorded run."""

    def curves() -> bytes:
        rows = [
            {"strategy": name, "seed": seed, "labels": n, "accuracy": value}
            for name, runs in shown.accuracy.items()
            for seed, run in enumerate(runs, 1)
            for n, value in zip(shown.labels, run, strict=True)
        ]
        return pd.DataFrame(rows).to_csv(index=False).encode()

    def recorded() -> bytes:
        return json.dumps(zoo.recorded(NAME), ensure_ascii=False, indent=1).encode()

    return [
        Download("Curves CSV", curves, "annotate.csv", "text/csv"),
        Download("Recorded run JSON", recorded, "annotate_recorded.json", "application/json"),
    ]


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (
        annotate.by_distance,
        annotate.nearest,
        deepfool,
        annotate.by_entropy,
        annotate.by_margin,
        annotate.choose,
        annotate.fit,
        annotate.go_on,
    )

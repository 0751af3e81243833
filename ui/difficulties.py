"""The page "Difficulties": a switch for each, two runs side by side, and what was recorded over many seeds."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import streamlit as st
import torch

from figures import difficulties as figures
from models import domain, zoo
from training import difficulties as training
from training.difficulties import BETTER, DIFFICULTIES, WORSE
from ui import cached, controls, lecture, room
from ui.lecture import Download, Numbers
from ui.room import Moment

NAME = "difficulties"
FIRST = "bias"
SIDES = (WORSE, BETTER)
METRICS = {
    "accuracy_target": "on the target",
    "accuracy_learned": "in the colours as learned",
    "accuracy_fair": "in fair colours",
    "judge": "the judge in the game",
    "probe": "a fresh probe",
}
SHOWN = 14  # digits of either world
TITLES = {found.title: key for key, found in DIFFICULTIES.items()}
LINK: dict[str, Callable[[str], bool]] = {
    "difficulty": lambda name: name in TITLES,
    **{f"turned_{key}": [str(value) for value in found.values].__contains__ for key, found in DIFFICULTIES.items()},
}


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    first = DIFFICULTIES[FIRST].first
    cached.room.first_snapshot(training.train, {"difficulty": FIRST, "value": first, "seed": 1})


def choose() -> dict[str, Any]:
    """Which difficulty, and how much of it: options of `training.difficulties.train`."""
    lecture.words_for_bad_link(LINK)
    key = TITLES[controls.part(list(TITLES), DIFFICULTIES[FIRST].title, key="difficulty")]
    found = DIFFICULTIES[key]
    st.markdown(found.says)
    left, right, _ = st.columns([3, 1, 2], vertical_alignment="bottom")
    value = left.select_slider(found.turned, found.values, found.first, key=f"turned_{key}", bind="query-params")
    return {"difficulty": key, "value": value, "seed": controls.number("Seed", 1, 99, 1, "seed", place=right)}


def figure(options: Mapping[str, Any]) -> Moment | None:
    """Both runs as they go on, and what was recorded."""
    return room.live(NAME, training.train, options, _draw)


def _draw(moment: Moment) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown(f"**These two runs**, seed {moment.options['seed']}")
        st.plotly_chart(moment.once("course", lambda: course(moment)), key="course", alt="Accuracies of both runs")
    with right:
        st.markdown("**Recorded**, after the last step")
        st.plotly_chart(moment.once("sweep", lambda: sweep(moment.options)), key="sweep", alt="Recorded accuracies")
    _digits(moment)


def course(moment: Moment) -> Any:
    """What tells, of both runs, step by step; before the run begins, of the networks as they are."""
    found = DIFFICULTIES[moment.options["difficulty"]]
    lines = {}
    for side, name in enumerate(SIDES):
        for number, metric in enumerate(found.metrics):
            steps, values = moment.series(f"{name} {metric}")
            if not steps:
                steps, values = [moment.snapshot.step], [moment.snapshot.metrics[f"{name} {metric}"]]
            lines[side, number] = f"{found.names[side]}, {METRICS[metric]}", steps, values
    return figures.course(lines, moment.snapshot.steps)


def sweep(options: Mapping[str, Any]) -> Any:
    """What was recorded for every value of what is turned."""
    recorded, found = zoo.recorded(NAME), DIFFICULTIES[options["difficulty"]]
    rows = recorded["rows"][options["difficulty"]]
    bands = {
        (side, number): (
            f"{found.names[side]}, {METRICS[metric]}",
            ([row[f"{name} {metric}"][0] for row in rows], [row[f"{name} {metric}"][1] for row in rows]),
        )
        for side, name in enumerate(SIDES)
        for number, metric in enumerate(found.metrics)
    }
    values = [f"{row['value']:g}" for row in rows]
    return figures.sweep(values, bands, found.turned, f"{options['value']:g}", recorded["seeds"])


def _digits(moment: Moment) -> None:
    """Digits in both worlds, where the task is in colours."""
    worse, _ = DIFFICULTIES[moment.options["difficulty"]].sides(moment.options["value"])
    if worse["task"] == "moons":
        return
    held = training.domain.loaded(worse["task"], None, moment.options["seed"]).held
    for column, (name, words) in zip(st.columns(2), (("learned", "As learned"), ("fair", "Fair")), strict=True):
        chosen = torch.cat([(held[name].y == k).nonzero()[: SHOWN // 2, 0] for k in (1, 0)])
        pictures = held[name].x[chosen].reshape(-1, 2, 8, 8).numpy()
        column.image(figures.digits(pictures).astype("uint8"), width="stretch", output_format="PNG")
        column.caption(f"{words}: {SHOWN // 2} odd digits, then {SHOWN // 2} even ones.")


def notes(moment: Moment) -> None:
    """Where both runs are, in a sentence each, and what was recorded."""
    found, metrics = DIFFICULTIES[moment.options["difficulty"]], moment.snapshot.metrics
    for side, name in zip(SIDES, found.names, strict=True):
        told = " and ".join(f"**{metrics[f'{side} {metric}']:.1f} %** {METRICS[metric]}" for metric in found.metrics)
        st.markdown(
            f"**{name.capitalize()}**: right {told}; the judge of the game {metrics[f'{side} judge']:.1f} %, a fresh probe "
            f"{metrics[f'{side} probe']:.1f} % (half is chance); {metrics[f'{side} seconds']:.2f} s of training."
        )
    recorded = zoo.recorded(NAME)
    with st.expander("Recorded: every value"):
        table = pd.DataFrame(
            [
                {found.turned: row["value"]}
                | {
                    f"{found.names[k]}: {METRICS.get(metric, metric)}": "{} ± {}".format(*row[f"{side} {metric}"])
                    for k, side in enumerate(SIDES)
                    for metric in (*found.metrics, "judge", "probe", "seconds")
                }
                for row in recorded["rows"][moment.options["difficulty"]]
            ]
        )
        st.dataframe(table, hide_index=True)
        st.caption(f"{recorded['about']} `{recorded['command']}`")


def numbers(moment: Moment) -> Numbers:
    """Everything that is measured of both runs at this step."""
    found, metrics = DIFFICULTIES[moment.options["difficulty"]], moment.snapshot.metrics
    names = [name.removeprefix(f"{WORSE} ") for name in metrics if name.startswith(f"{WORSE} ")]
    table = pd.DataFrame(
        {"measured": names}
        | {of: [metrics.get(f"{side} {name}") for name in names] for side, of in zip(SIDES, found.names, strict=True)}
    )
    return Numbers(f"Step {moment.snapshot.step} of {moment.snapshot.steps}: accuracies in %, losses in nats.", table)


def downloads(moment: Moment) -> list[Download]:
    return [Download("Course, CSV", lambda: course_csv(moment.now()), "difficulties.csv", "text/csv")]


def course_csv(moment: Moment) -> bytes:
    return pd.DataFrame([{"step": step, **metrics} for step, metrics in moment.history]).to_csv(index=False).encode()


def code() -> tuple[Callable[..., Any], ...]:
    return (training.in_two_colours, training.coloured, domain.lambda_p, domain.descend, training.train)

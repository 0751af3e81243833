"""Faster and lighter? The time and the memory of additive against multiplicative attention, measured on this machine."""

import json
import os
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import streamlit as st
import torch

from figures import scores as figures
from models import measure
from ui import turns
from ui.lecture import Download, Numbers
from ui.scores.choice import Choice

LENGTHS = [16, 32, 64, 128, 256, 512]
D = 256
TITLES = {
    "perceptron": "additive (perceptron)",
    "general": "multiplicative (general)",
    "dot": "dot product",
    "scaled_dot": "scaled dot product",
}
EMPTY = (
    "“Measure” times additive attention against general, dot and scaled dot on this machine, now: "
    f"{', '.join(map(str, LENGTHS[:-1]))} and {LENGTHS[-1]} queries against as many keys of {D} numbers, forward. It also "
    "counts the most bytes that each needs at one moment. It takes about six seconds, and half a gigabyte for a moment."
)


@dataclass(frozen=True)
class Measured:
    """What was measured, when and with what; nothing at first."""

    costs: tuple[measure.Cost, ...] = ()
    machine: str = ""

    @classmethod
    def draw(cls, _choice: Choice) -> "Measured":
        """The button, and time and memory over the length."""
        st.markdown("The slide says of multiplicative attention: *plus rapide et moins gourmande en mémoire*.")
        if st.button("Measure", key="scores_measure", icon=":material/timer:", type="primary"):
            st.session_state["scores_measured"] = cls(measure_all(), machine())
        shown: Measured = st.session_state.get("scores_measured", cls())
        if not shown.costs:
            st.info(EMPTY, icon=":material/speed:")
            return shown
        st.markdown(verdict(shown))
        time, memory = st.columns(2)
        for column, name, title, unit in (
            (time, "seconds", "time (milliseconds)", 1e-3),
            (memory, "bytes", "most memory (megabytes)", 1e6),
        ):
            figure = figures.costs(LENGTHS, cost_curves(shown.costs, name, unit), title=title)
            column.plotly_chart(figure, key=f"cost_{name}", alt=f"{title} of four scores against the length")
        return shown

    def notes(self) -> None:
        if not self.costs:
            return
        st.markdown("How many times the other scores' the **additive** score's time and memory are:")
        config = {
            column: st.column_config.NumberColumn(column, format="%.1f ×") for column in ratios(self.costs).columns[1:]
        }
        st.dataframe(ratios(self.costs), hide_index=True, column_config=config, alt="Ratios of time and of memory")
        learnt = {cost.score: cost.parameters for cost in self.costs}
        st.caption(
            "Numbers that each learns at d = 256: "
            + ", ".join(f"{TITLES[name]} {count:,}" for name, count in learnt.items())
            + ". The additive score holds n × n hidden layers of d numbers at once (n² d), the others n × n scores (n²)."
        )

    def numbers(self) -> Numbers:
        return Numbers(self.machine or "Nothing is measured yet.", cost_table(self.costs))

    def downloads(self) -> list[Download]:
        if not self.costs:
            return []

        def as_json() -> bytes:
            numbers = [cost._asdict() for cost in self.costs]
            return json.dumps({"measured": self.machine, "costs": numbers}, indent=1).encode()

        return [
            Download(
                "Times CSV", lambda: cost_table(self.costs).to_csv(index=False).encode(), "score_costs.csv", "text/csv"
            ),
            Download("Times JSON", as_json, "score_costs.json", "application/json"),
        ]


def measure_all() -> tuple[measure.Cost, ...]:
    """Every score at every length, one at a time on this server, with a bar."""
    cells = [(name, n) for n in LENGTHS for name in TITLES]
    bar, costs = st.progress(0.0, "Waiting for the machine …"), []
    for at, (name, n) in enumerate(cells):
        bar.progress(at / len(cells), f"{TITLES[name]}, {n} queries and keys …")
        with turns.inference:
            costs.append(measure.cost(name, n, D))
    bar.empty()
    return tuple(costs)


def machine() -> str:
    """Where and when."""
    now = datetime.now().astimezone().strftime("%d %B %Y, %H:%M %Z")
    return f"{torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}, float32, {now}"


def verdict(shown: Measured) -> str:
    """What was measured here, in a sentence, and at how many lengths the slide is right."""
    by = {(cost.score, cost.n): cost for cost in shown.costs}
    additive, other = by["perceptron", LENGTHS[-1]], by["general", LENGTHS[-1]]
    held = sum(
        by["perceptron", n].seconds > by["general", n].seconds and by["perceptron", n].bytes > by["general", n].bytes
        for n in LENGTHS
    )
    return (
        f"**Measured here, on this machine** ({shown.machine}): for {additive.n} queries and keys of {D} numbers the additive "
        f"score took {_time(additive.seconds)} and {additive.bytes / 1e6:.3g} MB, the multiplicative one "
        f"{_time(other.seconds)} and {other.bytes / 1e6:.3g} MB: **{additive.seconds / other.seconds:.3g} times the time, "
        f"{additive.bytes / other.bytes:.3g} times the memory**. The slide's claim held at {held} of {len(LENGTHS)} lengths."
    )


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"


def cost_curves(costs: tuple[measure.Cost, ...], name: str, unit: float) -> dict[str, list[float]]:
    """One measure over the lengths, a score each."""
    return {
        title: [getattr(cost, name) / unit for cost in costs if cost.score == score] for score, title in TITLES.items()
    }


def ratios(costs: tuple[measure.Cost, ...]) -> pd.DataFrame:
    """The additive score's time and memory divided by each other score's, a row a length."""
    by = {(cost.score, cost.n): cost for cost in costs}
    others = [name for name in TITLES if name != "perceptron"]
    return pd.DataFrame(
        [
            {"n": n}
            | {f"time / {_short(name)}": by["perceptron", n].seconds / by[name, n].seconds for name in others}
            | {f"memory / {_short(name)}": by["perceptron", n].bytes / by[name, n].bytes for name in others}
            for n in LENGTHS
        ]
    )


def _short(name: str) -> str:
    return name.replace("_", " ")


def cost_table(costs: tuple[measure.Cost, ...]) -> pd.DataFrame:
    return pd.DataFrame([cost._asdict() for cost in costs], columns=list(measure.Cost._fields))

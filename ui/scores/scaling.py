"""Why √d_k: the variance of a score, and what the softmax makes of it, against d."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd
import streamlit as st

from figures import scores as figures
from models import measure
from models.attention import dot, scaled_dot
from ui import turns
from ui.lecture import Download, Numbers
from ui.scores.choice import Choice

GRID = [2**i for i in range(11)]
PAIR = {"q·k": dot, "q·k / √d": scaled_dot}
MEASURES = {
    "variance": "variance of the score",
    "entropy": "entropy of α (nats)",
    "largest": "largest weight",
    "gradient": "gradient ‖∂α/∂e‖",
}


@lru_cache(maxsize=8192)
def scaling_at(name: str, d: int, seed: int) -> measure.Scaling:
    """One point of the curves; the same for every visitor."""
    with turns.inference:
        return measure.scaling(PAIR[name], d, seed=seed)


@dataclass(frozen=True)
class Why:
    """Dot and scaled dot over d, and at the slider's d."""

    d: int
    seed: int
    curves: dict[str, list[measure.Scaling]]
    here: dict[str, measure.Scaling]

    @classmethod
    def draw(cls, choice: Choice) -> "Why":
        """The slider and the four curves."""
        d = st.slider("d, the numbers of a query and of a key", 1, 1024, 64, key="d", bind="query-params")
        shown = cls(
            d,
            choice.seed,
            {name: [scaling_at(name, at, choice.seed) for at in GRID] for name in PAIR},
            {name: scaling_at(name, d, choice.seed) for name in PAIR},
        )
        st.markdown(why_sentence(shown))
        for column, (field, title) in zip([*st.columns(2), *st.columns(2)], MEASURES.items(), strict=True):
            column.plotly_chart(
                figures.over_d(**why_curves(shown, field, title)), key=f"why_{field}", alt=f"The {title} against d"
            )
        return shown

    def notes(self) -> None:
        st.caption(
            f"2,000 queries and, for each, 10 keys of d independent normal numbers with mean 0 and variance 1, by seed "
            f"{self.seed}. The variance is that of 2,000 independent pairs; entropy, largest weight and gradient are means over "
            "the 2,000 queries."
        )

    def numbers(self) -> Numbers:
        return Numbers(f"At d = {self.d}, seed {self.seed}.", scaling_table(self.here, [self.d]))

    def downloads(self) -> list[Download]:
        points = sorted({*GRID, self.d})
        seed = self.seed

        def csv() -> bytes:
            return scaling_table({}, points, seed).to_csv(index=False).encode()

        def as_json() -> bytes:
            return scaling_table({}, points, seed).to_json(orient="records", force_ascii=False, indent=1).encode()

        return [
            Download("Curves CSV", csv, f"sqrt_d_seed_{seed}.csv", "text/csv"),
            Download("Curves JSON", as_json, f"sqrt_d_seed_{seed}.json", "application/json"),
        ]


def why_sentence(shown: Why) -> str:
    """What the slider's d does, in numbers."""
    plain, scaled = (shown.here[name] for name in PAIR)
    times = scaled.gradient / plain.gradient
    return (
        f"At **d = {shown.d}** the variance of q·k is **{plain.variance:.4g}** (about d) and that of q·k/√d is "
        f"**{scaled.variance:.4g}** (about 1). Over 10 keys the softmax of q·k gives its favourite **{plain.largest:.0%}** "
        f"of the weight (entropy {plain.entropy:.3g} of at most {math.log(10):.3g} nats), that of q·k/√d "
        f"**{scaled.largest:.0%}** (entropy {scaled.entropy:.3g}). The gradient that comes through the softmax is "
        f"**{times:.2g} times** as large with the root."
    )


def why_curves(shown: Why, field: str, title: str) -> dict[str, Any]:
    """What `figures.scores.over_d` draws of one measure."""
    limits = {"entropy": {"ln 10, all keys alike": math.log(10)}, "largest": {"1/10, all keys alike": 0.1}}
    points = {name: sorted({*curve, shown.here[name]}) for name, curve in shown.curves.items()}
    return {
        "d": [point.d for point in next(iter(points.values()))],
        "curves": {name: [getattr(point, field) for point in curve] for name, curve in points.items()},
        "here": shown.d,
        "title": title,
        "limits": limits.get(field),
        "log": field == "variance",
    }


def scaling_table(here: dict[str, measure.Scaling], points: list[int], seed: int = 0) -> pd.DataFrame:
    """A row a score and d; what is not in `here` is looked up."""
    return pd.DataFrame(
        [{"score": name, **(here.get(name) or scaling_at(name, d, seed))._asdict()} for name in PAIR for d in points]
    )

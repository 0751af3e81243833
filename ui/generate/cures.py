"""Mode collapse on purpose and what is said to cure it, recorded over seeds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import generate as figures
from models import zoo
from training import gan
from training.report_generate import NAME, SICK
from ui.generate.choice import Choice, Shown
from ui.generate.mnist import as_json
from ui.lecture import Download


def draw_cures(_choice: Choice) -> Shown | None:
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
    st.caption(
        f"**Recorded** by `{found['command']}`: the ring of 8, {found['seeds']} seeds as thin lines, their mean as a thick one."
    )
    return Shown(
        notes=lambda: cures_notes(found),
        table=cures_table(found),
        caption=f"After {found['steps'][-1]:,} rounds, over {found['seeds']} seeds.",
        files=(Download("Recorded runs JSON", lambda: as_json(found), "gan_cures.json", "application/json"),),
    )


def cures_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """A row a setting: what it changes, modes and JS at the end."""
    rows = []
    for name, metrics in found["cures"].items():
        modes, js = ([row[-1] for row in metrics[metric]] for metric in ("modes", "js"))
        options = ", ".join(f"{option.replace('_', ' ')} {value}" for option, value in found["settings"][name].items())
        rows.append(
            {
                "setting": name,
                "options": options,
                "modes, mean": float(np.mean(modes)),
                "least": min(modes),
                "most": max(modes),
                "JS, mean": float(np.mean(js)),
            }
        )
    return pd.DataFrame(rows)


def cures_notes(found: Mapping[str, Any]) -> None:
    st.markdown(cures_words(found))
    st.markdown(
        "To see it happen: **Points**, settings **Collapse on purpose**, Start; when all points sit on one or two modes and hop, "
        "choose a cure without stopping."
    )


def cures_words(found: Mapping[str, Any]) -> str:
    """Which cures cured, by their own numbers: the modes at the end, over seeds."""
    ends = {name: [row[-1] for row in metrics["modes"]] for name, metrics in found["cures"].items()}
    said = {name: f"{np.mean(end):.1f} ({min(end):.0f} to {max(end):.0f})" for name, end in ends.items()}
    sick = said.pop(SICK)
    cured = "; ".join(f"**{name}** {words}" for name, words in said.items())
    return (
        f"Modes of {len(gan.RING)} that are covered after {found['steps'][-1]:,} rounds, mean over {found['seeds']} seeds (least "
        f"to most): the judge too slow for its generator {sick}; {cured}."
    )

"""The closer looks that only the page "Translate" has: the race of the scores, and the models."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import translate as figures
from models import zoo
from models.trace import Trace
from models.translation import sentence
from ui import cached
from ui.looks import beam_notes, doubt_notes, numbers_of_step
from ui.stepping import Shown
from ui.translate import TITLES


def race_notes(shown: Shown) -> None:
    """The same sentence under the five models."""
    with st.spinner("Five models translate …"):
        found = cached.sentences.race(shown.sentence.text)
    st.markdown(
        "Trained alike (same data, order, updates and seed), decoded greedily, one after the other on this server just now. "
        "`concat` is linear, as on the slide: what the query adds is the same for every key and cancels in the softmax, "
        "so all its rows are equal."
    )
    st.dataframe(race_table(found), hide_index=True)
    st.plotly_chart(
        figures.race(race_maps(found)), key="race", alt="The attention weights of each model over the same sentence"
    )


def race_table(found: Mapping[str, tuple[Trace, float]]) -> pd.DataFrame:
    """Each score's translation, its own probability, its time here and now, and what its card says of the test set."""
    rows = []
    for score, (trace, seconds) in found.items():
        card = zoo.translator_card(score)
        rows.append(
            {
                "score": score,
                "translation": sentence(trace),
                "log p a word": float(trace.log_p.mean()),
                "ms": 1000 * seconds,
                "BLEU test2016": card.metrics.get("bleu"),
                "beam 5": card.metrics.get("bleu_beam5"),
                "perplexity": card.metrics.get("ppl"),
                "parameters": card.parameters,
                "minutes of training": card.minutes,
            }
        )
    return pd.DataFrame(rows)


def race_maps(
    found: Mapping[str, tuple[Trace, float]],
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...], np.ndarray]]:
    """What there is to draw: the models that have weights."""
    return {
        score: (trace.target, trace.source, trace.weights[0])
        for score, (trace, _) in found.items()
        if trace.weights.shape[2]
    }


def model_notes(_shown: Shown) -> None:
    """The five cards, and what was recorded of all five on the test set."""
    recorded = zoo.recorded("translate")
    if recorded:
        st.markdown(
            "**Which score?** BLEU by the length of the English sentence, Multi30k test2016; recorded by "
            f"`{recorded['command']}`."
        )
        st.plotly_chart(
            figures.by_length(recorded["by_length"]),
            key="by_length",
            alt="BLEU of the five models by the length of the sentence",
        )
        st.dataframe(recorded_table(recorded["table"]))
        st.caption(recorded["about"])
    for score in zoo.TRANSLATORS:
        with st.expander(TITLES[score], icon=":material/badge:"):
            st.table(pd.DataFrame(zoo.translator_card(score).rows(), columns=["", " "]).set_index(""))


RECORDED = {
    "ppl": "perplexity",
    "bleu": "BLEU",
    "bleu_beam5": "BLEU, 5 beams",
    "bleu_tokenised_val_beam12": "BLEU, validation, 12 beams",
    "alignment_error": "alignment error, %",
    "alignment_precision": "alignment precision, %",
    "alignment_recall": "alignment recall, %",
    "alignment_mass": "weight on the right words, %",
    "step_ms": "a training step, ms",
    "step_mb": "a training step, MB",
    "minutes": "minutes of training",
}


def recorded_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A column a score, a row a figure."""
    return pd.DataFrame(rows).set_index("score").rename(columns=RECORDED).T


LOOKS: dict[str, Callable[[Shown], None]] = {
    "This step": numbers_of_step,
    "Beam tree": beam_notes,
    "Race of the scores": race_notes,
    "Is it true?": doubt_notes,
    "The models": model_notes,
}

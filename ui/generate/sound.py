"""Drum hits made by a GAN, recorded while it learned and made now: to be seen, and heard."""

import io
import wave

import numpy as np
import pandas as pd
import streamlit as st

from figures import generate as figures
from models import drums, zoo
from models.card import read_card
from training.report_generate import NAME
from ui import cached
from ui.generate.choice import Choice, Shown
from ui.generate.mnist import as_json
from ui.lecture import Download

CARD = "gan-drums"
COLUMNS = 4


def draw_sound(choice: Choice) -> Shown | None:
    """Real and made hits as spectrograms, at a recorded moment of training, each with its sound."""
    found = zoo.recorded(NAME).get("drums")
    if not found:
        st.info("Nothing was recorded of drum hits.")
        return None
    steps = [found["steps"][k] for k in found["chosen"]]
    at = st.select_slider("Round", steps, steps[-1], key="round", bind="query-params")
    shown = cached.generate.drum_moment(steps.index(at))
    st.caption(f"**Recorded** by `{read_card(CARD).source}`, then `{zoo.recorded(NAME)['command']}`.")
    st.subheader(f"Made at round {at:,}, of the same z at every moment", anchor=False)
    spectra([f"{i + 1}: score {score:.2f}" for i, score in enumerate(shown.score)], shown.made, "made")
    players(
        [
            (f"{i + 1}: nearest to a {kind}", sound)
            for i, (kind, sound) in enumerate(zip(shown.kinds, shown.heard, strict=True))
        ]
    )
    return Shown(
        notes=lambda: notes(choice, shown),
        table=pd.DataFrame(
            {
                "sound": np.arange(1, len(shown.score) + 1),
                "judge’s score": shown.score,
                "nearest learned hit is a": shown.kinds,
            }
        ),
        caption=f"What the judge said at round {at} of each sound, and of which kind the nearest learned hit is.",
        files=(
            Download("Made WAV", lambda: wav(np.concatenate(shown.heard)), f"gan_drums_{at}.wav", "audio/wav"),
            Download("Recorded run JSON", lambda: as_json(found), "gan_drums_recorded.json", "application/json"),
        ),
    )


def spectra(names: list[str], loud: list[np.ndarray], key: str) -> None:
    st.plotly_chart(
        figures.spectrograms(
            list(zip(names, loud, strict=True)), drums.edges(), drums.LENGTH / drums.RATE / drums.SIDE, COLUMNS
        ),
        key=f"spectra_{key}",
        alt=f"Loudness over time and frequency of {len(loud)} {key} hits",
    )


def players(sounds: list[tuple[str, np.ndarray]]) -> None:
    """Side by side, as the spectrograms are."""
    for begin in range(0, len(sounds), COLUMNS):
        for place, (name, sound) in zip(st.columns(COLUMNS), sounds[begin : begin + COLUMNS], strict=False):
            place.caption(name)
            place.audio(wav(sound), format="audio/wav")


def notes(choice: Choice, shown: cached.generate.Drums) -> None:
    """Real hits, hits of new z, and what was measured."""
    card = read_card(CARD)
    metrics = card.metrics
    st.markdown(
        f"Hits of {drums.LENGTH / drums.RATE:.2f} s at {drums.RATE // 1000} kHz. The network makes loudness only ({drums.SIDE} "
        f"bands × {drums.SIDE} moments); phases are found by Griffin and Lim’s iteration. By the nearest hit learned "
        f"from, **{metrics['kinds']:.0f} of 3 kinds** are made, entropy {metrics['entropy']:.2f} of "
        f"1.58 bits; the nearest hit is {metrics['nearest']:.1f} away in the median, from fresh real hits "
        f"{metrics['nearest_test']:.1f}. A plain GAN of the same size made hats alone: the critic of WGAN-GP is the cure."
    )
    st.caption(f"Measured by `{card.command}` on {card.measured_on}.")
    st.header("Real hits", anchor=False)
    spectra([name for name, _ in shown.real], [loud for _, loud in shown.real], "real")
    players([(f"{name}, as it is", sound) for (name, _), sound in zip(shown.real, shown.original, strict=True)])
    players(
        [
            (f"{name}, through loudness and back", sound)
            for (name, _), sound in zip(shown.real, shown.inverted, strict=True)
        ]
    )
    st.header("Made now, of new z", anchor=False)
    players([(f"seed {choice.seed}, {k + 1}", sound) for k, sound in enumerate(cached.generate.drum_hits(choice.seed))])


def wav(sound: np.ndarray) -> bytes:
    """16 bits a sample; only a sound louder than 1 is made softer."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(drums.RATE)
        out.writeframes(np.rint(32767 * sound / max(1.0, float(np.abs(sound).max()))).astype("<i2").tobytes())
    return file.getvalue()

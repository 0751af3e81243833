"""What is kept of encoders with several heads."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from models import encoder
from models.encoder import Encoder
from models.trace import Trace
from ui.turns import inference


@dataclass(frozen=True)
class Reading:
    """What a visitor has read on the page "Heads". `hub` is "" for the encoder that comes with the app."""

    a: str
    b: str = ""
    hub: str = ""


@st.cache_resource(max_entries=2, show_spinner=False)
def encoder_of(hub: str) -> Encoder:
    """An encoder of a hub or in a folder, or our own for "". Raises `zoo.WeightsUnavailableError`."""
    return encoder.load(hub)


@st.cache_resource(max_entries=24, show_spinner=False)
def heads(reading: Reading) -> Trace:
    """All heads of all layers over a sentence or two. Raises ValueError, in plain words."""
    model = encoder_of(reading.hub)
    with inference:
        return model.trace(reading.a, reading.b)


@st.cache_resource(max_entries=64, show_spinner=False)
def ablations(reading: Reading) -> np.ndarray:
    """What is left of the embedding's direction without each head, (layers, heads). Raises ValueError, in plain words."""
    model = encoder_of(reading.hub)
    with inference:
        return model.ablations(reading.a, reading.b)


@st.cache_resource(max_entries=64, show_spinner=False)
def cosine(reading: Reading) -> float:
    """The cosine of the two sentences' embeddings, each read alone."""
    model = encoder_of(reading.hub)
    with inference:
        return model.cosine(reading.a, reading.b)

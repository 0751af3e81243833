"""What is kept of the page "Smooth without labels": the film of the recorded runs."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from PIL import Image

from figures import smooth as figures
from models import zoo
from training.digits import SIDE
from training.report_smooth import FILM, NAME
from training.virtual import ALONE, DIGIT_NAMES, VAT

FILMED = {ALONE: "labels alone", VAT: "with VAT"}


@st.cache_resource(show_spinner=False)
def film() -> go.Figure:
    """The worst directions of ten digits while MNIST is learned, with and without VAT."""
    found = zoo.recorded(NAME)
    film, runs = found["film"], found["runs"]
    rows = np.asarray(Image.open(FILM).convert("L"))
    strips = rows.reshape(-1, SIDE, rows.shape[1] // SIDE, SIDE).transpose(0, 2, 1, 3)  # (rows, digits, 28, 28)
    order = [DIGIT_NAMES.index(name) for name in FILMED]
    moments = strips[1:].reshape(-1, len(DIGIT_NAMES), *strips.shape[1:])[:, order]
    curves = {title: runs[name]["curves"]["error"][str(film["seed"])] for name, title in FILMED.items()}
    return figures.film(
        [figures.sheet(strips[0], worst) for worst in moments],
        runs[VAT]["curves"]["step"],
        [film_words(found, k) for k in range(len(moments))],
        curves,
        "error, %",
    )


def film_words(found: dict[str, Any], k: int) -> str:
    """What each network answers at a moment, and how much its answer changes at worst."""
    film = found["film"]
    said = (f"{title}: {film['answers'][name][k]}, LDS {film['lds'][name][k]:g}" for name, title in FILMED.items())
    return "Top: the digits. Then the worst direction and the answers,<br>" + "; ".join(said)

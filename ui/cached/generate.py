"""What is kept of generators that ship, and of what was recorded of them."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch
from PIL import Image
from torch import Tensor

from models import drums, zoo
from models.gan import GAN
from ui.turns import inference

WALK, FRESH = 10, 20  # pictures from one z to another, and of new z
REAL, REAL_SEED, NEW_HITS = 4, 1, 4  # hits as they are, and of new z


@dataclass(frozen=True)
class Made:
    """What a shipped generator makes of new z, and of z on the straight way from the first to the second.

    `classes` and `confidence` are MNIST's classifier's.
    """

    pictures: Tensor
    logits: Tensor
    classes: Tensor
    confidence: Tensor
    walk: Tensor
    walk_logits: Tensor


@dataclass(frozen=True)
class Drums:
    """Real hits and those that were made at a recorded moment: loudness, and sound.

    `inverted` are the real ones through loudness and back; `kinds` and the judge's `score` are of the made ones.
    """

    real: list[tuple[str, np.ndarray]]
    original: list[np.ndarray]
    inverted: list[np.ndarray]
    made: list[np.ndarray]
    heard: list[np.ndarray]
    kinds: list[str]
    score: list[float]


@st.cache_resource(max_entries=2, show_spinner=False)
def generator(name: str) -> GAN:
    """A GAN that ships. Raises `zoo.WeightsUnavailableError`."""
    return zoo.gan(name)


@st.cache_resource(max_entries=64, show_spinner=False)
def made(name: str, seed: int) -> Made:
    """Digits of new z. Raises `zoo.WeightsUnavailableError`."""
    network, classifier = generator(name), zoo.digit_classifier("digits-plain")
    z = network.draw_noise(FRESH, torch.Generator().manual_seed(seed))
    way = z[0] + torch.linspace(0, 1, WALK)[:, None] * (z[1] - z[0])
    with inference, torch.no_grad():
        pictures, walk = network.make(z), network.make(way)
        confidence, classes = classifier(pictures).softmax(1).max(1)
        return Made(pictures, network.logits(pictures), classes, confidence, walk, network.logits(walk))


@st.cache_resource(max_entries=8, show_spinner=False)
def drum_moment(k: int) -> Drums:
    """The k-th of the drums' recorded moments, to be seen and heard."""
    found = zoo.recorded("generate")["drums"]
    n, side = len(found["score"][0]), drums.SIDE
    grey = np.asarray(Image.open(zoo.film_file("drums")).convert("L"))
    loud = grey.reshape(len(found["chosen"]), side, n, side)[k].transpose(1, 0, 2) / np.float32(255)
    sounds, names = drums.hits(REAL, REAL_SEED)
    real = drums.loudness(sounds)
    with inference:
        inverted, heard = (drums.heard(each).numpy() for each in (real, torch.from_numpy(loud)[:, None]))
    return Drums(
        list(zip(names, real[:, 0].numpy(), strict=True)),
        list(sounds.numpy()),
        list(inverted),
        list(loud),
        list(heard),
        found["kinds"][k],
        found["score"][k],
    )


@st.cache_resource(max_entries=32, show_spinner=False)
def drum_hits(seed: int) -> list[np.ndarray]:
    """Hits of new z by the shipped generator. Raises `zoo.WeightsUnavailableError`."""
    network = generator("gan-drums")
    with inference, torch.no_grad():
        loud = network.make(network.draw_noise(NEW_HITS, torch.Generator().manual_seed(seed)))
        return list(drums.heard(loud).numpy())

"""What both networks of the page "Adapt" say, and the networks."""

import streamlit as st
import torch
from jaxtyping import Float
from torch import Tensor

from models import zoo
from models.domain import DomainAdversarial
from training.frames import states
from ui.cached.heads import encoder_of
from ui.turns import inference


@st.cache_resource(max_entries=4, show_spinner=False)
def adapted(name: str) -> DomainAdversarial:
    """The network of `models.zoo.adapted`."""
    return zoo.adapted(name)


def opinions(names: tuple[str, ...], x: Float[Tensor, "1 *input"]) -> Float[Tensor, "networks classes"]:
    """Probabilities of the classes of one input, a row for each of these adapted networks."""
    with inference, torch.no_grad():
        return torch.cat([adapted(name)(x).softmax(1) for name in names])


@st.cache_resource(max_entries=256, show_spinner=False)
def frames(names: tuple[str, ...], text: str, start: int, end: int) -> Float[Tensor, "networks frames"]:
    """Probabilities of the frames that these characters of the text call up, a row for each of these networks."""
    with inference:
        x = states([{"text": text, "target": [(start, end)]}], encoder_of(""))
    return opinions(names, x.float())

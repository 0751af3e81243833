"""A live page at its smallest: one training for everybody, and a fragment that shows it twice a second.

A network of two coordinates learns to paint rings. `server.py` counts how often each visitor sees them change.
"""

import base64
import io
import threading

import streamlit as st
import torch
from PIL import Image
from torch import nn

SIDE = 96
EVERY = 0.5  # seconds between two looks


class Training(threading.Thread):
    """Trains until the process ends. `seen` is the step and the picture at that step, replaced as a whole."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: tuple[int, str] = (0, "")

    def run(self) -> None:
        line = torch.linspace(-1, 1, SIDE)
        places = torch.cartesian_prod(line, line)
        rings = places.norm(dim=1, keepdim=True) * torch.tensor([6.0, 8.0, 10.0])  # another width for each colour
        colours = rings.cos() / 2 + 0.5
        network = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 3))
        optimizer = torch.optim.Adam(network.parameters(), 1e-2)
        step = 0
        while True:
            step += 1
            painted = network(places)
            optimizer.zero_grad()
            (painted - colours).square().mean().backward()
            optimizer.step()
            self.seen = (step, data_url(painted.detach()))


def data_url(painted: torch.Tensor) -> str:
    """The picture in a form that travels in the message itself, so that no second request can miss it."""
    pixels = (painted.clamp(0, 1) * 255).to(torch.uint8).reshape(SIDE, SIDE, 3).numpy()
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


@st.cache_resource
def training() -> Training:
    thread = Training()
    thread.start()
    return thread


@st.fragment(run_every=EVERY)
def live() -> None:
    step, picture = training().seen
    if step:
        st.image(picture, caption=f"step {step}")


live()

"""What is kept of trainings that the pages show from the beginning."""

from types import FunctionType
from typing import Any

import streamlit as st
import torch

from training import annotate
from training.jobs import Training
from training.snapshot import Snapshot
from ui.turns import inference


@st.cache_resource(max_entries=2048, show_spinner=False)
def annotated(settings: annotate.Settings, r: int) -> Snapshot:
    """Round `r` of a run whose annotator never errs. Raises ValueError, in plain words."""
    if r == 0:
        with inference:
            return annotate.begin(settings)
    before = annotated(settings, r - 1)
    with inference:
        return annotate.go_on(settings, before, annotate.truth(settings, before))


@st.cache_resource(
    max_entries=128,
    show_spinner=False,
    hash_funcs={FunctionType: lambda train: f"{train.__module__}.{train.__qualname__}"},
)
def first_snapshot(train: Training, options: dict[str, Any]) -> Snapshot:
    """What a run with these options begins with, before there is one. Raises what the training raises."""
    with inference:
        return next(train(**options))


@st.cache_resource(max_entries=512, show_spinner=False)
def told(settings: annotate.Settings, labels: tuple[int, ...]) -> Snapshot:
    """A run with one question a round after these answers of a visitor, right or wrong."""
    if not labels:
        return annotated(settings, 0)
    before = told(settings, labels[:-1])
    with inference:
        return annotate.go_on(settings, before, torch.tensor(labels[-1:]))

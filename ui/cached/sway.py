"""What is kept of attacks on networks that look."""

import numpy as np
import streamlit as st

from models.answering import Answerer
from models.captioning import PictureWriter
from models.hub_answering import HubAnswerer
from models.hub_captioning import HubCaptioner
from models.picture import Picture, whole
from models.reading import CaptchaReader
from models.subject import Answers, Captions, HubAnswers, HubCaptions, Letters, Subject, Words
from ui.cached.pictures import CAPTION_BEAM, of_hub, seer
from ui.swayed import Sway, Wish, maps
from ui.turns import inference


@st.cache_resource(max_entries=32, show_spinner=False)
def sway(wish: Wish, _picture: Picture) -> Sway:
    """An attack on a network that looks, not begun. Raises ValueError, in plain words, and `zoo.WeightsUnavailableError`."""
    subject = subject_of(wish.model, wish.question, wish.hub)
    said, before = untouched(wish.model, wish.hub, wish.digest, wish.question, _picture)
    return Sway(wish, subject, whole(_picture), inference, said, before)


def subject_of(model: str, question: str, hub: str = "") -> Subject:
    """The network of this name, or one of a hub that does the same, as an attack needs to know it.

    Raises `zoo.WeightsUnavailableError`.
    """
    match of_hub(model, hub) if hub else seer(model):
        case PictureWriter() as captioner:
            return Captions(captioner, CAPTION_BEAM)
        case HubCaptioner() as captioner:
            return HubCaptions(captioner, CAPTION_BEAM)
        case CaptchaReader() as reader:
            return Letters(reader)
        case Answerer() as answerer:
            return Answers(answerer, question)
        case HubAnswerer() as answerer:
            return HubAnswers(answerer, question)


@st.cache_resource(max_entries=128, show_spinner=False)
def untouched(model: str, hub: str, digest: str, question: str, _picture: Picture) -> tuple[Words, np.ndarray]:  # noqa: ARG001
    """What is said of a picture, and its maps, (looks, regions). Raises what `sway` does."""
    subject, x = subject_of(model, question, hub), whole(_picture)
    with inference:
        said = subject.says(x)[0]
        return said, maps(subject, x, said)

"""What is kept of networks that look at a picture: captions, captchas, answers."""

from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from models import hub_answering, hub_captioning, zoo
from models.answering import Answerer, Without
from models.captioning import PictureWriter
from models.draw import MOST_DOTS, draw, drawable
from models.hub_answering import HubAnswerer
from models.hub_captioning import HubCaptioner
from models.picture import Picture, png, read_picture, whole
from models.reading import CaptchaReader, texts
from models.trace import Trace
from models.writer import Touch, beam_tree
from ui.components.regions import Photo, photo
from ui.turns import inference

CAPTION_BEAM = 3

SEEDS = 8  # drawings of a captcha


@dataclass(frozen=True)
class Look:
    """What a visitor asks of a picture, in values that can be kept as a key. `model` is a name of `zoo`, `hub` "" for ours."""

    model: str
    digest: str
    question: str = ""
    hub: str = ""
    beam: int = 1
    sampling: float = 0.0
    seed: int = 0


@st.cache_resource(max_entries=6, show_spinner=False)
def seer(model: str) -> PictureWriter | CaptchaReader | Answerer:
    """The captioner, the reader of captchas or an answerer. Raises `zoo.WeightsUnavailableError`."""
    if model == "caption":
        return zoo.captioner()
    return zoo.reader() if model == "captcha" else zoo.answerer(model.removeprefix("ask-"))


@st.cache_resource(max_entries=1, show_spinner=False)
def hub_captioner(name: str) -> HubCaptioner:
    """A captioner of a hub or in a folder. Raises `zoo.WeightsUnavailableError`."""
    return hub_captioning.load(name)


@st.cache_resource(max_entries=1, show_spinner=False)
def hub_answerer(name: str) -> HubAnswerer:
    """An answerer of a hub or in a folder. Raises `zoo.WeightsUnavailableError`."""
    return hub_answering.load(name)


@st.cache_resource(max_entries=64, show_spinner=False)
def features(model: str, hub: str, digest: str, _picture: Picture) -> Tensor:  # noqa: ARG001 (a key)
    """What the CNN (or the encoder) of a model makes of a picture: computed once, whatever is then asked."""
    eyes = of_hub(model, hub) if hub else seer(model)
    with inference, torch.no_grad():
        return eyes.features(whole(_picture))


def of_hub(model: str, hub: str) -> HubCaptioner | HubAnswerer:
    """The network of a hub that does what `model` does."""
    return hub_captioner(hub) if model == "caption" else hub_answerer(hub)


@st.cache_resource(max_entries=256, show_spinner=False)
def looked(look: Look, _picture: Picture, touch: str = "{}", _touch: Touch = Touch()) -> Trace:  # noqa: ARG001, B008
    """What a model sees in a picture, touched by `_touch`, which `touch` tells apart. Raises ValueError, in plain words."""
    seen = features(eyes_of(look.model), look.hub, look.digest, _picture)
    model = of_hub(look.model, look.hub) if look.hub else seer(look.model)
    how = replace(_touch, sampling=look.sampling, seed=look.seed)
    with inference:
        match model:
            case PictureWriter():
                return model.write_from(seen, how, look.beam if _touch.nothing() else 1)
            case HubCaptioner():
                return model.write_from(seen, how, look.beam)
            case CaptchaReader():
                return model.read_from(seen, how)
            case Answerer() | HubAnswerer():
                return model.answer_from(seen, look.question, how)


def eyes_of(model: str) -> str:
    """The model through whose CNN another looks: all that answer about photos look through the same."""
    return "ask-daquar" if model.startswith("ask-daquar") else model


def answerer(model: str) -> Answerer:
    """The answerer of this name ("ask-daquar"). Raises `zoo.WeightsUnavailableError`."""
    found = seer(model)
    assert isinstance(found, Answerer)
    return found


@st.cache_resource(max_entries=128, show_spinner=False)
def without_words(look: Look, _picture: Picture) -> Without:
    """What each word of a question does for its answer."""
    model = hub_answerer(look.hub) if look.hub else answerer(look.model)
    seen = features(eyes_of(look.model), look.hub, look.digest, _picture)
    with inference:
        return model.without_words_from(seen, look.question)


def captioner() -> PictureWriter:
    """The captioner. Raises `zoo.WeightsUnavailableError`."""
    model = seer("caption")
    assert isinstance(model, PictureWriter)
    return model


@st.cache_resource(max_entries=64, show_spinner=False)
def caption_beams(look: Look, _picture: Picture) -> tuple[tuple[str, int, float], ...]:
    """The beam search of a caption as a tree; see `beams`."""
    model, seen = captioner(), features(look.model, look.hub, look.digest, _picture)
    with inference:
        return beam_tree(model.beams(seen, look.beam), model.target_words.words)


@st.cache_resource(max_entries=32, show_spinner=False)
def shot(digest: str, _pixels: np.ndarray) -> Photo:
    """A picture on its way to the browser."""
    return photo(_pixels, digest)


def reader() -> CaptchaReader:
    """The reader of captchas. Raises `zoo.WeightsUnavailableError`."""
    model = seer("captcha")
    assert isinstance(model, CaptchaReader)
    return model


@st.cache_resource(max_entries=256, show_spinner=False)
def captcha(text: str, seed: int, dots: int, curves: int) -> Picture:
    """A captcha drawn as one asks for. Raises ValueError, in plain words, for a text that cannot be drawn."""
    return read_picture(png(draw(text, seed, dots, curves)), f"captcha-{text}.png")


@st.cache_resource(max_entries=32, show_spinner=False)
def captcha_noise(text: str, seed: int, curves: int) -> tuple[tuple[int, float, float], ...]:
    """For numbers of dots: how many, the share of `SEEDS` drawings that are read right, and their mean probability."""
    model, found = reader(), []
    for dots in range(0, MOST_DOTS + 1, 25):
        x = torch.cat([whole(captcha(text, seed + more, dots, curves)) for more in range(SEEDS)])
        with inference, torch.no_grad():
            read = texts(model.network, model.known, x)
            p = model.log_p(x, drawable(text)).exp()
        found.append((dots, sum(each == drawable(text) for each in read) / SEEDS, float(p.mean())))
    return tuple(found)

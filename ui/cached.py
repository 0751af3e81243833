"""Everything the server keeps: networks, and what was computed for a picture. The only `st.cache_*` of the app.

Results are keyed by digests and small values, never by arrays (Streamlit hashes a large array by a sample, so that a
one-pixel attack would be given the clean answer). All of it is shared by all visitors, so nothing here is changed in
place but `Sweep`, whose parts are each set once. One semaphore lets one network work at a time: on two cores, two
networks at once are slower than one after the other.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from attacks import shared
from attacks.axis import (
    COARSE,
    FINE,
    Axis,
    LogitView,
    LogitWeights,
    close_up,
    first_real_epsilon,
    gradient_axis,
    logit_view,
    logit_weights,
    noise_answers,
    noise_axis,
    refine,
)
from attacks.balls import BALLS
from attacks.classification import cross_entropy
from attacks.gradient import Step, noise
from attacks.perturbation import STEPS, Perturbation, to_8bit
from attacks.recipes import Recipe, carry_out, defended
from attacks.surface import slice_of_loss
from attacks.words import Candidate, Round, at_random, hotflip, moved, nearest
from models import encoder, hub, hub_answering, hub_captioning, victims, zoo
from models.answering import Answerer, Without
from models.captioning import PictureWriter
from models.cases import Looking, Writing
from models.classification import Dropped, TextClassifier
from models.classifier import Classifier
from models.draw import MOST_DOTS, draw, drawable
from models.encoder import Encoder
from models.faithful import Case, Examination, agreements, examine
from models.gradcam import grad_cam
from models.hub import HubTranslator
from models.hub_answering import HubAnswerer
from models.hub_captioning import HubCaptioner
from models.language_model import LanguageModel
from models.looking_back import LookingBack, Unlooked, unlooked
from models.picture import Picture, from_pixels, png, read_picture, to_pixels, whole
from models.reading import CaptchaReader, texts
from models.subject import Answers, Captions, HubAnswers, HubCaptions, Letters, Subject, Words
from models.trace import Trace
from models.translation import Translator
from models.victims import Victim
from models.words import BEGIN, PAD
from models.writer import Touch, Writer, beam_tree
from training import annotate
from training.jobs import Training
from training.snapshot import Snapshot
from ui.components.regions import Photo, photo
from ui.swayed import Sway, Wish, maps
from ui.turns import free

CAPTION_BEAM = 3
inference = threading.Semaphore(1)

CHUNK = 13  # pictures in one forward pass of the fine axis: the semaphore is free in between
DRAWS = 8  # random patterns beside the attack's
SEED = 1
SEEDS = 8  # drawings of a captcha


@st.cache_resource(max_entries=3, show_spinner=False)
def classifier(name: str) -> Classifier:
    """The network of this name. Raises `zoo.WeightsUnavailableError`, which is not kept, so that a later try may succeed."""
    return zoo.load(name)


@dataclass(frozen=True)
class Question:
    """What a visitor asks on the page "Fool a classifier", in values that can be kept as a key."""

    network: str
    digest: str
    y: int | None
    target: int | None


@dataclass
class Sweep:
    """The ε axis of one question as far as it is computed: coarse, then every step, then noise for comparison."""

    question: Question
    axis: Axis
    real_epsilon: float | None = None
    noise: Axis | None = None
    close: Axis | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def complete(self) -> bool:
        return self.close is not None

    def finish(self) -> Iterator[float]:
        """Compute what is missing, telling after each part how much of it is done, from 0 to 1."""
        with self._lock:
            if self.complete:
                return
            model = classifier(self.question.network)
            missing = [n for n in FINE if n not in self.axis.steps]
            for start in range(0, len(missing), CHUNK):
                with inference:
                    wanted = sorted({*self.axis.steps, *missing[start : start + CHUNK]})
                    self.axis = refine(model, self.axis, wanted)
                yield len(self.axis.steps) / (2 * len(FINE))
            with inference:
                self.real_epsilon = first_real_epsilon(model, self.axis)
            with inference:
                self.noise = noise_axis(model, self.axis, SEED, COARSE)
            with inference:
                self.close = close_up(model, self.axis)
            yield 1.0


@st.cache_resource(max_entries=48, show_spinner=False)
def sweep(question: Question, _picture: Picture) -> Sweep:
    """The ε axis of a question, its coarse steps computed: one backward pass and one batched forward pass."""
    model = classifier(question.network)
    with inference:
        return Sweep(
            question, gradient_axis(model, to_pixels(_picture, model.size), question.y, question.target, COARSE)
        )


@dataclass(frozen=True)
class Moment:
    """What the server knows at one ε, after the release of the slider.

    `after_file` is the class of the adversarial picture once it was written as PNG, read again and asked again; `fooled`
    is decided by it. `noise` is what the network says of random patterns of the same size.
    """

    perturbation: Perturbation
    png: bytes
    after_file: int
    fooled: bool
    noise: tuple[int, ...]
    views: tuple[LogitView, ...]


@st.cache_resource(max_entries=96, show_spinner=False)
def moment(question: Question, n: int, _sweep: Sweep) -> Moment:
    """Everything about step `n` of a finished sweep."""
    axis, model = _sweep.axis, classifier(question.network)
    perturbation = axis.perturbation(n)
    file = png(from_pixels(perturbation.adversarial))
    with inference, torch.no_grad():
        after_file = int(model(to_pixels(read_picture(file, "adversarial.png"), model.size)).argmax())
    with inference:
        noise = noise_answers(model, axis, n, DRAWS, SEED)
    views = tuple(logit_view(weights_of_logit(question, k, axis), axis, n) for k in (axis.y, axis.rival(n)))
    fooled = axis.clean_right and axis.counts(after_file)
    return Moment(perturbation, file, after_file, fooled, tuple(noise.tolist()), views)


@st.cache_resource(max_entries=96, show_spinner=False)
def weights_of_logit(question: Question, k: int, _axis: Axis) -> LogitWeights:
    """The weights of class `k` at the clean picture of a question; they are the same at every step."""
    model = classifier(question.network)
    with inference:
        return logit_weights(model, _axis, k)


@dataclass(frozen=True)
class Walked:
    """A step of an attack as it is shown.

    Attributes:
        t: its number, from 0; pixels: the 8-bit picture after it, (height, width, 3).
        p, answer: the probability of each class there, and the likeliest.
        J, length: the loss, or the margin, and the norm of its gradient, before the step.
        held: the share of values that the ball or the edge of [0, 1] held back; None of an attack without a ball.
        linf, l2: how far the picture is from the clean one.
    """

    t: int
    pixels: np.ndarray
    p: np.ndarray
    J: float
    length: float
    held: float | None
    linf: float
    l2: float

    @property
    def answer(self) -> int:
        return int(self.p.argmax())


@dataclass
class Walk:
    """An attack on one picture as far as it got: its steps, and at the end what came of it, or why nothing did.

    `truth` is the visitor's word for the true class, None for what the network says of the clean picture. `p` is the probability
    of each class of the clean picture, `p_found` of the adversarial one, `p_exact` of that before rounding.
    """

    network: str
    recipe: Recipe
    x: Tensor
    p: np.ndarray
    truth: int | None = None
    steps: list[Walked] = field(default_factory=list)
    found: Perturbation | None = None
    p_found: np.ndarray | None = None
    p_exact: np.ndarray | None = None
    refusal: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def y(self) -> int:
        """The true class."""
        return int(self.p.argmax()) if self.truth is None else self.truth

    @property
    def clean_right(self) -> bool:
        return int(self.p.argmax()) == self.y

    @property
    def complete(self) -> bool:
        return self.found is not None or bool(self.refusal)

    @property
    def done(self) -> int:
        return len(self.steps)

    def counts(self, answer: int) -> bool:
        """Whether this answer is what the attack was after."""
        target = self.recipe.target
        return answer != self.y if target is None else answer == target != self.y

    def go(self, tell: Callable[[Walked], None]) -> None:
        """Do it from the beginning, telling after each step. Between two steps the network is free for others."""
        with self._lock:
            if self.complete:
                return
            self.steps, model = [], classifier(self.network)

            def watch(step: Step) -> None:
                self.steps.append(self._walked(model, step))
                with free(inference):
                    tell(self.steps[-1])

            with inference:
                try:
                    found = carry_out(self.recipe, model, self.x, torch.tensor([self.y]), watch)
                    self.p_found, self.p_exact = (probabilities(model, z) for z in (found.adversarial, found.exact))
                    self.found = found
                except ValueError as error:
                    self.refusal = str(error)

    def _walked(self, model: Classifier, step: Step) -> Walked:
        x, eta = to_8bit(step.x), step.x - self.x
        held = None if step.proposed is None else float((step.proposed - step.x).abs().gt(1e-6).float().mean())
        return Walked(
            len(self.steps),
            from_pixels(x),
            probabilities(model, x),
            float(step.J),
            float(step.length),
            held,
            float(eta.abs().max()),
            float(eta.norm()),
        )


@torch.no_grad()
def probabilities(model: Classifier, x: Tensor) -> np.ndarray:
    """Of each class, (classes,); a picture of another size than the network's is resized before."""
    if x.shape[-1] != model.size:
        x = torch.nn.functional.interpolate(x, (model.size, model.size), mode="bicubic", antialias=True).clamp(0, 1)
    return model(x).softmax(1)[0].numpy()


@st.cache_resource(max_entries=24, show_spinner=False)
def walk(network: str, digest: str, recipe: Recipe, truth: int | None, _picture: Picture) -> Walk:  # noqa: ARG001 (a key)
    """An attack that has not begun."""
    model = classifier(network)
    x = to_pixels(_picture, model.size)
    with inference:
        return Walk(network, recipe, x, probabilities(model, x), truth)


@st.cache_resource(max_entries=128, show_spinner=False)
def seen_by(network: str, digest: str, defences: tuple[tuple[str, float], ...], _x: Tensor) -> np.ndarray:  # noqa: ARG001
    """What a network says of the picture `_x` of this digest, after these defences: the probability of each class."""
    model = classifier(network)
    with inference:
        return probabilities(model, defended(defences)(_x))


@st.cache_resource(max_entries=64, show_spinner=False)
def cam(network: str, digest: str, k: int, _x: Tensor) -> np.ndarray:  # noqa: ARG001
    """Grad-CAM of class `k`, for the picture `_x` of this digest. Raises ValueError for a network that has none."""
    model = classifier(network)
    with inference:
        return grad_cam(model, _x, k).numpy()


@dataclass
class Surface:
    """The loss of class `y` around a picture, a row at a time."""

    network: str
    x: Tensor
    y: int
    axis: tuple[float, ...]
    rows: list[np.ndarray] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> int:
        return len(self.rows)

    @property
    def complete(self) -> bool:
        return len(self.rows) == len(self.axis)

    def go(self, tell: Callable[[int], None]) -> None:
        """Compute the rows that are missing, telling after each how many are done."""
        with self._lock:
            left = self.axis[len(self.rows) :]
            rows = slice_of_loss(classifier(self.network), self.x, torch.tensor([self.y]), self.axis, left)
            for _ in left:
                with inference:
                    self.rows.append(next(rows).numpy())
                tell(len(self.rows))


@st.cache_resource(max_entries=24, show_spinner=False)
def surface(network: str, digest: str, y: int, axis: tuple[float, ...], _x: Tensor) -> Surface:  # noqa: ARG001 (a key)
    """A surface of which nothing is computed yet."""
    return Surface(network, _x, y, axis)


@dataclass(frozen=True)
class Everyone:
    """One η for many pictures. `digests`: theirs; `made`: of how many of the first η is made; `n`: ε in 255ths."""

    network: str
    digests: tuple[str, ...]
    made: int
    n: int
    passes: int


@dataclass
class Universal:
    """One η for many pictures, as far as it got.

    Attributes:
        x: all the pictures, those that η is made from first; before, p_before: what is said of each, and how surely.
        J: the mean loss of those that it is made from, before each step; eta: after the last, (1, 3, height, width).
        after, p_after: what is said of the 8-bit picture of each x + η.
        noise: what is said with each of `DRAWS` random η of the same size, (draws, pictures).
    """

    asked: Everyone
    x: Tensor
    before: np.ndarray
    p_before: np.ndarray
    J: list[float] = field(default_factory=list)
    eta: Tensor | None = None
    after: np.ndarray | None = None
    p_after: np.ndarray | None = None
    noise: np.ndarray | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def done(self) -> int:
        return len(self.J)

    @property
    def complete(self) -> bool:
        return self.noise is not None

    @property
    def total(self) -> int:
        """How many steps there will be."""
        return self.asked.passes * math.ceil(self.asked.made / shared.BATCH)

    def go(self, tell: Callable[[Step], None]) -> None:
        """Do it from the beginning, telling after each step. In between the network is free for others."""
        with self._lock:
            if self.complete:
                return
            self.J, model, made = [], classifier(self.asked.network), self.x[: self.asked.made]
            epsilon, y = self.asked.n / STEPS, torch.from_numpy(self.before)

            def watch(step: Step) -> None:
                self.J.append(float(step.J))
                self.eta = step.x - made[:1]
                with free(inference):
                    tell(step)

            with inference:
                shared.universal(
                    lambda rows: cross_entropy(model, y[rows]),
                    made,
                    epsilon,
                    epochs=self.asked.passes,
                    step_size=epsilon / 4,
                    watch=watch,
                )
            assert self.eta is not None
            self.after, self.p_after = likeliest(model, self.x + self.eta)
            draws = [noise(made[:1] * 0 + 0.5, epsilon, seed=seed).exact - 0.5 for seed in range(DRAWS)]
            self.noise = np.stack([likeliest(model, self.x + each)[0] for each in draws])


def likeliest(model: Classifier, x: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Of each picture, clipped and rounded to 8 bits: the class that is named, and its probability. Waits for its turn."""
    with inference, torch.no_grad():
        p, k = model(to_8bit(x.clamp(0, 1))).softmax(1).max(1)
    return k.numpy(), p.numpy()


@st.cache_resource(max_entries=24, show_spinner=False)
def universal(asked: Everyone, _pictures: tuple[Picture, ...]) -> Universal:
    """An η that is not yet made."""
    model = classifier(asked.network)
    x = torch.cat([to_pixels(picture, model.size) for picture in _pictures])
    return Universal(asked, x, *likeliest(model, x))


@st.cache_resource(max_entries=6, show_spinner=False)
def writer(name: str) -> Writer:
    """The headline writer, or the translator with this score. Raises `zoo.WeightsUnavailableError`."""
    return zoo.writer(name)


@st.cache_resource(max_entries=4, show_spinner=False)
def text_classifier(name: str) -> TextClassifier:
    """The self-attentive classifier of this name. Raises `zoo.WeightsUnavailableError`."""
    return zoo.text_classifier(name)


@st.cache_resource(max_entries=4, show_spinner=False)
def language_model(kind: str) -> LanguageModel:
    """The language model of this kind. Raises `zoo.WeightsUnavailableError`."""
    return zoo.language_model(kind)


@st.cache_resource(max_entries=1, show_spinner=False)
def hub_translator(name: str) -> HubTranslator:
    """A translator of a hub or in a folder. Raises `zoo.WeightsUnavailableError`."""
    return hub.load(name)


@dataclass(frozen=True)
class Sentence:
    """What a visitor asks a writer, in values that can be kept as a key.

    `hub` is "" for our own models, and then `score` is the writer's name; a `length` of 0 leaves it to the model. Language models
    look back at `L` states, their `score` is their kind, and they go on for `length` words.
    """

    text: str
    score: str
    hub: str = ""
    beam: int = 1
    sampling: float = 0.0
    seed: int = 0
    length: int = 0
    L: int = 0


@st.cache_resource(max_entries=256, show_spinner=False)
def trace(sentence: Sentence, touch: str = "{}", _touch: Touch = Touch()) -> Trace:  # noqa: ARG001, B008 (a key; frozen)
    """What is written, or decided, touched by `_touch`, which the text `touch` tells apart. Raises ValueError, in plain words."""
    if sentence.hub:
        model = hub_translator(sentence.hub)
        with inference:
            return model.translate(sentence.text, sentence.beam)
    beam = sentence.beam if _touch.nothing() else 1
    if sentence.score in zoo.CLASSES:
        classifier = text_classifier(sentence.score)
        with inference:
            return classifier.classify(sentence.text, _touch)
    how = replace(_touch, sampling=sentence.sampling, seed=sentence.seed)
    if sentence.L:
        storyteller = language_model(sentence.score)
        with inference:
            return storyteller.tell(sentence.text, sentence.length, how, sentence.L)
    with inference:
        return writer(sentence.score).write(sentence.text, how, beam, sentence.length)


@st.cache_resource(max_entries=64, show_spinner=False)
def beams(sentence: Sentence) -> tuple[tuple[str, int, float], ...]:
    """The beam search of a sentence as a tree: each node's word, its parent's number (−1: none) and log p up to here."""
    model = writer(sentence.score)
    with inference:
        return beam_tree(
            model.beams(sentence.text, sentence.beam, sentence.length), model.spelled(model.read(sentence.text)[0])
        )


@st.cache_resource(max_entries=128, show_spinner=False)
def dropped(sentence: Sentence, most: bool) -> Dropped:
    """What is left of a decision when the words attended to most (or least) are taken out one by one."""
    model = text_classifier(sentence.score)
    with inference:
        return model.drop(sentence.text, most)


@st.cache_resource(max_entries=64, show_spinner=False)
def race(text: str) -> dict[str, tuple[Trace, float]]:
    """Each score's greedy translation of a text and the seconds it took, after one to warm up."""
    found = {}
    for score in zoo.TRANSLATORS:
        model = writer(score)
        with inference:
            model.write(text)
            started = time.perf_counter()
            found[score] = (model.write(text), time.perf_counter() - started)
    return found


@st.cache_resource(max_entries=128, show_spinner=False)
def examination(sentence: Sentence, beam: int, step: int, together: bool, _trace: Trace) -> Examination:  # noqa: ARG001 (a key)
    """Whether the attention of a step of an untouched text is to be believed; `beam` tells which text."""
    with inference:
        return examine(case(sentence, _trace, together), step)


@st.cache_resource(max_entries=128, show_spinner=False)
def agreement(sentence: Sentence, beam: int, _trace: Trace) -> tuple[float, float]:  # noqa: ARG001 (a key)
    """Mean Kendall τ of the weights with leave-one-out and with gradient × input over all steps of an untouched text."""
    with inference:
        return agreements(case(sentence, _trace)).means()


def case(sentence: Sentence, trace: Trace, together: bool = False) -> Case:
    """What is doubted of a trace: the steps of a writer, the looks of a classifier, or all of these `together`."""
    if sentence.score in zoo.CLASSES:
        return Looking(text_classifier(sentence.score), trace, together)
    return Writing(writer(sentence.score), trace)


@st.cache_resource(max_entries=128, show_spinner=False)
def look_back(sentence: Sentence, step: int, _trace: Trace) -> tuple[Examination, Unlooked | None]:
    """Whether the look of a step of an untouched text is to be believed, and what the step says without it."""
    case = LookingBack(language_model(sentence.score), _trace, step, sentence.L)
    with inference:
        return examine(case, 0), unlooked(case)


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


FLIP_WORDS = 60  # of a sentence under attack
CONTROL = 100  # sentences with words replaced at random
FGSM_STEPS = 25  # sizes of the step in the space of the vectors


@dataclass(frozen=True)
class Attacked:
    """What a visitor wants a network to be fooled into, in values that can be kept as a key.

    `model` is the name of a classifier or the score of a translator. `target` is a class, "" for any other; a French word, "" for
    any translation that has lost `share` of its words.
    """

    model: str
    text: str
    target: str = ""
    share: float = 0.5


@dataclass(frozen=True)
class Flipping:
    """How the words are replaced; see `attacks.words.hotflip`. `near`: cos of the old and the new word's vectors, at least."""

    flips: int = 3
    beam: int = 1
    tries: int = 32
    limit: float = 0.8
    near: float = 0.4


@st.cache_resource(max_entries=128, show_spinner=False)
def victim(asked: Attacked) -> Victim:
    """The sentence before its network. Raises ValueError, in plain words, and `zoo.WeightsUnavailableError`."""
    found: Victim
    if asked.model in zoo.CLASSES:
        classifier = text_classifier(asked.model)
        target = classifier.classes.index(asked.target) if asked.target else None
        with inference:
            found = victims.decision(classifier, asked.text, target=target)
    else:
        translator = writer(asked.model)
        assert isinstance(translator, Translator)
        with inference:
            found = victims.translation(translator, asked.text, asked.target, asked.share)
    if len(found.tokens) > FLIP_WORDS:
        raise ValueError(
            f"This text has {len(found.tokens)} words; at most {FLIP_WORDS} can be attacked at once. Nothing was tried: shorten it."
        )
    return found


@dataclass
class Flips:
    """A search for words to replace, as far as it is done; it can be left and gone on with, and nothing is computed twice."""

    victim: Victim
    how: Flipping
    rounds: list[Round] = field(default_factory=list)
    done: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        reads, how = encoder_of(""), self.how
        self.allowed = self.victim.allowed(how.near)
        self._more = hotflip(
            self.victim.loss,
            self.victim.words,
            self.victim.E,
            self.allowed,
            similar=lambda words: self.victim.similarities(reads, words),
            won=self.victim.won,
            flips=how.flips,
            beam=how.beam,
            tries=how.tries,
            limit=how.limit,
            targeted=self.victim.targeted,
        )

    def go_on(self) -> float:
        """A part more; returns how much of the round is done."""
        with self._lock, inference:
            made = None if self.done else next(self._more, None)
            if isinstance(made, float):
                return made
            self.rounds += [made] if made else []
            self.done = made is None or not made.beam or made.beam[0].won
            return 1.0

    @property
    def best(self) -> Candidate | None:
        """The sentence that won, or else the last that was kept; None if none was."""
        return next((made.beam[0] for made in reversed(self.rounds) if made.beam), None)

    @property
    def queries(self) -> int:
        return sum(made.queries for made in self.rounds)


@st.cache_resource(max_entries=64, show_spinner=False)
def flips(asked: Attacked, how: Flipping) -> Flips:
    """A search that has not begun. Raises what `victim` does."""
    return Flips(victim(asked), how)


@st.cache_resource(max_entries=256, show_spinner=False)
def attacked_trace(asked: Attacked, words: tuple[int, ...]) -> Trace:
    """What the network looks at when the sentence has these words."""
    with inference:
        return victim(asked).trace(torch.tensor([words]))


@st.cache_resource(max_entries=256, show_spinner=False)
def attacked_says(asked: Attacked, words: tuple[int, ...]) -> tuple[str, float]:
    """What the network makes of these words, and the probability that its loss stands for."""
    found = victim(asked)
    with inference, torch.no_grad():
        row = torch.tensor([words])
        return found.says(row)[0], float(found.p(found.loss(found.E[row])))


@st.cache_resource(max_entries=64, show_spinner=False)
def own_translations(asked: Attacked, words: tuple[int, ...]) -> list[str]:
    """Those of the new words that the French word asked for is the translation of."""
    found = victim(asked)
    assert isinstance(found, victims.Translation)
    with inference:
        return found.own(words)


@dataclass(frozen=True)
class Control:
    """Sentences with words replaced at random: those that fooled, with their similarity, and how many were drawn."""

    fooled: tuple[tuple[tuple[int, ...], float], ...]
    drawn: int


@st.cache_resource(max_entries=64, show_spinner=False)
def flip_control(asked: Attacked, how: Flipping, count: int) -> Control:
    """The control of a search that replaced `count` words: as many, at random, from the same words allowed."""
    found, reads = victim(asked), encoder_of("")
    with inference:
        drawn = at_random(found.words, found.allowed(how.near), count, CONTROL, SEED)
        fooled = drawn[found.won(drawn)]
        similar = found.similarities(reads, fooled) if len(fooled) else torch.zeros(0)
    rows = [(tuple(row), s) for row, s in zip(fooled.tolist(), similar.tolist(), strict=True)]
    return Control(tuple(rows), CONTROL)


@dataclass(frozen=True)
class Moved:
    """The fast gradient step in the space of a sentence's vectors; a row an ε.

    Attributes:
        epsilons: in units of the vectors.
        p, p_noise, p_nearest: the probability that the loss stands for, of the moved vectors, of ones moved as far at random,
            and of the real words that the moved vectors are nearest to.
        nearest, distances: these words' numbers, and how far each is.
        away: how far each vector was moved.
        says: what the network makes of the nearest words.
    """

    epsilons: np.ndarray
    p: np.ndarray
    p_noise: np.ndarray
    p_nearest: np.ndarray
    nearest: np.ndarray
    distances: np.ndarray
    away: np.ndarray
    says: tuple[str, ...]


@st.cache_resource(max_entries=48, show_spinner=False)
def moved_vectors(asked: Attacked, norm: str) -> Moved:
    """From ε = 0 to as far as the mean vector is long, in steps that grow: the first ones matter most."""
    found = victim(asked)
    real = torch.ones(len(found.known), dtype=torch.bool)
    real[[PAD, BEGIN]] = False
    with inference:
        x, length = found.E[found.words], float(found.E.norm(dim=1).mean())
        most = length / x.shape[2] ** 0.5 if norm == "linf" else length * x.shape[1] ** 0.5
        epsilons = most * torch.linspace(0, 1, FGSM_STEPS).square()
        tilde = moved(found.loss, x, epsilons, ball=BALLS[norm], targeted=found.targeted)
        random = torch.randn(x.shape, generator=torch.Generator().manual_seed(SEED))
        noisy = x + epsilons[:, None, None] * BALLS[norm].optimize_linear(random[:, None], 1.0)[:, 0]
        distances, numbers = zip(*(nearest(row, found.E, real) for row in tilde), strict=True)
        snapped = torch.stack(numbers)
        with torch.no_grad():
            p, p_noise, p_nearest = (found.p(found.loss(each)).numpy() for each in (tilde, noisy, found.E[snapped]))
        says = tuple(found.says(snapped))
    return Moved(
        epsilons.numpy(),
        p,
        p_noise,
        p_nearest,
        snapped.numpy(),
        torch.stack(distances).numpy(),
        (tilde - x).norm(dim=-1).numpy(),
        says,
    )


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

"""What is kept of attacks on classifiers of pictures."""

import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

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
from attacks.classification import cross_entropy
from attacks.gradient import Step, noise
from attacks.perturbation import STEPS, Perturbation, to_8bit
from attacks.recipes import Recipe, carry_out, defended
from attacks.surface import slice_of_loss
from models import zoo
from models.classifier import Classifier
from models.gradcam import grad_cam
from models.picture import Picture, from_pixels, png, read_picture, to_pixels
from ui.turns import free, inference

CHUNK = 13  # pictures in one forward pass of the fine axis: the semaphore is free in between

DRAWS = 8  # random patterns beside the attack's

SEED = 1


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

"""What is kept of attacks on the words of a sentence."""

import threading
from dataclasses import dataclass, field

import numpy as np
import streamlit as st
import torch

from attacks.balls import BALLS
from attacks.words import Candidate, Round, at_random, hotflip, moved, nearest
from models import victims, zoo
from models.trace import Trace
from models.translation import Translator
from models.victims import Victim
from models.words import BEGIN, PAD
from ui.cached.fool import SEED
from ui.cached.heads import encoder_of
from ui.cached.sentences import text_classifier, writer
from ui.turns import inference

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

"""An attack on a network that looks, as far as it got: what was said and looked at before it and after it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from attacks.aims import EXACT, WORD, Aim, reached, towards
from attacks.gradient import Step
from attacks.perturbation import STEPS, to_8bit
from attacks.pursuit import SHARE, pursue
from models.moved import earth_movers, total_variation
from models.picture import from_pixels, png, read_picture, whole
from models.subject import Subject, Told, Words
from ui.turns import free

AXIS = 12  # sizes of ε between 0 and that of the attack


@dataclass(frozen=True)
class Wish:
    """What a visitor asks for, as a key. `n`: ε in 255ths; `t`: the look, `region`: the cells it shall go to; `hub`: "" is ours."""

    model: str
    digest: str
    question: str
    goal: str
    text: str
    n: int
    steps: int
    t: int = 0
    region: tuple[int, ...] = ()
    hub: str = ""


@dataclass(frozen=True)
class Point:
    """The picture at one ε of the axis: what is said, and how far look by look the maps have moved while the old words are said."""

    n: float
    said: Words
    log_p: float
    moved: np.ndarray
    carried: np.ndarray


@dataclass
class Sway:
    """A wish on one picture.

    Attributes:
        x: the clean picture, (1, 3, height, width).
        said, before: what is said of it, and its maps, (looks, regions).
        losses, lengths: the loss and the norm of its gradient before each step.
        file: the adversarial picture as a PNG; after_said: what is said of it after it was read again.
        after: its maps while the old words are said; own: while its own words are.
        axis: from 0 to ε; the attack's η made smaller. Of one step that is the attack itself, of several its shadow.
    """

    wish: Wish
    subject: Subject
    x: Tensor
    lock: threading.Semaphore
    said: Words
    before: np.ndarray
    losses: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    file: bytes = b""
    after_said: Words = ()
    after: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    own: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    axis: tuple[Point, ...] = ()
    reached: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        read = {EXACT: self.subject.words, WORD: self.subject.keyword}.get(self.wish.goal)
        self.wanted = read(self.wish.text) if read else self.said
        region = torch.zeros(self.before.shape[1], dtype=torch.bool)
        region[list(self.wish.region)] = True
        numbers = self.subject.numbers
        self.aim = Aim(
            self.wish.goal, numbers(self.said), numbers(self.wanted), torch.tensor(self.before), self.wish.t, region
        )

    @property
    def complete(self) -> bool:
        return bool(self.file)

    @property
    def done(self) -> int:
        return len(self.losses)

    @property
    def adversarial(self) -> Tensor:
        """The picture of the file, (1, 3, height, width)."""
        return whole(read_picture(self.file, "adversarial.png"))

    def go(self, tell: Callable[[Step], None]) -> None:
        """Do it from the beginning, telling after each step, which may raise. Between two steps the network is free for others."""
        with self._turn:
            if self.complete:
                return
            self.losses, self.lengths = [], []

            def watch(step: Step) -> None:
                self.losses.append(float(step.J))
                self.lengths.append(float(step.length))
                with free(self.lock):
                    tell(step)

            with self.lock:
                loss = towards(self.aim, lambda x: self._told(x, self.said), lambda x: self._told(x, self.wanted))
                steps, epsilon = self.wish.steps, self.wish.n / STEPS
                share = min(SHARE, steps)
                found = pursue(loss, self.x, epsilon, steps=steps, share=share, reached=self._reached, watch=watch)
                file = png(from_pixels(found.perturbation.adversarial))
                self._measure(whole(read_picture(file, "adversarial.png")))
            self.file = file

    @torch.no_grad()
    def _measure(self, x_adv: Tensor) -> None:
        """What the file's picture does, and the axis from the clean picture to it: all its pictures at once."""
        shares = np.linspace(0, 1, min(AXIS, self.wish.n) + 1)
        x = to_8bit(torch.cat([self.x + float(share) * (x_adv - self.x) for share in shares]))
        told, said = self.subject.told(x, self.said), self.subject.says(x)
        looks, log_p = told.maps.double().numpy(), self.subject.log_p_of(told, self.said)
        self.axis = tuple(
            Point(
                float(share) * self.wish.n,
                said[k],
                float(log_p[k]),
                total_variation(looks[0], looks[k]),
                np.array(
                    [earth_movers(self.on_grid(a), self.on_grid(b)) for a, b in zip(looks[0], looks[k], strict=True)]
                ),
            )
            for k, share in enumerate(shares)
        )
        self.after, self.after_said = looks[-1], said[-1]
        self.own = maps(self.subject, x_adv, self.after_said)
        self.reached = reached(self.aim, self.after_said, self.said, self.wanted, torch.tensor(self.after))

    def on_grid(self, look: np.ndarray) -> np.ndarray:
        """Of a look what is on the picture's regions, (rows, columns)."""
        rows, columns = self.subject.grid
        return look[: rows * columns].reshape(rows, columns)

    def _told(self, x: Tensor, words: Words) -> Told:
        return self.subject.told(x, words)

    def _reached(self, x: Tensor) -> bool:
        looks = torch.tensor(maps(self.subject, x, self.said))
        return reached(self.aim, self.subject.says(x)[0], self.said, self.wanted, looks)


@torch.no_grad()
def maps(subject: Subject, x: Tensor, words: Words) -> np.ndarray:
    """Where is looked while `words` are said of a picture, (looks, regions), each with sum 1."""
    looks: np.ndarray = subject.told(x, words).maps[0].double().numpy()
    return looks

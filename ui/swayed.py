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
AT_ONCE = 4  # pictures of the axis in one pass: the network is free in between


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
        along: the axis from 0 to ε.
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
    reached: bool = False
    _last: tuple[Tensor, tuple[Words, np.ndarray]] | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        read = {EXACT: self.subject.words, WORD: self.subject.keyword}.get(self.wish.goal)
        self.along = Along(self)
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
                found = pursue(loss, self.x, epsilon, steps=steps, share=share, reached=self._is_reached, watch=watch)
                file = png(from_pixels(found.perturbation.adversarial))
                self._measure(whole(read_picture(file, "adversarial.png")))
            self.file, self._last = file, None

    def _measure(self, x_adv: Tensor) -> None:
        """What the file's picture does."""
        self.after_said, self.after = self._asked(x_adv)
        self.own = maps(self.subject, x_adv, self.after_said)
        self.reached = self._is_reached(x_adv)

    def on_grid(self, look: np.ndarray) -> np.ndarray:
        """Of a look what is on the picture's regions, (rows, columns)."""
        rows, columns = self.subject.grid
        return look[: rows * columns].reshape(rows, columns)

    def carried(self, looks: np.ndarray) -> np.ndarray:
        """How far each look's weight was carried from where it was before, in cells, (looks,)."""
        pairs = zip(self.before, looks, strict=True)
        return np.array([earth_movers(self.on_grid(a), self.on_grid(b)) for a, b in pairs])

    def _told(self, x: Tensor, words: Words) -> Told:
        return self.subject.told(x, words)

    def _asked(self, x: Tensor) -> tuple[Words, np.ndarray]:
        """What is said of a picture, and the maps while the old words are said. The last picture asked for is remembered."""
        if self._last is None or not torch.equal(self._last[0], x):
            self._last = x, (self.subject.says(x)[0], maps(self.subject, x, self.said))
        return self._last[1]

    def _is_reached(self, x: Tensor) -> bool:
        said, looks = self._asked(x)
        return reached(self.aim, said, self.said, self.wanted, torch.tensor(looks))


@dataclass
class Along:
    """The axis of a finished attack: its η made smaller. Of one step that is the attack itself, of several its shadow."""

    sway: Sway
    points: tuple[Point, ...] = ()
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sizes(self) -> np.ndarray:
        """Every ε, in 255ths."""
        return np.linspace(0, self.sway.wish.n, min(AXIS, self.sway.wish.n) + 1)

    @property
    def complete(self) -> bool:
        return self.done == len(self.sizes)

    @property
    def done(self) -> int:
        return len(self.points)

    def go(self, tell: Callable[[int], None]) -> None:
        """Compute what is missing, telling after each pass how many are done."""
        with self._turn:
            while not self.complete:
                with self.sway.lock:
                    self.points += self._next(self.sizes[self.done : self.done + AT_ONCE])
                tell(self.done)

    @torch.no_grad()
    def _next(self, sizes: np.ndarray) -> tuple[Point, ...]:
        sway, subject = self.sway, self.sway.subject
        eta = sway.adversarial - sway.x
        x = to_8bit(torch.cat([sway.x + float(n) / sway.wish.n * eta for n in sizes]))
        told, said = subject.told(x, sway.said), subject.says(x)
        log_p = subject.log_p_of(told, sway.said)
        return tuple(
            Point(float(n), said[k], float(log_p[k]), total_variation(sway.before, looks), sway.carried(looks))
            for k, (n, looks) in enumerate(zip(sizes, told.maps.double().numpy(), strict=True))
        )


@torch.no_grad()
def maps(subject: Subject, x: Tensor, words: Words) -> np.ndarray:
    """Where is looked while `words` are said of a picture, (looks, regions), each with sum 1."""
    looks: np.ndarray = subject.told(x, words).maps[0].double().numpy()
    return looks

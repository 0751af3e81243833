r"""GANs (Goodfellow 2014): distributions in a plane and digits of 8 × 8 pixels, live; MNIST and drum hits, recorded.

A round is `n_critic` steps of the judge and one of the generator; every few rounds there is a snapshot. Hyper-parameters may be
changed at any snapshot, and the judge or the generator may learn alone. Samples are made from the same fixed $z$ at every snapshot.
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sklearn.datasets import load_digits, make_moons
from torch import Tensor

from models import gan
from models.divergence import ENOUGH, covered, density, js, kl
from models.drums import hits, loudness
from models.gan import GAN, critic_loss, generator_loss, gradient_penalty, judge_loss, value
from training import annotate, digits
from training.snapshot import Snapshot, restore, state_of

KINDS = ("gan", "wgan-gp")
TURNS = ("both", "judge", "generator")  # who learns
BETAS = (0.5, 0.9)
JUDGED, PICTURED = 2000, 256  # points, and pictures, that a measurement is taken on
DRAWN, PULLED = 400, 100  # points that are drawn, and that have an arrow
FIELD, WARP = 41, 17  # sides of the grids of the judge's field and of z
LONGEST = 0.2  # arrow
REACH = 1.2
HITS = 3000  # drum hits to learn from
SMOOTH = 0.02  # standard deviation around a drawn point

Source = Callable[[int, torch.Generator], Tensor]  # real examples, drawn at random


@dataclass(frozen=True)
class Options:
    """What may be changed while it runs.

    Attributes:
        kind: "gan" (Goodfellow 2014) or "wgan-gp" (Gulrajani 2017).
        saturating: the generator's loss is the formula's own; see `generator_loss`.
        smoothing: of the judge's labels of what is real; see `judge_loss`.
        judge_rate, generator_rate: Adam's; two that differ are the two time-scale rule (Heusel 2017).
        n_critic: judge steps a round.
        penalty: λ of WGAN-GP; 0.1 for points, as in the authors' own experiments in a plane.
        batch: examples a step.
        every: rounds a snapshot.
        turn: who learns: "both", or the "judge" or the "generator" alone.
    """

    kind: str = "gan"
    saturating: bool = False
    smoothing: float = 0.0
    judge_rate: float = 2e-3
    generator_rate: float = 5e-4
    n_critic: int = 1
    penalty: float = 0.1
    batch: int = 128
    every: int = 20
    turn: str = "both"

    def __post_init__(self) -> None:
        """Raise ValueError, in plain words, for what cannot be run."""
        if self.kind not in KINDS or self.turn not in TURNS:
            raise ValueError(f"There is no GAN of kind {self.kind!r} where {self.turn!r} learns.")
        if not 0 <= self.smoothing < 0.5:
            raise ValueError("Label smoothing must be at least 0 and below 0.5.")
        if not (0 <= self.judge_rate <= 1 and 0 <= self.generator_rate <= 1):
            raise ValueError("A learning rate must be between 0 and 1.")
        if not 0 < self.penalty <= 1000:
            raise ValueError("The gradient penalty must be above 0 and at most 1,000.")
        if not (1 <= self.n_critic <= 50 and 2 <= self.batch <= 1024 and 1 <= self.every <= 1000):
            raise ValueError(
                "Take 1 to 50 judge steps a round, 2 to 1,024 examples a step, 1 to 1,000 rounds a snapshot."
            )


# ---------------------------------------------------------------- one step


def judge_step(
    network: GAN,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    z: Float[Tensor, "batch noise"],
    options: Options,
    chance: torch.Generator,
) -> float:
    r"""$\max_D\ E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]$: one step of the judge; what is made is taken as it is.

    Returns the loss.
    """
    optimizer.zero_grad()
    with torch.no_grad():
        made = network.make(z)
    real, fake = network.logits(x), network.logits(made)
    if options.kind == "wgan-gp":
        share = torch.rand(len(x), generator=chance)
        loss = critic_loss(real, fake) + gradient_penalty(network.judge, x, made, share, options.penalty)
    else:
        loss = judge_loss(real, fake, options.smoothing)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def generator_step(
    network: GAN, optimizer: torch.optim.Optimizer, z: Float[Tensor, "batch noise"], options: Options
) -> float:
    r"""$\min_G\ E_z[\log(1 - D(G(z)))]$, or its non-saturating form: a step along the gradient that comes through the judge.

    Returns the loss.
    """
    optimizer.zero_grad()
    fake = network.logits(network.make(z))
    loss = -fake.mean() if options.kind == "wgan-gp" else generator_loss(fake, options.saturating)
    own = list(network.generator.parameters())
    for parameter, gradient in zip(own, torch.autograd.grad(loss, own), strict=True):
        parameter.grad = gradient
    optimizer.step()
    return float(loss.detach())


def adam(network: GAN, options: Options) -> torch.optim.Adam:
    """One Adam, two rates: parameters without a gradient stay as they are, so that each step moves its own network only."""
    return torch.optim.Adam(
        [
            {"params": list(network.judge.parameters()), "lr": options.judge_rate},
            {"params": list(network.generator.parameters()), "lr": options.generator_rate},
        ],
        betas=BETAS,
        fused=True,
    )


# ---------------------------------------------------------------- what is real


@dataclass(frozen=True)
class Task:
    """What is learned.

    Attributes:
        size: of the networks, a name of `models.gan.SIZES`.
        source: (DIR, limit, drawn points) → where real examples come from.
        options: to begin with.
        rounds: until the end.
        fixed: how many z are looked at at every snapshot.
        centres, sd: of the modes, where there are such.
        filmed: whether the state keeps what was made of the fixed z at every snapshot so far, for a recorded run.
    """

    size: str
    source: Callable[[Path | None, int | None, Tensor | None], Source]
    options: Options = field(default_factory=Options)
    rounds: int = 20_000
    fixed: int = DRAWN
    centres: Tensor | None = None
    sd: float = 0.0
    filmed: bool = False


def ring(n: int = 8, radius: float = 0.8) -> Float[Tensor, "n 2"]:
    """Points on a circle."""
    angle = 2 * torch.pi * torch.arange(n) / n
    return radius * torch.stack([angle.cos(), angle.sin()], 1)


def grid(side: int = 5, reach: float = 0.8) -> Float[Tensor, "n 2"]:
    """Points of a square grid."""
    line = torch.linspace(-reach, reach, side)
    return torch.cartesian_prod(line, line)


def mixture(centres: Float[Tensor, "modes 2"], sd: float) -> Source:
    """Gaussians around the centres, all equally likely."""

    def draw(n: int, chance: torch.Generator) -> Float[Tensor, "n 2"]:
        which = torch.randint(len(centres), (n,), generator=chance)
        return centres[which] + sd * torch.randn(n, 2, generator=chance)

    return draw


def spiral(n: int, chance: torch.Generator) -> Float[Tensor, "n 2"]:
    """Points along a spiral of one and a half turns, evenly by length."""
    t = 3 * torch.pi * torch.rand(n, generator=chance).sqrt()
    line = 0.95 * t / (3 * torch.pi)
    return torch.stack([line * t.cos(), line * t.sin()], 1) + 0.02 * torch.randn(n, 2, generator=chance)


def moons(n: int, chance: torch.Generator) -> Float[Tensor, "n 2"]:
    """Two interleaved half circles."""
    x, _ = make_moons(n, noise=0.06, random_state=int(torch.randint(2**31, (1,), generator=chance)))
    return (torch.tensor(x, dtype=torch.float32) - torch.tensor([0.5, 0.25])) / 1.6


def around(drawn: Tensor | None) -> Source:
    """A little around the points that a visitor drew. Raises ValueError if there are none."""
    if drawn is None or not len(drawn):
        raise ValueError("Draw something first: there is nothing to learn.")
    return mixture(torch.as_tensor(drawn, dtype=torch.float32), SMOOTH)


def among(x: Tensor) -> Source:
    """Examples of a set, with replacement."""
    return lambda n, chance: x[torch.randint(len(x), (n,), generator=chance)]


def small_pictures() -> Tensor:
    """scikit-learn's 1,797 digits, (1797, 1, 8, 8)."""
    return torch.tensor(load_digits().images / 16, dtype=torch.float32)[:, None]


def mnist_pictures(data: Path | None, limit: int | None, _drawn: Tensor | None) -> Source:
    """Wants `DIR/digits`."""
    if data is None:
        raise ValueError("MNIST is read from DIR: give --data DIR.")
    return among(digits.mnist(data, "train")[0][:limit])


RING, GRID = ring(), grid()
DIGITS_RATE = Options(judge_rate=5e-4, generator_rate=5e-4, smoothing=0.1, penalty=10.0, batch=64, every=25)
TASKS: dict[str, Task] = {
    "ring": Task("points", lambda *_: mixture(RING, 0.04), centres=RING, sd=0.04),
    "grid": Task("points", lambda *_: mixture(GRID, 0.03), centres=GRID, sd=0.03),
    "spiral": Task("points", lambda *_: spiral),
    "moons": Task("points", lambda *_: moons),
    "drawn": Task("points", lambda _data, _limit, drawn: around(drawn)),
    "digits": Task("small_digits", lambda *_: among(small_pictures()), Options(batch=64, penalty=10.0), fixed=64),
    "mnist": Task("digits", mnist_pictures, DIGITS_RATE, 9000, 64, filmed=True),
    "drums": Task(
        "drums",
        lambda _data, limit, _drawn: among(loudness(hits(limit or HITS, 0)[0])),
        Options("wgan-gp", judge_rate=1e-3, generator_rate=5e-4, n_critic=3, penalty=10.0, batch=32, every=10),
        8000,
        24,
        filmed=True,
    ),
}
SHIPPED = {"gan-mnist": "mnist", "gan-drums": "drums"}  # by the names of their cards


# ---------------------------------------------------------------- the run


def train(
    data: Path | None = None,
    *,
    task: str = "ring",
    seed: int = 1,
    resume: Snapshot | None = None,
    rounds: int | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    drawn: Any = None,
    **options: Any,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    r"""Judge and generator, turn by turn: $\min_G \max_D E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]$.

    Args:
        data: DIR, for "mnist" only.
        task: a name of `TASKS`.
        rounds: until the end; `epochs`: the same, in rounds of MNIST's 60,000 pictures.
        limit: only so many examples, where they are a set.
        drawn: points (n, 2) in [−1, 1]², for "drawn" only.
        options: fields of `Options`; what is sent to the generator holds from there on.

    Raises ValueError, in plain words, for what cannot be run.
    """
    if task not in TASKS:
        raise ValueError(f"There is nothing called {task!r} to learn: {', '.join(TASKS)}.")
    told = TASKS[task]
    now = changed(told.options, options)
    source = told.source(data, limit, None if drawn is None else torch.as_tensor(drawn, dtype=torch.float32))
    last = rounds or (epochs * (60_000 // now.batch) if epochs else told.rounds)
    network, chance = gan.SIZES[told.size](seed), torch.Generator().manual_seed(seed)
    optimizer, look = adam(network, now), Look(told, source, network, seed)
    name, step, seconds = f"gan {task}, seed {seed}", 0, 0.0
    film: dict[str, Tensor] = {}
    if resume is not None:
        resume.check(name)
        restore(network, optimizer, {k: t for k, t in resume.state.items() if k.startswith(("model.", "optimizer."))})
        chance.set_state(resume.state["chance"])
        film = {k: t for k, t in resume.state.items() if k.startswith("film.")}
        step, seconds = resume.step, resume.seconds
    losses: dict[str, float] = {}
    while True:
        if resume is None or step > resume.step:
            metrics, view = look(now)
            film = with_frame(film, step, metrics | losses, view) if told.filmed else {}
            state = state_of(network, optimizer) | {"chance": chance.get_state()} | film
            sent = yield Snapshot(step, last, seconds, losses | metrics, state, name, view)
            if sent:
                now = changed(now, sent)
        if step >= last:
            return
        set_rates(optimizer, now)
        network.train()
        begun, until = time.perf_counter(), next_step(step, last, now.every, told.filmed)
        sums: dict[str, float] = {}
        for _ in range(until - step):
            for loss, amount in one_round(network, optimizer, source, now, chance).items():
                sums[loss] = sums.get(loss, 0.0) + amount / (until - step)
        losses, step, seconds = losses | sums, until, seconds + time.perf_counter() - begun


def one_round(
    network: GAN, optimizer: torch.optim.Optimizer, source: Source, options: Options, chance: torch.Generator
) -> dict[str, float]:
    """`n_critic` steps of the judge, one of the generator, or those of the one whose turn it is. Returns their losses."""
    losses, n = {}, options.batch
    if options.turn != "generator":
        for _ in range(options.n_critic):
            losses["loss_judge"] = judge_step(
                network, optimizer, source(n, chance), network.draw_noise(n, chance), options, chance
            )
    if options.turn != "judge":
        losses["loss_generator"] = generator_step(network, optimizer, network.draw_noise(n, chance), options)
    return losses


def changed(options: Options, changes: Mapping[str, Any]) -> Options:
    """Raises ValueError, in plain words, for a name or value that there is not."""
    unknown = set(changes) - {each.name for each in fields(Options)}
    if unknown:
        raise ValueError(f"A GAN has no {', '.join(sorted(unknown))} to be changed.")
    return replace(options, **changes)


def set_rates(optimizer: torch.optim.Optimizer, options: Options) -> None:
    for group, rate in zip(optimizer.param_groups, (options.judge_rate, options.generator_rate), strict=True):
        group["lr"] = rate


def next_step(step: int, last: int, every: int, filmed: bool) -> int:
    """The round of the next snapshot: `every` rounds on, or, filmed, ever rarer, since most happens at the beginning."""
    return min(last, step + (round(every * (1 + step / (10 * every))) if filmed else every))


def with_frame(
    film: Mapping[str, Tensor], step: int, metrics: Mapping[str, float], view: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The film so far and one frame more: what was made (in 255ths), what the judge said, and the metrics."""
    frame = {
        "made": (view["made"] * 255).round().byte(),
        "opinion": view["opinion"],
        "step": torch.tensor(step),
        **{name: torch.tensor(metrics.get(name, float("nan"))) for name in METRICS},
    }
    return {
        f"film.{name}": torch.cat([film[f"film.{name}"], new[None]]) if film else new[None]
        for name, new in frame.items()
    }


METRICS = ("loss_judge", "loss_generator", "value", "real", "fake", "distance", "score_real", "score_fake")


# ---------------------------------------------------------------- what is seen


class Look:
    """What is measured and drawn of a moment: always of the same z, and of the same real examples."""

    def __init__(self, task: Task, source: Source, network: GAN, seed: int):
        chance = torch.Generator().manual_seed(10_000 + seed)  # not the run's: looking changes nothing
        self.task, self.network = task, network
        plane = task.size == "points"
        self.z = network.draw_noise(JUDGED if plane else PICTURED, chance)
        self.x = source(len(self.z), chance)
        self.again = source(len(self.z), chance) if plane else self.x
        self.classify = digit_classifier() if task.size == "small_digits" else None

    @torch.no_grad()
    def __call__(self, options: Options) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Metrics and view; the network is left as it was."""
        network, task = self.network.eval(), self.task
        made = network.make(self.z)
        real, fake = network.logits(self.x), network.logits(made)
        metrics = judged(real, fake) if options.kind == "gan" else criticised(real, fake)
        view = {"made": made[: task.fixed], "opinion": fake[: task.fixed]}
        if task.size == "points":
            pull = self.pull(made[:PULLED], options)
            return metrics | self.distances(made), view | self.plane() | {"pull": pull, "z": self.z[:DRAWN]}
        if self.classify is not None:
            view["classes"] = self.classify(made).argmax(1)
            metrics |= class_counts(view["classes"])
        return metrics, view

    def distances(self, made: Float[Tensor, "points 2"]) -> dict[str, float]:
        """How far what is made is from what is real, in bits, and how far two samples of what is real are by chance alone."""
        found = divergences(self.x, made) | {"js_floor": js(density(self.x), density(self.again))}
        if self.task.centres is not None:
            modes, near = covered(made, self.task.centres, self.task.sd)
            found |= {"modes": float(modes), "near": near}
        return found

    def pull(self, made: Float[Tensor, "points 2"], options: Options) -> Float[Tensor, "points 2"]:
        """Where the generator's loss falls for each point, the longest arrow 0.2: what the generator is told through the judge."""
        with torch.enable_grad():
            x = made.clone().requires_grad_()
            fake = self.network.logits(x)
            loss = -fake.sum() if options.kind == "wgan-gp" else generator_loss(fake, options.saturating) * len(x)
            (gradient,) = torch.autograd.grad(loss, x)
        return -LONGEST * gradient / gradient.norm(dim=1).max().clamp_min(1e-12)

    def plane(self) -> dict[str, Tensor]:
        """Real points, the judge's logits over a grid, and where the generator puts a grid of z."""
        line, cells = torch.linspace(-REACH, REACH, FIELD), torch.linspace(-1, 1, WARP)
        places = torch.cartesian_prod(line, line)[:, [1, 0]]  # row by row: x₂ first
        z = torch.cartesian_prod(cells, cells)
        return {
            "real": self.x[:DRAWN],
            "field": self.network.logits(places).reshape(FIELD, FIELD),
            "warp": self.network.make(z).reshape(WARP, WARP, 2),
        }


def judged(real: Float[Tensor, " n"], fake: Float[Tensor, " n"]) -> dict[str, float]:
    r"""$V(D, G)$ with its two terms, and the judge's means $E D(x)$ and $E D(G(z))$."""
    return {
        "value": float(value(real, fake)),
        "log_real": float(F.logsigmoid(real).mean()),
        "log_fake": float(F.logsigmoid(-fake).mean()),
        "real": float(real.sigmoid().mean()),
        "fake": float(fake.sigmoid().mean()),
    }


def criticised(real: Float[Tensor, " n"], fake: Float[Tensor, " n"]) -> dict[str, float]:
    """The critic's mean scores, and their difference, its estimate of the earth mover's distance."""
    return {
        "distance": float(-critic_loss(real, fake)),
        "score_real": float(real.mean()),
        "score_fake": float(fake.mean()),
    }


def divergences(x: Float[Tensor, "points 2"], made: Float[Tensor, "points 2"]) -> dict[str, float]:
    """JS of the two densities on the grid, and KL(real ‖ made), half a point more in every cell, so that it is finite; in bits."""
    return {"js": js(density(x), density(made)), "kl": kl(density(x, pseudo=0.5), density(made, pseudo=0.5))}


def digit_classifier() -> Callable[[Tensor], Tensor]:
    """A small network that knows the digits of 8 × 8 pixels, learned here in a moment (about 97 % of those kept aside)."""
    known = annotate.pool("digits")
    return annotate.fit(known.x, known.y, known.classes, 1)


def class_counts(classes: Int[Tensor, " n"], of: int = 10) -> dict[str, float]:
    """How many of the classes have a tenth of their fair share, and the entropy of the counts, in bits."""
    share = torch.bincount(classes, minlength=of).double() / len(classes)
    some = share[share > 0]
    return {"modes": float((share >= ENOUGH / of).sum()), "entropy": float((some * (1 / some).log2()).sum())}

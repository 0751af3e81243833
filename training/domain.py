r"""Adapt: learn a task where labels are, so that it holds where there are none, with a judge against the domain.

Every task goes through one loop, `train`. Training without the adversary is the same run with $\lambda = 0$: same network, batches
and seeds; the judge learns, too, but nothing of it reaches the features.

Source: Ganin et al. 2016, *Domain-Adversarial Training of Neural Networks*; for frames Marzinotto et al. 2019, *Robust Semantic
Parsing with Adversarial Learning for Domain Generalization*.
"""

import time
from collections.abc import Callable, Generator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from sklearn.datasets import load_svmlight_file, make_moons
from torch import Tensor

from models import domain
from models.domain import DomainAdversarial, descend, lambda_p
from training import digits
from training.snapshot import Snapshot, restore, state_of

SOURCE, TARGET = 0, 1
UNKNOWN = -1  # a domain that the judge was never told of
POINTS = 300  # of the moons, in each domain
TURNED = 35.0  # degrees
NOISE = 0.05
GRID, REACH = 48, 3.5  # of the plane: points a side; it goes from -REACH to REACH
SHOWN = 150  # examples of a domain whose features are drawn
PROBED, PROBE_STEPS = 500, 30
DIGITS = 30_000  # of MNIST are the source; the others, in colour, the target
TESTED = 1000  # examples of a domain that are measured after every epoch; the report measures them all
AMAZON = ("books", "dvd", "electronics", "kitchen")
ASIDE = ("NTI", "ANC", "LUCorpus-v0.3", "PropBank", "KBEval", "QA")  # text domains with more than 1,000 targets


@dataclass(frozen=True)
class Examples:
    """Inputs, classes, domains. `y` of a target is for measurement only: `train` never looks at it."""

    x: Tensor
    y: Int[Tensor, " n"]
    d: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.y)

    def first(self, n: int | None) -> "Examples":
        return Examples(self.x[:n], self.y[:n], self.d[:n])


@dataclass(frozen=True)
class Domains:
    """What is learned from, and what is held out, by name.

    Attributes:
        labelled: the source, or several.
        unlabelled: the target, of which only `x` and `d` are used; None where the target is not known while training.
        held: `accuracy_NAME` is measured on each; the judge and the probe on those of them whose domain it was told of.
    """

    labelled: Examples
    unlabelled: Examples | None
    held: Mapping[str, Examples]
    classes: int
    domains: int = 2


@dataclass(frozen=True)
class Settings:
    r"""What can be turned, before a run and while it runs.

    Attributes:
        strength: $\lambda$ when all is done, or all the time. 0: no adversary.
        scheduled: whether $\lambda$ rises as `lambda_p` says, or is held.
        gamma: $\gamma$, how soon it rises.
        rate: $\mu$, of Adam.
        pace: of the judge: its $\mu$ over the others'.
        momentum: $\beta_1$ of Adam: how long it remembers a gradient.
        average: of the weights over the updates, which is what is measured and kept: how much of it stays at each. 0: the weights.
        batch: examples of each of the two streams in an update.
        every: updates between two snapshots.
        scale: of the first weights (of the shallow network).
    """

    strength: float = 1.0
    scheduled: bool = True
    gamma: float = domain.GAMMA
    rate: float = 1e-3
    pace: float = 1.0
    momentum: float = 0.9
    average: float = 0.0
    batch: int = 64
    every: int = 250
    scale: float = 1.0

    def at(self, p: float) -> float:
        r"""$\lambda$ when the part `p` of the training is done."""
        return self.strength * lambda_p(p, self.gamma) if self.scheduled else self.strength


@dataclass(frozen=True)
class Task:
    """Where the examples are from, which network learns them, and how.

    Attributes:
        load: the folder with all data sets (None if it needs none) and the seed to the examples.
        view: what a page draws of the network.
    """

    load: Callable[[Path | None, int], Domains]
    build: Callable[[Domains, Settings], DomainAdversarial]
    settings: Settings
    epochs: int
    view: Callable[[DomainAdversarial, Domains], dict[str, Tensor]]


# ---------------------------------------------------------------- the loop


def train(
    data: Path | None = None,
    *,
    task: str = "moons",
    seed: int = 1,
    resume: Snapshot | None = None,
    epochs: int | None = None,
    limit: int | None = None,
    **hyperparameters: Any,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    r"""Three parts learn at once, batch by batch: a snapshot before the first update, and one after each `every` of them.

    What is sent to the generator, fields of `Settings`, holds from there on. Fixed numbers of updates: nothing is chosen by what
    the target says.

    Args:
        data: the folder that holds all data sets; None for tasks that need none.
        task: a name of `TASKS`.
        epochs: snapshots after the first.
        limit: examples of each stream, at most.
        hyperparameters: fields of `Settings`, where they differ from the task's.

    Raises ValueError for a task or a hyper-parameter that there is not, or if `resume` is of another run.
    """
    known = named(task)
    settings = changed(known.settings, hyperparameters)
    examples = limited(loaded(task, data, seed), limit)
    run = f"domain {task}, seed {seed}, limit {limit}"
    learner, optimizer = begin(known, examples, settings, seed)
    network = deepcopy(learner)
    generator = torch.Generator().manual_seed(seed)
    step, seconds, steps = 0, 0.0, (known.epochs if epochs is None else epochs)
    losses = None
    if resume is not None:
        resume.check(run)
        restore(network, optimizer, resume.state)
        learner.load_state_dict(
            {k.removeprefix("learner."): t for k, t in resume.state.items() if k.startswith("learner.")}
        )
        generator.set_state(resume.state["generator"])
        step, seconds = resume.step, resume.seconds
    while True:
        if resume is None or step > resume.step:
            told = yield Snapshot(
                step,
                steps,
                seconds,
                measured(network, examples, settings, step / max(steps, 1), losses, seed),
                {**state_of(network, optimizer), **_learner(learner), "generator": generator.get_state()},
                run,
                known.view(network, examples),
            )
            settings = changed(settings, told or {})
        if step >= steps:
            return
        began = time.perf_counter()
        paced(optimizer, settings)
        for update in range(settings.every):
            p = (step + update / settings.every) / steps
            x, y, d = drawn(examples, settings.batch, generator)
            losses = descend(learner, optimizer, x, y, d, settings.at(p))
            averaged(network, learner, settings.average)
        step, seconds = step + 1, seconds + time.perf_counter() - began


def _learner(learner: DomainAdversarial) -> dict[str, Tensor]:
    return {f"learner.{name}": tensor for name, tensor in learner.state_dict().items()}


@torch.no_grad()
def averaged(network: DomainAdversarial, learner: DomainAdversarial, stays: float) -> None:
    """Move the weights of `network` towards the learner's: `stays` of them stays. No layer has anything but weights."""
    torch._foreach_lerp_(list(network.parameters()), list(learner.parameters()), 1 - stays)


def named(task: str) -> Task:
    """Raises ValueError for a task that there is not."""
    if task not in TASKS:
        raise ValueError(f"There is no task {task}; there are {', '.join(TASKS)}.")
    return TASKS[task]


def changed(settings: Settings, hyperparameters: Mapping[str, Any]) -> Settings:
    """Raises ValueError for a name that is no hyper-parameter."""
    unknown = set(hyperparameters) - set(vars(settings))
    if unknown:
        raise ValueError(f"There is no hyper-parameter {', '.join(sorted(unknown))}.")
    return replace(settings, **hyperparameters)


def begin(
    task: Task, examples: Domains, settings: Settings, seed: int
) -> tuple[DomainAdversarial, torch.optim.Optimizer]:
    """The first weights, the same for the same seed whatever happens elsewhere, and Adam, with a rate of its own for the judge."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = task.build(examples, settings).eval()
    game = [*network.features.parameters(), *network.label.parameters()]
    parts: list[dict[str, Any]] = [{"params": game}, {"params": list(network.judge.parameters())}]
    return network, torch.optim.Adam(parts, settings.rate, fused=True)


def paced(optimizer: torch.optim.Optimizer, settings: Settings) -> None:
    """Give both groups of parameters the rate and the momentum that hold now."""
    for group, pace in zip(optimizer.param_groups, (1.0, settings.pace), strict=True):
        group["lr"], group["betas"] = settings.rate * pace, (settings.momentum, 0.999)


def drawn(examples: Domains, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """`batch` labelled examples, then as many unlabelled ones: inputs of both, classes of the first, domains of both."""
    chosen = torch.randint(len(examples.labelled), (batch,), generator=generator)
    x, y, d = examples.labelled.x[chosen], examples.labelled.y[chosen], examples.labelled.d[chosen]
    if examples.unlabelled is not None:
        chosen = torch.randint(len(examples.unlabelled), (batch,), generator=generator)
        x, d = torch.cat([x, examples.unlabelled.x[chosen]]), torch.cat([d, examples.unlabelled.d[chosen]])
    return (x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x), y, d


def limited(examples: Domains, limit: int | None) -> Domains:
    unlabelled = None if examples.unlabelled is None else examples.unlabelled.first(limit)
    return replace(examples, labelled=examples.labelled.first(limit), unlabelled=unlabelled)


def network_of(task: str, snapshot: Snapshot, data: Path | None = None, seed: int = 1) -> DomainAdversarial:
    """The network of a moment, frozen."""
    network, _ = begin(named(task), loaded(task, data, seed), TASKS[task].settings, seed)
    network.load_state_dict({k.removeprefix("model."): t for k, t in snapshot.state.items() if k.startswith("model.")})
    return network


# ---------------------------------------------------------------- what is measured


@torch.no_grad()
def measured(
    network: DomainAdversarial,
    examples: Domains,
    settings: Settings,
    p: float,
    losses: domain.Losses | None,
    seed: int,
) -> dict[str, float]:
    """Accuracies in %: of the main task on what is held out, of the judge in the game, of a fresh one; losses in nats."""
    found = {"lambda": settings.at(min(p, 1.0))}
    if losses is not None:
        found |= {"L_y": float(losses.y), "L_d": float(losses.d)}
    for name, held in examples.held.items():
        found[f"accuracy_{name}"] = accuracy(network(held.x[:TESTED]), held.y[:TESTED])
    f, d = judged(network, examples)
    found["judge"] = accuracy(network.judge(f), d)
    found["probe"] = probe(network, f, d, seed)
    return found


def judged(network: DomainAdversarial, examples: Domains) -> tuple[Float[Tensor, "n features"], Int[Tensor, " n"]]:
    """Features of held-out examples, as many of each stream, and the domains that the judge should name."""
    known = [held.first(PROBED) for held in examples.held.values() if (held.d != UNKNOWN).all()]
    return torch.cat([network.features(held.x) for held in known]), torch.cat([held.d for held in known])


def accuracy(logits: Float[Tensor, "n classes"], y: Int[Tensor, " n"]) -> float:
    """In %."""
    return 100 * float((logits.argmax(1) == y).double().mean())


def probe(network: DomainAdversarial, f: Float[Tensor, "n features"], d: Int[Tensor, " n"], seed: int) -> float:
    r"""What a judge finds out that begins anew: accuracy in %, learned on one half of frozen features, measured on the other.

    The judge of the game may be at chance because it is beaten, or because it lags behind; only a fresh one can tell. It has the
    form of the game's.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        order = torch.randperm(len(d))
        fresh = deepcopy(network.judge)
        for layer in fresh.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.reset_parameters()
    learned, asked = order[: len(d) // 2], order[len(d) // 2 :]
    z = (f - f[learned].mean(0)) / (f[learned].std(0) + 1e-4)
    optimizer = torch.optim.LBFGS(fresh.parameters(), max_iter=PROBE_STEPS, line_search_fn="strong_wolfe")

    @torch.enable_grad()  # type: ignore[no-untyped-call, untyped-decorator]
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(fresh(z[learned]), d[learned])
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[arg-type]
    return accuracy(fresh(z[asked]), d[asked])


# ---------------------------------------------------------------- what is drawn


@torch.no_grad()
def mixing(network: DomainAdversarial, examples: Domains) -> dict[str, Tensor]:
    """Features of held-out examples on their two principal axes, with classes, domains, and the share of variance of each axis."""
    shown = [held.first(SHOWN) for held in examples.held.values()]
    f = torch.cat([network.features(held.x) for held in shown])
    plane, share = principal(f)
    y = torch.cat([held.y for held in shown])
    first = plane[y == y[0]].mean(0)
    return {
        "features": plane * torch.where(first > 0, -1.0, 1.0),  # an axis has no sign: the first class lies below
        "share": share,
        "y": y,
        "d": torch.cat([held.d for held in shown]),
    }


def principal(f: Float[Tensor, "n features"]) -> tuple[Float[Tensor, "n 2"], Float[Tensor, " 2"]]:
    """Coordinates on the two axes along which the features vary most, and the share of the variance that each holds."""
    centred = f - f.mean(0)
    u, s, _ = torch.linalg.svd(centred, full_matrices=False)
    return u[:, :2] * s[:2], (s[:2].square() / s.square().sum().clamp_min(1e-12))


@torch.no_grad()
def plane(network: DomainAdversarial, examples: Domains) -> dict[str, Tensor]:
    """`mixing`, and what label head and judge say all over the plane: probability of class 1 and of the target, rows from below."""
    axis = torch.linspace(-REACH, REACH, GRID)
    v, u = torch.meshgrid(axis, axis, indexing="ij")
    f = network.features(torch.stack([u, v], dim=-1).reshape(-1, 2))
    fields = {name: head(f).softmax(1)[:, 1].reshape(GRID, GRID) for name, head in _heads(network).items()}
    return {**mixing(network, examples), **fields, "points": torch.cat([h.x[:SHOWN] for h in examples.held.values()])}


def _heads(network: DomainAdversarial) -> dict[str, torch.nn.Module]:
    return {"label": network.label, "judge": network.judge}


# ---------------------------------------------------------------- the tasks


@lru_cache(maxsize=2)
def loaded(task: str, data: Path | None, seed: int) -> Domains:
    """The examples of a task. Raises OSError or ValueError if they are not where they are wanted."""
    return TASKS[task].load(data, seed)


def moons(_data: Path | None, seed: int) -> Domains:
    """Two interleaved half circles with labels, and the same, turned by 35 degrees, without: Ganin 2016, figure 2."""

    def half_circles(random: int, domain_number: int) -> Examples:
        x, y = make_moons(POINTS, noise=NOISE, random_state=random)
        x = 2 * torch.tensor(x - x.mean(0), dtype=torch.float32)
        if domain_number == TARGET:
            angle = torch.deg2rad(torch.tensor(TURNED))
            x @= torch.tensor([[angle.cos(), angle.sin()], [-angle.sin(), angle.cos()]])
        return Examples(x, torch.from_numpy(y).long(), torch.full((POINTS,), domain_number))

    random = 4 * seed
    return Domains(
        half_circles(random, SOURCE),
        half_circles(random + 1, TARGET),
        {"source": half_circles(random + 2, SOURCE), "target": half_circles(random + 3, TARGET)},
        classes=2,
    )


def amazon(source: str, target: str, data: Path | None, _seed: int) -> Domains:
    """Reviews of two kinds of goods, good or bad, as 5,000 counts of words and pairs of words: Ganin's own files.

    2,000 of the source with labels, 2,000 of the target without; the rest is held out. Wants `DIR/amazon/dann_svmlight/`.
    """

    def read(name: str, split: str, number: int) -> Examples:
        x, y = _counts(_folder(data) / "amazon" / "dann_svmlight" / f"{name}_{split}.svmlight.gz")
        return Examples(
            torch.tensor(x.toarray(), dtype=torch.float32),
            torch.tensor(np.asarray(y) > 0).long(),
            torch.full((len(y),), number),
        )

    return Domains(
        read(source, "train", SOURCE),
        read(target, "train", TARGET),
        {"source": read(source, "test", SOURCE), "target": read(target, "test", TARGET)},
        classes=2,
    )


@lru_cache(maxsize=8)
def _counts(path: Path) -> tuple[Any, np.ndarray]:
    """A file of Ganin's: a sparse matrix, a row a review, and +1 or -1 for each."""
    return load_svmlight_file(str(path), n_features=5000)  # type: ignore[no-any-return]


def mnist_to_mnist_m(data: Path | None, seed: int) -> Domains:
    """Grey digits with labels; others, in the colours of photographs, without. No digit is in both; no test digit in either."""
    folder = _folder(data)
    x, y = digits.mnist(folder, "train")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    source, target = order[:DIGITS], order[DIGITS:]
    x_test, y_test = digits.mnist(folder, "test")
    return Domains(
        _pictures(x[source], y[source], SOURCE),
        _pictures(digits.mnist_m(folder, x[target], seed), y[target], TARGET),
        {
            "source": _pictures(x_test, y_test, SOURCE),
            "target": _pictures(*digits.mnist_m_test(folder), TARGET),
        },
        classes=10,
    )


def target_trained(data: Path | None, seed: int) -> Domains:
    """MNIST-M with labels, what one would like to have: the bound from above. The source is what is not told."""
    known = mnist_to_mnist_m(data, seed)
    assert known.unlabelled is not None
    return replace(known, labelled=known.unlabelled, unlabelled=known.labelled)


def mnist_usps(to_usps: bool, data: Path | None, _seed: int) -> Domains:
    """Digits from forms and digits from envelopes, all of both; USPS is scaled from 16 to 28 pixels."""
    folder = _folder(data)

    def of_mnist(split: str, number: int) -> Examples:
        x, y = digits.mnist(folder, split)
        return _pictures(x, y, number)

    def of_usps(split: str, number: int) -> Examples:
        x, y = digits.usps(folder, split)
        return _pictures(F.interpolate(x, (domain.SIDE, domain.SIDE), mode="bilinear"), y, number)

    source, target = (of_mnist, of_usps) if to_usps else (of_usps, of_mnist)
    return Domains(
        source("train", SOURCE),
        target("train", TARGET),
        {"source": source("test", SOURCE), "target": target("test", TARGET)},
        classes=10,
    )


def frames(aside: str, data: Path | None, seed: int) -> Domains:
    """Words in their sentences, and the frames they call up; the texts of `aside` are kept apart, whole: an open domain.

    The judge shall name which of the other text domains a word is from. A tenth of their sentences is held out. Wants
    `DIR/framenet/targets.jsonl.gz`.
    """
    from training.frames import (
        frames_known,
        read_frames,
    )  # brings the encoder, which a run on the moons must not wait for

    rows, x = read_frames(_folder(data), "targets")
    names, of = frames_known(rows, aside), [row["domain"] for row in rows]
    known = sorted(set(of) - {aside})
    y = torch.tensor([names.index(row["frame"]) if row["frame"] in names else UNKNOWN for row in rows])
    d = torch.tensor([known.index(name) if name in known else UNKNOWN for name in of])
    texts = {text: i for i, text in enumerate(dict.fromkeys(row["text"] for row in rows))}
    tenth = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0)) < len(texts) // 10
    held = tenth[torch.tensor([texts[row["text"]] for row in rows])]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))

    def those(chosen: Tensor) -> Examples:
        chosen = order[chosen[order]]
        return Examples(x[chosen].float(), y[chosen], d[chosen])

    inside = d != UNKNOWN
    return Domains(
        those(inside & ~held),
        None,
        {"source": those(inside & held), "target": those(~inside)},
        classes=len(names),
        domains=len(known),
    )


def _frames(examples: Domains, _settings: Settings) -> DomainAdversarial:
    return domain.frames(examples.classes, examples.domains)


def _pictures(x: Tensor, y: Tensor, number: int) -> Examples:
    return Examples(x.expand(-1, 3, -1, -1), y, torch.full((len(y),), number))


def _folder(data: Path | None) -> Path:
    if data is None:
        raise ValueError("This task needs the folder that holds the data sets: give --data DIR.")
    return data


def _shallow(hidden: int, examples: Domains, settings: Settings) -> DomainAdversarial:
    inputs = examples.labelled.x.shape[1]
    return domain.shallow(inputs, hidden, examples.classes, examples.domains, settings.scale)


def _digits(_examples: Domains, _settings: Settings) -> DomainAdversarial:
    return domain.digits()


MOONS = Settings(rate=0.1, batch=100, every=25)
IN_DIGITS = Settings(rate=1e-3, pace=5.0, momentum=0.5, average=0.995, batch=32, every=250)
IN_FRAMES = Settings(rate=2e-3, batch=128, every=150)
IN_REVIEWS = Settings(strength=0.1, rate=1e-3, batch=64, every=100)

TASKS: dict[str, Task] = {
    "moons": Task(moons, partial(_shallow, 15), MOONS, 60, plane),
    "mnist-m": Task(mnist_to_mnist_m, _digits, IN_DIGITS, 8, mixing),
    "mnist-m-target-trained": Task(target_trained, _digits, IN_DIGITS, 8, mixing),
    "mnist-usps": Task(partial(mnist_usps, True), _digits, IN_DIGITS, 8, mixing),
    "usps-mnist": Task(partial(mnist_usps, False), _digits, IN_DIGITS, 8, mixing),
    **{f"frames-{aside}": Task(partial(frames, aside), _frames, IN_FRAMES, 6, mixing) for aside in ASIDE},
    **{
        f"amazon-{source}-{target}": Task(partial(amazon, source, target), partial(_shallow, 50), IN_REVIEWS, 5, mixing)
        for source in AMAZON
        for target in AMAZON
        if source != target
    },
}

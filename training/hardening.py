r"""Adversarial training: the network learns from pictures that are made, at every update, to fool it as it is just now.

$$\tilde J(\theta, x, y) = \alpha J(\theta, x, y) + (1 - \alpha) J(\theta, x_{adv}, y)$$

With $x_{adv} = x + \epsilon\,\mathrm{sign}(\nabla_x J(\theta, x, y))$ and $\alpha = \frac12$ it is Goodfellow 2014, section 6; with
$\alpha = 0$ and PGD it is Madry 2018. The attack is told the true label, never the network's own answer.

Three tasks go through the one loop: "moons" (points of a plane) and "digits" (scikit-learn's, 8 × 8 pixels) while one watches,
"mnist" at the command line (wants `DIR/digits`, see `training.digits`).
"""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attacks.classification import cross_entropy
from attacks.gradient import Loss, fgsm, noise, pgd
from models.digit_classifier import DigitClassifier, grey, ink
from models.small import MLP
from training import digits
from training.annotate import pool
from training.snapshot import Snapshot, restore, state_of

Pictures = Float[Tensor, "batch 1 height width"]
Labels = Int[Tensor, " batch"]

HISTORY = "history."  # of the names in a state
STEPS, RESTARTS = 20, 2  # of the PGD that measures: never the attack that trains
GAP = 20.0  # points between the accuracy under FGSM and under PGD that are no chance any more
REACH = 2.5  # a PGD of n steps of REACH · ε / n can cross the ball, and turn


@dataclass(frozen=True)
class Task:
    """What is learned, and how.

    Attributes:
        x, y: to train; `x_test`, `y_test`: to measure.
        network: makes it, from a seed.
        batch: examples an update.
        rate: the learning rate of Adam at a share of the run, 0 to 1.
        warm_up: the share of the run in which ε grows from 0 to its size.
        half: compute in bfloat16 where the processor can, while training.
        view: what a page draws, of the network and of what PGD made of the test pictures.
        keeps: metrics and views of all snapshots stay in the state, for a report.
    """

    x: Pictures
    y: Labels
    x_test: Pictures
    y_test: Labels
    network: Callable[[int], nn.Module]
    batch: int
    rate: Callable[[float], float]
    warm_up: float = 0.0
    half: bool = False
    view: Callable[["Task", nn.Module, Pictures], dict[str, Tensor]] = lambda *_: {}
    keeps: bool = False


@dataclass(frozen=True)
class How:
    """What may be changed while it runs.

    Attributes:
        alpha: the weight of the clean pictures' loss.
        epsilon: how far a pixel may be moved, in pixels of [0, 1].
        inner: what makes x_adv, a name of `INNER`.
        steps: of the inner PGD.
    """

    alpha: float = 0.5
    epsilon: float = 0.25
    inner: str = "fgsm"
    steps: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"α is a weight from 0 to 1; it was {self.alpha}.")
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"ε is a size in pixels from 0 to 1; it was {self.epsilon}.")
        if self.inner not in INNER:
            raise ValueError(f"There is no inner attack {self.inner!r}; there are {', '.join(INNER)}.")
        if self.steps < 1:
            raise ValueError(f"The inner PGD takes 1 step or more; it was {self.steps}.")


def _by_fgsm(loss: Loss, x: Pictures, how: How, _seed: int) -> Pictures:
    return fgsm(loss, x, how.epsilon).exact


def _by_pgd(loss: Loss, x: Pictures, how: How, seed: int) -> Pictures:
    return pgd(loss, x, how.epsilon, steps=how.steps, step_size=REACH * how.epsilon / how.steps, seed=seed).exact


def _by_noise(_loss: Loss, x: Pictures, how: How, seed: int) -> Pictures:
    return noise(x, how.epsilon, seed=seed).exact


def _by_nothing(_loss: Loss, x: Pictures, _how: How, _seed: int) -> Pictures:
    return x


INNER: dict[str, Callable[[Loss, Pictures, How, int], Pictures]] = {
    "fgsm": _by_fgsm,
    "pgd": _by_pgd,
    "noise": _by_noise,
    "none": _by_nothing,
}


def adversarial_loss(network: nn.Module, x: Pictures, y: Labels, how: How, seed: int = 0) -> Float[Tensor, ""]:
    r"""$\tilde J = \alpha J(\theta, x, y) + (1 - \alpha) J(\theta, x_{adv}, y)$, the mean over a batch, in nats.

    $x_{adv}$ is made against the network as it is and the **true** labels $y$, then held fixed: $\theta$ learns to answer it, not
    to move it. Making it leaves the weights' gradients as they were. `seed`: of the random start of PGD, and of the noise.

    Source: Goodfellow, Shlens & Szegedy 2014, section 6 ($\alpha = \frac12$, FGSM); Madry et al. 2018, equation 2.1
    ($\alpha = 0$, PGD).
    """
    x_adv = INNER[how.inner](cross_entropy(network, y), x, how, seed)
    J_adv = F.cross_entropy(network(x_adv), y)
    return how.alpha * F.cross_entropy(network(x), y) + (1 - how.alpha) * J_adv if how.alpha else J_adv


def train(
    data: Path | None = None,
    *,
    task: str = "mnist",
    seed: int = 1,
    epochs: int = 200,
    limit: int | None = None,
    resume: Snapshot | None = None,
    **how: Any,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    """Adversarial training: a snapshot before the first update and after each epoch; what is sent to it holds from there on.

    Args:
        task: a name of `TASKS`.
        limit: only so many examples to train on.
        resume: a snapshot of the same run; the rest is as if it had never stopped.
        how: see `How`.

    Metrics, in % but for the loss J̃ in nats: `clean`, the accuracy; `noise`, `fgsm`, `pgd`, that under a random ±ε, under FGSM
    and under PGD of `STEPS` steps with `RESTARTS` starts, of the ε asked for; and the α and ε in force.

    Raises ValueError for a task or a hyper-parameter that there is not, OSError for data that are missing.
    """
    if task not in TASKS:
        raise ValueError(f"There is no task {task!r}; there are {', '.join(TASKS)}.")
    now, of = How(**how), TASKS[task](data)
    x, y = of.x[:limit], of.y[:limit]
    run = f"hardening on {task}, seed {seed}, {epochs} epochs, {f'{limit} examples' if limit else 'all examples'}"
    if resume:
        resume.check(run)
    network = of.network(seed)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    begin, seconds, losses, history = 0, 0.0, list[float](), dict[str, Tensor]()
    if resume:
        restore(network, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
        history = {name: kept for name, kept in resume.state.items() if name.startswith(HISTORY)}
    for epoch in range(begin, epochs + 1):
        if epoch > begin:
            started = time.perf_counter()
            losses = _epoch(network, optimizer, of, (x, y), now, seed, epoch, epochs)
            seconds += time.perf_counter() - started
        elif resume:
            continue
        found, x_adv = measure(network, of.x_test, of.y_test, now.epsilon, seed)
        metrics = {"loss": sum(losses) / len(losses)} if losses else {}
        metrics |= found | {"alpha": now.alpha, "epsilon": now.epsilon}
        view = of.view(of, network, x_adv)
        if of.keeps:
            history = _with(history, view | {name: torch.tensor(value) for name, value in found.items()})
        state = state_of(network, optimizer) | history
        changes = yield Snapshot(epoch, epochs, seconds, metrics, state, run, view)
        now = replace(now, **changes) if changes else now


def _with(history: Mapping[str, Tensor], now: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A row more of each."""
    rows = {HISTORY + name: value[None] for name, value in now.items()}
    return {name: torch.cat([history[name], row]) if name in history else row for name, row in rows.items()}


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    of: Task,
    examples: tuple[Pictures, Labels],
    how: How,
    seed: int,
    epoch: int,
    epochs: int,
) -> list[float]:
    """Once through the examples, in an order that depends on seed and epoch alone. Returns the losses."""
    x, y = examples
    generator = torch.Generator().manual_seed(1000 * seed + epoch)
    batches = torch.randperm(len(x), generator=generator).split(of.batch)
    losses = []
    for number, rows in enumerate(batches):
        done = (epoch - 1 + number / len(batches)) / epochs
        for group in optimizer.param_groups:
            group["lr"] = of.rate(done)
        grown = min(1.0, done / of.warm_up) if of.warm_up else 1.0
        with torch.autocast("cpu", torch.bfloat16, enabled=of.half):
            loss = adversarial_loss(
                network,
                x[rows],
                y[rows],
                replace(how, epsilon=grown * how.epsilon),
                int(torch.randint(2**31, (), generator=generator)),
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def measure(
    network: nn.Module, x: Pictures, y: Labels, epsilon: float, seed: int = 0
) -> tuple[dict[str, float], Pictures]:
    r"""Accuracy in % of clean pictures and under three changes of size $\epsilon$: random signs, FGSM, and PGD.

    PGD takes `STEPS` steps and, of `RESTARTS` starts, the one that ends with the highest loss, whatever the training did: a network
    can be right under the attack it has been trained with and helpless under a better one (catastrophic overfitting; Wong 2020).
    A picture counts as right under PGD only if it is so clean, too.

    Returns: the figures, and what PGD made of the pictures.
    """
    loss = cross_entropy(network, y)
    step = REACH * epsilon / STEPS
    worst = pgd(loss, x, epsilon, steps=STEPS, step_size=step, seed=seed, restarts=RESTARTS).exact
    changed = {
        "clean": x,
        "noise": noise(x, epsilon, seed=seed).exact,
        "fgsm": fgsm(loss, x, epsilon).exact,
        "pgd": worst,
    }
    with torch.no_grad():
        right = {name: network(pictures).argmax(1) == y for name, pictures in changed.items()}
    right["pgd"] &= right["clean"]
    return {name: 100 * float(each.float().mean()) for name, each in right.items()}, worst


def overfitted(metrics: Mapping[str, float]) -> bool:
    """Catastrophic overfitting: right under the one step of FGSM, helpless under the many of PGD."""
    return metrics["fgsm"] - metrics["pgd"] > GAP


# ---------------------------------------------------------------- what is learned

SIDE = 60  # points a side of the plane that is drawn
SHOWN = 12  # digits that are drawn with their adversarial partners
GREYS = 41  # from black to white
TESTED = 500  # of MNIST's test pictures, after each epoch: the first ones


@torch.no_grad()
def _plane(of: Task, network: nn.Module, x_adv: Pictures) -> dict[str, Tensor]:
    """p of the second class on a grid of the unit square, the test points, what PGD made of them, and which of these fool."""
    axis = torch.linspace(0, 1, SIDE)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).view(-1, 1, 1, 2)
    p = network(grid).softmax(1)[:, 1].view(SIDE, SIDE)
    x, y = of.x_test, of.y_test
    fooled = (network(x).argmax(1) == y) & (network(x_adv).argmax(1) != y)
    return {"p": p, "x": x[:, 0, 0], "y": y, "x_adv": x_adv[:, 0, 0].clone(), "fooled": fooled}


@torch.no_grad()
def _weights(of: Task, network: nn.Module, x_adv: Pictures) -> dict[str, Tensor]:
    """What each unit of the first layer weighs, and some digits with what PGD made of them and the answers to both."""
    assert isinstance(network, MLP)
    first = network.layers[0]
    assert isinstance(first, nn.Linear)
    x, x_adv = of.x_test[:SHOWN].clone(), x_adv[:SHOWN].clone()  # or the whole of the storage travels with them
    return {
        "weights": first.weight.detach().view(-1, *x.shape[2:]).clone(),
        "x": x[:, 0],
        "x_adv": x_adv[:, 0],
        "y": of.y_test[:SHOWN].clone(),
        "answer": network(x).argmax(1),
        "answer_adv": network(x_adv).argmax(1),
    }


def _first_layer(_of: Task, network: nn.Module, _x_adv: Pictures) -> dict[str, Tensor]:
    assert isinstance(network, DigitClassifier)
    return {"ink": ink(network), "grey": grey(network, torch.linspace(0, 1, GREYS))}


def _small(task: str, rate: float, batch: int, view: Callable[..., dict[str, Tensor]]) -> Task:
    of = pool(task)
    inputs = of.x[0].numel()
    return Task(
        of.x,
        of.y,
        of.x_test,
        of.y_test,
        lambda seed: MLP(inputs, of.classes, seed=seed),
        batch,
        lambda _: rate,
        view=view,
    )


def _digit_classifier(seed: int) -> DigitClassifier:
    torch.manual_seed(seed)
    return DigitClassifier()


def _mnist(data: Path | None) -> Task:
    if data is None:
        raise ValueError("MNIST is read from a folder: say which with --data DIR.")
    (x, y), (x_test, y_test) = (digits.mnist(data, split) for split in ("train", "test"))

    def rate(done: float) -> float:
        return 2e-3 * min(done / 0.2 + 0.05, 1.0, (1 - done) / 0.8)

    return Task(
        x,
        y,
        x_test[:TESTED],
        y_test[:TESTED],
        _digit_classifier,
        batch=128,
        rate=rate,
        warm_up=0.25,
        half=True,
        view=_first_layer,
        keeps=True,
    )


TASKS: dict[str, Callable[[Path | None], Task]] = {
    "moons": lambda _data: _small("moons", 0.01, 50, _plane),
    "digits": lambda _data: _small("digits", 3e-3, 128, _weights),
    "mnist": _mnist,
}
RUNS: dict[str, dict[str, Any]] = {
    "digits-plain": {"inner": "none", "epsilon": 0.25, "epochs": 4},
    "digits-noise": {"inner": "noise", "epsilon": 0.25, "epochs": 6},
    "digits-fgsm": {"inner": "fgsm", "epsilon": 0.25, "epochs": 8},
    "digits-overfit": {"inner": "fgsm", "alpha": 0.0, "epsilon": 0.3, "epochs": 8},
    "digits-pgd": {"inner": "pgd", "alpha": 0.0, "epsilon": 0.3, "steps": 6, "epochs": 12},
}


def recorded(
    name: str,
    data: Path,
    seed: int = 1,
    epochs: int | None = None,
    limit: int | None = None,
    resume: Snapshot | None = None,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    """The run on MNIST of this name, see `RUNS`; otherwise as `train`."""
    how = RUNS[name] | ({"epochs": epochs} if epochs else {})
    return train(data, task="mnist", seed=seed, limit=limit, resume=resume, **how)

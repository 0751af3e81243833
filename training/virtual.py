r"""Virtual adversarial training: few labels, and an answer that shall not change under the worst small change of any example.

$$\min_\theta\ \frac1{N_l}\sum_{x_l} -\log p(y_l|x_l, \theta)
  + \alpha\,\frac1{N}\sum_{x_*} \mathrm{LDS}(x_*, \theta) + \beta\,\frac1{N}\sum_{x_*} \mathcal H(p(y|x_*, \theta))$$

$x_*$ is every example, with a label or without; the entropy $\mathcal H$ draws the network to a decision.
Source: Miyato 2017, equations 7 and 8 with its VAT + EntMin. With $\alpha = \beta = 0$ it is what the labels alone teach.
"""

import math
import time
from collections.abc import Generator, Mapping
from contextlib import nullcontext
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attacks.virtual import answer_and_lds, cross_entropy_at_r_adv, repeatable
from models import zoo
from training.digits import mnist
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of
from training.virtual_tasks import TASKS, Asked, Knobs, Labels, Task, frame, plainly


def objective(
    task: Task, network: nn.Module, knobs: Knobs, labelled: Int[Tensor, " l"], unlabelled: Int[Tensor, " u"]
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    r"""The loss of one update on these rows of `task.x`, and its parts: $J + \alpha\,\mathrm{LDS} + \beta\,\mathcal H$, means.

    Those with a label and those without go through the network apart, so that batch norm sees each by itself; its statistics are
    of those without, where they are looked at.
    """
    smooth = knobs.weight > 0 or knobs.entropy > 0
    logits, x = task.asked(network, task.x[labelled])
    y = task.y[labelled]
    with repeatable(logits) if smooth else nullcontext(logits) as p:
        J = F.cross_entropy(p(x), y)
    parts, total = {"loss": J}, J
    if knobs.adversarial > 0:
        parts["adversarial"] = cross_entropy_at_r_adv(logits, x, y, knobs.epsilon).mean()
        total = total + knobs.adversarial * parts["adversarial"]
    if smooth:
        z, LDS = answer_and_lds(*task.asked(network, task.x[unlabelled]), knobs.epsilon, K=knobs.K, xi=knobs.xi)
        parts |= {"lds": LDS.mean(), "entropy": entropy(z).mean()}
        total = total + knobs.weight * parts["lds"]
    if knobs.entropy > 0:
        total = total + knobs.entropy * parts["entropy"]
    return total, {name: float(part.detach()) for name, part in parts.items()}


def entropy(z: Float[Tensor, "batch classes"]) -> Float[Tensor, " batch"]:
    r"""$\mathcal H(p) = -\sum_k p_k \log p_k$ of each row of logits, in nats."""
    log_p = z.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1)


def drawn(rows: Int[Tensor, " n"], batch: int) -> Int[Tensor, " batch"]:
    """So many of the rows by torch's generator, with replacement; all of them if `batch` is 0."""
    return rows[torch.randint(len(rows), (batch,))] if batch else rows


class Learner:
    """A network, its optimizer, and one update."""

    def __init__(self, task: Task, seed: int):
        torch.manual_seed(seed)
        self.task, self.network = task, task.network()
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)

    def update(self, knobs: Knobs, step: int, seed: int) -> dict[str, float]:
        """The update number `step`, the same whenever it is run."""
        torch.manual_seed(1_000_003 * seed + step)
        task = self.task
        rows = drawn(task.labelled, task.batch[0]), drawn(torch.arange(len(task.x)), task.batch[1])
        left = (1 - step / task.updates) / task.falls if task.falls else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = knobs.rate * min(1.0, left)
        loss, parts = objective(task, self.network.train(), knobs, *rows)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return parts

    def state(self) -> dict[str, Tensor]:
        return state_of(self.network, self.optimizer)

    def put_back(self, state: Mapping[str, Tensor], prefix: str = "") -> None:
        """Be as a snapshot's state says, of whose tensors ours begin with `prefix`."""
        ours = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        restore(self.network, self.optimizer, ours)

    def error(self) -> float:
        return error(self.task.asked, self.network, self.task.x_kept, self.task.y_kept)


TWIN = "twin."  # before the names of all that is its own in a snapshot
CURVE = ("step", "loss", "lds", "entropy", "error")  # the columns of `curve` in a snapshot's state, a row a snapshot


def train(
    data: Path | None = None,
    *,
    task: str,
    seed: int = 1,
    resume: Snapshot | None = None,
    epochs: int | None = None,
    labels: int | None = None,
    **knobs: float,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    """Learn; a snapshot before anything is learned, and one every `Task.every` updates.

    Metrics: loss, LDS and entropy of the last batch, and the error (%) on what is kept aside. On a plane a twin learns beside it,
    from the same first weights and the labels alone.

    Args:
        task: a name of `TASKS`.
        epochs: how many snapshots, if not as many as the task says.
        labels: how many examples have one.
        knobs: fields of `Knobs`; what is sent to the generator changes them from there on.

    Raises ValueError for unknown names and values that make no sense; OSError where the data are missing.
    """
    if task not in TASKS:
        raise ValueError(f"There is no task {task!r}; there are {', '.join(TASKS)}.")
    learned = TASKS[task](data, seed, labels)
    if epochs:
        learned = replace(learned, updates=epochs * learned.every)
    run, held = f"virtual {task}, {len(learned.labelled)} labels, seed {seed}", turned(learned.knobs, knobs)
    learners = {prefix: Learner(learned, seed) for prefix in (("", TWIN) if learned.view else ("",))}
    step, seconds, parts, trail = 0, 0.0, dict[str, float](), dict[str, Tensor]()
    if resume:
        resume.check(run)
        step, seconds = resume.step, resume.seconds
        trail = {name: tensor for name, tensor in resume.state.items() if name.startswith(("curve", "film."))}
        for prefix, learner in learners.items():
            learner.put_back(resume.state, prefix)
    while True:
        if not (resume and step == resume.step):
            metrics, state, view = looked_at(learned, learners, held)
            row = {"step": float(step), **parts, **metrics}
            now = {"curve": torch.tensor([row.get(name, math.nan) for name in CURVE])}
            if learned.filmed is not None:
                now |= frame(learners[""].network, learned.filmed, held)
            trail = {k: torch.cat([trail[k], new[None]]) if k in trail else new[None] for k, new in now.items()}
            changes = yield Snapshot(step, learned.updates, seconds, parts | metrics, state | trail, run, view)
            held = turned(held, changes or {})
        if step >= learned.updates:
            return
        begun = time.perf_counter()
        for _ in range(min(learned.every, learned.updates - step)):
            parts = learners[""].update(held, step, seed)
            for twin in list(learners.values())[1:]:
                twin.update(alone(held), step, seed)
            step += 1
        seconds += time.perf_counter() - begun


def looked_at(
    task: Task, learners: Mapping[str, Learner], knobs: Knobs
) -> tuple[dict[str, float], dict[str, Tensor], dict[str, Tensor]]:
    """The metrics, the state and the view of a moment, a learner's names beginning with its prefix."""
    metrics, state, view = dict[str, float](), dict[str, Tensor](), dict[str, Tensor]()
    for prefix, learner in learners.items():
        metrics[f"{prefix}error"] = learner.error()
        state |= {prefix + name: tensor for name, tensor in learner.state().items()}
        if task.view:
            seen = task.view(learner.network, task, knobs)
            metrics[f"{prefix}lds_mean"] = float(seen["lds_at"].mean())
            view |= {prefix + name: tensor for name, tensor in seen.items()}
    return metrics, state, view


def network_of(task: Task, snapshot: Snapshot, prefix: str = "") -> nn.Module:
    """The network of a moment, or its twin with the prefix `TWIN`; ready for use."""
    begin, network = f"{prefix}model.", task.network()
    ours = {name.removeprefix(begin): t for name, t in snapshot.state.items() if name.startswith(begin)}
    network.load_state_dict(ours)
    return network.eval().requires_grad_(False)


def alone(knobs: Knobs) -> Knobs:
    """What the labels alone teach."""
    return replace(knobs, weight=0.0, entropy=0.0, adversarial=0.0)


def turned(knobs: Knobs, changes: Mapping[str, Any]) -> Knobs:
    """The knobs with some of them changed. Raises ValueError for one that there is not, or a value that makes no sense."""
    unknown = set(changes) - {field.name for field in fields(Knobs)}
    if unknown:
        raise ValueError(f"There is nothing called {', '.join(sorted(unknown))} to change in this training.")
    return replace(knobs, **changes)


@torch.no_grad()
def error(asked: Asked, network: nn.Module, x: Tensor, y: Labels, at_once: int = 500) -> float:
    """The share of the examples that are classified wrongly, in %."""
    network.eval()
    wrong = 0
    for some, labels in zip(x.split(at_once), y.split(at_once), strict=True):
        logits, given = asked(network, some)
        wrong += int((logits(given).argmax(1) != labels).sum())
    return 100 * wrong / len(x)


# ---------------------------------------------------------------- what ships

VAT, ALONE = DIGIT_NAMES = ("digits-vat", "digits-100-labels")
REVIEWS_VAT, REVIEWS_ADVERSARIAL, REVIEWS_ALONE = REVIEW_NAMES = ("imdb-vat", "imdb-adversarial", "imdb-plain")
LABELS_ALONE = {"weight": 0.0, "entropy": 0.0}
TRAININGS: dict[str, dict[str, Any]] = {
    VAT: {"task": "mnist"},
    ALONE: {"task": "mnist", **LABELS_ALONE},
    REVIEWS_VAT: {"task": "imdb"},
    REVIEWS_ADVERSARIAL: {"task": "imdb", **LABELS_ALONE, "adversarial": 1.0, "epsilon": 2.0},
    REVIEWS_ALONE: {"task": "imdb", **LABELS_ALONE},
}


def evaluate(name: str, data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: error in % on MNIST's test half."""
    x, y = (part[:limit] for part in mnist(data, split))
    wrong = error(plainly, zoo.digits_of_few_labels(name), x, y)
    return {"name": name, "split": split, "n": len(x), "metrics": {"error": round(wrong, 2)}}


def export(name: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, and the card with what `evaluate` measures on them."""
    ship(name, run, seed, lambda: evaluate(name, data)["metrics"], **(ABOUT | TITLES[name]))


ABOUT: dict[str, Any] = {
    "data": "100 labels of MNIST's training half, 10 of each digit",
    "licence": "free for research, as its data",
    "published_on": "MNIST test, 100 labels, a network of linear layers (Miyato 2017; cited from memory, not checked again)",
    "measured_on": "MNIST's test half (10,000), fp16 weights",
}
TITLES: dict[str, dict[str, Any]] = {
    VAT: {
        "title": "Digits from 100 labels, VAT",
        "paper": "Miyato 2017: virtual adversarial training with entropy minimisation; the small convolutional network is ours",
        "published": {"error": 1.36},
    },
    ALONE: {
        "title": "Digits from 100 labels alone",
        "paper": "the same network without virtual adversarial training",
        "published": {},
        "published_on": "the paper has no such network",
    },
}

r"""What to label next: pool-based active learning, where the distance to the decision boundary is a reason to ask.

A network learns from a few labels, looks at the pool of what has none, and asks for the labels of `query` of it; then it learns
anew. Which it asks for is the strategy:

- `random`: any of the pool.
- `entropy`: the largest $-\sum_k p_k \log p_k$.
- `margin`: the smallest $p_{(1)} - p_{(2)}$ of the two likeliest classes.
- `deepfool`: the smallest $\|\eta\|_2$ that DeepFool needs to change the answer, the distance to the boundary.
- `dfal`: the same, and the adversarial partner $x + \eta$ of each gets the label of $x$, free: it looks the same.

Source: Ducoffe & Precioso 2018, *Adversarial Active Learning for Deep Networks: a Margin Based Approach*. Runs with the same
seed begin with the same labels and the same first weights, whatever the strategy, so they can be compared in pairs.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy.stats import t as student
from sklearn.datasets import load_digits, make_moons
from torch import Tensor

from attacks.classification import margins
from attacks.nearest import deepfool
from models.small import MLP
from training.snapshot import Snapshot

DFAL = "dfal"
UPDATES, RATE, DECAY = 80, 0.01, 1e-4  # of Adam, with all labels at once
ROUNDS = 19
HALVINGS = 12
TESTED = 500  # digits kept aside
MOONS, NOISE = 300, 0.15

Pictures = Float[Tensor, "batch 1 height width"]
Labels = Int[Tensor, " batch"]


@dataclass(frozen=True)
class Pool:
    """What can be labelled, with the labels that an annotator who never errs would give, and what it is tested on."""

    x: Pictures
    y: Labels
    x_test: Pictures
    y_test: Labels
    classes: int


@dataclass(frozen=True)
class Settings:
    """One run, in values that can be kept as a key.

    Attributes:
        task: a name of `POOLS`.
        strategy: a name of `STRATEGIES`.
        start: labels to begin with, as many of each class as can be.
        query: labels that are asked for in a round.
    """

    task: str = "digits"
    strategy: str = "deepfool"
    start: int = 10
    query: int = 10
    seed: int = 1

    @property
    def most(self) -> int:
        """Rounds until the pool is empty."""
        return (len(pool(self.task).x) - self.start) // self.query


@dataclass(frozen=True)
class Nearest:
    r"""What DeepFool found of pictures.

    Attributes:
        partner: $x + \eta$, on the other side of the boundary.
        distance: $\|\eta\|_2$, in pixels of [0, 1].
        answer, rival: what the network says of $x$, and what it would say beyond the boundary.
    """

    partner: Pictures
    distance: Float[Tensor, " batch"]
    answer: Labels
    rival: Labels


def digits() -> Pool:
    """scikit-learn's 1,797 handwritten digits of 8 × 8 pixels with 17 greys, 500 of them kept for the test."""
    found = load_digits()
    x, y = torch.tensor(found.images / 16, dtype=torch.float32)[:, None], torch.tensor(found.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    test, rest = order[:TESTED], order[TESTED:]
    return Pool(x[rest], y[rest], x[test], y[test], 10)


def moons() -> Pool:
    """Two interleaved half circles with noise, as pictures of one row and two columns; one scale for both coordinates."""
    points, y = make_moons(2 * MOONS, noise=NOISE, random_state=0)
    low, high = points.min(0), points.max(0)
    x = torch.tensor(0.5 + (points - (low + high) / 2) / (1.1 * (high - low).max()), dtype=torch.float32)[:, None, None]
    return Pool(x[:MOONS], torch.tensor(y[:MOONS]), x[MOONS:], torch.tensor(y[MOONS:]), 2)


POOLS: dict[str, Callable[[], Pool]] = {"digits": digits, "moons": moons}


@cache
def pool(task: str) -> Pool:
    return POOLS[task]()


def nearest(network: MLP, x: Pictures) -> Nearest:
    """How far each picture is from the boundary, and what lies just beyond it: DeepFool, then back along its way to the boundary.

    An upper bound: DeepFool takes the boundary for flat, so another way may be shorter.
    """
    with torch.no_grad():
        answer = network(x).argmax(1)
    partner = back(network, x, answer, deepfool(margins(network, answer), x).exact)
    with torch.no_grad():
        rival = network(partner).scatter(1, answer[:, None], float("-inf")).argmax(1)
    return Nearest(partner, (partner - x).flatten(1).norm(dim=1), answer, rival)


@torch.no_grad()
def back(network: MLP, x: Pictures, answer: Labels, beyond: Pictures) -> Pictures:
    """The first picture on the way from `x` to `beyond` with another answer, by bisection; `beyond` where only that has."""
    low, high = torch.zeros(len(x), 1, 1, 1), torch.ones(len(x), 1, 1, 1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        crossed = (network(x + middle * (beyond - x)).argmax(1) != answer)[:, None, None, None]
        low, high = torch.where(crossed, low, middle), torch.where(crossed, middle, high)
    return x + high * (beyond - x)


@torch.no_grad()
def by_entropy(network: MLP, x: Pictures) -> Float[Tensor, " batch"]:
    r"""$\sum_k p_k \log p_k$, the entropy with its sign turned: the smaller, the less sure of all classes."""
    log_p = network(x).log_softmax(1)
    return (log_p.exp() * log_p).sum(1)


@torch.no_grad()
def by_margin(network: MLP, x: Pictures) -> Float[Tensor, " batch"]:
    r"""$p_{(1)} - p_{(2)}$ of the two likeliest classes: the smaller, the less sure which of them."""
    first, second = network(x).softmax(1).topk(2).values.T
    return first - second


def by_distance(network: MLP, x: Pictures) -> Float[Tensor, " batch"]:
    r"""$\|\eta\|_2$, the smallest change that DeepFool needs to turn the answer: the smaller, the nearer to the boundary.

    Ducoffe & Precioso 2018 take it for the margin of a deep network, which has no formula.
    """
    return nearest(network, x).distance


def at_random(_network: MLP, x: Pictures) -> Float[Tensor, " batch"]:
    """All alike: `choose` breaks ties at random."""
    return torch.zeros(len(x))


STRATEGIES: dict[str, Callable[[MLP, Pictures], Float[Tensor, " batch"]]] = {
    "random": at_random,
    "entropy": by_entropy,
    "margin": by_margin,
    "deepfool": by_distance,
    DFAL: by_distance,
}


def choose(score: Float[Tensor, " batch"], query: int, generator: torch.Generator) -> Int[Tensor, " query"]:
    """The numbers of the `query` smallest scores, ties broken at random."""
    shuffled = torch.randperm(len(score), generator=generator)
    return shuffled[score[shuffled].argsort(stable=True)[:query]]


def train(settings: Settings, rounds: int = ROUNDS, resume: Snapshot | None = None) -> Iterator[Snapshot]:
    """Learn, ask, be told the truth, learn anew: a snapshot a round, the first before anything was asked.

    Raises ValueError if the pool has not so many rounds, or if `resume` is of another run.
    """
    if rounds > settings.most:
        raise ValueError(f"The pool is empty after {settings.most} rounds; {rounds} cannot be run.")
    snapshot = resume
    if snapshot is None:
        snapshot = begin(settings)
        yield snapshot
    snapshot.check(run_of(settings))
    while snapshot.step < rounds:
        snapshot = go_on(settings, snapshot, truth(settings, snapshot))
        yield snapshot


def truth(settings: Settings, snapshot: Snapshot) -> Labels:
    """What an annotator who never errs says of what is asked for."""
    return pool(settings.task).y[snapshot.state["picked"]]


def run_of(settings: Settings) -> str:
    return f"annotate {settings.task}, {settings.strategy}, {settings.start} + {settings.query}, seed {settings.seed}"


def begin(settings: Settings) -> Snapshot:
    """Learn from the first labels, and choose what to ask for. Raises ValueError if the settings leave nothing to ask."""
    known = pool(settings.task)
    if settings.start < known.classes or settings.query < 1 or settings.most < 1:
        raise ValueError(f"Begin with a label for each of the {known.classes} classes, and leave something to ask for.")
    first = first_labels(known, settings.start, torch.Generator().manual_seed(settings.seed))
    return learned(settings, 0, 0.0, first, known.y[first], known.x[:0], known.y[:0])


def go_on(settings: Settings, snapshot: Snapshot, labels: Labels) -> Snapshot:
    """Take the labels for what `snapshot` asks for, right or wrong, and learn anew. `dfal` labels the partners, too."""
    state = snapshot.state
    partners, of_partners = state["partners"], state["of_partners"]
    if settings.strategy == DFAL:
        partners, of_partners = torch.cat([partners, state["partner"]]), torch.cat([of_partners, labels])
    return learned(
        settings,
        snapshot.step + 1,
        snapshot.seconds,
        torch.cat([state["labelled"], state["picked"]]),
        torch.cat([state["labels"], labels]),
        partners,
        of_partners,
    )


def first_labels(known: Pool, start: int, generator: torch.Generator) -> Int[Tensor, " start"]:
    """Pictures drawn at random, the classes taking turns."""
    shuffled = torch.randperm(len(known.y), generator=generator)
    turns = [shuffled[known.y[shuffled] == k].tolist() for k in range(known.classes)]
    return torch.tensor([turns[i % known.classes][i // known.classes] for i in range(start)])


def learned(
    settings: Settings,
    step: int,
    seconds: float,
    labelled: Int[Tensor, " labelled"],
    labels: Int[Tensor, " labelled"],
    partners: Pictures,
    of_partners: Labels,
) -> Snapshot:
    """The moment after learning: how good the network is, and what it asks for next.

    In `state`: `labelled`, the numbers in the pool of what has a label, with `labels`; `picked`, what is asked for, with the
    fields of its `Nearest`; `partners`, the free examples, with `of_partners`.
    """
    known, started = pool(settings.task), time.perf_counter()
    x, y = torch.cat([known.x[labelled], partners]), torch.cat([labels, of_partners])
    network = fit(x, y, known.classes, settings.seed)
    generator = torch.Generator().manual_seed(1000 * settings.seed + step)
    left = torch.ones(len(known.x), dtype=torch.bool)
    left[labelled] = False
    rest = left.nonzero()[:, 0]
    picked = rest[choose(STRATEGIES[settings.strategy](network, known.x[rest]), settings.query, generator)]
    seconds += time.perf_counter() - started
    return Snapshot(
        step,
        settings.most,
        seconds,
        {"labels": float(len(labelled)), "accuracy": accuracy(network, known)},
        {
            **{f"model.{name}": tensor for name, tensor in network.state_dict().items()},
            **{"labelled": labelled, "labels": labels, "partners": partners, "of_partners": of_partners},
            **{"picked": picked, **vars(nearest(network, known.x[picked]))},
        },
        run_of(settings),
    )


def fit(x: Pictures, y: Labels, classes: int, seed: int) -> MLP:
    """A network that learned these examples from its first weights on: the same for the same seed and examples."""
    network = MLP(x[0].numel(), classes, seed=seed)
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=DECAY, fused=True)
    for _ in range(UPDATES):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def network_of(settings: Settings, snapshot: Snapshot) -> MLP:
    """The network of a moment."""
    known = pool(settings.task)
    network = MLP(known.x[0].numel(), known.classes)
    network.load_state_dict({k.removeprefix("model."): t for k, t in snapshot.state.items() if k.startswith("model.")})
    return network.eval().requires_grad_(False)


@torch.no_grad()
def accuracy(network: MLP, known: Pool) -> float:
    """Of the test pictures, in %."""
    return 100 * float((network(known.x_test).argmax(1) == known.y_test).double().mean())


def paired(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, int]:
    r"""The mean of $a - b$ over seeds, half the width of its 95 % interval ($t$ of Student), and how often $a$ is better.

    Raises ValueError for fewer than two pairs.
    """
    if len(a) < 2:
        raise ValueError("One pair has no spread: compare at least two seeds.")
    difference = torch.tensor(a, dtype=torch.float64) - torch.tensor(b, dtype=torch.float64)
    n = len(difference)
    half = float(student.ppf(0.975, n - 1) * difference.std() / n**0.5)
    return float(difference.mean()), half, int((difference > 0).sum())

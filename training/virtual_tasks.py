r"""What `training.virtual` learns from: points of a plane with few labels, MNIST with 100, reviews of films.

Each task is a function of the folder of data, the seed (which examples have a label), and how many have one.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor, nn

from attacks.virtual import Logits, lds, r_vadv
from models.few_labels import DigitCNN, Review, ReviewCNN
from models.small import MLP
from models.words import PAD, Vocabulary
from training import annotate, classify
from training.annotate import Pool, first_labels
from training.digits import mnist
from training.kept import kept
from training.vectors import vectors

Labels = Int[Tensor, " batch"]
Asked = Callable[[nn.Module, Tensor], tuple[Logits, Tensor]]


def plainly(network: nn.Module, x: Tensor) -> tuple[Logits, Tensor]:
    """The network as it is, asked about x as it is."""
    return network, x


@dataclass(frozen=True)
class Knobs:
    r"""What may be changed while it runs.

    Attributes:
        epsilon: $\|r_{\mathrm{vadv}}\|_2$, in units of the examples.
        xi, K: of the power iteration.
        weight: $\alpha$, of the LDS; 0: the labels alone, and nothing without a label is looked at.
        entropy: $\beta$.
        adversarial: weight of the loss at $x + r_{\mathrm{adv}}$, of the examples with a label.
        rate: of Adam.
    """

    epsilon: float
    xi: float
    K: int = 1
    weight: float = 1.0
    entropy: float = 0.0
    adversarial: float = 0.0
    rate: float = 2e-3

    def __post_init__(self) -> None:
        if not (
            self.xi > 0 and self.epsilon >= 0 and self.K >= 0 and min(self.weight, self.entropy, self.adversarial) >= 0
        ):
            raise ValueError(f"ξ must be above 0, and ε, K and the weights not below it: {self}.")


@dataclass(frozen=True)
class Task:
    """What is learned, from what, and how long.

    Attributes:
        network: builds it; torch's generator draws its first weights.
        x, y: the examples and their labels, of which only those of `labelled` are read in training.
        x_kept, y_kept: kept aside, to measure.
        batch: examples with a label, and without, an update; 0: all of them.
        updates, every: how many, and how many a snapshot.
        falls: the share of the run, its last, in which the rate falls to 0 in a straight line.
        asked: the logits as a function of what is perturbed, and that, of a batch of `x`.
        view: what a page draws.
        filmed: examples whose worst directions the state keeps, of every snapshot so far.
    """

    network: Callable[[], nn.Module]
    x: Tensor
    y: Labels
    labelled: Int[Tensor, " labelled"]
    x_kept: Tensor
    y_kept: Labels
    knobs: Knobs
    batch: tuple[int, int]
    updates: int
    every: int
    falls: float
    asked: Asked = plainly
    view: Callable[[nn.Module, "Task", Knobs], Mapping[str, Tensor]] | None = None
    filmed: Tensor | None = None


KEPT_ASIDE = 1000  # labelled examples of the training half, to choose hyper-parameters by: the test set chooses nothing
GRID = 48  # points a side of the plane
LOOKED = 0  # seed of the random directions that a page's arrows begin with: the same at every snapshot


# ---------------------------------------------------------------- points of a plane


def on_plane(pool: Callable[[], Pool], knobs: Knobs, labels: int) -> Callable[[Path | None, int, int | None], Task]:
    """A task of points, in every installation."""

    def task(_data: Path | None, seed: int, asked: int | None = None) -> Task:
        known, count = pool(), labels if asked is None else asked
        if not known.classes <= count <= len(known.x):
            raise ValueError(
                f"A label for each of the {known.classes} classes, and not more than {len(known.x)} in all."
            )
        labelled = first_labels(known, count, torch.Generator().manual_seed(seed))
        return Task(
            lambda: MLP(2, known.classes, seed=seed),
            known.x,
            known.y,
            labelled,
            known.x_test,
            known.y_test,
            knobs,
            batch=(0, 0),
            updates=2000,
            every=20,
            falls=0.0,
            view=plane,
        )

    return task


@cache
def spirals() -> Pool:
    """Three arms around a centre, as pictures of one row and two columns: of three classes, so that $H$ has two directions."""
    generator, each = torch.Generator().manual_seed(0), 200
    t = torch.rand(3 * each, generator=generator)
    y = torch.arange(3 * each) % 3
    angle = 2 * math.pi * (y / 3 + 0.45 * t)
    radius = 0.1 + 0.36 * t
    points = 0.5 + radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    x = (points + 0.015 * torch.randn(points.shape, generator=generator))[:, None, None]
    half = len(x) // 2
    return Pool(x[:half], y[:half], x[half:], y[half:], 3)


def moons() -> Pool:
    return annotate.pool("moons")


def axes() -> Tensor:
    """Where the plane is asked: `GRID` places from 0 to 1, of either coordinate."""
    return torch.linspace(0, 1, GRID)


def plane(network: nn.Module, task: Task, knobs: Knobs) -> dict[str, Tensor]:
    r"""What the network says everywhere, how smooth it is there, and the worst direction at each example.

    `p` (rows, columns, classes), `lds` (rows, columns), `r` (examples, 2): $r_{\mathrm{vadv}}$, `lds_at` (examples,).
    """
    rows, columns = torch.meshgrid(axes(), axes(), indexing="ij")
    everywhere = torch.stack([columns, rows], -1).reshape(-1, 1, 1, 2)
    network.eval()
    with torch.no_grad():
        p = network(everywhere).softmax(1)
    x = torch.cat([everywhere, task.x])
    r = r_vadv(network, x, knobs.epsilon, K=knobs.K, xi=knobs.xi, seed=LOOKED)
    with torch.no_grad():
        LDS = lds(network, x, r)
    n = len(everywhere)
    return {
        "p": p.reshape(GRID, GRID, -1),
        "lds": LDS[:n].reshape(GRID, GRID),
        "r": r[n:, 0, 0],
        "lds_at": LDS[n:],
    }


# ---------------------------------------------------------------- digits


def digits(data: Path | None, seed: int, labels: int | None = None) -> Task:
    """MNIST, 100 of its labels, 10 of each digit. Wants `DIR/digits/train-*.gz`."""
    x, y = mnist(folder(data), "train")
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    aside, rest = order[:KEPT_ASIDE], order[KEPT_ASIDE:]
    count = 100 if labels is None else labels
    known = Pool(x[rest], y[rest], x[aside], y[aside], 10)
    labelled = first_labels(known, count, torch.Generator().manual_seed(seed))
    one_of_each = torch.stack([known.x_test[known.y_test == k][0] for k in range(known.classes)])
    return Task(
        DigitCNN,
        known.x,
        known.y,
        labelled,
        known.x_test,
        known.y_test,
        DIGIT_KNOBS,
        batch=(100, 128),
        updates=3000,
        every=100,
        falls=0.7,
        filmed=one_of_each,
    )


def frame(network: nn.Module, x: Tensor, knobs: Knobs) -> dict[str, Tensor]:
    r"""What a film keeps of a moment: $p(y|x)$, $r_{\mathrm{vadv}}$ and the LDS there, of each of these examples."""
    network.eval()
    r = r_vadv(network, x, knobs.epsilon, K=knobs.K, xi=knobs.xi, seed=LOOKED)
    with torch.no_grad():
        return {"film.p": network(x).softmax(1), "film.r": r, "film.lds": lds(network, x, r)}


# ---------------------------------------------------------------- reviews


D_WORD, AT_LEAST, LONGEST = 64, 10, 200  # numbers a word; how often it must occur; words of a review, its last ones


def reviews(data: Path | None, seed: int, labels: int | None = None) -> Task:
    """IMDb's training half, all of its labels or some. Wants `DIR/imdb/train.tsv.xz`."""
    known, x, y = read_reviews(folder(data))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    aside, rest = order[:KEPT_ASIDE], order[KEPT_ASIDE:]
    pool = Pool(x[rest], y[rest], x[aside], y[aside], 2)
    labelled = (
        torch.arange(len(rest)) if labels is None else first_labels(pool, labels, torch.Generator().manual_seed(seed))
    )
    counts = torch.bincount(pool.x.flatten(), minlength=len(known)).float()
    counts[PAD] = 0
    first = kept("virtual-words", [list(known.words), D_WORD], lambda: vectors(known, D_WORD).clone())

    def network() -> ReviewCNN:
        made = ReviewCNN(counts / counts.sum(), D_WORD)
        made.embedding.weight.data.copy_(first)
        return made

    return Task(
        network,
        pool.x,
        pool.y,
        labelled,
        pool.x_test,
        pool.y_test,
        REVIEW_KNOBS,
        batch=(64, 64),
        updates=1500,
        every=100,
        falls=1.0,
        asked=perturbed_words,
    )


@cache
def read_reviews(data: Path) -> tuple[Vocabulary, Int[Tensor, "texts longest"], Labels]:
    """The words of the training half, its reviews and their labels."""
    texts = classify.imdb(data, "train")
    known = Vocabulary.count((text.words for text in texts), AT_LEAST)
    return known, padded(texts, known), torch.tensor([text.label for text in texts])


def review_test(data: Path, limit: int | None = None) -> tuple[Int[Tensor, "texts longest"], Labels]:
    """The test half's reviews and labels, in the training half's words."""
    texts = classify.imdb(data, "test")
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(0))[:limit].tolist()
    chosen = [texts[i] for i in order]  # the file is sorted by label
    return padded(chosen, read_reviews(data)[0]), torch.tensor([text.label for text in chosen])


def padded(texts: list[classify.Text], known: Vocabulary) -> Int[Tensor, "texts longest"]:
    """The last `LONGEST` words of each text, padding after shorter ones."""
    rows = [known.encode(text.words)[-LONGEST:] for text in texts]
    return torch.tensor([row + [PAD] * (LONGEST - len(row)) for row in rows])


def perturbed_words(network: nn.Module, words: Int[Tensor, "batch source"]) -> tuple[Logits, Tensor]:
    """The logits as a function of the words' normalised vectors, and these: what Miyato perturbs of a text."""
    assert isinstance(network, ReviewCNN)
    return Review(network, words != PAD).train(network.training), network.embed(words)


def folder(data: Path | None) -> Path:
    if data is None:
        raise ValueError("This task wants the folder that holds the data sets.")
    return data


MOONS_KNOBS = Knobs(epsilon=0.05, xi=1e-3, rate=0.01)
SPIRAL_KNOBS = Knobs(epsilon=0.05, xi=1e-3, rate=0.01)
DIGIT_KNOBS = Knobs(epsilon=1.5, xi=0.1, entropy=1.0, rate=2e-3)
REVIEW_KNOBS = Knobs(epsilon=1.0, xi=0.1, rate=4e-3)

MOONS, SPIRALS, DIGITS, REVIEWS = "moons", "spirals", "mnist", "imdb"
TASKS: dict[str, Callable[[Path | None, int, int | None], Task]] = {
    MOONS: on_plane(moons, MOONS_KNOBS, 8),
    SPIRALS: on_plane(spirals, SPIRAL_KNOBS, 8),
    DIGITS: digits,
    REVIEWS: reviews,
}

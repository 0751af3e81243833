r"""What goes wrong with an adversary, and what mends it: two runs of `training.domain` side by side, of the same seed and batches.

The lecture's list: a bad beginning, constraints applied at once, an adversary that is too strong or too weak; an adverse task that
is orthogonal to the main one (noise), too correlated with it (confusion), or correlated with a bias (improvement); an adverse task
that cannot be modelled; what it costs.

Source: Ganin et al. 2016; Marzinotto et al. 2019, as the lecture cites them.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from sklearn.datasets import load_digits
from torch import Tensor, nn

from models.domain import DomainAdversarial, perceptron
from training import domain
from training.domain import TASKS, Domains, Examples, Settings, Task
from training.snapshot import Snapshot

TINT = 0.5  # how strongly the plane of the other colour is inked
LEARNED = 1000  # of scikit-learn's 1,797 digits; the others are the test
HIDDEN, JUDGE = 64, 32  # units of the shared layer, and of the judge
CORRELATIONS = (0.0, 0.3, 0.6, 0.8, 0.9, 0.97, 1.0)
WIDTHS = (32, 256, 2048)
AT = 0.9  # the correlation where another thing is turned
WORSE, BETTER = "worse", "better"

Options = dict[str, Any]


@dataclass(frozen=True)
class Difficulty:
    """One of the lecture's list.

    Attributes:
        turned: what a visitor turns, and `values` what it can be; the value in `first` shows the difficulty best.
        sides: the options of `training.domain.train` of both runs for a value, by `WORSE` and `BETTER`.
        names: what the two are called.
        metrics: which accuracies tell.
    """

    title: str
    says: str
    turned: str
    values: tuple[Any, ...]
    first: Any
    sides: Callable[[Any], tuple[Options, Options]]
    names: tuple[str, str]
    metrics: tuple[str, ...] = ("accuracy_target",)


def in_two_colours(
    x: Float[Tensor, "n 8 8"], y: Int[Tensor, " n"], correlation: float, random: torch.Generator
) -> tuple[Float[Tensor, "n 128"], Int[Tensor, " n"]]:
    r"""Digits drawn in one of two colours, and the colours: $P(d = y) = \frac{1 + \rho}{2}$, with $\rho$ the correlation of both.

    A picture is 2 × 8 × 8 numbers, a plane for each colour; the other colour's is `TINT` of its own.
    """
    same = torch.rand(len(y), generator=random) < (1 + correlation) / 2
    d = torch.where(same, y, 1 - y)
    planes = TINT * x[:, None].repeat(1, 2, 1, 1)
    planes[torch.arange(len(y)), d] = x
    return planes.flatten(1), d


def coloured(correlation: float, coin: bool, _data: Path | None, seed: int) -> Domains:
    """Odd or even? The main task is a digit's last bit, and its colour goes along with it, as a bias of the data.

    Held out are digits in the colours as they were learned, and fairly coloured: either colour for either class.

    Args: coin: the judge shall name the throw of a coin instead of the colour, which is in no picture.
    """
    digits = load_digits()
    x, y = torch.tensor(digits.images, dtype=torch.float32) / 16, torch.tensor(digits.target % 2).long()
    random = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(y), generator=random)
    learned, held = order[:LEARNED], order[LEARNED:]

    def examples(chosen: Tensor, correlation: float) -> Examples:
        pictures, d = in_two_colours(x[chosen], y[chosen], correlation, random)
        thrown = torch.randint(2, (len(d),), generator=random)
        return Examples(pictures, y[chosen], thrown if coin else d)

    return Domains(
        examples(learned, correlation),
        None,
        {"learned": examples(held, correlation), "fair": examples(held, 0.0)},
        classes=2,
    )


def network(judge: int, examples: Domains, _settings: Settings) -> DomainAdversarial:
    """One shared layer, a linear head, and a judge with one hidden layer of `judge` units."""
    inputs = examples.labelled.x.shape[1]
    features = nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU())
    return DomainAdversarial(features, nn.Linear(HIDDEN, 2), perceptron(HIDDEN, judge, 2))


IN_COLOURS = Settings(rate=2e-3, momentum=0.5, batch=64, every=50)


def _task(correlation: float, coin: bool = False, judge: int = JUDGE) -> Task:
    return Task(partial(coloured, correlation, coin), partial(network, judge), IN_COLOURS, 30, domain.mixing)


TASKS.update({f"coloured-{rho:g}": _task(rho) for rho in CORRELATIONS})
TASKS.update({f"coin-{rho:g}": _task(rho, coin=True) for rho in CORRELATIONS})
TASKS.update({f"coloured-judge-{width}": _task(AT, judge=width) for width in WIDTHS})

MOONS: Options = {"task": "moons"}
BIASED: Options = {"task": f"coloured-{AT:g}"}
BOTH = ("accuracy_learned", "accuracy_fair")

DIFFICULTIES: dict[str, Difficulty] = {
    "beginning": Difficulty(
        "Badly initialised",
        "First weights that are too large drive every unit to its end, where its gradient is 0. Small ones do no harm here.",
        "Scale of the first weights",
        (0.001, 0.1, 1.0, 10.0, 100.0),
        100.0,
        lambda scale: (MOONS | {"scale": scale}, MOONS),
        ("this scale", "scale 1 (Glorot)"),
    ),
    "progress": Difficulty(
        "All at once",
        "λ in full from the first step: the features run from a judge that knows nothing yet. λ_p lets it in by and by.",
        "λ in the end",
        (0.5, 1.0, 2.0, 4.0),
        2.0,
        lambda strength: (BIASED | {"strength": strength, "scheduled": False}, BIASED | {"strength": strength}),
        ("λ held", "λ rises"),
        BOTH,
    ),
    "balance": Difficulty(
        "Too weak, too strong",
        "A judge that lags behind is fooled though nothing is forgotten, as a fresh probe tells; one that is far ahead shakes all.",
        "The judge's pace",
        (0.01, 0.1, 1.0, 10.0, 30.0),
        30.0,
        lambda pace: (MOONS | {"pace": pace}, MOONS),
        ("this pace", "pace 1"),
    ),
    "bias": Difficulty(
        "Noise, confusion, or cure",
        "Orthogonal (0): to forget the colour costs a little and brings nothing. Correlated by a bias of the data: "
        "fair digits gain, biased ones lose. At 1 class and colour are one thing, and nothing can be forgotten.",
        "Correlation of colour and class",
        CORRELATIONS,
        0.9,
        lambda rho: ({"task": f"coloured-{rho:g}", "strength": 0.0}, {"task": f"coloured-{rho:g}"}),
        ("without a judge", "with a judge"),
        BOTH,
    ),
    "model": Difficulty(
        "A task that nobody can learn",
        "The judge shall name the throw of a coin. It learns the examples by heart, so its gradient is noise, and the bias stays.",
        "Correlation of colour and class",
        CORRELATIONS,
        0.9,
        lambda rho: ({"task": f"coin-{rho:g}"}, {"task": f"coloured-{rho:g}"}),
        ("judge of a coin", "judge of the colour"),
        BOTH,
    ),
    "cost": Difficulty(
        "What it costs",
        "A larger judge finds little more, and every step pays for it.",
        "Hidden units of the judge",
        WIDTHS,
        2048,
        lambda width: ({"task": f"coloured-judge-{width}"}, {"task": f"coloured-judge-{WIDTHS[0]}"}),
        ("this judge", f"a judge of {WIDTHS[0]} units"),
        BOTH,
    ),
}


def named(difficulty: str, value: Any) -> Difficulty:
    """Raises ValueError for what there is not."""
    if difficulty not in DIFFICULTIES:
        raise ValueError(f"There is no difficulty {difficulty}; there are {', '.join(DIFFICULTIES)}.")
    found = DIFFICULTIES[difficulty]
    if value not in found.values:
        raise ValueError(f"{found.turned} is one of {', '.join(f'{each:g}' for each in found.values)}, not {value}.")
    return found


def train(
    data: Path | None = None,
    *,
    difficulty: str = "bias",
    value: Any = AT,
    seed: int = 1,
    epochs: int | None = None,
    resume: Snapshot | None = None,
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    """Both runs in step: their metrics and tensors are named `worse …` and `better …`.

    Args: value: of what is turned; epochs: snapshots after the first.

    Raises ValueError for a difficulty or a value that there is not, or if `resume` is of another run.
    """
    options = dict(zip((WORSE, BETTER), named(difficulty, value).sides(value), strict=True))
    run = f"difficulty {difficulty} {value:g}, seed {seed}"
    if resume is not None:
        resume.check(run)
    runs = [
        domain.train(data, seed=seed, epochs=epochs, resume=resume and _part(resume, side), **of)
        for side, of in options.items()
    ]
    for both in zip(*runs, strict=True):
        sides = dict(zip(options, both, strict=True))
        yield Snapshot(
            both[0].step,
            both[0].steps,
            sum(one.seconds for one in both),
            _named(sides, lambda one: {**one.metrics, "seconds": one.seconds}),
            _named(sides, lambda one: one.state),
            run,
            _named(sides, lambda one: one.view),
        )


def _named(sides: Mapping[str, Snapshot], of: Callable[[Snapshot], Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{side} {name}": value for side, one in sides.items() for name, value in of(one).items()}


def _part(resume: Snapshot, side: str) -> Snapshot:
    """One of the two runs."""
    prefix = f"{side} "
    state = {name.removeprefix(prefix): v for name, v in resume.state.items() if name.startswith(prefix)}
    metrics = {name.removeprefix(prefix): v for name, v in resume.metrics.items() if name.startswith(prefix)}
    return replace(resume, state=state, metrics=metrics, seconds=metrics["seconds"], run="")

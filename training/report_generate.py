"""What was made, measured: for the cards of `gan-mnist` and `gan-drums`, and for `assets/recorded/generate.json`.

Pictures of MNIST itself are not kept: of its nearest neighbours, only how far they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor

from models import zoo
from models.drums import KINDS, hits, loudness
from models.gan import GAN
from training import digits, gan
from training.shipping import ship
from training.snapshot import Snapshot

NAME = "generate"
SAMPLES = 10_000  # that the classifier looks at
COMPARED = 1_000  # whose nearest neighbours are looked for
FRESH = 600  # drum hits that were not learned from
SEEDS, ROUNDS, EVERY = 3, 2000, 200  # of the ring
SICK = "collapse"
COLLAPSING: dict[str, Any] = {"judge_rate": 3e-4, "generator_rate": 3e-3}
WASSERSTEIN: dict[str, Any] = {"kind": "wgan-gp", "n_critic": 5, "judge_rate": 1e-3, "generator_rate": 1e-3}
SETTINGS: dict[str, dict[str, Any]] = {
    SICK: COLLAPSING,
    "equal rates": {"judge_rate": 1e-3, "generator_rate": 1e-3},
    "label smoothing": COLLAPSING | {"smoothing": 0.2},
    "two rates": {"judge_rate": 2e-3, "generator_rate": 5e-4},
    "WGAN-GP, λ = 10": WASSERSTEIN | {"penalty": 10.0},
    "WGAN-GP, λ = 0.1": WASSERSTEIN | {"penalty": 0.1},
}
HELD = {"mnist": 64, "drums": 8}  # pictures and sounds a frame that are recorded
MOMENTS = 8  # frames of the drums
ABOUT: dict[str, dict[str, Any]] = {
    "gan-mnist": {
        "title": "Digits from noise",
        "paper": (
            "Goodfellow 2014; Radford 2015 (DCGAN), narrower, no normalisation in the judge; labels smoothed by 0.1 (Salimans 2016)"
        ),
        "data": "MNIST, 60,000 training pictures (CC BY-SA 3.0), without their labels",
        "licence": "CC BY-SA 3.0, as its data",
        "published": {},
        "published_on": "the papers give no such figures for MNIST",
        "measured_on": (
            f"{SAMPLES:,} pictures; classes of 10 that a classifier (digits-plain) finds in at least 1 % of them, entropy "
            "of its counts (of at most 3.32 bits), its mean confidence; nearest: ‖·‖₂ to the nearest training picture, "
            f"median of {COMPARED:,}, and nearest_test the same from test pictures; fp16 weights"
        ),
    },
    "gan-drums": {
        "title": "Drum hits from noise",
        "paper": (
            "Goodfellow 2014; Gulrajani 2017 (WGAN-GP, λ = 10); loudness of 32 bands × 32 moments as a picture; phases by "
            "Griffin & Lim 1984"
        ),
        "data": f"{gan.HITS:,} hits made by our own rules (models/drums.py)",
        "licence": "CC0",
        "published": {},
        "published_on": "no paper has these sounds",
        "measured_on": (
            f"{FRESH} sounds; the kind of each by the nearest hit learned from: kinds of 3 that at least 3.3 % are, entropy of "
            "the counts (of at most 1.58 bits); nearest: ‖·‖₂ of loudness to it, median, and nearest_test the same from fresh "
            "hits, whose kind it tells in told_right of them; fp16 weights"
        ),
    },
}


def export(name: str, data: Path, run: Snapshot, seed: int) -> None:
    """Weights, card with its figures, and the film."""
    ship(name, run, seed, lambda: evaluate(name, data)["metrics"], **ABOUT[name])


def evaluate(name: str, data: Path, split: str = "train", limit: int | None = None) -> dict[str, Any]:
    """What the shipped generator makes of `limit` z. MNIST wants `DIR/digits`; the drums want nothing."""
    n = limit or (SAMPLES if name == "gan-mnist" else FRESH)
    made = sampled(zoo.gan(name), n, seed=0)
    measure = digit_figures if name == "gan-mnist" else drum_figures
    found = measure(data, split, made)
    return {"name": name, "split": split, "n": n, "metrics": {key: round(value, 2) for key, value in found.items()}}


@torch.no_grad()
def sampled(network: GAN, n: int, seed: int) -> Tensor:
    """What is made of `n` z that no training looked at."""
    z = network.draw_noise(n, torch.Generator().manual_seed(20_000 + seed))
    return torch.cat([network.make(part) for part in z.split(500)])


def digit_figures(data: Path, split: str, made: Float[Tensor, "n 1 28 28"]) -> dict[str, float]:
    """Classes, entropy and confidence by the classifier, and how far the nearest pictures of `split` are."""
    classes, confidence = classified(made)
    learned = digits.mnist(data, split)[0]
    fresh = digits.mnist(data, "test")[0][:COMPARED]
    ours, theirs = nearest(made[:COMPARED], learned)[0], nearest(fresh, learned)[0]
    counted = gan.class_counts(classes)
    return {
        "classes": counted["modes"],
        "entropy": counted["entropy"],
        "confidence": 100 * float(confidence.mean()),
        "nearest": float(ours.median()),
        "nearest_test": float(theirs.median()),
    }


@torch.no_grad()
def classified(made: Float[Tensor, "n 1 28 28"]) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """What the classifier of MNIST's digits takes each for, and how sure it is."""
    classifier = zoo.digit_classifier("digits-plain")
    p = torch.cat([classifier(part).softmax(1) for part in made.split(500)])
    confidence, classes = p.max(1)
    return classes, confidence


def nearest(x: Tensor, known: Tensor) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    r"""$\min_i \|x - x_i\|_2$ over all that is known, and which it is."""
    found = [torch.cdist(part, known.flatten(1)).min(1) for part in x.flatten(1).split(100)]
    return torch.cat([each.values for each in found]), torch.cat([each.indices for each in found])


def learned_hits() -> tuple[Float[Tensor, "n 1 32 32"], Int[Tensor, " n"]]:
    """The loudness of the hits that were learned from, and their kinds."""
    sounds, names = hits(gan.HITS, 0)
    return loudness(sounds), torch.tensor([KINDS.index(name) for name in names])


def drum_figures(_data: Path, _split: str, made: Float[Tensor, "n 1 32 32"]) -> dict[str, float]:
    """Kinds, entropy, and how far the nearest hit is, beside the same of fresh hits."""
    learned, kinds = learned_hits()
    fresh, truth = hits(FRESH, 1)
    ours, which = nearest(made, learned)
    theirs, told = nearest(loudness(fresh), learned)
    right = kinds[told] == torch.tensor([KINDS.index(name) for name in truth])
    counted = gan.class_counts(kinds[which], len(KINDS))
    return {
        "kinds": counted["modes"],
        "entropy": counted["entropy"],
        "nearest": float(ours.median()),
        "nearest_test": float(theirs.median()),
        "told_right": 100 * float(right.double().mean()),
    }


# ---------------------------------------------------------------- what the page shows


def report(data: Path, out: Path, limit: int | None, rounds: int = ROUNDS) -> dict[str, Any]:
    """Collapse and cures on the ring over seeds, and the films of the two shipped runs, whose last snapshots are in `out`; of one
    that is not there, what was recorded before.

    Args: limit: only so many seeds, at least 2. Raises OSError for a run that is neither there nor recorded.
    """
    seeds = max(2, min(limit or SEEDS, SEEDS))
    runs = {
        name: [followed(rounds, seed, options) for seed in range(1, seeds + 1)] for name, options in SETTINGS.items()
    }
    found = {
        "command": f"python -m training report {NAME} --data DIR",
        "seeds": seeds,
        "steps": list(range(0, rounds + 1, EVERY)),
        "settings": SETTINGS,
        "cures": {
            name: {metric: [run[metric] for run in each] for metric in ("modes", "js")} for name, each in runs.items()
        },
    }
    before = zoo.recorded(NAME)
    for part, film in (("mnist", lambda run: mnist_film(run) | copies(data)), ("drums", drum_film)):
        path = out / f"gan-{part}.safetensors"
        found[part] = before[part] if part in before and not path.exists() else film(Snapshot.load(path))
    return found


def followed(rounds: int, seed: int, options: Mapping[str, Any]) -> dict[str, list[float]]:
    """Modes and JS of one run on the ring."""
    run = gan.train(task="ring", seed=seed, rounds=rounds, every=EVERY, **options)
    metrics = [snapshot.metrics for snapshot in run]
    return {name: [round(each[name], 3) for each in metrics] for name in ("modes", "js")}


def mnist_film(run: Snapshot) -> dict[str, Any]:
    """The frames, as one lossless picture beside the JSON: a row a moment. What the classifier counts in each."""
    made, opinion = run.state["film.made"][:, : HELD["mnist"]], run.state["film.opinion"][:, : HELD["mnist"]]
    frames, n = made.shape[:2]
    keep("mnist", made.reshape(frames, n, 28, 28).permute(0, 2, 1, 3).reshape(frames * 28, n * 28))
    seen = [classified(frame.float() / 255) for frame in made]
    return {
        **film_of(run),
        "opinion": [[round(v, 3) for v in row] for row in opinion.sigmoid().tolist()],
        "counts": [torch.bincount(classes, minlength=10).tolist() for classes, _ in seen],
        "confidence": [round(100 * float(sure.mean()), 1) for _, sure in seen],
        "minutes": round(run.seconds / 60, 1),
    }


def drum_film(run: Snapshot) -> dict[str, Any]:
    """A few moments, evenly over the frames, each a row of the picture; of which kind the nearest learned hit of each sound is."""
    frames = run.state["film.made"].shape[0]
    chosen = torch.linspace(0, frames - 1, min(frames, MOMENTS)).round().long()
    made = run.state["film.made"][chosen][:, : HELD["drums"]]
    n, count, _, bands, moments = made.shape
    keep("drums", made[:, :, 0].permute(0, 2, 1, 3).reshape(n * bands, count * moments))
    learned, kinds = learned_hits()
    told = [[KINDS[k] for k in kinds[nearest(each.float() / 255, learned)[1]].tolist()] for each in made]
    return {
        **film_of(run),
        "score": [[round(v, 3) for v in row] for row in run.state["film.opinion"][chosen][:, : HELD["drums"]].tolist()],
        "chosen": chosen.tolist(),
        "kinds": told,
        "minutes": round(run.seconds / 60, 1),
    }


def film_of(run: Snapshot) -> dict[str, Any]:
    """The steps, and what was measured at each: of the metrics that this kind of GAN has."""
    rows = {name: run.state[f"film.{name}"] for name in gan.METRICS if f"film.{name}" in run.state}
    metrics = {name: [rounded(v) for v in row.tolist()] for name, row in rows.items() if not row.isnan().all()}
    return {"steps": run.state["film.step"].tolist(), "metrics": metrics}


def rounded(number: float) -> float | None:
    """None where nothing was measured yet."""
    return None if number != number else round(number, 4)


def keep(name: str, grey: Tensor) -> None:
    """A picture beside the JSON, lossless."""
    Image.fromarray(grey.numpy()).save(zoo.film_file(name), "WEBP", lossless=True, method=6)


def copies(data: Path) -> dict[str, Any]:
    """How far what is made, and how far test pictures are from the nearest training picture: quantiles of both."""
    learned = digits.mnist(data, "train")[0]
    made, fresh = sampled(zoo.gan("gan-mnist"), COMPARED, 0), digits.mnist(data, "test")[0][:COMPARED]
    shares = torch.tensor([0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0])
    quantiles = {
        name: [round(v, 3) for v in nearest(x, learned)[0].quantile(shares).tolist()]
        for name, x in (("made", made), ("test", fresh))
    }
    return {"distances": quantiles, "shares": [round(v, 2) for v in shares.tolist()], "compared": COMPARED}

"""What hardening is worth on MNIST: the cards of what ships, and all recorded runs side by side for `assets/recorded/harden.json`.

Wants `DIR/digits`, see `training.digits`. AutoAttack (Croce & Hein 2020) is the package `pyautoattack`, in its standard version:
APGD on the cross-entropy, APGD and FAB on each rival class, and Square, which asks for no gradient.
"""

from pathlib import Path
from typing import Any

import torch
from pyautoattack import AutoAttack
from torch import Tensor, nn

from attacks.balls import Pictures
from attacks.classification import Labels, cross_entropy
from attacks.gradient import fgsm
from models import zoo
from models.digit_classifier import DigitClassifier
from training import digits
from training.hardening import HISTORY, RUNS, TESTED, measure
from training.shipping import ship
from training.snapshot import Snapshot

NAME = "harden"
NAMES = ("digits-plain", "digits-fgsm", "digits-pgd")  # what ships
FGSM, AUTO = 0.25, 0.3  # ε of Goodfellow's table, and of Madry's
ATTACKED = 1000  # the first ones, by AutoAttack, which takes a second for one that resists
FEW = 1000  # that random signs and PGD are measured on
BATCH = 250
AT_ONCE = 100  # pictures that AutoAttack works on together
UNITS, EVERY = 12, 2  # of the first layer that are kept: the units that ink moves most, at every other grey
NOISE_PUBLISHED = 86.2  # error in % under FGSM after training on random ±0.25: Goodfellow 2014, section 6


def accuracy(network: nn.Module, x: Pictures, y: Labels) -> float:
    """In %."""
    with torch.no_grad():
        right = torch.cat([network(part).argmax(1) for part in x.split(BATCH)]) == y
    return 100 * float(right.float().mean())


def under_fgsm(network: nn.Module, x: Pictures, y: Labels, epsilon: float) -> Pictures:
    """Each picture after one step of FGSM, with the true label; not rounded."""
    parts = zip(x.split(BATCH), y.split(BATCH), strict=True)
    return torch.cat([fgsm(cross_entropy(network, answers), part, epsilon).exact for part, answers in parts])


def autoattack(network: nn.Module, x: Pictures, y: Labels, epsilon: float, seed: int = 1) -> float:
    """Accuracy in % under the standard AutoAttack: a picture counts if all four attacks fail on it."""
    attack = AutoAttack(network, norm="Linf", eps=epsilon, version="standard", seed=seed)
    parts = zip(x.split(AT_ONCE), y.split(AT_ONCE), strict=True)
    x_adv = torch.cat([attack.run_standard_evaluation(*part, batch_size=AT_ONCE)[0] for part in parts])
    if (x_adv - x).abs().max() > epsilon + 1e-6 or x_adv.min() < 0 or x_adv.max() > 1:
        raise ValueError("AutoAttack left its ball: what it found does not count.")
    return accuracy(network, x_adv, y)


def evaluate(name: str, data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "n_autoattack", "metrics"}` of the shipped weights: accuracy in %, clean, under FGSM of ε = 0.25 (of
    each network's own), and under AutoAttack of ε = 0.3 (of the first `ATTACKED` pictures)."""
    network, (x, y) = zoo.digit_classifier(name), digits.mnist(data, split)
    x, y = x[:limit], y[:limit]
    few = min(ATTACKED, len(x))
    metrics = {
        "accuracy": accuracy(network, x, y),
        f"fgsm_{FGSM}": accuracy(network, under_fgsm(network, x, y, FGSM), y),
        f"autoattack_{AUTO}": autoattack(network, x[:few], y[:few], AUTO),
    }
    metrics = {key: round(value, 2) for key, value in metrics.items()}
    return {"name": name, "split": split, "n": len(x), "n_autoattack": few, "metrics": metrics}


ABOUT: dict[str, dict[str, Any]] = {
    "digits-plain": {
        "title": "Digits, plain",
        "paper": "LeCun 1998 (the plan); Goodfellow 2014 (the comparison)",
        "published": {"accuracy": 99.06, "fgsm_0.25": 10.6},
        "published_on": "MNIST test, maxout network without adversarial training (Goodfellow 2014, section 6)",
    },
    "digits-fgsm": {
        "title": "Digits, hardened with FGSM",
        "paper": "Goodfellow 2014: adversarial training, α = ½, ε = 0.25",
        "published": {"accuracy": 99.16, "fgsm_0.25": 82.1},
        "published_on": "MNIST test, maxout network after adversarial training (Goodfellow 2014, section 6)",
    },
    "digits-pgd": {
        "title": "Digits, hardened with PGD",
        "paper": "Madry 2018: adversarial training with PGD, ε = 0.3",
        "published": {"accuracy": 98.53, "autoattack_0.3": 88.5},
        "published_on": "MNIST test (Madry 2018; AutoAttack as Croce & Hein 2020 report it)",
    },
}


def export(name: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, and the card with what `evaluate` measures on them."""
    ship(
        name,
        run,
        seed,
        lambda: evaluate(name, data)["metrics"],
        data="MNIST, 60,000 digits (LeCun 1998)",
        licence="MNIST: CC BY-SA 3.0, not shipped; the weights are this project's",
        measured_on=f"MNIST test: accuracy of 10,000 pictures, clean and under FGSM (ε = {FGSM}), and of the first "
        f"{ATTACKED} under AutoAttack (ε = {AUTO}); fp16 weights",
        **ABOUT[name],
    )


def report(data: Path, out: Path, limit: int | None = None) -> dict[str, Any]:
    """Every run of `RUNS` by its last snapshot in OUT. Raises OSError or ValueError for one that is missing or not finished."""
    x, y = (part[:limit] for part in digits.mnist(data, "test"))
    runs, networks = {}, {}
    for name in RUNS:
        last = Snapshot.load(out / f"{name}.safetensors")
        if last.step < last.steps:
            raise ValueError(f"The run {name} is at epoch {last.step} of {last.steps}: train it first.")
        networks[name] = trained(last)
        runs[name] = row(name, last, networks[name], x, y)
    transfer = under_fgsm(networks["digits-plain"], x, y, FGSM)
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "about": f"MNIST, one network and seed 1, after `python -m training {NAME} --data DIR`. Error in % on {len(x):,} test "
        f"pictures, of random signs and PGD (20 steps, 2 starts) on the first {len(x[:FEW]):,}, fp16 weights; the curves, "
        f"accuracy in %, on the first {len(x[:TESTED])} after each epoch.",
        "n": len(x),
        "epsilon": FGSM,
        "noise_published": NOISE_PUBLISHED,
        "transfer": {name: round(100 - accuracy(network, transfer, y), 2) for name, network in networks.items()},
        "runs": runs,
    }


def trained(run: Snapshot) -> DigitClassifier:
    """The network of a snapshot, ready for use, with the fp16 weights that would ship."""
    network = DigitClassifier()
    state = {key.removeprefix("model."): t.half() for key, t in run.state.items() if key.startswith("model.")}
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)


def row(name: str, last: Snapshot, network: DigitClassifier, x: Pictures, y: Labels) -> dict[str, Any]:
    """One run: how it trained, its errors at ε = `FGSM`, its curves, and of the first layer a row an epoch.

    The rows are flat: of `UNITS` units the 5 × 5 numbers of `ink`, and their `grey`, as shares of each one's largest.
    """
    kept = {key.removeprefix(HISTORY): t for key, t in last.state.items() if key.startswith(HISTORY)}
    few, _ = measure(network, x[:FEW], y[:FEW], FGSM)
    strongest = kept["ink"][-1].abs().flatten(1).amax(1).topk(UNITS).indices
    ink, grey = kept["ink"][:, strongest], kept["grey"][:, strongest, ::EVERY]
    grey = grey / grey.abs().amax(2, keepdim=True).clamp_min(1e-6)
    return {
        "how": {key: value for key, value in RUNS[name].items() if key != "epochs"},
        "minutes": round(last.seconds / 60, 1),
        "error": {
            "clean": round(100 - accuracy(network, x, y), 2),
            "fgsm": round(100 - accuracy(network, under_fgsm(network, x, y, FGSM), y), 2),
            "noise": round(100 - few["noise"], 2),
            "pgd": round(100 - few["pgd"], 2),
        },
        "curves": {key: _rounded(kept[key], 1) for key in ("clean", "noise", "fgsm", "pgd")},
        "ink": _rounded(ink.flatten(1), 3),
        "grey": _rounded(grey.flatten(1), 2),
    }


def _rounded(values: Tensor, digits: int) -> list[Any]:
    return (values.double() * 10**digits).round().div(10**digits).tolist()

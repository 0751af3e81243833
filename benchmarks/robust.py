r"""How many photos EfficientNet-Lite0 still gets right under attack: by ours, by those of Foolbox and ART, and by AutoAttack.

    benchmarks/peers.sh robust --data DIR [options]     # makes .venv-peers when it is missing

All attack one and the same network (ours, prepared), with the same number of steps of the same size, from the picture itself.
`exact` is the share that stands before rounding, `8 bits` after, which is what leaves the app. AutoAttack (`pyautoattack`) is the
yardstick: its standard version attacks a photo until one of its four attacks gets it.
"""

import csv
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attacks.classification import attack
from attacks.perturbation import to_8bit
from benchmarks.timing import load, machine, options, table, write
from models import zoo
from training.imagenet import pictures, right

EPSILONS, STEPS, BATCH, YARDSTICK = (1, 2, 4, 8), 20, 20, (1, 4)

Craft = Callable[[Tensor, Tensor], Tensor]  # clean pictures and their classes to adversarial pictures, not rounded


def ours(model: nn.Module, epsilon: float, method: str, **options: Any) -> Craft:
    return lambda x, y: attack(model, x, y, epsilon, method=method, **options).exact


def foolbox(model: nn.Module, epsilon: float, step_size: float) -> Craft:
    import foolbox

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    found = foolbox.attacks.LinfPGD(abs_stepsize=step_size, steps=STEPS, random_start=False)
    return lambda x, y: found(wrapped, x, y, epsilons=epsilon)[1]


def art(model: nn.Module, epsilon: float, step_size: float) -> Craft:
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    size = getattr(model, "size", 224)
    wrapped = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), (3, size, size), 1000, clip_values=(0.0, 1.0), device_type="cpu"
    )
    found = ProjectedGradientDescent(wrapped, eps=epsilon, eps_step=step_size, max_iter=STEPS, verbose=False)
    return lambda x, y: torch.from_numpy(found.generate(x.numpy(), y.numpy()))


def autoattack(model: nn.Module, epsilon: float) -> Craft:
    from pyautoattack import AutoAttack

    found = AutoAttack(model, norm="Linf", eps=epsilon, version="standard", device="cpu", seed=0)
    return lambda x, y: found.run_standard_evaluation(x, y, batch_size=BATCH)[0]


def crafts(model: nn.Module, n: int, peers: bool) -> Iterator[tuple[str, Craft]]:
    """Every attack at ε = n/255, by name."""
    epsilon, step_size = n / 255, n / 255 / 4
    yield "ours, FGSM", ours(model, epsilon, "fgsm")
    yield "ours, PGD", ours(model, epsilon, "pgd", steps=STEPS, step_size=step_size)
    yield "ours, APGD", ours(model, epsilon, "apgd", steps=STEPS)
    if peers:
        yield "Foolbox, PGD", foolbox(model, epsilon, step_size)
        yield "ART, PGD", art(model, epsilon, step_size)


def standing(model: nn.Module, craft: Craft, batches: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """The share of photos (%) whose class is still named, before rounding and after."""
    count, total = {"exact": 0, "8 bits": 0}, 0
    for x, y in batches:
        x_adv = craft(x, y).detach()
        total += len(x)
        count["exact"] += right(model, x_adv, y)
        count["8 bits"] += right(model, to_8bit(x_adv), y)
    return {key: round(100 * number / total, 2) for key, number in count.items()}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds imagenet-like/")
    parser.add_argument("--limit", type=int, help="only so many photos")
    parser.add_argument("--yardstick", type=int, default=40, help="photos for AutoAttack (default 40)")
    parser.add_argument("--only", choices=("table", "yardstick"), help="one of the two")
    parser.add_argument("--alone", action="store_true", help="our attacks only")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = zoo.load(zoo.EMBEDDED)
    try:
        batches = list(pictures(arguments.data, "labels", 4 if arguments.quick else arguments.limit, model.size, BATCH))
    except (OSError, ValueError, csv.Error) as error:
        sys.exit(f"robust: {error}")
    n_photos = sum(len(x) for x, _ in batches)
    report: dict[str, Any] = {"machine": machine(arguments.threads), "load": load(), "photos": n_photos, "steps": STEPS}
    report["clean"] = standing(model, lambda x, _: x, batches)["exact"]
    rows: dict[str, dict[str, dict[str, float]]] = {}
    tried = () if arguments.only == "yardstick" else EPSILONS[:1] if arguments.quick else EPSILONS
    for n in tried:
        for name, craft in crafts(model, n, not arguments.alone):
            rows.setdefault(name, {})[str(n)] = standing(model, craft, batches)
            print(f"{n}/255 {name}: {rows[name][str(n)]}", flush=True)
            write(arguments.json, report | {"accuracy": rows})
    head = ["", *(f"{n}/255, 8 bits (exact)" for n in tried)]
    cells = [[name, *(f"{one['8 bits']} ({one['exact']})" for one in of.values())] for name, of in rows.items()]
    table(f"robust accuracy, %, of {n_photos} photos; clean {report['clean']}", head, cells)
    if arguments.only != "table" and not (arguments.alone or arguments.quick):
        report["yardstick"] = yardstick(model, batches, arguments.yardstick)
    write(arguments.json, report | {"accuracy": rows})


def yardstick(model: nn.Module, batches: list[tuple[Tensor, Tensor]], photos: int) -> dict[str, Any]:
    """AutoAttack beside our strongest, on the first photos: what it finds, before rounding."""
    x, y = (torch.cat(parts)[:photos] for parts in zip(*batches, strict=True))
    found: dict[str, Any] = {"photos": len(x)}
    for n in YARDSTICK:
        epsilon = n / 255
        strongest = partial(ours, model, epsilon)
        for name, craft in (
            ("AutoAttack", autoattack(model, epsilon)),
            ("ours, APGD, 100 steps", strongest("apgd", steps=100)),
            ("ours, PGD, 20 steps, 3 starts", strongest("pgd", steps=STEPS, step_size=epsilon / 4, restarts=3)),
        ):
            found.setdefault(name, {})[str(n)] = standing(model, craft, [(x, y)])["exact"]
            print(f"{n}/255 {name}, {len(x)} photos: {found[name][str(n)]}", flush=True)
    return found


if __name__ == "__main__":
    main()

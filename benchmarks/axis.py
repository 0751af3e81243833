r"""What the whole ε axis of a picture costs over the least it could: one backward pass and one batch of 33 pictures.

    .venv/bin/python -m benchmarks.axis [options]

The page computes it in parts (`ui.cached.fool.Sweep`): the direction and the coarse steps at once, then the steps between
in small batches, so that other visitors get a turn. All are measured in turns in this one process, on one network.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import torch

from attacks.axis import COARSE, FINE, Axis, Picture, close_up, first_real_epsilon, gradient_axis, noise_axis, refine
from attacks.classification import Model, cross_entropy
from attacks.gradient import gradient
from benchmarks.timing import Runs, Spread, load, machine, options, race, table, write
from models import zoo
from models.classifier import Classifier
from models.picture import gallery, gallery_picture, to_pixels

CHUNK = 13  # as ui.cached.fool.CHUNK, which is not imported because it brings Streamlit


def bare(model: Model, x: Picture) -> None:
    """The passes alone: one picture forward and backward, 33 pictures forward in one batch."""
    gradient(cross_entropy(model, None), x)
    with torch.no_grad():
        model(x.expand(len(FINE), -1, -1, -1))


def coarse(model: Model, x: Picture) -> Axis:
    """What a visitor waits for."""
    return gradient_axis(model, x, steps=COARSE)


def complete(model: Model, x: Picture, chunk: int) -> Axis:
    """The coarse axis, then every step, as `Sweep.finish` does it."""
    axis = coarse(model, x)
    missing = [n for n in FINE if n not in axis.steps]
    for start in range(0, len(missing), chunk):
        axis = refine(model, axis, sorted({*axis.steps, *missing[start : start + chunk]}))
    return axis


def finish(model: Model, x: Picture, chunk: int) -> None:
    """All that `Sweep.finish` computes: also the exact ε, the noise beside it and the close-up."""
    axis = complete(model, x, chunk)
    first_real_epsilon(model, axis)
    noise_axis(model, axis, 1, COARSE)
    close_up(model, axis)


def measure(model: Classifier, key: str, rounds: int, chunks: Iterable[int]) -> dict[str, Any]:
    """The table of one picture."""
    x = to_pixels(gallery_picture(key), model.size)
    runs: Runs = {
        "bare: 1 backward, 33 pictures forward": partial(bare, model, x),
        "coarse axis": partial(coarse, model, x),
        "in one batch, no coarse stage": partial(gradient_axis, model, x),
        **{f"complete axis, {chunk} at a time": partial(complete, model, x, chunk) for chunk in chunks},
        f"all of Sweep.finish, {CHUNK} at a time": partial(finish, model, x, CHUNK),
    }
    _, times = race(runs, rounds)
    least = next(iter(times.values()))
    rows = [[name, time.text(1000, 1), time.over(least).text(1, 2)] for name, time in times.items()]
    table(f"The ε axis of {key!r}", ["", "ms", "over bare"], rows)
    return {name: result(time, least) for name, time in times.items()}


def result(time: Spread, least: Spread) -> dict[str, Any]:
    return {"seconds": time.json(), "over_bare": time.over(least).json()}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[7, CHUNK, 26], help="pictures in one forward pass")
    parser.add_argument("--picture", choices=list(gallery()), default="chelsea", help="of the gallery")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.chunks = 2, [CHUNK]
    torch.set_num_threads(arguments.threads)
    report: dict[str, Any] = {"machine": machine(arguments.threads), "load_at_start": load()}
    print(f"{report['machine']}\nload at start {report['load_at_start']}")
    report["axis"] = measure(zoo.load(zoo.EMBEDDED), arguments.picture, arguments.rounds, arguments.chunks)
    report["load_at_end"] = load()
    print(f"\nload at end {report['load_at_end']}")
    write(arguments.json, report)


if __name__ == "__main__":
    main()

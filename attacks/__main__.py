"""The page "Fool a classifier" without a browser: attack a picture file, write the adversarial PNG, say what came of it.

fgsm, pgd, momentum and apgd look for the worst within --epsilon; the others for the nearest mistake, smallest up to --epsilon.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import torch

from attacks.balls import BALLS
from attacks.classification import ATTACKS, fooled, logits_of
from attacks.perturbation import STEPS, Perturbation
from attacks.recipes import Recipe, carry_out
from models import zoo
from models.classifier import Classifier
from models.picture import PictureError, from_pixels, png, read_picture, to_pixels

METHODS = [name for name, attack in ATTACKS.items() if not attack.place]  # a patch is placed by mouse
MOST = 32 / STEPS  # that is tried where no epsilon is given


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns 0 if an adversarial PNG was written, 2 with one sentence on stderr if not."""
    options = _parser().parse_args(arguments)
    try:
        model = zoo.load(options.network)
        picture = read_picture(options.image.read_bytes(), options.image.name)
        target = None if options.target is None else _class(options.target, model)
        _run(options, _recipe(options, target), model, to_pixels(picture, model.size))
    except (PictureError, OSError, ValueError, zoo.WeightsUnavailableError) as error:
        print(f"attacks: {error}", file=sys.stderr)
        return 2
    return 0


def _recipe(options: argparse.Namespace, target: int | None) -> Recipe:
    """What is asked. Raises ValueError where an epsilon is missing or has no meaning, and for less than one step."""
    kind = ATTACKS[options.attack]
    if kind.epsilon == "budget" and options.epsilon is None:
        raise ValueError(f"{options.attack} needs a size to stay within: give an --epsilon, for example 1/255.")
    if not kind.epsilon and options.epsilon is not None:
        raise ValueError(f"{options.attack} looks for the smallest change there is: leave out --epsilon.")
    if options.steps < 1:
        raise ValueError(f"An attack takes at least one step; --steps was {options.steps}.")
    epsilon = MOST if options.epsilon is None else options.epsilon
    return Recipe(options.attack, options.norm or kind.norms[0], epsilon, options.steps, target)


def _run(options: argparse.Namespace, recipe: Recipe, model: Classifier, x: torch.Tensor) -> None:
    y = model(x).argmax(1)
    done = carry_out(recipe, model, x, y)
    options.out.write_bytes(png(from_pixels(done.adversarial)))
    _report(options, model, done, y, None if recipe.target is None else torch.tensor([recipe.target]))


def _report(
    options: argparse.Namespace, model: Classifier, done: Perturbation, y: torch.Tensor, target: torch.Tensor | None
) -> None:
    """What the network says of the file just written, read again."""
    again = to_pixels(read_picture(options.out.read_bytes(), options.out.name), model.size)
    before, after = model(done.clean).softmax(1)[0], model(again).softmax(1)[0]
    print(f"clean        {model.categories[before.argmax()]}  {before.max():.1%}")
    print(f"adversarial  {model.categories[after.argmax()]}  {after.max():.1%}")
    size = STEPS * done.epsilon
    asked = "epsilon {:.3f}/255 asked" if ATTACKS[options.attack].epsilon == "budget" else "{:.3f}/255 found"
    length = f"{STEPS * float(done.l2):.1f}/255 in L2 and at most " if done.norm == "l2" else ""
    print(f"{asked.format(size)}, {length}{STEPS * float(done.linf):.0f}/255 in the file {options.out}")
    print(_verdict(model, done, y, target))


def _verdict(model: Classifier, done: Perturbation, y: torch.Tensor, target: torch.Tensor | None) -> str:
    if fooled(model, done, y, target=target).item():
        return "fooled"
    with torch.no_grad():
        said = logits_of(model)(done.exact).argmax(1)
    lost = said != y if target is None else (said == target) & (target != y)
    return "not fooled: rounding to 8 bits undid it" if lost.item() else "not fooled"


def _class(name: str, model: Classifier) -> int:
    """The number of a class given by its number or its name."""
    if name.isdecimal() and int(name) < len(model.categories):
        return int(name)
    if name in model.categories:
        return model.categories.index(name)
    close = [category for category in model.categories if name.lower() in category.lower()]
    raise ValueError(f"There is no class {name!r}" + (f"; did you mean {', '.join(close[:5])}?" if close else "."))


def _epsilon(text: str) -> float:
    try:
        return float(Fraction(text))
    except (ArithmeticError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no size in pixels; write it as 1/255 or 0.004") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m attacks", description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--epsilon", type=_epsilon, help="in pixels of [0, 1], e.g. 1/255")
    parser.add_argument("--attack", choices=METHODS, default="fgsm")
    parser.add_argument("--norm", choices=list(BALLS), help="without it linf where there is an epsilon, else l2")
    parser.add_argument(
        "--steps", type=int, default=20, help="of all but fgsm; of carlini-wagner for each of three weights"
    )
    parser.add_argument("--target", help="the class it shall be taken for, by name or number")
    parser.add_argument("--network", default=zoo.EMBEDDED, choices=zoo.names(), metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())

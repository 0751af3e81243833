"""The page "Fool a classifier" without a browser: attack a picture file, write the adversarial PNG, say what came of it."""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import torch

from attacks.classification import ATTACKS, attack, fooled
from attacks.perturbation import Perturbation
from models import zoo
from models.classifier import Classifier
from models.picture import PictureError, from_pixels, png, read_picture, to_pixels


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns 0 if an adversarial PNG was written, 2 with one sentence on stderr if not."""
    options = _parser().parse_args(arguments)
    try:
        model = zoo.load(options.network)
        picture = read_picture(options.image.read_bytes(), options.image.name)
        target = None if options.target is None else torch.tensor([_class(options.target, model)])
        _run(options, model, to_pixels(picture, model.size), target)
    except (PictureError, OSError, ValueError, zoo.WeightsUnavailableError) as error:
        print(f"attacks: {error}", file=sys.stderr)
        return 2
    return 0


def _run(options: argparse.Namespace, model: Classifier, x: torch.Tensor, target: torch.Tensor | None) -> None:
    y = model(x).argmax(1)
    more = {"steps": options.steps, "step_size": options.epsilon / 4} if options.attack == "pgd" else {}
    followed = y if target is None else target
    done = attack(model, x, followed, options.epsilon, method=options.attack, targeted=target is not None, **more)
    options.out.write_bytes(png(from_pixels(done.adversarial)))
    _report(options, model, done, y, target)


def _report(
    options: argparse.Namespace, model: Classifier, done: Perturbation, y: torch.Tensor, target: torch.Tensor | None
) -> None:
    """What the network says of the file just written, read again."""
    again = to_pixels(read_picture(options.out.read_bytes(), options.out.name), model.size)
    before, after = model(done.clean).softmax(1)[0], model(again).softmax(1)[0]
    print(f"clean        {model.categories[before.argmax()]}  {before.max():.1%}")
    print(f"adversarial  {model.categories[after.argmax()]}  {after.max():.1%}")
    print(f"epsilon {255 * options.epsilon:.3f}/255 asked, {255 * float(done.linf):.0f}/255 in the file {options.out}")
    print("fooled" if fooled(model, done, y, target=target).item() else "not fooled")


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
    parser.add_argument("--epsilon", type=_epsilon, required=True, help="in pixels of [0, 1], e.g. 1/255")
    parser.add_argument("--attack", choices=list(ATTACKS), default="fgsm")
    parser.add_argument("--steps", type=int, default=20, help="of pgd, each a quarter of epsilon")
    parser.add_argument("--target", help="the class it shall be taken for, by name or number")
    parser.add_argument("--network", default=zoo.EMBEDDED, choices=zoo.names(), metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Captchas drawn by the package `captcha`: the same text, seed and noise give the same pixels on every installation.

The package takes its chances from `secrets`, which cannot be seeded. So its one file is loaded here a second time, as a module of
our own, with a seeded generator in the place of `secrets`, and one captcha is drawn at a time; whoever else uses the package keeps
his `secrets`. The fonts are those that installed packages bring. Knows no network.
"""

import random
import threading
from functools import cache
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

CHARACTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
HEIGHT, WIDTH = 60, 160  # pixels, the package's own
SHORTEST, LONGEST = 3, 8  # characters
DOTS, CURVES = 30, 1  # as the package draws them
MOST_DOTS, MOST_CURVES = 150, 8
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold"),
    *("STIXGeneral", "STIXGeneralBol"),
)

_ONE_AT_A_TIME = threading.Lock()


class Chance(random.Random):
    """The functions of `secrets` that the package calls, seeded."""

    randbits = random.Random.getrandbits
    randbelow = random.Random.randrange


def draw(text: str, seed: int, dots: int = DOTS, curves: int = CURVES) -> UInt8[np.ndarray, "height width 3"]:
    """A captcha of 60 × 160 pixels: letters of random fonts, turned, warped and overlapping, in one random colour.

    Args:
        text: 3 to 8 of `CHARACTERS`; small letters are made large, blanks are left out.
        seed: of everything else. A text chosen by `random.Random(seed)` tells nothing of how it is drawn.
        dots, curves: how many are drawn over it, 0 to 150 and 0 to 8.

    Raises:
        ValueError: in plain words, for what cannot be drawn.
    """
    text = drawable(text)
    for name, number, most in (("dots", dots, MOST_DOTS), ("curves", curves, MOST_CURVES)):
        if not 0 <= number <= most:
            raise ValueError(f"A captcha can have 0 to {most} {name}, not {number}.")
    with _ONE_AT_A_TIME:
        package, painter = _painter()
        package.secrets.seed(f"captcha {seed}")
        paper, ink = package.random_color(238, 255), package.random_color(10, 200, package.secrets.randint(220, 255))
        image = painter.create_captcha_image(text, ink, paper)
        painter.create_noise_dots(image, ink, number=dots)
        for _ in range(curves):
            painter.create_noise_curve(image, ink)
        return np.array(image.filter(package.SMOOTH))


def drawable(text: str) -> str:
    """The text as it is drawn. Raises ValueError, in plain words, for what cannot be drawn."""
    text = "".join(text.split()).upper()
    strange = "".join(dict.fromkeys(letter for letter in text if letter not in CHARACTERS))
    if strange:
        raise ValueError(
            f"“{strange}” cannot be drawn: these captchas are made of the digits 2 to 9 and the letters A to Z "
            "without I and O, which look like 1 and 0."
        )
    if not SHORTEST <= len(text) <= LONGEST:
        raise ValueError(f"A captcha has {SHORTEST} to {LONGEST} characters; this text has {len(text)}.")
    return text


def random_text(chance: random.Random, length: int) -> str:
    """So many characters, all equally likely."""
    return "".join(chance.choices(CHARACTERS, k=length))


def fonts() -> list[Path]:
    """Nine upright ones: the package's own, and of those that matplotlib brings, plain and bold, DejaVu and STIX General."""
    own, matplotlib = (find_spec(name) for name in ("captcha", "matplotlib"))
    assert own and own.origin and matplotlib and matplotlib.origin
    folder = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [Path(own.origin).parent / "data" / "DroidSansMono.ttf", *(folder / f"{name}.ttf" for name in FONTS)]


@cache
def _painter() -> tuple[Any, Any]:
    """Our copy of the module `captcha.image`, with a `Chance` for its `secrets`, and a painter of it."""
    spec = find_spec("captcha.image")
    assert spec and spec.loader
    package: Any = module_from_spec(spec)
    spec.loader.exec_module(package)
    package.secrets = Chance()
    return package, package.ImageCaptcha(WIDTH, HEIGHT, [str(path) for path in fonts()])

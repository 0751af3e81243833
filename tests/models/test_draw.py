"""Drawn captchas: the same everywhere and whoever else draws, and plain words for what cannot be drawn."""

import hashlib
import random
import secrets
from concurrent.futures import ThreadPoolExecutor

import captcha.image
import numpy as np
import pytest
from PIL import ImageFont

from models import draw as drawing
from models.draw import CHARACTERS, CURVES, DOTS, HEIGHT, MOST_CURVES, MOST_DOTS, WIDTH, draw, fonts, random_text


def test_a_captcha_is_ink_on_light_paper() -> None:
    pixels = draw("K7PXW2", 1)
    assert pixels.shape == (HEIGHT, WIDTH, 3) and pixels.dtype == np.uint8
    assert np.median(pixels, axis=(0, 1)).min() >= 238
    assert pixels.min() < 210


def test_the_same_pixels_on_every_installation() -> None:
    """Recorded; a change of the package, of Pillow or of the fonts changes what a link to a captcha shows."""
    digest = hashlib.sha256(draw("ATTEND", 7).tobytes() + draw("23456789", 8, dots=0, curves=3).tobytes()).hexdigest()
    assert digest[:16] == "5383fdb39c62d9a9"


def test_drawing_is_decided_by_its_arguments_alone() -> None:
    one = draw("K7PXW2", 1)
    random.seed(5)
    draw("ZZZZZZ", 2)
    assert np.array_equal(draw(" k7p xw2 ", 1), one)
    others = [draw("K7PXW2", 3), draw("K7PXW3", 1), draw("K7PXW2", 1, dots=0), draw("K7PXW2", 1, curves=0)]
    assert not any(np.array_equal(other, one) for other in others)


def test_a_text_chosen_by_the_same_seed_tells_nothing_of_the_drawing() -> None:
    """As it would if both began with the same numbers: paper and letter would go together."""
    papers = [
        tuple(np.median(draw("K7PXW2", seed), axis=(0, 1)))
        for seed in range(400)
        if random_text(random.Random(seed), 6)[0] == "K"
    ]
    assert len(papers) > 4 and len({red for red, *_ in papers}) > 2


def test_threads_that_draw_at_once_draw_as_if_alone() -> None:
    alone = [draw("K7PXW2", seed) for seed in range(12)]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda seed: draw("K7PXW2", seed), range(12)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_package_of_others_keeps_its_secrets() -> None:
    draw("K7PXW2", 1)
    assert captcha.image.secrets is secrets
    assert drawing._painter()[0] is not captcha.image


def test_noise_is_laid_over_the_same_letters() -> None:
    plain = draw("K7PXW2", 1, dots=0, curves=0).astype(int)
    changed = [
        (np.abs(draw("K7PXW2", 1, **noise) - plain).sum(-1) > 0).mean()
        for noise in ({"dots": 10, "curves": 0}, {"dots": 60, "curves": 0}, {"dots": 60, "curves": 5})
    ]
    assert 0 < changed[0] < changed[1] < changed[2] < 0.7


def test_without_arguments_the_noise_is_the_packages_own() -> None:
    """Its `generate_image` in our copy, seeded as `draw` seeds it, gives the very picture."""
    package, painter = drawing._painter()
    package.secrets.seed("captcha 4")
    theirs = painter.generate_image("K7PXW2")
    assert np.array_equal(np.asarray(theirs), draw("K7PXW2", 4, DOTS, CURVES))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("HELLO", "“O” cannot be drawn"),
        ("AB0D", "“0” cannot be drawn"),
        ("été22", "“É” cannot be drawn"),
        ("", "this text has 0"),
        ("AB", "this text has 2"),
        ("ABCDEFGHJ", "this text has 9"),
        ("🙂🙂🙂", "“🙂” cannot be drawn"),
    ],
)
def test_what_cannot_be_drawn_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw(text, 1)


@pytest.mark.parametrize("noise", [{"dots": -1}, {"dots": MOST_DOTS + 1}, {"curves": -1}, {"curves": MOST_CURVES + 1}])
def test_noise_beyond_its_bounds_is_said(noise: dict[str, int]) -> None:
    [(name, number)] = noise.items()
    with pytest.raises(ValueError, match=f"{name}, not {number}"):
        draw("K7PXW2", 1, **noise)


def test_every_font_has_every_character() -> None:
    assert len(fonts()) == 9
    for path in fonts():
        font = ImageFont.truetype(str(path), 42)
        shapes = {bytes(font.getmask(letter)) for letter in CHARACTERS}
        assert len(shapes) == len(CHARACTERS), path.name
        assert bytes(font.getmask("\uffff")) not in shapes


def test_all_characters_come_equally_often() -> None:
    text = random_text(random.Random(0), 32_000)
    assert {*text} == {*CHARACTERS} and all(850 < text.count(letter) < 1150 for letter in CHARACTERS)

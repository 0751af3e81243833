"""What the server keeps: keyed by what the picture is, computed once, checked through a real file."""

from dataclasses import replace

import numpy as np
import pytest

from attacks.axis import COARSE, FINE
from models import zoo
from models.picture import Picture, gallery_picture, png, read_picture
from ui import cached
from ui.cached.fool import Question


@pytest.fixture(scope="module")
def sweep() -> cached.fool.Sweep:
    picture = gallery_picture("coffee")
    return cached.fool.sweep(Question(zoo.EMBEDDED, picture.digest, None, None), picture)


def test_a_sweep_is_coarse_first_then_complete_and_tells_its_progress() -> None:
    picture = gallery_picture("clock")
    fresh = cached.fool.sweep(Question(zoo.EMBEDDED, picture.digest, None, None), picture)
    coarse = dict(zip(fresh.axis.steps, fresh.axis.answers, strict=True))
    assert fresh.axis.steps == COARSE
    told = list(fresh.finish())
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert fresh.complete
    assert fresh.axis.steps == FINE
    assert {n: fresh.axis.answers[n] for n in COARSE} == coarse
    assert list(fresh.finish()) == []


def test_one_changed_pixel_is_another_question() -> None:
    first = gallery_picture("chelsea")
    pixels = np.array(first.pixels)
    pixels[0, 0, 0] ^= 1
    second = read_picture(png(pixels), "changed.png")
    assert second.digest != first.digest
    ask = lambda picture: cached.fool.sweep(Question(zoo.EMBEDDED, picture.digest, None, None), picture)  # noqa: E731
    assert ask(first) is not ask(second)
    assert ask(first) is ask(first)


def test_the_moment_after_release_is_about_the_file(sweep: cached.fool.Sweep) -> None:
    for _ in sweep.finish():
        pass
    for n in (0, 1, 8):
        now = cached.fool.moment(sweep.question, n, sweep)
        assert now.after_file == sweep.axis.answers[n]
        assert now.fooled == sweep.axis.fooled[n]
        assert float(now.perturbation.linf) * 255 == pytest.approx(n, abs=1e-3)
        again: Picture = read_picture(now.png, "again.png")
        assert (again.pixels == (now.perturbation.adversarial[0].permute(1, 2, 0) * 255).round().numpy()).all()
        for view in now.views:
            assert view.predicted == pytest.approx(view.clean + view.w_eta)
            assert abs(view.w_eta) <= view.bound + 1e-4
        assert len(now.noise) == cached.fool.DRAWS


def test_random_noise_of_the_same_size_seldom_fools(sweep: cached.fool.Sweep) -> None:
    for _ in sweep.finish():
        pass
    turned = [
        answer != sweep.axis.answers[0]
        for n in (1, 2, 4)
        for answer in cached.fool.moment(sweep.question, n, sweep).noise
    ]
    assert sum(turned) <= len(turned) // 4
    assert sweep.axis.fooled[4]


def test_questions_are_values() -> None:
    question = Question("a", "b", None, 3)
    assert question == replace(question)
    assert len({question, replace(question, y=1), replace(question, target=None)}) == 3

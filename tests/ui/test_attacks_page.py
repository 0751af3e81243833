"""The page "Step by step" in process: what it says of each attack, and of what cannot be done."""

import pytest
import torch

from attacks.recipes import Recipe
from models import zoo
from models.picture import gallery, gallery_picture
from tests.visiting import said, visit_page
from ui import cached, fooling
from ui.cached import Walked

SHORT = {"attack": "PGD", "steps": "3"}


def walk_of(recipe: Recipe) -> cached.Walk:
    return fooling.Asked(zoo.EMBEDDED, gallery_picture(next(iter(gallery()))), recipe).walk()


def test_each_step_can_be_seen_and_the_outcome_is_that_of_the_file() -> None:
    app = visit_page("attacks", **SHORT)
    words = said(app)
    assert "Step 3: the loss J was" in words
    assert "**Fooled**: PGD ends at" in words
    assert "as an 8-bit picture L∞ = 1/255" in words
    app.slider(key="step").set_value(0).run()
    assert not app.exception
    assert "The clean picture. What the network says of it, “tripod”" in said(app)


def test_the_link_names_the_step() -> None:
    assert visit_page("attacks", **SHORT, step="2").slider(key="step").value == 2
    assert visit_page("attacks", **SHORT, step="77").slider(key="step").value == 3


def test_an_attack_without_a_norm_or_a_target_of_its_own_says_so() -> None:
    app = visit_page("attacks", attack="DeepFool", target="toaster", steps="4")
    assert "“Make it say” is left aside" in said(app)
    assert "Before it was rounded it was" in said(app)


def test_what_cannot_be_found_is_a_sentence() -> None:
    app = visit_page("attacks", attack="Smallest ε", steps="1", target="toaster")
    assert "Even the largest ε tried does not fool" in said(app)


@pytest.mark.parametrize(
    ("look", "words"),
    [
        ("Defences", "with the defences"),
        ("Another network", "To the second it"),
        ("What speaks for it", "of the heat has moved"),
        ("A patch", "Drag a box over the picture"),
    ],
)
def test_a_closer_look_speaks(look: str, words: str) -> None:
    assert words in said(visit_page("attacks", **SHORT, look=look))


def test_weights_that_cannot_be_had_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str) -> None:
        raise zoo.WeightsUnavailableError(f"The weights of {name} could not be fetched.")

    cached.classifier(zoo.EMBEDDED)
    monkeypatch.setattr(zoo, "load", no_network)
    app = visit_page("attacks", **SHORT, look="Another network", other=zoo.card("squeezenet1_1").title)
    assert "The weights of squeezenet1_1 could not be fetched." in said(app)


def test_a_stopped_attack_frees_the_network_keeps_its_steps_and_can_begin_again() -> None:
    walk = walk_of(Recipe(steps=4))

    def stop(step: Walked) -> None:
        assert cached.inference.acquire(blocking=False)  # another visitor may ask between two steps
        cached.inference.release()
        if step.t == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk.go(stop)
    assert len(walk.steps) == 2
    assert not walk.complete
    assert cached.inference.acquire(blocking=False)
    cached.inference.release()
    walk.go(lambda _: None)
    assert walk.complete
    assert [step.t for step in walk.steps] == [0, 1, 2, 3]


def test_the_alarm_rings_only_for_an_attack_that_was_blind() -> None:
    walk = walk_of(Recipe(steps=3))
    walk.go(lambda _: None)
    assert fooling.alarm(walk) == ""
    blind = cached.Walk(walk.network, walk.recipe, walk.x, walk.p, [vars_of(step, length=0.0) for step in walk.steps])
    assert "exactly zero at 3 of 3 steps (first at step 1)" in fooling.alarm(blind)


def vars_of(step: Walked, **changed: float) -> Walked:
    return Walked(**{**vars(step), **changed})


def test_a_surface_goes_on_where_it_was_stopped() -> None:
    surface, walk, axis = cached.Surface(), walk_of(Recipe(steps=4)), (-0.01, 0.0, 0.01)
    next(surface.finish(zoo.EMBEDDED, walk.x, walk.y, axis))
    assert len(surface.rows) == 1
    assert list(surface.finish(zoo.EMBEDDED, walk.x, walk.y, axis)) == [pytest.approx(2 / 3), 1.0]
    whole = cached.Surface()
    list(whole.finish(zoo.EMBEDDED, walk.x, walk.y, axis))
    for one, other in zip(surface.rows, whole.rows, strict=True):
        assert torch.allclose(torch.tensor(one), torch.tensor(other))

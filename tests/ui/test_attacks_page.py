"""The page "Step by step" in process: what it says of each attack, and of what cannot be done."""

import re
import threading
from collections.abc import Callable

import pytest
import torch

from attacks.gradient import Step
from attacks.perturbation import to_8bit
from attacks.recipes import Recipe
from models import zoo
from models.classifier import Classifier
from models.picture import gallery, gallery_picture
from tests.visiting import control, said, visit_page
from ui import cached, fooling, running, turns
from ui.cached.fool import Walked
from ui.fooling import looks

SHORT = {"attack": "PGD", "steps": "3"}


def walk_of(recipe: Recipe) -> cached.fool.Walk:
    return fooling.Asked(zoo.EMBEDDED, gallery_picture(next(iter(gallery()))), recipe).walk()


def test_each_step_can_be_seen_and_the_outcome_is_that_of_the_file() -> None:
    app = visit_page("attacks", **SHORT)
    words = said(app)
    assert "Step 3: the loss J was" in words
    assert "**Fooled**: PGD ends at" in words
    assert "as an 8-bit picture L∞ = 1/255" in words
    control(app.slider, "step").set_value(0).run()
    assert not app.exception
    assert "The clean picture. What the network says of it, “tripod”" in said(app)


def test_the_link_names_the_step() -> None:
    assert control(visit_page("attacks", **SHORT, step="2").slider, "step").value == 2
    assert control(visit_page("attacks", **SHORT, step="77").slider, "step").value == 3


@pytest.mark.parametrize(("told", "n"), [("3", 3), ("0", 1), ("33", 1), ("x", 1), ("", 1)])
def test_the_link_names_epsilon(told: str, n: int) -> None:
    assert visit_page("attacks", attack="FGSM", eps=told).slider(key="eps").value == n


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


def test_the_loss_around_is_watched_and_spoken_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "ACROSS", 3)
    assert "along a random direction at" in said(visit_page("attacks", **SHORT, look="The loss around"))


def test_weights_that_cannot_be_had_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str) -> None:
        raise zoo.WeightsUnavailableError(f"The weights of {name} could not be fetched.")

    cached.fool.classifier(zoo.EMBEDDED)
    monkeypatch.setattr(zoo, "load", no_network)
    app = visit_page("attacks", **SHORT, look="Another network", other=zoo.card("squeezenet1_1").title)
    assert "The weights of squeezenet1_1 could not be fetched." in said(app)


def test_a_stopped_attack_frees_the_network_keeps_its_steps_and_can_begin_again() -> None:
    walk = walk_of(Recipe(steps=4))

    def stop(step: Walked) -> None:
        assert turns.inference.acquire(blocking=False)  # another visitor may ask between two steps
        turns.inference.release()
        if step.t == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk.go(stop)
    assert len(walk.steps) == 2
    assert not walk.complete
    assert turns.inference.acquire(blocking=False)
    turns.inference.release()
    walk.go(lambda _: None)
    assert walk.complete
    assert [step.t for step in walk.steps] == [0, 1, 2, 3]


def test_the_alarm_rings_only_for_an_attack_that_was_blind() -> None:
    walk = walk_of(Recipe(steps=3))
    walk.go(lambda _: None)
    assert fooling.alarm(walk) == ""
    blind = cached.fool.Walk(
        walk.network, walk.recipe, walk.x, walk.p, steps=[vars_of(step, length=0.0) for step in walk.steps]
    )
    assert "exactly zero at 3 of 3 steps (first at step 1)" in fooling.alarm(blind)


def vars_of(step: Walked, **changed: float) -> Walked:
    return Walked(**{**vars(step), **changed})


def test_a_surface_goes_on_where_it_was_stopped() -> None:
    walk, axis = walk_of(Recipe(steps=4)), (-0.01, 0.0, 0.01)
    surface, whole = (cached.fool.Surface(zoo.EMBEDDED, walk.x, walk.y, axis) for _ in range(2))

    def stop(_done: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        surface.go(stop)
    assert surface.done == 1 and not surface.complete
    told: list[int] = []
    surface.go(told.append)
    assert told == [2, 3] and surface.complete
    whole.go(told.append)
    for one, other in zip(surface.rows, whole.rows, strict=True):
        assert torch.allclose(torch.tensor(one), torch.tensor(other))


def test_your_label_is_the_truth_and_a_clean_picture_that_is_wrong_is_never_fooled() -> None:
    """Traps 15 and 20."""
    app = visit_page("attacks", **SHORT, truth="toaster")
    assert "**Wrong before.** It called the clean picture “tripod”, not “toaster”" in said(app)
    assert "**Fooled**" not in said(app)
    control(app.slider, "step").set_value(0).run()
    assert "By your label it is “toaster”." in said(app)


def test_an_attack_that_has_nothing_to_do_says_so() -> None:
    words = said(visit_page("attacks", attack="DeepFool", truth="toaster"))
    assert "Not one step was done" in words and "**Wrong before.**" in words


def test_another_truth_is_another_walk() -> None:
    own, label = (fooling.Asked(zoo.EMBEDDED, gallery_picture("camera"), Recipe(steps=1), y).walk() for y in (None, 5))
    assert own is not label and own.clean_right and label.y == 5 and not label.clean_right


def test_the_buttons_step_and_know_the_ends() -> None:
    app = visit_page("attacks", **SHORT)
    assert app.button(key="walk_Right").disabled and app.button(key="walk_End").disabled
    for key, step in (("Left", 2), ("Home", 0), ("Right", 1), ("End", 3)):
        app.button(key=f"walk_{key}").click().run()
        assert control(app.slider, "step").value == step
    assert not app.exception


class Small:
    """Work of three steps, which waits for the fourth."""

    def __init__(self) -> None:
        self.done, self.complete, self.go_on, self.left = 0, False, threading.Event(), threading.Event()

    def go(self, tell: Callable[[int], None]) -> None:
        self.done = 0
        try:
            for _ in range(3):
                self.done += 1
                tell(self.done)
            assert self.go_on.wait(20)
            tell(4)
            self.complete = True
        except running.LeftError:
            self.left.set()
            raise


def behind(work: Small) -> running.Behind:
    return running.Behind(work, "me", lambda step: running.Sight(step / 4, f"step {step}"), running.Sight(0.0, "first"))


def test_work_behind_a_fragment_is_seen_and_ends() -> None:
    work = Small()
    seen = behind(work)
    while work.done < 3:
        seen.look(0.01)
    work.go_on.set()
    seen.look(20)
    assert work.complete and seen.sight == (1.0, "step 4", None) and not seen.thread.is_alive()


@pytest.mark.parametrize("gone", [False, True])
def test_work_behind_a_fragment_ends_when_it_is_stopped_or_nobody_looks(
    gone: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Small()
    seen = behind(work)
    if gone:
        monkeypatch.setattr(running, "GONE", -1.0)
    else:
        seen.stop.set()
    work.go_on.set()
    assert work.left.wait(20)
    seen.thread.join(20)
    assert not work.complete and seen.stop.is_set()


def test_what_goes_wrong_behind_a_fragment_is_told_to_it() -> None:
    seen = running.Behind(Small(), "me", lambda _step: 1 / 0, running.Sight(0.0, "first"))
    with pytest.raises(ZeroDivisionError):
        seen.look(20)


def test_one_eta_is_for_all_the_pictures_and_its_numbers_are_asked_again(lite0: Classifier) -> None:
    pictures = tuple(gallery_picture(key) for key in ("camera", "coffee", "chelsea"))
    asked = cached.fool.Everyone(zoo.EMBEDDED, tuple(each.digest for each in pictures), 2, 8, 2)
    found, steps = cached.fool.universal(asked, pictures), list[Step]()
    assert not found.complete and found.done == 0
    found.go(steps.append)
    assert found.complete and found.done == found.total == len(steps) == 2
    assert found.eta is not None and float(found.eta.abs().max()) * 255 == pytest.approx(
        4, abs=1e-3
    )  # two steps of ε/4
    x = to_8bit((found.x + found.eta).clamp(0, 1))
    assert found.after is not None and found.after.tolist() == lite0(x).argmax(1).tolist()
    assert found.before.tolist() == lite0(found.x).argmax(1).tolist()
    assert found.noise is not None and found.noise.shape == (cached.fool.DRAWS, 3)
    found.go(steps.append)
    assert len(steps) == 2, "nothing is computed twice"


def test_one_eta_for_all_says_how_few_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "PASSES", 1)
    app = visit_page("attacks", **SHORT, look="One η for all", made="2", all_eps="8")
    words = said(app)
    assert re.search(
        r"fools \*\*\d of the 2\*\* pictures it was made from and \*\*\d of the 8\*\* it has never seen", words
    )
    assert "10 photographs come with the app: far too few" in words
    assert list(app.dataframe[0].value["η"]) == ["made from it"] * 2 + ["never saw it"] * 8

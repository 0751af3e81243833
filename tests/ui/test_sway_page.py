"""Attention under attack in process: what is said and looked at before and after, of every kind of network and of what cannot be done."""

import io

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from attacks.aims import EXACT, OTHER, SAME, THERE
from attacks.gradient import nobody
from models.picture import gallery_picture, read_picture, whole
from tests.models import test_hub_answering, test_hub_captioning
from tests.visiting import said, visit_page
from ui import cached, sway
from ui.caption import HUB
from ui.swayed import Wish


def visit(**query: str) -> AppTest:
    return visit_page("attention_under_attack", **query)


def wish(goal: str = OTHER, text: str = "", n: int = 2, steps: int = 10, **more: object) -> Wish:
    picture = gallery_picture("camera")
    return Wish("caption", picture.digest, "", goal, text, n, steps, **more)  # type: ignore[arg-type]


def done(asked: Wish) -> sway.Sway:
    found = cached.sway.sway(asked, gallery_picture("camera"))
    found.go(nobody)
    return found


def test_the_first_screen_shows_sentence_and_maps_before_and_after() -> None:
    app = visit()
    found = done(wish(steps=20))
    words = said(app)
    assert " ".join(found.said) in words and " ".join(found.after_said) in words
    assert found.said != found.after_said and "**Reached** after 10 steps" in words
    assert "Σα = 1.000000 before" in words
    assert len(app.get("image")) == 4


def test_the_file_that_leaves_says_what_the_page_says() -> None:
    found = done(wish())
    file = read_picture(found.file, "home.png")
    assert cached.sway.subject_of("caption", "").says(whole(file))[0] == found.after_said
    change = np.asarray(Image.open(io.BytesIO(found.file))).astype(int) - gallery_picture("camera").pixels
    assert 0 < np.abs(change).max() <= 2


def test_the_axis_begins_at_the_clean_picture_and_ends_at_the_file() -> None:
    found = done(wish())
    first, last = found.axis[0], found.axis[-1]
    assert [point.n for point in found.axis] == [0, 1, 2]
    assert first.said == found.said and first.moved.max() == 0 and first.carried.max() == 0
    assert last.said == found.after_said
    assert last.moved == pytest.approx(np.abs(found.before - found.after).sum(1) / 2)


def test_a_sentence_of_ones_choice_word_for_word() -> None:
    target = "a dog is running in the grass"
    found = done(wish(EXACT, target, 8, 60))
    assert found.reached and " ".join(found.after_said) == target


def test_the_look_goes_onto_what_is_painted_and_the_sentence_stays() -> None:
    found = done(wish(THERE, n=8, steps=60, t=8, region=(0, 1, 7, 8)))
    share = [float(each[8][[0, 1, 7, 8]].sum()) for each in (found.before, found.after)]
    assert share[1] > share[0] + 0.15
    assert found.after_said == found.said


def test_a_stopped_attack_leaves_nothing_half_done() -> None:
    found = cached.sway.sway(wish(n=3), gallery_picture("camera"))

    class StopError(Exception):
        pass

    def stop(*_: object) -> None:
        raise StopError

    with pytest.raises(StopError):
        found.go(stop)
    assert not found.complete
    found.go(nobody)
    assert found.complete and len(found.losses) == 10


def test_what_is_painted_comes_with_the_link_in_any_shape_and_says_what_was_on_it() -> None:
    app = visit(goal=THERE, region="7x7.400083", of="9 a", steps="2")
    cells = (0, 1, 7, 22)
    found = done(wish(THERE, steps=2, t=8, region=cells))
    share = [float(each[8][list(cells)].sum()) for each in (found.before, found.after)]
    assert f"was on the painted cells before, {share[1]:.1%} after" in said(app)
    assert f"Of this look {share[0]:.1%} is on the 4 painted cells now" in said(app)


@pytest.mark.parametrize("region", ["", "7x7.0", "8x8.1", "nonsense"])
def test_without_paint_it_is_said_what_to_do_and_nothing_is_attacked(region: str) -> None:
    app = visit(goal=THERE, region=region)
    assert not app.exception and "Paint the cells where it shall look" in said(app)
    assert "eached" not in said(app)
    assert len(app.toast) == (region in ("nonsense", ""))


@pytest.mark.parametrize("subject", [sway.PHOTO, sway.DRAWING, sway.CAPTCHA])
def test_every_network_that_looks_can_be_attacked(subject: str) -> None:
    app = visit(subject=subject, steps="2", eps="4")
    assert not app.exception
    assert "It shall" not in [each.label for each in app.get("alert")]
    assert "While the old words are said, the map in view moved by" in said(app)


@pytest.mark.parametrize("look", sway.LOOKS)
def test_a_closer_look_speaks(look: str) -> None:
    words = {"Against ε": "Dotted: there", "Step by step": "loss before it", "Measured": "Chen 2018 report 95.8 %"}
    app = visit(look=look)
    assert words[look] in said(app) + str([list(frame.value.columns) for frame in app.dataframe])


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A tiny random captioner and answerer, as folders."""
    folder = tmp_path_factory.mktemp("hub")
    return {
        sway.CAPTION: str(test_hub_captioning.make("vit-gpt2", folder / "caption")),
        sway.PHOTO: str(test_hub_answering.make("vilt", folder / "ask")),
    }


@pytest.mark.parametrize("subject", [sway.CAPTION, sway.PHOTO])
@pytest.mark.parametrize("goal", [OTHER, THERE, SAME])
def test_a_network_of_a_folder_is_attacked_as_ours_are(subject: str, goal: str, hubs: dict[str, str]) -> None:
    query = {"model": HUB, f"hub_{sway.SUBJECTS[subject]}": hubs[subject], "goal": goal, "region": "4x4.33"}
    app = visit(subject=subject, steps="2", eps="4", **query)
    assert not app.exception and not app.warning
    words = said(app)
    assert "While the old words are said, the map in view moved by" in words
    assert "On what is no region and not drawn" in words


def test_a_hub_that_does_not_answer_is_a_sentence() -> None:
    app = visit(model=HUB, hub_caption="/nowhere/at all")
    assert not app.exception and "neither a name of a model nor a folder" in said(app)


def test_what_cannot_be_said_is_a_sentence_and_the_page_goes_on() -> None:
    app = visit(goal=EXACT)
    for bad in ("", "xyzzy", "word " * 60, "<b>", "🎉"):
        app.text_input(key="caption_all").set_value(bad).run(timeout=60)
        assert not app.exception and len(app.warning) == 1


def test_a_bad_link_is_said() -> None:
    app = visit(goal="fly", subject="Nobody", gallery="x", look="away")
    assert len(app.toast) == 4
    assert "**Reached**" in said(app)

"""The page "Adapt" in process: the moons, a digit on a photograph, a word in its sentence, and what it says of the recorded runs."""

import time
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from models import domain, zoo
from tests.visiting import said, visit_page
from training.jobs import Room
from ui import adapt, adapted

METRICS = {"lambda": 0.5, "accuracy_source": 99.0, "accuracy_target": 70.0, "judge": 60.0, "probe": 70.0}


FRAMES = ("Artifact", "Locale", "Weapon")
COURSE = {
    "metrics": {"lambda": [0.0, 0.5], "L_y": [None, 0.1], "accuracy_target": [10.0, 70.0], "probe": [50.0, 70.0]},
    "d": [0, 0, 1, 1],
    "y": [3, 4, 3, 4],
    "across": [[0, 1, 2, 3], [1, 1, 2, 2]],
    "up": [[0, 1, 0, 1], [3, 2, 1, 0]],
}
TARGET = {
    "mnist-m": {"plain": [57.0, 59.0], "adversarial": [80.0, 82.0]},
    "mnist-m-target-trained": {"plain": [96.0]},
    "frames-NTI": {"plain": [60.0, 62.0], "adversarial": [61.0, 63.0]},
    "amazon-books-dvd": {"plain": [78.0, 80.0], "adversarial": [79.0, 81.0]},
    "amazon-dvd-books": {"plain": [70.0, 72.0], "adversarial": [71.0, 71.0]},
}
FOUND = {
    "command": "the command",
    "about": "As it was measured.",
    "target": TARGET,
    "probe": TARGET,
    "settings": {"mnist-m": "rate 1"},
    "mnist-m": {"plain": COURSE, "adversarial": COURSE},
}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of everything, and networks that have learned nothing."""
    monkeypatch.setattr(zoo, "recorded", lambda name: FOUND if name == "adapt" else {})
    monkeypatch.setattr(
        zoo, "adapted", lambda name: domain.frames(3, 2) if name.startswith("frames") else domain.digits()
    )
    monkeypatch.setattr(zoo, "frame_names", lambda: FRAMES)


@pytest.fixture(autouse=True)
def here(room_here: Room) -> Room:
    st.cache_resource.clear()
    return room_here


def table(app: AppTest, column: str) -> Any:
    return next(frame.value for frame in app.dataframe if column in frame.value)


def test_the_moons_are_there_before_they_learn() -> None:
    app = visit_page("adapt")
    assert "Not begun" in said(app) and "Right on the source" in said(app)
    assert "as the three rules: at most" in said(app)


def test_the_numbers_are_the_network_s_own() -> None:
    app = visit_page("adapt", strength="2.0", way="is held")
    pulls = table(app, "‖step‖/μ")
    assert list(pulls["part"]) == ["θ_f, features", "θ_y, label", "θ_d, judge"]
    f, y, d = pulls.to_dict("records")
    assert y["‖∂L_d/∂θ‖"] == d["‖∂L_y/∂θ‖"] == 0, "a head feels its own loss alone"
    assert y["‖step‖/μ"] == y["‖∂L_y/∂θ‖"] and d["‖step‖/μ"] == d["‖∂L_d/∂θ‖"]
    longest = f["‖∂L_y/∂θ‖"] + 2 * f["‖∂L_d/∂θ‖"]
    assert 0 < f["‖step‖/μ"] <= longest * 1.0001
    assert "λ = 2.0000" in said(app)
    assert f"{f['‖∂L_y/∂θ‖']:.3g} pulls to the class, 2 · {f['‖∂L_d/∂θ‖']:.3g} away" in said(app)


def test_a_step_of_the_moons_is_drawn_and_told(here: Room) -> None:
    app = visit_page("adapt")
    before = said(app)
    app.button(key="adapt_step").click().run()
    (run,) = here.runs.values()
    deadline = time.monotonic() + 60
    while run.latest is None or not run.paused:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    app.run()
    assert not app.exception
    assert f"step {run.latest.step} of 60" in said(app)
    assert adapt.sentence(run.latest.metrics) in said(app)
    app.slider(key="strength").set_value(0.0).run()
    assert not app.exception and run.options["strength"] == 0.0
    assert said(app) != before


def test_without_records_there_are_the_moons_alone_and_a_link_to_more_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(zoo, "recorded", lambda _: {})
    app = visit_page("adapt", part=adapt.DIGITS)
    assert any("there is not" in toast.value for toast in app.toast) and "Not begun" in said(app)


@pytest.mark.usefixtures("recorded")
def test_a_digit_on_a_photograph_is_read_by_both() -> None:
    app = visit_page("adapt", part=adapt.DIGITS, digit="7")
    assert table(app, "digit")["source only"].sum() == pytest.approx(1, abs=1e-5)
    by = {(row["task"], row["network"]): row for row in table(app, "a fresh probe, %").to_dict("records")}
    assert len(by) == 3
    ours = by["MNIST → MNIST-M", "with the judge"]
    assert (ours["target, %"], ours["seeds"], ours["Ganin 2016, %"]) == ("81.00 ± 1.41", 2, 76.66)
    assert by["MNIST-M → MNIST-M, with its labels", "trained on the target"]["target, %"] == "96.00"
    assert "**81.00 ± 1.41 %** with the judge, 58.00 ± 1.41 % without" in said(app)
    assert "Recorded by `the command`. As it was measured. mnist-m: rate 1." in said(app)


@pytest.mark.usefixtures("recorded")
def test_a_word_calls_up_a_frame() -> None:
    app = visit_page("adapt", part=adapt.FRAMES)
    frames = table(app, "frame")
    assert frames["with the judge"].sum() == pytest.approx(1, abs=1e-4) and set(frames["frame"]) == set(FRAMES)
    assert "for “weapons”" in said(app)
    before = list(frames["with the judge"])
    app.button_group(key="word").set_value("factory").run()
    assert "for “factory”" in said(app) and list(table(app, "frame")["with the judge"]) != before
    assert list(table(app, "kept aside")["kept aside"]) == ["NTI"]


@pytest.mark.usefixtures("recorded")
def test_the_reviews_stand_beside_ganin_s_figures() -> None:
    app = visit_page("adapt", part=adapt.REVIEWS)
    pairs = table(app, "pair")
    assert list(pairs["pair"]) == ["books → dvd", "dvd → books", "mean of 2"]
    assert pairs["with the judge, %"].iloc[-1] == "75.50" and pairs["Ganin's DANN, %"].iloc[-1] == "75.35"
    assert "better on 2 of 2 pairs" not in said(app) and "1 of 2 pairs" in said(app)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("sentence", ["", "?! …"])
def test_a_sentence_without_words_is_asked_for_again(sentence: str) -> None:
    app = visit_page("adapt", part=adapt.FRAMES)
    app.text_input(key="sentence").set_value(sentence).run()
    assert not app.exception and "Write a sentence." in said(app)
    app.text_input(key="sentence").set_value("It is what it is").run()
    assert not app.exception
    assert list(app.button_group(key="word").options) == ["It", "is", "what", "it", "is (2)"]


def test_a_digit_on_a_photograph_is_the_difference_of_both() -> None:
    x = adapted.Digit(3, 0, "camera", 5).picture()
    assert x.shape == (1, 3, 28, 28) and 0 <= float(x.min()) and float(x.max()) <= 1
    edge = adapted.Digit(8, 0, "camera", 5).picture()
    assert torch.equal(x[..., :4, :], edge[..., :4, :]), "outside the digit it is the photograph"
    assert not torch.equal(x[..., 8:20, 8:20], edge[..., 8:20, 8:20])
    assert not torch.equal(x, adapted.Digit(3, 0, "camera", 6).picture())


@pytest.mark.parametrize(
    ("judge", "probe", "words"), [(52, 55, "near chance"), (50, 80, "lags behind"), (88, 90, "give the domain away")]
)
def test_what_the_judge_and_the_probe_say_together(judge: float, probe: float, words: str) -> None:
    assert words in adapt.sentence(METRICS | {"judge": judge, "probe": probe})


def test_a_verdict_counts_where_the_judge_helped() -> None:
    found = {
        "target": {"a": {"plain": [70.0, 72.0], "adversarial": [73.0]}, "b": {"plain": [80.0], "adversarial": [79.0]}}
    }
    words = adapted.verdict(found, ["a", "b"], "pairs")
    assert "**76.00 %**" in words and "**75.50 %**" in words and "1 of 2 pairs, by -1.00 to +2.00" in words

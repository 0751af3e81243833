"""The page "Adapt" in process: the moons, a digit on a photograph, a word in its sentence, and what it says of the recorded runs."""

import time
from statistics import mean
from typing import Any

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from models import zoo
from tests.visiting import said, visit_page
from training.jobs import Room
from ui import adapt, adapted

METRICS = {"lambda": 0.5, "accuracy_source": 99.0, "accuracy_target": 70.0, "judge": 60.0, "probe": 70.0}


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


def test_a_bad_link_is_said() -> None:
    assert any("there is not" in toast.value for toast in visit_page("adapt", part="Weather").toast)


def test_a_digit_on_a_photograph_is_read_by_both() -> None:
    app = visit_page("adapt", part=adapt.DIGITS, digit="7")
    assert table(app, "digit")["source only"].sum() == pytest.approx(1, abs=1e-5)
    found = zoo.recorded("adapt")
    results = table(app, "a fresh probe, %")
    by = {(row["task"], row["network"]): row for row in results.to_dict("records")}
    assert len(by) == 7
    ours = by["MNIST → MNIST-M", "with the judge"]
    each = found["target"]["mnist-m"]["adversarial"]
    assert ours["target, %"] == adapted.spread(each) and ours["seeds"] == len(each) and ours["Ganin 2016, %"] == 76.66
    assert f"**{adapted.spread(each)} %** with the judge" in said(app)
    assert f"Recorded by `{found['command']}`" in said(app)


def test_a_word_calls_up_a_frame_and_the_tables_hold_ganin_s_figures() -> None:
    app = visit_page("adapt", part=adapt.LANGUAGE)
    frames = table(app, "frame")
    assert frames["with the judge"].sum() == pytest.approx(1, abs=1e-4) and len(frames) == len(zoo.frame_names())
    assert frames["frame"].iloc[0] == "Weapon"
    pairs = table(app, "pair")
    assert list(pairs["pair"])[-1] == "mean of 12"
    assert pairs["Ganin's NN, %"].iloc[-1] == "76.07" and pairs["Ganin's DANN, %"].iloc[-1] == "76.27"
    means = [
        mean(by["adversarial"]) for task, by in zoo.recorded("adapt")["target"].items() if task.startswith("amazon")
    ]
    assert pairs["with the judge, %"].iloc[-1] == f"{mean(means):.2f}"
    assert list(table(app, "kept aside")["kept aside"]) == list(adapted.ASIDE)


@pytest.mark.parametrize("sentence", ["", "?! …"])
def test_a_sentence_without_words_is_asked_for_again(sentence: str) -> None:
    app = visit_page("adapt", part=adapt.LANGUAGE)
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

"""The page "Difficulties" in process: every switch, both runs, what was recorded."""

import time

import pytest
import streamlit as st

from models import zoo
from tests.visiting import said, visit_page
from training.difficulties import BETTER, DIFFICULTIES, WORSE
from training.jobs import Room
from ui import difficulties


@pytest.fixture(autouse=True)
def here(room_here: Room) -> Room:
    st.cache_resource.clear()
    return room_here


@pytest.mark.parametrize("difficulty", list(DIFFICULTIES))
def test_every_difficulty_is_shown_before_it_runs(difficulty: str) -> None:
    found = DIFFICULTIES[difficulty]
    app = visit_page("difficulties", difficulty=found.title)
    assert not app.exception and not app.warning
    words = said(app)
    assert found.says in words and "Not begun" in words
    assert all(f"{name.capitalize()}" in words for name in found.names)
    recorded = zoo.recorded("difficulties")
    row = next(row for row in recorded["rows"][difficulty] if row["value"] == found.first)
    table = next(frame.value for frame in app.dataframe if found.turned in frame.value)
    shown = table[table[found.turned] == found.first].iloc[0]
    assert "{} ± {}".format(*row[f"{BETTER} {found.metrics[0]}"]) in list(shown)
    assert len(app.get("image")) == (0 if difficulty in ("beginning", "balance") else 2)


def test_a_step_of_both_runs_is_told(here: Room) -> None:
    app = visit_page("difficulties")
    app.button(key="difficulties_step").click().run()
    (run,) = here.runs.values()
    deadline = time.monotonic() + 60
    while run.latest is None or not run.paused:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    app.run()
    assert not app.exception
    metrics = run.latest.metrics
    for side in (WORSE, BETTER):
        assert f"**{metrics[f'{side} accuracy_fair']:.1f} %** in fair colours" in said(app)
    table = next(frame.value for frame in app.dataframe if "measured" in frame.value)
    assert list(table["without a judge"]) == [metrics[f"{WORSE} {name}"] for name in table["measured"]]


def test_a_link_with_what_there_is_not_says_so() -> None:
    app = visit_page("difficulties", difficulty="Luck", turned_bias="7")
    assert not app.exception
    assert difficulties.FIRST == "bias" and DIFFICULTIES["bias"].says in said(app)
    assert [word in app.toast[k].value for k, word in enumerate(("“Luck”", "turned_bias = “7”"))] == [True, True]


@pytest.mark.parametrize("value", DIFFICULTIES["bias"].values)
def test_a_link_with_what_there_is_is_followed(value: float) -> None:
    app = visit_page("difficulties", turned_bias=str(value))
    assert not app.toast and app.select_slider(key="turned_bias").value == value

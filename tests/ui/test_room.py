"""The training room as a page shows it, with its desks in this process: buttons, names, who steers, what is drawn and when."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.training.small_run import train
from tests.visiting import said
from training import jobs
from training.jobs import Room, Run
from training.snapshot import Snapshot
from ui import room

DRAWN: list[int] = []  # steps, each time that a page drew one
BUILT: list[int] = []  # each time that it was computed


@pytest.fixture(autouse=True)
def here(room_here: Room) -> Iterator[Room]:
    st.cache_resource.clear()
    DRAWN.clear()
    BUILT.clear()
    return room_here


def toy() -> None:
    """A page at its smallest."""
    import pandas as pd
    import streamlit as st

    from tests.training.small_run import train
    from tests.ui import test_room as seen
    from ui import lecture, room
    from ui.navigation import Page

    def choose() -> dict[str, float]:
        rate = st.slider("Rate", 0.1, 3.0, 1.0, key="rate", bind="query-params")
        steps = st.number_input("Steps", 0, 1000, 1000, key="steps")
        return {"rate": rate, "steps": int(steps), "slow": 0.02}

    def draw(moment: room.Moment) -> None:
        seen.DRAWN.append(moment.snapshot.step)
        moment.once("figure", lambda: seen.BUILT.append(moment.snapshot.step))

    if st.session_state.get("away"):
        return
    lecture.page(
        Page("toy", "Toy", "", lecture="B7", claim="It learns."),
        controls=choose,
        figure=lambda options: room.live("toy", train, options, draw, changeable=["rate"]),
        notes=lambda _, moment: st.markdown(f"notes at {moment.snapshot.step}"),
        code=[train],
        numbers=lambda _, moment: lecture.Numbers("Here.", pd.DataFrame([dict(moment.snapshot.metrics)])),
        downloads=lambda _, moment: [
            lecture.Download("Step", lambda: str(moment.now().snapshot.step).encode(), "step.txt", "text/plain")
        ],
    )


def visit(**query: str) -> AppTest:
    app = AppTest.from_function(toy, default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return fine(app.run())


def fine(app: AppTest) -> AppTest:
    assert not app.exception
    return app


def press(app: AppTest, button: str) -> AppTest:
    return fine(app.button(key=f"toy_{button}").click().run())


def label(app: AppTest, button: str = "go") -> str:
    return app.button(key=f"toy_{button}").label


def name(app: AppTest) -> str:
    return str(app.text_input(key="run").value)


def run_of(app: AppTest) -> Run:
    run = room.ROOM.find(f"toy/{name(app)}")
    assert run is not None
    return run


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def step_of(run: Run) -> int:
    return run.latest.step if run.latest else -1


def trained(app: AppTest, steps: int = 1) -> Run:
    """After so many steps more."""
    run = run_of(app)
    wanted = step_of(run) + steps
    until(lambda: step_of(run) >= wanted or run.over)
    fine(app.run())
    return run


def test_before_a_run_the_page_shows_the_model_before_it_learns() -> None:
    app = visit()
    assert "Not begun" in said(app) and "notes at 0" in said(app) and DRAWN == [0]
    assert label(app) == "Start" and app.button(key="toy_stop").disabled
    assert len(name(app).split()) == 2 and room.ROOM.runs == {}


def test_start_pause_step_play_stop_and_resume() -> None:
    app = press(visit(), "go")
    run = trained(app)
    assert label(app) == "Pause" and "**Trains**" in said(app)
    press(app, "go")
    until(lambda: run not in room.ROOM._at_work)
    fine(app.run())
    here = step_of(run)
    assert label(app) == "Play" and f"**Paused**: step {here} of 1000" in said(app) and f"notes at {here}" in said(app)
    press(app, "step")
    until(lambda: step_of(run) == here + 1)
    fine(app.run())
    assert f"notes at {here + 1}" in said(app) and label(app) == "Play"
    press(app, "go")
    trained(app)
    press(app, "stop")
    stopped = step_of(run)
    assert label(app) == "Resume" and f"**Stopped**: step {stopped}" in said(app)
    press(app, "go")
    again = trained(app)
    assert again is not run and step_of(again) > stopped and label(app) == "Pause"


def test_one_step_can_be_the_first_thing_and_the_next_after_stop() -> None:
    app = press(visit(), "step")
    run = run_of(app)
    until(lambda: run.status == "paused")
    assert step_of(run) == 0
    press(app, "stop")
    press(app, "step")
    again = run_of(app)
    until(lambda: again.status == "paused" and step_of(again) == 1)


def test_a_hyper_parameter_changes_the_run_and_start_anew_takes_the_rest() -> None:
    app = press(visit(), "go")
    run = trained(app)
    fine(app.slider(key="rate").set_value(0.5).run())
    until(lambda: run.history[-1][1]["rate"] == 0.5)
    fine(app.number_input(key="steps").set_value(7).run())
    assert run.options["steps"] == 1000 and "Start anew takes them" in said(app)
    press(app, "anew")
    new = run_of(app)
    until(lambda: new.over)
    fine(app.run())
    assert run.status == "stopped" and new.options == {"rate": 0.5, "steps": 7, "slow": 0.02}
    assert "**Finished**: step 7 of 7" in said(app) and label(app) == "Start" and "notes at 7" in said(app)


def test_what_was_changed_after_stop_holds_after_resume() -> None:
    app = press(visit(), "go")
    trained(app)
    press(app, "stop")
    fine(app.slider(key="rate").set_value(0.3).run())
    press(app, "go")
    again = trained(app)
    assert again.history[-1][1]["rate"] == 0.3


def test_speed_is_told_to_the_run() -> None:
    app = press(visit(), "go")
    run = trained(app)
    fine(app.selectbox(key="toy_speed").select("4 a second").run())
    assert run.speed == 4.0
    press(app, "stop")
    press(app, "anew")
    assert run_of(app).speed == 4.0


def test_a_link_finds_the_run_watches_it_and_steers_when_asked() -> None:
    owner = press(visit(), "go")
    run = trained(owner)
    watcher = visit(run=name(owner), rate="3.0")
    assert "**Trains**" in said(watcher) and run_of(watcher) is run
    assert all(watcher.button(key=f"toy_{button}").disabled for button in ("go", "step", "stop", "anew"))
    fine(watcher.slider(key="rate").set_value(2.0).run())
    assert run.options["rate"] == 1.0, "who watches changes nothing"
    fine(watcher.toggle(key="toy_steer").set_value(True).run())
    assert run.options["rate"] == 1.0, "taking the wheel alone changes nothing"
    fine(watcher.slider(key="rate").set_value(2.5).run())
    assert run.options["rate"] == 2.5
    press(watcher, "stop")
    fine(owner.run())
    assert label(owner) == "Resume"


def test_the_third_run_waits_and_says_so() -> None:
    one, two, three = (press(visit(run=f"number {n}"), "go") for n in "123")
    run = run_of(three)
    until(lambda: run.ahead == 0)
    fine(three.run())
    assert "**Waits**: 2 runs are at work, none waits before this one." in said(three)
    four = press(visit(run="number 4"), "go")
    until(lambda: run_of(four).ahead == 1)
    fine(four.run())
    assert "1 run waits before this one" in said(four)
    press(one, "stop")
    press(two, "stop")
    trained(three)
    assert "**Trains**" in said(three)


def test_a_full_queue_and_a_missing_name_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_WAITING", 0)
    app = press(visit(), "go")
    assert "runs are waiting already" in said(app) and room.ROOM.runs == {}
    fine(app.text_input(key="run").set_value("  ").run())
    assert "Give the run a name" in said(app) and app.button(key="toy_go").disabled


def test_options_that_the_training_refuses_are_a_sentence() -> None:
    app = visit()
    fine(app.number_input(key="steps").set_value(0).run())
    assert "A run has at least one step." in said(app) and "Formula" not in said(app)


def test_a_run_that_failed_says_why_and_can_be_resumed() -> None:
    app = press(visit(), "go")
    run = trained(app)

    class Gone:
        def pull(self, *_: Any) -> Any:
            raise OSError("its worker is gone")

    run._desk = Gone()
    until(lambda: run.over)
    fine(app.run())
    (told,) = [error.value for error in app.error]
    assert "killed" in told and f"step {step_of(run)} of 1000" in told and label(app) == "Resume"
    press(app, "go")
    assert step_of(trained(app)) > step_of(run)


def test_a_forgotten_run_says_so() -> None:
    app = press(visit(), "go")
    run = trained(app)
    run.looked -= jobs.FORGOTTEN + 60
    until(lambda: run.over)
    fine(app.run())
    assert "nobody looked at it for 10 minutes" in said(app)


def test_a_moment_is_computed_once_for_all_who_look() -> None:
    one = press(visit(), "go")
    trained(one)
    press(one, "go")
    run = run_of(one)
    until(lambda: run not in room.ROOM._at_work)
    fine(one.run())
    BUILT.clear()
    watchers = [visit(run=name(one)) for _ in range(3)]
    fine(one.run())
    assert BUILT == [] and all(f"notes at {step_of(run)}" in said(app) for app in watchers)


def test_a_class_sees_one_moment_for_a_while_and_a_paused_run_its_last(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run("a", train, {}, threading.Condition(), latest=Snapshot(1, 9, 0.0, {}, {}))
    run._desk = object()
    first = room.moment_of(run)
    run.latest = Snapshot(2, 9, 0.0, {}, {})
    assert run.status == "running" and room.moment_of(run) is first
    monkeypatch.setattr(room, "SHARED", 0.0)
    second = room.moment_of(run)
    assert second is not None and second.snapshot.step == 2
    monkeypatch.setattr(room, "SHARED", 60.0)
    for step, halt in ((3, run.pause), (4, run.stop)):
        run.latest = Snapshot(step, 9, 0.0, {}, {})
        halt()
        moment = room.moment_of(run)
        assert moment is not None and moment.snapshot.step == step


def test_the_name_stays_when_the_page_is_left_and_a_new_visitor_gets_another() -> None:
    app = press(visit(run="my own run"), "go")
    assert run_of(app).name == "toy/my own run"
    app.session_state["away"] = True
    fine(app.run())
    app.session_state["away"] = False
    app.query_params.clear()
    fine(app.run())
    assert name(app) == "my own run"
    assert name(visit()) != "my own run"


def test_a_name_is_shown_as_it_is() -> None:
    app = press(visit(run="**bold** [x](y)"), "go")
    assert run_of(app).name == "toy/**bold** [x](y)"
    assert train.__module__ in said(app)

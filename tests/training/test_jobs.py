"""Runs outside the web process, on the engine that the app starts: their buttons, their queue, and what happens to a killed one."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.training.small_run import train
from training import jobs
from training.jobs import Room, Run

SLOW = 0.02  # seconds a step
LONG = 100_000  # steps


@pytest.fixture(scope="module")
def engine() -> Iterator[Room]:
    room = Room()
    yield room
    room.close()


@pytest.fixture
def room(engine: Room) -> Iterator[Room]:
    """With nothing in it."""
    yield engine
    for run in engine.runs.values():
        run.stop()
    for thread in engine._threads:
        thread.join(30)
    engine.runs.clear()


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def at(run: Run) -> int:
    return run.latest.step if run.latest else -1


def begun(room: Room, name: str = "a", **options: Any) -> Run:
    run = room.start(name, train, {"steps": LONG, "slow": SLOW, **options})
    until(lambda: at(run) > 0 or run.over)
    return run


def straight(steps: int, **options: Any) -> list[float]:
    return [snapshot.metrics["loss"] for snapshot in train(steps=steps, **options)]


def test_a_run_finishes_with_what_the_loop_itself_gives(room: Room) -> None:
    run = room.start("a", train, {"steps": 30})
    until(lambda: run.over)
    assert (run.status, at(run)) == ("finished", 30)
    assert [step for step, _ in run.history] == list(range(31))
    assert [metrics["loss"] for _, metrics in run.history] == pytest.approx(straight(30))
    assert run.latest is not None and run.latest.view["p"].shape == (200,)


def test_pause_step_and_play(room: Room) -> None:
    run = begun(room)
    run.pause()
    until(lambda: run not in room._at_work)
    here = at(run)
    assert run.status == "paused"
    run.step()
    run.step()
    until(lambda: at(run) == here + 2 and run.status == "paused")
    until(lambda: run not in room._at_work)
    assert at(run) == here + 2
    run.play()
    until(lambda: at(run) > here + 4)
    assert run.status == "running"


def test_a_run_that_begins_paused_does_its_first_snapshot_only(room: Room) -> None:
    run = room.start("a", train, {"steps": LONG}, paused=True)
    until(lambda: run.status == "paused" and run not in room._at_work)
    assert at(run) == 0 and len(run.history) == 1


def test_stop_is_at_once_and_resume_goes_on_from_there(room: Room) -> None:
    run = begun(room)
    run.stop()
    assert run.status == "stopped"
    here, history = at(run), list(run.history)
    again = room.resume(run)
    until(lambda: at(again) > here + 3)
    assert again.history[: len(history)] == history
    steps = [step for step, _ in again.history]
    assert steps == list(range(len(steps))), "no step is done twice, none is left out"
    assert [metrics["loss"] for _, metrics in again.history] == pytest.approx(straight(steps[-1]))


def test_what_is_changed_holds_from_the_next_step_on_and_after_resume(room: Room) -> None:
    run = begun(room, rate=1.0)
    run.change(rate=0.25)
    until(lambda: run.history[-1][1]["rate"] == 0.25)
    rates = [metrics["rate"] for _, metrics in run.history]
    assert rates == sorted(rates, reverse=True) and set(rates) == {1.0, 0.25}
    run.stop()
    again = room.resume(run)
    until(lambda: at(again) > at(run))
    assert again.history[-1][1]["rate"] == 0.25
    again.stop()
    other = room.resume(again, rate=0.5)
    until(lambda: at(other) > at(again))
    assert other.history[-1][1]["rate"] == 0.5 and other.options["rate"] == 0.5


def test_speed_is_an_upper_bound(room: Room) -> None:
    run = room.start("a", train, {"steps": LONG}, speed=20.0)
    until(lambda: at(run) >= 0)
    since, here = time.monotonic(), at(run)
    until(lambda: at(run) >= here + 10)
    assert time.monotonic() - since >= 9 / 20
    run.set_speed(0.0)
    here = at(run)
    until(lambda: at(run) > here + 100)


def test_the_third_waits_and_says_how_many_are_before_it(room: Room) -> None:
    one, two = begun(room, "one"), begun(room, "two")
    three, four = (room.start(name, train, {"steps": LONG, "slow": SLOW}) for name in ("three", "four"))
    until(lambda: (three.ahead, four.ahead) == (0, 1))
    assert (three.status, four.status) == ("waiting", "waiting") and at(three) == -1
    assert one.worker != two.worker, "each has a process of its own"
    two.stop()
    until(lambda: at(three) >= 0 and four.ahead == 0)
    three.stop()
    until(lambda: at(four) >= 0)


def test_a_paused_run_leaves_its_place_and_finds_another(room: Room) -> None:
    one, two = begun(room, "one"), begun(room, "two")
    one.pause()
    three = begun(room, "three")
    here = at(one)
    one.play()
    until(lambda: one.status == "waiting")
    two.stop()
    until(lambda: at(one) > here)
    assert one.worker == two.worker != three.worker
    steps = [step for step, _ in one.history]
    assert steps == list(range(len(steps)))


def test_the_queue_has_an_end(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_WAITING", 1)
    begun(room, "one"), begun(room, "two")
    three = room.start("three", train, {"steps": LONG})
    until(lambda: three.ahead == 0)
    with pytest.raises(ValueError, match="1 runs are waiting already"):
        room.start("four", train, {"steps": LONG})
    assert room.find("four") is None


def test_a_name_finds_its_run_and_starts_no_second(room: Room) -> None:
    run = begun(room, "class")
    assert room.find("class") is run
    assert room.start("class", train, {"steps": 3}) is run
    assert room.find("another") is None
    run.stop()
    assert room.start("class", train, {"steps": 3}) is not run


def test_runs_that_are_over_are_kept_but_not_all(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT_RUNS", 2)
    alive = begun(room, "alive")
    for name in "abc":
        run = room.start(name, train, {"steps": 1})
        until(lambda run=run: run.over)
    room.start("d", train, {"steps": LONG})
    assert list(room.runs) == ["alive", "b", "c", "d"] and not alive.over


def test_a_run_that_nobody_looks_at_ends(room: Room) -> None:
    watched, left = begun(room, "watched"), begun(room, "left")
    waiting = room.start("waiting", train, {"steps": LONG})
    until(lambda: waiting.ahead == 0)
    watched.pause()
    for run in (watched, left, waiting):
        run.looked -= jobs.FORGOTTEN - 1
    room.find("watched")
    until(lambda: left.over and waiting.over)
    assert (left.status, waiting.status, watched.status) == ("forgotten", "forgotten", "paused")
    here = at(left)
    again = room.resume(left)
    until(lambda: at(again) > here)


def test_a_killed_worker_is_told_and_the_run_goes_on_from_its_last_step(room: Room) -> None:
    run, other = begun(room, "a"), begun(room, "b")
    os.kill(room.client().run(os.getpid)[run.worker], signal.SIGKILL)
    until(lambda: run.over)
    assert run.status == "failed" and "killed" in run.error and "Resume" in run.error
    assert not other.over, "the other worker's run goes on"
    here = at(run)
    again = room.resume(run)
    until(lambda: at(again) > here + 2)
    steps = [step for step, _ in again.history]
    assert steps == list(range(len(steps)))
    assert [metrics["loss"] for _, metrics in again.history] == pytest.approx(straight(len(steps) - 1))


def test_what_breaks_in_a_training_is_a_sentence_and_so_is_what_it_refuses(room: Room) -> None:
    broken = begun(room, "broken", slow=0.0, breaks_at=3)
    until(lambda: broken.over)
    assert broken.status == "failed" and broken.error == "The training broke off: ZeroDivisionError: division by zero"
    assert at(broken) == 2, "what came before is there"
    refused = room.start("refused", train, {"steps": 0})
    until(lambda: refused.over)
    assert refused.error == "A run has at least one step."


def test_a_silent_worker_is_given_up_and_started_anew(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    client = room.client()
    processes = set(client.run(os.getpid).values())
    monkeypatch.setattr(jobs, "PATIENCE", 5.0)
    silent = room.start("silent", train, {"steps": 3, "slow": 100.0})
    until(lambda: silent.over)
    assert silent.status == "failed" and "No snapshot came" in silent.error
    until(lambda: len(set(client.run(os.getpid, on_error="ignore").values()) - processes) == 1)


def test_a_cluster_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jobs.CLUSTER, "tcp://127.0.0.1:9")
    monkeypatch.setattr(jobs, "ANSWERS_WITHIN", 0.5)
    room = Room()
    run = room.start("a", train, {"steps": 3})
    until(lambda: run.over)
    assert run.error == f"No Dask scheduler answers at tcp://127.0.0.1:9 (from {jobs.CLUSTER})."
    room.close()


def test_a_cluster_is_used_where_its_address_is_given(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = room.client().scheduler.address
    monkeypatch.setenv(jobs.CLUSTER, scheduler)
    guest = Room()
    run = guest.start("a", train, {"steps": 3})
    until(lambda: run.over)
    assert run.status == "finished" and guest._embedded is None
    guest.close()
    assert begun(room).status == "running", "the cluster is not the guest's to close"


def test_an_engine_that_died_is_started_anew(room: Room) -> None:
    run = begun(room)
    engine = room._embedded
    assert engine is not None
    engine.kill()
    until(lambda: run.over)
    assert run.status == "failed" and "gone" in run.error
    here = at(run)
    again = room.resume(run)
    until(lambda: at(again) > here or again.over)
    assert again.status == "running" and room._embedded is not engine
    room.close()
    assert again.over and room._embedded is None

"""The training room as a page shows it: a run's buttons, its name, where it is, and its figure redrawn while it trains.

A page's `figure` calls `live`, its `numbers` and `downloads` get the `Moment` that it returns. Before a run begins, the moment
is the model as it begins, so that no page is empty. Whoever started a run steers it; who found it by its name watches, until he
asks to steer.
"""

import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_run_context import ThreadState, get_script_run_ctx

from training.desk import Measured
from training.jobs import FORGOTTEN, Room, Run, Training
from training.snapshot import Snapshot
from ui import address, cached, controls
from ui.lecture import as_it_is

ROOM = Room()
EVERY, EVERY_PAUSED = 0.5, 2.0  # seconds between two looks at a run
SHARED = 0.4  # seconds
WIDEST = 40  # characters of a run's name
FASTEST = "full speed"
SPEEDS = {FASTEST: 0.0, "4 a second": 4.0, "2 a second": 2.0, "1 a second": 1.0}
FIRST = "amber bold calm clever coral eager gentle golden green happy jolly kind lucky merry quick quiet silver swift warm wise"
SECOND = "badger bear crane deer falcon finch fox hare heron lark lynx mole otter owl panda raven robin seal stork wren"

Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Moment:
    """What there is to draw: a snapshot, and what led to it. Shared by all who look at the run.

    Attributes:
        history: metrics of the snapshots so far, with their steps.
        options: that hold; a run may have others than the controls above it say.
        run: None before it begins.
        taken: when the run was asked for it, in seconds.
    """

    snapshot: Snapshot
    history: list[Measured]
    options: Mapping[str, Any]
    run: Run | None = None
    taken: float = field(default_factory=time.monotonic)
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    def once(self, name: str, compute: Callable[[], Kept]) -> Kept:
        """What `compute` gives, computed once for all who look at this moment."""
        if name not in self._kept:
            self._kept[name] = compute()
        kept: Kept = self._kept[name]
        return kept

    def now(self) -> "Moment":
        """Where the same run is by now: for what is computed at a click."""
        return (self.run and moment_of(self.run)) or self

    def series(self, metric: str) -> tuple[list[int], list[float]]:
        """Steps and values of a metric, where it was measured."""
        found = [(step, metrics[metric]) for step, metrics in self.history if metric in metrics]
        return [step for step, _ in found], [value for _, value in found]


_moments: WeakKeyDictionary[Run, Moment] = WeakKeyDictionary()


def moment_of(run: Run) -> Moment | None:
    """The moment a run is at; None before its first snapshot.

    While it goes on, all who look within `SHARED` see the same one: what is drawn of it is computed once for a class.
    """
    snapshot = run.latest
    if snapshot is None:
        return None
    moment = _moments.get(run)
    fresh = moment is not None and run.status == "running" and time.monotonic() - moment.taken < SHARED
    if moment is None or (moment.snapshot is not snapshot and not fresh):
        _moments[run] = moment = Moment(snapshot, run.history, dict(run.options), run)
    return moment


def live(
    key: str,
    train: Training,
    options: Mapping[str, Any],
    draw: Callable[[Moment], None],
    *,
    changeable: Collection[str] = (),
) -> Moment | None:
    """A run of `train(**options)`: its buttons, its status, and what `draw` draws of it, again while it goes on.

    Args:
        key: of the page, which has its own runs and its own widgets.
        options: plain values, that can be compared and hashed; those in `changeable` change a run that goes on.
        draw: draws a moment; runs in a fragment, twice a second at most. What is dear goes through `Moment.once`.

    Returns the moment in view, or None, with a word, where the options allow none.
    """
    ROOM.wake()
    try:
        first = Moment(cached.room.first_snapshot(train, dict(options)), [], options)
    except (ValueError, OSError) as error:
        st.warning(str(error), icon=":material/block:")
        return None
    bar = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    name, speed = _name(key, bar), _speed(key, bar)
    run = ROOM.find(f"{key}/{name}") if name else None
    steers = _steers(key, name, run)
    _pass_on(key, run if steers else None, {k: options[k] for k in changeable}, speed)
    with bar:
        _buttons(key, name, train, options, changeable, run, steers)
    if refusal := st.session_state.pop(f"{key}_refusal", ""):
        st.warning(refusal, icon=":material/hourglass_disabled:")
    if run is not None and any(run.options[k] != v for k, v in options.items() if k not in changeable):
        st.caption("The run has other settings than the controls ask for: Start anew takes them.")
    _follow_live(key, run, first, draw)
    return (run and moment_of(run)) or first


# ---------------------------------------------------------------- its name, who steers it, what it is told


def _name(key: str, place: Any) -> str:
    """The run's name, in the link; one of two words that no run has, until a visitor types another."""
    mine = st.session_state.setdefault(f"{key}_name", _new_name(key))
    name = controls.text(
        "Run",
        mine,
        "run",
        WIDEST,
        place=place,
        max_chars=WIDEST,
        help="Whoever opens this page with the same name sees the same run: the name is in the link.",
        width=180,
    ).strip()
    if not name:
        st.info("Give the run a name.", icon=":material/edit_note:")
    st.session_state[f"{key}_name"] = name
    return name


def _new_name(key: str) -> str:
    while True:
        name = f"{random.choice(FIRST.split())} {random.choice(SECOND.split())}"
        if f"{key}/{name}" not in ROOM.runs:
            return name


def _speed(key: str, place: Any) -> float:
    speed = place.selectbox("Speed", list(SPEEDS), key=f"{key}_speed", bind="query-params", width=200)
    return SPEEDS[speed]


def _steers(key: str, name: str, run: Run | None) -> bool:
    """Whether this visitor's buttons and controls hold for the run."""
    if run is None or f"{key}/{name}" in _mine():
        return True
    return st.toggle(
        "Steer this run",
        key=f"{key}_steer",
        help="Somebody else began it, or you in another window. Whoever steers it does so for all who watch.",
    )


def _mine() -> set[str]:
    """The names of the runs that this visitor began."""
    mine: set[str] = st.session_state.setdefault("room_mine", set())
    return mine


def _pass_on(key: str, run: Run | None, asked: dict[str, Any], speed: float) -> None:
    """Tell the run what was changed since the controls were last looked at: only that, since a watcher's may say something else."""
    now = {**asked, "speed of the run": speed}
    before = st.session_state.get(f"{key}_asked", now)
    st.session_state[f"{key}_asked"] = now
    changed = {name: value for name, value in now.items() if before.get(name, value) != value}
    if run is None or run.over or not changed:
        return
    if changed.pop("speed of the run", None) is not None:
        run.set_speed(speed)
    if changed:
        run.change(**changed)


# ---------------------------------------------------------------- buttons


def _buttons(
    key: str,
    name: str,
    train: Training,
    options: Mapping[str, Any],
    changeable: Collection[str],
    run: Run | None,
    steers: bool,
) -> None:
    def begin(paused: bool = False) -> None:
        _try(key, lambda: ROOM.start(f"{key}/{name}", train, options, speed=_chosen_speed(key), paused=paused))
        _mine().add(f"{key}/{name}")

    def again(paused: bool = False) -> None:
        assert run is not None
        _try(key, lambda: ROOM.resume(run, paused=paused, **{k: options[k] for k in changeable}))

    def halt() -> None:
        if run is not None:
            run.stop()

    def anew() -> None:
        halt()
        begin()

    resumable = run is not None and run.over and run.ending != "finished" and run.latest is not None
    step: Callable[[], None]
    go: tuple[str, str, Callable[[], None]]
    if run is None or (run.over and not resumable):
        go, step = ("Start", "play_arrow", begin), partial(begin, paused=True)
    elif run.over:
        go, step = ("Resume", "play_arrow", again), partial(again, paused=True)
    elif run.paused:
        go, step = ("Play", "play_arrow", run.play), run.step
    else:
        go, step = ("Pause", "pause", run.pause), run.step
    free = steers and bool(name)
    alive = run is not None and not run.over
    _button(key, "go", *go, free, type="primary", shortcut="k")
    _button(key, "step", "One step", "skip_next", step, free, shortcut="s")
    _button(key, "stop", "Stop", "stop", halt, free and alive)
    _button(key, "anew", "Start anew", "replay", anew, free and run is not None)


def _button(key: str, name: str, label: str, icon: str, act: Callable[[], None], free: bool, **options: Any) -> None:
    st.button(
        label,
        key=f"{key}_{name}",
        icon=f":material/{icon}:",
        on_click=_heard,
        args=(key, act),
        disabled=not free,
        **options,
    )


def _heard(key: str, act: Callable[[], None]) -> None:
    """What a button does, unless it was not the button's own message that told of its click.

    A browser sends that message a moment after the click. A look at the run that falls into this moment tells of the click, too,
    since every message says what all widgets hold: it would be heard twice, as Pause and then as Play.
    """
    ctx = get_script_run_ctx()
    if ctx is None or ctx.fragment_ids_this_run != st.session_state.get(f"{key}_look"):
        act()


def _chosen_speed(key: str) -> float:
    return SPEEDS[st.session_state[f"{key}_speed"]]


def _try(key: str, act: Callable[[], Any]) -> None:
    try:
        act()
    except ValueError as refusal:
        st.session_state[f"{key}_refusal"] = str(refusal)


# ---------------------------------------------------------------- what is seen of it


def _follow_live(key: str, run: Run | None, first: Moment, draw: Callable[[Moment], None]) -> None:
    """The fragment that looks at the run while it is alive, and sees to it that all of the page follows where it halts."""
    seen, latest = stance(run), run and run.latest
    above = address.drawn()
    every = None if run is None or run.over else EVERY_PAUSED if run.status == "paused" else EVERY

    def follow() -> None:
        st.session_state[f"{key}_look"] = [ThreadState.get().fragment_id]
        address.keep()
        address.follow(above)
        now = ROOM.find(run.name) if run else None
        if stance(now) != seen or (now and now.paused and now.latest is not latest):
            st.rerun()
        if now:
            status_line(now)
        else:
            st.caption("Not begun: what is drawn is the model before it learns.")
        draw((now and moment_of(now)) or first)

    st.fragment(follow, run_every=every)()


def stance(run: Run | None) -> str:
    """What a run's buttons depend on."""
    return "none" if run is None else run.ending or ("paused" if run.paused else "going")


def status_line(run: Run) -> None:
    """Where a run is, in words, and with which settings."""
    words = status_words(run)
    if run.status == "failed":
        st.error(words, icon=":material/error:")
    else:
        st.markdown(words)
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in run.options.items() if plain(value))
    st.caption(as_it_is(f"This run: {settings}."))


def plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def status_words(run: Run) -> str:
    """Where a run is."""
    at = f"step {run.latest.step} of {run.latest.steps}" if run.latest else "no step yet"
    if run.status == "waiting":
        others = {0: "none waits", 1: "1 run waits"}.get(run.ahead or 0, f"{run.ahead} runs wait")
        return f"**Waits**: {ROOM.places} runs are at work, {others} before this one."
    if run.status == "failed":
        return as_it_is(f"{run.error} It was at {at}.")
    if run.status == "forgotten":
        return f"**Ended**, at {at}: nobody looked at it for {FORGOTTEN / 60:.0f} minutes. Resume goes on from there."
    said = {"starting": "Starts", "running": "Trains", "paused": "Paused", "stopped": "Stopped", "finished": "Finished"}
    seconds = f", {run.latest.seconds:.0f} s of training" if run.latest and run.latest.seconds >= 1 else ""
    return f"**{said[run.status]}**: {at}{seconds}."

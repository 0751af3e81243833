"""Untrained networks in the place of the app's, for pages that are tested for what they show; runs in this process."""

import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import streamlit as st

from models import zoo
from tests import untrained
from training.desk import Desk, Pull
from training.jobs import Room, Run
from ui import ask, caption, glimpses, room
from ui.navigation import ASK, CAPTCHA, CAPTION, PAGES


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pages over pictures with networks that have learned nothing; what was kept of others is forgotten before and after."""
    st.cache_resource.clear()
    monkeypatch.setattr(zoo, "captioner", untrained.captioner)
    monkeypatch.setattr(zoo, "reader", untrained.reader)
    monkeypatch.setattr(zoo, "answerer", untrained.answerer)
    for words in (caption, glimpses, ask):
        monkeypatch.setattr(words, "read_card", lambda _: untrained.card("An untrained network", bleu4=1.25))
    monkeypatch.setattr(ask, "shipped", lambda _: list(ask.HOPS))
    pages = [CAPTION, CAPTCHA, ASK]
    others = [page for page in PAGES["Attention"] if page not in pages]
    monkeypatch.setitem(PAGES, "Attention", [*others, *pages])
    yield
    st.cache_resource.clear()


class _Answer:
    """Of a desk in this process, in the form of Dask's."""

    def __init__(self, value: Pull):
        self.value = value

    def result(self, _patience: float) -> Pull:
        return self.value


class _Here:
    """A desk in this process, without an engine."""

    def __init__(self, task: bytes):
        self.desk = Desk(task)

    def pull(self, changes: Mapping[str, Any], seconds: float) -> _Answer:
        return _Answer(self.desk.pull(changes, seconds))


@pytest.fixture
def room_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    """The training room with its runs in threads of this process: pages that train are tested without an engine."""
    rooms = Room()

    def new_desk(run: Run) -> _Here:
        run.worker = run.name
        return _Here(pickle.dumps((run.train, {**run.options, "resume": run.latest})))

    monkeypatch.setattr(rooms, "_new_desk", new_desk)
    monkeypatch.setattr(rooms, "wake", lambda: None)
    monkeypatch.setattr(room, "ROOM", rooms)
    yield rooms
    rooms.close()

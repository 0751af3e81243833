"""Untrained networks in the place of the app's, for pages that are tested for what they show."""

from collections.abc import Iterator

import pytest
import streamlit as st

from models import zoo
from tests import untrained
from ui import ask, caption, glimpses
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

"""Untrained networks in the place of the app's, for pages that are tested for what they show."""

from collections.abc import Iterator

import pytest
import streamlit as st

from models import zoo
from tests import untrained
from ui import caption
from ui.navigation import CAPTION, PAGES


@pytest.fixture
def strangers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The pages over pictures with networks that have learned nothing; what was kept of others is forgotten before and after."""
    st.cache_resource.clear()
    monkeypatch.setattr(zoo, "captioner", untrained.captioner)
    monkeypatch.setattr(caption, "read_card", lambda _: untrained.card("An untrained captioner", bleu4=1.25))
    others = [page for page in PAGES["Attention"] if page not in (CAPTION,)]
    monkeypatch.setitem(PAGES, "Attention", [*others, CAPTION])
    yield
    st.cache_resource.clear()

"""The page "What to label next" in process: what its three parts say and do."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from models import zoo
from tests.visiting import said, visit_page
from training import annotate
from ui import annotate as words
from ui import cached
from ui.annotate import recorded_verdict


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A pool of 250 digits."""
    whole = annotate.digits()
    monkeypatch.setitem(annotate.POOLS, "digits", lambda: replace(whole, x=whole.x[:250], y=whole.y[:250]))
    forget()
    yield
    forget()


def forget() -> None:
    annotate.pool.cache_clear()
    st.cache_resource.clear()


def visit(**query: str) -> AppTest:
    return visit_page("annotate", **query)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    learned, times = annotate.learned, list[int]()

    def count(settings: annotate.Settings, step: int, *rest: object) -> object:
        times.append(step)
        return learned(settings, step, *rest)

    monkeypatch.setattr(annotate, "learned", count)
    return times


def test_one_more_round_computes_that_round_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    times = counted(monkeypatch)
    app = visit(rounds="1", seeds="2")
    assert sorted(times) == [0] * 8 + [1] * 8, "four strategies, two seeds"
    assert "20 labels: random" in said(app)
    times.clear()
    app.button(key="more").click().run()
    assert not app.exception
    assert times == [2] * 8 and "30 labels: random" in said(app)
    times.clear()
    app.button(key="again").click().run()
    assert times == [] and "10 labels: random" in said(app), "what was computed once is kept"


def test_work_is_cut_into_slices_and_nothing_is_computed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    times, runs = counted(monkeypatch), list[int]()
    curves = words._curves
    monkeypatch.setattr(words, "PATIENCE", 0.0)
    monkeypatch.setattr(words, "_curves", lambda *given: runs.append(len(times)) or curves(*given))
    app = visit(rounds="1", seeds="1", strategies="entropy")
    assert runs == [1, 2] and "20 labels: entropy" in said(app) and not app.button(key="more").disabled


def test_pairs_are_told_from_three_seeds_on() -> None:
    assert "seed by seed: " not in said(visit(rounds="0", seeds="2"))
    assert "better in 0 of 3, which may be chance" in said(visit(rounds="0", seeds="3")), "all begin alike"


def test_free_partners_are_another_run() -> None:
    app = visit(rounds="1", seeds="1", free="true")
    assert "DeepFool + partners (DFAL)" in said(app).split("Recorded")[0]
    snapshot = cached.room.annotated(annotate.Settings(strategy=annotate.DFAL), 1)
    assert len(snapshot.state["partners"]) == 10


def test_no_strategy_is_a_sentence() -> None:
    app = visit(rounds="0", seeds="1")
    app.pills(key="strategies").set_value([]).run()
    assert not app.exception and "Choose a strategy" in said(app)


def test_the_plane_goes_round_by_round() -> None:
    app = visit(part="Two moons", round="1")
    assert "7 labels, test accuracy" in said(app)
    app.slider(key="round").set_value(3).run()
    assert not app.exception and "13 labels, test accuracy" in said(app)


def test_a_visitors_wrong_label_is_compared_with_the_right_one() -> None:
    app = visit(part="You label")
    settings = annotate.Settings(query=1)
    right = int(annotate.truth(settings, cached.room.told(settings, ()))[0])
    wrong = (right + 1) % 10
    app.button(key=f"say_{wrong}").click().run()
    assert not app.exception
    after, instead = (cached.room.told(settings, (label,)).metrics["accuracy"] for label in (wrong, right))
    (told,) = [warning.value for warning in app.warning]
    assert f"You said {wrong}; it is a {right}." in told
    assert f"**{after:.1f} %**" in told and f"**{instead:.1f} %**" in told
    app.button(key="back").click().run()
    assert not app.warning
    app.button(key="oracle").click().run()
    assert next(success.value for success in app.success).startswith(f"{right} is right")


def test_labels_in_the_link_are_taken_and_nonsense_is_said() -> None:
    told = cached.room.told(annotate.Settings(query=1), (0, 0))
    app = visit(part="You label", said="00")
    assert f"{told.metrics['accuracy']:.1f}" in "".join(each.value for each in (*app.warning, *app.success))
    app = visit(part="You label", said="3x")
    assert any("3x" in toast.value for toast in app.toast)
    assert app.button(key="back").disabled


def test_the_recorded_run_is_told_as_it_is() -> None:
    found = zoo.recorded("annotate")
    assert found["seeds"] >= 10 and found["command"].startswith("python -m training report annotate")
    told = recorded_verdict(found)
    rows = [row for row in found["pairs"] if (row["strategy"], row["other"]) == ("deepfool", "random")]
    better = [str(row["labels"]) for row in rows if row["difference"] > row["half"]]
    assert f"against **random** better at {', '.join(better)} labels" in told
    worse = {**found, "pairs": [{**row, "difference": -row["difference"]} for row in found["pairs"]]}
    assert f"against **random** nowhere better, worse at {', '.join(better)} labels" in recorded_verdict(worse)

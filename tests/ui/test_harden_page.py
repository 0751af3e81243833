"""The page "Harden" in process: its live parts, the recorded runs, a digit before the networks."""

import base64
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from models import zoo
from models.card import read_card
from models.digit_classifier import DigitClassifier
from tests.visiting import control, said, visit_page
from training import hardening
from training.hardening import RUNS
from training.jobs import Room
from ui import cached, harden
from ui.components.sketch import SIDE, valid_ink

PATIENCE = 300.0  # seconds after which something hangs


@pytest.fixture(autouse=True)
def here(room_here: Room) -> Iterator[Room]:
    st.cache_resource.clear()
    yield room_here
    st.cache_resource.clear()


def visit(**query: str) -> AppTest:
    return visit_page("harden", **query)


def until(app: AppTest, there: Any) -> None:
    """Look again until it is so: in process nothing looks again by itself."""
    end = time.monotonic() + PATIENCE
    while not there():
        assert time.monotonic() < end, said(app)
        app.run()
        assert not app.exception


def test_before_a_run_the_network_is_there_as_it_begins() -> None:
    app = visit(moons_epsilon="0.1")
    metrics = cached.room.first_snapshot(
        hardening.train, harden._options(harden.MOONS, 0.5, 0.1, "FGSM", 10, 1)
    ).metrics
    assert f"right on **{metrics['clean']:.1f} %** of clean test examples" in said(app)
    assert f"**{metrics['pgd']:.1f} %** under PGD-20" in said(app)


def test_a_run_overfits_on_purpose_and_says_so_and_epsilon_is_changed_while_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hardening, "GAP", 5.0)  # soon
    app = visit(part=harden.DIGITS)
    next(button for button in app.button if button.label == "Overfit on purpose").click().run()
    assert control(app.slider, "alpha").value == 0 and control(app.slider, "digits_epsilon").value == 0.3
    app.button(key="harden-digits_go").click().run()
    until(app, lambda: "Catastrophic overfitting" in said(app))
    control(app.slider, "digits_epsilon").set_value(0.05).run()
    until(app, lambda: "ε = 0.05: right on" in said(app))
    app.button(key="harden-digits_stop").click().run()
    until(app, lambda: "**Stopped**" in said(app))
    (epochs,) = [frame.value["epoch"].tolist() for frame in app.dataframe]
    assert epochs == sorted(set(epochs)) and len(epochs) > 2


def recorded_as_if() -> dict[str, Any]:
    """Numbers of no run, of the form that the report has."""
    random = np.random.default_rng(0)
    runs = {
        name: {
            "how": {key: value for key, value in how.items() if key != "epochs"},
            "minutes": 1.5,
            "error": {"clean": 1.0, "fgsm": 20.0, "noise": 2.0, "pgd": 90.0},
            "curves": {"clean": [10.0, 99.0], "noise": [10.0, 98.0], "fgsm": [0.0, 91.5], "pgd": [0.0, 33.3]},
            "ink": random.normal(size=(2, 12 * 25)).tolist(),
            "grey": random.normal(size=(2, 12 * 21)).tolist(),
        }
        for name, how in RUNS.items()
    }
    return {
        "command": "python -m training report harden --data DIR",
        "about": "As if.",
        "n": 100,
        "epsilon": 0.25,
        "noise_published": 86.2,
        "transfer": dict.fromkeys(RUNS, 5.0),
        "runs": runs,
    }


def test_the_recorded_runs_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    found = recorded_as_if()
    monkeypatch.setattr(zoo, "recorded", lambda _: found)
    app = visit(part=harden.RECORDED)
    assert "**Recorded.** As if." in said(app) and found["command"] in said(app)
    assert "91.5 % under FGSM, **33.3 %** under PGD-20" in said(app) and "Catastrophic overfitting" in said(app)
    rows = harden.beside(found).set_index("what")
    autoattack = read_card("digits-pgd").metrics["autoattack_0.3"]
    assert rows.loc["hardened with PGD, AutoAttack ε = 0.3"].tolist()[1:] == [11.5, round(100 - autoattack, 2)]
    assert rows.loc["plain, FGSM ε = 0.25"].tolist()[1:] == [89.4, 20.0]


def test_nothing_recorded_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "recorded", lambda _: {})
    assert "Nothing is recorded yet" in said(visit(part=harden.RECORDED))


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> dict[str, DigitClassifier]:
    """Networks that have learned nothing in the place of those that ship."""
    networks = {}
    for seed, name in enumerate(harden.NAMES):
        torch.manual_seed(seed)
        networks[name] = DigitClassifier().eval().requires_grad_(False)
    monkeypatch.setattr(zoo, "digit_classifier", networks.__getitem__)
    monkeypatch.setattr(harden, "read_card", lambda name: type("Card", (), {"title": name}))
    return networks


def test_a_digit_of_the_gallery_is_attacked_before_every_network(strange: dict[str, DigitClassifier]) -> None:
    app = visit(part=harden.DRAW, digit_from="Gallery", digit="7", epsilon="0.3", attack="PGD-20")
    table = app.dataframe[0].value
    x = harden.centred(torch.tensor(harden.sample(7)))
    for name, network in strange.items():
        before, after = (table[f"{name}, {when}"].to_numpy() for when in ("before", "after"))
        assert before == pytest.approx(100 * network(x).softmax(1)[0].numpy(), abs=1e-3)
        assert before.sum() == pytest.approx(100, abs=1e-3) and after[7] < before[7]
    assert not app.exception and "Says" in said(app)


def test_an_empty_sheet_asks_for_a_digit_and_a_network_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Draw a digit on the black sheet" in said(visit(part=harden.DRAW))

    def missing(name: str) -> DigitClassifier:
        raise zoo.WeightsUnavailableError(f"The file {name} is missing.")

    monkeypatch.setattr(zoo, "digit_classifier", missing)
    assert "The file digits-pgd is missing." in said(visit(part=harden.DRAW, digit_from="Gallery"))


def test_what_the_browser_says_is_drawn_is_believed_only_if_it_is_a_sheet() -> None:
    ink = np.arange(SIDE * SIDE, dtype=np.uint8)
    assert valid_ink(base64.b64encode(ink.tobytes()).decode()) == pytest.approx(ink.reshape(SIDE, SIDE) / 255)
    for wrong in (None, 3, "", "?", "AAAA", "A" * 100_000, base64.b64encode(bytes(10)).decode()):
        assert not valid_ink(wrong).any()


@pytest.mark.parametrize(
    ("key", "value"), [("alpha", "2"), ("epsilon", "nan"), ("steps", "0"), ("inner", "magic"), ("part", "x")]
)
def test_a_link_that_asks_for_what_there_is_not_is_said(key: str, value: str) -> None:
    app = visit(**{key: value})
    assert any(value in toast.value for toast in app.toast)


def test_smoothness_is_one_of_a_slope_and_nought_of_noise() -> None:
    slope = torch.arange(8.0).expand(3, 8, 8) + torch.arange(8.0)[:, None]
    assert harden.smoothness(slope) > 0.9
    assert abs(harden.smoothness(torch.randn(64, 8, 8, generator=torch.Generator().manual_seed(0)))) < 0.05

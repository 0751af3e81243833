"""The page "Adapt" in process: the moons, a digit on a photograph, the tables, and what it says of them."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
import torch

from models import domain, zoo
from tests.visiting import said, visit_page
from ui import adapt, cached, room


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    room.ROOM.close()


def row(*each: float) -> dict[str, Any]:
    return {"mean": sum(each) / len(each), "sd": 1.0, "each": list(each)}


def moment(epoch: int) -> dict[str, Any]:
    return {"features": [[epoch, 0.0], [1.0, epoch]], "share": [0.7, 0.2], "d": [0, 1], "y": [3, 4]}


METRICS = {"lambda": 0.5, "accuracy_source": 99.0, "accuracy_target": 70.0, "judge": 60.0, "probe": 70.0}
FOUND = {
    "command": "python -m training report adapt --data DIR",
    "seeds": 2,
    "tasks": {
        "mnist-m": {"plain": row(57.0, 59.0), "adversarial": row(80.0, 82.0)},
        "amazon-books-dvd": {"plain": row(78.0, 80.0), "adversarial": row(79.0, 81.0)},
        "amazon-dvd-books": {"plain": row(70.0, 72.0), "adversarial": row(71.0, 71.0)},
        "frames-NTI": {"plain": row(60.0, 62.0), "adversarial": row(61.0, 63.0)},
    },
    "history": {"plain": [METRICS] * 2, "adversarial": [METRICS] * 2},
    "mixing": {"plain": [moment(0), moment(1)], "adversarial": [moment(0), moment(1)]},
}


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of everything, and networks that have learned nothing."""
    monkeypatch.setattr(zoo, "recorded", lambda name: FOUND if name == "adapt" else {})
    monkeypatch.setattr(cached, "adapted", lambda _: domain.digits())


def test_the_moons_are_there_before_they_learn() -> None:
    app = visit_page("adapt")
    assert "Not begun" in said(app) and "Right on the source" in said(app)
    assert "as the three rules: at most" in said(app)


def test_the_numbers_are_the_networks_own() -> None:
    app = visit_page("adapt", strength="2.0", way="is held")
    table = next(frame.value for frame in app.dataframe if "‖step‖/μ" in frame.value)
    assert list(table["part"]) == ["θ_f, features", "θ_y, label", "θ_d, judge"]
    f, y, d = table.to_dict("records")
    assert y["‖∂L_d/∂θ‖"] == d["‖∂L_y/∂θ‖"] == 0, "a head feels its own loss alone"
    assert y["‖step‖/μ"] == y["‖∂L_y/∂θ‖"] and d["‖step‖/μ"] == d["‖∂L_d/∂θ‖"]
    longest = f["‖∂L_y/∂θ‖"] + 2 * f["‖∂L_d/∂θ‖"]
    assert 0 < f["‖step‖/μ"] <= longest * 1.0001
    assert "λ = 2.0000" in said(app)


@pytest.mark.usefixtures("recorded")
def test_a_bad_link_is_said() -> None:
    assert any("there is not" in toast.value for toast in visit_page("adapt", part="Weather").toast)


@pytest.mark.usefixtures("recorded")
def test_a_digit_on_a_photograph_is_read_by_both() -> None:
    app = visit_page("adapt", part=adapt.DIGITS, digit="7")
    table = next(
        frame.value for frame in app.dataframe if "source only" in frame.value.columns and "digit" in frame.value
    )
    assert table["source only"].sum() == pytest.approx(1, abs=1e-5)
    results = next(frame.value for frame in app.dataframe if "network" in frame.value)
    assert list(results["target, %"]) == ["58.00 ± 1.00", "81.00 ± 1.00"]
    assert "Recorded by `python -m training report adapt --data DIR`" in said(app)


@pytest.mark.usefixtures("recorded")
def test_the_tables_of_language_hold_ganin_s_figures_and_the_mean() -> None:
    app = visit_page("adapt", part=adapt.LANGUAGE)
    reviews = next(frame.value for frame in app.dataframe if "pair" in frame.value)
    assert list(reviews["pair"]) == ["books → dvd", "dvd → books", "mean of 2"]
    assert reviews["with, %"].iloc[-1] == "75.50" and reviews["Ganin's DANN, %"].iloc[-1] == pytest.approx(75.35)
    frames = next(frame.value for frame in app.dataframe if "kept aside" in frame.value)
    assert list(frames["kept aside"]) == ["NTI"]


def test_without_records_there_are_the_moons_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "recorded", lambda _: {})
    assert adapt.parts() == [adapt.MOONS]


def test_a_digit_on_a_photograph_is_the_difference_of_both() -> None:
    x = adapt.on_photograph(3, 0, "camera", 5)
    assert x.shape == (1, 3, 28, 28) and 0 <= float(x.min()) and float(x.max()) <= 1
    edge = adapt.on_photograph(8, 0, "camera", 5)
    assert torch.equal(x[..., :4, :], edge[..., :4, :]), "outside the digit it is the photograph"
    assert not torch.equal(x[..., 8:20, 8:20], edge[..., 8:20, 8:20])
    assert not torch.equal(x, adapt.on_photograph(3, 0, "camera", 6))


@pytest.mark.parametrize(
    ("judge", "probe", "words"), [(52, 55, "near chance"), (50, 80, "lags behind"), (88, 90, "give the domain away")]
)
def test_what_the_judge_and_the_probe_say_together(judge: float, probe: float, words: str) -> None:
    assert words in adapt.moons_sentence(METRICS | {"judge": judge, "probe": probe})


def test_the_mean_of_ganin_s_table_is_the_paper_s() -> None:
    table = pd.DataFrame(adapt.GANIN.values(), columns=["nn", "dann"])
    assert table["nn"].mean() == pytest.approx(76.07, abs=0.01) and table["dann"].mean() == pytest.approx(
        76.27, abs=0.01
    )

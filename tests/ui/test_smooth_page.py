"""The page "Smooth without labels" in process: a run with and without it, one example from near, the recorded runs as they are."""

import time
from collections.abc import Iterator

import pytest
import torch
from streamlit.testing.v1 import AppTest

from attacks.virtual import hessian
from models import zoo
from tests.visiting import said, visit_page
from training import virtual
from training.virtual import network_of
from training.virtual_tasks import MOONS, SPIRALS, TASKS
from ui import cached, room, smooth
from ui.room import Moment
from ui.smooth import Choice


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    room.ROOM.close()


def visit(**query: str) -> AppTest:
    return visit_page("smooth", **query)


def moment(task: str = SPIRALS, steps: int = 3, **knobs: float) -> tuple[Choice, Moment]:
    """A choice, and where a run of it is after so many snapshots."""
    usual = TASKS[task](None, 1, None).knobs
    options = smooth._options(task, 1, 8, usual.epsilon, 1e-3, 1, 1.0, 0.0) | knobs
    *_, last = virtual.train(epochs=steps, **options)
    return Choice(task, options, False, True, 5), Moment(last, [(last.step, last.metrics)], options)


def test_both_networks_are_told_before_they_learn() -> None:
    app = visit()
    words = said(app)
    assert "**Labels alone**: test error" in words and "**With VAT**: test error" in words
    first = next(virtual.train(task=MOONS, labels=8))
    assert f"**{first.metrics['error']:.1f} %**" in words and first.metrics["error"] == first.metrics["twin.error"]
    assert "Of two classes H has one direction only" in words


def test_a_run_is_started_and_its_figures_are_seen() -> None:
    app = visit(run="a test of smooth")
    app.button(key="smooth_go").click().run()
    run = room.ROOM.find("smooth/a test of smooth")
    assert run is not None
    until = time.monotonic() + 60
    while len(run.history) < 3 and time.monotonic() < until:
        time.sleep(0.05)
        run = room.ROOM.find("smooth/a test of smooth")
    app.slider(key="weight").set_value(2.0).run()
    assert not app.exception and run.options["weight"] == 2.0
    app.button(key="smooth_stop").click().run()
    assert not app.exception and run.latest is not None and run.latest.metrics["lds_mean"] > 0


def test_an_example_is_looked_at_with_the_networks_own_numbers() -> None:
    choice, now = moment()
    found = smooth.looked(choice, now)
    task = TASKS[SPIRALS](None, 1, 8)
    network, x = network_of(task, now.snapshot), task.x[5:6]
    exact = torch.linalg.eigh(hessian(network, x)[0]).eigenvectors[:, -1]
    assert abs(float(found.exact @ exact)) == pytest.approx(1, abs=1e-3)
    assert found.cos[1] >= found.cos[0] - 1e-6 and found.cos[-1] > 0.98
    centre = smooth.BOWL // 2
    assert found.bowl[centre, centre] == 0 == found.bowl.min()
    table = smooth.numbers(choice, now)
    assert table["|cos| with the exact"].tolist() == pytest.approx(found.cos.tolist())
    lengths = table["d₁"] ** 2 + table["d₂"] ** 2
    assert lengths.tolist() == pytest.approx([1.0] * (smooth.MOST_K + 1), abs=1e-5)


def test_a_flat_answer_is_said() -> None:
    choice, now = moment(MOONS, steps=1)
    found = smooth.looked(choice, now)
    flat = smooth.Looked(**{**vars(found), "values": torch.zeros(2), "d": torch.zeros_like(found.d)})
    assert "flat here" in smooth.words_of(flat, 1, 0.05)


def test_the_data_and_the_example_are_in_the_link() -> None:
    app = visit(task="Three spirals", at="7", background="LDS")
    assert app.segmented_control(key="task").value == "Three spirals" and "Example 7: which way" in headers(app)
    app = visit(task="Suns")
    assert any("Suns" in toast.value for toast in app.toast)


def headers(app: AppTest) -> str:
    return "\n".join(header.value for header in app.header)


def test_labels_that_cannot_be_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(**_: object) -> None:
        raise ValueError("A label for each of the 9 classes")

    monkeypatch.setattr(virtual, "train", refuses)
    app = visit()
    assert "A label for each of the 9 classes" in said(app)


def test_what_was_recorded_is_told_as_it_is() -> None:
    found = zoo.recorded("smooth")
    words, table = smooth.recorded_words(found), smooth.recorded_table(found)
    runs = found["runs"]
    assert f"**{runs['digits-vat']['mean']:g} %**" in words and f"**{runs['digits-100-labels']['mean']:g} %**" in words
    assert len(table) == len(runs) and found["command"] == "python -m training report smooth --data DIR"
    for name, row in runs.items():
        values = list(row["error"].values())
        assert row["mean"] == pytest.approx(sum(values) / len(values), abs=0.01), name


def test_the_film_has_a_frame_a_snapshot_and_says_what_was_answered() -> None:
    found = zoo.recorded("smooth")
    film = cached.smooth.film()
    steps = found["runs"]["digits-vat"]["curves"]["step"]
    assert [step.label for step in film.layout.sliders[0].steps] == [str(step) for step in steps]
    last = film.frames[-1].layout.title.text
    assert (
        found["film"]["answers"]["digits-vat"][-1] in last and found["film"]["answers"]["digits-100-labels"][-1] in last
    )

"""The page "Fool a classifier" in process: what it says for every kind of question."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from models import zoo
from tests.visiting import said, visit_page

ROOT = Path(__file__).parents[2]


def visit(**query: str) -> AppTest:
    return visit_page("fool", "epsilon", **query)


def test_the_first_screen_starts_at_the_lectures_step_and_measures_it() -> None:
    app = visit()
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["L∞"] == "1/255"
    assert float(metrics["PSNR"].split()[0]) == pytest.approx(48.13, abs=0.5)  # 10 log10(255²), less where pixels clip
    assert metrics["As a PNG file"] == "fooled"
    assert "First fooled at the whole step **1/255**" in said(app)
    assert "Lav Varshney" in said(app)
    assert "The attack is on this 224×224 picture" in said(app)
    assert not app.warning
    assert not app.error


def test_no_attack_changes_nothing() -> None:
    metrics = {metric.label: metric.value for metric in visit(eps="0").metric}
    assert metrics["L∞"] == "0/255"
    assert metrics["PSNR"] == "∞ dB"
    assert metrics["SSIM"] == "1.0000"
    assert metrics["As a PNG file"] == "not fooled"


def test_a_users_label_that_the_network_misses_never_counts_as_fooled() -> None:
    app = visit(eps="8")
    app.selectbox(key="truth").select("toaster").run()
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["As a PNG file"] == "not fooled"
    assert "No step up to 32/255 fools the network" in said(app)


def test_a_target_that_is_the_clean_answer_never_counts_as_fooled() -> None:
    app = visit(eps="8")
    app.selectbox(key="target").select("tripod").run()
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["As a PNG file"] == "not fooled"


def test_weights_that_cannot_be_had_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(name: str) -> None:
        raise zoo.WeightsUnavailableError(f"The weights of {name} could not be fetched.")

    app = visit()
    monkeypatch.setattr(zoo, "load", no_network)
    app.selectbox(key="network").select("squeezenet1_1").run()
    assert not app.exception
    assert [warning.value for warning in app.warning] == [
        "The weights of squeezenet1_1 could not be fetched. EfficientNet-Lite0 stays."
    ]
    assert len(app.metric) == 5, "the embedded network goes on"


def test_upload_without_a_file_says_what_to_do() -> None:
    app = visit()
    app.segmented_control(key="source").set_value("Upload").run()
    assert not app.exception
    assert "Drop a photo here" in said(app)
    assert not app.metric


def test_every_shown_code_is_the_real_source() -> None:
    shown = "\n".join(code.value for code in visit().code)
    assert (ROOT / "attacks" / "gradient.py").read_text().count("def fgsm(") == 1
    for line in (
        "def fgsm(",
        "return pgd(loss, x, epsilon, steps=1",
        "step = ball.optimize_linear(worse * g, step_size)",
        "def gradient_axis(",
    ):
        assert line in shown


def test_presenter_mode_shows_the_figure_alone() -> None:
    app = visit(presenter="1")
    assert app.title
    assert not app.metric
    assert not app.tabs


def test_home_lists_every_page() -> None:
    app = AppTest.from_file(str(ROOT / "ui" / "shell.py"), default_timeout=60).run()
    assert not app.exception
    assert "changes what a network is sure it sees" in said(app)


def test_the_notes_wait_until_the_slider_stands() -> None:
    app = visit()
    assert app.metric
    app.session_state["epsilon_painted"] = False
    app.run()
    assert not app.exception
    assert not app.metric
    assert app.title

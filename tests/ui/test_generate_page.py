"""The page "Generate" in process: a run that is begun, stepped and changed; the recorded parts; what comes from a browser or a link."""

import io
import json
import wave

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from models import zoo
from tests.ui.test_room import until
from tests.visiting import said, visit_page
from training import gan
from training.jobs import Room, Run
from training.report_generate import NAME
from ui import room
from ui.components import film
from ui.components.plane import MOST, packed, valid
from ui.generate import choice, cures, live, mnist, sound
from ui.room import Moment


@pytest.fixture(autouse=True)
def here(room_here: Room) -> Room:
    return room_here


def visit(**query: str) -> AppTest:
    return visit_page("generate", **query)


def moment(task: str = "ring", **options: object) -> Moment:
    chosen = choice.options_of(task, 1, options, "both", 20)
    return Moment(next(gan.train(**chosen)), [], chosen)


def test_every_part_opens_and_every_part_has_numbers() -> None:
    for part in choice.PARTS:
        app = visit(part=part)
        assert len(app.dataframe) >= 1 and len(app.dataframe[-1].value), part


def after_a_step(app: AppTest, name: str, step: int) -> Run:
    """The run when its button "One step" was pressed, and it stands at `step`."""
    app.button(key="generate_points_step").click().run()
    run = room.ROOM.find(f"generate_points/{name}")
    assert run is not None
    until(lambda: run.latest is not None and run.latest.step == step and run.status == "paused")
    assert not app.run().exception
    return run


def test_a_step_of_the_judge_alone_leaves_what_is_made_as_it_was() -> None:
    app = visit(learns="Judge D", every="1", run="a judge alone")
    after_a_step(app, "a judge alone", 0)  # the first is where it begins
    run = after_a_step(app, "a judge alone", 1)
    assert run.latest is not None and "**Paused**: step 1" in said(app)
    first = next(gan.train(**run.options))
    assert torch.equal(run.latest.view["made"], first.view["made"])
    assert not torch.equal(run.latest.view["field"], first.view["field"])


def test_a_preset_changes_all_that_another_one_set() -> None:
    collapse = choice.options_of("ring", 1, choice.PRESETS["Collapse on purpose"], "both", 20)
    usual = choice.options_of("ring", 1, choice.PRESETS["Usual"], "both", 20)
    assert set(choice.CHANGEABLE) <= set(collapse) == set(usual)
    assert (collapse["judge_rate"], collapse["generator_rate"]) == (3e-4, 3e-3)
    assert (usual["judge_rate"], usual["generator_rate"]) == (2e-3, 5e-4)
    gan.changed(gan.Options(), {name: usual[name] for name in choice.CHANGEABLE})


def test_the_numbers_add_up() -> None:
    now = moment()
    metrics = now.snapshot.metrics
    assert metrics["log_real"] + metrics["log_fake"] == pytest.approx(metrics["value"], abs=1e-6)
    table = live.point_numbers(now)
    D = 1 / (1 + np.exp(-table["judge’s logit"].astype(float)))
    assert np.allclose(table["D(G(z))"], D, atol=1e-6) and np.allclose(
        table["log(1 − D(G(z)))"], np.log(1 - D), atol=1e-5
    )
    network = gan.gan.points(1)
    z = torch.tensor(table[["z₁", "z₂"]].to_numpy())
    with torch.no_grad():
        assert np.allclose(network.make(z), table[["G(z)₁", "G(z)₂"]], atol=1e-6), (
            "the table's z give the table's points"
        )


def test_curves_of_a_run_that_goes_on_are_not_built_anew_at_every_moment(here: Room) -> None:
    reached = [live.milestone(n) for n in range(1, 400)]
    assert reached[:20] == list(range(1, 21)) and len(set(reached[99:])) < 20
    assert all(0.9 * n <= at <= n for n, at in enumerate(reached, 1))
    now = moment()
    measured = [(k, dict(now.snapshot.metrics)) for k in range(219)]
    assert live.drawn_history(Moment(now.snapshot, measured, now.options)) == measured, "all of it before and after"
    run = here.start("generate_points/curves", gan.train, now.options)
    assert len(live.drawn_history(Moment(now.snapshot, measured, now.options, run))) == live.milestone(219) < 219
    run.stop()
    assert live.drawn_history(Moment(now.snapshot, measured, now.options, run)) == measured


def test_a_critic_is_not_spoken_of_as_a_probability() -> None:
    now = moment(kind="wgan-gp")
    assert "critic’s distance" in live.moment_words(now) and "V(D, G)" not in live.moment_words(now)
    metrics = now.snapshot.metrics
    ends = torch.tensor([metrics["score_fake"], metrics["score_real"]])
    low, high = (0, 1) if metrics["distance"] > 0 else (0, 0)
    assert live.opinion(ends, metrics).round(4).tolist() == [low, high]


def test_what_is_drawn_travels_in_the_link_and_what_is_no_drawing_is_nothing() -> None:
    drawn = ((-100, 100), (3, -7), (0, 0))
    assert choice.from_text(choice.to_text(drawn)) == drawn
    assert choice.from_text("%%%") == () and choice.from_text("") == ()
    assert valid([[1, 2], [1, 2, 3], [1.5, 2], [True, 2], [101, 0], "ab", None, [-100, 100]]) == ((1, 2), (-100, 100))
    assert valid(None) == valid("abc") == valid(7) == ()
    assert len(valid([[0, 0]] * 1000)) == MOST
    app = visit(shape="Draw your own")
    assert "Draw something in the square" in said(app) and "generate_points_go" not in {
        button.key for button in app.button
    }
    app = visit(shape="Draw your own", drawn=choice.to_text(drawn))
    assert not app.button(key="generate_points_go").disabled


def test_a_plane_travels_as_float32_in_the_order_of_its_header() -> None:
    now = moment()
    parts = live.arrays(now.snapshot.view, now.snapshot.metrics)
    block = packed(parts, words="", judged="D", alt="", moment=0, drawn=None)
    at = 4 + int.from_bytes(block[:4], "little")
    assert len(block) - at == 4 * sum(part.size for part in parts.values()) and len(block) < 30_000
    field = np.frombuffer(block[at : at + 4 * parts["field"].size], "<f4")
    assert (field == parts["field"].ravel()).all() and field.min() >= 0 and field.max() <= 1


def test_what_was_recorded_is_told_with_its_own_numbers() -> None:
    found = zoo.recorded(NAME)
    told = cures.cures_words(found)
    for name in found["cures"]:
        ends = [row[-1] for row in found["cures"][name]["modes"]]
        assert f"{np.mean(ends):.1f} ({min(ends):.0f} to {max(ends):.0f})" in told
    assert found["command"] in said(visit(part="MNIST"))


def test_the_last_frame_is_what_the_shipped_generator_makes_of_the_same_z() -> None:
    found, network = zoo.recorded(NAME)["mnist"], zoo.gan("gan-mnist")
    n = len(found["opinion"][0])
    z = network.draw_noise(gan.PICTURED, torch.Generator().manual_seed(10_001))[:n]
    with torch.no_grad():
        made = network.make(z)
        logits = network.logits(made)
    grey = np.asarray(Image.open(zoo.film_file("mnist")).convert("L"))
    last = grey.reshape(len(found["steps"]), 28, n, 28)[-1].transpose(1, 0, 2) / 255
    assert np.abs(last - made[:, 0].numpy()).mean() < 0.01, "but for fp16 and 8 bits"
    assert np.abs(np.array(found["opinion"][-1]) - logits.sigmoid().numpy()).max() < 0.05
    _, classes = zoo.digit_classifier("digits-plain")(made).max(1)
    assert np.abs(np.bincount(classes, minlength=10) - found["counts"][-1]).sum() <= 4
    assert {sum(counts) for counts in found["counts"]} == {n}


def test_a_film_travels_as_its_file_after_the_header() -> None:
    block = film.packed(
        b"file", [0, 25], np.array([[0.5], [0.25]]), [[1, 0], [0, 1]], ["a", "b"], side=28, columns=8, alt="x"
    )
    begin = 4 + int.from_bytes(block[:4], "little")
    head = json.loads(block[4:begin])
    assert block[begin:] == b"file" and head["opinion"] == [[0.5], [0.25]] and head["steps"] == [0, 25]


def test_a_frame_is_told_with_the_numbers_of_its_moment() -> None:
    found = zoo.recorded(NAME)["mnist"]
    first, last = (mnist.frame_words(found, k) for k in (0, len(found["steps"]) - 1))
    assert "round 0: before the first round" in first
    metrics = {name: values[-1] for name, values in found["metrics"].items()}
    assert f"losses {metrics['loss_judge']:.3f} (judge), {metrics['loss_generator']:.3f} (generator)" in last
    assert f"V(D, G) = {metrics['value']:.3f}" in last
    assert f"{sum(count > 0 for count in found['counts'][-1])} of 10 classes" in last
    rows = mnist.history(found["steps"], found["metrics"])
    assert "loss_judge" not in rows[0][1] and rows[-1] == (found["steps"][-1], metrics)


def test_a_wav_is_the_sound_and_never_too_loud() -> None:
    hit = np.array([0.0, 0.5, -1.0, 2.0])
    with wave.open(io.BytesIO(sound.wav(hit))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        values = np.frombuffer(file.readframes(4), "<i2") / 32767
    assert np.allclose(values, hit / 2, atol=1e-4)
    with wave.open(io.BytesIO(sound.wav(hit[:2]))) as file:
        assert np.allclose(np.frombuffer(file.readframes(2), "<i2") / 32767, [0, 0.5], atol=1e-4)


def test_own_settings_ask_for_what_the_kind_has() -> None:
    app = visit(preset=choice.OWN, kind="WGAN-GP")
    labels = {widget.label for widget in (*app.slider, *app.select_slider, *app.toggle)}
    assert "Penalty λ" in labels and not {"Label smoothing", "Saturating loss"} & labels
    app = visit(preset=choice.OWN)
    labels = {widget.label for widget in (*app.slider, *app.select_slider, *app.toggle)}
    assert {"Label smoothing", "Saturating loss"} <= labels and "Penalty λ" not in labels


def test_each_part_has_runs_of_its_own() -> None:
    app = visit(run="a name")
    after_a_step(app, "a name", 0)
    app.segmented_control(key="part").set_value(choice.DIGITS).run()
    assert not app.exception and "Not begun" in said(app), "a run of points is not drawn as digits"


def test_a_bad_link_is_a_sentence() -> None:
    app = visit(part="Cats", shape="Cube", z="-4")
    assert not app.exception and len(app.toast) == 2

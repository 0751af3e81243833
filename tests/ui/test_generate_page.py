"""The page "Generate" in process: a run that is begun, stepped and changed; the recorded parts; what comes from a browser or a link."""

import io
import time
import wave
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from models import zoo
from tests.visiting import said, visit_page
from training import gan
from ui import generate as words
from ui import room
from ui.components.plane import MOST, packed, valid
from ui.room import Moment


@pytest.fixture(autouse=True, scope="module")
def nobody_trains_on() -> Iterator[None]:
    yield
    room.ROOM.close()


def visit(**query: str) -> AppTest:
    return visit_page("generate", **query)


def moment(task: str = "ring", **options: object) -> Moment:
    chosen = words._options(task, 1, options, "both", 20)
    return Moment(next(gan.train(**chosen)), [], chosen)


def test_every_part_opens_and_every_part_has_numbers() -> None:
    for part in words.PARTS:
        app = visit(part=part)
        assert len(app.dataframe) >= 1 and len(app.dataframe[-1].value), part


def test_a_step_of_the_judge_alone_leaves_what_is_made_as_it_was() -> None:
    app = visit(learns="The judge alone", every="1", run="a judge alone")
    for step in (0, 1):  # the first is where it begins
        app.button(key="generate_step").click().run()
        run = room.ROOM.find("generate/a judge alone")
        deadline = time.monotonic() + 60
        while (run.latest is None or run.latest.step < step) and time.monotonic() < deadline:
            time.sleep(0.05)
        app.run()
    assert not app.exception and run.latest.step == 1 and "Paused" in said(app)
    first = next(gan.train(**{k: v for k, v in run.options.items() if k != "resume"}))
    assert torch.equal(run.latest.view["made"], first.view["made"])
    assert not torch.equal(run.latest.view["field"], first.view["field"])
    run.stop()


def test_a_preset_changes_all_that_another_one_set() -> None:
    collapse = words._options("ring", 1, words.PRESETS["Collapse on purpose"], "both", 20)
    usual = words._options("ring", 1, words.PRESETS["Usual"], "both", 20)
    assert set(words.CHANGEABLE) <= set(collapse) == set(usual)
    assert (collapse["judge_rate"], collapse["generator_rate"]) == (3e-4, 3e-3)
    assert (usual["judge_rate"], usual["generator_rate"]) == (2e-3, 5e-4)
    gan.changed(gan.Options(), {name: usual[name] for name in words.CHANGEABLE})


def test_the_numbers_add_up() -> None:
    now = moment()
    metrics = now.snapshot.metrics
    assert metrics["log_real"] + metrics["log_fake"] == pytest.approx(metrics["value"], abs=1e-6)
    table = words.point_numbers(now)
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


def test_a_critic_is_not_spoken_of_as_a_probability() -> None:
    now = moment(kind="wgan-gp")
    assert "critic’s distance" in words.moment_words(now) and "V(D, G)" not in words.moment_words(now)
    metrics = now.snapshot.metrics
    ends = torch.tensor([metrics["score_fake"], metrics["score_real"]])
    low, high = (0, 1) if metrics["distance"] > 0 else (0, 0)
    assert words.opinion(ends, metrics).round(4).tolist() == [low, high]


def test_what_is_drawn_travels_in_the_link_and_what_is_no_drawing_is_nothing() -> None:
    drawn = ((-100, 100), (3, -7), (0, 0))
    assert words.from_text(words.to_text(drawn)) == drawn
    assert words.from_text("%%%") == () and words.from_text("") == ()
    assert valid([[1, 2], [1, 2, 3], [1.5, 2], [True, 2], [101, 0], "ab", None, [-100, 100]]) == ((1, 2), (-100, 100))
    assert valid(None) == valid("abc") == valid(7) == ()
    assert len(valid([[0, 0]] * 1000)) == MOST
    app = visit(shape="Draw your own")
    assert "Draw something in the square" in said(app) and "generate_go" not in {button.key for button in app.button}
    app = visit(shape="Draw your own", drawn=words.to_text(drawn))
    assert not app.button(key="generate_go").disabled


def test_a_plane_travels_as_float32_in_the_order_of_its_header() -> None:
    now = moment()
    parts = words.arrays(now.snapshot.view, now.snapshot.metrics)
    block = packed(parts, words="", judged="D", alt="", moment=0, drawn=None)
    at = 4 + int.from_bytes(block[:4], "little")
    assert len(block) - at == 4 * sum(part.size for part in parts.values()) and len(block) < 30_000
    field = np.frombuffer(block[at : at + 4 * parts["field"].size], "<f4")
    assert (field == parts["field"].ravel()).all() and field.min() >= 0 and field.max() <= 1


def test_what_was_recorded_is_told_with_its_own_numbers() -> None:
    found = zoo.recorded(words.NAME)
    told = words.cures_words(found)
    for name in found["cures"]:
        ends = [row[-1] for row in found["cures"][name]["modes"]]
        assert f"{np.mean(ends):.1f} ({min(ends):.0f} to {max(ends):.0f})" in told
    assert found["command"] in said(visit(part="MNIST"))


def test_the_last_frame_is_what_the_shipped_generator_makes_of_the_same_z() -> None:
    found, network = zoo.recorded(words.NAME)["mnist"], zoo.gan("gan-mnist")
    z = network.draw_noise(256, torch.Generator().manual_seed(10_001))[: len(found["opinion"][0])]
    with torch.no_grad():
        made = network.make(z)[:, 0]
    rows = np.asarray(words.cached.film_rows("mnist")).reshape(len(found["steps"]), 28, len(z), 28)
    film = rows[-1].transpose(1, 0, 2) / 255
    assert np.abs(film - made.numpy()).mean() < 0.01, "but for fp16 and 8 bits"


def test_a_wav_is_the_sound_and_never_too_loud() -> None:
    sound = np.array([0.0, 0.5, -1.0, 2.0])
    with wave.open(io.BytesIO(words.wav(sound))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        values = np.frombuffer(file.readframes(4), "<i2") / 32767
    assert np.allclose(values, sound / 2, atol=1e-4)
    with wave.open(io.BytesIO(words.wav(sound[:2]))) as file:
        assert np.allclose(np.frombuffer(file.readframes(2), "<i2") / 32767, [0, 0.5], atol=1e-4)


def test_a_bad_link_is_a_sentence() -> None:
    app = visit(part="Cats", shape="Cube", z="-4")
    assert not app.exception and len(app.toast) == 2

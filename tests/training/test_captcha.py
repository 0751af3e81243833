"""Training the captcha reader: on small made-up captchas in the layout of the real ones, and on drawn ones."""

import random
import re
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models import zoo
from models.draw import CHARACTERS, CURVES, DOTS, LONGEST, SHORTEST, draw
from models.reader import HEIGHT, WIDTH, Reader
from models.reading import CaptchaReader
from models.words import BEGIN, END, PAD
from training import captcha
from training.__main__ import main
from training.snapshot import Snapshot


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 captchas of four characters, 24 × 72."""
    folder, chance = tmp_path_factory.mktemp("data"), random.Random(0)
    save(folder / "captcha" / "wordpress_4chars.npz", ["".join(chance.choices(CHARACTERS, k=4)) for _ in range(120)])
    return folder


def save(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    np.savez(path, x=np.stack([draw(text, i)[::2, ::2, 0][3:27, 4:76] for i, text in enumerate(texts)]), y=texts)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captcha, "Reader", partial(Reader, d=32, d_a=16, channels=(4, 6, 8, 12)))
    monkeypatch.setattr(captcha, "BATCH", 16)


def copies(snapshots: Any) -> list[Snapshot]:
    """The state is shared with the run, so it must be copied at once."""
    return [
        Snapshot(s.step, s.steps, s.seconds, s.metrics, {k: t.clone() for k, t in s.state.items()}) for s in snapshots
    ]


def test_captchas_of_one_letter_each_are_learned() -> None:
    torch.manual_seed(0)
    model = Reader(len(captcha.KNOWN), d=64, d_a=32, channels=(8, 12, 16, 24))
    optimizer = torch.optim.AdamW(model.parameters())
    texts = ["AAA", "777"] * 16
    x, unseen = (
        torch.cat([captcha.seen(picture(text, first + i)) for i, text in enumerate(texts)]) for first in (0, 100)
    )
    batch, letters = (x / 255).unsqueeze(1).expand(-1, 3, -1, -1), captcha.numbered(texts)
    losses = [captcha.update(model, optimizer, batch, letters, 5e-3) for _ in range(25)]
    assert losses[0] > 3 and losses[-1] < 0.5
    assert captcha.exact(model, captcha.Captchas(unseen, texts)) > 70
    reader = CaptchaReader(model.requires_grad_(False), CHARACTERS, zoo.card("efficientnet_lite0"))
    read = {reader.text(reader.read(one.expand(1, 3, -1, -1) / 255)) for one in unseen}
    assert {"AAA", "777"} <= read


def picture(text: str, seed: int) -> torch.Tensor:
    return torch.from_numpy(draw(text, seed, dots=0, curves=0))[None]


@pytest.mark.usefixtures("small")
def test_the_command_trains_and_goes_on(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["captcha", "--data", str(folder), "--out", str(tmp_path / "out"), "--epochs", "3", "--limit", "24"]
    for stopped in islice(captcha.train(folder, epochs=3, limit=24), 1):
        stopped.save(tmp_path / "out" / "captcha.safetensors")
    assert main(arguments) == 0
    lines = [
        re.fullmatch(r"captcha (\d)/3  \d+ s  loss (\S+)  exact (\S+)  exact_drawn (\S+)", line)
        for line in capsys.readouterr().out.splitlines()
    ]
    assert [line and line.group(1) for line in lines] == ["2", "3"]
    assert float(lines[1].group(2)) < stopped.metrics["loss"]  # type: ignore[union-attr]


@pytest.mark.usefixtures("small")
def test_stopped_and_resumed_is_as_never_stopped(folder: Path, tmp_path: Path) -> None:
    whole = copies(captcha.train(folder, epochs=3, limit=20))
    for stopped in islice(captcha.train(folder, epochs=3, limit=20), 1):
        stopped.save(tmp_path / "a.safetensors")
    rest = copies(captcha.train(folder, epochs=3, limit=20, resume=Snapshot.load(tmp_path / "a.safetensors")))
    assert [s.step for s in rest] == [2, 3]
    for one, other in zip(whole[1:], rest, strict=True):
        assert dict(one.metrics) == dict(other.metrics)
        assert one.state.keys() == other.state.keys()
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    assert not torch.equal(whole[0].state["model.W_y.bias"], whole[2].state["model.W_y.bias"])
    with pytest.raises(ValueError, match="another run"):
        next(captcha.train(folder, epochs=4, limit=20, resume=stopped))


@pytest.mark.usefixtures("small")
def test_the_seed_decides(folder: Path) -> None:
    one, same, other = (copies(captcha.train(folder, seed=s, epochs=1, limit=20))[0] for s in (1, 1, 2))
    assert dict(one.metrics) == dict(same.metrics) != dict(other.metrics)


def test_every_real_captcha_belongs_to_one_part(folder: Path) -> None:
    parts = {split: captcha.real(folder, split) for split in ("train", "val", "test")}
    with np.load(folder / "captcha" / "wordpress_4chars.npz") as file:
        assert sorted(text for each in parts.values() for text in each.texts) == sorted(file["y"].tolist())
    assert all(each.x.shape == (len(each.texts), HEIGHT, WIDTH) for each in parts.values())
    chance = np.random.default_rng(0)
    counts = [captcha.part(chance.integers(0, 256, (2, 3), np.uint8)) for _ in range(4000)]
    assert 320 < counts.count("test") < 480 and 140 < counts.count("val") < 260


def test_a_file_of_ones_own_is_measured_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(folder / "captcha" / "others.npz", ["ABCD", "EFGH", "2345"])
    assert captcha.real(folder, "others").texts == ["ABCD", "EFGH", "2345"]
    monkeypatch.setattr(captcha, "DRAWN_TEST", 10)
    measured = captcha.evaluate(folder, "others")
    assert (measured["name"], measured["split"], measured["n"]) == ("captcha", "others", 3)
    assert measured["metrics"].keys() == {"exact", "exact_drawn"}


def test_what_is_drawn_is_decided_by_its_seed() -> None:
    made = captcha.drawn(range(5))
    again = captcha.drawn(range(3, 5))
    assert torch.equal(made.x[3:], again.x) and made.texts[3:] == again.texts
    assert all(len(text) == captcha.SIX for text in made.texts) and len(set(made.texts)) == 5


def test_training_captchas_are_mostly_as_the_package_draws_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, int, int]] = []
    monkeypatch.setattr(captcha, "_drawn", asked.extend)
    captcha.varied(range(3000))
    lengths = [len(text) for text, *_ in asked]
    assert min(lengths) == SHORTEST and max(lengths) == LONGEST and 0.66 < lengths.count(6) / 3000 < 0.78
    assert 0.63 < sum((dots, curves) == (DOTS, CURVES) for *_, dots, curves in asked) / 3000 < 0.72
    assert {seed for _, seed, *_ in asked} == set(range(3000))


def test_an_epoch_is_all_drawn_three_times_and_a_ninth_of_the_real_ones_and_the_first_all_of_these() -> None:
    first, *epochs = [torch.cat(captcha.epoch_batches(100, 50, epoch)).tolist() for epoch in range(10)]
    assert sorted(first) == list(range(100, 150)) and first != sorted(first)
    assert all(sorted(row for row in epoch if row < 100) == sorted([*range(100)] * 3) for epoch in epochs)
    assert sorted(row for epoch in epochs for row in epoch if row >= 100) == list(range(100, 150))
    assert epochs[0] != sorted(epochs[0]) and epochs[0] != epochs[1]


def test_every_epoch_of_every_run_draws_its_own() -> None:
    chosen = [captcha.seeds(seed, epoch, captcha.DRAWN) for seed in range(1, 4) for epoch in range(captcha.EPOCHS)]
    assert len({seed for each in chosen for seed in each}) == len(chosen) * captcha.DRAWN
    assert max(max(each) for each in chosen) < captcha.FIRST_VAL < captcha.FIRST_TEST - captcha.DRAWN_VAL


def test_texts_are_numbered_between_their_ends() -> None:
    first, last = captcha.numbered(["23Z", "22222222"]).tolist()
    assert first == [BEGIN, 4, 5, 35, END, *[PAD] * 5] and last == [BEGIN, *[4] * 8, END]


def test_a_disturbed_captcha_is_nearly_the_same() -> None:
    x = captcha.drawn(range(8)).x
    torch.manual_seed(0)
    one = captcha.disturbed(x)
    assert one.shape == (8, 3, HEIGHT, WIDTH) and torch.equal(one[:, 0], one[:, 2])
    assert (one[:, 0] - x / 255).abs().mean() > 0.01
    assert (one.mean((1, 2, 3)) - (x / 255).mean((1, 2))).abs().max() < 0.03


def test_nothing_disturbed_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TURN", "STRETCH", "SHIFT", "GRAIN"):
        monkeypatch.setattr(captcha, name, 0.0)
    x = captcha.drawn(range(2)).x
    assert torch.allclose(captcha.disturbed(x)[:, 1], x / 255, atol=1e-4)


def test_a_turn_leaves_a_straight_angle_straight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turned about its middle by so many radians of the picture's own pixels, not of its sides."""
    for name in ("STRETCH", "SHIFT", "GRAIN"):
        monkeypatch.setattr(captcha, name, 0.0)
    monkeypatch.setattr(captcha, "TURN", 0.3)
    x = torch.zeros(1, HEIGHT, WIDTH).byte()
    x[0, HEIGHT // 2, WIDTH // 2 + 15] = x[0, HEIGHT // 2 + 15, WIDTH // 2] = 255
    torch.manual_seed(1)
    found = captcha.disturbed(x)[0, 0] > 0.2
    rows, columns = (found.nonzero().float() - torch.tensor([HEIGHT / 2 - 0.5, WIDTH / 2 - 0.5])).T
    right, below = columns > rows.abs(), rows > columns.abs()
    a, b = (torch.stack([columns[side].mean(), rows[side].mean()]) for side in (right, below))
    assert rows[right].mean().abs() > 1
    assert abs(float(nn.functional.cosine_similarity(a, b, dim=0))) < 0.1


def test_the_loss_is_minus_log_p_of_the_letters_without_the_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(captcha, "SMOOTHING", 0.0)
    torch.manual_seed(0)
    model = Reader(len(captcha.KNOWN), d=16, d_a=8, channels=(4, 4, 4, 4), dropout=0.0)
    x, letters = torch.rand(2, 3, HEIGHT, WIDTH), captcha.numbered(["ABC", "ABCDEF"])
    log_p = model.train()(x, letters[:, :-1]).log_softmax(-1).gather(-1, letters[:, 1:, None]).squeeze(-1)
    expected = -(log_p[0, :4].sum() + log_p[1, :7].sum()) / 11
    loss = captcha.update(model, torch.optim.AdamW(model.parameters()), x, letters, 0.0)
    assert loss == pytest.approx(expected.item(), rel=0.01)


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rates = torch.tensor([captcha.learning_rate(update / 5000) for update in range(5001)])
    top = int(rates.argmax())
    assert top == pytest.approx(100, abs=1) and 0.99 * captcha.PEAK < rates[top] <= captcha.PEAK
    assert (rates[: top + 1].diff() > 0).all() and (rates[top:].diff() < 0).all() and rates[0] > 0 == rates[-1]


@pytest.mark.parametrize("damage", ["missing", "no zip", "no arrays", "pickled"])
def test_unfit_data_is_one_sentence_and_exit_code_2(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "captcha" / "wordpress_4chars.npz"
    path.parent.mkdir()
    if damage == "no zip":
        path.write_bytes(b"PK\x03\x04 and no more")
    if damage == "no arrays":
        np.savez(path, pictures=np.zeros(3))
    if damage == "pickled":
        np.savez(path, x=np.zeros((1, 24, 72), np.uint8), y=np.array(["ABCD"], dtype=object))
    assert main(["captcha", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("training: ") and said.err.count("\n") == 1 and "npz" in said.err

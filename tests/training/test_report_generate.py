"""What is measured of generators: collapse and cures over seeds, films, copies; and how it is written."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import zoo
from training import gan, report_generate, shipping

HEADS = {"images-idx3": (2051, 28, 28), "labels-idx1": (2049,)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """MNIST of 40 pictures of noise to learn from, and 20 of other noise to test."""
    (tmp_path / "digits").mkdir()
    chance = np.random.default_rng(1)
    for split, n in (("train", 40), ("t10k", 20)):
        for kind, (magic, *shape) in HEADS.items():
            values = chance.integers(0, 256 if shape else 10, (n, *shape), np.uint8)
            head = b"".join(number.to_bytes(4, "big") for number in (magic, n, *shape))
            (tmp_path / "digits" / f"{split}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))
    return tmp_path


def test_the_nearest_is_the_nearest_and_a_copy_has_no_distance() -> None:
    known = torch.rand(30, 1, 4, 4)
    x = torch.cat([known[7:8], known[3:4] + 0.01])
    far, which = report_generate.nearest(x, known)
    assert which.tolist() == [7, 3] and far.tolist() == pytest.approx([0, 0.04], abs=1e-3)


def test_the_report_follows_every_setting_and_films_both_runs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zoo, "film_file", lambda name: tmp_path / f"{name}.webp")
    monkeypatch.setattr(report_generate, "COMPARED", 10)
    monkeypatch.setattr(report_generate, "EVERY", 1)
    for name, task in gan.SHIPPED.items():
        options = {"data": data, "task": task, "rounds": 2, "every": 1, "batch": 2, "limit": 6}
        list(gan.train(**options))[-1].save(tmp_path / f"{name}.safetensors")
    found = report_generate.report(data, tmp_path, 1, rounds=2)
    assert set(found["cures"]) == set(report_generate.SETTINGS) and found["seeds"] == 2 and found["steps"] == [0, 1, 2]
    runs = [run for metrics in found["cures"].values() for run in (*metrics["modes"], *metrics["js"])]
    assert {len(run) for run in runs} == {3}
    starts = {tuple(metrics["modes"][k][0] for metrics in found["cures"].values()) for k in (0, 1)}
    assert all(len(set(start)) == 1 for start in starts), "every setting begins with the same weights"
    again = report_generate.followed(2, 1, report_generate.SETTINGS["WGAN-GP, λ = 0.1"])
    assert again["js"] == found["cures"]["WGAN-GP, λ = 0.1"]["js"][0]
    n = report_generate.HELD["mnist"]
    assert [sum(counts) for counts in found["mnist"]["counts"]] == [n] * 3
    assert np.asarray(Image.open(tmp_path / "mnist.webp").convert("L")).shape == (3 * 28, n * 28)
    drums, held = found["drums"], report_generate.HELD["drums"]
    assert drums["chosen"] == [0, 1, 2] and {len(row) for row in (*drums["kinds"], *drums["score"])} == {held}
    assert np.asarray(Image.open(tmp_path / "drums.webp").convert("L")).shape == (3 * 32, held * 32)
    assert found["mnist"]["distances"]["made"] == sorted(found["mnist"]["distances"]["made"])
    json.dumps(found, allow_nan=False)
    monkeypatch.setattr(zoo, "recorded", lambda _: found)
    (tmp_path / "gan-mnist.safetensors").unlink()
    assert report_generate.report(data, tmp_path, 1, rounds=1)["mnist"] == found["mnist"], "stays as it was recorded"
    monkeypatch.setattr(zoo, "recorded", lambda _: {})
    with pytest.raises(OSError, match="gan-mnist"):
        report_generate.report(data, tmp_path, 1, rounds=1)


def test_what_is_measured_of_a_shipped_generator_is_named_by_its_card(data: Path) -> None:
    for name in gan.SHIPPED:
        found = report_generate.evaluate(name, data, limit=20)
        assert set(found["metrics"]) == set(zoo.read_card(name).metrics) and found["n"] == 20


def test_a_record_has_a_line_a_key_and_a_line_a_list() -> None:
    found = {"a": [1, 2.5, None], "b": {"c": [[1, 2], [3, 4]], "d": "x [\n1,\n 2]"}, "e": [{"f": ["g", "[h"]}], "i": []}
    text = shipping.as_lines(found)
    assert json.loads(text) == found
    lines = text.splitlines()
    assert lines[1] == ' "a": [1, 2.5, null],' and "   [1, 2]," in lines and ' "i": []' in lines

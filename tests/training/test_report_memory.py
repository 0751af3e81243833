"""The report of the language models: on a little made-up text, with small networks in place of those that ship."""

import json
import math
import random
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from models import zoo
from models.card import read_card
from models.key_value import ATTENTION, PLAIN, MemoryModel
from models.language_model import LanguageModel
from models.words import Vocabulary
from tests.training.test_language import zipped
from training import memory, report_memory
from training.__main__ import main

SHIP = (PLAIN, ATTENTION)
small = partial(MemoryModel, d_word=8, d=6)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Books and a treebank of 120 lines each; two kinds ship."""
    chance = random.Random(0)
    for corpus in (memory.BOOKS, memory.PTB):
        for split in ("train", "valid", "test"):
            lines = [
                f"the {chance.choice(['cat', 'dog', 'king'])} sat on the {chance.choice(['mat', 'hill'])} ."
                for _ in range(120)
            ]
            zipped(tmp_path / corpus / f"{split}.txt.gz", lines)
    known = Vocabulary.count(memory.text(tmp_path, memory.BOOKS, "train"), 1)

    def shipped(kind: str) -> LanguageModel:
        torch.manual_seed(0)
        return LanguageModel(kind, small(kind, len(known)).eval(), known, read_card("memory-plain"))

    monkeypatch.setattr(zoo, "language_models", lambda: SHIP)
    monkeypatch.setattr(zoo, "language_model", shipped)
    monkeypatch.setattr(zoo, "ASSETS", tmp_path / "assets")
    (tmp_path / "assets").mkdir()
    for module in (memory, report_memory):
        monkeypatch.setattr(module, "MemoryModel", small)
    for name, value in (("ROWS", 4), ("TIME", 10)):
        monkeypatch.setattr(memory, name, value)
    monkeypatch.setattr(report_memory, "STREAMS", 4)
    monkeypatch.setattr(report_memory, "LONGEST", 50)
    return tmp_path


def words_of(folder: Path) -> tuple[LanguageModel, torch.Tensor]:
    model = zoo.language_model(ATTENTION)
    return model, memory.numbers(memory.text(folder, memory.BOOKS, "test"), model.known)


def test_the_command_records_all_that_ship_and_skips_what_is_not_trained(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["report", "memory", "--data", str(folder), "--out", str(folder / "runs"), "--limit", "60"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert "memory-plain-ptb.safetensors is not there: no figure on Penn Treebank for plain" in captured.err
    found = zoo.recorded("memory")
    assert captured.out.strip().endswith("memory.json") and found["L"] == 10
    assert [row["kind"] for row in found["table"]] == list(SHIP)
    assert [[L for L, _ in points] for points in found["by_L"].values()] == [list(report_memory.LOOKS)] * 2
    assert len({ppl for _, ppl in found["by_L"][PLAIN]}) == 1 < len({ppl for _, ppl in found["by_L"][ATTENTION]})
    assert list(found["distance"]) == [ATTENTION]
    assert all("ppl_ptb" not in row and row["ppl_wikipedia"] == memory.PUBLISHED[row["kind"]] for row in found["table"])
    assert found["table"][0]["words"] == 3 * 60 * 8 and found["table"][0]["updates"] == 3 * math.ceil(
        (480 // 4 - 1) / 10
    )


def test_finished_runs_on_the_treebank_are_measured_by_the_same_function(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "runs"
    for kind, epochs in ((PLAIN, 2), (ATTENTION, 1)):
        for snapshot in memory.train(folder, kind, memory.PTB, epochs=2):
            if snapshot.step == epochs:
                snapshot.save(out / f"memory-{kind}-ptb.safetensors")
                last = snapshot
    found = report_memory.on_treebank(folder, out)
    assert list(found) == [PLAIN]
    assert "memory-attention-ptb.safetensors is not finished" in capsys.readouterr().err
    assert last.step == 1
    known = Vocabulary.count(memory.text(folder, memory.PTB, "train"), 1)
    trained = small(PLAIN, len(known))
    *_, run = memory.train(folder, PLAIN, memory.PTB, epochs=2)
    trained.load_state_dict({k.removeprefix("model."): t for k, t in run.state.items() if k.startswith("model.")})
    words = memory.numbers(memory.text(folder, memory.PTB, "test"), known)
    assert found[PLAIN] == pytest.approx(memory.perplexity(trained, words), abs=0.006)


def test_a_part_of_every_stream_is_what_is_measured(folder: Path) -> None:
    model, words = words_of(folder)
    network, total = model.network, 0.0
    length = (len(words) - 1) // 4
    for row in range(4):
        start = row * length
        read = network(words[None, start : start + 50], network.begin(), 3)
        total += memory.cross_entropy(network, read.h_star, words[None, start + 1 : start + 51], "sum").item()
    assert memory.perplexity(network, words, 3, 4, 50) == pytest.approx(math.exp(total / 200), rel=1e-4)


def test_the_mean_by_distance_is_over_all_rows_that_have_L_before_them(folder: Path) -> None:
    model, words = words_of(folder)
    network = model.network
    torch.nn.init.normal_(network.w, std=3)
    found = report_memory.looking_back(network, words)
    length = (len(words) - 1) // 4
    rows = [
        network(words[None, i * length : (i + 1) * length], network.begin(), 10).attention.weights[0, 10:]
        for i in range(4)
    ]
    weights = torch.cat(rows).flip(-1).detach().double().numpy()
    assert found["weights"] == pytest.approx(weights.mean(0).tolist(), abs=1e-3)
    assert sum(found["weights"]) == pytest.approx(1, abs=1e-3)
    half = int(np.searchsorted(np.cumsum(weights.mean(0)), 0.5)) + 1
    assert found["half"] == half <= found["nine_tenths"] <= 10
    assert 0 < found["entropy"] < math.log2(10)
    json.dumps(found)


def test_missing_books_are_said(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / memory.BOOKS / "test.txt.gz").unlink()
    assert main(["report", "memory", "--data", str(tmp_path)]) == 2
    assert "test.txt.gz" in capsys.readouterr().err

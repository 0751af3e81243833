"""Drum hits by rule, and loudness that can be heard again."""

import numpy as np
import pytest
import torch

from models import drums
from models.drums import KINDS, LENGTH, RATE, SIDE, bands, edges, heard, hits, loudness


def test_the_seed_alone_decides_the_hits_and_none_is_another() -> None:
    sounds, names = hits(9, 3)
    again, _ = hits(9, 3)
    assert torch.equal(sounds, again) and names == list(KINDS) * 3
    assert sounds.shape == (9, LENGTH)
    assert not torch.equal(sounds, hits(9, 4)[0])
    assert ((sounds.abs().amax(1) >= 0.49) & (sounds.abs().amax(1) <= 1)).all()
    assert torch.cdist(sounds, sounds).fill_diagonal_(99).min() > 1


def test_a_kick_is_low_and_a_hat_is_high() -> None:
    frequency = np.fft.rfftfreq(LENGTH, 1 / RATE)
    for seed in range(5):
        chance = np.random.default_rng(seed)
        size = {name: np.abs(np.fft.rfft(make(chance))) ** 2 for name, make in drums.MADE.items()}
        centre = {name: (frequency * each).sum() / each.sum() for name, each in size.items()}
        assert centre["kick"] < 400 and centre["hat"] > 2000
        assert centre["kick"] < centre["snare"] < centre["hat"]


def test_every_frequency_is_in_one_band_and_a_band_is_the_mean_of_its_own() -> None:
    matrix = bands()
    assert ((matrix > 0).sum(0) == 1).all()
    torch.testing.assert_close(matrix.sum(1), torch.ones(SIDE))
    assert len(edges()) == SIDE + 1 and edges()[0] == 0 and edges()[SIDE // 2] == 0.5 and edges()[-1] == 4.0


def test_loudness_is_between_silence_and_the_loudest() -> None:
    loud = loudness(torch.stack([torch.zeros(LENGTH), torch.sin(torch.arange(LENGTH) * 2 * torch.pi * 250 / RATE)]))
    assert loud.shape == (2, 1, SIDE, SIDE)
    assert (loud[0] == 0).all()
    assert loud[1, 0].argmax(0)[2:-2].unique().tolist() == [250 * 256 // RATE]
    assert float(loud[1].max()) == pytest.approx(1, abs=0.01), "a sine at full strength is as loud as it gets"


def test_what_is_heard_of_loudness_is_as_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    sounds, _ = hits(3, 0)
    loud = loudness(sounds)
    found = heard(loud)
    assert found.shape == sounds.shape
    after = (loudness(found) - loud).abs().mean((1, 2, 3))
    assert after.max() < 0.02
    monkeypatch.setattr(drums, "ROUNDS", 0)
    assert ((loudness(heard(loud)) - loud).abs().mean((1, 2, 3)) > after).all(), "the iteration is what does it"

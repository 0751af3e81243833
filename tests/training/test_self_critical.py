"""Self-critical training: the reward is CIDEr-D as COCO counts it, and what is rewarded becomes likely."""

import random

import pytest
import torch

from models.captioner import Captioner
from models.words import BEGIN, END, PAD
from training.self_critical import Cider, advantages, sampled, update


def sentences(chance: random.Random, count: int) -> list[list[int]]:
    return [[chance.randint(4, 12) for _ in range(chance.randint(1, 9))] for _ in range(count)]


def test_the_reward_is_cocos_own() -> None:
    from pycocoevalcap.cider.cider import Cider as Theirs

    chance = random.Random(3)
    references = [sentences(chance, 3) for _ in range(20)]
    ours, made = Cider(references), sentences(chance, 20)

    def text(sentence: list[int]) -> str:
        return " ".join(f"w{word}" for word in [*sentence, END])

    _, expected = Theirs().compute_score(
        {i: [text(caption) for caption in captions] for i, captions in enumerate(references)},
        {i: [text(sentence)] for i, sentence in enumerate(made)},
    )
    assert [ours.score(i, sentence) for i, sentence in enumerate(made)] == pytest.approx(expected.tolist())


def test_a_caption_is_held_against_the_others_of_its_photo() -> None:
    reward = Cider([[[4, 5, 6, 7]], [[8, 9, 8, 9]], [[10, 11]]])
    words = torch.tensor(
        [[BEGIN, 4, 5, 6, 7, END], [BEGIN, 9, 9, END, PAD, PAD], [BEGIN, 8, 9, 8, 9, END], [BEGIN, 8, 9, 8, 9, 8]]
    )
    advantage, mean = advantages(reward, [0, 1], words, samples=2)
    best, good = reward.score(0, [4, 5, 6, 7]), reward.score(1, [8, 9, 8, 9])
    assert best > 5 and advantage.tolist() == pytest.approx(
        [best, -best, good, -good]
    )  # one that never ends earns nothing
    assert mean == pytest.approx((best + good) / 4)


def network() -> Captioner:
    torch.manual_seed(0)
    return Captioner(9, D=5, d=6, d_a=4, m=8, n=16)


def test_drawn_captions_begin_end_and_hold_what_may_be_written() -> None:
    torch.manual_seed(1)
    words = sampled(network().eval(), torch.rand(3, 4, 5), samples=20)
    assert len(words) == 60 and (words[:, 0] == BEGIN).all()
    for row in words.tolist():
        written = row[1 : row.index(END)] if END in row else row[1:]
        assert all(word >= 4 for word in written)
        assert not any(word != PAD for word in row[len(written) + 2 :])


def test_what_is_rewarded_becomes_likely() -> None:
    torch.manual_seed(2)
    model, x = network(), torch.eye(4, 5).unsqueeze(1).repeat(1, 4, 1)
    reward = Cider([[[4, 5]], [[6, 7]], [[8, 4, 5]], [[7, 6]]])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    rewards = [update(model, optimizer, x, range(4), reward, spread=0.0) for _ in range(120)]
    assert sum(rewards[-10:]) > 3 * sum(rewards[:10])

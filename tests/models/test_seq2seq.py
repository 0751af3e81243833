"""The encoder–decoder and its search, on small networks of random numbers: what is true of every network must be true of these."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from models.attention import SCORES
from models.decoder import search, writable
from models.seq2seq import NONE, Seq2Seq, spell
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary

LONGEST = 12
EVERY_NETWORK = pytest.mark.parametrize("score", [*SCORES, NONE])
SEEDS = range(4)


def small(score: str, seed: int, words: int = 30) -> Seq2Seq:
    """A network with large enough numbers to have opinions."""
    torch.manual_seed(seed)
    model = Seq2Seq(score, 20, words, d_word=8, d=16).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
        model.target_embedding.weight.mul_(4)
        model.b[END] = 1.5
    return model


def sentence(seed: int, length: int = 6) -> Tensor:
    words = torch.randint(END + 1, 20, (1, length), generator=torch.Generator().manual_seed(seed))
    return torch.cat([words, torch.tensor([[END]])], 1)


@torch.no_grad()
def forced(model: Seq2Seq, source: Tensor, written: list[int]) -> Tensor:
    """log p of every word after each of BEGIN, `written`: (1 + written, words)."""
    return writable(model(source, torch.tensor([[BEGIN, *written]]))[0]).log_softmax(-1)


def log_p_of(model: Seq2Seq, source: Tensor, written: list[int], longest: int) -> float:
    """log p of a sentence, of its end too if there was room for it."""
    p = forced(model, source, written)
    return float(sum(p[t, word] for t, word in enumerate([*written, END][:longest])))


@EVERY_NETWORK
def test_greedy_takes_the_most_probable_word_each_time(score: str) -> None:
    ended = 0
    for seed in SEEDS:
        model, source = small(score, seed), sentence(seed)
        [(words, _)] = search(model, source, beam=1, longest=LONGEST).sentences(0)
        p = forced(model, source, words)
        assert p.argmax(-1).tolist()[:LONGEST] == [*words, END][:LONGEST]
        ended += len(words) < LONGEST
    assert ended  # at least one sentence comes to its end, so that the end is tested too


@EVERY_NETWORK
@pytest.mark.parametrize("beam", [1, 5])
def test_log_p_of_the_search_is_that_of_the_network(score: str, beam: int) -> None:
    for seed in SEEDS:
        model, source = small(score, seed), sentence(seed)
        found = search(model, source, beam, LONGEST)
        sentences = found.sentences(0)
        assert len(sentences) == beam
        log_p = sorted(log_p_of(model, source, words, LONGEST) for words, _ in sentences)
        assert found.log_p[-1, 0].flip(0).tolist() == pytest.approx(log_p, abs=1e-4)
        for words, per_word in sentences:
            assert per_word == pytest.approx(
                log_p_of(model, source, words, LONGEST) / min(len(words) + 1, LONGEST), abs=1e-4
            )


@EVERY_NETWORK
def test_the_beam_is_in_order(score: str) -> None:
    found = search(small(score, 1), sentence(1), 5, LONGEST)
    assert (found.log_p.diff(dim=-1) <= 0).all()
    assert (found.log_p[:, 0, 0].diff() <= 0).all()  # no longer sentence is more probable than what it begins with
    per_word = [score for _, score in found.sentences(0)]
    assert per_word == sorted(per_word, reverse=True)
    assert len({tuple(words) for words, _ in found.sentences(0)}) == 5


@EVERY_NETWORK
def test_a_beam_that_is_wide_enough_finds_every_sentence(score: str) -> None:
    model, source, longest = small(score, 2, words=6), sentence(2, 3), 3
    open_words = [word for word in range(6) if word not in (PAD, BEGIN, END)]
    every = [list(words) for n in range(longest + 1) for words in itertools.product(open_words, repeat=n)]
    expected = {tuple(words): log_p_of(model, source, words, longest) for words in every}
    found = search(model, source, len(every) + 5, longest)
    log_p = {tuple(words): per_word * min(len(words) + 1, longest) for words, per_word in found.sentences(0)}
    assert sum(map(math.exp, expected.values())) == pytest.approx(1, abs=1e-4)  # all that is possible
    assert log_p == pytest.approx(expected, abs=1e-4)


def test_nothing_is_written_after_the_end() -> None:
    found = search(small("dot", 0), torch.cat([sentence(seed) for seed in range(6)]), 4, LONGEST)
    finished = torch.zeros(6, 4, dtype=torch.bool)
    seen = 0
    for words, parents in zip(found.words, found.parents, strict=True):
        finished = finished.gather(1, parents)
        assert ((words == PAD) == finished).all()
        seen += int(finished.sum())
        finished = finished | (words == END)
    assert seen


def test_the_search_stops_when_all_have_ended() -> None:
    model = small("dot", 0)
    with torch.no_grad():
        model.b[END] = 1000
    found = search(model, sentence(0), 1, LONGEST)
    assert found.words.tolist() == [[[END]]]
    assert found.sentences(0)[0][0] == []


@EVERY_NETWORK
@pytest.mark.parametrize("beam", [1, 3])
def test_neighbours_in_a_batch_change_nothing(score: str, beam: int) -> None:
    model, sources = small(score, 3), [sentence(1), sentence(2), sentence(1)]
    together = search(model, torch.cat(sources), beam, LONGEST)
    for row, source in enumerate(sources):
        alone = search(model, source, beam, LONGEST).sentences(0)
        assert [words for words, _ in together.sentences(row)] == [words for words, _ in alone]
        assert [p for _, p in together.sentences(row)] == pytest.approx([p for _, p in alone], abs=1e-5)
    log_p = together.log_p[-1]
    assert torch.allclose(log_p[0], log_p[2], atol=1e-5) and not torch.allclose(log_p[0], log_p[1], atol=1e-3)


@EVERY_NETWORK
def test_word_by_word_is_all_at_once(score: str) -> None:
    model, source, words = small(score, 0), sentence(0), [BEGIN, 7, 4, 9]
    with torch.no_grad():
        h_bar, fixed = model.encode(source)
        h, one_by_one = model.begin(fixed), []
        for word in words:
            h_t, h = model.states(torch.tensor([[word]]), h)
            c_t = model.read(h_t, h_bar, fixed).context
            one_by_one.append(model.logits(model.attention_vector(c_t, h_t))[0, 0])
        assert torch.allclose(torch.stack(one_by_one), model(source, torch.tensor([words]))[0], atol=1e-4)


@pytest.mark.parametrize("score", list(SCORES))
def test_the_context_is_the_weighted_sum_of_the_sources_states(score: str) -> None:
    model, source = small(score, 0), sentence(0)
    with torch.no_grad():
        h_bar, fixed = model.encode(source)
        h_t, _ = model.states(torch.tensor([[BEGIN, 5, 6]]), model.begin(fixed))
        alpha, c_t = model.read(h_t, h_bar, fixed)[1:]
    assert alpha.shape == (1, 3, 7) and torch.allclose(alpha.sum(-1), torch.ones(1, 3))
    assert torch.allclose(c_t[0], alpha[0] @ h_bar[0], atol=1e-5)


def test_without_attention_the_context_is_fixed() -> None:
    model, source = small(NONE, 0), sentence(0)
    with torch.no_grad():
        h_bar, fixed = model.encode(source)
        h_t, _ = model.states(torch.tensor([[BEGIN, 5, 6]]), model.begin(fixed))
        parts = model.read(h_t, h_bar, fixed)
    assert parts.weights.shape == parts.scores.shape == (1, 3, 0)
    assert torch.equal(parts.context[0], fixed.expand(3, -1))
    assert torch.equal(fixed[0, :8], h_bar[0, -1, :8])  # what the reader forwards knows at the end,
    assert torch.equal(fixed[0, 8:], h_bar[0, 0, 8:])  # and the reader backwards at the beginning


def test_every_score_has_the_same_states() -> None:
    """h_t does not depend on what was looked at: no input feeding."""
    one, other = small("dot", 0), small("general", 1)
    other.load_state_dict(one.state_dict(), strict=False)
    words, h = torch.tensor([[BEGIN, 5, 6]]), torch.zeros(1, 16)
    assert torch.equal(one.states(words, h)[0], other.states(words, h)[0])


def french(words: int = 30) -> Vocabulary:
    return Vocabulary((*SPECIAL, *(f"mot{number}" for number in range(len(SPECIAL), words))))


@torch.no_grad()
def looked_at(model: Seq2Seq, source: Tensor, words: list[int]) -> list[int]:
    """The source word most looked at (not its end) by the state that wrote each word, word by word."""
    h_bar, fixed = model.encode(source)
    h, at = model.begin(fixed), []
    for word in [BEGIN, *words[:-1]]:
        h_t, h = model.states(torch.tensor([[word]]), h)
        at.append(int(model.read(h_t, h_bar, fixed).weights[0, 0, :-1].argmax()))
    return at


@pytest.mark.parametrize("score", list(SCORES))
def test_an_unknown_word_is_the_source_word_most_looked_at(score: str) -> None:
    words, places = [UNKNOWN, 8, UNKNOWN, 9, 4, UNKNOWN], set()
    for seed in SEEDS:
        model, source = small(score, seed), sentence(seed)
        tokens = [f"word{place}" for place in range(6)]
        at = looked_at(model, source, words)
        spelled = spell(model, source, words, tokens, french())
        assert spelled == [f"word{at[0]}", "mot8", f"word{at[2]}", "mot9", "mot4", f"word{at[5]}"]
        places |= {at[0], at[2], at[5]}
    assert len(places) > 1


def test_the_end_of_the_source_is_never_copied() -> None:
    model = small("general", 0)
    with torch.no_grad():
        source = sentence(0)
        h_bar, fixed = model.encode(source)
        h_t, _ = model.states(torch.tensor([[BEGIN]]), model.begin(fixed))
        only_the_end = torch.linalg.lstsq(h_bar[0], torch.eye(7)[6]).solution  # its product with the other states is 0
        dict(model.named_parameters())["score.W_a"].copy_(50 * torch.outer(h_t[0, 0], only_the_end))
        assert model.read(h_t, h_bar, fixed).weights[0, 0].argmax() == 6
    assert spell(model, source, [UNKNOWN], list("abcdef"), french())[0] in "abcdef"


def test_known_words_are_spelled_as_they_are() -> None:
    assert spell(small("dot", 0), sentence(0), [4, 29], list("abcdef"), french()) == ["mot4", "mot29"]
    assert spell(small("dot", 0), sentence(0), [], list("abcdef"), french()) == []


def test_without_attention_an_unknown_word_stays_unknown() -> None:
    assert spell(small(NONE, 0), sentence(0), [UNKNOWN, 5], list("abcdef"), french()) == ["⟨unk⟩", "mot5"]


def test_dropout_only_while_training() -> None:
    model, source, words = small("dot", 0), sentence(0), torch.tensor([[BEGIN, 5]])
    with torch.no_grad():
        assert torch.equal(model(source, words), model(source, words))
        model.train()
        assert not torch.equal(model(source, words), model(source, words))


@EVERY_NETWORK
def test_every_parameter_learns(score: str) -> None:
    model = small(score, 0)
    model(sentence(0), torch.tensor([[BEGIN, 5, 6, 7]])).log_softmax(-1)[..., 4].sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert idle == set()

"""Show, Attend and Tell on small networks of random numbers: its formulas by loops over numbers, its teaching against its writing."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from models.attention import perceptron
from models.captioner import Captioner, doubly_stochastic
from models.decoder import search, writable
from models.words import BEGIN, END, PAD, SPECIAL

D, WORDS, REGIONS, LONGEST = 5, 9, 4, 8


def small(seed: int = 0, words: int = WORDS) -> Captioner:
    """A network with large enough numbers to have opinions."""
    torch.manual_seed(seed)
    model = Captioner(words, D, d=6, d_a=3, m=7, n=8).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
        model.L_o.bias[END] = 1
    return model


def picture(seed: int = 0, batch: int = 1) -> Tensor:
    return torch.rand(batch, REGIONS, D, generator=torch.Generator().manual_seed(seed))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def times(W: Tensor, x: list[float], b: Tensor | None = None) -> list[float]:
    """W x + b, number by number."""
    return [
        sum(float(W[i, j]) * x[j] for j in range(len(x))) + (float(b[i]) if b is not None else 0) for i in range(len(W))
    ]


@torch.no_grad()
def test_a_step_is_the_paper_s_formulas_number_by_number() -> None:
    model, source, word = small(), picture(), 5
    memory = model.remember(source)
    h, c = model.start(memory)
    made = model.step(torch.tensor([[word]]), (h, c), memory)

    W, b = model.annotation.weight, model.annotation.bias
    a = [[max(0.0, number) for number in times(W, source[0, i].tolist(), b)] for i in range(REGIONS)]
    mean = [sum(a[i][k] for i in range(REGIONS)) / REGIONS for k in range(6)]
    before = [math.tanh(x) for x in times(model.f_init_h.weight, mean, model.f_init_h.bias)]
    cell = [math.tanh(x) for x in times(model.f_init_c.weight, mean, model.f_init_c.bias)]
    asked = times(model.f_att.W_a.T, before)
    e = []
    for i in range(REGIONS):
        key = times(model.f_att.U_a.T, a[i])
        e.append(sum(float(model.f_att.v_a[j]) * math.tanh(asked[j] + key[j]) for j in range(3)))
    alpha = [math.exp(x) / sum(map(math.exp, e)) for x in e]
    context = [sum(alpha[i] * a[i][k] for i in range(REGIONS)) for k in range(6)]
    beta = sigmoid(times(model.f_beta.weight, before, model.f_beta.bias)[0])
    z = [beta * number for number in context]
    Ey = model.E.weight[word].tolist()
    gates = times(model.T.weight, Ey + before + z, model.T.bias)
    now = [sigmoid(gates[8 + k]) * cell[k] + sigmoid(gates[k]) * math.tanh(gates[24 + k]) for k in range(8)]
    state = [sigmoid(gates[16 + k]) * math.tanh(now[k]) for k in range(8)]
    by_h, by_z = times(model.L_h.weight, state, model.L_h.bias), times(model.L_z.weight, z, model.L_z.bias)
    deep = [Ey[k] + by_h[k] + by_z[k] for k in range(7)]
    logits = times(model.L_o.weight, deep, model.L_o.bias)

    for mine, theirs in (
        (memory["a"][0].flatten().tolist(), [number for row in a for number in row]),
        (made.attention.scores.flatten().tolist(), e),
        (made.attention.weights.flatten().tolist(), alpha),
        (made.values["asked"].flatten().tolist(), before),
        (made.values["c"].flatten().tolist(), context),
        (made.values["beta"].flatten().tolist(), [beta]),
        (made.values["z"].flatten().tolist(), z),
        (made.values["cell"].flatten().tolist(), now),
        (made.values["h"].flatten().tolist(), state),
        (made.values["deep"].flatten().tolist(), deep),
        (made.logits.flatten().tolist(), logits),
    ):
        assert mine == pytest.approx(theirs, abs=1e-4)
    assert 0.02 < beta < 0.98 and max(alpha) - min(alpha) > 0.02  # so that nothing of it could be left out unseen


@torch.no_grad()
def test_the_score_is_the_lecture_s_perceptron() -> None:
    model, memory = small(), small().remember(picture(batch=3))
    h = torch.randn(3, 8)
    e = perceptron(h.unsqueeze(1), memory["a"], model.f_att.W_a, model.f_att.U_a, model.f_att.v_a)
    assert torch.allclose(model.look(h, memory).scores, e, atol=1e-5)


@torch.no_grad()
def test_weights_sum_to_one_and_make_the_context() -> None:
    model, memory = small(), small().remember(picture(batch=3))
    read = model.look(torch.randn(3, 8), memory)
    assert torch.allclose(read.weights.sum(-1), torch.ones(3, 1))
    assert torch.allclose(read.context, read.weights @ memory["a"])


def by_steps(model: Captioner, source: Tensor, words: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """The logits and the weights of each step, one after the other."""
    memory = model.remember(source)
    state, logits, alpha = model.start(memory), [], []
    for word in words:
        made = model.step(torch.tensor([[word]]), state, memory)
        state = made.state
        logits.append(made.logits[0])
        alpha.append(made.attention.weights[0, 0])
    return logits, alpha


@torch.no_grad()
def test_teaching_is_writing_for_sentences_of_any_length() -> None:
    model, sources = small(), picture(batch=3)
    sentences = [[BEGIN, 4, 5, 6, 7, 8], [BEGIN, 8, 8, 4], [BEGIN]]
    words = torch.tensor([sentence + [PAD] * (6 - len(sentence)) for sentence in sentences])
    deep, alpha = model.teach(model.remember(sources), words)
    logits = model(sources, words)
    for row, sentence in enumerate(sentences):
        alone = by_steps(model, sources[row : row + 1], sentence)
        n = len(sentence)
        assert torch.allclose(logits[row, :n], torch.stack(alone[0]), atol=1e-4)
        assert torch.allclose(alpha[row, :n], torch.stack(alone[1]), atol=1e-5)
        assert not deep[row, n:].any() and not alpha[row, n:].any()


def test_the_doubly_stochastic_term_by_a_loop() -> None:
    alpha = torch.rand(2, 5, 3).softmax(-1)
    alpha[1, 3:] = 0  # a shorter sentence
    for row in range(2):
        expected = sum((1 - sum(float(alpha[row, t, i]) for t in range(5))) ** 2 for i in range(3))
        assert float(doubly_stochastic(alpha)[row]) == pytest.approx(expected, abs=1e-5)
    everywhere = torch.full((1, 3, 3), 1 / 3)
    assert float(doubly_stochastic(everywhere)) == pytest.approx(0, abs=1e-9)
    assert float(doubly_stochastic(torch.eye(3)[None])) == pytest.approx(0, abs=1e-9)  # one after the other is as good
    assert float(doubly_stochastic(torch.eye(3)[:1].expand(1, 3, 3))) == pytest.approx(4 + 1 + 1)


@torch.no_grad()
def test_the_gate_shuts_the_picture_out() -> None:
    model = small()
    model.f_beta.weight.zero_()
    model.f_beta.bias.fill_(-100)
    memory, other = model.remember(picture(0)), model.remember(picture(1))
    state = model.start(memory)
    made, same = (model.step(torch.tensor([[4]]), state, kept) for kept in (memory, other))
    assert not torch.equal(made.attention.context, same.attention.context)
    assert torch.equal(made.logits, same.logits)


def log_p_of(model: Captioner, source: Tensor, written: list[int], longest: int) -> float:
    """log p of a sentence, of its end too if there was room for it."""
    with torch.no_grad():
        p = writable(torch.stack(by_steps(model, source, [BEGIN, *written])[0]), model.barred).log_softmax(-1)
    return float(sum(p[t, word] for t, word in enumerate([*written, END][:longest])))


def test_a_beam_that_is_wide_enough_finds_every_caption() -> None:
    model, source, longest = small(2, words=7), picture(2), 3
    every = [list(words) for n in range(longest + 1) for words in itertools.product(range(END + 1, 7), repeat=n)]
    expected = {tuple(words): log_p_of(model, source, words, longest) for words in every}
    found = search(model, source, len(every) + 5, longest)
    log_p = {tuple(words): per_word * min(len(words) + 1, longest) for words, per_word in found.sentences(0)}
    assert sum(map(math.exp, expected.values())) == pytest.approx(1, abs=1e-4)  # all that is possible
    assert log_p == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("beam", [1, 3])
def test_pictures_of_a_batch_do_not_mix(beam: int) -> None:
    model, sources = small(1), picture(1, batch=4)
    together = search(model, sources, beam, LONGEST)
    for row in range(4):
        alone = search(model, sources[row : row + 1], beam, LONGEST).sentences(0)
        assert [words for words, _ in alone] == [words for words, _ in together.sentences(row)]
        for words, per_word in alone:
            length = min(len(words) + 1, LONGEST)
            assert per_word * length == pytest.approx(log_p_of(model, sources[row : row + 1], words, LONGEST), abs=1e-3)


def test_less_normalisation_prefers_shorter_captions() -> None:
    found = search(small(1), picture(1), 12, LONGEST)
    lengths = [len(found.sentences(0, power)[0][0]) for power in (0, 1, 3)]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1]
    whole = {tuple(words): log_p for words, log_p in found.sentences(0, 0)}
    for words, score in found.sentences(0, 2):
        assert score == pytest.approx(whole[tuple(words)] / min(len(words) + 1, LONGEST) ** 2, abs=1e-5)


def test_what_is_never_written() -> None:
    model = small()
    with torch.no_grad():
        model.L_o.bias[list(model.barred)] = 100
    found = search(model, picture(), 3, LONGEST).sentences(0)
    assert [SPECIAL[word] for word in model.barred] == ["⟨pad⟩", "⟨begin⟩", "⟨unk⟩"]
    assert not {word for words, _ in found for word in words} & set(model.barred)

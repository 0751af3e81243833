"""Daniluk's language models: the formulas by a loop, pieces against the whole, and the page's model on top."""

import math

import numpy as np
import pytest
import torch

from models.card import read_card
from models.key_value import ATTENTION, KEY_VALUE, KINDS, PLAIN, PREDICT, WIDTHS, MemoryModel
from models.language_model import LONGEST, LanguageModel
from models.words import END, SPECIAL, UNKNOWN, Vocabulary
from models.writer import Touch

KNOWN = Vocabulary((*SPECIAL, "the", "cat", "sat", "on", "a", "mat", ".", "N", "'"))
WORDS = torch.tensor([[4, 5, 6, 7, 8, 9, 10, 4, 5]])


def made(kind: str) -> MemoryModel:
    torch.manual_seed(0)
    network = MemoryModel(kind, len(KNOWN), d_word=6, d=4)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module", params=KINDS)
def network(request: pytest.FixtureRequest) -> MemoryModel:
    return made(request.param)


def test_the_four_have_as_many_parameters() -> None:
    sizes = {kind: sum(p.numel() for p in MemoryModel(kind, 13000).parameters()) for kind in WIDTHS}
    assert max(sizes.values()) / min(sizes.values()) < 1.01


@pytest.mark.parametrize(
    ("kind", "key", "value", "last"), [(ATTENTION, 0, 0, 0), (KEY_VALUE, 0, 4, 4), (PREDICT, 0, 4, 8)]
)
def test_the_formulas_by_a_loop(kind: str, key: int, value: int, last: int) -> None:
    network, L = made(kind), 3
    read = network(WORDS, network.begin(), L)
    h = read.h[0]
    for t in range(WORDS.shape[1]):
        seen = range(max(0, t - L), t)
        r = torch.zeros(4)
        if seen:
            e = [
                network.w @ torch.tanh(h[i, key : key + 4] @ network.W_Y + h[t, key : key + 4] @ network.W_h)
                for i in seen
            ]
            alpha = torch.stack(e).softmax(0)
            assert torch.allclose(read.attention.weights[0, t, L - len(seen) :], alpha, atol=1e-6)
            r = sum(a * h[i, value : value + 4] for a, i in zip(alpha, seen, strict=True))
        expected = torch.tanh(network.W_r.weight @ r + network.W_x(h[t, last : last + 4]))
        assert torch.allclose(read.h_star[0, t], expected, atol=1e-5)


def test_plain_decides_from_its_state_alone() -> None:
    network = made(PLAIN)
    read = network(WORDS, network.begin())
    assert read.attention is None
    assert torch.allclose(read.h_star, torch.tanh(network.W_x(read.h)))


@pytest.mark.parametrize("cut", [1, 2, 5, 8])
def test_a_text_in_pieces_is_the_text(network: MemoryModel, cut: int) -> None:
    whole = network(WORDS, network.begin(), 3)
    first = network(WORDS[:, :cut], network.begin(), 3)
    second = network(WORDS[:, cut:], first.memory, 3)
    assert torch.allclose(torch.cat([first.h_star, second.h_star], 1), whole.h_star, atol=1e-6)


@pytest.fixture(scope="module")
def model(network: MemoryModel) -> LanguageModel:
    return LanguageModel(network.kind, network, KNOWN, read_card("translate-perceptron"))


TEXT = "The cat sat on the mat."


def test_it_writes_what_the_network_says(model: LanguageModel) -> None:
    trace = model.tell(TEXT, more=4, L=3)
    numbers = KNOWN.encode(trace.source)
    assert len(trace.source) == len(trace.target) == 7 + 4
    assert trace.source[1:] == trace.target[:-1]
    network = model.network
    words = torch.tensor([[END if word == SPECIAL[END] else n for word, n in zip(trace.source, numbers, strict=True)]])
    read = network(words, network.begin(), 3)
    logits = network.logits(read.h_star)[0]
    logits[:, [0, UNKNOWN, 2]] = -math.inf
    expected = logits.log_softmax(-1)
    for t in range(6, 11):
        assert trace.target[t] == KNOWN.words[int(expected[t].argmax())]
    written = [*words[0, 1:].tolist(), int(expected[-1].argmax())]
    assert np.allclose(trace.log_p, expected[range(11), written], atol=1e-5)
    if read.attention is not None:
        spread = [
            [row[i - t + 3] if 1 <= t - i <= 3 else 0.0 for i in range(11)]
            for t, row in enumerate(read.attention.weights[0].tolist())
        ]
        assert np.allclose(trace.weights[0], spread, atol=1e-6)


def test_rows_sum_to_one_but_the_first(model: LanguageModel) -> None:
    weights = model.tell(TEXT, more=3).weights[0]
    if model.kind == PLAIN:
        assert weights.shape == (10, 0)
    else:
        assert weights[0].sum() == 0 and np.allclose(weights[1:].sum(-1), 1)
        assert (np.triu(weights) == 0).all()


@pytest.mark.parametrize("L", [1, 2, 5])
def test_no_look_goes_further_back_than_L(model: LanguageModel, L: int) -> None:
    weights = model.tell(TEXT, more=3, L=L).weights[0]
    for t, row in enumerate(weights):
        assert all(1 <= t - i <= L for i in row.nonzero()[0])


def test_a_forced_word_changes_what_follows_and_nothing_before(model: LanguageModel) -> None:
    before = model.tell(TEXT, more=4)
    after = model.tell(TEXT, 4, Touch(words={7: "cat"}))
    assert after.target[7] == "cat" and after.source[8] == "cat"
    assert after.target[:7] == before.target[:7]
    with pytest.raises(ValueError, match="does not know"):
        model.tell(TEXT, 4, Touch(words={7: "quark"}))


def test_forced_weights_are_kept_to_what_may_be_seen(model: LanguageModel) -> None:
    if model.kind == PLAIN:
        return
    row = [0.0] * 9
    row[2], row[8] = 0.5, 0.5
    trace = model.tell(TEXT, 2, Touch(weights={4: tuple(row)}), L=3)
    assert trace.weights[0, 4].tolist() == pytest.approx([0, 0, 1, 0, 0, 0, 0, 0, 0])


def test_a_forbidden_word_is_not_looked_at(model: LanguageModel) -> None:
    if model.kind != PLAIN:
        assert (model.tell(TEXT, 2, Touch(forbidden=frozenset({1}))).weights[0, 3:, 1] == 0).all()


@pytest.mark.parametrize("text", ["", "   ", "猫", "🎉", "word " * LONGEST])
def test_what_cannot_be_read_is_said(model: LanguageModel, text: str) -> None:
    with pytest.raises(ValueError, match=r"[A-Z].*\."):
        model.tell(text)


def test_sampling_is_by_its_seed(model: LanguageModel) -> None:
    texts = [model.tell(TEXT, 12, Touch(sampling=1.5, seed=seed)).target for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_text_read_in_one_go_is_the_text_written_word_by_word(model: LanguageModel) -> None:
    whole = model.tell(TEXT, more=2, L=3)
    forced = Touch(words=dict(enumerate(whole.target)))
    by_word = model.tell("the", len(whole.source) - 1, forced, L=3)
    assert by_word.source == whole.source and by_word.target == whole.target
    assert np.allclose(by_word.log_p, whole.log_p, atol=1e-5)
    assert np.allclose(by_word.weights, whole.weights, atol=1e-6)
    assert np.allclose(by_word.scores, whole.scores, atol=1e-5, equal_nan=True)
    assert np.allclose(by_word.values["h"], whole.values["h"], atol=1e-6)


def test_only_what_was_looked_at_has_a_score(model: LanguageModel) -> None:
    trace = model.tell(TEXT, more=2, L=3)
    if model.kind != PLAIN:
        back = np.subtract.outer(np.arange(9), np.arange(9))
        assert (np.isfinite(trace.scores[0]) == ((back >= 1) & (back <= 3))).all()


def test_a_word_may_be_forced_into_the_text_that_is_given(model: LanguageModel) -> None:
    trace = model.tell(TEXT, 2, Touch(words={0: "mat"}))
    other = model.tell(TEXT.replace("cat", "mat"), 2)
    assert trace.source == other.source and trace.target == other.target
    assert np.array_equal(trace.log_p, other.log_p)


def test_a_word_forced_on_the_last_row_is_what_it_writes_on(model: LanguageModel) -> None:
    assert model.tell(TEXT, 2, Touch(words={8: "on"})).target[8] == "on"
    longer = model.tell(TEXT, 3, Touch(words={8: "on"}))
    assert longer.source[9] == "on"


def test_one_more_word_changes_none_before(model: LanguageModel) -> None:
    drawn = Touch(sampling=1.2, seed=4)
    short, longer = (model.tell(TEXT, more, drawn) for more in (3, 4))
    assert longer.target[:-1] == short.target


def test_what_was_given_is_noted_and_how_probable_it_was(model: LanguageModel) -> None:
    trace = model.tell("the quark sat on", 2, Touch(weights={1: (1.0,), 4: (0.25,) * 4}))
    assert trace.notes[0] == "given, and not known to the model"
    assert trace.notes[2] == f"given, p = {math.exp(trace.log_p[2]):.6f}"
    assert trace.notes[1].startswith("forced; given") and trace.notes[4] == "forced" and 3 not in trace.notes


def test_double_quotes_are_read_as_the_books_have_them() -> None:
    known = Vocabulary((*KNOWN.words, '"'))
    model = LanguageModel(PLAIN, made(PLAIN), known, read_card("translate-perceptron"))
    assert model.read("“the cat” ‘sat’")[0] == ['"', "the", "cat", '"', "'", "sat", "'"]

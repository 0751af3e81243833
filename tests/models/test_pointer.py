"""The network that copies: its mixture against a loop, numbers beyond the vocabulary, and what a search may not write."""

import math

import pytest
import torch
from torch import Tensor

from models.card import read_card
from models.decoder import of_length, search, unrepeated
from models.pointer import LONGEST_SOURCE, HeadlineWriter, Pointer, article, extended
from models.terms import generate_terms, mixture_terms
from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Vocabulary
from models.writer import Touch

KNOWN = Vocabulary((*SPECIAL, "police", "said", "storm", "kills", "two", "in", "on", "##", "n't", "'s"))
SENTENCE = "police in zzyzx said a storm on friday in zzyzx"


@pytest.fixture(scope="module")
def network() -> Pointer:
    torch.manual_seed(0)
    network = Pointer(len(KNOWN), d_word=8, d=12)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def writer(network: Pointer) -> HeadlineWriter:
    return HeadlineWriter(network, KNOWN, KNOWN, read_card("translate-perceptron"))


def read(network: Pointer, source: Tensor, words: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """log P, p_gen, P_vocab and the weights after each of `words`."""
    h_bar, fixed = network.encode(source)
    h_t, _ = network.states(words, network.begin(fixed))
    looked = network.read(h_t, h_bar, fixed)
    p_gen = torch.sigmoid(network.generate_log_odds(looked.context, h_t, words))
    P_vocab = network.logits(network.attention_vector(looked.context, h_t)).softmax(-1)
    return network.next_word(looked, h_t, words, source), p_gen, P_vocab, looked.weights


def test_an_unknown_word_has_the_number_of_its_first_place() -> None:
    tokens = SENTENCE.split()
    numbers = extended(tokens, KNOWN.encode(tokens), len(KNOWN))
    beyond = len(KNOWN)
    assert numbers == [4, 9, beyond + 2, 5, beyond + 4, 6, 10, beyond + 7, 9, beyond + 2, END]


def test_the_mixture_by_a_loop(network: Pointer, writer: HeadlineWriter) -> None:
    source = writer.numbers(SENTENCE.split())
    words = torch.tensor([[BEGIN, 4, len(KNOWN) + 2]])
    log_P, p_gen, P_vocab, alpha = read(network, source, words)
    assert log_P.shape == (1, 3, len(KNOWN) + source.shape[1])
    for t in range(3):
        for w in range(log_P.shape[2]):
            written = float(P_vocab[0, t, w]) if w < len(KNOWN) else 0.0
            copied = sum(float(alpha[0, t, s]) for s in range(source.shape[1]) if source[0, s] == w)
            expected = float(p_gen[0, t]) * written + (1 - float(p_gen[0, t])) * copied
            assert float(log_P[0, t, w].exp()) == pytest.approx(expected, abs=1e-6)
    assert log_P.exp().sum(-1).tolist()[0] == pytest.approx([1.0] * 3, abs=1e-5)


def test_a_copied_unknown_word_is_read_as_unknown(network: Pointer) -> None:
    begin = torch.zeros(1, 12)
    beyond, unknown = (network.states(torch.tensor([[number]]), begin)[0] for number in (len(KNOWN) + 3, UNKNOWN))
    assert torch.equal(beyond, unknown)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_run_is_written_twice(n: int) -> None:
    written = torch.tensor([5, 6, 7, 5, 6])
    barred = unrepeated(torch.zeros(10), written, n).isinf().nonzero().flatten().tolist()
    assert barred == {1: [5, 6, 7], 2: [PAD, 7], 3: [PAD, 7]}[n]


def test_nothing_is_barred_of_a_short_beginning() -> None:
    assert not unrepeated(torch.zeros(10), torch.tensor([5]), 2).isinf().any()
    assert not unrepeated(torch.zeros(10), torch.tensor([5, 5, 5]), 0).isinf().any()


def test_of_length() -> None:
    assert of_length(torch.zeros(6), 1, 2).isinf().tolist() == [False] * 3 + [True] + [False] * 2
    assert of_length(torch.zeros(6), 2, 2).isinf().tolist() == [True] * 3 + [False] + [True] * 2
    assert not of_length(torch.zeros(6), 2, 0).isinf().any()


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("length", [2, 5])
def test_a_headline_has_the_length_asked(writer: HeadlineWriter, beam: int, length: int) -> None:
    trace = writer.write(SENTENCE, beam=beam, length=length)
    assert len(trace.target) == length + 1 and trace.target[-1] == SPECIAL[END]


def test_greedy_is_a_beam_of_one_and_never_says_unknown_or_a_pair_twice(writer: HeadlineWriter) -> None:
    trace = writer.write(SENTENCE)
    [(words, _), *_] = search(writer.network, writer.numbers(SENTENCE.split()), 1, writer.longest(0)).sentences(0)
    spelled = writer.spelled(SENTENCE.split())
    assert [spelled[word] for word in words] == [word for word in trace.target if word != SPECIAL[END]]
    assert SPECIAL[UNKNOWN] not in trace.target
    pairs = list(zip(trace.target, trace.target[1:], strict=False))
    assert len(pairs) == len(set(pairs))


def test_a_word_of_the_sentence_can_be_forced_and_no_other_unknown_one(writer: HeadlineWriter) -> None:
    trace = writer.write(SENTENCE, Touch(words={0: "zzyzx", 1: "Storm"}))
    assert trace.target[:2] == ("zzyzx", "storm")
    with pytest.raises(ValueError, match="neither"):
        writer.write(SENTENCE, Touch(words={0: "quark"}))


def test_forced_weights_decide_what_is_copied(writer: HeadlineWriter) -> None:
    tokens = SENTENCE.split()
    row = [0.0] * (len(tokens) + 1)
    row[2] = 1.0
    trace = writer.write(SENTENCE, Touch(weights={0: tuple(row)}))
    assert float(trace.values["copied"][0]) == (1.0 if trace.target[0] == "zzyzx" else 0.0)
    assert dict(trace.candidates[0])["zzyzx"] >= 1 - float(trace.values["p_gen"][0]) - 1e-6


def test_every_number_of_the_mixture_is_recomputed(writer: HeadlineWriter) -> None:
    trace, tokens = writer.write(SENTENCE), SENTENCE.split()
    for t, word in enumerate(trace.target):
        number = int(trace.values["word"][t])
        terms = mixture_terms(writer.network, trace, writer.numbers(tokens), t, number, word)
        p_gen = generate_terms(writer.network, trace, t)
        assert p_gen.recomputed() == pytest.approx(p_gen.value, abs=1e-6)
        parts = trace.values["P_vocab"][t], trace.values["copied"][t]
        assert terms.right.tolist() == pytest.approx(parts, abs=1e-6)
        assert terms.value == pytest.approx(terms.recomputed(), abs=1e-9)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Bush signed it.", "bush signed it ."),
        ("It doesn't cost $3.50 (or 10,000)!", "it does n't cost $ #.## -lrb- or ##,### -rrb- !"),
        ('He said "no" in the U.S. today.', "he said `` no '' in the u.s. today ."),
        ("australia 's deficit is #.## billion , it does n't", "australia 's deficit is #.## billion , it does n't"),
    ],
)
def test_an_article_is_cut_as_gigaword_is(text: str, tokens: str) -> None:
    assert article(text) == tokens.split()


@pytest.mark.parametrize("text", ["", "   ", "猫", "😀😀", "word " * (LONGEST_SOURCE + 1)])
def test_what_cannot_be_read_is_said(writer: HeadlineWriter, text: str) -> None:
    with pytest.raises(ValueError, match=r"[A-Z].*\."):
        writer.write(text)


def test_log_p_is_that_of_the_words_written(writer: HeadlineWriter) -> None:
    trace = writer.write(SENTENCE, beam=3)
    for t, word in enumerate(trace.target):
        p = dict(trace.candidates[t]).get(word)
        assert p is None or math.log(p) == pytest.approx(float(trace.log_p[t]), abs=1e-5)

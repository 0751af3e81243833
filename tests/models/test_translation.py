"""The trained translators, watched and touched: every number adds up to the one beside it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import zoo
from models.attention import softmax
from models.terms import (
    attention_vector_terms,
    context_terms,
    exp_terms,
    logit_terms,
    score_terms,
    state_terms,
    weight_terms,
)
from models.trace import Trace, entropy, hidden, summed
from models.translation import LONGEST_SOURCE, Translator, sentence
from models.words import END, SPECIAL, UNKNOWN, tokenize
from models.writer import Touch, beam_tree

SENTENCES = (
    "A black dog and a white dog run along the beach.",
    "Two young girls are sitting on a red bench in front of the old house.",
    "I don't know where she lives.",
    "The agreement on the European Economic Area was signed in August 1992.",
    "Dogs.",
)
WORDS = (
    "a",
    "man",
    "two",
    "dogs",
    "the",
    "red",
    "house",
    "sleeps",
    "zyzzyva",
    ",",
    "don't",
    "1992",
    "on",
    "?",
    "<b>",
    "élan",
)


@pytest.fixture(scope="module", params=zoo.TRANSLATORS)
def translator(request: pytest.FixtureRequest) -> Translator:
    return zoo.translator(request.param)


@pytest.fixture(scope="module")
def perceptron() -> Translator:
    return zoo.translator("perceptron")


def check(trace: Trace, model: Translator) -> None:
    """The invariants of a trace: weights of one, contexts of weights and values, words of the largest probability."""
    steps, sources = len(trace.target), len(trace.source)
    h_bar, c, alpha = trace.values["h_bar"], trace.values["c"], trace.weights[0]
    assert h_bar.shape[0] == sources
    if model.network.score is None:
        assert alpha.shape == (steps, 0)
        assert (c == trace.values["fixed"]).all()
    else:
        assert alpha.shape == (steps, sources)
        assert np.allclose(alpha.sum(1), 1, atol=1e-5)
        assert np.allclose(alpha @ h_bar, c, atol=1e-5)
        assert np.allclose(softmax(torch.from_numpy(trace.scores[0])).numpy(), alpha, atol=1e-5)
    for t in range(steps):
        word, p = trace.candidates[t][0]
        assert model.target_words.words[int(trace.values["word"][t])] == word
        assert np.isclose(np.log(p), trace.log_p[t], atol=1e-4)
        assert t in trace.notes or trace.target[t] == word


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), st.sampled_from(zoo.TRANSLATORS))
def test_a_trace_adds_up_for_any_sentence(text: str, score: str) -> None:
    model = zoo.translator(score) if score not in _kept else _kept[score]
    _kept[score] = model
    if all(number == UNKNOWN for number in model.source_words.encode(tokenize(text, "en"))):
        with pytest.raises(ValueError, match="Not one word"):
            model.write(text)
    else:
        check(model.write(text), model)


_kept: dict[str, Translator] = {}


@pytest.mark.parametrize("text", SENTENCES)
def test_a_trace_adds_up_for_real_sentences(translator: Translator, text: str) -> None:
    check(translator.write(text), translator)


def test_it_really_translates(perceptron: Translator) -> None:
    assert sentence(perceptron.write(SENTENCES[0])) == "un chien noir et un chien blanc courent le long de la plage."
    trace = perceptron.write(SENTENCES[0])
    rows = {
        word: trace.source[int(trace.weights[0, t].argmax())]
        for t, word in enumerate(trace.target[:8])
        if word in ("noir", "blanc", "et")
    }
    assert rows == {"noir": "black", "et": "and", "blanc": "white"}


def test_concat_looks_the_same_way_at_every_step() -> None:
    """The slide's linear concat cannot depend on the query; perceptron can."""
    rows = zoo.translator("concat").write(SENTENCES[0]).weights[0]
    assert np.allclose(rows, rows[0], atol=1e-5)
    rows = zoo.translator("perceptron").write(SENTENCES[0]).weights[0]
    assert not np.allclose(rows, rows[0], atol=0.1)


def test_an_unknown_word_is_copied_and_said_so(perceptron: Translator) -> None:
    trace = perceptron.write("A man named Gabriel eats bread.")
    copied = [t for t, note in trace.notes.items() if "copied" in note]
    assert copied
    for t in copied:
        attended = trace.weights[0, t, :-1].argmax()
        assert trace.target[t] == trace.source[attended]


def test_a_forced_row_is_the_row(translator: Translator) -> None:
    if translator.network.score is None:
        pytest.skip("no weights to force")
    plain = translator.write(SENTENCES[0])
    n = len(plain.source)
    one_hot = tuple(1.0 if s == 5 else 0.0 for s in range(n))
    trace = translator.write(SENTENCES[0], Touch(weights={1: one_hot}))
    assert tuple(trace.weights[0, 1]) == one_hot
    assert np.allclose(trace.values["c"][1], trace.values["h_bar"][5], atol=1e-6)
    assert np.array_equal(trace.weights[0, 0], plain.weights[0, 0])
    assert np.array_equal(trace.values["h"][:2], plain.values["h"][:2])  # what was written before is as it was


def test_moving_the_attention_moves_the_word(perceptron: Translator) -> None:
    n = len(perceptron.write(SENTENCES[0]).source)
    to_white = tuple(1.0 if s == 5 else 0.0 for s in range(n))
    trace = perceptron.write(SENTENCES[0], Touch(weights={1: to_white}))
    assert trace.target[1].startswith("blanc")


def test_temperature_sharpens_and_flattens(perceptron: Translator) -> None:
    plain = perceptron.write(SENTENCES[0])
    words = dict(enumerate(plain.target))
    spread = [
        entropy(perceptron.write(SENTENCES[0], Touch(temperature=heat, words=words)).weights[0]).mean()
        for heat in (0.1, 1.0, 10.0)
    ]
    assert spread[0] < spread[1] < spread[2]
    flat = perceptron.write(SENTENCES[0], Touch(temperature=1e6, words=words))
    assert np.allclose(flat.weights[0], 1 / len(plain.source), atol=1e-4)


def test_a_forbidden_word_gets_no_weight(perceptron: Translator) -> None:
    trace = perceptron.write(SENTENCES[0], Touch(forbidden=frozenset({1, 2})))
    assert (trace.weights[0][:, [1, 2]] == 0).all()
    assert np.allclose(trace.weights[0].sum(1), 1, atol=1e-5)


def test_a_weight_of_a_touched_row_is_exp_over_sum(perceptron: Translator) -> None:
    trace = perceptron.write(SENTENCES[0], Touch(forbidden=frozenset({1, 2}), temperature=3.0))
    allowed = [s not in (1, 2) for s in range(len(trace.source))]
    for s in (0, 3, 7):
        each = weight_terms(trace, 1, s, allowed)
        assert np.isclose(each.recomputed(), each.value, atol=1e-5)


def test_a_forced_word_is_written_and_changes_what_follows(perceptron: Translator) -> None:
    plain = perceptron.write(SENTENCES[0])
    trace = perceptron.write(SENTENCES[0], Touch(words={1: "gros"}))
    assert trace.target[:2] == (plain.target[0], "gros")
    assert trace.log_p[1] < plain.log_p[1]
    assert not np.array_equal(trace.values["h"][2], plain.values["h"][2])
    with pytest.raises(ValueError, match="does not know the French word “xyzzy”"):
        perceptron.write(SENTENCES[0], Touch(words={1: "xyzzy"}))


def test_what_is_forced_whole_is_the_same_translation(perceptron: Translator) -> None:
    plain = perceptron.write(SENTENCES[1])
    again = perceptron.forced(SENTENCES[1], list(plain.target[:-1]))
    assert again.target == plain.target
    assert np.allclose(again.weights, plain.weights, atol=1e-6)


def test_sampling_is_seeded_and_differs(perceptron: Translator) -> None:
    drawn = [sentence(perceptron.write(SENTENCES[1], Touch(sampling=1.5, seed=seed))) for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_a_beam_finds_no_worse_sentence_a_word(perceptron: Translator) -> None:
    for text in SENTENCES[:3]:
        greedy, beam = perceptron.write(text), perceptron.write(text, beam=5)
        assert beam.log_p.mean() >= greedy.log_p.mean() - 1e-5


def test_the_tree_of_a_beam_holds_the_sentence_it_chose(perceptron: Translator) -> None:
    search = perceptron.beams(SENTENCES[1], 5)
    nodes = beam_tree(search, perceptron.target_words.words)
    ends = [i for i, (word, _, _) in enumerate(nodes) if word == SPECIAL[END]]
    found = []
    for node in ends:
        words, at = [], node
        while at >= 0:
            words.append(nodes[at][0])
            at = nodes[at][1]
        found.append((nodes[node][2] / len(words), tuple(reversed(words))))
    assert all(parent < i for i, (_, parent, _) in enumerate(nodes))
    assert max(found)[1] == perceptron.write(SENTENCES[1], beam=5).target
    for i, (_, parent, log_p) in enumerate(nodes):
        assert log_p <= (nodes[parent][2] if parent >= 0 else 0) + 1e-5, i


def test_every_number_can_be_recomputed_from_its_products(translator: Translator) -> None:
    trace, network = translator.write(SENTENCES[0]), translator.network
    for t in (0, 3):
        terms = [state_terms(network, trace, t, 7), attention_vector_terms(network, trace, t, 11)]
        assert np.isclose(terms[0].value, trace.values["h"][t, 7], atol=1e-6)
        assert np.isclose(terms[1].value, trace.values["a"][t, 11], atol=1e-6)
        word = int(trace.values["word"][t])
        logits = [
            logit_terms(network, trace, t, translator.target_words.numbers[name], name).value
            for name, _ in trace.candidates[t]
        ]
        ratio = np.log(trace.candidates[t][0][1] / trace.candidates[t][1][1])
        assert np.isclose(logits[0] - logits[1], ratio, atol=1e-3)
        terms.append(logit_terms(network, trace, t, word, "word"))
        if translator.network.score is not None:
            terms += [score_terms(network, trace, t, 2), context_terms(trace, t, 5)]
            everything = [True] * len(trace.source)
            assert np.isclose(terms[-2].value, trace.scores[0, t, 2], atol=1e-4)
            assert np.isclose(terms[-1].value, trace.values["c"][t, 5], atol=1e-6)
            terms += [exp_terms(trace, t, 2, everything), weight_terms(trace, t, 2, everything)]
        for each in terms:
            assert np.isclose(each.recomputed(), each.value, atol=2e-4), each.title
            assert len(each.labels) == len(each.left) == len(each.right)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to translate"),
        ("   \n\t ", "nothing to translate"),
        ("word " * 500, "500 words; at most 128"),
        ("我喜欢学习。", "Not one word"),
        ("🎉🎉", "Not one word"),
        ("qwertzuiop", "Not one word"),
    ],
)
def test_what_cannot_be_translated_is_told_in_plain_words(perceptron: Translator, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        perceptron.write(text)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> the dog",
        "I ❤ dogs",
        "A man & a dog <b>run</b>",
        "the dog ⟨end⟩ runs ⟨begin⟩",
        "A" * 4000 + " dog",
    ],
)
def test_odd_text_is_translated_as_text(perceptron: Translator, text: str) -> None:
    check(perceptron.write(text), perceptron)


def test_the_longest_text_that_is_read(perceptron: Translator) -> None:
    trace = perceptron.write("dog " * LONGEST_SOURCE)
    assert len(trace.source) == LONGEST_SOURCE + 1
    check(trace, perceptron)


def test_entropy_hidden_and_sum_of_rows() -> None:
    rows = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], dtype=np.float32)
    assert np.allclose(entropy(rows), [0, 2, 1])
    assert np.allclose(hidden(rows, 0.3), [0, 1, 0])
    assert np.allclose(summed(rows, [0, 2]), [1.5, 0.5, 0, 0])


def test_several_visitors_at_once_get_their_own(perceptron: Translator) -> None:
    from concurrent.futures import ThreadPoolExecutor

    alone = [perceptron.write(text) for text in SENTENCES]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(perceptron.write, SENTENCES * 4))
    for i, trace in enumerate(together):
        assert trace.target == alone[i % len(SENTENCES)].target
        assert np.allclose(trace.weights, alone[i % len(SENTENCES)].weights, atol=1e-6)

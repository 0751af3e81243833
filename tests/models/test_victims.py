"""What is attacked word by word, on the real networks: losses, what counts as fooled, what may be replaced by what."""

import pytest
import torch

from models import encoder, zoo
from models.victims import Decision, Translation, decision, lost, real, stem, translation, vetoes
from models.words import END, SPECIAL


@pytest.fixture(scope="module")
def sentiment() -> Decision:
    return decision(zoo.text_classifier("sentiment"), "It is a small film with a big heart, and xqzt 90 minutes long.")


@pytest.fixture(scope="module")
def dogs() -> Translation:
    return translation(zoo.translator("perceptron"), "A black dog runs on the beach.")


@pytest.mark.parametrize(
    ("one", "other"), [("film", "films"), ("amuse", "amusing"), ("amused", "amuses"), ("city", "cities")]
)
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("film", "movie"), ("small", "tiny"), ("dog", "cat"), ("good", "bad")])
def test_other_words_have_another(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_what_may_replace_is_a_word_that_says_something() -> None:
    words = (*SPECIAL, "film", "not", "never", "the", ",", "n't", "90", "sci-fi", "a")
    assert [word for word, may in zip(words, real(words).tolist(), strict=True) if may] == ["film", "sci-fi"]


def test_vetoes_add_up(sentiment: Decision) -> None:
    known = sentiment.known
    counts = vetoes(known)
    assert sum(counts) == len(known) and counts.left == int(real(known.words).sum())


def test_only_known_words_that_say_something_may_be_replaced(sentiment: Decision) -> None:
    allowed = sentiment.allowed()
    words = [token for token, row in zip(sentiment.tokens, allowed, strict=True) if row.any()]
    assert words == ["small", "film", "big", "heart", "minutes", "long"]
    film = allowed[sentiment.tokens.index("film")]
    assert not film[sentiment.known.numbers["films"]] and film[sentiment.known.numbers["movie"]]


def test_near_words_are_near(sentiment: Decision) -> None:
    near, place = sentiment.allowed(0.5), sentiment.tokens.index("film")
    cos = torch.nn.functional.cosine_similarity(sentiment.E, sentiment.E[sentiment.words[0, place]][None])
    assert near[place].any() and bool((cos[near[place]] >= 0.5 - 1e-5).all())
    assert near[place].sum() < sentiment.allowed()[place].sum()


def test_the_loss_of_a_class_is_minus_its_log_probability(sentiment: Decision) -> None:
    p = sentiment.classifier.p(sentiment.words)[0]
    J = sentiment.loss(sentiment.E[sentiment.words])
    assert float(sentiment.p(J)) == pytest.approx(float(p[sentiment.y]), abs=1e-5)
    assert not sentiment.won(sentiment.words).any()
    other = Decision(sentiment.classifier, sentiment.tokens, sentiment.words, sentiment.y, 1 - sentiment.y)
    assert other.targeted and float(other.p(other.loss(other.E[other.words]))) == pytest.approx(
        float(p[1 - sentiment.y]), abs=1e-5
    )


def test_the_loss_of_a_translation_is_that_of_its_trace(dogs: Translation) -> None:
    trace = dogs.trace(dogs.words)
    assert trace.values["word"].tolist() == list(dogs.before) and dogs.before[-1] == END
    assert float(dogs.loss(dogs.E[dogs.words])) == pytest.approx(-float(trace.log_p.sum()), abs=1e-3)
    assert dogs.says(dogs.words) == [dogs.translator.text(trace)]
    assert not dogs.won(dogs.words).any()


def test_a_keyword_is_there_or_not() -> None:
    translator = zoo.translator("perceptron")
    wanted = translation(translator, "A black dog runs on the beach.", "rouge")
    red = translator.numbers(["a", "red", *wanted.tokens[2:]])
    assert wanted.won(torch.cat([wanted.words, red])).tolist() == [False, True]
    J = wanted.loss(wanted.E[torch.cat([wanted.words, red])])
    assert J[1] < J[0]


def test_lost_counts_words_as_often_as_they_occur() -> None:
    assert lost([1, 1, 2, 3], [1, 3, 9]) == 0.5
    assert lost([1, 2], [2, 1]) == 0 and lost([1], []) == 1


def test_words_that_stay_are_spelled_as_they_were(sentiment: Decision) -> None:
    words = sentiment.words[0].tolist()
    words[3] = sentiment.known.numbers["tiny"]
    assert sentiment.text(words) == "it is a tiny film with a big heart, and xqzt 90 minutes long."


def test_cosines_are_those_of_one_sentence_after_the_other() -> None:
    reads = encoder.load()
    a, others = "a small film", ["a tiny film", "two dogs run along the beach", "a small film", "films"]
    found = reads.cosines(a, others)
    assert found.tolist() == pytest.approx([reads.cosine(a, other) for other in others], abs=1e-5)
    assert float(found[2]) == pytest.approx(1, abs=1e-5)

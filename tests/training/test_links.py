"""Links made by hand, and attention measured against them: on toy sets counted by hand, no data set is needed."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.card import Card
from models.seq2seq import NONE, Seq2Seq
from models.translation import Translator
from models.words import SPECIAL, Vocabulary
from training.links import LINKS, HandLinks, Sentence, agreement, attention, compare, diagonal, hand_links, uniform

ENGLISH = ["two dogs run .", "nobody reads this one .", "a red ball ."]
FRENCH = ["deux chiens courent .", "personne ne lit ceci .", "une balle rouge ."]
IN_ORDER = frozenset({(0, 0), (1, 1), (2, 2), (3, 3)})
SWAPPED = frozenset({(0, 0), (2, 1), (1, 2), (3, 3)})
TOY = HandLinks("toy", {0: Sentence((4, 4), IN_ORDER, IN_ORDER), 2: Sentence((4, 4), SWAPPED, SWAPPED)})
CARD = Card("", "", "", "", "", 0, 0, {}, "", {}, "", "", "")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "multi30k").mkdir()
    for language, text in (("en", ENGLISH), ("fr", FRENCH)):
        with gzip.open(tmp_path / "multi30k" / f"toy.{language}.gz", "wt", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in text)
    return tmp_path


def looking_at(sentence: Sentence) -> Tensor:
    """Weights as the hand would have them: each French token on its sure links, or else on its possible ones; else on the end."""
    source, target = sentence.tokens
    weights = torch.zeros(target, source + 1)
    for t in range(target):
        places = [s for s, to in sentence.sure if to == t] or [s for s, to in sentence.possible if to == t] or [source]
        weights[t, places] = 1 / len(places)
    return weights


def one_hot(*places: int, columns: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(places), columns).float()


def test_the_file_holds_fifty_well_formed_sentences_and_no_text() -> None:
    held = json.loads(LINKS.read_text(encoding="utf-8"))
    assert list(held["links"]) == list(held["tokens"]) == [str(number) for number in range(0, 1000, 20)]
    assert "AI" in held["annotator"] and set(held) == {"split", "annotator", "scheme", "tokens", "links"}
    for number, kinds in held["links"].items():
        english, french = held["tokens"][number]
        every = [tuple(link) for link in (*kinds["sure"], *kinds["possible"])]
        assert set(kinds) == {"sure", "possible"} and english >= 5 and french >= 5
        assert len(every) == len(set(every)), f"sentence {number} has a link twice, or one both sure and only possible"
        assert all(type(s) is type(t) is int and 0 <= s < english and 0 <= t < french for s, t in every), number


def test_a_sure_link_is_possible_too() -> None:
    links = hand_links()
    assert links.split == "test_2016_flickr" and len(links.sentences) == 50
    assert all(
        sentence.sure < sentence.possible or sentence.sure == sentence.possible for sentence in links.sentences.values()
    )
    assert any(sentence.sure < sentence.possible for sentence in links.sentences.values())


def test_no_word_is_surely_two_others() -> None:
    for number, sentence in hand_links().sentences.items():
        for side in (0, 1):
            ends = [link[side] for link in sentence.sure]
            assert len(ends) == len(set(ends)), f"a token of sentence {number} has two sure links"


def test_the_hand_itself_makes_no_error_and_a_shifted_one_does() -> None:
    sentences = list(hand_links().sentences.values())
    weights = [looking_at(sentence) for sentence in sentences]
    perfect = compare(weights, sentences)
    assert perfect["alignment_error"] == pytest.approx(0, abs=1e-9) and perfect["alignment_recall"] == pytest.approx(
        100
    )
    assert (
        perfect["alignment_precision"] == pytest.approx(100) and perfect["alignment_mass"] < 100
    )  # some French words have no link
    for columns, rows in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        shifted = compare([alpha.roll((rows, columns), (0, 1)) for alpha in weights], sentences)
        assert shifted["alignment_error"] > 60 and shifted["alignment_mass"] < 40


@pytest.mark.parametrize(
    ("weights", "error", "precision", "recall"),
    [
        (one_hot(0, 1, columns=4), 0, 100, 100),  # |A| = 2, both possible, one of them sure
        (one_hot(0, 2, columns=4), 100 / 3, 50, 100),  # 1 − (1 + 1) / (2 + 1)
        (one_hot(2, 1, columns=4), 200 / 3, 50, 0),  # 1 − (0 + 1) / (2 + 1)
        (one_hot(1, 2, columns=4), 100, 0, 0),
        (one_hot(3, 3, columns=4), 100, 0, 0),  # all on the end: no link is made
        (
            torch.tensor([[0.5, 0.5, 0, 0], [0, 1, 0, 0]]),
            100 / 3,
            75,
            50,
        ),  # 1 − (½ + 1½) / (2 + 1): a shared link counts half
        (
            torch.tensor([[0.3, 0, 0, 0.7], [0, 0.2, 0.1, 0.7]]),
            0,
            100,
            100,
        ),  # the end is looked at most, but is no word
    ],
)
def test_the_error_rate_as_counted_by_hand(weights: Tensor, error: float, precision: float, recall: float) -> None:
    sentence = Sentence((3, 2), frozenset({(0, 0)}), frozenset({(0, 0), (1, 1)}))
    found = compare([weights], [sentence])
    assert found["alignment_error"] == pytest.approx(error)
    assert (found["alignment_precision"], found["alignment_recall"]) == pytest.approx((precision, recall))


def test_the_mass_is_the_share_on_possible_links() -> None:
    sentence = Sentence((2, 2), frozenset({(0, 0)}), frozenset({(0, 0), (1, 0)}))
    weights = torch.tensor([[0.5, 0.25, 0.25], [0.75, 0.25, 0.0]])
    assert compare([weights], [sentence])["alignment_mass"] == pytest.approx(100 * 0.75 / 2)


def test_sentences_are_counted_together_not_averaged() -> None:
    short, long = (Sentence((n, n), pairs, pairs) for n, pairs in ((1, frozenset({(0, 0)})), (4, IN_ORDER)))
    found = compare([one_hot(1, columns=2), one_hot(0, 1, 2, 3, columns=5)], [short, long])
    assert found["alignment_recall"] == pytest.approx(100 * 4 / 5)
    with pytest.raises(ValueError, match="argument 2 is longer"):
        compare([one_hot(0, columns=2)], [short, long])


def test_agreement_measures_the_linked_sentences_only(data: Path) -> None:
    def look(english: Sequence[str], french: Sequence[str]) -> Tensor:
        seen.append((list(english), list(french)))
        return looking_at(TOY.sentences[0 if "dogs" in english else 2])

    seen: list[tuple[list[str], list[str]]] = []
    metrics = agreement(look, data, TOY)
    assert list(metrics) == ["alignment_error", "alignment_precision", "alignment_recall", "alignment_mass"]
    assert list(metrics.values()) == pytest.approx([0, 100, 100, 100])
    assert seen == [(ENGLISH[n].split(), FRENCH[n].split()) for n in (0, 2)]


def test_the_baselines(data: Path) -> None:
    ordered = agreement(diagonal, data, TOY)  # two of the eight words have changed places
    assert ordered["alignment_error"] == pytest.approx(25) and ordered["alignment_mass"] == pytest.approx(75)
    blind = agreement(uniform, data, TOY)
    assert uniform(["x"] * 3, ["y"] * 2).tolist() == [[0.25] * 4] * 2
    assert blind["alignment_error"] == pytest.approx(75) and blind["alignment_mass"] == pytest.approx(100 / 5)


@pytest.mark.parametrize(("source", "target"), [(1, 9), (3, 10), (4, 4), (9, 2)])
def test_the_diagonal_stays_inside_and_never_goes_back(source: int, target: int) -> None:
    weights = diagonal(["x"] * source, ["y"] * target)
    places = weights.argmax(1)
    assert weights.shape == (target, source + 1) and torch.equal(weights.sum(1), torch.ones(target))
    assert places[0] == 0 and places.max() < source and (places.diff() >= 0).all()
    assert (places - torch.arange(target) * source / target).abs().max() <= 1


def translator(score: str) -> Translator:
    english, french = (Vocabulary((*SPECIAL, *" ".join(text).split())) for text in (ENGLISH, FRENCH))
    torch.manual_seed(0)
    network = Seq2Seq(score, len(english), len(french), d_word=8, d=16)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)  # so that it looks somewhere, not everywhere alike
    return Translator(network.eval(), english, french, CARD)


def test_a_row_is_the_step_that_writes_the_word() -> None:
    model = translator("perceptron")
    english, french = ENGLISH[1], FRENCH[1].split()
    trace = model.forced(english, french)
    assert trace.target[:-1] == tuple(french)
    weights = attention(model)(english.split(), french)
    assert weights.shape == (5, 6)
    torch.testing.assert_close(weights, torch.from_numpy(trace.weights[0])[:-1])
    assert (weights[0] - weights[1]).abs().max() > 1e-3  # rows differ: their order was tested


def test_a_translator_is_measured_by_its_attention(data: Path) -> None:
    model = translator("general")
    found = agreement(model, data, TOY)
    pairs = [(ENGLISH[n].split(), FRENCH[n].split()) for n in TOY.sentences]
    assert found == compare([attention(model)(*pair) for pair in pairs], TOY.sentences.values())
    assert 0 < found["alignment_mass"] < 100


def test_without_attention_there_is_nothing_to_measure(data: Path) -> None:
    assert agreement(translator(NONE), data, TOY) == {}


@pytest.mark.parametrize(("number", "tokens"), [(0, (5, 4)), (0, (4, 3)), (7, (4, 4))])
def test_another_text_is_refused_in_one_sentence(data: Path, number: int, tokens: tuple[int, int]) -> None:
    links = HandLinks("toy", {number: Sentence(tokens, IN_ORDER, IN_ORDER)})
    with pytest.raises(ValueError, match=rf"^Sentence {number} of toy has .* this is another text\.$"):
        agreement(diagonal, data, links)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"toy\.en\.gz"):
        agreement(diagonal, tmp_path, TOY)

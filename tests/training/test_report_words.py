"""What is recorded of attacks on words, on a few sentences of our own."""

from pathlib import Path

import pytest

from models import encoder, zoo
from training import report_words
from training.classify import Text
from training.report_words import answer, drawn, row

SENTENCES = {
    "a small film with a big heart and a weak ending .": 0,
    "it is a warm and funny film .": 1,
    "it is a warm and funny film , too .": 0,
}
TEXTS = [Text(sentence.split(), label) for sentence, label in SENTENCES.items()]


def test_a_row_counts_those_that_were_right_and_those_that_were_fooled() -> None:
    classifier = zoo.text_classifier("sentiment")
    found = row("sentiment", classifier, TEXTS, encoder.load(), near=0.4)
    right = sum(answer(classifier, text) == text.label for text in TEXTS)
    assert found["n"] == 3 and found["right"] == right == 2
    assert found["success"] in (50.0, 100.0) and 1 <= found["words"] <= report_words.FLIPS
    assert report_words.LIMIT <= found["similarity"] <= 1 and 0 < found["moved"] <= 1
    assert found["queries"] > 1 and 0 <= found["random_alike"] <= found["random"] <= 100
    assert found["typed_anew"] <= found["success"]


def test_nothing_right_is_nothing_to_attack() -> None:
    with pytest.raises(ValueError, match="nothing to attack"):
        row("sentiment", zoo.text_classifier("sentiment"), TEXTS[2:], encoder.load(), near=0.4)


def test_always_the_same_sentences_are_drawn() -> None:
    texts = [Text([str(i)], 0) for i in range(50)]
    assert drawn(texts, 10) == drawn(texts, 10) != texts[:10] and len(drawn(texts, 99)) == 50


def test_without_data_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="stsa"):
        report_words.report(tmp_path, tmp_path)


def test_what_ships_is_what_the_command_writes() -> None:
    recorded = zoo.recorded("words")
    assert {found["model"] for found in recorded["rows"]} == set(zoo.CLASSES)
    for found in recorded["rows"]:
        assert found["n"] == report_words.SENTENCES and found["success"] > found["random"] >= found["random_alike"]

"""What is recorded of attacks on words, on a few sentences of our own."""

from pathlib import Path

import pytest
import torch

from models import encoder, zoo
from models.victims import translation
from training import report_words
from training.classify import Text
from training.report_words import answer, attacked, drawn, keyworded, row, told

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


def test_a_translation_is_attacked_away_and_towards_a_word() -> None:
    translator, reads = zoo.translator(report_words.TRANSLATOR), encoder.load()
    english = ["A man in an orange hat is looking at something.", "Two dogs run along the beach."]
    towards = keyworded(translator, english)
    spelled = translator.target_words.words
    for victim, other in zip(towards, reversed(english), strict=True):
        assert victim.keyword not in victim.before and victim.keyword in translation(translator, other).before
        assert len(spelled[victim.keyword]) >= 4
    away = translation(translator, english[0], share=report_words.SHARE)
    found = attacked(away, reads, near=0.2)
    assert found.own is None and found.queries > 0 and 0 <= found.moved <= 1
    if found.won:
        assert bool(away.won(torch.tensor([found.won.words]))[0]) and found.won.similarity >= report_words.LIMIT
    row = told("x", [found], 1)
    assert row["success"] == (100.0 if found.won else 0.0) and row["right"] == row["n"] == 1 and row["own"] is None


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
    classifiers, translators = recorded["rows"][:-2], recorded["rows"][-2:]
    assert {found["model"] for found in classifiers} == set(zoo.CLASSES)
    assert all(found["n"] == report_words.SENTENCES for found in classifiers)
    assert all(found["model"].startswith("translate-") and found["n"] >= 40 for found in translators)
    for found in recorded["rows"]:
        assert found["success"] > found["random"] >= found["random_alike"]
    assert recorded["published"] == list(report_words.PUBLISHED)

"""The model cards: complete, and true where a test can tell."""

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open

from models import card as cards
from models import zoo
from models.card import CARDS, Card, read_card, readme_table

TRAINING = ("seed", "commit", "hardware", "minutes")  # what only a card of our own training has
CITED = ("others", "others_on")  # what only a card has that cites others' figures
DIGITS = ("digits-plain", "digits-fgsm", "digits-pgd")
README = CARDS.parents[1] / "README.md"


@pytest.mark.parametrize("name", zoo.names())
def test_every_network_has_a_card(name: str) -> None:
    card = zoo.card(name)
    assert card.title and card.paper and card.data and card.licence
    assert card.source.startswith("https://") or "PyPI" in card.source
    assert card.parameters > 1_000_000 or name.startswith(("squeezenet", "shufflenet"))
    assert card.megabytes * 1e6 > 3.8 * card.parameters  # a number is four bytes
    assert card.published_on and 50 < card.published["accuracy"] < 100


def test_titles_are_unique() -> None:
    titles = [zoo.card(name).title for name in zoo.names()]
    assert len(titles) == len(set(titles)) > 50


def test_every_card_file_can_be_read_and_is_tidy() -> None:
    for path in CARDS.glob("*.json"):
        card = read_card(path.stem)
        raw = json.loads(path.read_text(encoding="utf-8"))
        known = [field.name for field in fields(Card)]
        ours, cited = (TRAINING if card.seed != "" else ()), (CITED if card.others else ())
        assert list(raw) == [name for name in known if name not in (*TRAINING, *CITED) or name in (*ours, *cited)]
        assert card.metrics and card.measured_on and card.command.startswith("python -m training evaluate ")
        assert re.fullmatch("[0-9a-f]{64}", card.sha256)
        assert all(0 <= value <= 100 for value in (*card.metrics.values(), *card.published.values()))


def test_the_card_of_lite0_is_about_the_weights_that_are_loaded() -> None:
    card, file = zoo.card("efficientnet_lite0"), zoo.packaged_weights(zoo.EMBEDDED)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    assert file.stat().st_size / 1e6 == pytest.approx(card.megabytes, abs=0.1)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    assert sum(parameter.numel() for parameter in network.parameters()) == card.parameters


@pytest.mark.parametrize("score", zoo.TRANSLATORS)
def test_the_card_of_a_translator_is_about_the_weights_that_are_shipped(score: str) -> None:
    card, file = zoo.translator_card(score), zoo.WEIGHTS / f"translate-{score}.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    assert file.stat().st_size / 1e6 == pytest.approx(card.megabytes, abs=0.1)
    network = zoo.translator(score).network
    assert sum(parameter.numel() for parameter in network.parameters()) == card.parameters
    assert {"bleu", "bleu_beam5", "ppl"} <= set(card.metrics)
    assert not {"perceptron", "general", "dot"} & {score} or card.metrics["bleu_beam5"] >= 50
    assert all(getattr(card, name) for name in TRAINING)


@pytest.mark.parametrize("name", zoo.CLASSES)
def test_the_card_of_a_classifier_is_about_the_weights_that_are_shipped(name: str) -> None:
    card, file = read_card(name), zoo.WEIGHTS / f"{name}.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    assert file.stat().st_size / 1e6 == pytest.approx(card.megabytes, abs=0.1)
    with safe_open(file, "pt") as weights:
        learned = sum(weights.get_tensor(key).numel() for key in weights.keys())  # noqa: SIM118
    assert learned == card.parameters
    assert all(getattr(card, field) for field in TRAINING)
    assert isinstance(card.others, dict) and all(" (" in other and ", " in other for other in card.others)
    assert "cited" in card.others_on and set(card.published) == {"accuracy_yelp", "accuracy_age", "accuracy_snli"}
    assert card.metrics["accuracy"] >= {"sentiment": 85, "question-type": 92}[zoo.ONE_LOOK.get(name, name)]


@pytest.mark.parametrize("name", DIGITS)
def test_the_card_of_a_classifier_of_digits_is_about_the_weights_that_are_shipped(name: str) -> None:
    card, file = read_card(name), zoo.WEIGHTS / f"{name}.safetensors"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    assert file.stat().st_size / 1e6 == pytest.approx(card.megabytes, abs=0.1)
    assert sum(parameter.numel() for parameter in zoo.digit_classifier(name).parameters()) == card.parameters
    assert list(card.metrics) == ["accuracy", "fgsm_0.25", "autoattack_0.3"]
    assert card.metrics["accuracy"] > 98 and all(getattr(card, field) for field in TRAINING)


def test_hardening_with_pgd_reaches_what_was_asked_and_a_plain_network_nothing() -> None:
    plain, by_fgsm, by_pgd = (read_card(name).metrics for name in DIGITS)
    assert by_pgd["autoattack_0.3"] >= 88 and by_pgd["fgsm_0.25"] >= 95
    assert plain["autoattack_0.3"] == 0 and plain["fgsm_0.25"] < 10.6
    assert by_fgsm["fgsm_0.25"] > 82.1 and by_fgsm["autoattack_0.3"] < 50, "FGSM alone hardens against FGSM"


@pytest.mark.parametrize(("name", "task"), zoo.ONE_LOOK.items())
def test_a_classifier_of_one_look_reads_with_the_vectors_of_the_other(name: str, task: str) -> None:
    one, several = zoo.text_classifier(name), zoo.text_classifier(task)
    assert one.known.words == several.known.words and one.classes == several.classes
    assert torch.equal(one.network.embedding.weight, several.network.embedding.weight)
    assert one.network.looks.W_s2.shape[1] == 1 < several.network.looks.W_s2.shape[1]
    assert read_card(name).megabytes < 1.5


def test_the_weights_are_small_enough_for_git() -> None:
    sizes = [file.stat().st_size for file in zoo.WEIGHTS.iterdir()]
    assert all(file.suffix == ".safetensors" for file in zoo.WEIGHTS.iterdir())
    assert max(sizes) < 25e6 and sum(sizes) < 200e6


def test_a_damaged_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (zoo.WEIGHTS / "translate-perceptron.safetensors").read_bytes()
    monkeypatch.setattr(zoo, "WEIGHTS", tmp_path)
    with pytest.raises(zoo.WeightsUnavailableError, match="missing"):
        zoo.translator("perceptron")
    (tmp_path / "translate-perceptron.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(zoo.WeightsUnavailableError, match="not the one"):
        zoo.translator("perceptron")


def test_the_rows_of_a_card_tell_what_is_known() -> None:
    rows = dict(zoo.card("efficientnet_lite0").rows())
    assert (
        len(rows) == len(fields(Card)) - len(TRAINING) - len(CITED)
        and rows["published"] == "accuracy 75.1 %"
        and rows["parameters"] == "4652008"
    )
    rows = dict(zoo.card("resnet18").rows())
    assert not {"metrics", "measured on", "command", "sha256"} & set(rows) and rows["title"] == "ResNet18"


def test_the_readme_has_the_figures_of_the_cards() -> None:
    assert readme_table() in README.read_text(encoding="utf-8")
    assert "| accuracy 75.1 % (ImageNet validation" in readme_table()


def test_a_card_that_is_missing_or_unfit_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "CARDS", tmp_path)
    with pytest.raises(FileNotFoundError):
        read_card("nobody")
    (tmp_path / "unfit.json").write_text('{"title": "Unfit", "colour": "blue"}')
    with pytest.raises(TypeError):
        read_card("unfit")

"""The model cards: complete, and true where a test can tell."""

import hashlib
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import timm

from models import card as cards
from models import zoo
from models.card import CARDS, Card, read_card, readme_table

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
        assert list(raw) == [field.name for field in fields(Card)]
        assert card.metrics and card.measured_on and card.command.startswith("python -m training evaluate ")
        assert re.fullmatch("[0-9a-f]{64}", card.sha256)
        assert all(0 <= value <= 100 for value in (*card.metrics.values(), *card.published.values()))


def test_the_card_of_lite0_is_about_the_weights_that_are_loaded() -> None:
    card, file = zoo.card("efficientnet_lite0"), zoo.lite0_weights()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card.sha256
    assert file.stat().st_size / 1e6 == pytest.approx(card.megabytes, abs=0.1)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    assert sum(parameter.numel() for parameter in network.parameters()) == card.parameters


def test_the_rows_of_a_card_tell_what_is_known() -> None:
    rows = dict(zoo.card("efficientnet_lite0").rows())
    assert len(rows) == len(fields(Card)) and rows["published"] == "accuracy 75.1 %" and rows["parameters"] == "4652008"
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

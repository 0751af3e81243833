"""The classifier's one promise: pixels go in, and the normalisation is its own."""

import pytest
import torch
from torch import Tensor, nn

from models.classifier import Classifier, ready, unique


def small(mean: tuple[float, ...] = (0.5, 0.4, 0.3), std: tuple[float, ...] = (0.2, 0.1, 0.5)) -> Classifier:
    head = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Classifier(head, ("a", "b"), size=4, mean=mean, std=std)


def test_pixels_go_in_and_are_normalised_inside() -> None:
    model = small()
    model.network = nn.Flatten()
    x = torch.tensor([0.7, 0.7, 0.7])[None, :, None, None]
    assert model(x).flatten().tolist() == pytest.approx([1.0, 3.0, 0.8])


def test_a_ready_classifier_is_frozen_and_in_use() -> None:
    model = ready(small())
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert list(model.state_dict())[:2] == ["mean", "std"]


def test_it_takes_one_picture_or_many_and_any_memory_layout(lite0: Classifier, photographs: Tensor) -> None:
    with torch.no_grad():
        both = lite0(photographs[:2])
        one = lite0(photographs[:1])
        sliced = lite0(photographs[:2].to(memory_format=torch.channels_last))
    assert (
        both.shape == (2, 1000) and torch.allclose(both[:1], one, atol=1e-4) and torch.allclose(both, sliced, atol=1e-4)
    )


def test_names_that_stand_twice_get_their_number() -> None:
    assert unique(["crane", "dog", "crane"]) == ("crane (0)", "dog", "crane (2)")
    assert small().categories == ("a", "b")


def test_the_thousand_names_are_a_thousand(lite0: Classifier) -> None:
    assert len(lite0.categories) == len(set(lite0.categories)) == 1000
    assert lite0.categories[281] == "tabby" and lite0.categories[0] == "tench"
    assert not any("(" in name for name in lite0.categories)  # torchvision already tells the cranes apart

"""Grad-CAM: against its definition, and where it is refused."""

import pytest
import torch
from torch import nn

from models import zoo
from models.classifier import Classifier
from models.gradcam import grad_cam
from models.picture import gallery_picture, to_pixels


def test_the_map_is_relu_of_the_channels_weighted_by_their_mean_slope() -> None:
    model, x = zoo.load(zoo.EMBEDDED), to_pixels(gallery_picture("camera"), 224)
    k = int(model(x).argmax())
    found = grad_cam(model, x, k)
    A = model.network.forward_features((x - model.mean) / model.std)
    head = model.network.classifier.weight[k] / (
        A.shape[2] * A.shape[3]
    )  # mean pooling: the slope is the same everywhere
    expected = torch.einsum("c,chw->hw", head, A[0]).relu()
    assert found.shape == (224, 224)
    assert float(found.max()) <= float(expected.max()) * (1 + 1e-4)
    assert torch.allclose(
        found.reshape(7, 32, 7, 32)[:, 15:17, :, 15:17].mean((1, 3)), expected, atol=0.02 * float(expected.max())
    )


def test_a_network_that_hides_its_last_convolution_is_refused_in_words() -> None:
    model = Classifier(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), ("a", "b"), 2, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(ValueError, match="last convolution"):
        grad_cam(model, torch.zeros(1, 3, 2, 2), 0)

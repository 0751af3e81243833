r"""Grad-CAM: which part of a picture speaks for a class, by the gradient at the network's last convolution.

Selvaraju 2017, *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization*, section 3.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.models import EfficientNet
from torch import Tensor

from models.classifier import Classifier


def grad_cam(model: Classifier, x: Float[Tensor, "1 3 height width"], k: int) -> Float[Tensor, "height width"]:
    r"""How much each place speaks for class $k$.

    $$L = \mathrm{ReLU}\Big(\sum_c \alpha_c A^c\Big), \qquad \alpha_c = \frac1Z \sum_{ij} \frac{\partial z_k}{\partial A^c_{ij}}$$

    $A$ is what the last convolution leaves. The map is enlarged to the picture by bilinear interpolation and not scaled, so that
    two maps can be compared in the unit of the logit. Raises ValueError for a network that does not give $A$.
    """
    network = model.network
    if not isinstance(network, EfficientNet):
        raise ValueError(
            "This network does not hand out its last convolution; choose one of the EfficientNets of the list."
        )
    with torch.no_grad():
        A = network.forward_features(((x - model.mean) / model.std).contiguous(memory_format=torch.channels_last))
    with torch.enable_grad():
        A.requires_grad_()
        (slope,) = torch.autograd.grad(network.forward_head(A)[0, k], A)
    L = (slope.mean((2, 3), keepdim=True) * A.detach()).sum(1, keepdim=True).relu()
    return F.interpolate(L, x.shape[-2:], mode="bilinear")[0, 0]

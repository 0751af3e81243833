r"""A classifier of pictures: pixels in [0, 1] go in, logits come out; the normalisation is part of the model.

An attack measures $\epsilon$ in pixels. If the caller normalised, $\epsilon$ would mean something else for every network.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from models.frozen import fold_batch_norm, pack


class Classifier(nn.Module):
    """A frozen network behind its normalisation.

    Attributes:
        categories: the name of every class, each name only once.
        size: the side in pixels of the square picture the network was made for.
        mean, std: of the normalisation; one number where the three colours have the same, which is three times as fast.
    """

    mean: Float[Tensor, "1 colours 1 1"]
    std: Float[Tensor, "1 colours 1 1"]

    def __init__(
        self, network: nn.Module, categories: Sequence[str], size: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.network = network
        self.categories = unique(categories)
        self.size = size
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(
                name, torch.tensor(values[:1] if len(set(values)) == 1 else values)[None, :, None, None]
            )

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits $z_k(x)$ for pixels in [0, 1]."""
        x = x.contiguous(memory_format=torch.channels_last)
        return self.network((x - self.mean) / self.std)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with the class number added to those that stand twice (ImageNet has two cranes and two maillots)."""
    return tuple(f"{name} ({k})" if names.count(name) > 1 else name for k, name in enumerate(names))


def ready(classifier: Classifier) -> Classifier:
    """Made for use and not for training: evaluation mode, frozen weights, batch norm folded, channels last, weights packed.

    Together they change the logits by about 1e-5 and halve the time of a gradient (`benchmarks/attacks.py`).
    """
    fold_batch_norm(classifier.eval().network)
    classifier.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    pack(classifier.network)
    return classifier

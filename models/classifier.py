r"""A classifier of pictures: pixels in [0, 1] go in, logits come out; the normalisation is part of the model.

An attack measures $\epsilon$ in pixels. If the caller normalised, $\epsilon$ would mean something else for every network.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from jaxtyping import Float
from timm.layers import BatchNormAct2d
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights


class Classifier(nn.Module):
    """A frozen network behind its normalisation.

    Attributes:
        categories: the name of every class, each name only once.
        size: the side in pixels of the square picture the network was made for.
    """

    mean: Float[Tensor, "1 3 1 1"]
    std: Float[Tensor, "1 3 1 1"]

    def __init__(
        self, network: nn.Module, categories: Sequence[str], size: int, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.network = network
        self.categories = unique(categories)
        self.size = size
        self.register_buffer("mean", torch.tensor(mean)[None, :, None, None])
        self.register_buffer("std", torch.tensor(std)[None, :, None, None])

    def forward(self, x: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits $z_k(x)$ for pixels in [0, 1]."""
        x = x.contiguous(memory_format=torch.channels_last)
        return self.network((x - self.mean) / self.std)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with the class number added to those that stand twice (ImageNet has two cranes and two maillots)."""
    return tuple(f"{name} ({k})" if names.count(name) > 1 else name for k, name in enumerate(names))


def ready(classifier: Classifier) -> Classifier:
    """Made for use and not for training: evaluation mode, frozen weights, batch norm folded, channels last.

    Folding and the memory layout change the logits by about 1e-5 and halve the time of a gradient (see `benchmarks/`).
    """
    fold_batch_norm(classifier.eval().network)
    return classifier.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def fold_batch_norm(network: nn.Module) -> int:
    r"""Put each batch norm into the convolution before it, in place, and return how many were folded.

    In evaluation mode a batch norm is the map $y = g\,(x - \mu) + \beta$ with fixed numbers and
    $g = \gamma / \sqrt{\sigma^2 + \epsilon}$, so $W' = g W$ and $b' = g\,(b - \mu) + \beta$ give the same network in fewer steps.
    A network that cannot be traced (its path depends on its input) is left as it is.
    """
    pairs = _convolutions_before_norms(network)
    for conv, bn, name in pairs:
        mean, variance = bn.running_mean, bn.running_var
        assert mean is not None
        assert variance is not None
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, mean, variance, bn.eps, bn.weight, bn.bias
        )
        parent, _, last = name.rpartition(".")
        after = nn.Sequential(bn.drop, bn.act) if isinstance(bn, BatchNormAct2d) else nn.Identity()
        setattr(network.get_submodule(parent), last, after)
    return len(pairs)


class _Tracer(fx.Tracer):
    """Records which layer follows which, without looking into timm's convolutions and batch norms with activation."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d | BatchNormAct2d) or super().is_leaf_module(m, module_qualified_name)


def _convolutions_before_norms(network: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d, str]]:
    """Every convolution whose result one batch norm alone reads, that batch norm, and its name in the network."""
    try:
        nodes = _Tracer().trace(network).nodes
    except (TypeError, ValueError, RuntimeError, AttributeError, fx.proxy.TraceError):
        return []
    modules = dict(network.named_modules(remove_duplicate=False))
    layers = {node: modules[str(node.target)] for node in nodes if node.op == "call_module"}
    calls = Counter(layers.values())  # a layer that is used twice is left alone
    found = []
    for node, bn in layers.items():
        before = node.args[0] if node.args else None
        conv = layers.get(before) if isinstance(before, fx.Node) and len(before.users) == 1 else None
        fixed = isinstance(bn, nn.BatchNorm2d) and bn.running_mean is not None and bn.running_var is not None
        if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d) and fixed and calls[conv] == calls[bn] == 1:
            found.append((conv, bn, str(node.target)))
    return found

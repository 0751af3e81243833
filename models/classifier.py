r"""A classifier of pictures: pixels in [0, 1] go in, logits come out; the normalisation is part of the model.

An attack measures $\epsilon$ in pixels. If the caller normalised, $\epsilon$ would mean something else for every network.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from timm.layers import BatchNormAct2d
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable
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
    """Made for use and not for training: evaluation mode, frozen weights, batch norm folded, channels last, weights packed.

    Together they change the logits by about 1e-5 and halve the time of a gradient (`benchmarks/attacks.py`).
    """
    fold_batch_norm(classifier.eval().network)
    classifier.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    pack_pointwise(classifier.network)
    return classifier


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


def pack_pointwise(network: nn.Module) -> int:
    """Put a `Pointwise` in the place of each plain 1×1 convolution, and return how many there are; none without oneDNN."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return 0
    plain = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "groups": 1}
    found = [
        (parent, name, layer)
        for parent in network.modules()
        for name, layer in parent.named_children()
        if not isinstance(parent, Pointwise)
        and isinstance(layer, nn.Conv2d)
        and all(getattr(layer, key) == value for key, value in plain.items())
    ]
    for parent, name, layer in found:
        setattr(parent, name, Pointwise(layer).eval())
    return len(found)


class Pointwise(nn.Module):
    """A frozen 1×1 convolution whose weights lie in oneDNN's own order, for the way there and for the way back.

    Otherwise they are put into that order at every call, which for a single picture costs a quarter of the time.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.pack()

    def pack(self) -> None:
        weight = self.conv.weight.detach().float()
        self.packed = tuple(
            torch.ops.mkldnn._reorder_convolution_weight(w.contiguous(), [0, 0], [1, 1], [1, 1], 1, None)
            for w in (weight, weight.transpose(0, 1))
        )

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out height width"]:
        if x.dtype != torch.float32 or x.device.type != "cpu":
            return self.conv(x)
        return _PackedConvolution.apply(x, self.conv.bias, *self.packed)

    def __getstate__(self) -> dict[str, object]:
        """Packed weights can be neither copied nor saved; they are made again."""
        return {name: value for name, value in vars(self).items() if name != "packed"}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self.pack()


class _PackedConvolution(torch.autograd.Function):
    """W x + b on the way there and Wᵀ g on the way back; the weights are frozen and get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor | None, weight: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return _convolution(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return _convolution(grad, ctx.transposed, None), None, None, None


def _convolution(x: Tensor, packed: Tensor, bias: Tensor | None) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    return torch.ops.mkldnn._convolution_pointwise(x, packed, bias, [0, 0], [1, 1], [1, 1], 1, "none", [], "")


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

r"""A classifier of pictures: pixels in [0, 1] go in, logits come out; the normalisation is part of the model.

An attack measures $\epsilon$ in pixels. If the caller normalised, $\epsilon$ would mean something else for every network.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import BatchNormAct2d, Conv2dSame, pad_same
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
    pack(classifier.network)
    return classifier


def fold_batch_norm(network: nn.Module) -> int:
    r"""Put each batch norm into the convolution before it, in place, and return how many were folded.

    In evaluation mode a batch norm is the map $y = g\,(x - \mu) + \beta$ with fixed numbers and
    $g = \gamma / \sqrt{\sigma^2 + \epsilon}$, so $W' = g W$ and $b' = g\,(b - \mu) + \beta$ give the same network in fewer steps.
    A network that cannot be traced (its path depends on its input) is left as it is.
    """
    pairs = [pair for pair in _convolutions_before(network, nn.BatchNorm2d) if pair.after.running_mean is not None]
    for conv, bn, _, name in pairs:
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        after = [bn.drop, bn.act] if isinstance(bn, BatchNormAct2d) else []
        after = [layer for layer in after if not isinstance(layer, nn.Identity)]
        _put(network, name, after[0] if len(after) == 1 else nn.Sequential(*after))
    return len(pairs)


def pack(network: nn.Module) -> int:
    """Put a `Packed` in the place of each convolution with a `ReLU6` behind it and of each 1×1 convolution, and return how many
    there are; none without oneDNN."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return 0
    clipped = [pair for pair in _convolutions_before(network, nn.ReLU6) if type(pair.conv) in (nn.Conv2d, Conv2dSame)]
    for conv, _, name, behind in clipped:
        _put(network, name, Packed(conv, clip=True).eval())
        _put(network, behind, nn.Identity())
    inside = {id(layer.conv) for layer in network.modules() if isinstance(layer, Packed)}
    pointwise = [
        (name, layer) for name, layer in network.named_modules() if _is_pointwise(layer) and id(layer) not in inside
    ]
    for name, layer in pointwise:
        _put(network, name, Packed(layer).eval())
    return len(clipped) + len(pointwise)


def _is_pointwise(layer: nn.Module) -> TypeGuard[nn.Conv2d]:
    plain = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "groups": 1}
    return type(layer) is nn.Conv2d and all(getattr(layer, key) == value for key, value in plain.items())


def _put(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer where another of this name was."""
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, layer)


class Packed(nn.Module):
    r"""A frozen convolution, and with `clip` $\min(\max(\cdot, 0), 6)$ behind it, in one call of oneDNN.

    Its weights lie in oneDNN's own order; otherwise they are put into it at every call, which for a single picture costs a quarter
    of the time. What is clipped in a call of its own is copied.
    """

    def __init__(self, conv: nn.Conv2d, clip: bool = False) -> None:
        super().__init__()
        self.conv = conv
        self.clip = clip
        self.pack()

    def pack(self) -> None:
        """The weights for the way there and, of a 1×1 convolution, for the way back."""
        weight = self.conv.weight.detach().float()
        self.packed = self._reordered(weight)
        self.transposed = self._reordered(weight.transpose(0, 1)) if _is_pointwise(self.conv) else None

    def _reordered(self, weight: Tensor) -> Tensor:
        if not _is_pointwise(self.conv):
            return weight.contiguous(memory_format=torch.channels_last)
        return torch.ops.mkldnn._reorder_convolution_weight(weight.contiguous(), *_where(self.conv), None)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out _ _"]:
        if x.dtype != torch.float32 or x.device.type != "cpu":
            y = self.conv(x)
            return F.relu6(y) if self.clip else y
        if isinstance(self.conv, Conv2dSame):
            x = pad_same(x, list(self.conv.kernel_size), *_where(self.conv)[1:3])
        return _PackedConvolution.apply(x, self)

    def __getstate__(self) -> dict[str, object]:
        """Packed weights can be neither copied nor saved; they are made again."""
        return {name: value for name, value in vars(self).items() if name not in ("packed", "transposed")}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self.pack()


class _PackedConvolution(torch.autograd.Function):
    """W x + b, clipped or not, on the way there, and Wᵀ g on the way back; the weights are frozen and get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: Packed) -> Tensor:
        y = _convolution(x, layer.packed, layer.conv.bias, layer.conv, layer.clip)
        ctx.layer = layer
        ctx.save_for_backward(*([] if layer.transposed is not None else [x]), *([y] if layer.clip else []))
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        layer, saved = ctx.layer, ctx.saved_tensors
        if layer.clip:
            grad = torch.ops.aten.hardtanh_backward(grad, saved[-1], 0, 6)
        if layer.transposed is not None:
            return _convolution(grad, layer.transposed, None, layer.conv, False), None
        at, only = _where(layer.conv), [True, False, False]
        return torch.ops.aten.convolution_backward(
            grad, saved[0], layer.packed, None, at[1], at[0], at[2], False, [0, 0], at[3], only
        )[0], None


def _where(conv: nn.Conv2d) -> tuple[list[int], list[int], list[int], int]:
    """Padding, stride, dilation and groups, as oneDNN wants them."""
    assert not isinstance(conv.padding, str)
    return list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, conv: nn.Conv2d, clip: bool) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    behind, bounds = ("hardtanh", [0.0, 6.0]) if clip else ("none", [])
    return torch.ops.mkldnn._convolution_pointwise(x, weight, bias, *_where(conv), behind, bounds, "")


class _Tracer(fx.Tracer):
    """Records which layer follows which, without looking into timm's convolutions and batch norms with activation."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d | BatchNormAct2d) or super().is_leaf_module(m, module_qualified_name)


class _Pair(NamedTuple):
    """A convolution, the layer that alone reads its result, and the names of both in their network."""

    conv: nn.Conv2d
    after: Any
    name: str
    name_after: str


def _convolutions_before(network: nn.Module, kind: type[nn.Module]) -> list[_Pair]:
    """Every convolution whose result one layer of this kind alone reads; a layer that is used twice is left alone."""
    try:
        nodes = _Tracer().trace(network).nodes
    except (TypeError, ValueError, RuntimeError, AttributeError, fx.proxy.TraceError):
        return []
    modules = dict(network.named_modules(remove_duplicate=False))
    layers = {node: modules[str(node.target)] for node in nodes if node.op == "call_module"}
    calls = Counter(layers.values())
    found = []
    for node, after in layers.items():
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or len(before.users) > 1 or not isinstance(after, kind):
            continue
        conv = layers.get(before)
        if isinstance(conv, nn.Conv2d) and calls[conv] == calls[after] == 1:
            found.append(_Pair(conv, after, str(before.target), str(node.target)))
    return found

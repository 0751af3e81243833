"""A frozen network made quick: batch norm folded into the convolutions, clips done by them, and what follows each other at once."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import BatchNormAct2d, Conv2dSame, pad_same
from torch import Tensor, fx, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.fusion import fuse_conv_bn_weights


def fold_batch_norm(network: nn.Module) -> int:
    r"""Put each batch norm into the convolution before it, in place, and return how many were folded.

    In evaluation mode a batch norm is the map $y = g\,(x - \mu) + \beta$ with fixed numbers and
    $g = \gamma / \sqrt{\sigma^2 + \epsilon}$, so $W' = g W$ and $b' = g\,(b - \mu) + \beta$ give the same network in fewer steps.
    A network that cannot be traced (its path depends on its input) is left as it is.
    """
    pairs = [pair for pair in _pairs(network, nn.Conv2d, nn.BatchNorm2d) if pair.after.running_mean is not None]
    for conv, bn, _, name in pairs:
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
        )
        after = [bn.drop, bn.act] if isinstance(bn, BatchNormAct2d) else []
        after = [layer for layer in after if not isinstance(layer, nn.Identity)]
        _put(network, name, after[0] if len(after) == 1 else nn.Sequential(*after))
    return len(pairs)


def pack(network: nn.Module) -> int:
    """Put a `Packed` in the place of each convolution with a `ReLU6` behind it and of each 1×1 convolution, in a `Chain` with those
    that it alone follows, and return how many there are; none without oneDNN."""
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")):
        return 0
    clipped = [pair for pair in _pairs(network, nn.Conv2d, nn.ReLU6) if type(pair.before) in (nn.Conv2d, Conv2dSame)]
    for conv, _, name, behind in clipped:
        _put(network, name, Packed(conv, clip=True).eval())
        _put(network, behind, nn.Identity().eval())
    inside = {id(layer.conv) for layer in network.modules() if isinstance(layer, Packed)}
    pointwise = [
        (name, layer) for name, layer in network.named_modules() if _is_pointwise(layer) and id(layer) not in inside
    ]
    for name, layer in pointwise:
        _put(network, name, Packed(layer).eval())
    _chain(network)
    return len(clipped) + len(pointwise)


def _chain(network: nn.Module) -> None:
    """Put each `Packed` and those of the same block that follow it alone into one `Chain`, where the last of them was.

    What a block leaves can be asked for, so none begins in one block and ends in another.
    """
    ends: dict[str, list[Packed]] = {}
    for before, after, name, name_after in _pairs(network, Packed, Packed):
        if name.rpartition(".")[0] != name_after.rpartition(".")[0]:
            continue
        ends[name_after] = [*ends.pop(name, [before]), after]
        _put(network, name, nn.Identity().eval())
    for name, layers in ends.items():
        _put(network, name, Chain(layers).eval())


def _is_pointwise(layer: nn.Module) -> bool:
    plain = {"kernel_size": (1, 1), "stride": (1, 1), "padding": (0, 0), "groups": 1}
    return type(layer) is nn.Conv2d and all(getattr(layer, key) == value for key, value in plain.items())


def _put(network: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer where another of this name was."""
    parent, _, last = name.rpartition(".")
    setattr(network.get_submodule(parent), last, layer)


class Chain(nn.Module):
    """Frozen convolutions, each of which reads what the one before leaves, as one step of the backward pass.

    Between two of them nobody else holds the gradient, so that a clip writes its own over it.
    """

    def __init__(self, layers: list["Packed"]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out _ _"]:
        if x.dtype == torch.float32 and x.device.type == "cpu":
            return _Convolutions.apply(x, list(self.layers))
        for layer in self.layers:
            x = layer(x)
        return x


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

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out _ _"]:
        if x.dtype == torch.float32 and x.device.type == "cpu":
            return _Convolutions.apply(x, [self])
        y = self.conv(x)
        return F.relu6(y) if self.clip else y

    def pack(self) -> None:
        """The weights in oneDNN's order."""
        conv, weight = self.conv, self.conv.weight.detach().float()
        assert not isinstance(conv.padding, str)
        at = _Where(list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.same = isinstance(conv, Conv2dSame)
        self.kernel = self.even = _Kernel.of(weight, conv.bias, at, self.clip)
        if isinstance(conv, Conv2dSame) and (beyond := _beyond(conv)):
            around, at = F.pad(weight, (1, 0, 1, 0)), at._replace(padding=beyond)
            self.even = _Kernel.of(around, conv.bias, at, self.clip, zeros=1)

    def there(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch out _ _"]:
        """W x + b, clipped or not."""
        kernel, x = self._meets(x)
        return kernel.there(x)

    def back(
        self, grad: Float[Tensor, "batch out _ _"], x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """Wᵀ g."""
        kernel, met = self._meets(x)
        found = kernel.back(grad, met)
        if met is x:
            return found
        top, left = ((p - n) // 2 for p, n in zip(met.shape[2:], x.shape[2:], strict=True))
        return found[:, :, top : top + x.shape[2], left : left + x.shape[3]]

    def _meets(self, x: Tensor) -> tuple["_Kernel", Tensor]:
        """The kernel, and x as it meets it: TensorFlow pads one more behind than before, if anything."""
        if not self.same:
            return self.kernel, x
        _, stride, dilation, _ = self.kernel.at
        if self.even is not self.kernel and not (x.shape[2] % stride[0] or x.shape[3] % stride[1]):
            return self.even, x
        return self.kernel, pad_same(x, list(self.conv.kernel_size), stride, dilation)

    def __getstate__(self) -> dict[str, object]:
        """Packed weights can be neither copied nor saved; they are made again."""
        return {name: value for name, value in vars(self).items() if name not in ("kernel", "even")}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self.pack()


class _Convolutions(torch.autograd.Function):
    """Convolutions behind each other; the weights are frozen and get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layers: list[Packed]) -> Tensor:
        passed = [x]
        for layer in layers:
            passed.append(layer.there(passed[-1]))
        ctx.layers = layers
        ctx.save_for_backward(*passed)
        return passed[-1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, *passed = ctx.saved_tensors
        ours = False  # the first gradient belongs to whoever gave it
        for layer, before, y in reversed(list(zip(ctx.layers, [x, *passed], passed, strict=False))):
            if layer.clip:
                grad = _clipped(grad, y, grad if ours else torch.empty_like(y))
            grad, ours = layer.back(grad, before), True
        return grad, None


def _clipped(grad: Tensor, y: Tensor, into: Tensor) -> Tensor:
    return torch.ops.aten.hardtanh_backward.grad_input(grad, y, 0, 6, grad_input=into)


class _Where(NamedTuple):
    """How a kernel goes over a picture."""

    padding: list[int]
    stride: list[int]
    dilation: list[int]
    groups: int


class _Call(NamedTuple):
    """A convolution as oneDNN is asked for it, its weights in the order it likes best."""

    weight: Tensor
    bias: Tensor | None
    at: _Where
    behind: tuple[str, list[float], str] = ("none", [], "")

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, at: _Where, clip: bool = False) -> "_Call":
        ordered = torch.ops.mkldnn._reorder_convolution_weight.default(weight.contiguous(), *at, None)
        return cls(ordered, bias, at, *([("hardtanh", [0.0, 6.0], "")] if clip else []))

    def __call__(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return torch.ops.mkldnn._convolution_pointwise.default(x, self.weight, self.bias, *self.at, *self.behind)


class _Phases(NamedTuple):
    """Wᵀ of a convolution whose stride is more than 1.

    The rows s·j + a of Wᵀg are a convolution of g, another one for each a, and so are the columns: all of them are channels of one
    convolution, which are then spread out. Attributes: first: the row and the column of it where j is 0.
    """

    call: _Call
    stride: list[int]
    first: list[int]

    @classmethod
    def of(cls, weight: Float[Tensor, "out channels _ _"], before: list[int], stride: list[int]) -> "_Phases":
        """Row s·j + a of a picture with so many rows `before` it met row k of the kernel on its way to row j + m of g, if
        a − s·m = k − before."""
        first, padding = [], []
        for dim, p, s in zip((2, 4), before, stride, strict=True):
            front = -p % s
            whole = [front, -(front + weight.shape[dim]) % s]
            weight = F.pad(weight.movedim(dim, -1), whole).movedim(-1, dim).unflatten(dim, (-1, s)).flip(dim)
            high = (p + front) // s  # the m of the last of the rows
            low = high + 1 - weight.shape[dim]
            padding.append(max(high, -low))
            first.append(padding[-1] + low)
        by_phase = weight.permute(3, 5, 1, 0, 2, 4).flatten(0, 2)
        return cls(_Call.of(by_phase, None, _Where(padding, [1, 1], [1, 1], 1)), stride, first)

    def __call__(self, grad: Float[Tensor, "batch out _ _"]) -> Float[Tensor, "batch channels _ _"]:
        (batch, _, rows, columns), (top, left) = grad.shape, self.first
        phases = self.call(grad).permute(0, 2, 3, 1)[:, top : top + rows, left : left + columns]
        apart = phases.unflatten(3, (*self.stride, -1)).permute(0, 1, 3, 2, 4, 5)
        return apart.reshape(batch, rows * self.stride[0], columns * self.stride[1], -1).permute(0, 3, 1, 2)


class _Kernel(NamedTuple):
    """The weights of a convolution on the way there and back."""

    there: _Call
    at: _Where
    plain: Tensor
    turned: _Call | None
    phases: _Phases | None

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, at: _Where, clip: bool, zeros: int = 0) -> "_Kernel":
        """Args: zeros: rows and columns of zeros that the kernel begins with."""
        around = [d * (k - 1) - p for p, d, k in zip(at.padding, at.dilation, weight.shape[2:], strict=True)]
        turned = phases = None
        if max(at.stride) == 1 and min(around) >= 0:  # then Wᵀ is a convolution, too
            by_group = weight.unflatten(0, (at.groups, -1)).transpose(1, 2).flatten(0, 1)
            turned = _Call.of(by_group.flip(2, 3), None, at._replace(padding=around))
        elif at.groups == max(at.dilation) == 1:
            phases = _Phases.of(weight[:, :, zeros:, zeros:], [p - zeros for p in at.padding], at.stride)
        plain = weight.contiguous(memory_format=torch.channels_last)
        return cls(_Call.of(weight, bias, at, clip), at, plain, turned, phases)

    def back(self, grad: Tensor, x: Tensor) -> Tensor:
        if self.turned:
            return self.turned(grad)
        if self.phases and all(n == s * m for n, s, m in zip(x.shape[2:], self.at.stride, grad.shape[2:], strict=True)):
            return self.phases(grad)
        padding, stride, dilation, groups = self.at
        return torch.ops.aten.convolution_backward.default(
            grad, x, self.plain, None, stride, padding, dilation, False, [0, 0], groups, [True, False, False]
        )[0]


def _beyond(conv: Conv2dSame) -> list[int]:
    """The padding with which a kernel with a row and a column of zeros before it does for sizes that the stride divides what
    TensorFlow's padding does, one more behind than before; empty if these sizes are padded alike on both sides."""
    whole = [d * (k - 1) + 1 - s for d, k, s in zip(conv.dilation, conv.kernel_size, conv.stride, strict=True)]
    odd = all(n > 0 and n % 2 and d == 1 for n, d in zip(whole, conv.dilation, strict=True))
    return [n // 2 + 1 for n in whole] if odd else []


class _Tracer(fx.Tracer):
    """Records which layer follows which, without looking into timm's convolutions and norms with activation, and into ours."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.Conv2d | BatchNormAct2d | Packed | Chain) or super().is_leaf_module(
            m, module_qualified_name
        )


class _Pair(NamedTuple):
    """A layer, the one that alone reads its result, and the names of both in their network."""

    before: Any
    after: Any
    name: str
    name_after: str


def _pairs(network: nn.Module, first: type[nn.Module], second: type[nn.Module]) -> Iterator[_Pair]:
    """Every layer of the first kind whose result one of the second alone reads; a layer that is used twice is left alone."""
    try:
        nodes = _Tracer().trace(network).nodes
    except (TypeError, ValueError, RuntimeError, AttributeError, fx.proxy.TraceError):
        return
    modules = dict(network.named_modules(remove_duplicate=False))
    layers = {node: modules[str(node.target)] for node in nodes if node.op == "call_module"}
    calls = Counter(layers.values())
    for node, after in layers.items():
        before = _read_by(node)
        while before and len(before.users) == 1 and isinstance(layers.get(before), nn.Identity):
            before = _read_by(before)
        if before is None or len(before.users) > 1:
            continue
        layer = layers.get(before)
        if isinstance(layer, first) and isinstance(after, second) and calls[layer] == calls[after] == 1:
            yield _Pair(layer, after, str(before.target), str(node.target))


def _read_by(node: fx.Node) -> fx.Node | None:
    """The result that a layer reads first."""
    before = node.args[0] if node.args else None
    return before if isinstance(before, fx.Node) else None

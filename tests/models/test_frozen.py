"""A frozen network made quick: folding, packing and chaining may change no answer and no gradient."""

import copy

import pytest
import torch
import torch.nn.functional as F
import torchvision
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import Tensor, nn

from models.classifier import Classifier
from models.frozen import Chain, Packed, _Phases, fold_batch_norm, pack


def random_statistics(network: nn.Module) -> nn.Module:
    """Batch norms as after a training: every mean, variance, gain and shift is another number."""
    random = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=random)
            module.running_var.uniform_(0.5, 1.5, generator=random)
            nn.init.uniform_(module.weight, 0.7, 1.3, generator=random)
            nn.init.normal_(module.bias, 0, 0.2, generator=random)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def assert_folding_changes_no_answer(network: nn.Module, x: Tensor) -> int:
    """How many batch norms were folded."""
    network = random_statistics(network).requires_grad_(False)
    before = network(x)
    folded = fold_batch_norm(network)
    after = network(x)
    assert before.std() > 1e-3 and (after - before).abs().max() <= 1e-4 * before.abs().max()
    return folded


@pytest.mark.parametrize(
    ("name", "side", "folded", "left"),
    # DenseNet's norms that stand before their convolution stay: one in each of 58 layers, three between blocks, one last
    [("resnet18", 64, 20, 0), ("mobilenet_v3_small", 64, 34, 0), ("densenet121", 64, 59, 62), ("vit_b_16", 224, 0, 0)],
)
def test_folding_changes_no_answer(name: str, side: int, folded: int, left: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.get_model(name, weights=None)
        if isinstance(network, torchvision.models.VisionTransformer):
            nn.init.normal_(network.heads.head.weight)  # is born as zero
        x = torch.randn(2, 3, side, side)
    assert assert_folding_changes_no_answer(network, x) == folded
    assert norms(network) == left


def test_no_batch_norm_is_left_in_lite0(lite0: Classifier) -> None:
    assert not any("norm" in type(module).__name__.lower() for module in lite0.modules())


def test_a_norm_with_activation_keeps_its_activation() -> None:
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), BatchNormAct2d(4, act_layer=nn.ReLU6))
    assert assert_folding_changes_no_answer(network, x) == 1
    assert (network(x) == 0).any()


def test_a_convolution_with_a_bias_groups_and_stride() -> None:
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    network = nn.Sequential(
        nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4), nn.BatchNorm2d(8, eps=0.1), nn.Conv2d(8, 2, 1)
    )
    assert assert_folding_changes_no_answer(network, x) == 1


class ReadTwice(nn.Module):
    """The convolution's result is read by the norm and, past it, by the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.conv(x)
        return self.norm(z) + z


class UsedTwice(nn.Module):
    """One convolution, and behind each of its two uses another norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.conv(self.one(self.conv(x))))


class OneNormForTwo(nn.Module):
    """Two convolutions share one norm."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.norm = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.two(self.norm(self.one(x))))


class Shared(nn.Module):
    """One convolution and one norm, used together twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(self.norm(self.conv(x))))


@pytest.mark.parametrize("kind", [ReadTwice, UsedTwice, OneNormForTwo, Shared])
def test_layers_that_are_shared_are_not_folded_wrongly(kind: type[nn.Module]) -> None:
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert_folding_changes_no_answer(kind(), x)


def test_a_norm_without_gain_or_without_statistics() -> None:
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    bare = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, affine=False)).eval().requires_grad_(False)
    bare[1].running_mean.fill_(0.3)
    before = bare(x)
    assert fold_batch_norm(bare) == 1 and torch.allclose(bare(x), before, atol=1e-6)
    of_the_batch = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False)).eval()
    before = of_the_batch(x)
    assert fold_batch_norm(of_the_batch) == 0 and torch.equal(of_the_batch(x), before)


@pytest.mark.parametrize("by_keyword", [False, True])
def test_a_norm_that_follows_something_else_stays(by_keyword: bool) -> None:
    class First(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.conv = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(input=self.conv(x)) if by_keyword else self.conv(self.norm(x))

    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert assert_folding_changes_no_answer(First(), x) == 0


def test_a_network_that_cannot_be_traced_is_left_as_it_is() -> None:
    class Choosy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x)) if x.sum() > 0 else x

    network = random_statistics(Choosy()).requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    assert fold_batch_norm(network) == 0 and isinstance(network.norm, nn.BatchNorm2d)
    assert list(before) == list(network.state_dict())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def frozen(conv: nn.Conv2d) -> nn.Conv2d:
    return conv.requires_grad_(False).to(memory_format=torch.channels_last)


KINDS = {
    "1×1": lambda: nn.Conv2d(5, 7, 1),
    "by channel": lambda: nn.Conv2d(5, 5, 3, padding=1, groups=5),
    "stride": lambda: nn.Conv2d(5, 7, 3, stride=2, padding=1),
    "stride 3": lambda: nn.Conv2d(5, 7, (4, 2), stride=(3, 2), padding=1),
    "groups, dilated": lambda: nn.Conv2d(6, 4, 3, padding=2, dilation=2, groups=2),
    "same": lambda: Conv2dSame(5, 5, 3, stride=2, groups=5),
    "same, wide": lambda: Conv2dSame(5, 7, 5, stride=2),
    "same, stride 1": lambda: Conv2dSame(5, 7, 3),
}


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("shape", [(1, 5, 7, 7), (3, 5, 14, 1), (16, 5, 2, 3), (2, 5, 8, 6), (2, 5, 9, 6)])
def test_a_packed_convolution_gives_the_answer_and_the_gradient_of_the_plain_one(
    shape: tuple[int, ...], kind: str, clip: bool
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        conv = frozen(KINDS[kind]())
        x = (6 * torch.randn(shape[0], conv.in_channels, *shape[2:])).requires_grad_()
    plain = nn.Sequential(conv, nn.ReLU6() if clip else nn.Identity())
    weights = torch.randn(plain(x).shape, generator=torch.Generator().manual_seed(1))
    (truth,) = torch.autograd.grad((plain(x) * weights).sum(), x)
    assert truth.abs().max() > 0
    assert not clip or ((plain(x) == 0).any() and ((plain(x) == 6).any() or kind != "1×1"))
    for model in (Packed(conv, clip), copy.deepcopy(Packed(conv, clip))):
        (ours,) = torch.autograd.grad((model(x) * weights).sum(), x)
        assert torch.allclose(model(x), plain(x), atol=1e-5)
        assert torch.allclose(ours, truth, atol=1e-5)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="nothing is packed without oneDNN")
@pytest.mark.parametrize("stride", [2, 3, 4])
@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_the_way_back_by_phases_is_the_transposed_convolution(kernel: int, before: int, stride: int) -> None:
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(7, 3, kernel, kernel, generator=random)
    grad = torch.randn(2, 7, 4, 5, generator=random)
    rows, columns = 4 * stride, 5 * stride  # of the picture, which begins so many before the first that the kernel met
    full = F.conv_transpose2d(grad, weight, stride=stride)
    truth = F.pad(full, (0, before + columns, 0, before + rows))[
        :, :, before : before + rows, before : before + columns
    ]
    ours = _Phases.of(weight, [before, before], [stride, stride])(grad)
    assert torch.allclose(ours, truth, atol=1e-5)


def test_a_packed_convolution_in_float64_is_the_plain_one() -> None:
    conv = frozen(nn.Conv2d(5, 7, 1)).double()
    x = 9 * torch.randn(2, 5, 3, 3, dtype=torch.float64)
    assert torch.equal(Packed(conv)(x), conv(x))
    assert torch.equal(Packed(conv, clip=True)(x), conv(x).clamp(0, 6))


def test_only_plain_1x1_convolutions_and_those_that_are_clipped_are_packed() -> None:
    layers = [nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1, stride=2), nn.Conv2d(4, 4, 1, groups=2)]
    network = nn.Sequential(*layers, nn.Conv2d(4, 4, 3), nn.ReLU6()).requires_grad_(False)
    packed = 2 if torch.backends.mkldnn.is_available() else 0
    assert pack(network) == packed
    assert [type(layer) for layer in network[1:4]] == [nn.Conv2d] * 3
    assert not packed or (isinstance(network[4], Packed) and network[4].clip and isinstance(network[5], nn.Identity))
    assert pack(network) == 0


def test_a_clip_behind_a_sum_stays() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.clip = nn.Conv2d(3, 3, 3, padding=1), nn.ReLU6()

        def forward(self, x: Tensor) -> Tensor:
            return self.clip(self.conv(x) + x)

    network = Residual().requires_grad_(False)
    assert pack(network) == 0 and isinstance(network.clip, nn.ReLU6)


def test_packing_changes_no_answer_and_no_gradient_of_a_network_with_clips() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = random_statistics(torchvision.models.mobilenet_v2(weights=None)).requires_grad_(False)
        x = torch.randn(2, 3, 64, 64).requires_grad_()
    plain = copy.deepcopy(network)
    fold_batch_norm(network)
    if torch.backends.mkldnn.is_available():
        assert pack(network) == 52
    assert (network(x) - plain(x)).abs().max() <= 1e-4 * plain(x).abs().max()
    ours, truth = (torch.autograd.grad(n(x)[:, 3].sum(), x)[0] for n in (network, plain))
    assert (ours - truth).abs().median() <= 1e-4 * truth.abs().max()


def blocks() -> nn.Sequential:
    """Three convolutions that only the next reads, then a sum."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wide, self.clip, self.each = nn.Conv2d(4, 6, 1), nn.ReLU6(), nn.Conv2d(6, 6, 3, padding=1, groups=6)
            self.norm, self.clip_each, self.narrow = nn.Identity(), nn.ReLU6(), nn.Conv2d(6, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.narrow(self.clip_each(self.each(self.norm(self.clip(self.wide(x))))))

    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(Block(), Block()).requires_grad_(False)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="nothing is packed without oneDNN")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convolutions_that_follow_each_other_are_one_step_and_give_the_same(dtype: torch.dtype) -> None:
    plain = blocks().to(dtype)
    network = copy.deepcopy(plain)
    assert pack(network) == 6
    assert [len(layer.layers) for layer in network.modules() if isinstance(layer, Chain)] == [3, 3]
    x = (4 * torch.randn(2, 4, 5, 5, dtype=dtype, generator=torch.Generator().manual_seed(0))).requires_grad_()
    given = torch.randn(2, 4, 5, 5, dtype=dtype, generator=torch.Generator().manual_seed(1))
    kept = given.clone()
    truth, ours = (torch.autograd.grad(model(x), x, given)[0] for model in (plain, network))
    assert torch.allclose(network(x), plain(x), atol=1e-5) and torch.allclose(ours, truth, atol=1e-5)
    assert torch.equal(given, kept)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="nothing is packed without oneDNN")
def test_a_chain_that_ends_in_a_clip_leaves_the_gradient_it_is_given() -> None:
    chain = Chain([Packed(frozen(nn.Conv2d(2, 3, 1)), clip=True), Packed(frozen(nn.Conv2d(3, 2, 3)), clip=True)])
    x = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    given = torch.ones(1, 2, 4, 4)
    torch.autograd.grad(chain(x), x, given)
    assert torch.equal(given, torch.ones(1, 2, 4, 4))

"""The classifier's one promise, and the folding of batch norms, which may not change an answer."""

import copy

import pytest
import torch
import torchvision
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from models.classifier import Classifier, Pointwise, fold_batch_norm, pack_pointwise, ready, unique


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


# ---------------------------------------------------------------- the classifier


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
    assert norms(model) == 0 and list(model.state_dict())[:2] == ["mean", "std"]


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


def small_pointwise() -> nn.Conv2d:
    conv = nn.Conv2d(5, 7, 1).requires_grad_(False)
    return conv.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(1, 5, 7, 7), (3, 5, 14, 1), (16, 5, 2, 3)])
def test_a_packed_convolution_gives_the_answer_and_the_gradient_of_the_plain_one(shape: tuple[int, ...]) -> None:
    conv = small_pointwise()
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.randn((shape[0], 7, *shape[2:]), generator=torch.Generator().manual_seed(1))
    for model in (Pointwise(conv), copy.deepcopy(Pointwise(conv))):
        (ours,) = torch.autograd.grad((model(x) * weights).sum(), x)
        (truth,) = torch.autograd.grad((conv(x) * weights).sum(), x)
        assert torch.allclose(model(x), conv(x), atol=1e-5)
        assert torch.allclose(ours, truth, atol=1e-5)


def test_a_packed_convolution_in_float64_is_the_plain_one() -> None:
    conv = small_pointwise().double()
    x = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    assert torch.equal(Pointwise(conv)(x), conv(x))


def test_only_plain_pointwise_convolutions_are_packed() -> None:
    layers = [nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 1, stride=2), nn.Conv2d(4, 4, 1, groups=2)]
    network = nn.Sequential(*layers).requires_grad_(False)
    assert pack_pointwise(network) == (1 if torch.backends.mkldnn.is_available() else 0)
    assert [type(layer) for layer in network[1:]] == [nn.Conv2d] * 3
    assert pack_pointwise(network) == 0

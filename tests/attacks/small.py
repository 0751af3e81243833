"""Networks small enough to compute by hand, or to run a hundred times in a second."""

import torch
from torch import Tensor, nn


def picture(*values: float) -> Tensor:
    """A picture of one row in one channel, (1, 1, 1, n)."""
    return torch.tensor(values)[None, None, None]


class Linear(nn.Module):
    """z = W x + b."""

    def __init__(self, weight: list[list[float]], bias: list[float]) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight))
        self.register_buffer("bias", torch.tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.weight.T + self.bias


# Three classes of pictures of two pixels. All by hand, in 255ths, at x = (100, 50)/255:
#   z = (100 + 100 + 81.5, 300 − 50, −400 − 50 − 510)/255 = (281.5, 250, −960)/255: the answer is class 0, class 1 is 31.5
#   behind. ∇J_0 = p_1 (W_1 − W_0) + p_2 (W_2 − W_0) = p_1 (2, −3) + p_2 (−5, −3) with p_2 < p_1/100, so its sign is (+, −).
#   Along (+, −) class 1 gains 5 on class 0 with every step: they meet at ε = 6.3/255.
#   ∇J_2 = p_0 (W_0 − W_2) + p_1 (W_1 − W_2) = p_0 (5, 3) + p_1 (7, 0), so towards class 2 it goes (−, −).
LINEAR = Linear([[1.0, 2.0], [3.0, -1.0], [-4.0, -1.0]], [81.5 / 255, 0.0, -2.0])
X = picture(100 / 255, 50 / 255)
MEET = 6.3 / 255


class Small(nn.Module):
    """Everything that has a memory or a mode: batch norm and dropout. Keeps the pictures that it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5))
            self.head = nn.Linear(8 * 36, 5)
            self.features[1].running_mean.uniform_(-0.3, 0.3)
            self.features[1].running_var.uniform_(0.5, 1.5)
        self.seen: list[Tensor] = []
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().clone())
        return self.head(self.features(x).flatten(1))


def small_pictures(count: int, seed: int = 0) -> Tensor:
    """Random 8-bit pictures, (count, 3, 8, 8), with blacks and whites among them."""
    values = torch.randint(-60, 316, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    return values.clamp(0, 255).float() / 255


class Times(nn.Module):
    """The logits of a network times a number: surer of itself, with the same answers."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * self.network(x)


class Constant(nn.Module):
    """The same answer to every picture, by way of the pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x.flatten(1)[:, :1] + torch.tensor([1.0, 3.0, 2.0])

"""Two networks that learn from few labels: one reads digits, the other reviews as lists of word vectors."""

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn


class DigitCNN(nn.Module):
    r"""Digits in two convolutions of stride 2 and a hidden layer, batch norm after each layer, ReLU after each but the last.

    The batch norm of the logits spreads every class over the batch: so no class is forgotten where nothing has a label.
    Miyato's code does the same to his network, which is of linear layers alone.

    Args: channels: of the convolutions. hidden: numbers between the picture and the 10 logits.
    """

    def __init__(self, channels: tuple[int, int] = (16, 32), hidden: int = 128):
        super().__init__()
        first, second = channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 5, stride=2, padding=2, bias=False), nn.BatchNorm2d(first), nn.ReLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(second), nn.ReLU(),
            nn.Flatten(),
            nn.Linear(7 * 7 * second, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
            nn.Linear(hidden, 10, bias=False), nn.BatchNorm1d(10),
        )  # fmt: skip
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Float[Tensor, "batch 1 28 28"]) -> Float[Tensor, "batch 10"]:
        return self.layers(x)


class ReviewCNN(nn.Module):
    r"""A review in one look: filters over windows of word vectors, the strongest answer of each filter, a linear layer. Kim 2014.

    The vectors are normalised as Miyato 2017 (*Adversarial Training Methods for Semi-Supervised Text Classification*, equation 1)
    does, $\bar v_k = (v_k - E(v)) / \sqrt{\mathrm{Var}(v)}$ over words as frequent as they are: or a perturbation of a fixed size
    would be escaped by making the vectors large.

    Args:
        frequencies: of the words, summing to 1; words that are never met have 0.
        filters, window: how many, over how many words.
    """

    frequencies: Tensor

    def __init__(
        self,
        frequencies: Float[Tensor, " words"],
        d_word: int = 64,
        filters: int = 128,
        window: int = 5,
        dropout: float = 0.5,
    ):
        super().__init__()
        self.register_buffer("frequencies", frequencies)
        self.embedding = nn.Embedding(len(frequencies), d_word)
        self.filters = nn.Conv1d(d_word, filters, window, padding=window // 2)
        self.dropout = nn.Dropout(dropout)
        self.decide = nn.Linear(filters, 2)

    def embed(self, words: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source d_word"]:
        r"""$\bar v$ of each word: what is perturbed."""
        v, f = self.embedding.weight, self.frequencies[:, None]
        mean = (f * v).sum(0)
        deviation = (f * (v - mean) ** 2).sum(0).sqrt()
        return (self.embedding(words) - mean) / (deviation + 1e-6)

    def classify(
        self, v: Float[Tensor, "batch source d_word"], real: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch 2"]:
        """Logits of negative and positive, from the vectors of the words that are `real`, not padding."""
        h = self.filters((v * real[:, :, None]).transpose(1, 2)).relu()
        return self.decide(self.dropout((h * real[:, None]).amax(2)))


class Review(nn.Module):
    """A batch of reviews for an attack: `logits(v)` of their word vectors alone."""

    def __init__(self, network: ReviewCNN, real: Bool[Tensor, "batch source"]):
        super().__init__()
        self.network, self.real = network, real

    def forward(self, v: Float[Tensor, "batch source d_word"]) -> Float[Tensor, "batch 2"]:
        return self.network.classify(v, self.real)

"""What the page's controls say: the part that is shown, and how Q, K and V are combined."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from models.attention import concat, dot, general, perceptron, scaled_dot
from ui.lecture import Download, Numbers

Rows = list[list[float]]

BY_HAND, WHY, COST = PARTS = ["By hand", "Why √d_k?", "Faster and lighter?"]
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "dot": dot,
    "general": general,
    "concat": concat,
    "perceptron": perceptron,
    "scaled dot": scaled_dot,
}
FORMULAS = {
    "dot": r"q_t^\top k_s",
    "general": r"q_t^\top W_a k_s",
    "concat": r"W_a [q_t; k_s]",
    "perceptron": r"v_a^\top \tanh(W_a q_t + U_a k_s)",
    "scaled dot": r"q_t^\top k_s / \sqrt{d_k}",
}
PARAMETERS = {"general": ["W_a"], "concat": ["W_a"], "perceptron": ["W_a", "U_a", "v_a"]}
VECTORS = [("concat", "W_a"), ("perceptron", "v_a")]
HEADS = [1, 2]
NO_MASK, CAUSAL, OWN_MASK = MASKS = ["none", "causal", "your own"]


@dataclass(frozen=True)
class Choice:
    """What the controls say."""

    part: str
    score: str = "dot"
    heads: int = 1
    mask: str = NO_MASK
    tied: bool = False
    seed: int = 1

    @property
    def parameters(self) -> dict[str, str]:
        """The matrices that the score needs beside Q, K and V, and where each is kept."""
        return {name: f"{self.score}_{name}_{self.heads}" for name in PARAMETERS.get(self.score, [])}

    @property
    def slots(self) -> list[str]:
        """The matrices that are edited."""
        own = ["mask"] if self.mask == OWN_MASK else []
        return ["Q", "K", *([] if self.tied else ["V"]), *self.parameters.values(), *own]


class Shown(Protocol):
    """One part of the page, drawn."""

    def notes(self) -> None: ...

    def numbers(self) -> Numbers: ...

    def downloads(self) -> list[Download]: ...

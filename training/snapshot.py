"""Where a training run is: what a generator of `training` yields, and what it can be resumed from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Snapshot:
    """One moment of a run.

    Attributes:
        step: how far it is, and `steps`, how far it will go (in the unit of the run: epochs, updates).
        seconds: spent on training so far, without the measurements.
        metrics: what was measured, by name.
        run: which run it is (what is trained, seed, data limits); only the same run goes on from it.
        state: every tensor that the run needs to go on from here. Shared with the run: copy or save it before
            taking the next snapshot.
        view: what a page draws of it (points, grids, samples), by name; not needed to go on, and not saved.
    """

    step: int
    steps: int
    seconds: float
    metrics: Mapping[str, float]
    state: Mapping[str, Tensor]
    run: str = ""
    view: Mapping[str, Tensor] = field(default_factory=dict)

    def line(self) -> str:
        """The snapshot for a terminal."""
        figures = "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return f"{self.step}/{self.steps}  {self.seconds:.0f} s  {figures}"

    def save(self, path: Path) -> None:
        """Write it as safetensors: to a neighbouring file first, so that a run that is killed leaves the last one whole."""
        about = {
            "step": self.step,
            "steps": self.steps,
            "seconds": self.seconds,
            "metrics": dict(self.metrics),
            "run": self.run,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        save_file(
            {name: tensor.contiguous() for name, tensor in self.state.items()}, part, {"snapshot": json.dumps(about)}
        )
        part.replace(path)

    @staticmethod
    def load(path: Path) -> "Snapshot":
        """Read it again. Raises OSError, or ValueError for a file that is no snapshot."""
        try:
            with safe_open(path, "pt") as file:
                about = json.loads(file.metadata()["snapshot"])
                return Snapshot(**about, state={name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged or no snapshot: delete it to begin anew.") from error

    def check(self, run: str) -> None:
        """Raise ValueError if this is a moment of another run than `run`."""
        if self.run and self.run != run:
            raise ValueError(
                f"The snapshot is of another run ({self.run}), not of this one ({run}): give another --out."
            )


def state_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The tensors of a network and of its optimizer by one flat name each."""
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, slots in optimizer.state_dict()["state"].items():
        state |= {f"optimizer.{number}.{slot}": tensor for slot, tensor in slots.items()}
    return state


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Put the tensors of `state_of` back where they were."""
    model.load_state_dict({name.removeprefix("model."): t for name, t in state.items() if name.startswith("model.")})
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if name.startswith("optimizer."):
            _, number, slot = name.split(".")
            slots.setdefault(int(number), {})[slot] = tensor.clone()
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})

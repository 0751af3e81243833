"""What is dear and always the same, computed once: the frozen CNN's view of a data set."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

KEPT = Path("runs")


def kept(name: str, of: list[Any], compute: Callable[[], Tensor]) -> Tensor:
    """The tensor that `compute` makes of `of`, from the file that an earlier call left, or computed now and left there.

    Args: of: all that the tensor depends on, as JSON can hold it.
    """
    digest = hashlib.sha256(json.dumps(of).encode()).hexdigest()
    path = KEPT / f"{name}-{digest[:12]}.safetensors"
    if path.exists():
        return load_file(path)["kept"]
    made = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    save_file({"kept": made}, part)
    part.replace(path)
    return made

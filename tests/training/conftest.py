"""Nothing that a test of a training keeps is found by another; a few digits in the files of MNIST."""

import gzip
from pathlib import Path

import pytest
import torch.nn.functional as F

from training import kept
from training.annotate import pool


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed once is computed once a test."""
    monkeypatch.setattr(kept, "KEPT", tmp_path / "kept")


@pytest.fixture
def few_digits(tmp_path: Path) -> Path:
    """scikit-learn's digits in MNIST's files."""
    of = pool("digits")
    (tmp_path / "digits").mkdir()
    for name, x, y in (("train", of.x[:128], of.y[:128]), ("t10k", of.x_test[:32], of.y_test[:32])):
        large = (255 * F.interpolate(x, 28, mode="bilinear")).byte().numpy()[:, 0]
        for kind, values in (("images-idx3", large), ("labels-idx1", y.byte().numpy())):
            head = bytes([0, 0, 8, values.ndim]) + b"".join(side.to_bytes(4, "big") for side in values.shape)
            (tmp_path / "digits" / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + values.tobytes()))
    return tmp_path

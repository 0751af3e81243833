"""Nothing that a test of a training keeps is found by another."""

from pathlib import Path

import pytest

from training import kept


@pytest.fixture(autouse=True)
def nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is computed once is computed once a test."""
    monkeypatch.setattr(kept, "KEPT", tmp_path / "kept")

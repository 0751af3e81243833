"""The worker's side of `jobs`: a generator on a desk, and whoever pulls at it. Without torch: Dask's scheduler reads this, too."""

import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from distributed import get_worker

if TYPE_CHECKING:
    from training.snapshot import Snapshot

Measured = tuple[int, Mapping[str, float]]  # a step, and its metrics


@dataclass(frozen=True)
class Pull:
    """What came of one pull: the last snapshot, the metrics of all, whether the run has come to its end, why if it broke off."""

    snapshot: "Snapshot | None"
    measured: list[Measured]
    finished: bool = False
    error: str = ""


class Desk:
    """A training that has begun, and what is to be changed in it."""

    def __init__(self, task: bytes):
        """Args: task: the pickled training and its options."""
        train, options = pickle.loads(task)  # from our own server, which sends the code as well; never a file
        self.run = train(**options)
        self.begun = False
        self.changes: dict[str, Any] = {}

    def where(self) -> str:
        """The address of its worker."""
        return str(get_worker().address)

    def pull(self, changes: Mapping[str, Any], seconds: float) -> Pull:
        """The snapshots of so many seconds, at least one; `changes` of hyper-parameters hold from the next one on."""
        self.changes.update(changes)
        until, snapshot, measured = time.monotonic() + seconds, None, list[Measured]()
        while snapshot is None or time.monotonic() < until:
            try:
                snapshot = self.next()
            except StopIteration:
                return Pull(snapshot, measured, finished=True)
            except Exception as error:  # whatever breaks in a training, its page says it
                return Pull(snapshot, measured, error=words_for(error))
            measured.append((snapshot.step, dict(snapshot.metrics)))
        return Pull(snapshot, measured)

    def next(self) -> "Snapshot":
        if not self.begun:
            self.begun = True
            return next(self.run)
        changes, self.changes = self.changes, {}
        return self.run.send(changes or None)


def words_for(error: Exception) -> str:
    """Why a training broke off."""
    if isinstance(error, ValueError | OSError):
        return str(error)
    return f"The training broke off: {type(error).__name__}: {error}"

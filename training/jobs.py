"""Runs that train away from the page: each a generator of Snapshots in a worker process of Dask, pulled piece by piece.

A run goes on when its page is closed, and its page finds it again by its name; a class can watch one run. What the next pull
says slows it, halts it or changes it; a worker that is killed costs the run one pull, from which it can go on. The workers are
those of the Dask scheduler whose address is in `ATTEND_AND_ATTACK_CLUSTER` (each started in this folder with
`dask worker --nthreads 1 --preload training.worker ADDRESS`); without it, `training.cluster` is started when first needed.
"""

import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, Literal

from distributed import Client

from training.desk import Desk, Measured, Pull
from training.snapshot import Snapshot

log = logging.getLogger(__name__)

CLUSTER = "ATTEND_AND_ATTACK_CLUSTER"
PLACES = 2  # runs at once
MOST_WAITING = 20  # runs in the queue
KEPT_RUNS = 50  # runs that are over and can still be found
KEPT = 2000  # snapshots of a run whose metrics are remembered
FORGOTTEN = 600.0  # seconds without anybody looking, after which a run ends
PATIENCE = 60.0  # seconds for one pull; a worker that is silent for longer is started anew
ANSWERS_WITHIN = 10.0  # seconds: a scheduler
TOGETHER = 0.1  # seconds: snapshots that are made faster than this come together
ROOT = Path(__file__).parent.parent

Training = Callable[..., Generator[Snapshot, Mapping[str, Any] | None, None]]
Ending = Literal["finished", "stopped", "forgotten", "failed"]
Status = Literal["waiting", "starting", "running", "paused", Ending]


@dataclass(eq=False)
class Run:
    """A run as its viewers see it: what is here may be read at any time, and the methods are its buttons.

    Attributes:
        name: by which a class finds it.
        options: of the training, as it began and as it was changed since.
        told: the room's: whoever changes something says so.
        speed: snapshots a second, at most; 0: as many as it makes.
        latest: the last snapshot; `history`: the metrics of all of them, with their steps.
        ending: how it ended, empty while it has not; `error`: why it failed, in a sentence.
        ahead: how many runs wait before it; None while it does not wait.
        worker: the address of the process that trains it.
    """

    name: str
    train: Training
    options: dict[str, Any]
    told: threading.Condition = field(repr=False)
    speed: float = 0.0
    latest: Snapshot | None = None
    history: list[Measured] = field(default_factory=list)
    ending: Ending | Literal[""] = ""
    error: str = ""
    ahead: int | None = None
    worker: str = ""
    looked: float = field(default_factory=time.monotonic)
    paused: bool = False
    _desk: Any = None  # on the worker, once it is there
    _steps: int = 0  # to be done although it is paused
    _changes: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def over(self) -> bool:
        return bool(self.ending)

    @property
    def status(self) -> Status:
        if self.ending:
            return self.ending
        if self.ahead is not None:
            return "waiting"
        if self.paused and not self._steps:
            return "paused"
        return "running" if self._desk else "starting"

    def look(self) -> "Run":
        """Somebody is looking at it: it is not forgotten."""
        self.looked = time.monotonic()
        return self

    def pause(self) -> None:
        """No snapshot more until `play` or `step`. Its place is free for another run meanwhile."""
        with self.told:
            self.paused, self._steps = True, 0
            self.told.notify_all()

    def play(self) -> None:
        with self.told:
            self.paused = False
            self.told.notify_all()

    def step(self) -> None:
        """One snapshot more, then it is paused."""
        with self.told:
            self.paused, self._steps = True, self._steps + 1
            self.told.notify_all()

    def stop(self) -> None:
        """End it. The last snapshot stays, and `Room.resume` goes on from it."""
        self.end("stopped")

    def change(self, **options: Any) -> None:
        """Hyper-parameters that hold from the next snapshot on."""
        with self.told:
            self.options.update(options)
            self._changes.update(options)

    def set_speed(self, speed: float) -> None:
        with self.told:
            self.speed = speed
            self.told.notify_all()

    def end(self, ending: Ending, error: str = "") -> None:
        """It has ended, unless it had ended before."""
        with self.told:
            if not self.ending:
                self.error, self.ending, self.ahead = error, ending, None
            self.told.notify_all()

    def _wants(self) -> bool:
        return not self.paused or self._steps > 0

    def _take_changes(self) -> dict[str, Any]:
        with self.told:
            changes, self._changes = self._changes, {}
        return changes

    def _keep(self, pull: Pull) -> None:
        with self.told:
            if self.ending:  # it was stopped while this was made
                return
            self._steps = max(0, self._steps - 1)
            self.history = [*self.history, *pull.measured][-KEPT:]
            self.latest = pull.snapshot or self.latest

    def _rest(self, since: float) -> None:
        """Not faster than `speed`."""
        with self.told:
            while self.speed and not self.ending and (left := since + 1 / self.speed - time.monotonic()) > 0:
                self.told.wait(left)


class Room:
    """Where the runs are: so many at once, the others in a queue; one in a server."""

    def __init__(self, places: int = PLACES):
        self.places = places
        self.runs: dict[str, Run] = {}
        self._told = threading.Condition()
        self._queue: list[Run] = []
        self._at_work: list[Run] = []
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()
        self._client: Client | None = None
        self._embedded: Popen[str] | None = None

    # ------------------------------------------------------------ for pages

    def find(self, name: str) -> Run | None:
        """The run of this name, looked at."""
        run = self.runs.get(name)
        return run.look() if run else None

    def start(
        self, name: str, train: Training, options: Mapping[str, Any], *, speed: float = 0.0, paused: bool = False
    ) -> Run:
        """Begin a run, or find the one that has this name and is not over. `paused`: its first snapshot, and no more.

        Raises ValueError if too many wait already.
        """
        return self._begin(Run(name, train, dict(options), self._told, speed), paused)

    def resume(self, run: Run, *, paused: bool = False, **options: Any) -> Run:
        """Go on from the last snapshot of a run that is over, perhaps with other hyper-parameters. Raises what `start` raises."""
        again = Run(
            run.name, run.train, {**run.options, **options}, self._told, run.speed, run.latest, list(run.history)
        )
        return self._begin(again, paused)

    def wake(self) -> None:
        """Start the engine in the background: somebody will want it soon."""
        if self._client is None:
            threading.Thread(target=self._wake, name="wake", daemon=True).start()

    def close(self) -> None:
        """Stop all runs and the engine."""
        for run in list(self.runs.values()):
            run.stop()
        for thread in self._threads:
            thread.join(5.0)
        with self._starting:
            self._shut()

    # ------------------------------------------------------------ the engine

    def client(self) -> Client:
        """The engine, started when first asked for. Raises ValueError if the cluster does not answer."""
        with self._starting:
            died = self._embedded is not None and self._embedded.poll() is not None  # known before the client notices
            if self._client is None or self._client.status != "running" or died:
                self._shut()
                self._client = self._connect(os.environ.get(CLUSTER))
            return self._client

    def _shut(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._embedded is not None:
            assert self._embedded.stdin is not None
            self._embedded.stdin.close()
            self._embedded.wait()
            self._embedded = None

    def _connect(self, address: str | None) -> Client:
        if address:
            try:
                return Client(address, timeout=ANSWERS_WITHIN)
            except OSError as error:
                raise ValueError(f"No Dask scheduler answers at {address} (from {CLUSTER}).") from error
        command = [sys.executable, "-m", "training.cluster", str(self.places)]
        self._embedded = Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT)
        assert self._embedded.stdout is not None
        address = self._embedded.stdout.readline().strip()
        if not address:
            raise ValueError("The processes that train could not be started; the server’s log says why.")
        return Client(address)

    def _wake(self) -> None:
        with suppress(Exception):  # the run that needs it will say why
            self.client()

    # ------------------------------------------------------------ one run

    def _begin(self, run: Run, paused: bool) -> Run:
        with self._told:
            old = self.runs.get(run.name)
            if old is not None and not old.over:
                return old.look()
            if len(self._queue) >= MOST_WAITING:
                raise ValueError(f"{MOST_WAITING} runs are waiting already. Try again later.")
            run.paused, run._steps = paused, int(paused)
            self.runs.pop(run.name, None)  # to the end, as the newest
            self.runs[run.name] = run
            for name in [name for name, other in self.runs.items() if other.over][:-KEPT_RUNS]:
                del self.runs[name]
            thread = threading.Thread(target=self._serve, args=(run,), name=f"run {run.name}", daemon=True)
            self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
        thread.start()
        return run

    def _serve(self, run: Run) -> None:
        try:
            while self._granted(run):
                if run._desk is None:
                    run._desk = self._new_desk(run)
                began = time.monotonic()
                alone = run.speed or run.paused
                pull = run._desk.pull(run._take_changes(), 0.0 if alone else TOGETHER).result(PATIENCE)
                run._keep(pull)
                if pull.error:
                    run.end("failed", pull.error)
                elif pull.finished:
                    run.end("finished")
                else:
                    run._rest(began)
        except Exception as error:  # whatever happens between here and there, the page says it
            if not run.over:
                log.warning("Run %s: %r", run.name, error)
            run.end("failed", words_for_loss(error))
            if isinstance(error, TimeoutError):
                self._restart(run.worker)
        finally:
            with self._told:
                run._desk = None
                self._leave(run)

    def _granted(self, run: Run) -> bool:
        """Wait until the next pull is wanted and there is a place for it. False when the run is over."""
        with self._told:
            while not run.over:
                if time.monotonic() - run.looked > FORGOTTEN:
                    run.end("forgotten")
                elif not run._wants():
                    self._leave(run)
                    self._told.wait(1.0)
                elif run in self._at_work:
                    return True
                else:
                    self._stand_in_line(run)
            return False

    def _stand_in_line(self, run: Run) -> None:
        if run not in self._queue:
            self._queue.append(run)
        if self._queue[0] is run and len(self._at_work) < self.places:
            self._queue.remove(run)
            if any(other.worker == run.worker for other in self._at_work):
                run._desk = None  # another run came to its worker while it was paused
            self._at_work.append(run)
            run.ahead = None
            self._told.notify_all()
        else:
            run.ahead = self._queue.index(run)
            self._told.wait(1.0)

    def _leave(self, run: Run) -> None:
        if run in self._queue or run in self._at_work:
            self._queue = [other for other in self._queue if other is not run]
            self._at_work = [other for other in self._at_work if other is not run]
            run.ahead = None
            self._told.notify_all()

    def _new_desk(self, run: Run) -> Any:
        """A desk on the worker with the fewest runs, for what comes after the last snapshot."""
        client = self.client()
        client.wait_for_workers(1, timeout=PATIENCE)
        workers = client.scheduler_info(n_workers=-1)["workers"]
        with self._told:
            busy = [other.worker for other in self._at_work if other is not run]
            run.worker = min(workers, key=busy.count)
            run._changes.clear()  # they are among the options
            task = pickle.dumps((run.train, {**run.options, "resume": run.latest}))
        desk = client.submit(Desk, task, actor=True, pure=False, workers=[run.worker], allow_other_workers=True)
        found: Any = desk.result(PATIENCE)  # not the Desk, but an actor that answers for it
        run.worker = found.where().result(PATIENCE)
        return found

    def _restart(self, worker: str) -> None:
        with suppress(Exception):  # a cluster's worker may have nobody who starts it anew
            self.client().restart_workers([worker], timeout=PATIENCE)


def words_for_loss(error: Exception) -> str:
    """Why nothing came from a worker."""
    if isinstance(error, TimeoutError):
        return f"No snapshot came for {PATIENCE:.0f} s, so the run was given up. Resume goes on from the last one."
    if isinstance(error, ValueError):
        return str(error)
    return "The process that trained it is gone (killed, or out of memory). Resume goes on from the last snapshot."

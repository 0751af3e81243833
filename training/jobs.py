"""Runs that train away from the page: each a generator of Snapshots in a worker process of Dask, pulled one snapshot at a time.

A run goes on when its page is closed, and its page finds it again by its name; a class can watch one run. It is slowed, stopped for
a while, or changed by what the next pull says; a worker that is killed costs the run one snapshot, from which it can go on. By
default the workers are this machine's, started when first needed; with the address of a Dask scheduler in `ATTEND_AND_ATTACK_CLUSTER`
they are that cluster's.
"""

import os
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from distributed import Client, LocalCluster

from training.snapshot import Snapshot

CLUSTER = "ATTEND_AND_ATTACK_CLUSTER"
PLACES = 2  # runs at once
FORGOTTEN = 600.0  # seconds without anybody looking, after which a run ends
PATIENCE = 60.0  # seconds for one snapshot; a worker that is silent for longer is given up
KEPT = 2000  # snapshots' metrics that are remembered

Training = Callable[..., Generator[Snapshot, Mapping[str, Any] | None, None]]
Status = Literal["waiting", "starting", "running", "paused", "finished", "stopped", "forgotten", "failed"]
OVER = ("finished", "stopped", "forgotten", "failed")


class Desk:
    """On a worker: one generator, and whoever pulls at it."""

    def __init__(self, train: Training, options: Mapping[str, Any]):
        torch.set_num_threads(1)
        self.run = train(**options)
        self.begun = False

    def next(self, changes: Mapping[str, Any] | None) -> Snapshot | None:
        """The next snapshot, or None at the end; `changes` of hyper-parameters hold from here on."""
        try:
            told = self.run.send(changes) if self.begun else next(self.run)
        except StopIteration:
            return None
        self.begun = True
        return told


@dataclass
class Run:
    """A run as its viewers see it. What is here may be read at any time; the methods are its buttons.

    Attributes:
        name: by which a class finds it.
        options: of the training, as it began and as it was changed since.
        speed: snapshots a second, at most; 0: as many as it makes.
        latest: the last snapshot; `history`: the metrics of all of them, with their steps.
        ahead: how many runs are before it while it waits.
        error: why it failed, in a sentence.
        worker: the address of the process that trains it.
    """

    name: str
    train: Training
    options: dict[str, Any]
    speed: float = 0.0
    status: Status = "waiting"
    latest: Snapshot | None = None
    history: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    ahead: int = 0
    error: str = ""
    worker: str = ""
    looked: float = field(default_factory=time.monotonic)
    _told: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _changes: dict[str, Any] = field(default_factory=dict, repr=False)
    _steps: int = 0  # to be done although it is paused
    _stops: bool = False

    def look(self) -> "Run":
        """Somebody is looking at it: it is not forgotten."""
        self.looked = time.monotonic()
        return self

    @property
    def over(self) -> bool:
        return self.status in OVER

    def pause(self) -> None:
        """No snapshot more until `play` or `step`."""
        self._tell(status="paused")

    def play(self) -> None:
        self._tell(status="running")

    def step(self) -> None:
        """One snapshot more, then it is paused."""
        with self._told:
            self._steps += 1
        self._tell(status="paused")

    def stop(self) -> None:
        """End it; the last snapshot stays, and `Room.resume` goes on from it."""
        with self._told:
            self._stops = True
            self._told.notify_all()

    def change(self, **options: Any) -> None:
        """Hyper-parameters that hold from the next snapshot on."""
        with self._told:
            self.options.update(options)
            self._changes.update(options)

    def _tell(self, status: Status) -> None:
        with self._told:
            if self.status in ("running", "paused"):
                self.status = status
            self._told.notify_all()

    def _may_go_on(self) -> bool:
        """Wait until the next snapshot is wanted. False if none is wanted any more."""
        with self._told:
            while not self._stops:
                if time.monotonic() - self.looked > FORGOTTEN:
                    self.status = "forgotten"
                    return False
                if self.status == "running" or self._steps:
                    self._steps = max(0, self._steps - 1)
                    return True
                self._told.wait(1.0)
        self.status = "stopped"
        return False

    def _take_changes(self) -> dict[str, Any]:
        with self._told:
            changes, self._changes = self._changes, {}
        return changes

    def _keep(self, snapshot: Snapshot) -> None:
        self.latest = snapshot
        self.history = [*self.history[-KEPT + 1 :], (snapshot.step, snapshot.metrics)]

    def _rest(self, since: float) -> None:
        """Not faster than `speed`."""
        if self.speed:
            with self._told:
                self._told.wait_for(lambda: self._stops, max(0.0, since + 1 / self.speed - time.monotonic()))


class Room:
    """Where the runs are: so many at once, the others in a queue; one in a server."""

    def __init__(self, places: int = PLACES):
        self.places = places
        self.runs: dict[str, Run] = {}
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._queue: list[Run] = []
        self._at_work: list[Run] = []
        self._threads: list[threading.Thread] = []

    def client(self) -> Client:
        """The engine, started when first asked for."""
        with self._lock:
            if self._client is None:
                address = os.environ.get(CLUSTER)
                self._client = Client(
                    address
                    or LocalCluster(
                        n_workers=self.places,
                        threads_per_worker=1,
                        dashboard_address=None,
                        memory_limit=0,
                        preload=["training.jobs"],
                    ),
                )
            return self._client

    def find(self, name: str) -> Run | None:
        """The run of this name, looked at."""
        run = self.runs.get(name)
        return run.look() if run else None

    def start(self, name: str, train: Training, options: Mapping[str, Any], *, paused: bool = False) -> Run:
        """Begin a run, or find the one that has this name and is not over."""
        with self._lock:
            run = self.runs.get(name)
            if run is None or run.over:
                run = self.runs[name] = Run(name, train, dict(options))
                self._queue.append(run)
                thread = threading.Thread(target=self._serve, args=(run, paused), name=f"run {name}", daemon=True)
                self._threads = [*(thread for thread in self._threads if thread.is_alive()), thread]
                thread.start()
            return run.look()

    def resume(self, run: Run) -> Run:
        """Go on from the last snapshot of a run that is over."""
        return self.start(run.name, run.train, {**run.options, "resume": run.latest})

    def close(self) -> None:
        """Stop all runs and the engine."""
        for run in self.runs.values():
            run.stop()
        for thread in self._threads:
            thread.join(5.0)
        with self._lock:
            if self._client is not None:
                cluster = self._client.cluster
                self._client.close()
                if cluster is not None:
                    cluster.close()
                self._client = None

    def _serve(self, run: Run, paused: bool) -> None:
        try:
            if self._wait_for_place(run):
                run.status = "starting"
                self._pull(run, paused)
        except Exception as error:  # whatever happened over there, the page says it
            run.error, run.status = words_for(error), "failed"
        finally:
            with self._lock:
                self._queue = [other for other in self._queue if other is not run]
                self._at_work = [other for other in self._at_work if other is not run]

    def _wait_for_place(self, run: Run) -> bool:
        """True when there is a place; False if it was stopped or forgotten meanwhile."""
        while True:
            with self._lock:
                run.ahead = self._queue.index(run)
                if run.ahead == 0 and len(self._at_work) < self.places:
                    self._queue.remove(run)
                    self._at_work.append(run)
                    return True
            with run._told:
                if run._told.wait_for(lambda: run._stops, 0.1):
                    run.status = "stopped"
                    return False
            if time.monotonic() - run.looked > FORGOTTEN:
                run.status = "forgotten"
                return False

    def _pull(self, run: Run, paused: bool) -> None:
        desk = self._desk(run)
        run.status = "paused" if paused else "running"
        while run._may_go_on():
            began = time.monotonic()
            snapshot = desk.next(run._take_changes()).result(PATIENCE)
            if snapshot is None:
                run.status = "finished"
                return
            run._keep(snapshot)
            run._rest(began)

    def _desk(self, run: Run) -> Any:
        """A desk on the worker where the fewest are."""
        client = self.client()
        with self._lock:
            taken = [other.worker for other in self._at_work]
            workers = sorted(client.scheduler_info(n_workers=-1)["workers"], key=taken.count)
            if not workers:
                raise ValueError("There is no worker to train on: all of them are gone.")
            run.worker = workers[0]
        options = dict(run.options)
        return client.submit(Desk, run.train, options, actor=True, pure=False, workers=[run.worker]).result(PATIENCE)


def words_for(error: Exception) -> str:
    """What happened to a run, for its viewers."""
    if isinstance(error, OSError):
        return "The process that trained it is gone (killed, or out of memory). Resume goes on from the last snapshot."
    if isinstance(error, TimeoutError):
        return f"No snapshot came for {PATIENCE:.0f} s, so it was given up. Resume goes on from the last one."
    if isinstance(error, ValueError):
        return str(error)
    return f"It broke off: {type(error).__name__}: {error}"

"""What a run outside the web process costs: start, memory, a snapshot's way to the page, stop, a killed worker, one page beside.

    .venv/bin/python -m benchmarks.room

It prints what it measured beside what was wanted, and never fails for a time.
"""

import os
import signal
import statistics
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import psutil
import torch

from training import gan
from training.jobs import Room
from training.snapshot import Snapshot

PULLS = 200
PATIENCE = 120  # seconds
SETTLED = 10  # seconds until all is loaded for certain
NUMBERS = 25_000  # of a snapshot: 100 kB


def counting(
    *, resume: Snapshot | None = None, busy: bool = False
) -> Generator[Snapshot, Mapping[str, Any] | None, None]:
    """Snapshots of 100 kB without end. `busy`: a core's whole work between two of them."""
    step, x = (resume.step + 1 if resume else 0), torch.rand(200, 200)
    while True:
        until = time.monotonic() + 0.05 * busy
        while time.monotonic() < until:
            x = (x @ x).clamp(0, 1)
        yield Snapshot(step, step, 0.0, {"step": float(step)}, {"x": torch.zeros(NUMBERS)})
        step += 1


def seconds_until(true: Callable[[], Any]) -> float:
    began = time.perf_counter()
    while not true():
        time.sleep(0.001)
        if time.perf_counter() - began > PATIENCE:
            raise TimeoutError("What was waited for did not come.")
    return time.perf_counter() - began


def tell(what: str, value: float, unit: str, wanted: str = "") -> None:
    print(f"{what:66}{value:>10.4g} {unit:4}{wanted}", flush=True)


def shared_memory(process: psutil.Process) -> float:
    """MB of a process and its children, what they share counted once."""
    return sum(one.memory_full_info().pss for one in [process, *process.children(recursive=True)]) / 1e6


def main() -> None:
    print(f"# load average {os.getloadavg()[0]:.2f}")
    room, began = Room(), time.perf_counter()
    first = room.start("from nothing", gan.train, {"task": "ring"}, paused=True)
    seconds_until(lambda: first.latest)
    tell("From nothing to the first snapshot of a GAN", time.perf_counter() - began, "s")
    room.close()
    room, began = Room(), time.perf_counter()
    room.client()
    tell("engine up", time.perf_counter() - began, "s", "<= 3")
    assert room._embedded is not None
    time.sleep(SETTLED)
    tell(f"its memory, two workers idle for {SETTLED} s", shared_memory(psutil.Process(room._embedded.pid)), "MB")
    run = room.start("one", counting, {}, paused=True)
    tell("Start to the first snapshot", seconds_until(lambda: run.latest), "s", "<= 2")
    steps = []
    for _ in range(PULLS):
        before = run.latest
        run.step()
        steps.append(1000 * seconds_until(lambda: run.latest is not before))  # noqa: B023
    tell("One step to its snapshot (100 kB), p50", statistics.median(steps), "ms", "<= 150")
    tell("the same, p90", statistics.quantiles(steps, n=10)[-1], "ms")
    run.stop()
    pair = [room.start(name, counting, {"busy": True}) for name in ("two", "three")]
    seconds_until(lambda: all(each.latest for each in pair))
    late = [lateness() for _ in range(100)]
    tell("a thread of this process beside two runs, late by, p90", statistics.quantiles(late, n=10)[-1], "ms")
    pair[0].stop()
    tell("Stop to its place being free", seconds_until(lambda: pair[0] not in room._at_work), "s", "<= 1")
    os.kill(room.client().run(os.getpid)[pair[1].worker], signal.SIGKILL)
    tell("a killed worker until its page says so", seconds_until(lambda: pair[1].over), "s")
    here = pair[1].latest
    again = room.resume(pair[1])
    tell("Resume to the next snapshot", seconds_until(lambda: again.latest is not here), "s")
    began = time.perf_counter()
    room.close()
    tell("closed", time.perf_counter() - began, "s")


def lateness() -> float:
    """How many ms later than it asked a sleeper is woken."""
    began = time.perf_counter()
    time.sleep(0.01)
    return 1000 * (time.perf_counter() - began) - 10


if __name__ == "__main__":
    from benchmarks.room import main  # a worker imports `counting` by the name of its module

    main()

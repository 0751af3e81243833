r"""What environment variables do for a network on the CPU, alone on the machine and beside a busy process.

    .venv/bin/python -m benchmarks.environment [options]

These variables are read once, when a process starts or torch is imported, so that every measurement is a process of its
own; the settings take turns, and the ratios are those within a round. The work is done in a thread, as Streamlit does
it: there glibc gives memory back sooner than in the main thread. `MALLOC_ARENA_MAX=1` makes both alike.
"""

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from benchmarks.timing import Spread, load, machine, options, seconds, table, write

KEEP = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1), "MALLOC_ARENA_MAX": "1"}
SETTINGS: dict[str, dict[str, str]] = {
    "nothing set": {},
    "huge pages": {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "memory kept": KEEP,
    "memory kept, huge pages": KEEP | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"},
    "threads spin 1000 times": {"GOMP_SPINCOUNT": "1000"},
    "threads never spin": {"OMP_WAIT_POLICY": "PASSIVE"},
}
WORK = ("1 gradient", "16 gradients", "33 forward")
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"  # it ends with us


def work(threads: int, repeat: int) -> dict[str, Any]:
    """In the child: seconds of each piece of work and the memory it took."""
    import torch

    from benchmarks.attacks import gradient_of_input, labelled
    from models import zoo

    torch.set_num_threads(threads)
    model, (x, y) = zoo.load(zoo.EMBEDDED), labelled(16)
    many = torch.cat([x, x, x])[:33]
    runs = (
        (partial(gradient_of_input, model, x[:1], y[:1]), 10 * repeat),
        (partial(gradient_of_input, model, x, y), repeat),
        (partial(torch.no_grad()(model), many), repeat),
    )
    result: dict[str, Any] = {}
    for name, (run, times) in zip(WORK, runs, strict=True):
        run()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        result[name] = seconds(run, times)
        result[f"page faults, {name}"] = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // times
    result["MiB at most"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result


def child(threads: int, repeat: int) -> None:
    """Do the work in a thread that is not the main one and print what it gave."""
    thread = threading.Thread(target=lambda: print(json.dumps(work(threads, repeat))))
    thread.start()
    thread.join()


def measure(setting: str, threads: int, repeat: int) -> dict[str, Any]:
    """One child process with this setting."""
    command = [sys.executable, "-m", "benchmarks.environment", "--child", str(repeat), "--threads", str(threads)]
    done = subprocess.run(command, env=os.environ | SETTINGS[setting], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@contextmanager
def neighbour(wanted: bool) -> Iterator[None]:
    """A process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", BUSY]) if wanted else None
    try:
        yield
    finally:
        if process:
            process.kill()


def compare(busy: bool, rounds: int, threads: int, repeat: int) -> dict[str, Any]:
    """The table of all settings, alone or beside a busy process."""
    with neighbour(busy):
        found = [{name: measure(name, threads, repeat) for name in SETTINGS} for _ in range(rounds)]
    first, *_ = SETTINGS
    rows, report = [], {}
    for name in SETTINGS:
        times = {kind: Spread(tuple(turn[name][kind] for turn in found)) for kind in WORK}
        faster = {kind: Spread(tuple(turn[first][kind] for turn in found)).over(times[kind]) for kind in WORK}
        cells = [f"{times[kind].median * 1000:.0f} ms, {faster[kind].text(1, 2)}" for kind in WORK]
        rows.append([name, *cells, f"{found[-1][name]['MiB at most']}"])
        report[name] = {
            "seconds": {kind: times[kind].json() for kind in WORK},
            "faster": {kind: faster[kind].json() for kind in WORK},
            "last": found[-1][name],
        }
    title = "Beside a process that keeps one core busy" if busy else "Alone"
    table(f"{title}: times faster than with nothing set", ["", *WORK, "MiB at most"], rows)
    return report


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--child", type=int, metavar="REPEAT", help="do the work and print it (used by this script)")
    parser.add_argument("--repeat", type=int, default=5, help="of the work in one process (default 5)")
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.threads, arguments.child)
    if arguments.quick:
        arguments.rounds, arguments.repeat = 1, 1
    report: dict[str, Any] = {"machine": machine(arguments.threads), "load_at_start": load()}
    print(f"{report['machine']}\nload at start {report['load_at_start']}")
    for name, busy in (("alone", False), ("beside a busy process", True)):
        report[name] = compare(busy, arguments.rounds, arguments.threads, 1 if busy else arguments.repeat)
    report["load_at_end"] = load()
    print(f"\nload at end {report['load_at_end']}")
    return write(arguments.json, report)


if __name__ == "__main__":
    main()

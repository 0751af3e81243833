"""What two runs that train, and those who watch them, leave to the other pages of the server.

    .venv/bin/python -m benchmarks.room_pages                       # about a minute
    .venv/bin/python -m benchmarks.room_pages --viewers 30 --json out.json

Two visitors start a run each, in a real Chromium, and go; others watch these runs by their names, as clients that speak the
browser's protocol, so that no browser takes the server's cores. Meanwhile somebody asks for *Fool a classifier*, each time at
another step of its slider. The same is done before, without a run. It never fails for a time.
"""

import argparse
import asyncio
import json
import re
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlencode

from streamlit.proto.Element_pb2 import Element

from benchmarks.server import (
    Report,
    Server,
    Viewer,
    chromium,
    measure_live,
    note_load,
    open_socket,
    run_page,
    serve,
    visit,
)

PAGE = "generate"
RUNS = ("bench one", "bench two")
AT = re.compile(r"\*\*Trains\*\*: step (\d+) of")
ALL_HERE = 5  # seconds until every viewer watches


class Watcher(Viewer):
    """A visitor of a run."""

    def step_of(self, element: Element) -> int | None:
        found = AT.search(element.markdown.body)
        return int(found[1]) if found else None


def start_runs(server: Server) -> None:
    with chromium() as browser:
        for run in RUNS:
            with visit(browser) as page:
                page.goto(f"{server.base}/{PAGE}?{urlencode({'run': run})}")
                page.get_by_role("button", name="Start", exact=False).first.click()
                page.get_by_text("Trains").wait_for()


async def measure_page(report: Report, server: Server, name: str, times: int) -> None:
    """From asking for the page to having all of it."""
    seconds = []
    for n in range(times):
        async with open_socket(server.base) as socket:
            seconds.append(await run_page(socket, "fool", f"eps={n}"))
    report.add_spread("page", f"Fool, all of it sent, {name}", seconds, "s")


async def measure_crowd(report: Report, server: Server, count: int, times: int, seconds: float) -> None:
    """What each of the viewers sees, and the page beside meanwhile."""
    viewers = [Watcher(PAGE, urlencode({"run": RUNS[k % len(RUNS)]})) for k in range(count)]
    watching = asyncio.create_task(measure_live(report, server, ", two runs", viewers, seconds))
    await asyncio.sleep(ALL_HERE)
    began, worked = time.perf_counter(), server.worked()
    await measure_page(report, server, f"two runs and {count} viewers", times)
    share = 100 * (server.worked() - worked) / (time.perf_counter() - began)
    report.add("page", "the web process's share of a core meanwhile", share, "%")
    await watching


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table and its samples there too")
    parser.add_argument("--times", type=int, default=20, help="how often the page beside is asked for")
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20, help="how long they watch")
    options, report = parser.parse_args(), Report()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    try:
        with serve("app.py") as server:
            note_load(report, "alone")
            asyncio.run(measure_page(report, server, "no run", options.times))
            start_runs(server)
            note_load(report, "two runs")
            asyncio.run(measure_page(report, server, "two runs", options.times))
            asyncio.run(measure_crowd(report, server, options.viewers, options.times, options.seconds))
    finally:
        if options.json:
            options.json.write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""What the server takes: seconds until a visitor can work, memory, updates a second. The numbers in the README come from here.

    .venv/bin/python -m benchmarks.server                      # all parts, about six minutes
    .venv/bin/python -m benchmarks.server release --json out.json

It starts the real app on a free port and visits it with a real Chromium, or, where fifty visitors are wanted, with
clients that speak the browser's protocol. It says what it measured beside what was wanted, and never fails for a time.
"""

import argparse
import asyncio
import io
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import numpy as np
import psutil
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Origin, Subprotocol

ROOT = Path(__file__).parent.parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
PATIENCE = 120  # seconds before something that never comes is given up
TIDY = 12  # seconds in which the server has collected its garbage for certain
LAST = 32  # the slider's last step


# ---------------------------------------------------------------- what was measured


@dataclass
class Row:
    """One line of the table. `samples` are the single measurements that `value` sums up."""

    part: str
    what: str
    value: float
    unit: str
    wanted: str = ""
    samples: list[float] = field(default_factory=list)


@dataclass
class Report:
    """All rows, and how busy the machine was when each part began."""

    rows: list[Row] = field(default_factory=list)
    load: dict[str, float] = field(default_factory=dict)

    def add(
        self, part: str, what: str, value: float, unit: str, wanted: str = "", samples: Sequence[float] = ()
    ) -> None:
        row = Row(part, what, round(value, 3), unit, wanted, [round(sample, 3) for sample in samples])
        self.rows.append(row)
        print(f"{row.part:9}{row.what:66}{row.value:>10g} {row.unit:6}{row.wanted}", flush=True)

    def add_spread(
        self, part: str, what: str, samples: Sequence[float], unit: str, wanted: str = "", high: int = 90
    ) -> None:
        """Two rows: the median and a high percentile."""
        self.add(part, f"{what}, p50", float(np.percentile(samples, 50)), unit, wanted, samples)
        self.add(part, f"{what}, p{high}", float(np.percentile(samples, high)), unit, wanted)

    def to_json(self) -> dict[str, Any]:
        return {
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "machine": {"cpus": os.cpu_count(), "memory": psutil.virtual_memory().total, "system": platform.platform()},
            "versions": {name: version(name) for name in ("streamlit", "torch", "playwright")},
            "load": self.load,
            "rows": [asdict(row) for row in self.rows],
        }


# ---------------------------------------------------------------- the server


@dataclass(frozen=True)
class Server:
    """A running server: its address, its process, and how long it took to say that it is well."""

    base: str
    process: psutil.Process
    seconds: float

    def memory(self) -> float:
        """Resident memory in MB."""
        return self.process.memory_info().rss / 1e6

    def worked(self) -> float:
        """Seconds of processor time so far."""
        times = self.process.cpu_times()
        return times.user + times.system


@contextmanager
def serve(script: str, *options: str) -> Iterator[Server]:
    """Run a script of this folder's parent under Streamlit until the block ends, however it ends."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true"]
    command += ["--server.address", "127.0.0.1", "--server.port", str(port), *options]
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            base = f"http://127.0.0.1:{port}"
            wait_until_well(base, process)
            yield Server(base, psutil.Process(process.pid), time.perf_counter() - start)
        except BaseException:
            log.seek(0)
            print(log.read().decode(errors="replace")[-4000:], file=sys.stderr)
            raise
        finally:
            stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_well(base: str, process: subprocess.Popen[bytes]) -> None:
    end, opener = time.perf_counter() + PATIENCE, build_opener(ProxyHandler({}))
    while time.perf_counter() < end and process.poll() is None:
        try:
            with opener.open(f"{base}/_stcore/health", timeout=PATIENCE) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:  # nobody listens yet, or not well yet
            pass
        time.sleep(0.02)
    raise RuntimeError("The server did not start.")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and all it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                continue


# ---------------------------------------------------------------- a real browser

WATCH = """
window.watch = {
  when: (test) => new Promise((resolve) => {
    const look = () => test() ? resolve(performance.now()) : requestAnimationFrame(look);
    look();
  }),
  epsilon: () => {
    for (const host of document.querySelectorAll('[data-testid=stBidiComponentIsolated]')) {
      const found = host.shadowRoot?.querySelector('.epsilon');
      if (found) return found;
    }
  },
  complete: () => watch.epsilon()?.dataset.complete === 'true',
  idle: () => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning',
  charts: () => [...document.querySelectorAll('[data-testid=stPlotlyChart]')],
  drawn: () => watch.charts().length > 1 && watch.charts().every((chart) => chart.querySelector('.main-svg'))
    && !document.querySelector('[data-testid=stSkeleton]'),
  drawnAt: (n) => watch.drawn() && watch.charts().filter((chart) =>
    chart.querySelector('.js-plotly-plot').layout.shapes?.some((line) => line.x0 === n && line.x1 === n)).length >= 2,
  numbersAt: (n) => new URL(location).searchParams.get('eps') === String(n)
    && [...document.querySelectorAll('[data-testid=stMetric]')].some((metric) => metric.textContent.includes('L∞')
      && metric.querySelector('[data-testid=stMetricValue]').textContent.trim() === n + '/255'),
  record: () => {
    const frames = [], steps = new Set();
    watch.frames = frames; watch.steps = steps;
    const tick = (now) => {
      frames.push(now); steps.add(watch.epsilon().dataset.n);
      if (watch.frames === frames) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  },
  recorded: () => {
    const { frames, steps } = watch;
    watch.frames = null;
    return { gaps: frames.slice(1).map((frame, i) => frame - frames[i]), steps: steps.size };
  },
};
addEventListener('pointerup', (event) => (watch.released = event.timeStamp), true);
addEventListener('change', (event) => (watch.changed = event.timeStamp), true);
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that runs already, so that its own start is not measured."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        try:
            page = browser.new_page()
            page.goto("about:blank")
            page.close()
            yield browser
        finally:
            browser.close()


@contextmanager
def visit(browser: Browser) -> Iterator[Page]:
    """An empty page of somebody who was never here: nothing in the browser's cache."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(1000 * PATIENCE)
    context.add_init_script(WATCH)
    try:
        yield context.new_page()
    finally:
        context.close()


def until(page: Page, test: str) -> None:
    """Wait for a JavaScript condition, looking at every frame."""
    page.evaluate(f"watch.when(() => {test})")


def seconds_until_usable(browser: Browser, base: str) -> float:
    """From the address to a slider that has all steps and moves under a key."""
    with visit(browser) as page:
        start = time.perf_counter()
        page.goto(f"{base}/fool", wait_until="commit")
        until(page, "watch.complete()")
        before = page.evaluate("watch.epsilon().dataset.n")
        page.locator(".epsilon input[type=range]").press("ArrowRight")
        until(page, f"watch.epsilon().dataset.n !== '{before}'")
        return time.perf_counter() - start


def seconds_until_finished(browser: Browser, base: str) -> float:
    """From the address to the whole page: slider, all charts drawn, and nothing running."""
    with visit(browser) as page:
        start = time.perf_counter()
        page.goto(f"{base}/fool", wait_until="commit")
        until(page, "watch.complete() && watch.drawn() && watch.idle()")
        return time.perf_counter() - start


def measure_visitor(report: Report, server: Server, browser: Browser, times: int) -> None:
    usable = [seconds_until_usable(browser, server.base) for _ in range(times)]
    finished = [seconds_until_finished(browser, server.base) for _ in range(times)]
    report.add("visitor", "first visitor on the warm server, slider usable", usable[0], "s", "<= 2.5")
    report.add(
        "visitor", f"next {times - 1} visitors, slider usable, p50", statistics.median(usable[1:]), "s", "", usable
    )
    report.add("visitor", f"{times} more, all charts drawn, p50", statistics.median(finished), "s", "", finished)


# ---------------------------------------------------------------- dragging and letting go


class Traffic:
    """What a page says to its server: websocket messages (heartbeats left out) and requests."""

    def __init__(self, page: Page) -> None:
        self.count: Counter[str] = Counter()
        page.on("websocket", lambda socket: socket.on("framesent", self._message))
        page.on("request", lambda _: self.count.update(["requests"]))

    def _message(self, frame: bytes | str) -> None:
        kind = BackMsg.FromString(frame if isinstance(frame, bytes) else frame.encode()).WhichOneof("type")
        if kind != "app_heartbeat":
            self.count["messages"] += 1


@dataclass(frozen=True)
class Release:
    """One drag: the gaps between its frames in ms, what it cost, and seconds from the release to each state of the page."""

    gaps: list[float]
    steps_shown: int
    asked: int
    numbers: float
    ended: float
    charts: float
    worked: float


def drag_and_release(page: Page, server: Server, traffic: Traffic, start: int, n: int, moves: int = 60) -> Release:
    """Drag from one step to the end, back to the start and to step n, about a second; let go; wait for the page."""
    box = page.locator(".epsilon input[type=range]").bounding_box()
    assert box
    thumb = 16  # Chromium's default

    def over(step: float) -> tuple[float, float]:
        return box["x"] + thumb / 2 + step / LAST * (box["width"] - thumb), box["y"] + box["height"] / 2

    page.mouse.move(*over(start))
    page.mouse.down()
    page.evaluate("watch.record()")
    before, worked = traffic.count.total(), server.worked()
    for step in np.interp(np.linspace(0, 3, moves), [0, 1, 2, 3], [start, LAST, 0, n]):
        page.mouse.move(*over(float(step)))
        page.wait_for_timeout(8)
    until(page, f"watch.epsilon().dataset.n === '{n}'")
    recorded = page.evaluate("watch.recorded()")
    asked = traffic.count.total() - before
    states = ("", " && watch.idle()", f" && watch.idle() && watch.drawnAt({n})")
    tests = ", ".join(f"watch.when(() => watch.numbersAt({n}){state})" for state in states)
    page.evaluate(f"() => {{ watch.waiting = Promise.all([{tests}]); }}")
    page.mouse.up()
    numbers, ended, charts = page.evaluate(
        "watch.waiting.then((moments) => moments.map((moment) => (moment - watch.released) / 1000))"
    )
    return Release(recorded["gaps"], recorded["steps"], asked, numbers, ended, charts, server.worked() - worked)


def measure_release(report: Report, server: Server, browser: Browser, steps: Sequence[int]) -> None:
    """Every step is asked twice: the second time its answer is kept."""
    with visit(browser) as page:
        traffic = Traffic(page)
        page.goto(f"{server.base}/fool?eps=0", wait_until="commit")
        until(page, "watch.complete() && watch.drawn() && watch.idle()")
        path = [0, *steps, *steps]
        done = [drag_and_release(page, server, traffic, *pair) for pair in pairwise(path)]
    gaps = [gap for release in done for gap in release.gaps]
    report.add("release", "frames of a drag", 1000 * len(gaps) / sum(gaps), "1/s", "60")
    report.add_spread("release", "gap between two frames of a drag", gaps, "ms", "16.7", high=95)
    shown = [float(release.steps_shown) for release in done]
    report.add("release", "steps shown during a drag, p50", statistics.median(shown), "", "", shown)
    asked = [float(release.asked) for release in done]
    report.add("release", "messages and requests during all drags", sum(asked), "", "0", asked)
    for name, some in (("new step", done[: len(steps)]), ("known step", done[len(steps) :])):
        numbers, ended, charts, worked = (
            [float(getattr(release, part)) for release in some] for part in ("numbers", "ended", "charts", "worked")
        )
        report.add_spread("release", f"{name}: release to link and measures", numbers, "s", "<= 0.5")
        report.add_spread("release", f"{name}: release to end of script", ended, "s", "<= 0.5")
        report.add_spread("release", f"{name}: release to charts drawn, nothing running", charts, "s", "<= 0.5")
        report.add("release", f"{name}: server's processor time, p50", statistics.median(worked), "s", "", worked)


# ---------------------------------------------------------------- a photo of one's own

BARE = """
import json, statistics, sys, time
from pathlib import Path
import torch
from attacks.axis import FINE, ask
from attacks.classification import cross_entropy
from attacks.gradient import gradient
from models import zoo
from models.picture import read_picture, to_pixels

def timed(work):
    times = []
    for _ in range(6):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return result, statistics.median(times[1:])

model, data = zoo.load(zoo.EMBEDDED), Path(sys.argv[1]).read_bytes()
x, read = timed(lambda: to_pixels(read_picture(data, "photo.jpg"), model.size))
(_, grad), backward = timed(lambda: gradient(cross_entropy(model, None), x))
_, forward = timed(lambda: ask(model, x, grad.sign(), FINE))
print(json.dumps({"read": read, "backward": backward, "forward": forward}))
"""


def photo(seed: int, width: int = 4000, height: int = 3000) -> bytes:
    """A JPEG as large as a phone's: soft random shapes, finer ones on them, and grain."""
    chance = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((6, 90), (40, 50), (300, 25)):
        small = Image.fromarray(chance.integers(0, 256, (cells, cells, 3), np.uint8))
        picture += (
            np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 127.5 - 1
        ) * strength
    picture += 128 + chance.normal(0, 5, (height, width, 1)).astype(np.float32)
    file = io.BytesIO()
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def bare_seconds(path: Path) -> dict[str, float]:
    """The least that an uploaded photo needs, without a server: read it, one backward pass, one forward pass of 33."""
    command = [sys.executable, "-c", BARE, str(path)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=PATIENCE)
    return dict(json.loads(done.stdout))


def upload(browser: Browser, server: Server, path: Path) -> tuple[float, float]:
    """Seconds from the choice of the file to a slider that answers, and to one that answers at every step."""
    with visit(browser) as page:
        page.goto(f"{server.base}/fool?source=Upload", wait_until="commit")
        until(page, "document.querySelector('input[type=file]') && watch.idle()")
        tests = "watch.when(() => watch.epsilon()?.dataset.answer), watch.when(watch.complete)"
        page.evaluate(f"() => {{ watch.waiting = Promise.all([{tests}]); }}")
        page.locator("input[type=file]").set_input_files(path)
        live, complete = page.evaluate("watch.waiting.then((both) => both.map((at) => (at - watch.changed) / 1000))")
        return live, complete


def measure_upload(
    report: Report, server: Server, browser: Browser, photos: Sequence[Path], bare: dict[str, float]
) -> None:
    live, complete = zip(*[upload(browser, server, path) for path in photos], strict=True)
    both = bare["backward"] + bare["forward"]
    report.add("upload", "without a server: reading the photo, p50", bare["read"], "s")
    report.add("upload", "without a server: backward pass + forward pass of 33, p50", both, "s")
    report.add_spread("upload", "photo chosen to slider live (coarse steps)", live, "s")
    report.add_spread("upload", "photo chosen to every step answered", complete, "s")
    report.add("upload", "every step answered / the two passes", statistics.median(complete) / both, "x")


# ---------------------------------------------------------------- many visitors, by the browser's protocol


def rerun(page: str, query: str = "", fragment: str = "", script: str = "", painted: str = "") -> bytes:
    """The message with which a browser asks for a run of the page, or of one fragment of it."""
    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.page_name = page
    message.rerun_script.page_script_hash = script
    message.rerun_script.fragment_id = fragment
    message.rerun_script.is_auto_rerun = bool(fragment)
    message.rerun_script.context_info.timezone = "UTC"
    if painted:  # the browser's word that this component has been drawn
        message.rerun_script.widget_states.widgets.add(id=painted, json_value='{"painted": true}')
    return message.SerializeToString()


def open_socket(base: str) -> connect:
    """A connection as the browser opens it."""
    return connect(
        f"{base.replace('http', 'ws')}/_stcore/stream",
        origin=Origin(base),
        subprotocols=[Subprotocol("streamlit")],
        max_size=None,
        proxy=None,
        open_timeout=PATIENCE,
    )


async def run_page(socket: ClientConnection, page: str, query: str) -> float:
    """Ask for a page as somebody who just came, say that the slider stands, read all of it, and return the seconds."""
    start = time.perf_counter()
    slider = await read_run(socket, rerun(page, query))
    await read_run(socket, rerun(page, query, painted=slider))
    return time.perf_counter() - start


async def read_run(socket: ClientConnection, request: bytes) -> str:
    """Send a request and read until a run has ended well. Returns the id of the page's component."""
    component = ""
    await socket.send(request)
    async with asyncio.timeout(PATIENCE):
        async for data in socket:
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            component = message.delta.new_element.bidi_component.id or component
            if message.WhichOneof("type") == "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    return component
                await socket.send(request)
    raise RuntimeError("The server closed the connection.")


async def measure_sessions(report: Report, server: Server, counts: Sequence[int]) -> None:
    """Memory at rest and with more and more sessions that stay open, each at another step of the slider."""
    at_rest = server.memory()
    report.add("sessions", "memory at rest", at_rest, "MB")
    sockets: list[ClientConnection] = []
    try:
        for count in counts:
            more = range(len(sockets), count)
            new = [await open_socket(server.base) for _ in more]
            sockets += new
            queries = [f"eps={number % (LAST + 1)}" for number in more]
            pages = (run_page(socket, "fool", query) for socket, query in zip(new, queries, strict=True))
            seconds = await asyncio.gather(*pages)
            await asyncio.sleep(TIDY)
            memory = server.memory()
            report.add("sessions", f"memory with {count} sessions", memory, "MB")
            report.add("sessions", f"more for each of {count} sessions", (memory - at_rest) / count, "MB")
            report.add(
                "sessions", f"{len(new)} open the page at once: the last has it after", max(seconds), "s", "", seconds
            )
    finally:
        for socket in sockets:
            await socket.close()


@dataclass
class Viewer:
    """A visitor of a live page: when each new picture came, and the training step that it showed."""

    page: str = ""
    query: str = ""
    arrived: list[float] = field(default_factory=list)
    step: int = 0
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    lost: bool = False

    async def watch(self, base: str) -> None:
        """Load the page, then ask for its fragment as often as the page says, until cancelled."""
        try:
            async with open_socket(base) as socket, asyncio.TaskGroup() as group:
                await socket.send(rerun(self.page, self.query))
                await self._read(socket, group)
        except* (OSError, WebSocketException):
            self.lost = True

    async def _read(self, socket: ClientConnection, group: asyncio.TaskGroup) -> None:
        script, asking = "", None
        async for data in socket:
            message = ForwardMsg.FromString(data if isinstance(data, bytes) else data.encode())
            kind = message.WhichOneof("type")
            if kind == "new_session":
                script = message.new_session.page_script_hash
            elif kind == "auto_rerun" and asking is None:
                every = message.auto_rerun
                ask = rerun(self.page, self.query, every.fragment_id, script)
                asking = group.create_task(ask_every(socket, every.interval, ask))
            elif kind == "delta":
                self._saw(self.step_of(message.delta.new_element))

    def step_of(self, element: Element) -> int | None:
        """The training step that an element tells, if any."""
        return int(element.imgs.imgs[0].caption.split()[-1]) if element.HasField("imgs") else None

    def _saw(self, step: int | None) -> None:
        if step is not None and step != self.step:
            self.step = step
            self.arrived.append(time.perf_counter())
            self.loaded.set()


async def ask_every(socket: ClientConnection, interval: float, message: bytes) -> None:
    """As the browser's setInterval: at fixed times, whether or not the last answer is there."""
    start, ticks = time.perf_counter(), 0
    while True:
        ticks += 1
        await asyncio.sleep(max(0.0, start + ticks * interval - time.perf_counter()))
        await socket.send(message)


async def measure_live(report: Report, server: Server, name: str, viewers: Sequence[Viewer], seconds: float) -> None:
    """Updates that each visitor sees in a second."""
    tasks = []
    for viewer in viewers:
        tasks.append(asyncio.create_task(viewer.watch(server.base)))
        await asyncio.sleep(0.13)
    waiting = [asyncio.create_task(viewer.loaded.wait()) for viewer in viewers]
    await asyncio.wait(waiting, timeout=30)
    start, first = time.perf_counter(), max(viewer.step for viewer in viewers)
    await asyncio.sleep(seconds)
    end, last = time.perf_counter(), max(viewer.step for viewer in viewers)
    for task in (*waiting, *tasks):
        task.cancel()
    await asyncio.gather(*waiting, *tasks, return_exceptions=True)
    seen = [[at for at in viewer.arrived if start <= at <= end] for viewer in viewers]
    rates = [len(times) / (end - start) for times in seen]
    gaps = [1000 * gap for times in seen for gap in np.diff(times)]
    label = f"{len(viewers)} sessions{name}"
    report.add("live", f"{label}: updates of each a second, mean", statistics.mean(rates), "1/s", ">= 1.6", rates)
    report.add("live", f"{label}: updates of the slowest", min(rates), "1/s", ">= 1.6")
    if gaps:
        report.add_spread("live", f"{label}: gap between updates", gaps, "ms", "500")
    report.add("live", f"{label}: training steps seen a second", (last - first) / (end - start), "1/s")
    report.add("live", f"{label}: memory", server.memory(), "MB")
    if lost := sum(viewer.lost for viewer in viewers):
        report.add("live", f"{label}: connections lost", lost, "")


# ---------------------------------------------------------------- parts


def part_visits(report: Report, options: argparse.Namespace) -> None:
    """start, visitor, release and upload: one server, one browser."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        photos = [folder / f"photo{seed}.jpg" for seed in range(options.times)] if "upload" in options.parts else []
        for seed, path in enumerate(photos):
            path.write_bytes(photo(seed))
        bare = bare_seconds(photos[0]) if photos else {}
        note_load(report, "start")
        server = stack.enter_context(serve("app.py"))
        if "start" in options.parts:
            report.add("start", "process start to health ok", server.seconds, "s")
            report.add("start", "memory at rest", server.memory(), "MB")
        if options.parts & {"visitor", "release", "upload"}:
            browser = stack.enter_context(chromium())
            work: dict[str, Callable[[], None]] = {
                "visitor": lambda: measure_visitor(report, server, browser, options.times),
                "release": lambda: measure_release(report, server, browser, RELEASES[: options.releases]),
                "upload": lambda: measure_upload(report, server, browser, photos, bare),
            }
            for part in [part for part in work if part in options.parts]:
                note_load(report, part)
                work[part]()


def part_sessions(report: Report, options: argparse.Namespace) -> None:
    note_load(report, "sessions")
    with serve("app.py") as server:
        asyncio.run(measure_sessions(report, server, options.sessions))


def part_live(report: Report, options: argparse.Namespace) -> None:
    """The server's way, then Streamlit's default: a forced collection after each rerun, nothing frozen."""
    note_load(report, "live")
    for count in options.viewers:
        with serve("benchmarks/live_app.py") as server:
            asyncio.run(measure_live(report, server, "", [Viewer() for _ in range(count)], options.seconds))
    for name, script in ((", postScriptGC", "live_app.py"), (", postScriptGC, no freeze", "live_page.py")):
        with serve(f"benchmarks/{script}", "--runner.postScriptGC", "true") as server:
            viewers = [Viewer() for _ in range(options.viewers[0])]
            asyncio.run(measure_live(report, server, name, viewers, options.seconds))


RELEASES = (29, 7, 25, 11, 31, 5, 22, 9, 27, 14)  # steps that no other part asks for
PARTS = ("start", "visitor", "release", "upload", "sessions", "live")


def note_load(report: Report, part: str) -> None:
    report.load[part] = round(os.getloadavg()[0], 2)
    print(f"# {part}: load average {report.load[part]}", flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"which of: {', '.join(PARTS)}; all without")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table and its samples there too")
    parser.add_argument("--times", type=int, default=5, help="visitors and uploads")
    parser.add_argument("--releases", type=int, default=10, help=f"steps released at, at most {len(RELEASES)}")
    parser.add_argument("--seconds", type=float, default=20, help="how long the live page is watched")
    parser.add_argument("--sessions", type=int, nargs="+", default=[20, 50], help="open sessions, ascending")
    parser.add_argument("--viewers", type=int, nargs="+", default=[10, 50], help="visitors of the live page")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    options.parts = set(options.parts or PARTS)
    return options


def main() -> None:
    options, report = arguments(), Report()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is stopped then, too
    try:
        if options.parts - {"sessions", "live"}:
            part_visits(report, options)
        if "sessions" in options.parts:
            part_sessions(report, options)
        if "live" in options.parts:
            part_live(report, options)
    finally:
        if options.json:
            options.json.write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

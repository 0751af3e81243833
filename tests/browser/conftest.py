"""A real server and a real Chromium, both started once."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
expect.set_options(timeout=30_000)  # two busy cores
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ERRORS = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)+(\S.*)", re.MULTILINE
)  # what each ends in
LEFT = "starlette.websockets.WebSocketDisconnected"  # a browser that went while it was being connected: not ours, and harmless
QUIET = [  # no sandbox for root, no calls to the browser's makers
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, warm."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    environment = os.environ | {"TORCH_HOME": str(log.parent)}  # no weights from this machine's cache
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield _when_healthy(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.terminate()
        process.wait(20)
    broken = [error for error in ERRORS.findall(log.read_text()) if not error.startswith(LEFT)]
    assert not broken, log.read_text()[-4000:]


def _when_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> str:
    for _ in range(600):
        try:
            if urllib.request.urlopen(f"{address}/_stcore/health", timeout=5).status == 200:
                return address
        except OSError:
            time.sleep(0.2)
        assert process.poll() is None, log.read_text()
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh visitor at 1280×800. Fails at the end if the page threw an error or asked another machine for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    visitor = context.new_page()
    visitor.set_default_timeout(60_000)
    errors: list[str] = []
    outside: list[str] = []
    visitor.on("pageerror", lambda error: errors.append(str(error)))
    local = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
    visitor.on("request", lambda request: None if request.url.startswith(local) else outside.append(request.url))
    yield visitor
    context.close()
    assert not errors
    assert not outside

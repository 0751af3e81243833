"""Translate: how long a sentence and a touch take, what travels to the browser, and how fast it is stepped and hovered.

`python -m benchmarks.alignment` needs the test environment (Chromium). The peer is BertViz, if it is installed
(`pip install bertviz`): its HTML for one head of as many tokens.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright

from models import memory, zoo
from models.measure import median_seconds
from models.trace import Trace
from models.writer import Touch
from ui.components.alignment import packed, standalone

TWENTY = "Two young girls in blue dresses are sitting on a red bench in front of the old house and eating bread ."
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
HOVER = """async (root) => {
    const canvas = root.querySelector(".matrix"), times = [];
    for (let i = 0; i < 60; i++) {
        const box = canvas.getBoundingClientRect(), start = performance.now();
        canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + 60 + 3 * i, clientY: box.top + 150 + 7 * i }));
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        times.push(performance.now() - start);
    }
    return times;
}"""
STEP = """async (root) => {
    const times = [];
    for (let i = 0; i < 60; i++) {
        const start = performance.now();
        root.querySelector("button.next").click();
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        times.push(performance.now() - start);
    }
    return times;
}"""


def made(n: int) -> Trace:
    """A trace of n × n random weights."""
    draw = np.random.default_rng(0)
    scores = draw.normal(size=(1, n, n)).astype(np.float32)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    names = tuple(f"word{i}" for i in range(n))
    candidates = tuple(tuple((f"candidate{k}", 0.05) for k in range(10)) for _ in range(n))
    return Trace(names, names, ("attention",), scores, weights, np.zeros(n, np.float32), candidates)


def decoding() -> dict[str, float]:
    """Milliseconds for a sentence of twenty words."""
    model = zoo.translator("perceptron")
    tokens = len(model.read(TWENTY)[0])
    trace = model.write(TWENTY)
    row = tuple([1 / len(trace.source)] * len(trace.source))
    return {
        "tokens": tokens,
        "greedy_ms": 1000 * median_seconds(lambda: model.write(TWENTY)),
        "beam5_ms": 1000 * median_seconds(lambda: model.write(TWENTY, beam=5)),
        "touched_ms": 1000 * median_seconds(lambda: model.write(TWENTY, Touch(weights={0: row}))),
    }


def drawing(page: Page, n: int, folder: Path) -> dict[str, Any]:
    """Payload, and the time from a step or a hover to the end of the frame that shows it."""
    file = folder / f"{n}.html"
    file.write_bytes(standalone(made(n), str(n)))
    page.goto(file.as_uri())
    root = page.locator(".alignment")
    times = {name: np.array(root.evaluate(script)) for name, script in (("hover", HOVER), ("step", STEP))}
    bytes_sent = len(packed(made(n), None, Touch()))
    peer = bertviz_bytes(n)
    figures = {
        f"{name}_ms_{p}": round(float(np.percentile(value, p)), 1) for name, value in times.items() for p in (50, 95)
    }
    return {
        "n": n,
        "payload_kB": bytes_sent / 1000,
        **figures,
        "bertviz_kB": peer and peer / 1000,
        "ratio": peer and peer / bytes_sent,
    }


def bertviz_bytes(n: int) -> int | None:
    """The HTML of BertViz' head view of one head over n tokens. None if BertViz is not installed."""
    try:
        from bertviz import head_view
    except ImportError:
        return None
    attention = [torch.rand(1, 1, n, n).softmax(-1)]
    return len(head_view(attention, [f"word{i}" for i in range(n)], html_action="return").data)


def main() -> None:
    memory.keep_large_blocks()
    torch.set_num_threads(2)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        drawn = [drawing(page, n, Path(folder)) for n in (20, 64, 128)]
        browser.close()
    print(json.dumps({"decoding": decoding(), "drawing": drawn}, indent=1))


if __name__ == "__main__":
    main()

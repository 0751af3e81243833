"""How long a visitor waits for an attack: from a key to the first picture, and to the finished page, in a real Chromium.

    .venv/bin/python -m benchmarks.attack_pages                       # about two minutes
    .venv/bin/python -m benchmarks.attack_pages caption --json out.json

Every measurement is of an attack that nobody asked for before: the server keeps what it computed.
"""

import argparse
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page

from benchmarks.server import Report, chromium, note_load, serve, until, visit

SEEN = """
addEventListener('keydown', (event) => (watch.pressed = event.timeStamp), true);
watch.says = (words) => document.querySelector('[data-testid=stMain]')?.textContent.includes(words);
watch.shown = (image) => image.complete && image.naturalWidth > 0;
watch.pictures = () => [...document.querySelectorAll('[data-testid=stImage] img')];
watch.working = () => document.querySelector('[data-testid=stProgress]');
watch.finished = () => watch.idle() && !watch.working() && !document.querySelector('[data-testid=stSkeleton]')
  && watch.pictures().every(watch.shown) && watch.charts().length > 0
  && watch.charts().every((chart) => chart.querySelector('.main-svg'));
watch.first = () => {
  const bar = watch.working(), image = bar?.closest('[data-testid=stVerticalBlock]')?.querySelector('[data-testid=stImage] img');
  return image && /step [0-9]/i.test(bar.textContent) && watch.shown(image);
};
"""


def open_page(page: Page, address: str) -> None:
    """The page, finished."""
    page.add_init_script(SEEN)
    page.goto(address)
    until(page, "watch.finished()")


def after_key(page: Page, slider: str, states: tuple[str, ...]) -> list[float]:
    """A step to the right on a slider; the seconds until each of these states, or until the last if it comes before."""
    tests = ", ".join(f"watch.when(() => ({state}) || ({states[-1]}))" for state in states)
    page.evaluate(f"() => {{ watch.waiting = Promise.all([{tests}]); }}")
    page.get_by_role("slider", name=slider).press("ArrowRight")
    moments = page.evaluate("watch.waiting.then((moments) => moments.map((moment) => (moment - watch.pressed) / 1000))")
    return [float(moment) for moment in moments]


def measure_caption(report: Report, browser: Browser, base: str, times: int) -> None:
    """FGSM on the captioner, ε from 3 on: the caption, the maps, every ε of the axis and its charts."""
    with visit(browser) as page:
        open_page(page, f"{base}/attention_under_attack?{urlencode({'steps': 1, 'eps': 2})}")
        found = []
        for n in range(3, 3 + times):
            said = f"watch.says('After, ±{n}/255')"
            found.append(after_key(page, "ε in 255ths", (said, f"{said} && watch.finished()")))
    said_after, finished = zip(*found, strict=True)
    report.add_spread("caption", "FGSM on the captioner, key to caption", said_after, "s", "<= 1.5")
    report.add_spread("caption", "FGSM on the captioner, key to finished page, its axis of every ε too", finished, "s")


def measure_pgd(report: Report, browser: Browser, base: str, times: int) -> None:
    """Twenty steps of PGD on the embedded classifier, ε from 3 on."""
    with visit(browser) as page:
        open_page(page, f"{base}/attacks?{urlencode({'attack': 'PGD', 'steps': 20, 'eps': 2})}")
        found = []
        for n in range(3, 3 + times):
            done = f"watch.says('L∞ = {n}/255') && watch.finished()"
            found.append(after_key(page, "ε in 255ths", ("watch.first()", done)))
    first, finished = zip(*found, strict=True)
    report.add_spread("pgd", "20 steps of PGD, key to the first picture seen", first, "s")
    report.add_spread("pgd", "20 steps of PGD, key to finished page", finished, "s", "<= 3")


def measure_annotate(report: Report, browser: Browser, base: str, times: int) -> None:
    """One more round of all strategies and seeds, by the key N, of first labels that nobody began with."""
    with visit(browser) as page:
        open_page(page, f"{base}/annotate?{urlencode({'start': 17})}")
        found = []
        for _ in range(times):
            page.evaluate(
                "() => { watch.waiting = watch.when(() => !watch.idle()).then(() => watch.when(() => watch.finished())); }"
            )
            page.keyboard.press("n")
            found.append(float(page.evaluate("watch.waiting.then((moment) => (moment - watch.pressed) / 1000)")))
    report.add_spread("annotate", "one more round of every curve, key to finished page", found, "s")


PARTS: dict[str, Callable[[Report, Browser, str, int], None]] = {
    "caption": measure_caption,
    "pgd": measure_pgd,
    "annotate": measure_annotate,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"which of: {', '.join(PARTS)}; all without")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table and its samples there too")
    parser.add_argument("--times", type=int, default=8, help="measurements of each, at most 13")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return options


def main() -> None:
    options, report = arguments(), Report()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped then, too
    try:
        with serve("app.py") as server, chromium() as browser:
            for part in options.parts or PARTS:
                note_load(report, part)
                PARTS[part](report, browser, server.base, min(options.times, 13))
    finally:
        if options.json:
            options.json.write_text(json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Adapt, as a visitor does it: the moons are started, learn while one watches, and are stopped."""

import re

from playwright.sync_api import Page, expect


def test_the_moons_learn_while_one_watches_and_stop(page: Page, server: str) -> None:
    page.goto(f"{server}/adapt?adapt_speed=4+a+second")
    expect(page.get_by_text("Not begun")).to_be_visible()
    page.get_by_role("button", name="Start Shortcut k").click()
    expect(page.get_by_text(re.compile(r"step ([2-9]|\d\d) of 60"))).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"Stopped: step \d+ of 60"))).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name=re.compile("^Resume"))).to_be_visible()

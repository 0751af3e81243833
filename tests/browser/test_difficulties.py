"""Difficulties, as a visitor does it: a switch, a start, two curves that grow, a stop."""

import re

from playwright.sync_api import Page, expect


def test_a_difficulty_is_chosen_started_and_stopped(page: Page, server: str) -> None:
    page.goto(f"{server}/difficulties?difficulties_speed=4+a+second")
    expect(page.get_by_text("Not begun")).to_be_visible()
    page.get_by_role("radio", name="A task that nobody can learn").click()
    expect(page.get_by_text("judge of a coin", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Start Shortcut k").click()
    expect(page.get_by_text(re.compile(r"step ([2-9]|\d\d) of 30"))).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"Stopped: step \d+ of 30"))).to_be_visible(timeout=30_000)

"""Adapt, as a visitor does it: the moons learn while one watches, pause and stop; a recorded run is scrubbed without the server."""

import re

from playwright.sync_api import Page, expect


def test_the_moons_learn_while_one_watches_pause_and_stop(page: Page, server: str) -> None:
    page.goto(f"{server}/adapt?adapt_speed=1+a+second")
    expect(page.get_by_text("Not begun")).to_be_visible()
    point = page.locator(".stPlotlyChart").nth(1).locator("path.point").first
    before = str(point.get_attribute("transform"))
    page.get_by_role("button", name="Start Shortcut k").click()
    expect(page.get_by_text(re.compile(r"Trains: step [1-9]\d* of 60"))).to_be_visible(timeout=60_000)
    expect(point).not_to_have_attribute("transform", before)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text(re.compile(r"Paused: step \d+ of 60"))).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"Stopped: step \d+ of 60"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Resume"))).to_be_visible()


def test_a_recorded_run_is_scrubbed_without_the_server(page: Page, server: str) -> None:
    page.goto(f"{server}/adapt?part=Digits+on+photographs")
    mixing = page.locator(".stPlotlyChart").nth(1)
    expect(mixing.get_by_text("snapshot 0")).to_be_visible()
    point = mixing.locator("path.point").first
    before = str(point.get_attribute("transform"))
    sent: list[str] = []
    page.on("websocket", lambda socket: sent.append(socket.url))
    page.context.set_offline(True)
    mixing.locator(".slider-rail-touch-rect").click()
    expect(mixing.get_by_text(re.compile("snapshot [1-9]"))).to_be_visible()
    expect(point).not_to_have_attribute("transform", before)

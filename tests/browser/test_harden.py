"""Harden, as a visitor does it: a run is started, seen to change, and stopped; a digit is drawn."""

import re

from playwright.sync_api import Page, expect


def open_page(page: Page, server: str, query: str) -> None:
    page.goto(f"{server}/harden?{query}")
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")


def test_the_plane_changes_while_it_trains_and_stop_stops_it(page: Page, server: str) -> None:
    open_page(page, server, "part=Two+moons")
    boundary = page.locator(".js-plotly-plot .contourlayer path, .js-plotly-plot .contour path").first
    before = boundary.get_attribute("d")
    page.get_by_role("button", name="Start", exact=False).first.click()
    expect(boundary).not_to_have_attribute("d", before or "")
    expect(page.get_by_text(re.compile(r"Trains: step \d+ of 400"))).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    stopped = page.get_by_text(re.compile(r"Stopped: step \d+ of 400"))
    expect(stopped).to_be_visible()
    at, drawn = stopped.inner_text(), boundary.get_attribute("d")
    page.get_by_text("Formula · Code · Numbers").scroll_into_view_if_needed()
    expect(stopped).to_have_text(at)
    expect(boundary).to_have_attribute("d", drawn or "")


def test_a_drawn_digit_is_attacked_and_cleared(page: Page, server: str) -> None:
    open_page(page, server, "part=Draw+a+digit")
    expect(page.get_by_text("Draw a digit on the black sheet")).to_be_visible()
    sheet = page.locator(".sketch canvas")
    box = sheet.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 230, steps=8)
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"Says \d \("))).to_have_count(3)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Draw a digit on the black sheet")).to_be_visible()

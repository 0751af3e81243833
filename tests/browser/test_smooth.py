"""Smooth without labels, as a visitor does it: the planes change while it trains, and a click looks at an example."""

import re

from playwright.sync_api import Page, expect


def test_the_plane_changes_while_it_trains_and_an_example_is_clicked(page: Page, server: str) -> None:
    page.goto(f"{server}/smooth?run=browser&smooth_speed=4+a+second")
    expect(page.get_by_text("Take it home")).to_be_visible()
    expect(page.get_by_role("heading", name="Example 0: which way is worst?")).to_be_visible()
    page.get_by_role("button", name="Start", exact=False).first.click()
    expect(page.get_by_text(re.compile(r"Trains.*step (?!0 )\d+ of 2000"))).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    expect(page.get_by_text("test error, %").first).to_be_visible()
    plane = page.locator(".js-plotly-plot").nth(1)
    mark = plane.locator(".scatterlayer .trace").nth(0).locator("path.point").nth(20)
    mark.click(force=True)  # Plotly's own layer lies over it
    expect(page.get_by_role("heading", name=re.compile(r"Example [1-9]\d*: which way"))).to_be_visible()

"""Smooth without labels, as a visitor does it: the planes change while it trains, and a click looks at an example."""

import re

from playwright.sync_api import Page, expect

from tests.browser.driving import settle


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
    settle(page)
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # Plotly's own layer lies over it
    expect(page.get_by_role("heading", name=re.compile(r"Example [1-9]\d*: which way"))).to_be_visible()


def test_a_click_counts_once_though_a_look_at_the_run_tells_of_it_too(page: Page, server: str) -> None:
    page.goto(f"{server}/smooth?run=once&smooth_speed=1+a+second")
    expect(page.get_by_text("Take it home")).to_be_visible()
    page.get_by_role("button", name="Start", exact=False).first.click()
    pause = page.get_by_role("button", name="Pause")
    expect(pause).to_be_visible()
    settle(page)
    # A busy browser sends a click's own message late: a look that is due in between tells of the click, too.
    pause.evaluate(
        """(button) => {
            const real = window.setTimeout;
            window.setTimeout = (act, ms, ...rest) => real(act, ms || 700, ...rest);
            button.click();
            window.setTimeout = real;
        }"""
    )
    play = page.get_by_role("button", name="Play")
    expect(play).to_be_visible()
    page.wait_for_timeout(2000)
    settle(page)
    expect(play).to_be_visible()

"""What to label next, as a visitor does it: letting the curves grow, stopping them, labelling by hand."""

import re

from playwright.sync_api import Page, expect

from tests.browser.driving import settle


def open_page(page: Page, server: str, query: str) -> None:
    page.goto(f"{server}/annotate?{query}")
    expect(page.get_by_text("Take it home")).to_be_visible()
    settle(page)


def test_curves_grow_and_stop_where_a_visitor_stops_them(page: Page, server: str) -> None:
    open_page(page, server, "rounds=0&seeds=3")
    page.get_by_role("button", name="One more round").click()
    expect(page.get_by_text("Computed here, 20 labels")).to_be_visible()
    expect(page).to_have_url(re.compile("rounds=1"))
    page.get_by_role("button", name="On to 200 labels").click()
    expect(page.get_by_text(re.compile(r"Round [3-9] of 19"))).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_text(re.compile(r"Computed here, [3-9]\d labels|Computed here, 1[0-7]0 labels"))).to_be_visible()


def test_a_digit_is_labelled_by_its_key(page: Page, server: str) -> None:
    open_page(page, server, "part=You+label")
    page.get_by_role("button", name="7 Shortcut 7").press("7")
    expect(page.get_by_text(re.compile("You said 7; it is a|7 is right"))).to_be_visible()
    expect(page).to_have_url(re.compile("said=7"))
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text(re.compile("You said 7"))).to_have_count(0)


def test_the_plane_follows_its_slider(page: Page, server: str) -> None:
    open_page(page, server, "part=Two+moons&round=2")
    page.get_by_role("slider", name="Round").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("13 labels, test accuracy")).to_be_visible()
    expect(page).to_have_url(re.compile("round=3"))

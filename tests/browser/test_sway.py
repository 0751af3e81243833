"""Attention under attack, as a visitor does it: another sentence, a region painted for a look, and a way to stop."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.driving import settle


def open_page(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/attention_under_attack?{query}")
    expect(page.get_by_text(re.compile("reached", re.IGNORECASE)).first).to_be_visible(timeout=60_000)


def test_the_word_in_view_is_in_the_link_and_comes_back_with_it(page: Page, server: str) -> None:
    open_page(page, server)
    settle(page)
    expect(page.get_by_text("After, ±2/255")).to_be_visible()
    expect(page).to_have_url(re.compile(r"step=\d+"))
    expect(page.get_by_role("button", name="First")).to_be_enabled()
    expect(page.get_by_role("button", name="Link to this state")).to_be_visible()  # the last thing of the page
    settle(page)
    page.keyboard.press("Home")
    expect(page.get_by_text("1 a: before")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("2 woman: before")).to_be_visible()
    expect(page).to_have_url(re.compile("step=2"))
    open_page(page, server, "step=4")
    expect(page.get_by_text(re.compile("^4 .*: before$"))).to_be_visible()


def test_a_region_is_painted_by_mouse_and_by_keys_and_is_in_the_link(page: Page, server: str) -> None:
    page.goto(f"{server}/attention_under_attack?goal=look+there%2C+say+the+same&steps=1")
    picture = page.get_by_role("application")
    expect(page.locator(".painting[data-drawn=true]")).to_have_attribute("data-cells", "0", timeout=60_000)
    expect(page.get_by_text("Paint the cells where it shall look")).to_be_visible()
    box = picture.bounding_box()
    assert box
    at = [(box["x"] + (column + 0.5) * box["width"] / 7, box["y"] + box["height"] / 14) for column in (0, 1, 2)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1])
    page.mouse.move(*at[2])
    page.mouse.up()
    expect(page.get_by_text("3 of 49 cells painted")).to_be_visible()
    expect(page.get_by_text(re.compile("was on the painted cells before"))).to_be_visible(timeout=60_000)
    expect(page).to_have_url(re.compile(r"region=7x7\.7\b"))
    picture.focus()  # the stroke began in the first cell; two down and one to the right, then Space
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Space"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile(r"region=7x7\.8007\b"), timeout=60_000)
    page.get_by_role("button", name="Clear").click()
    expect(page).to_have_url(re.compile(r"region=7x7\.0\b"), timeout=60_000)
    expect(page.get_by_text("Paint the cells where it shall look")).to_be_visible()


def test_a_long_attack_is_stopped_and_the_page_goes_on(page: Page, server: str) -> None:
    page.goto(f"{server}/attention_under_attack?goal=look+there%2C+say+the+same&eps=1&steps=200&region=7x7.183")
    page.get_by_role("button", name="Stop").last.click(timeout=60_000)
    expect(page.get_by_text(re.compile(r"Stopped after \d+ steps"))).to_be_visible()
    expect(page.get_by_role("button", name="Do it from the beginning")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_nothing_sticks_out(page: Page, server: str, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    open_page(page, server)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

"""Generate, as a visitor does it: points move while it trains, and stand still when it is stopped; a drawing becomes a task."""

import re

from playwright.sync_api import Page, expect


def moment(page: Page) -> int:
    return int(page.locator(".plane").get_attribute("data-moment") or 0)


def test_points_move_while_it_trains_and_stop_stops_them(page: Page, server: str) -> None:
    page.goto(f"{server}/generate")
    canvas = page.locator(".plane canvas")
    expect(page.locator(".plane")).to_have_attribute("data-moment", "0")
    before = canvas.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("button", name="Start", exact=False).first.click()
    expect(page.locator(".plane")).to_have_attribute("data-moment", re.compile(r"^[1-9]\d+$"))
    assert canvas.evaluate("canvas => canvas.toDataURL()") != before
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped")).to_be_visible()
    stopped = moment(page)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".plane")).not_to_have_attribute("data-moment", str(stopped))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped")).to_be_visible()


def test_what_is_drawn_is_learned(page: Page, server: str) -> None:
    page.goto(f"{server}/generate?shape=Draw+your+own")
    canvas = page.locator(".plane.drawable canvas")
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 120, steps=8)
    page.mouse.up()
    expect(page).to_have_url(re.compile("drawn="))
    page.get_by_role("button", name="Start", exact=False).first.click()
    expect(page.locator(".plane:not(.drawable)")).to_have_attribute("data-moment", re.compile(r"^[1-9]\d+$"))
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped")).to_be_visible()


def test_mnist_is_scrubbed_without_asking_the_server(page: Page, server: str) -> None:
    page.goto(f"{server}/generate?part=MNIST")
    film, slider = page.locator(".film"), page.get_by_role("slider", name="Moment of the training")
    expect(page.get_by_text("Take it home")).to_be_visible()
    expect(film).to_have_attribute("data-drawn", re.compile(r"^\d+$"))
    canvas = film.locator("canvas")
    last = canvas.evaluate("canvas => canvas.toDataURL()")
    slider.focus()
    slider.press("Home")
    expect(film).to_have_attribute("data-drawn", "0")
    expect(page.get_by_text("round 0: before the first round")).to_be_visible()
    assert canvas.evaluate("canvas => canvas.toDataURL()") != last
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")

"""Step by step, as a visitor does it: the walk is seen while it is done, can be stopped, and a patch is placed by mouse."""

import re

from playwright.sync_api import Page, expect

from tests.browser.driving import settle


def open_page(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/attacks?{query}")
    settle(page)


def test_the_step_slider_walks_back_to_the_clean_picture(page: Page, server: str) -> None:
    open_page(page, server)
    expect(page.get_by_text("Step 20: the loss J was")).to_be_visible()
    slider = page.get_by_role("slider", name=re.compile("Step t"))
    slider.press("ArrowLeft")
    expect(page.get_by_text("Step 19: the loss J was")).to_be_visible()
    slider.press("Home")
    expect(page.get_by_text("The clean picture. What the network says of it")).to_be_visible()
    expect(page).to_have_url(re.compile("step=0"))
    slider.blur()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Step 1: the loss J was")).to_be_visible()


def test_one_can_step_through_what_one_fooled_with_and_go_back(page: Page, server: str) -> None:
    page.goto(f"{server}/fool?eps=3&gallery=Cup+of+coffee")
    page.get_by_role("link", name=re.compile("Step through it")).click()
    expect(page.get_by_text("Step 20: the loss J was")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/attacks\?.*eps=3"))
    settle(page)
    page.get_by_role("link", name=re.compile("Slide ε instead")).click()
    expect(page.get_by_role("link", name=re.compile("Step through it"))).to_be_visible()
    expect(page).to_have_url(re.compile(r"/fool\?.*eps=3"))
    expect(page).to_have_url(re.compile("Cup"))


def test_a_closer_look_can_be_stopped(page: Page, server: str) -> None:
    page.goto(f"{server}/attacks?network=EfficientNet-Lite2&look=One+η+for+all&made=6")
    expect(page.get_by_text(re.compile(r"Step \d+ of \d+: mean loss"))).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"Stopped after \d+ steps"))).to_be_visible()
    page.get_by_role("button", name="Do it from the beginning").click()
    expect(page.get_by_text(re.compile("This one η of ±4/255 fools"))).to_be_visible(timeout=60_000)


def test_a_long_attack_shows_its_steps_and_can_be_stopped(page: Page, server: str) -> None:
    page.goto(f"{server}/attacks?attack=Carlini–Wagner&steps=50")
    expect(page.get_by_text(re.compile(r"Carlini–Wagner: step \d+, p\(y\) ="))).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(re.compile(r"Stopped after \d+ steps"))).to_be_visible()
    settle(page)
    expect(page.get_by_text(re.compile(r"Step \d+: margin was"))).to_be_visible()


def test_a_patch_is_placed_by_mouse(page: Page, server: str) -> None:
    open_page(page, server, "look=A+patch")
    picture = page.locator(".stPlotlyChart .nsewdrag").last
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 40, steps=8)
    page.mouse.up()
    top = page.get_by_role("spinbutton", name="Top")
    expect(top).not_to_have_value("28")
    assert top.count() == 1  # the one before it is out of sight
    settle(page)
    assert 100 < int(page.get_by_label("Left").input_value()) < 125

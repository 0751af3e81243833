"""Memory, as a visitor does it: reading a story word by word, going on with it, laying a hand on it."""

import re

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.driving import settle

TEXT = "text=The+king+had+three+sons."  # six tokens


def open_page(page: Page, server: str, query: str = TEXT) -> Locator:
    page.goto(f"{server}/memory?{query}")
    component = page.locator(".alignment")
    expect(component).to_be_visible()
    expect(page.get_by_text("Look closer")).to_be_visible()
    settle(page)
    return component


def heat(component: Locator) -> list[float]:
    return component.locator(".reading span").evaluate_all(
        "all => all.map((one) => Number(one.style.getPropertyValue('--w')))"
    )


def story(component: Locator) -> str:
    return component.locator(".reading").inner_text()


def test_a_story_is_read_and_begins_where_the_model_begins(page: Page, server: str) -> None:
    component = open_page(page, server)
    expect(component).to_have_attribute("data-step", "5")
    assert story(component).startswith("the king had three sons.")
    expect(component.locator(".reading .now")).to_have_count(1)
    expect(component.locator(".reading .asks")).to_have_text(".")
    expect(component.locator(".reading .written")).to_have_count(16)


def test_steps_look_back_over_what_was_before_them_and_no_further_than_L(page: Page, server: str) -> None:
    component = open_page(page, server, f"{TEXT}&L=3&step=10")
    for _ in range(2):
        step = int(component.get_attribute("data-step") or 0)
        seen = [s for s, w in enumerate(heat(component)) if w > 0]
        assert seen and set(seen) <= set(range(step - 3, step)) and max(heat(component)) == pytest.approx(1)
        page.keyboard.press("ArrowRight")
        expect(component).to_have_attribute("data-step", str(step + 1))
    expect(component.locator(".facts")).to_contain_text("of 1.585 bits")
    page.keyboard.press("Home")
    expect(component.locator(".facts")).to_contain_text("none before it")


def test_L_is_a_slider(page: Page, server: str) -> None:
    component = open_page(page, server, f"{TEXT}&step=15")
    assert sum(w > 0 for w in heat(component)) == 10
    page.get_by_role("slider", name="L, states").focus()
    page.keyboard.press("ArrowLeft")
    expect(page).to_have_url(re.compile("L=9"))
    expect(component.locator(".facts")).to_contain_text("of 3.170 bits")
    expect(component).to_have_attribute("data-step", "14")
    expect(page).to_have_url(re.compile("step=15"))
    assert sum(w > 0 for w in heat(component)) == 9


def test_the_story_goes_on_word_by_word(page: Page, server: str) -> None:
    component = open_page(page, server, f"{TEXT}&words=3")
    before = story(component)
    page.keyboard.press("n")
    expect(component).to_have_attribute("data-steps", "10")
    expect(component).to_have_attribute("data-step", "9")
    expect(component.locator(".reading .written")).to_have_count(5)
    assert story(component).startswith(before)
    page.get_by_role("button", name="One more word").click()
    expect(component).to_have_attribute("data-steps", "11")
    expect(page).to_have_url(re.compile("words=5"))


def test_who_steps_on_before_the_word_has_come_still_gets_it(page: Page, server: str) -> None:
    late: list[bytes | str] = []
    slow = False

    def between(browser: WebSocketRoute) -> None:
        app = browser.connect_to_server()
        browser.on_message(app.send)
        app.on_message(lambda message: late.append(message) if slow else browser.send(message))
        answers.append(browser)

    def wait_for_the_app() -> None:
        before = -1
        while len(late) > before:
            before = len(late)
            page.wait_for_timeout(1000)

    answers: list[WebSocketRoute] = []
    page.route_web_socket(re.compile("_stcore/stream"), between)
    component = open_page(page, server, f"{TEXT}&words=3")
    expect(component).to_have_attribute("data-steps", "9")
    slow = True
    page.get_by_role("button", name="One more word").click()
    wait_for_the_app()  # which has the longer story, the browser not
    component.press("ArrowRight")
    wait_for_the_app()
    slow = False
    for message in late:
        answers[-1].send(message)
    expect(component).to_have_attribute("data-steps", "10")
    expect(page).to_have_url(re.compile("words=4"))
    settle(page)
    assert page.get_by_role("spinbutton", name="Words to write on").input_value() == "4"
    expect(component).to_have_attribute("data-steps", "10")


def test_a_word_picked_at_the_end_is_gone_on_from(page: Page, server: str) -> None:
    component = open_page(page, server, f"{TEXT}&words=3")
    page.keyboard.press("End")
    expect(component).to_have_attribute("data-step", "8")
    picked = component.locator(".candidates li").nth(2)
    word = picked.locator("span").first.inner_text()
    picked.click()
    expect(component).to_have_attribute("data-steps", "10")
    expect(component.locator(".reading span").nth(9)).to_have_text(word)
    expect(component.locator(".strip")).to_have_count(2)
    expect(component).to_have_attribute("data-step", "9")
    again = component.locator(".candidates li").nth(1)
    second = again.locator("span").first.inner_text()
    again.click()
    expect(component).to_have_attribute("data-steps", "11")
    expect(component.locator(".reading span").nth(9)).to_have_text(word)
    expect(component.locator(".reading span").nth(10)).to_have_text(second)


def test_a_forced_word_and_its_link(page: Page, server: str) -> None:
    component = open_page(page, server)
    page.keyboard.press("ArrowRight")
    component.locator(".force").fill("dragon")
    component.locator(".force").press("Enter")
    expect(component).to_have_attribute("data-word", "dragon")
    expect(component.locator(".strip")).to_have_count(2)
    expect(page).to_have_url(re.compile("step=7.*touch=.*dragon"))  # a moment after both are seen
    settle(page)
    there = story(component)
    again = open_page(page, server, page.url.partition("?")[2])
    expect(again).to_have_attribute("data-word", "dragon")
    assert story(again) == there
    again.locator(".restore").click()
    expect(again.locator(".strip")).to_have_count(1)


def test_a_word_that_the_model_does_not_know_is_said(page: Page, server: str) -> None:
    component = open_page(page, server)
    component.locator(".force").fill("xyzzy")
    component.locator(".force").press("Enter")
    expect(page.get_by_text("does not know the word “xyzzy”")).to_be_visible()
    expect(component).to_be_visible()


def test_only_what_can_be_seen_is_dragged(page: Page, server: str) -> None:
    component = open_page(page, server, f"{TEXT}&L=3&step=12")

    def drag(s: int) -> None:
        word = component.locator(".source li").nth(s)
        word.scroll_into_view_if_needed()
        box = word.bounding_box()
        assert box
        y = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] - 3, y)
        page.mouse.down()
        page.mouse.move(box["x"] + 4, y, steps=6)
        page.mouse.up()

    drag(3)
    expect(component.locator(".strip")).to_have_count(1)
    drag(9)
    expect(component.locator(".strip")).to_have_count(2)
    expect(component.locator(".facts")).to_contain_text("forced")
    assert [s for s, w in enumerate(heat(component)) if w > 0.5] == [9]
    expect(component.locator(".facts")).to_contain_text("sum 1.000000")


def test_a_click_on_the_story_goes_to_the_step_that_wrote_the_word(page: Page, server: str) -> None:
    component = open_page(page, server)
    component.locator(".reading span").nth(10).click()
    expect(component).to_have_attribute("data-step", "9")
    expect(component.locator(".strip")).to_have_count(1)  # nothing was touched


def test_another_story_begins_at_its_own_end(page: Page, server: str) -> None:
    component = open_page(page, server, f"{TEXT}&step=2")
    expect(component).to_have_attribute("data-step", "1")
    field = page.get_by_label("Beginning of a story")
    field.fill("The cat sat on the")
    field.press("Enter")
    expect(component).to_have_attribute("data-step", "4")


@pytest.mark.parametrize("text", ["", "word " * 500, "我喜欢学习。", "🎉", "<img src=x onerror=alert(1)>"])
def test_bad_beginnings_lose_nothing(page: Page, server: str, text: str) -> None:
    open_page(page, server)
    field = page.get_by_label("Beginning of a story")
    field.fill(text)
    field.press("Enter")
    expect(page.get_by_test_id("stAlert").or_(page.locator(".alignment"))).to_have_count(1)
    settle(page)
    field.fill("The cat sat on the")
    field.press("Enter")
    expect(page.locator(".alignment .reading")).to_contain_text("the cat sat on the")


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_nothing_runs_out_of_the_page(page: Page, server: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    component = open_page(page, server)
    box = component.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= size[0]

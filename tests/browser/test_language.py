"""Headline and Self-attention, as a visitor does it: stepping, copying, touching, reading a text as a heat map."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from models.words import treebank
from ui.self_attention import EXAMPLES, ONE


def open_page(page: Page, server: str, name: str, query: str = "") -> Locator:
    page.goto(f"{server}/{name}?{query}")
    component = page.locator(".alignment")
    expect(component).to_be_visible()
    expect(page.get_by_text("Look closer")).to_be_visible()
    return component


def test_a_headline_is_stepped_and_says_what_was_copied(page: Page, server: str) -> None:
    component = open_page(page, server, "headline")
    expect(component).to_have_attribute("data-word", "russian")
    expect(component.locator(".facts")).to_contain_text("was copied")
    page.keyboard.press("ArrowRight")
    expect(component).to_have_attribute("data-word", "defense")
    page.keyboard.press("ArrowLeft")
    expect(component).to_have_attribute("data-word", "russian")
    page.keyboard.press("End")
    expect(component).to_have_attribute("data-word", "⟨end⟩")


def test_a_word_of_the_sentence_is_forced_into_the_headline(page: Page, server: str) -> None:
    component = open_page(page, server, "headline")
    component.locator(".force").fill("ivanov")
    component.locator(".force").press("Enter")
    expect(component).to_have_attribute("data-word", "ivanov")
    expect(component.locator(".strip")).to_have_count(2)
    expect(page).to_have_url(re.compile("touch=.*ivanov"))


def test_a_word_that_cannot_be_written_is_said(page: Page, server: str) -> None:
    component = open_page(page, server, "headline")
    component.locator(".force").fill("quarkly")
    component.locator(".force").press("Enter")
    expect(page.get_by_text("“quarkly” is neither")).to_be_visible()
    expect(component).to_have_attribute("data-word", "russian")


def heat(component: Locator) -> list[float]:
    return component.locator(".reading span").evaluate_all(
        "all => all.map((one) => Number(one.style.getPropertyValue('--w')))"
    )


def test_the_text_is_as_dark_as_the_look_in_view(page: Page, server: str) -> None:
    component = open_page(page, server, "self_attention")
    first = heat(component)
    assert len(first) == 20 and max(first) == pytest.approx(1)
    page.keyboard.press("ArrowRight")
    expect(component).to_have_attribute("data-word", "look 2")
    second = heat(component)
    assert second != first and max(second) == pytest.approx(1)
    for look in (0, 1):
        component.locator(".target .pin").nth(look).click(force=True)
    expect(component.locator(".facts")).to_contain_text("Σ = 2.000000")
    expect(component.locator(".reading.summed")).to_be_visible()


def test_a_word_of_the_text_is_forbidden_by_a_click_and_the_class_told(page: Page, server: str) -> None:
    component = open_page(page, server, "self_attention", "text=not+good")
    expect(component.locator(".force")).to_be_hidden()
    component.locator(".reading span").nth(0).click()
    expect(component.locator(".reading span.forbidden")).to_have_text("not")
    expect(page.get_by_text("Untouched it was negative")).to_be_visible()
    component.locator(".reading span").nth(0).click()
    expect(component.locator(".reading span.forbidden")).to_have_count(0)


def test_a_long_text_is_read_and_not_drawn(page: Page, server: str) -> None:
    component, text = open_page(page, server, "self_attention"), EXAMPLES["sentiment"][4]
    page.get_by_label("Text", exact=True).fill(text)
    page.get_by_label("Text", exact=True).press("Enter")
    expect(component.locator(".reading span")).to_have_text(treebank(text))
    expect(component.locator(".matrix")).to_be_hidden()
    expect(component.locator(".facts")).not_to_contain_text("lines not drawn")
    assert max(heat(component)) == pytest.approx(1)


def test_one_look_is_chosen_and_the_address_knows_it(page: Page, server: str) -> None:
    component = open_page(page, server, "self_attention")
    expect(component).to_have_attribute("data-steps", "4")
    page.get_by_role("radio", name=ONE).click()
    expect(component).to_have_attribute("data-steps", "1")
    expect(page).to_have_url(re.compile("form=1"))
    assert len(heat(component)) == 20


def test_the_looks_are_doubted(page: Page, server: str) -> None:
    open_page(page, server, "self_attention")
    page.get_by_role("radio", name="Is it true?").click()
    expect(page.get_by_text("Shuffling the weights")).to_be_visible()
    expect(page.get_by_text("Over all 4 looks")).to_be_visible()
    page.get_by_role("radio", name="all looks together").click()
    expect(page.get_by_text("Over all 4 looks")).to_have_count(0)
    expect(page.get_by_text("Shuffling the weights")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)

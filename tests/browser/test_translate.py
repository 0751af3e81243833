"""Translate, as a visitor does it: stepping, pinning, touching, taking home."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.driving import settle

TEXT = "A black dog and a white dog run along the beach."


def open_page(page: Page, server: str, query: str = "") -> Locator:
    page.goto(f"{server}/translate?{query}")
    component = page.locator(".alignment")
    expect(component).to_be_visible()
    expect(page.get_by_text("Look closer")).to_be_visible()
    settle(page)
    return component


def words(component: Locator, strip: int = 0) -> list[str]:
    return component.locator(".strip").nth(strip).locator(".word").all_inner_texts()


def test_keys_step_forward_and_back(page: Page, server: str) -> None:
    component = open_page(page, server)
    expect(component).to_have_attribute("data-word", "un")
    for key, word in (
        ("ArrowRight", "chien"),
        ("ArrowRight", "noir"),
        ("ArrowLeft", "chien"),
        ("End", "⟨end⟩"),
        ("ArrowRight", "⟨end⟩"),
        ("Home", "un"),
        ("ArrowLeft", "un"),
    ):
        page.keyboard.press(key)
        expect(component).to_have_attribute("data-word", word)
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Step 2 writes “chien”").first).to_be_visible()  # the server was told
    expect(page).to_have_url(re.compile("step=2"))


def test_keys_typed_into_the_sentence_do_not_step(page: Page, server: str) -> None:
    component = open_page(page, server)
    page.get_by_label("English sentence").focus()
    page.keyboard.press("End")
    expect(component).to_have_attribute("data-step", "0")


def test_buttons_words_and_cells_step_too(page: Page, server: str) -> None:
    component = open_page(page, server)
    component.locator("button.next").click()
    expect(component).to_have_attribute("data-step", "1")
    component.locator("button.last").click()
    expect(component).to_have_attribute("data-word", "⟨end⟩")
    component.locator(".target li").nth(4).click()
    expect(component).to_have_attribute("data-step", "4")
    component.locator(".strip .word").nth(2).click()
    expect(component).to_have_attribute("data-step", "2")


def test_hover_shows_the_exact_weight_and_sums_are_one(page: Page, server: str) -> None:
    component = open_page(page, server)
    component.locator(".target li").nth(2).click()
    component.locator(".source li").nth(1).hover()
    facts = component.locator(".facts")
    expect(facts).to_contain_text("“noir” ← “black”: α = 0.")
    expect(facts).to_contain_text("sum 1.000000")


def test_pinned_rows_are_added(page: Page, server: str) -> None:
    component = open_page(page, server)
    for row in (1, 2):
        component.locator(".target li .pin").nth(row).click()
    expect(component.locator(".facts")).to_contain_text("2 pinned (chien + noir): Σ = 2.000000")
    page.keyboard.press("End")
    expect(component.locator(".target li.picked")).to_have_count(2)


def test_a_cut_says_what_it_hides(page: Page, server: str) -> None:
    component = open_page(page, server)
    component.locator(".cut input").fill("30")
    expect(component.locator(".facts")).to_contain_text(re.compile(r"lines not drawn: [1-9][\d.]* % of the row"))


def test_a_dragged_weight_is_decoded_anew_beside_the_untouched(page: Page, server: str) -> None:
    component = open_page(page, server)
    before = words(component)
    page.keyboard.press("ArrowRight")
    box = component.locator(".source li").nth(5).bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 3, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 4, y, steps=8)
    page.mouse.up()
    expect(component.locator(".strip")).to_have_count(2)
    assert words(component, 0) == before
    assert words(component, 1)[1].startswith("blanc")
    expect(component.locator(".target li").nth(1)).to_have_attribute("title", "forced")
    component.locator(".restore").click()
    expect(component.locator(".strip")).to_have_count(1)
    assert words(component) == before


def test_a_word_is_forced_and_a_source_word_forbidden(page: Page, server: str) -> None:
    component = open_page(page, server)
    page.keyboard.press("ArrowRight")
    component.locator(".force").fill("gros")
    component.locator(".force").press("Enter")
    expect(component.locator(".strip")).to_have_count(2)
    assert words(component, 1)[:2] == ["un", "gros"]
    component.locator(".source li").nth(1).hover()
    component.locator(".source li .ban").nth(1).click()
    expect(component.locator(".source li.forbidden")).to_have_count(1)
    expect(page).to_have_url(re.compile("touch="))
    settle(page)
    again = open_page(page, server, page.url.partition("?")[2])
    expect(again.locator(".strip")).to_have_count(2)
    assert words(again, 1)[:2] == ["un", "gros"]


def test_a_word_that_the_model_does_not_know_is_told(page: Page, server: str) -> None:
    component = open_page(page, server)
    component.locator(".force").fill("xyzzy")
    component.locator(".force").press("Enter")
    expect(page.get_by_text("does not know the French word “xyzzy”")).to_be_visible()
    expect(component).to_be_visible()


def test_a_sentence_typed_is_translated(page: Page, server: str) -> None:
    component = open_page(page, server)
    field = page.get_by_label("English sentence")
    field.fill("Two girls are eating.")
    field.press("Enter")
    expect(component.locator(".strip .word").first).to_have_text("deux")
    expect(component).to_have_attribute("data-step", "0")


@pytest.mark.parametrize("text", ["", "word " * 500, "我喜欢学习。", "🎉", "<img src=x onerror=alert(1)>"])
def test_bad_sentences_lose_nothing(page: Page, server: str, text: str) -> None:
    open_page(page, server)
    field = page.get_by_label("English sentence")
    field.fill(text)
    field.press("Enter")
    expect(page.get_by_test_id("stAlert").or_(page.locator(".alignment"))).to_have_count(1)
    settle(page)
    field.fill(TEXT)
    field.press("Enter")
    expect(page.locator(".alignment .strip .word").nth(1)).to_have_text("chien")


def test_a_click_on_a_number_shows_its_products(page: Page, server: str) -> None:
    open_page(page, server)
    table = page.get_by_test_id("stDataFrame").nth(1)
    box = table.bounding_box()
    assert box
    table.scroll_into_view_if_needed()
    table.click(position={"x": box["width"] * 0.45, "y": 55})
    expect(page.get_by_text(re.compile("products? adds? up to")).first).to_be_visible()


def test_128_words_are_stepped_and_hovered(page: Page, server: str) -> None:
    component = open_page(page, server)
    field = page.get_by_label("English sentence")
    field.fill("the dog and " * 42 + "the cat")
    field.press("Enter")
    expect(component.locator(".source li")).to_have_count(129)
    settle(page)
    page.keyboard.press("Tab")
    component.locator(".target li").nth(60).click()
    expect(component).to_have_attribute("data-step", "60")
    component.locator(".source li").nth(3).hover()
    expect(component.locator(".facts")).to_contain_text("α = ")


def test_what_is_taken_home(page: Page, server: str, browser: Browser, tmp_path: Path) -> None:
    component = open_page(page, server)
    target = words(component)
    files = {}
    for label in (
        "Picture (PNG)",
        "Picture (SVG)",
        "Steps (GIF)",
        "Numbers (CSV)",
        "Numbers (JSON)",
        "Steps offline (HTML)",
    ):
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        files[label] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[label])
    assert Image.open(files["Picture (PNG)"]).size[0] > 400
    assert "<svg" in files["Picture (SVG)"].read_text()
    assert Image.open(files["Steps (GIF)"]).n_frames == len(target)
    rows = list(csv.DictReader(io.StringIO(files["Numbers (CSV)"].read_text())))
    first = [float(row["weight"]) for row in rows if row["step"] == "1"]
    assert np.isclose(sum(first), 1, atol=1e-5)
    held = json.loads(files["Numbers (JSON)"].read_text())
    assert held["target"] == target
    assert np.allclose(held["weights"][0][0], first)

    offline = browser.new_context(offline=True, viewport={"width": 1280, "height": 800}).new_page()
    errors: list[str] = []
    offline.on("pageerror", lambda error: errors.append(str(error)))
    offline.goto(files["Steps offline (HTML)"].as_uri())
    alone = offline.locator(".alignment")
    expect(alone).to_have_attribute("data-word", target[0])
    offline.keyboard.press("ArrowRight")
    expect(alone).to_have_attribute("data-word", target[1])
    offline.keyboard.press("End")
    offline.keyboard.press("ArrowLeft")
    expect(alone).to_have_attribute("data-word", target[-2])
    assert not errors
    offline.context.close()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)])
def test_nothing_runs_out_of_the_page(page: Page, server: str, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    component = open_page(page, server)
    box = component.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= size[0]

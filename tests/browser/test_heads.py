"""Heads, as a visitor does it: choosing a head by click and by keys, stepping, filtering, taking heads out, taking home."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.driving import settle


def open_page(page: Page, server: str, query: str = "") -> tuple[Locator, Locator]:
    page.goto(f"{server}/heads?{query}")
    grid = page.locator(".heads")
    large = page.locator(".alignment").first  # what it replaces may stand below it for a moment
    expect(grid).to_be_visible()
    expect(page.get_by_text("Look closer")).to_be_visible()
    settle(page)
    return grid, large


def ink(grid: Locator, cell: int) -> list[int]:
    """The strengths of a small map's dots, row by row."""
    return (
        grid.locator(".map canvas")
        .nth(cell)
        .evaluate(
            "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; return [c.width, ...Array.from(d).filter((_, i) => i % 4 === 3)]; }"
        )
    )


def test_the_first_screen_is_it_and_the_animal(page: Page, server: str) -> None:
    grid, large = open_page(page, server)
    expect(grid.locator(".map")).to_have_count(72)
    expect(grid).to_have_attribute("data-cell", "37")
    expect(grid.locator(".caption")).to_contain_text("layer 4 · head 2")
    expect(grid.locator(".caption")).to_contain_text("0.68, “it” → “animal”")
    expect(large).to_have_attribute("data-word", "it")
    expect(large.locator(".facts")).to_contain_text("most on “animal”: α = 0.6768")


def test_the_small_maps_are_the_weights(page: Page, server: str) -> None:
    grid, _ = open_page(page, server)
    width, *dots = ink(grid, 2)  # layer 1, head 3: each token looks at the one before it
    assert width == 16 and len(dots) == 256
    assert all(dots[16 * t + t - 1] > 240 for t in range(2, 15))
    assert sum(dots) == pytest.approx(255 * 16, abs=130)


def test_a_click_and_the_arrow_keys_choose_a_head(page: Page, server: str) -> None:
    grid, large = open_page(page, server)
    grid.locator(".map").nth(2).click()
    expect(page).to_have_url(re.compile("layer=1&head=3|head=3.*layer=1"))
    expect(page.get_by_text("“it” has its largest weight, 1.000, on “because”")).to_be_visible()
    for key, cell in (
        ("ArrowDown", 14),
        ("ArrowRight", 15),
        ("ArrowUp", 3),
        ("ArrowLeft", 2),
        ("ArrowUp", 2),
        ("End", 11),
    ):
        page.keyboard.press(key)
        expect(grid).to_have_attribute("data-cell", str(cell))
        expect(grid.locator(".map").nth(cell)).to_be_focused()
    expect(large).to_have_attribute("data-word", "it")  # the keys chose a head, they did not step
    expect(page).to_have_url(re.compile("head=12"))
    settle(page)
    expect(grid.locator(".map").nth(11)).to_be_focused()


def test_elsewhere_the_arrow_keys_step(page: Page, server: str) -> None:
    grid, large = open_page(page, server)
    page.keyboard.press("ArrowRight")
    expect(large).to_have_attribute("data-word", "was")
    expect(page.get_by_text("“was” has its largest weight")).to_be_visible()
    expect(page).to_have_url(re.compile("step=12"))
    expect(grid).to_have_attribute("data-cell", "37")


def test_an_example_brings_its_head_and_token(page: Page, server: str) -> None:
    grid, large = open_page(page, server)
    page.get_by_text("two sentences", exact=True).click()
    expect(large).to_have_attribute("data-word", "cat")
    expect(grid).to_have_attribute("data-cell", "13")
    expect(page.get_by_text("“cat” has its largest weight, 0.590, on “kitten”")).to_be_visible()
    settle(page)
    again, its_large = open_page(page, server, page.url.partition("?")[2])
    expect(again).to_have_attribute("data-cell", "13")
    expect(its_large).to_have_attribute("data-word", "cat")


def test_server_and_browser_agree_after_every_change(page: Page, server: str) -> None:
    grid, large = open_page(page, server)
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("step=12"))
    page.get_by_text("it → animal", exact=True).click()  # the same sentence again: back to its token
    expect(large).to_have_attribute("data-word", "it")
    expect(page.get_by_text("“it” has its largest weight, 0.677")).to_be_visible()
    page.get_by_text("Rollout", exact=True).click()
    expect(grid.locator(".map")).to_have_count(6)
    grid.locator(".map").nth(5).click()
    expect(page.get_by_text("rollout up to layer 6 (layers")).to_be_visible()
    page.get_by_text("Weights α", exact=True).click()
    expect(grid).to_have_attribute("data-cell", "61")
    expect(page.get_by_text("layer 6 · head 2 (both count from 1): “it”")).to_be_visible()
    field = page.get_by_label("Sentence A")
    field.fill("A dog runs.")
    field.press("Enter")
    expect(large).to_have_attribute("data-word", "[SEP]")
    expect(page.get_by_text("layer 6 · head 2 (both count from 1): “[SEP]”")).to_be_visible()


def test_only_what_looks_across_is_shown(page: Page, server: str) -> None:
    _, large = open_page(page, server, "a=The+cat+sleeps.&b=A+kitten+dreams.&between=A+%E2%86%92+B")
    expect(large.locator(".target li")).to_have_text([re.compile(word) for word in ("the", "cat", "sleeps", r"\.")])
    expect(large.locator(".source li").first).to_contain_text("a")
    expect(page.get_by_text("the rest goes to the tokens that are not shown")).to_be_visible()


def test_a_filter_hides_heads_and_says_so(page: Page, server: str) -> None:
    grid, _ = open_page(page, server, "only=to+the+previous+token&share=0.5&least=0.1")
    expect(grid.locator(".map.hidden")).to_have_count(71)
    expect(page.get_by_text("The filter hides 71 of 72 heads, with 98.6 % of all weight.")).to_be_visible()
    expect(grid.locator(".caption")).to_contain_text("hidden by the filter")


def test_heads_are_taken_out(page: Page, server: str) -> None:
    open_page(page, server, "look=Heads+taken+out")
    expect(
        page.get_by_text(re.compile("the cosine is 0.92.. without layer 6 · head 12, which matters most"))
    ).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()


def test_rollout_has_a_map_a_layer_and_no_scores(page: Page, server: str) -> None:
    grid, large = open_page(page, server, "show=Rollout")
    expect(grid.locator(".map")).to_have_count(6)
    large.locator(".source li").nth(2).hover()
    expect(large.locator(".facts")).to_contain_text("“it” ← “animal”: share = 0.")
    expect(large.locator(".facts")).not_to_contain_text("score")


def test_what_cannot_be_read_is_told_and_typing_goes_on(page: Page, server: str) -> None:
    open_page(page, server)
    field = page.get_by_label("Sentence A")
    for text, words in (
        ("", "nothing to read yet"),
        ("word " * 500, "at most 128 can be read"),
        ("🎉", "Not one word"),
    ):
        field.fill(text)
        field.press("Enter")
        expect(page.get_by_text(words)).to_be_visible()
    field.fill("<b>Two</b> dogs 🎉 学")
    field.press("Enter")
    expect(page.locator(".alignment")).to_have_attribute("data-steps", "13")


def test_128_tokens_are_chosen_and_stepped_through(page: Page, server: str) -> None:
    text = "+".join(["dog", "cat", "bird"] * 42)
    grid, large = open_page(page, server, f"a={text}")
    expect(large).to_have_attribute("data-steps", "128")
    width, *_ = ink(grid, 0)
    assert width < 128
    grid.locator(".map").nth(70).click()
    expect(page).to_have_url(re.compile("layer=6"))
    expect(page.get_by_text("layer 6 · head 11").first).to_be_visible()


def test_the_large_map_is_taken_home(page: Page, server: str, tmp_path: Path) -> None:
    open_page(page, server)
    with page.expect_download() as waited:
        page.get_by_role("button", name="Numbers (JSON)").click()
    waited.value.save_as(tmp_path / "heads.json")
    told = json.loads((tmp_path / "heads.json").read_text(encoding="utf-8"))
    assert told["heads"] == ["layer 4 · head 2"]
    assert told["weights"][0][10][2] == pytest.approx(0.6768, abs=1e-3)
    assert len(told["values"]["Q"]) == 16 and len(told["values"]["f"]) == 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_has_no_sideways_scroll(browser: Browser, server: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    grid, _ = open_page(page, server)
    box = grid.locator(".map").last.bounding_box()
    assert box and box["x"] + box["width"] <= 390 and box["width"] > 15
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()

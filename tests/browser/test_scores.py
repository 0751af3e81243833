"""Scores and heads, as a visitor does it: type into a cell, click a cell, measure."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.driving import settle

EDITOR, CELLS = ".st-key-scores_{}_0", ".st-key-scores_cell_{}_0"
INDEX = 56  # about the width of the column with the rows' names


def open_page(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/scores?{query}")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    settle(page)


def grid(page: Page, selector: str) -> Locator:
    return page.locator(f"{selector} [data-testid=stDataFrame]")


def cell(page: Page, selector: str, row: int, column: int) -> Locator:
    """A cell as a screen reader finds it; the names of the rows are column 0."""
    return grid(page, selector).get_by_test_id(f"glide-cell-{column + 1}-{row}")


def click(page: Page, selector: str, row: int, column: int, columns: int) -> None:
    """The mouse on a cell of a table that is drawn on a canvas."""
    table = grid(page, selector)
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box
    height = box["height"] / (table.locator("tbody tr").count() + 1)
    x = box["x"] + INDEX + (box["width"] - INDEX) * (column + 0.5) / columns
    y = box["y"] + height * (row + 1.5)
    page.mouse.move(x, y)
    page.wait_for_timeout(300)  # the grid looks at where the mouse was
    page.mouse.click(x, y)


def mark(page: Page, matrix: str, row: int, column: int, columns: int) -> None:
    """Click a cell to edit until it is marked: the first click on a table may only give it the focus."""
    selector = EDITOR.format(matrix)
    for _ in range(4):
        click(page, selector, row, column, columns)
        page.wait_for_timeout(500)
        if cell(page, selector, row, column).get_attribute("aria-selected") == "true":
            return
    raise AssertionError(f"row {row}, column {column} of {matrix} cannot be marked")


def type_into(page: Page, matrix: str, row: int, column: int, columns: int, text: str) -> None:
    mark(page, matrix, row, column, columns)
    page.keyboard.type(text, delay=120)  # the first key opens a field, the others go into it
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")


def test_a_typed_cell_changes_the_output_and_a_clicked_one_shows_its_terms(page: Page, server: str) -> None:
    open_page(page, server)
    output = cell(page, CELLS.format("output"), 0, 0)
    expect(output).to_have_text(re.compile(r"^0\.8509"))
    type_into(page, "Q", 0, 0, 4, "5")
    expect(output).to_have_text(re.compile(r"^0\.9995"))
    expect(page).to_have_url(re.compile("Q=5_0_1_0~0_1_0_1"))
    expect(cell(page, CELLS.format("scores"), 0, 0)).to_have_text("10")
    settle(page)

    click(page, CELLS.format("scores"), 0, 0, 3)
    terms = page.locator(".st-key-scores_terms")
    expect(terms).to_contain_text("e(q₁, black) = 10 + 0 + 0 + 0 = 10; the model's own number is 10.")
    settle(page)
    click(page, CELLS.format("weights"), 1, 1, 5)
    expect(terms).to_contain_text("α(q₂, cat) = 7.389 / (1 + 7.389 + 7.389)")
    settle(page)
    click(page, CELLS.format("output"), 1, 1, 2)
    expect(terms).to_contain_text("c(q₂), number 2 = 0 + 0.4683 + 0.4683 = 0.936621")


def test_the_link_brings_back_matrices_score_and_heads(page: Page, server: str) -> None:
    open_page(page, server, "score=scaled+dot&heads=2&V=0_1~1_0~7_7&tied=false")
    before = cell(page, CELLS.format("output"), 0, 0).inner_text()
    page.get_by_role("button", name="Draw seed 1").click()
    expect(page).to_have_url(re.compile("K="))
    expect(cell(page, CELLS.format("output"), 0, 0)).not_to_have_text(before)
    settle(page)
    shown = cell(page, CELLS.format("output"), 0, 0).inner_text()
    page.get_by_role("button", name="Link to this state").click()
    link = page.locator("[data-testid=stPopoverBody] code").inner_text()
    assert "heads=2" in link
    page.goto("about:blank")
    page.goto(link)
    expect(cell(page, CELLS.format("output"), 0, 0)).to_have_text(shown)
    expect(page.get_by_text("Two heads", exact=False).first).to_be_visible()


def test_an_emptied_cell_and_a_huge_number_are_a_sentence_and_the_session_goes_on(page: Page, server: str) -> None:
    open_page(page, server)
    mark(page, "Q", 1, 3, 4)
    page.keyboard.press("Delete")
    alert = page.get_by_test_id("stAlert").filter(has_text="Row q₂, column 4 of Q")
    expect(alert).to_contain_text("is empty or no number")
    expect(cell(page, CELLS.format("output"), 1, 1)).to_have_text(re.compile(r"^0\.9366"))
    settle(page)
    type_into(page, "K", 0, 0, 4, "5000")
    expect(page.get_by_test_id("stAlert").filter(has_text="Row black, column 1 of K is 5000")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    settle(page)
    page.get_by_role("button", name="Put back").click()
    expect(page.get_by_test_id("stAlert").filter(has_text="Row")).to_have_count(0)


def test_the_measurement_shows_a_bar_then_both_charts(page: Page, server: str) -> None:
    page.goto(f"{server}/scores?part=Faster+and+lighter?")
    expect(page.get_by_text("half a gigabyte")).to_be_visible()
    page.get_by_role("button", name="Measure").click()
    expect(page.get_by_test_id("stProgress")).to_be_visible()
    expect(page.get_by_text("Measured here, on this machine")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
@pytest.mark.parametrize("part", ["By hand", "Why √d_k?"])
def test_nothing_sticks_out(page: Page, server: str, part: str, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    open_page(page, server, f"part={part}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for figure in page.locator(".js-plotly-plot").all():
        box = figure.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width

"""Words under attack, as a visitor does it: the first screen, another sentence, a step in the vectors, stop and go on."""

import re
from urllib.parse import urlencode

from playwright.sync_api import Page, expect


def open_page(page: Page, server: str, query: str = "") -> None:
    page.goto(f"{server}/words?{query}")
    expect(page.get_by_text("Take it home")).to_be_visible()


def test_the_first_screen_is_fooled_another_example_is_too_and_a_phone_shows_it(page: Page, server: str) -> None:
    open_page(page, server)
    expect(page.get_by_text("Fooled by 1 word")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    page.get_by_role("radio", name="The plot is thin").click()
    expect(page.get_by_text("the plot is thin, but the actors are a").first).to_be_visible()
    expect(page.get_by_text("ooled by").first).to_be_visible()
    assert "plot" in page.url
    page.set_viewport_size({"width": 390, "height": 800})
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    assert page.locator("[data-testid=stMain]").evaluate("main => main.scrollWidth <= main.clientWidth")


def test_a_step_in_the_vectors_moves_the_mark_and_the_link(page: Page, server: str) -> None:
    open_page(page, server, "look=In+the+vectors")
    slider = page.get_by_role("slider", name="Size of the step")
    slider.focus()
    before = page.get_by_text("for the real words nearest to them").inner_text()
    slider.press("ArrowRight")
    expect(page.get_by_text("for the real words nearest to them")).not_to_have_text(before)
    expect(page).to_have_url(re.compile("epsilon_step=7"))


def test_a_search_is_stopped_and_gone_on_with(page: Page, server: str) -> None:
    bad = "The acting is wooden and the plot is a mess. The music is awful and the ending is a bore. The worst and most boring film."
    page.goto(f"{server}/words?{urlencode({'text': bad, 'flips': 2, 'beam': 3, 'tries': 64, 'limit_sentiment': 0.95})}")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped after")).to_be_visible()
    expect(page.get_by_text("Take it home")).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text(re.compile(r"ooled by \d word"))).to_be_visible(timeout=90_000)
    expect(page.get_by_text("Stopped after")).to_have_count(0)

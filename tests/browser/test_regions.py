"""The pages over pictures, as a visitor does it: a photo uploaded, its caption stepped through, its maps painted and taken home."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from models.picture import gallery
from tests.hostile import REFUSED, hostile_files


def open_page(page: Page, server: str, name: str, query: str = "") -> Locator:
    page.goto(f"{server}/{name}?{query}")
    return drawn(page)


def drawn(page: Page) -> Locator:
    """The component, once its picture has come and the server has nothing more to say."""
    component = page.locator(".regions[data-drawn=true]")
    expect(component).to_be_visible()
    expect(page.get_by_text("Look closer")).to_be_visible()
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
    return component


def upload(page: Page, name: str, data: bytes) -> None:
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def photo() -> bytes:
    """scikit-image's cup of coffee as a JPEG."""
    file = io.BytesIO()
    Image.open(gallery()["coffee"].path).convert("RGB").save(file, "JPEG", quality=92)
    return file.getvalue()


def words(component: Locator, strip: int = 0) -> list[str]:
    return component.locator(".strip").nth(strip).locator(".word").all_inner_texts()


def pixels(component: Locator, name: str = "map") -> np.ndarray:
    """What a canvas shows, (height, width, 4)."""
    found = component.locator(f"canvas.{name}").evaluate(
        "c => [c.width, ...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    return np.array(found[1:], dtype=np.int16).reshape(-1, found[0], 4)


def cell(component: Locator, row: int, column: int, rows: int = 7, columns: int = 7) -> tuple[float, float]:
    """Where the middle of a cell is on the page."""
    box = component.locator("canvas.map").bounding_box()
    assert box
    return box["x"] + (column + 0.5) / columns * box["width"], box["y"] + (row + 0.5) / rows * box["height"]


def stroke(page: Page, component: Locator, *cells: tuple[int, int]) -> None:
    page.mouse.move(*cell(component, *cells[0]))
    page.mouse.down()
    for each in cells[1:]:
        page.mouse.move(*cell(component, *each), steps=6)
    page.mouse.up()


def test_a_photo_is_uploaded_described_stepped_painted_and_taken_home(page: Page, server: str, tmp_path: Path) -> None:
    page.goto(f"{server}/caption?source=Upload")
    upload(page, "cup.jpg", photo())
    component = drawn(page)
    expect(page.get_by_text("All of your 600×400 picture", exact=False)).to_be_visible()
    caption = words(component)
    assert caption[-1] == "⟨end⟩" and len(caption) > 3

    for step, word in enumerate(caption):
        expect(component).to_have_attribute("data-step", str(step))
        expect(component).to_have_attribute("data-word", word)
        expect(component.locator(".strip .word.now")).to_have_text(word)
        expect(component.locator(".facts")).to_contain_text("Σ = 1.000000")
        expect(component.locator(".facts")).to_contain_text("not drawn: 0.00 % of the map, 0 of 49 cells")
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("step=2"))

    raw = pixels(component)
    page.keyboard.press("s")
    expect(component.locator(".smoothed")).to_be_visible()
    smooth = pixels(component)
    assert (smooth != raw).any()
    page.keyboard.press("s")
    expect(component.locator(".smoothed")).to_be_hidden()
    assert (pixels(component) == raw).all()

    component.get_by_role("radio", name="Paint").click()
    stroke(page, component, (0, 0), (0, 2))
    expect(component.locator(".strip")).to_have_count(2)
    assert words(component, 0) == caption
    expect(component.locator(".facts")).to_contain_text("most at row 1, column 1: α = 0.333333")
    expect(component.locator(".second figcaption")).to_contain_text(f"untouched, word 2 “{caption[1]}”")
    expect(page.get_by_text("Touched: ")).to_be_visible()
    expect(page).to_have_url(re.compile("touch="))

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Picture (PNG)").click()
    taken = tmp_path / "taken.png"
    waiting.value.save_as(taken)
    assert Image.open(taken).width > 400 and waiting.value.suggested_filename == "caption-step-2.png"

    component.locator(".restore").click()
    expect(component.locator(".strip")).to_have_count(1)
    assert words(component) == caption


def test_stepping_asks_nobody_and_a_touch_does_not_send_the_picture_again(page: Page, server: str) -> None:
    sent: list[object] = []
    received: list[int] = []

    def watch(socket: object) -> None:
        socket.on("framesent", lambda frame: sent.append(frame))  # type: ignore[attr-defined]
        socket.on("framereceived", lambda frame: received.append(len(frame)))  # type: ignore[attr-defined]

    page.on("websocket", watch)
    component = open_page(page, server, "caption", "gallery=Cup+of+coffee")
    assert 200_000 < max(received) < 700_000, "the picture came once, lossless"
    before = len(sent)
    seen = component.evaluate(
        """async (root) => {
            const seen = [], frame = () => new Promise(requestAnimationFrame);
            for (let t = 1; t < Number(root.dataset.steps); t++) {
                window.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
                await frame(); await frame();
                seen.push(Number(root.dataset.step));
            }
            return seen;
        }"""
    )
    assert seen == list(range(1, len(words(component)))), "every step was drawn"
    assert len(sent) - before <= 2, "the server is told where one rests, not every step"
    received.clear()
    component.get_by_role("radio", name="Paint").click()
    stroke(page, component, (3, 3), (3, 4))
    expect(component.locator(".strip")).to_have_count(2)
    drawn(page)
    assert max(received) < 150_000


def test_maps_are_moved_erased_forbidden_and_made_uniform(page: Page, server: str) -> None:
    component = open_page(page, server, "caption", "gallery=Cup+of+coffee&step=2")
    facts = component.locator(".facts")
    tool = component.get_by_role("radio")
    tool.filter(has_text="Paint").click()
    stroke(page, component, (2, 2), (2, 2))
    expect(facts).to_contain_text("α = 1.000000")
    expect(component.locator(".strip")).to_have_count(2)
    tool.filter(has_text="Move").click()
    stroke(page, component, (2, 2), (4, 5))
    page.mouse.move(*cell(component, 4, 5))
    expect(facts).to_contain_text("row 5, column 6: α = 1.000000")
    component.locator(".uniform").click()
    expect(facts).to_contain_text("entropy 5.615 of 5.615 bits")
    tool.filter(has_text="Erase").click()
    stroke(page, component, (0, 0), (0, 6))
    page.mouse.move(*cell(component, 6, 6))
    expect(facts).to_contain_text(f"row 7, column 7: α = {1 / 42:.6f}")
    component.locator(".restore").click()
    expect(component.locator(".strip")).to_have_count(1)
    tool.filter(has_text="Forbid").click()
    page.mouse.click(*cell(component, 3, 3))
    expect(component.locator(".strip")).to_have_count(2)
    page.mouse.move(*cell(component, 3, 3))
    expect(facts).to_contain_text("row 4, column 4: α = 0.000000")


def test_a_cell_is_chosen_and_painted_by_keys_alone(page: Page, server: str) -> None:
    component = open_page(page, server, "caption", "gallery=Cup+of+coffee")
    component.get_by_role("radio", name="Point").focus()
    page.keyboard.press("ArrowRight")
    expect(component).to_have_attribute("data-tool", "paint")
    component.locator("canvas.map").focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "Space"):
        page.keyboard.press(key)
    expect(component).to_have_attribute("data-step", "0")
    expect(component.locator(".strip")).to_have_count(2)
    expect(component.locator(".facts")).to_contain_text("row 3, column 2: α = 1.000000")


def test_a_step_is_kept_beside_the_others_and_the_path_is_drawn(page: Page, server: str) -> None:
    component = open_page(page, server, "caption", "gallery=Cup+of+coffee")
    page.keyboard.press("k")
    page.keyboard.press("ArrowRight")
    expect(component.locator(".second figcaption")).to_contain_text("word 1 ")
    expect(component.locator(".facts")).to_contain_text("the two maps share")
    page.keyboard.press("k")
    expect(component.locator(".second")).to_be_hidden()
    before = pixels(component)
    page.keyboard.press("g")
    expect(component.locator("button.path")).to_have_attribute("aria-pressed", "true")
    assert (pixels(component) != before).any()
    component.locator(".multiples button").nth(2).click()
    expect(component).to_have_attribute("data-step", "2")


def test_a_threshold_says_what_it_hides(page: Page, server: str) -> None:
    component = open_page(page, server, "caption", "gallery=Cup+of+coffee")
    component.locator("input.cut").fill("50")
    expect(component.locator(".facts")).to_contain_text(
        re.compile(r"not drawn: [1-9][\d.]* % of the map, [1-9]\d* of 49")
    )


def test_a_deep_link_opens_the_picture_the_step_and_the_touch(page: Page, server: str) -> None:
    component = open_page(page, server, "caption", "gallery=Chelsea+the+cat&step=2&way=Greedy")
    component.get_by_role("radio", name="Paint").click()
    stroke(page, component, (6, 6), (6, 6))
    expect(component.locator(".strip")).to_have_count(2)
    expect(page).to_have_url(re.compile("touch="))
    touched, address = words(component, 1), page.url
    page.goto("about:blank")
    page.goto(address)
    component = drawn(page)
    expect(component.locator(".strip")).to_have_count(2)
    assert words(component, 1) == touched
    expect(component).to_have_attribute("data-step", "1")


def test_the_exported_file_steps_without_a_server(page: Page, server: str, browser: Browser, tmp_path: Path) -> None:
    component = open_page(page, server, "caption", "gallery=Cup+of+coffee")
    caption = words(component)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Steps offline (HTML)").click()
    waiting.value.save_as(tmp_path / "caption.html")
    context = browser.new_context(offline=True)
    alone = context.new_page()
    alone.goto(f"file://{tmp_path}/caption.html")
    offline = alone.locator(".regions[data-drawn=true]")
    expect(offline).to_be_visible()
    alone.keyboard.press("End")
    expect(offline).to_have_attribute("data-word", caption[-1])
    expect(offline.locator(".tools")).to_be_hidden()
    context.close()


def test_bad_files_are_refused_in_a_sentence_and_the_last_picture_stays(page: Page, server: str) -> None:
    page.goto(f"{server}/caption?source=Upload")
    upload(page, "cup.jpg", photo())
    caption, files = words(drawn(page)), hostile_files()
    for name in list(REFUSED)[:4]:
        upload(page, name, files[name])
        alert = page.get_by_test_id("stAlert").filter(has_text=re.compile(re.escape(REFUSED[name]), re.IGNORECASE))
        expect(alert).to_be_visible()
        assert words(drawn(page)) == caption


@pytest.mark.parametrize("name", ["caption", "captcha", "ask"])
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_nothing_sticks_out_on_a_phone_and_dark_is_dark(
    page: Page, server: str, name: str, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    component = open_page(page, server, name)
    box = component.bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture = component.locator("canvas.map").bounding_box()
    assert picture and picture["width"] > 150
    assert bool(component.evaluate("root => root.classList.contains('dark')")) == (scheme == "dark")


def test_a_captcha_of_ones_own_is_drawn_and_read_with_its_glimpses(page: Page, server: str) -> None:
    component = open_page(page, server, "captcha")
    field = page.get_by_role("textbox", name="Text")
    field.fill("H3LLW")
    field.press("Enter")
    expect(page.get_by_text("H3LLW", exact=False).first).to_be_visible()
    component = drawn(page)
    expect(component.locator("button.path")).to_have_attribute("aria-pressed", "true")
    page.mouse.click(5, 400)
    page.keyboard.press("ArrowRight")
    expect(component).to_have_attribute("data-step", "1")
    field.fill("?")
    field.press("Enter")
    expect(page.get_by_text("cannot be drawn")).to_be_visible()


def test_two_hops_stand_beside_each_other_and_a_question_is_typed(page: Page, server: str) -> None:
    component = open_page(page, server, "ask")
    expect(component).to_have_attribute("data-step", "1")
    expect(component.locator(".second figcaption")).to_contain_text("hop 1")
    field = page.get_by_role("textbox", name="Question")
    field.fill("What color is the wall?")
    field.press("Enter")
    expect(page).to_have_url(re.compile("wall"))
    component = drawn(page)
    expect(component.locator(".candidates li").nth(4)).to_be_visible()
    field.fill("")
    field.press("Enter")
    expect(page.get_by_text("nothing to answer yet")).to_be_visible()

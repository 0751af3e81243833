"""Fool a classifier, as a visitor does it: in a real Chromium, against the real server."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from models.picture import gallery, png
from tests.browser.driving import settle
from tests.hostile import READABLE, REFUSED, hostile_files

SLIDER = ".epsilon input[type=range]"


def open_page(page: Page, server: str, query: str = "") -> Locator:
    """The ε component, once every step is computed."""
    page.goto(f"{server}/fool?{query}")
    component = page.locator(".epsilon[data-complete=true]")
    expect(component).to_be_visible()
    settle(page)
    return component


def upload(page: Page, name: str, data: bytes) -> None:
    page.locator("[data-testid=stFileUploaderDropzoneInput]").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


def drag_to(page: Page, n: int) -> None:
    """Put the pressed mouse over step n of the slider, without letting go."""
    box = page.locator(SLIDER).bounding_box()
    assert box
    thumb = 16  # Chromium's default
    page.mouse.move(box["x"] + thumb / 2 + n / 32 * (box["width"] - thumb), box["y"] + box["height"] / 2, steps=6)


def canvas_pixels(page: Page, name: str) -> np.ndarray:
    """The (height, width, 3) uint8 values that a canvas of the component shows."""
    script = """canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"""
    values = page.locator(f".epsilon canvas.{name}").evaluate(script)
    side = int((len(values) / 4) ** 0.5)
    return np.array(values, dtype=np.uint8).reshape(side, side, 4)[..., :3]


def photo() -> bytes:
    """A JPEG as a phone writes it: large, on its side, turned by EXIF."""
    image = Image.open(gallery()["coffee"].path).convert("RGB").rotate(90, expand=True)
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image.resize((1600, 2400)).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def test_a_photo_is_uploaded_attacked_taken_home_and_brought_back(page: Page, server: str, tmp_path: Path) -> None:
    sent: list[object] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{server}/fool?source=Upload")
    upload(page, "IMG_0001.JPG", photo())
    component = page.locator(".epsilon[data-complete=true]")
    expect(component).to_be_visible()
    settle(page)
    expect(page.get_by_text("turned as its EXIF says", exact=False)).to_be_visible()
    clean = canvas_pixels(page, "clean")

    drag_to(page, 0)
    page.mouse.down()
    before_drag, answers = len(sent), {}
    for n in (0, 2, 4, 8, 16, 32, 20):
        drag_to(page, n)
        expect(component).to_have_attribute("data-n", str(n))
        answers[n] = component.get_attribute("data-answer")
        change = canvas_pixels(page, "adversarial").astype(int) - clean
        assert np.abs(change).max() == n
    assert len(sent) == before_drag, "the server was asked during the drag"
    assert answers[0] == "espresso"
    assert len(set(answers.values())) >= 3, "the answer changes under the finger"
    page.mouse.up()

    expect(page).to_have_url(re.compile("eps=20"))
    expect(page.get_by_test_id("stMetric").filter(has_text="L∞")).to_contain_text("20/255")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Adversarial PNG").click()
    taken = Path(tmp_path, "taken.png")
    waiting.value.save_as(taken)
    assert (np.asarray(Image.open(taken)) == canvas_pixels(page, "adversarial")).all()

    page.goto(f"{server}/fool?source=Upload&eps=0")
    upload(page, "taken.png", taken.read_bytes())
    expect(component).to_be_visible()
    expect(component).to_have_attribute("data-answer", answers[20] or "")
    assert (canvas_pixels(page, "clean") == np.asarray(Image.open(taken))).all()


def test_canvases_equal_numpy_for_every_step_and_keys_move_one_step(page: Page, server: str) -> None:
    component = open_page(page, server, "gallery=Cup+of+coffee&eps=0")
    clean = canvas_pixels(page, "clean").astype(int)
    page.locator(SLIDER).press("End")
    expect(component).to_have_attribute("data-n", "32")
    sign = np.sign(canvas_pixels(page, "eta").astype(int) - 128)
    for n in (31, 30, 29):
        page.locator(SLIDER).press("ArrowLeft")
        expect(component).to_have_attribute("data-n", str(n))
        assert (canvas_pixels(page, "adversarial") == np.clip(clean + n * sign, 0, 255)).all()
    page.locator(SLIDER).press("Home")
    expect(component).to_have_attribute("data-n", "0")
    assert (canvas_pixels(page, "adversarial") == clean).all()
    page.mouse.click(5, 400)  # the slider has the focus no more
    page.keyboard.press("ArrowRight")
    expect(component).to_have_attribute("data-n", "1")
    expect(page).to_have_url(re.compile("eps=1"))


def test_a_deep_link_opens_the_exact_screen(page: Page, server: str) -> None:
    component = open_page(page, server, "gallery=Flower&target=toaster&eps=16")
    expect(page.get_by_role("heading", name="Fool a classifier")).to_be_visible()
    expect(component).to_have_attribute("data-n", "16")
    expect(page.get_by_role("combobox", name="Make it say")).to_have_value("toaster")
    page.get_by_role("button", name="Link to this state").click()
    link = page.locator("[data-testid=stPopoverBody] code").inner_text()
    assert "target=toaster" in link
    assert "eps=16" in link
    page.goto(link)
    expect(component).to_have_attribute("data-n", "16")


def test_bad_values_in_a_link_fall_back_with_a_word(page: Page, server: str) -> None:
    component = open_page(page, server, "eps=99&gallery=nothing&network=HAL9000&target=<b>&truth=x&source=y")
    expect(component).to_have_attribute("data-n", "1")
    for word in ("99", "nothing", "HAL9000", "<b>"):
        expect(page.get_by_test_id("stToast").filter(has_text=word)).to_be_visible()


def test_weights_that_cannot_be_fetched_leave_the_embedded_network(page: Page, server: str) -> None:
    component = open_page(page, server, "network=AlexNet")
    expect(page.get_by_text("could not be fetched")).to_be_visible()
    expect(component).to_have_attribute("data-answer", "harmonica")


def test_targeted_attack_by_searching_a_class(page: Page, server: str) -> None:
    component = open_page(page, server, "gallery=Cup+of+coffee&eps=4")
    field = page.get_by_role("combobox", name="Make it say")
    field.fill("consom")
    field.press("Enter")
    expect(component.locator(".words")).to_contain_text("“consomme”")
    expect(page).to_have_url(re.compile("target=consomme"))


def test_a_click_on_a_pixel_shows_its_numbers(page: Page, server: str) -> None:
    open_page(page, server, "eps=3")
    page.locator(".epsilon canvas.clean").click(position={"x": 40, "y": 40})
    page.get_by_role("tab", name="Numbers").click()
    expect(page.get_by_text("the pixel you clicked")).to_be_visible()
    expect(page).to_have_url(re.compile(r"pixel=\d+%2C\d+"))
    page.get_by_role("tab", name="Code").click()
    expect(page.locator("code").filter(has_text="def fgsm(").first).to_be_visible()


def test_a_release_does_not_send_the_picture_again(page: Page, server: str) -> None:
    received: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    open_page(page, server, "eps=7&pixel=3,4")
    expect(page.get_by_test_id("stMetric").filter(has_text="L∞")).to_contain_text("7/255")
    assert max(received) > 150_000, "the picture came once"
    settle(page)
    received.clear()
    page.locator(SLIDER).press("ArrowRight")
    expect(page.get_by_test_id("stMetric").filter(has_text="L∞")).to_contain_text("8/255")
    assert max(received) < 50_000


def test_presenter_mode_comes_and_goes_with_a_key(page: Page, server: str) -> None:
    open_page(page, server)
    page.keyboard.press("p")
    expect(page).to_have_url(re.compile("presenter=1"))
    expect(page.locator("[data-testid=stHeader]")).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "24px"
    page.keyboard.press("p")
    expect(page.locator("[data-testid=stHeader]")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_nothing_sticks_out_on_a_phone_and_dark_is_dark(page: Page, server: str, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    component = open_page(page, server)
    box = component.bounding_box()
    assert box
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) == (scheme == "dark")


def test_hostile_files_give_one_sentence_and_the_session_goes_on(page: Page, server: str) -> None:
    page.goto(f"{server}/fool?source=Upload")
    upload(page, "good.png", png(np.asarray(Image.open(gallery()["chelsea"].path))))
    component = page.locator(".epsilon[data-complete=true]")
    expect(component).to_be_visible()
    files = hostile_files()
    refused = [name for name in REFUSED if len(files[name]) < 20 * 2**20][:32]
    assert len(refused) >= 30
    for name in refused:
        upload(page, name, files[name])
        alert = page.get_by_test_id("stAlert").filter(has_text=re.compile(re.escape(REFUSED[name]), re.IGNORECASE))
        expect(alert).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
        expect(component).to_be_visible()
        page.get_by_role("button", name=re.compile("^(Remove|Delete)")).first.click()
        expect(alert).to_have_count(0)
    for name in sorted(READABLE)[:4]:
        upload(page, name, files[name])
        expect(component).to_be_visible()
        settle(page)
        expect(page.get_by_test_id("stAlert")).to_have_count(0)


def test_a_file_over_the_limit_is_refused_by_page_and_server(page: Page, server: str) -> None:
    page.goto(f"{server}/fool?source=Upload")
    upload(page, "too_big.png", b"\x89PNG" + bytes(21 * 2**20))
    expect(page.get_by_text("File must be 20.0MB or smaller", exact=False)).to_be_visible()
    upload(page, "good.png", png(np.asarray(Image.open(gallery()["chelsea"].path))))
    expect(page.locator(".epsilon[data-complete=true]")).to_be_visible()

"""Uploaded files become the right pixels, or one plain sentence; nothing else ever comes out."""

import io
import random
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import picture as pictures
from models.picture import (
    Picture,
    PictureError,
    describe_fit,
    gallery,
    gallery_picture,
    png,
    read_picture,
    square,
)
from tests.hostile import BLUE, READABLE, REFUSED, chart, hostile_files, raw_png, raw_tiff, saved, turned

# PIL warns about broken EXIF and large pictures; the page shows its own sentence instead.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> Picture:
    """One of the hostile files, read."""
    return read_picture(hostile_files()[name], name)


def colours(picture: Picture) -> list[tuple[int, ...]]:
    """The colours of the pixels, row by row."""
    return [tuple(colour) for colour in picture.pixels.reshape(-1, 3).tolist()]


def assert_sound(picture: Picture) -> None:
    """The promises that hold for every picture."""
    height, width, channels = picture.pixels.shape
    assert picture.pixels.dtype == np.uint8 and channels == 3
    assert 1 <= min(height, width) <= 640 and max(height, width) <= 4 * min(height, width)
    assert not picture.pixels.flags.writeable
    assert re.fullmatch("[0-9a-f]{64}", picture.digest)
    assert square(picture, 224).shape == (224, 224, 3) and square(picture, 224).dtype == np.uint8


def assert_one_plain_sentence(text: str) -> None:
    """What is shown to a student: short, one line, no words of a traceback."""
    assert text.endswith(".") and "\n" not in text and 10 < len(text) < 200
    assert not re.search("error|exception|traceback|NoneType|0x|PIL|BytesIO|line \\d", text, re.IGNORECASE)


# ---------------------------------------------------------------- every odd file


def test_at_least_thirty_hostile_files_and_each_has_its_verdict() -> None:
    assert len(hostile_files()) >= 30
    assert set(hostile_files()) == READABLE | set(REFUSED) and not READABLE & set(REFUSED)


@pytest.mark.parametrize("name", sorted(READABLE))
def test_readable_file_gives_a_sound_picture(name: str) -> None:
    assert_sound(read(name))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_file_gives_one_plain_sentence(name: str) -> None:
    with pytest.raises(PictureError) as caught:
        read(name)
    assert_one_plain_sentence(str(caught.value))
    assert REFUSED[name] in str(caught.value)


def test_too_large_a_file_is_told_its_size_and_the_limit() -> None:
    with pytest.raises(PictureError, match=r"25\.0 MB, over the limit of 20 MB"):
        read_picture(bytes(25 * 2**20), "zeros.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF"])
def test_damaged_bytes_give_a_picture_or_a_plain_sentence(kind: str) -> None:
    chance, whole, outcomes = random.Random(kind), saved(chart(), kind), set()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 3, 30])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            assert_sound(read_picture(bytes(data[: chance.randrange(1, 2 * len(data))]), "damaged"))
            outcomes.add("picture")
        except PictureError as error:
            assert_one_plain_sentence(str(error))
            outcomes.add("refused")
    assert "refused" in outcomes


def test_memory_running_out_is_a_plain_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pictures, "_decode", no_memory)
    with pytest.raises(PictureError, match="memory"):
        read("one_pixel.png")


# ---------------------------------------------------------------- known answers


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, "top left"), (2, "top right"), (3, "bottom right"), (4, "bottom left"),
     (5, "top left"), (6, "top right"), (7, "bottom right"), (8, "bottom left")],
)  # fmt: skip
def test_a_turned_photo_has_its_red_corner_where_it_was_taken(kind: str, orientation: int, corner: str) -> None:
    picture = read_picture(turned(kind, orientation), "turned")
    assert picture.pixels.shape == ((40, 80, 3) if orientation <= 4 else (80, 40, 3))
    assert ("turned as its EXIF says" in picture.done) == (orientation > 1)
    corners = {"top left": (8, 8), "top right": (8, -8), "bottom left": (-8, 8), "bottom right": (-8, -8)}
    for place, (row, column) in corners.items():
        green = picture.pixels[row, column, 1]
        assert green < 60 if place == corner else green > 200, place


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    picture = read("grey16.png")  # 0, 32768, 65535, 300
    assert colours(picture) == [(0, 0, 0), (128, 128, 128), (255, 255, 255), (1, 1, 1)]
    assert picture.done == ("16-bit values brought to 8 bits",)


def test_sixteen_bits_of_other_formats_and_byte_orders() -> None:
    bright_and_middle = b"\xff\xff\x80\x00"
    tiff = saved(Image.frombytes("I;16B", (2, 1), bright_and_middle), "TIFF")
    for data in (tiff, b"P5 2 1 65535\n" + bright_and_middle):
        assert colours(read_picture(data, "grey")) == [(255, 255, 255), (128, 128, 128)]


def test_sixteen_bit_colour_is_said() -> None:
    picture = read("rgb16.png")
    assert colours(picture) == [(255, 128, 0)] and picture.done == ("16-bit values brought to 8 bits",)


def test_floats_are_scaled_by_their_range() -> None:
    values = np.array([[-1, 0, 1], [np.nan, np.inf, -np.inf]], dtype=np.float32)
    picture = read_picture(saved(Image.fromarray(values), "TIFF"), "floats.tiff")
    assert picture.pixels[:, :, 0].tolist() == [[0, 128, 255], [0, 255, 0]]
    assert picture.done[0] == "values from -1 to 1 stretched to 0 to 255"
    assert "not numbers" in picture.done[1]


def test_wide_integers_are_scaled_by_their_range() -> None:
    values = np.array([[-1000000, 0], [0, 1000000]], dtype=np.int32)
    picture = read_picture(saved(Image.fromarray(values), "TIFF"), "wide.tiff")
    assert picture.pixels[:, :, 0].tolist() == [[0, 128], [128, 255]]
    assert picture.done == ("values from -1e+06 to 1e+06 stretched to 0 to 255",)


def test_small_numbers_in_32_bits_are_not_mistaken_for_16_bits() -> None:
    values = np.array([[0, 255], [51, 102]], dtype=np.int32)
    picture = read_picture(saved(Image.fromarray(values), "TIFF"), "array.tiff")
    assert picture.pixels[:, :, 0].tolist() == values.tolist()


@pytest.mark.parametrize("name", ["cmyk.jpg", "cmyk.tiff"])
def test_pure_cyan_ink(name: str) -> None:
    assert np.abs(read(name).pixels.astype(int) - (0, 255, 255)).max() <= 6


def test_lab_white_is_white() -> None:
    assert read("lab.tiff").pixels.min() >= 253


def test_grey_and_one_bit_pictures_have_equal_channels() -> None:
    for name in ("grey_alpha.png", "one_bit.bmp", "int32.tiff"):
        pixels = read(name).pixels
        assert (pixels == pixels[:, :, :1]).all() and pixels.max() > 200


def test_transparent_parts_are_white() -> None:
    assert set(colours(read("all_transparent.png"))) == {(255, 255, 255)}
    assert colours(read("palette_with_alpha.png")) == [(255, 255, 255), (0, 255, 0)]
    assert colours(read("grey16_with_clear_value.png"))[3] == (255, 255, 255)  # 300 is the clear value
    assert "transparent parts put on white" in read("all_transparent.png").done


def test_half_transparent_red_is_pink_and_opaque_alpha_is_not_mentioned() -> None:
    half = read_picture(saved(Image.new("RGBA", (2, 2), (255, 0, 0, 128)), "PNG"), "half.png")
    assert np.abs(half.pixels[0, 0].astype(int) - (255, 127, 127)).max() <= 1
    opaque = read_picture(saved(Image.new("RGBA", (2, 2), (255, 0, 0, 255)), "PNG"), "opaque.png")
    assert opaque.done == () and colours(opaque)[0] == (255, 0, 0)


def test_hidden_colours_do_not_shine_through_when_reduced() -> None:
    sheet = Image.new("RGBA", (1300, 1300), (*BLUE, 0))
    picture = read_picture(saved(sheet, "PNG", compress_level=1), "hidden.png")
    assert picture.pixels.shape == (640, 640, 3) and picture.pixels.min() == 255


def test_key_colour_is_transparent_in_colour_grey_and_one_bit() -> None:
    colour = raw_png(2, 1, 8, 2, b"\0\x09\x09\x09\x64\x00\x00", (b"tRNS", b"\0\x09\0\x09\0\x09"))
    grey = raw_png(2, 1, 8, 0, b"\0\x09\x64", (b"tRNS", b"\0\x09"))
    one_bit = raw_png(2, 1, 1, 0, b"\0\x40", (b"tRNS", b"\0\0"))
    assert colours(read_picture(colour, "a.png")) == [(255, 255, 255), (100, 0, 0)]
    assert colours(read_picture(grey, "b.png")) == [(255, 255, 255), (100, 100, 100)]
    assert colours(read_picture(one_bit, "c.png")) == [(255, 255, 255), (255, 255, 255)]


@pytest.mark.parametrize(
    ("name", "words"),
    [("animation.gif", "first of several frames"), ("animation.png", "first of 12 frames"),
     ("animation.webp", "first of 12 frames"), ("two_pages.tiff", "first of several pictures in the file"),
     ("two_pictures.jpg", "first of 2 pictures in the file")],
)  # fmt: skip
def test_the_first_frame_is_used(name: str, words: str) -> None:
    picture = read(name)
    assert np.abs(picture.pixels.astype(int) - BLUE).max() <= 2  # later frames turn red
    assert picture.done == (words,)


def test_colours_of_another_profile_are_converted() -> None:
    """The known answer comes from the published primaries of Adobe RGB (1998) and sRGB."""
    adobe = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])
    srgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    linear = srgb @ adobe @ (np.array([150, 120, 100]) / 255) ** 2.2
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    profile = Image.open(gallery()["rocket"].path).info["icc_profile"]
    data = saved(Image.new("RGB", (8, 8), (150, 120, 100)), "PNG", icc_profile=profile)
    picture = read_picture(data, "adobe.png")
    assert np.abs(picture.pixels[0, 0] - expected).max() <= 1.5
    assert picture.done == ("colours converted from Adobe RGB (1998) to sRGB",)


def test_a_broken_profile_changes_nothing_and_is_said() -> None:
    picture = read("bad_profile.png")
    assert (picture.pixels == np.asarray(chart())).all()
    assert picture.done == ("a colour profile that does not work was ignored",)


def test_the_content_counts_not_the_name() -> None:
    assert (read("png_called.jpg").pixels == np.asarray(chart())).all()


def test_names_are_one_short_printable_line() -> None:
    data = hostile_files()["one_pixel.png"]
    assert read_picture(data, "a\nb\x00\u202ec.png").name == "abc.png"
    assert read_picture(data, "\n").name == "picture"
    assert len(read_picture(data, "x" * 5000).name) == 80


def test_the_digest_tells_pixels_and_shape_apart_but_not_names() -> None:
    tall, wide = (read_picture(saved(Image.new("RGB", size), "PNG"), "a").digest for size in ((1, 2), (2, 1)))
    assert tall != wide
    assert read_picture(saved(Image.new("RGB", (1, 2)), "BMP"), "b").digest == tall


# ---------------------------------------------------------------- shapes and sizes


@pytest.mark.parametrize(
    ("name", "shape"),
    [("tall_10x5000.png", (40, 10, 3)), ("line_1x20000.png", (4, 1, 3)), ("line_20000x1.png", (1, 4, 3)),
     ("one_pixel.png", (1, 1, 3)), ("48_megapixels.jpg", (640, 853, 3))],
)  # fmt: skip
def test_long_and_large_pictures_are_cut_and_reduced(name: str, shape: tuple[int, int, int]) -> None:
    picture = read(name)
    assert picture.pixels.shape == shape
    assert ("only the centre kept, 4 times as long as wide" in picture.done) == (max(shape) == 4 * min(shape[:2]))


def test_the_centre_is_kept_of_a_long_picture() -> None:
    strip = Image.new("RGB", (1000, 10), "white")
    strip.paste(BLUE, (480, 0, 520, 10))
    assert set(colours(read_picture(saved(strip, "PNG"), "strip.png"))) == {BLUE}


def test_square_of_the_right_size_is_identical() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    picture = read_picture(png(noise), "noise.png")
    assert (square(picture, 224) == noise).all() and picture.done == ()
    wide = np.concatenate([noise[:, :50], noise, noise[:, :50]], axis=1)
    assert (square(read_picture(png(wide), "wide.png"), 224) == noise).all()


def test_square_is_antialiased() -> None:
    board = np.indices((448, 448)).sum(axis=0) % 2 * np.uint8(255)
    fine = read_picture(png(np.repeat(board.astype(np.uint8)[:, :, None], 3, axis=2)), "board.png")
    assert np.abs(square(fine, 224)[8:-8, 8:-8].astype(int) - 127.5).max() <= 1


def test_square_of_one_pixel_is_one_colour() -> None:
    assert (square(read("one_pixel.png"), 224) == (0, 255, 0)).all()


@pytest.mark.parametrize(
    ("size", "sentence"),
    [((224, 224), "Your 224×224 photo, as it is."),
     ((300, 224), "The centre square of your 300×224 photo, as it is."),
     ((1300, 1000), "The centre square of your 1300×1000 photo, resized to 224×224 pixels."),
     ((640, 640), "Your 640×640 photo, resized to 224×224 pixels."),
     ((50, 60), "The centre square of your 50×60 photo, enlarged to 224×224 pixels.")],
)  # fmt: skip
def test_the_fit_is_described(size: tuple[int, int], sentence: str) -> None:
    picture = read_picture(saved(Image.new("RGB", size), "PNG"), "plain.png")
    assert describe_fit(picture, 224) == sentence


def test_a_large_turned_photo_is_described_as_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(saved(Image.new("RGB", (4000, 3000)), "JPEG", exif=exif), "phone.jpg")
    assert picture.original == (3000, 4000) and picture.pixels.shape == (853, 640, 3)
    assert "reduced from 3000×4000 to 640×853 pixels" in picture.done
    assert describe_fit(picture, 224).startswith("The centre square of your 3000×4000 photo, resized")


def test_png_round_trip() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (31, 17, 3), dtype=np.uint8)
    with Image.open(io.BytesIO(png(noise))) as image:
        assert image.mode == "RGB" and (np.asarray(image) == noise).all()


# ---------------------------------------------------------------- memory and time


MEASURE = """
import sys
from pathlib import Path
from models.picture import PictureError, gallery_picture, read_picture
def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
gallery_picture("chelsea")
data = Path(sys.argv[1]).read_bytes()
before = peak()
try:
    read_picture(data, "measured")
except PictureError:
    pass
print(peak() - before)
"""


def memory_growth(data: bytes, folder: Path) -> float:
    """Megabytes by which the peak memory of a fresh process grows while it reads the file."""
    path = folder / "file"
    path.write_bytes(data)
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, str(path)]
    return float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to measure")
def test_48_megapixel_jpeg_needs_little_memory_and_time(tmp_path: Path) -> None:
    assert memory_growth(hostile_files()["48_megapixels.jpg"], tmp_path) < 60  # 192 MB if decoded in full
    start = time.perf_counter()
    read("48_megapixels.jpg")
    assert time.perf_counter() - start < 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to measure")
@pytest.mark.parametrize("name", ["bomb_9000.png", "bomb_tile.tiff", "bomb_header.webp", "many_passes.jpg"])
def test_bombs_are_refused_before_they_grow(name: str, tmp_path: Path) -> None:
    assert memory_growth(hostile_files()[name], tmp_path) < 20


def test_a_tiff_may_not_claim_huge_tiles() -> None:
    with pytest.raises(PictureError, match="10000×10000"):
        read_picture(raw_tiff(t256=9, t257=9, t258=8, t259=8, t262=1, t322=10**4, t323=10**4, t324=8, t325=9), "t")


def test_one_file_is_decoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    decode, inside, most = pictures._decode, [], []

    def watched(data: bytes, notes: list[str]) -> tuple[Image.Image, tuple[int, int]]:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return decode(data, notes)

    monkeypatch.setattr(pictures, "_decode", watched)
    threads = [threading.Thread(target=read, args=("photo.avif",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


# ---------------------------------------------------------------- gallery


# Words of each credit that the package itself must use for the picture.
CREDITS = {
    "chelsea": ("Stefan van der Walt", "CC0"),
    "coffee": ("Rachel Michetti", "Pikolo Espresso Bar", "CC0"),
    "flower": ("vultilion", "6056698931", "danielbuechele"),
    "china": ("danielbuechele", "6061409035"),
    "rocket": ("SpaceX", "public domain"),
    "astronaut": ("NASA Great Images database", "public domain"),
    "camera": ("Lav Varshney", "CC0"),
    "clock": ("Stefan van der Walt", "public domain"),
    "coins": ("Brooklyn Museum Collection", "no known copyright restrictions"),
    "horse": ("Andreas Preuss (marauder)", "CC0"),
}


def what_the_package_says(path: Path) -> str:
    """The text in which scikit-image or scikit-learn states author and licence of the picture."""
    if path.suffix == ".jpg" and (path.parent / "README.txt").read_text().count(path.name):
        return (path.parent / "README.txt").read_text().split(f"Image: {path.name}")[1].split("Image:")[0]
    functions = (path.parent / "_fetchers.py").read_text().split("\ndef ")
    return next(text for text in functions if f'"data/{path.name}"' in text)


@pytest.mark.parametrize("key", list(CREDITS))
def test_gallery_picture_is_sound_and_credited_as_its_package_says(key: str) -> None:
    picture, entry = gallery_picture(key), gallery()[key]
    assert_sound(picture)
    assert picture is gallery_picture(key)
    assert picture.credit == entry.credit and re.search("from scikit-(image|learn)$", entry.credit)
    text = " ".join(what_the_package_says(entry.path).split())
    for words in CREDITS[key]:
        assert words in entry.credit and words.lower() in text.lower()


def test_the_gallery_has_the_camera_first_and_a_few_hard_ones() -> None:
    assert set(gallery()) == set(CREDITS)
    assert next(iter(gallery())) == "camera"
    assert [key for key, entry in gallery().items() if entry.hard] == ["clock", "coins", "horse"]
    assert all(key == entry.key and entry.title for key, entry in gallery().items())


def test_gallery_pictures_look_right() -> None:
    assert gallery_picture("chelsea").pixels.shape == (300, 451, 3)
    with Image.open(gallery()["chelsea"].path) as cat:
        assert (gallery_picture("chelsea").pixels == np.asarray(cat)).all()
    horse = gallery_picture("horse").pixels
    assert horse[5, 5].min() > 240 and horse[150, 150].max() < 15  # white around, black inside
    assert describe_fit(gallery_picture("astronaut"), 224) == "The 512×512 photo, resized to 224×224 pixels."


def test_an_unknown_gallery_key_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        gallery_picture("../../etc/passwd")


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'streamlit', 'skimage', 'sklearn', 'timm'}"  # torch is meant: pixels become tensors here
    code = f"import sys, models.picture as p; p.gallery_picture('china'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

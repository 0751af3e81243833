"""Files a page of uploads must survive: odd but readable pictures, and files it must refuse.

Everything is made in memory. ``hostile_files()`` gives the bytes by file name; each name is either in
``READABLE`` or in ``REFUSED``, which says a word that the sentence shown to the student must contain.
Used by the unit tests of ``models/picture.py`` and by the browser test that uploads each file.
"""

import io
import random
import struct
import zipfile
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

READABLE = frozenset(
    {
        "48_megapixels.jpg",
        "<b>bold & 写真 'quoted'.png",
        "a" * 200 + ".png",
        "all_transparent.png",
        "animation.gif",
        "animation.png",
        "animation.webp",
        "bad_exif.jpg",
        "bad_profile.png",
        "cmyk.jpg",
        "cmyk.tiff",
        "film_appended.jpg",
        "float_with_nan.tiff",
        "grey16.png",
        "grey16_with_clear_value.png",
        "grey_alpha.png",
        "int32.tiff",
        "lab.tiff",
        "line_1x20000.png",
        "line_20000x1.png",
        "one_bit.bmp",
        "one_pixel.gif",
        "one_pixel.png",
        "palette_with_alpha.png",
        "photo.avif",
        "plain_text.ppm",
        "png_called.jpg",
        "progressive.jpg",
        "rgb16.png",
        "tall_10x5000.png",
        "turned.jpg",
        "turned.tiff",
        "two_pages.tiff",
        "two_pictures.jpg",
    }
)

REFUSED = {
    "archive.zip": "ZIP",
    "bad_checksum.png": "damaged",
    "bomb_9000.png": "million",
    "bomb_header.bmp": "million",
    "bomb_header.gif": "million",
    "bomb_header.jpg": "million",
    "bomb_header.png": "million",
    "bomb_header.ppm": "million",
    "bomb_header.tiff": "million",
    "bomb_header.webp": "million",
    "bomb_tile.tiff": "million",
    "cut_off.avif": "damaged",
    "cut_off.bmp": "damaged",
    "cut_off.gif": "damaged",
    "cut_off.jpg": "damaged",
    "cut_off.png": "damaged",
    "cut_off.tiff": "damaged",
    "cut_off.webp": "damaged",
    "drawing.svg": "SVG",
    "drawing_in_xml.svg": "SVG",
    "empty.png": "empty",
    "film.mp4": "video",
    "film.webm": "video",
    "first_bytes_only.jpg": "damaged",
    "many_passes.jpg": "passes",
    "no_numbers.tiff": "finite",
    "noise.jpg": "not a picture",
    "page.html": "web page",
    "paper.pdf": "PDF",
    "phone.heic": "HEIC",
    "picture.jxl": "JPEG XL",
    "text.png": "not a picture",
    "text_bomb.png": "damaged",
    "too_big.png": "MB",
    "wide_of_nothing.gif": "damaged",
    "wide_of_nothing.png": "damaged",
}


@lru_cache(maxsize=1)
def hostile_files() -> dict[str, bytes]:
    """Every file by its name; about 25 MB in all, made in about a second."""
    odd = {**_odd_shapes(), **_odd_depths(), **_odd_colours(), **_odd_parts(), **_many_frames()}
    return {**odd, **_big_claims(), **_much_work(), **_cut_off(), **_not_pictures()}


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file of the kind that PIL calls ``kind``."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chart(width: int = 64, height: int = 48) -> Image.Image:
    """A smooth picture with red growing to the right, green growing downward, and blue 128."""
    across, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    red, green = np.meshgrid(across, down)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 128)], axis=-1).astype(np.uint8))


def red_corner() -> Image.Image:
    """80 × 40 pixels, white, with a red square of 20 × 20 in the top left corner."""
    image = Image.new("RGB", (80, 40), "white")
    image.paste(RED, (0, 0, 20, 20))
    return image


def turned(kind: str, orientation: int, **options: Any) -> bytes:
    """``red_corner`` with an EXIF note of that orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(red_corner(), kind, exif=exif, **options)


def raw_png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG file put together by hand; ``rows`` includes the filter byte of each row."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def raw_tiff(**tags: int) -> bytes:
    """A little-endian TIFF file of a header and integer tags, t256=width, t257=height, ...; no pixels."""
    entries = b"".join(struct.pack("<HHII", int(tag[1:]), 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _odd_shapes() -> dict[str, bytes]:
    """Readable: very small, very long, very large."""
    return {
        "48_megapixels.jpg": saved(Image.new("RGB", (8000, 6000), (200, 100, 50)), "JPEG", quality=50),
        "line_1x20000.png": saved(Image.new("RGB", (1, 20000), BLUE), "PNG"),
        "line_20000x1.png": saved(Image.new("RGB", (20000, 1), BLUE), "PNG"),
        "one_pixel.gif": saved(Image.new("RGB", (1, 1), GREEN), "GIF"),
        "one_pixel.png": saved(Image.new("RGB", (1, 1), GREEN), "PNG"),
        "tall_10x5000.png": saved(chart(10, 5000), "PNG"),
    }


def _odd_depths() -> dict[str, bytes]:
    """Readable: 1, 16 and 32 bits for each value, whole numbers and others."""
    numbers = np.linspace(-3, 9, 64 * 48, dtype=np.float32).reshape(48, 64)
    with_nan = numbers.copy()
    with_nan[0, :3] = np.nan, np.inf, -np.inf
    grey16 = struct.pack(">B4H", 0, 0, 32768, 65535, 300)
    return {
        "float_with_nan.tiff": saved(Image.fromarray(with_nan), "TIFF"),
        "grey16.png": raw_png(4, 1, 16, 0, grey16),
        "grey16_with_clear_value.png": raw_png(4, 1, 16, 0, grey16, (b"tRNS", struct.pack(">H", 300))),
        "int32.tiff": saved(Image.fromarray((numbers * 1e6).astype(np.int32)), "TIFF"),
        "one_bit.bmp": saved(chart().convert("1"), "BMP"),
        "plain_text.ppm": b"P3\n# by hand\n2 1\n255\n255 0 0   0 0 255\n",
        "rgb16.png": raw_png(1, 1, 16, 2, struct.pack(">B3H", 0, 65535, 32768, 0)),
    }


def _odd_colours() -> dict[str, bytes]:
    """Readable: colour models other than RGB, and transparency."""
    cyan = Image.new("CMYK", (64, 48), (255, 0, 0, 0))
    palette = (b"PLTE", bytes(RED + GREEN)), (b"tRNS", b"\x00\xff")
    return {
        "all_transparent.png": saved(Image.new("RGBA", (32, 32), (0, 0, 0, 0)), "PNG"),
        "bad_profile.png": saved(chart(), "PNG", icc_profile=b"not a profile " * 20),
        "cmyk.jpg": saved(cyan, "JPEG", quality=95),
        "cmyk.tiff": saved(cyan, "TIFF"),
        "grey_alpha.png": saved(chart().convert("LA"), "PNG"),
        "lab.tiff": saved(Image.new("LAB", (64, 48), (255, 128, 128)), "TIFF"),
        "palette_with_alpha.png": raw_png(2, 1, 8, 3, b"\0\0\1", *palette),
    }


def _odd_parts() -> dict[str, bytes]:
    """Readable: EXIF, wrong or strange names, and rubbish beside a sound picture."""
    photo, picture = saved(chart(), "JPEG"), saved(chart(), "PNG")
    return {
        "<b>bold & 写真 'quoted'.png": picture,
        "a" * 200 + ".png": picture,
        "bad_exif.jpg": saved(chart(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(40)),
        "film_appended.jpg": photo + b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\4" * 5000,
        "photo.avif": saved(chart(), "AVIF"),
        "png_called.jpg": picture,
        "progressive.jpg": saved(chart(), "JPEG", progressive=True),
        "turned.jpg": turned("JPEG", 6, quality=95),
        "turned.tiff": turned("TIFF", 8),
    }


def _many_frames() -> dict[str, bytes]:
    """Readable: files with more than one picture, the first blue and the later ones redder."""
    frames = [Image.new("RGB", (32, 32), (index * 20, 0, 255 - index * 20)) for index in range(12)]
    rest: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 50}
    return {
        "animation.gif": saved(frames[0], "GIF", **rest),
        "animation.png": saved(frames[0], "PNG", **rest),
        "animation.webp": saved(frames[0], "WEBP", lossless=True, **rest),
        "two_pages.tiff": saved(frames[0], "TIFF", **rest),
        "two_pictures.jpg": saved(frames[0], "MPO", save_all=True, append_images=frames[1:2]),
    }


def _big_claims() -> dict[str, bytes]:
    """Refused: small files whose headers claim sizes that nobody can decode."""
    jpeg, bmp = saved(chart(), "JPEG"), saved(chart(), "BMP")
    at = jpeg.index(b"\xff\xc0") + 5
    wide, vp8x = b"\xff" * 4, b"VP8X\x0a\0\0\0\x10\0\0\0" + b"\xfe\x3f\0" * 2
    tile = {"t322": 32000, "t323": 32000, "t324": 8, "t325": 9}
    return {
        "bomb_header.bmp": bmp[:18] + struct.pack("<ii", 60000, 60000) + bmp[26:],
        "bomb_header.gif": b"GIF89a" + wide + bytes(3) + b",\0\0\0\0" + wide + b"\0\2\2\x4c\1\0;",
        "bomb_header.jpg": jpeg[:at] + b"\xff\xdc\xff\xdc" + jpeg[at + 4 :],
        "bomb_header.png": raw_png(60000, 60000, 8, 2, bytes(100)),
        "bomb_header.ppm": b"P6 60000 60000 255\n" + bytes(100),
        "bomb_header.tiff": raw_tiff(t256=60000, t257=60000, t258=8, t262=1, t273=8, t278=60000, t279=100),
        "bomb_header.webp": b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x,
        "bomb_tile.tiff": raw_tiff(t256=9, t257=9, t258=8, t259=8, t262=1, **tile),
        "wide_of_nothing.gif": b"GIF89a" + bytes(7) + b",\0\0\0\0\0\0\0\0\0\2\2\x4c\1\0;",
        "wide_of_nothing.png": raw_png(0, 5, 8, 2, bytes(5)),
    }


def _much_work() -> dict[str, bytes]:
    """Refused: files that can be decoded, but at the cost of much memory or much time."""
    photo = saved(chart(), "JPEG", progressive=True)
    last_scan = photo[photo.rindex(b"\xff\xda") : -2]
    return {
        "bomb_9000.png": raw_png(9000, 9000, 8, 0, bytes(9001 * 9000)),
        "many_passes.jpg": photo[:-2] + last_scan * 5000 + b"\xff\xd9",
        "text_bomb.png": raw_png(1, 1, 8, 0, b"\0\0", (b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7)))),
        "too_big.png": saved(chart(), "PNG") + bytes(20 * 1024 * 1024),
    }


def _cut_off() -> dict[str, bytes]:
    """Refused: pictures that end too early or were changed on the way."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    kinds = {
        "avif": "AVIF",
        "bmp": "BMP",
        "gif": "GIF",
        "jpg": "JPEG",
        "png": "PNG",
        "tiff": "TIFF",
        "webp": "WEBP",
    }
    whole = {end: saved(noise, kind) for end, kind in kinds.items()}
    no_numbers = Image.fromarray(np.full((8, 8), np.nan, dtype=np.float32))
    return {
        **{f"cut_off.{end}": data[: len(data) // 2] for end, data in whole.items()},
        "bad_checksum.png": whole["png"][:29] + b"\0\0\0\0" + whole["png"][33:],
        "first_bytes_only.jpg": whole["jpg"][:4],
        "no_numbers.tiff": saved(no_numbers, "TIFF"),
    }


def _not_pictures() -> dict[str, bytes]:
    """Refused: other things that students have in their photo folders."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("photo.png", b"inside")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    return {
        "archive.zip": archive.getvalue(),
        "drawing.svg": svg,
        "drawing_in_xml.svg": b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- made by hand -->\n' + svg,
        "empty.png": b"",
        "film.mp4": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(200),
        "film.webm": b"\x1aE\xdf\xa3" + bytes(200),
        "noise.jpg": b"\x07" + random.Random(0).randbytes(5000),
        "page.html": b"<!DOCTYPE html><html><body><img src='cat.png'></body></html>",
        "paper.pdf": b"%PDF-1.7\n" + bytes(200),
        "phone.heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        "picture.jxl": b"\xff\x0a" + bytes(200),
        "text.png": b"This is a text file that somebody has called a picture.\n" * 5,
    }

"""Turn any file a student uploads into one small sRGB picture, or say in one sentence why not.

``read_picture`` takes the bytes of a file and gives a ``Picture``: plain 8-bit sRGB pixels and a list
of what was done to get them. It expects hostile files. Whatever the bytes are, either a ``Picture``
or a ``PictureError`` comes out, sizes are checked before anything is decoded, and only one file is
decoded at a time, so that a whole class uploading at once needs the memory of one upload.

``square`` cuts and resizes a picture to what a classifier takes in, and ``gallery`` lists example
pictures that come with the installed packages. It knows no network.
"""

import hashlib
import io
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError
from torch import Tensor

Pixels = npt.NDArray[np.uint8]

MAX_BYTES = 20 * 1024 * 1024  # of the file
MAX_PIXELS = 50_000_000  # declared by the file, checked before decoding
MAX_SCANS = 100  # passes in a progressive JPEG; cameras and editors write about 10
KEEP = 640  # pixels on the shorter side that are kept
LONGEST = 4  # the longer side is kept up to this many times the shorter
ORIENTATION = 0x0112  # the number of the EXIF tag
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM")

DAMAGED = "The file is damaged or cut off, so it cannot be read; save or download it again."
NOT_A_PICTURE = "This is not a picture this page can read; use a PNG or JPEG file."

_ONE_AT_A_TIME = threading.Lock()
_SRGB = ImageCms.createProfile("sRGB")

# Pictures of these formats say in their header how many frames they have.
_COUNTED = ("PNG", "WEBP", "AVIF", "MPO")
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")

# The first bytes of the formats in FORMATS, long enough not to be met by chance.
_KNOWN = re.compile(rb"\xff\xd8\xff|\x89PNG|GIF8|II\*\0|MM\0\*|RIFF....WEBP|....ftypavi[fs]", re.DOTALL)

# The first bytes of other formats, and what they are called in the sentence.
_FOREIGN = (
    (re.compile(rb"%PDF"), "a PDF document"),
    (re.compile(rb"PK\x03\x04"), "a ZIP archive or an office document"),
    (re.compile(rb"\x1f\x8b|Rar!|7z\xbc\xaf"), "a compressed archive"),
    (re.compile(rb"\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01[\xb3\xba]", re.DOTALL), "a video"),
    (re.compile(rb"RIFF....WAVE|ID3|OggS|fLaC", re.DOTALL), "a sound file"),
    (re.compile(rb"8BPS"), "a Photoshop file"),
    (re.compile(rb"gimp xcf"), "a GIMP file"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "), "a JPEG XL picture"),
    (re.compile(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  "), "a JPEG 2000 picture"),
    (re.compile(rb"\0\0\x01\0"), "an icon (ICO) file"),
    (re.compile(rb"....ftypcrx ", re.DOTALL), "a raw camera file"),
    (re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL), "a HEIC photo"),
    (re.compile(rb"....ftyp(?!avi[fs])", re.DOTALL), "a video"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype )?html", re.IGNORECASE), "a web page"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(svg|[?!][^\0]*<svg)", re.IGNORECASE), "an SVG drawing"),
)

# What undoes each EXIF orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PictureError(ValueError):
    """The file cannot be used; the message is one plain sentence for the page."""


@dataclass(frozen=True)
class Picture:
    """One picture, ready to be shown and classified."""

    pixels: Pixels  # (height, width, 3) uint8, sRGB, read-only
    name: str
    digest: str  # sha256 in hex of shape and pixels
    done: tuple[str, ...]  # what was done to the file, in plain words
    credit: str = ""  # for gallery pictures: author, licence, source
    original: tuple[int, int] | None = None  # width, height in the file, after turning


def read_picture(data: bytes, name: str) -> Picture:
    """Read the bytes of an uploaded file. Raises PictureError, and nothing else, if it cannot."""
    _refuse_early(data)
    notes: list[str] = []
    with _ONE_AT_A_TIME, _plain_errors(data):
        image, original = _decode(data, notes)
        pixels = np.array(image, dtype=np.uint8)
    pixels.setflags(write=False)
    digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()
    return Picture(pixels, _printable(name) or "picture", digest, tuple(notes), original=original)


# ---------------------------------------------------------------- refusing


def _refuse_early(data: bytes) -> None:
    """Refuse what can be refused from the length and the first bytes alone."""
    if not data:
        raise PictureError("The file is empty.")
    if len(data) > MAX_BYTES:
        size, limit = math.ceil(len(data) / 2**20 * 10) / 10, MAX_BYTES // 2**20
        raise PictureError(f"The file is {size:.1f} MB, over the limit of {limit} MB; save it smaller.")
    head = bytes(data[:4096])
    if b"ftyp" == head[4:8] and b"avif" in head[8:64]:
        return
    for start, what in _FOREIGN:
        if start.match(head):
            raise PictureError(f"This is {what}, which cannot be read here; use a picture saved as PNG or JPEG.")


@contextmanager
def _plain_errors(data: bytes) -> Iterator[None]:
    """Turn every exception that PIL raises on a bad file into a PictureError.

    The decoders raise almost anything (OSError, SyntaxError, struct.error, IndexError, ...), so this
    is the one place where catching Exception is right.
    """
    try:
        yield
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = MAX_PIXELS // 10**6
        raise PictureError(f"The picture has more than {limit} million pixels; save it smaller.") from error
    except MemoryError as error:
        raise PictureError("The picture needs more memory than there is; save it smaller.") from error
    except UnidentifiedImageError as error:
        raise PictureError(DAMAGED if _KNOWN.match(data) else NOT_A_PICTURE) from error
    except Exception as error:
        raise PictureError(DAMAGED) from error


def _refuse_size(width: int, height: int) -> None:
    """Refuse a declared size of too many pixels. (PIL itself refuses sizes of zero as damaged.)"""
    if width * height > MAX_PIXELS:
        limit = MAX_PIXELS // 10**6
        raise PictureError(
            f"The picture is {width}×{height} pixels, over the limit of {limit} million; save it smaller."
        )


def _jpeg_scans(data: bytes) -> int:
    """Count the passes over the picture in a JPEG file, up to just over MAX_SCANS."""
    marker = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
    at, scans = 2, 0
    while scans <= MAX_SCANS and (match := marker.search(data, at)):
        if match[1] == b"\xd9":
            break
        scans += match[1] == b"\xda"
        at = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    return scans


# ---------------------------------------------------------------- decoding


def _decode(data: bytes, notes: list[str]) -> tuple[Image.Image, tuple[int, int]]:
    """Give the picture in mode RGB, reduced and turned, and its (width, height) in the file."""
    image = _open(data)
    _note_file(image, notes)
    (width, height), turned_by_pil = image.size, _tiff_tag(image, ORIENTATION) in _TURNS
    image.draft(None, (KEEP, KEEP))  # a big JPEG is decoded at 1/2, 1/4 or 1/8 of its size
    image.load()
    turn = _orientation(image)
    if turn != 1 or turned_by_pil:  # PIL turns a TIFF while loading it
        notes.append("turned as its EXIF says")
    plain = _in_plain_rgb(image, notes)
    if turn != 1:
        plain = plain.transpose(_TURNS[turn])
    original = (height, width) if turn >= 5 else (width, height)
    if min(original) > min(plain.size):
        notes.append("reduced from {}×{} to {}×{} pixels".format(*original, *plain.size))
    return plain, original


def _open(data: bytes) -> ImageFile.ImageFile:
    """Read the header only, and refuse what would cost too much to decode."""
    image = Image.open(io.BytesIO(data), formats=FORMATS)
    _refuse_size(*image.size)
    if image.format == "TIFF":  # a small picture may claim huge tiles
        _refuse_size(_tiff_tag(image, 322), _tiff_tag(image, 323))
    if image.format in ("JPEG", "MPO") and _jpeg_scans(data) > MAX_SCANS:
        raise PictureError(f"This JPEG is made of more than {MAX_SCANS} passes; save it again as PNG.")
    return image


def _note_file(image: ImageFile.ImageFile, notes: list[str]) -> None:
    """Say what the header tells: more pictures than the first, colours of 16 bits."""
    if getattr(image, "is_animated", False):
        count = getattr(image, "n_frames", 1) if image.format in _COUNTED else "several"
        notes.append(f"first of {count} {'frames' if image.format in _ANIMATED else 'pictures in the file'}")
    if image.mode in ("LA", "RGB", "RGBA") and ";16" in str(image.tile[:1]):
        notes.append("16-bit values brought to 8 bits")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation still to be undone in a loaded picture, 1 to 8; broken EXIF counts as 1."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:
        return 1
    return value if value in _TURNS else 1


def _tiff_tag(image: Image.Image, number: int) -> int:
    """An integer tag of a TIFF file; 1 where there is none, and for other formats."""
    return cast("int", getattr(image, "tag_v2", {}).get(number, 1))


def _centre_part(image: Image.Image, notes: list[str]) -> Image.Image:
    """Cut a very long picture to its centre, LONGEST times as long as wide."""
    (width, height), longest = image.size, LONGEST * min(image.size)
    if max(width, height) <= longest:
        return image
    left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
    notes.append(f"only the centre kept, {LONGEST} times as long as wide")
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def _shrunk(image: Image.Image) -> Image.Image:
    """Reduce the picture until its shorter side is KEEP pixels; a smaller picture stays as it is."""
    scale = KEEP / min(image.size)
    if scale >= 1:
        return image
    width, height = (round(side * scale) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


# ---------------------------------------------------------------- depth, transparency, colour


def _in_plain_rgb(image: ImageFile.ImageFile, notes: list[str]) -> Image.Image:
    """Any mode to RGB, cut and reduced on the way as soon as the mode allows."""
    kind, profile = image.format, image.info.get("icc_profile")
    plain = _with_eight_bits(_centre_part(image, notes), kind, notes)
    plain = _shrunk(_with_plain_transparency(plain))
    return _in_srgb(_on_white(plain, notes), profile, notes)


def _with_eight_bits(image: Image.Image, kind: str | None, notes: list[str]) -> Image.Image:
    """Bring grey pictures of 16 or 32 bits to 8 bits; others are left alone."""
    if image.mode.startswith("I;16") or (image.mode == "I" and kind == "PPM"):
        return _from_16_bits(image.convert("I"), image.info.get("transparency"), notes)
    return _from_range(image, notes) if image.mode in ("I", "F") else image


def _from_16_bits(image: Image.Image, key: int | None, notes: list[str]) -> Image.Image:
    """Mode I with values 0 to 65535 to mode L, or LA if the grey value ``key`` is transparent."""
    notes.append("16-bit values brought to 8 bits")
    grey = image.point([(value + 128) // 257 for value in range(65536)], "L")
    grey.info.pop("transparency", None)
    if key is not None:
        grey.putalpha(image.point([0 if value == key else 255 for value in range(65536)], "L"))
    return grey


def _from_range(image: Image.Image, notes: list[str]) -> Image.Image:
    """Mode I or F to mode L: the smallest finite value becomes 0, the largest 255, NaN becomes 0."""
    low, high, count = _finite_range(image)
    if not count:
        raise PictureError("The picture holds no finite numbers, so there is nothing to see.")
    notes.append(f"values from {low:g} to {high:g} stretched to 0 to 255")
    if count < image.width * image.height:
        notes.append("values that are not numbers made black, infinite ones black or white")
    factor, rows = 255 / ((high - low) or 1), []
    for strip in _strips(image):
        finite = np.nan_to_num(strip, nan=low, posinf=high, neginf=low)
        rows.append(np.rint((finite - low) * factor).astype(np.uint8))
    return Image.fromarray(np.concatenate(rows))


def _finite_range(image: Image.Image) -> tuple[float, float, int]:
    """The smallest and the largest finite value in a picture of mode I or F, and how many there are."""
    low, high, count = math.inf, -math.inf, 0
    for strip in _strips(image):
        finite = strip[np.isfinite(strip)]
        low, high = finite.min(initial=low), finite.max(initial=high)
        count += finite.size
    return float(low), float(high), count


def _strips(image: Image.Image) -> Iterator[npt.NDArray[np.float64]]:
    """The picture as arrays of at most 256 rows, because all of it at once needs much memory."""
    for top in range(0, image.height, 256):
        box = (0, top, image.width, min(top + 256, image.height))
        yield np.asarray(image.crop(box), dtype=np.float64)


def _with_plain_transparency(image: Image.Image) -> Image.Image:
    """Palettes and transparent key colours to L, LA, RGB or RGBA, which can be resized."""
    if image.mode == "1" or (image.mode == "L" and image.has_transparency_data):
        return image.convert("LA" if image.has_transparency_data else "L")
    if image.mode in ("P", "PA") or (image.mode == "RGB" and image.has_transparency_data):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _on_white(image: Image.Image, notes: list[str]) -> Image.Image:
    """LA to L and RGBA to RGB by laying the picture on white; others are left alone."""
    if image.mode not in ("LA", "RGBA"):
        return image
    alpha, plain = image.getchannel("A"), image.convert(image.mode[:-1])
    if alpha.getextrema() == (255, 255):
        return plain
    notes.append("transparent parts put on white")
    paper = Image.new(plain.mode, plain.size, "white")
    paper.paste(plain, mask=alpha)
    return paper


def _in_srgb(image: Image.Image, icc: bytes | None, notes: list[str]) -> Image.Image:
    """To mode RGB, by way of the ICC profile in the file if it is usable and not sRGB itself."""
    if not icc:
        return image.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        name = _printable(ImageCms.getProfileDescription(profile))
        if "sRGB" in name:
            return image.convert("RGB")
        space = profile.profile.xcolor_space.strip()
        source = image if space in ("GRAY", "CMYK") else image.convert("RGB")
        converted = ImageCms.profileToProfile(source, profile, _SRGB, outputMode="RGB")
    except Exception:
        converted = None
    if converted is None:
        notes.append("a colour profile that does not work was ignored")
        return image.convert("RGB")
    notes.append(f"colours converted from {name or 'an unnamed profile'} to sRGB")
    return converted


def _printable(text: str) -> str:
    """One line of at most 80 printable characters."""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:80]


# ---------------------------------------------------------------- fitting and saving


def square(picture: Picture, size: int) -> Pixels:
    """The centre square as (size, size, 3) uint8, resized by antialiased bicubic interpolation.

    A centre square that already has this size comes back bit for bit.
    """
    height, width, _ = picture.pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    centre = picture.pixels[top : top + side, left : left + side]
    if side == size:
        return centre.copy()
    return np.array(Image.fromarray(centre).resize((size, size), Image.Resampling.BICUBIC), dtype=np.uint8)


def to_pixels(picture: Picture, size: int) -> Tensor:
    """The picture as a network sees it: (1, 3, size, size) in [0, 1], every value a k/255."""
    return to_tensor(square(picture, size))


def whole(picture: Picture) -> Tensor:
    """All of the picture as a (1, 3, height, width) tensor in [0, 1]."""
    return to_tensor(picture.pixels)


def to_tensor(pixels: Pixels) -> Tensor:
    """(height, width, 3) uint8 as a (1, 3, height, width) tensor in [0, 1]; `from_pixels` is the way back."""
    return torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255


def from_pixels(x: Tensor) -> Pixels:
    """A (1, 3, height, width) tensor in [0, 1] on the 8-bit grid as (height, width, 3) uint8."""
    return (x[0].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def describe_fit(picture: Picture, size: int) -> str:
    """One plain sentence on what ``square`` shows of the picture."""
    height, width, _ = picture.pixels.shape
    width, height = picture.original or (width, height)
    photo = f"{'the' if picture.credit else 'your'} {width}×{height} photo"
    start = f"{photo[0].upper()}{photo[1:]}" if width == height else f"The centre square of {photo}"
    if min(width, height) == size:
        return f"{start}, as it is."
    word = "enlarged" if min(width, height) < size else "resized"
    return f"{start}, {word} to {size}×{size} pixels."


def png(pixels: Pixels) -> bytes:
    """The (height, width, 3) uint8 array as a PNG file, lossless."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


# ---------------------------------------------------------------- gallery


@dataclass(frozen=True)
class GalleryEntry:
    """One example picture from an installed package."""

    key: str
    title: str
    credit: str  # author, licence, package
    path: Path
    hard: bool = False  # far from the photos that ImageNet classifiers learn from


_SKIMAGE = ("skimage", "data", "scikit-image")
_SKLEARN = ("sklearn", "datasets/images", "scikit-learn")

# key, title, (package, folder, its name), file, author and licence as the package states them, hard?
# Sources: the docstrings in skimage/data/_fetchers.py and the README.txt in sklearn/datasets/images.
_GALLERY = (
    ("camera", "Man with a camera", _SKIMAGE, "camera.png", "Lav Varshney, CC0", False),
    ("chelsea", "Chelsea the cat", _SKIMAGE, "chelsea.png", "Stefan van der Walt, CC0", False),
    ("coffee", "Cup of coffee", _SKIMAGE, "coffee.png",
     "Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0", False),
    ("flower", "Flower", _SKLEARN, "flower.jpg",
     "CC BY 2.0, flickr.com/photos/vultilion/6056698931 (the README credits danielbuechele)", False),
    ("china", "Tower in China", _SKLEARN, "china.jpg",
     "danielbuechele, CC BY 2.0, flickr.com/photos/danielbuechele/6061409035", False),
    ("rocket", "Rocket before launch", _SKIMAGE, "rocket.jpg", "SpaceX, public domain", False),
    ("astronaut", "Astronaut Eileen Collins", _SKIMAGE, "astronaut.png",
     "NASA Great Images database, public domain", False),
    ("clock", "Clock, blurred by motion", _SKIMAGE, "clock_motion.png",
     "Stefan van der Walt, public domain", True),
    ("coins", "Greek coins from Pompeii", _SKIMAGE, "coins.png",
     "Brooklyn Museum Collection, no known copyright restrictions", True),
    ("horse", "Silhouette of a horse", _SKIMAGE, "horse.png", "Andreas Preuss (marauder), CC0", True),
)  # fmt: skip


@lru_cache(maxsize=1)
def gallery() -> dict[str, GalleryEntry]:
    """The example pictures that are there, by key, the default first; finds files, imports nothing."""
    entries = {}
    for key, title, (package, folder, source), file, credit, hard in _GALLERY:
        spec = find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            path = Path(place, folder, file)
            if path.is_file():
                entries[key] = GalleryEntry(key, title, f"{credit}, from {source}", path, hard)
    return entries


@lru_cache(maxsize=len(_GALLERY))
def gallery_picture(key: str) -> Picture:
    """The example picture of that key, read like an upload. Raises KeyError for an unknown key."""
    entry = gallery()[key]
    return replace(read_picture(entry.path.read_bytes(), entry.path.name), credit=entry.credit)

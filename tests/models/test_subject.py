"""Captioner, answerer and reader as an attack knows them: the same numbers as the pages', and a gradient down to the pixels."""

import numpy as np
import pytest
import torch

from attacks.aims import EXACT, OTHER, SAME, THERE, Aim, towards
from attacks.gradient import gradient
from models import hub_answering, hub_captioning
from models.hub_answering import HubAnswerer
from models.hub_captioning import HubCaptioner
from models.subject import Answers, Captions, HubAnswers, HubCaptions, Letters, Subject, said_by
from models.trace import Trace
from tests import untrained
from tests.models import test_hub_answering, test_hub_captioning

QUESTION = "what is on the table"


HUBS = ["vit-gpt2", "blip", "vilt", "blip-vqa"]


@pytest.fixture(scope="module")
def hubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, HubCaptioner | HubAnswerer]:
    """Tiny random networks of transformers."""
    folder = tmp_path_factory.mktemp("hub")
    captioners = {name: test_hub_captioning.make(name, folder / name) for name in ("vit-gpt2", "blip")}
    answerers = {name: test_hub_answering.make(name[:4], folder / name) for name in ("vilt", "blip-vqa")}
    return {
        **{name: hub_captioning.load(str(at)) for name, at in captioners.items()},
        **{name: hub_answering.load(str(at)) for name, at in answerers.items()},
    }


@pytest.fixture(params=["caption", "photos", "shapes", "captcha", *HUBS])
def case(
    request: pytest.FixtureRequest, hubs: dict[str, HubCaptioner | HubAnswerer]
) -> tuple[Subject, Trace, torch.Tensor]:
    """A subject, what its page computes of a picture that must be squashed, and the picture."""
    x = untrained.noise(90, 120)
    match hubs.get(request.param):
        case HubCaptioner() as captioner:
            return HubCaptions(captioner, 3), captioner.write(x, beam=3).mean(), x
        case HubAnswerer() as answerer:
            question = test_hub_answering.QUESTION
            return HubAnswers(answerer, question), answerer.answer_from(answerer.features(x), question).mean(), x
    if request.param == "caption":
        writer = untrained.captioner()
        writer.network.no_repeat = 0
        return Captions(writer, 3), writer.write(x, beam=3), x
    if request.param == "captcha":
        reader = untrained.reader()
        return Letters(reader), reader.read(x), x
    answerer = untrained.answerer("daquar" if request.param == "photos" else "shapes")
    return Answers(answerer, QUESTION), answerer.answer(x, QUESTION), x


def said(subject: Subject, trace: Trace) -> tuple[str, ...]:
    if isinstance(subject, HubCaptions):
        return subject.model.tokens(trace.values["word"].tolist())
    return (trace.candidates[-1][0][0],) if isinstance(subject, Answers | HubAnswers) else said_by(trace.target)


def test_it_says_and_looks_as_its_page_shows(case: tuple[Subject, Trace, torch.Tensor]) -> None:
    subject, trace, x = case
    words = said(subject, trace)
    assert subject.says(x) == [words]
    maps = subject.told(x, words).maps[0].numpy()
    np.testing.assert_allclose(maps[: len(trace.weights[0])], trace.weights[0][: len(maps)], atol=1e-5)
    assert list(maps.sum(1)) == pytest.approx([1] * len(maps), abs=1e-4)
    assert maps.shape[1] == subject.grid[0] * subject.grid[1] + len(subject.others)
    assert len(subject.looks(words)) == len(maps)
    if isinstance(subject, HubAnswers):
        assert float(subject.log_p(x, words).exp()) == pytest.approx(trace.candidates[-1][0][1], rel=1e-3)
        return
    log_p = trace.log_p[-1:] if isinstance(subject, Answers) else trace.log_p
    given = subject.numbers(words)[: len(log_p)]  # one that has learned nothing may not come to its end
    forced = subject.told(x, words).logits[0].log_softmax(-1)[range(len(given)), list(given)]
    np.testing.assert_allclose(forced.numpy(), log_p, atol=1e-3)
    if len(given) == len(subject.numbers(words)):
        assert float(subject.log_p(x, words)) == pytest.approx(float(forced.sum()), abs=1e-4)


def test_the_gradient_gets_to_every_part_of_the_picture(case: tuple[Subject, Trace, torch.Tensor]) -> None:
    subject, trace, x = case
    words = said(subject, trace)
    for loss in (lambda x: subject.log_p(x, words), lambda x: subject.told(x, words).maps[:, 0].square().sum(-1)):
        grad = gradient(loss, x)[1]
        assert grad.isfinite().all()
        assert (grad != 0).float().mean() > 0.5


def test_a_batch_is_its_pictures(case: tuple[Subject, Trace, torch.Tensor]) -> None:
    subject, trace, x = case
    both, words = torch.cat([x, x.flip(-1)]), said(subject, trace)
    together = subject.told(both, words)
    for row in range(2):
        alone = subject.told(both[row : row + 1], words)
        torch.testing.assert_close(alone.maps[0], together.maps[row], atol=1e-4, rtol=1e-3)
    assert subject.says(both) == [subject.says(both[:1])[0], subject.says(both[1:])[0]]


@pytest.mark.parametrize("name", HUBS)
def test_a_text_becomes_what_a_network_of_a_hub_says(name: str, hubs: dict[str, HubCaptioner | HubAnswerer]) -> None:
    match hubs[name]:
        case HubCaptioner() as model:
            subject: Subject = HubCaptions(model, 3)
            assert subject.text(subject.words(" two girls play ")) == "two girls play"
            (word,) = subject.keyword("dog")
            assert subject.words("a dog")[1] == word
            assert subject.looks(("a",) if name == "blip" else subject.words("a"))[0] == "1 a"
            for bad in ("", "dog play", "<|endoftext|>" if name == "vit-gpt2" else "🎉"):
                with pytest.raises(ValueError, match=r"nothing to aim|type a word|know every part"):
                    subject.keyword(bad)
            with pytest.raises(ValueError, match="Shorten it"):
                subject.words("dog " * 40)
        case HubAnswerer() as model:
            subject = HubAnswers(model, test_hub_answering.QUESTION)
            assert subject.words(" red ") == ("red",)
            for bad in ("", "zebrafish"):
                with pytest.raises(ValueError, match=r"nothing to aim|none of the 5 answers|know every part"):
                    subject.words(bad)


@pytest.mark.parametrize("name", HUBS)
@pytest.mark.parametrize("goal", [OTHER, EXACT, THERE, SAME])
def test_every_aim_has_a_gradient_through_a_network_of_a_hub(
    goal: str, name: str, hubs: dict[str, HubCaptioner | HubAnswerer]
) -> None:
    """Trap 19: from each aim's loss down to the pixels, through the network's own preprocessing."""
    model, x = hubs[name], untrained.noise(40, 50)
    subject: Subject = (
        HubCaptions(model, 2) if isinstance(model, HubCaptioner) else HubAnswers(model, test_hub_answering.QUESTION)
    )
    words, wanted = subject.words("two"), subject.words("red")
    with torch.no_grad():
        looks = subject.told(untrained.noise(40, 50).flip(-1), words).maps[
            0
        ]  # others than now: at its own, SAME is at rest
    region = torch.arange(looks.shape[1]) < 3
    aim = Aim(goal, subject.numbers(words), subject.numbers(wanted), looks, 0, region)
    loss = towards(aim, lambda x: subject.told(x, words), lambda x: subject.told(x, wanted))
    grad = gradient(loss, x)[1]
    assert grad.isfinite().all() and (grad != 0).float().mean() > 0.5


def test_a_text_becomes_words_that_can_be_said() -> None:
    captions, letters = Captions(untrained.captioner(), 3), Letters(untrained.reader())
    assert captions.words(" A dog runs ") == ("a", "dog", "runs")
    assert captions.text(("a", "dog")) == "a dog"
    assert letters.words("k7p") == ("K", "7", "P") and letters.text(("K", "7")) == "K7"
    answers = Answers(untrained.answerer("shapes"), QUESTION)
    assert answers.words(" blue ") == ("blue",) and answers.text(("blue",)) == "blue"


@pytest.mark.parametrize("text", ["", "a zebra", "a " * 40])
def test_what_no_captioner_can_say_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"nothing to aim|does not know|Shorten it"):
        Captions(untrained.captioner(), 3).words(text)


@pytest.mark.parametrize("text", ["", "0", "A" * 12])
def test_what_no_reader_can_read_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"nothing to aim|does not know|Shorten it"):
        Letters(untrained.reader()).words(text)

"""Captioner, answerer and reader as an attack knows them: the same numbers as the pages', and a gradient down to the pixels."""

import numpy as np
import pytest
import torch

from attacks.gradient import gradient
from models.subject import Answers, Captions, Letters, Subject, said_by
from models.trace import Trace
from tests import untrained

QUESTION = "what is on the table"


@pytest.fixture(params=["caption", "photos", "shapes", "captcha"])
def case(request: pytest.FixtureRequest) -> tuple[Subject, Trace, torch.Tensor]:
    """A subject, what its page computes of a picture that must be squashed, and the picture."""
    x = untrained.noise(90, 120)
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
    return (trace.candidates[-1][0][0],) if isinstance(subject, Answers) else said_by(trace.target)


def test_it_says_and_looks_as_its_page_shows(case: tuple[Subject, Trace, torch.Tensor]) -> None:
    subject, trace, x = case
    words = said(subject, trace)
    assert subject.says(x) == [words]
    maps = subject.told(x, words).maps[0].numpy()
    np.testing.assert_allclose(maps[: len(trace.weights[0])], trace.weights[0][: len(maps)], atol=1e-5)
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

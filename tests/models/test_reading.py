"""The reader of captchas, watched and touched: every number adds up, and a touched step changes what follows."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from models import zoo
from models.draw import CHARACTERS, draw
from models.reader import COLUMNS, ROWS, Reader
from models.reading import LONGEST, CaptchaReader, texts, vocabulary, where
from models.trace import Trace
from models.words import BEGIN, END, SPECIAL
from models.writer import Touch


@pytest.fixture(scope="module")
def reader() -> CaptchaReader:
    return zoo.reader()


def picture(text: str, seed: int = 1) -> Tensor:
    return torch.from_numpy(draw(text, seed)).permute(2, 0, 1)[None] / 255


@pytest.fixture(scope="module")
def trace(reader: CaptchaReader) -> Trace:
    return reader.read(picture("K7PXW2"))


def test_it_reads_any_length(reader: CaptchaReader) -> None:
    for seed, text in enumerate(("K7P", "ACDE", "W4HT3", "K7PXW2", "3TBR6QF", "CDF7NPRX")):
        assert reader.text(reader.read(picture(text, 20 + seed))) == text


def test_the_trace_has_a_row_a_letter_and_a_column_a_region(reader: CaptchaReader, trace: Trace) -> None:
    assert trace.target == (*"K7PXW2", SPECIAL[END])
    assert reader.grid == (ROWS, COLUMNS) and len(trace.source) == ROWS * COLUMNS
    assert trace.source[COLUMNS + 2] == "row 2, column 3"
    assert trace.scores.shape == trace.weights.shape == (1, 7, ROWS * COLUMNS)
    assert np.allclose(trace.weights.sum(-1), 1, atol=1e-5)
    assert trace.log_p.sum() > np.log(0.5)
    assert [best[0][0] for best in trace.candidates] == list(trace.target)


def test_every_number_is_computed_from_the_others(reader: CaptchaReader, trace: Trace) -> None:
    values = {name: torch.from_numpy(value) for name, value in trace.values.items()}
    weights = torch.from_numpy(trace.weights[0])
    assert torch.allclose(torch.from_numpy(trace.scores[0]).softmax(-1), weights, atol=1e-6)
    assert torch.allclose(weights @ values["h_bar"], values["c"], atol=1e-5)
    assert torch.allclose(reader.network.attention_vector(values["c"], values["h"]), values["a"], atol=1e-5)
    p = reader.network.logits(values["a"])
    p[:, [0, 1, 2]] = -torch.inf
    chosen = p.log_softmax(-1)[range(7), values["word"]]
    assert torch.allclose(chosen, torch.from_numpy(trace.log_p), atol=1e-5)


def test_the_glimpse_moves_from_left_to_right(trace: Trace) -> None:
    across, down = trace.values["glimpse"].T
    assert (np.diff(across[:6]) > 0.03).all() and across[0] < 0.3 and across[5] > 0.7
    assert ((down > 0.1) & (down < 0.9)).all()
    assert (trace.values["spread"][:6] < 0.3).all()


def test_where_a_glimpse_is_and_how_wide() -> None:
    weights = torch.zeros(2, 12)
    weights[0, 6] = 1  # row 1, column 2 of 3 × 4
    weights[1, 4] = weights[1, 7] = 0.5
    glimpse, spread = where(weights, 3, 4)
    assert torch.allclose(glimpse, torch.tensor([[2.5 / 4, 0.5], [0.5, 0.5]]))
    assert torch.allclose(spread, torch.tensor([[0, 0], [1.5 / 4, 0]]), atol=1e-6)


def test_a_look_elsewhere_changes_the_letter_and_what_follows(reader: CaptchaReader, trace: Trace) -> None:
    """Told at the second letter to look where it looked for the fifth, it reads that one and goes on from there."""
    row = tuple(trace.weights[0, 4].tolist())
    touched = reader.read(picture("K7PXW2"), Touch(weights={1: row}))
    assert touched.target[:2] == ("K", "W")
    assert touched.notes == {1: "forced"}
    assert np.allclose(touched.weights[0, 0], trace.weights[0, 0])
    assert not np.allclose(touched.weights[0, 2], trace.weights[0, 2], atol=0.1)
    assert reader.text(touched)[2:] != reader.text(trace)[2:]


def test_a_forced_letter_is_written_and_read_on_from(reader: CaptchaReader, trace: Trace) -> None:
    touched = reader.read(picture("K7PXW2"), Touch(words={2: "r"}))
    assert touched.target[2] == "R" and touched.log_p[2] < -1
    assert np.allclose(touched.weights[0, 2], trace.weights[0, 2])
    assert not np.array_equal(touched.weights[0, 3], trace.weights[0, 3])
    ended = reader.read(picture("K7PXW2"), Touch(words={3: SPECIAL[END]}))
    assert ended.target == (*"K7P", SPECIAL[END])


def test_forbidden_regions_have_no_weight_and_heat_spreads(reader: CaptchaReader, trace: Trace) -> None:
    left = frozenset(range(0, ROWS * COLUMNS, COLUMNS)) | {7}
    touched = reader.read(picture("K7PXW2"), Touch(forbidden=left))
    assert (touched.weights[0][:, sorted(left)] == 0).all()
    hot = reader.read(picture("K7PXW2"), Touch(temperature=4.0))
    assert hot.values["spread"][0].sum() > trace.values["spread"][0].sum()


def test_drawing_letters_by_chance_is_decided_by_the_seed(reader: CaptchaReader) -> None:
    x = picture("K7PXW2")
    one, same, other = (reader.read(x, Touch(sampling=20.0, seed=seed)).target for seed in (1, 1, 2))
    assert one == same != other


def test_log_p_is_that_of_the_trace(reader: CaptchaReader, trace: Trace) -> None:
    x = picture("K7PXW2")
    assert reader.log_p(x, "K7PXW2").item() == pytest.approx(trace.log_p.sum(), abs=1e-4)
    two = reader.log_p(torch.cat([x, picture("ABCD")], dim=0), "abcd")
    assert two[0] < -10 and two[1] > -1


def test_an_attack_follows_the_gradient(reader: CaptchaReader) -> None:
    x = picture("K7PXW2").requires_grad_()
    before = reader.log_p(x, "K7PXWZ")
    (gradient,) = torch.autograd.grad(before.sum(), x)
    after, other = (reader.log_p((x + step * gradient.sign()).clamp(0, 1), "K7PXWZ") for step in (0.003, -0.003))
    assert gradient.isfinite().all() and after > before > other


@pytest.mark.parametrize("letter", ["O", "é", "", "AB"])
def test_a_letter_that_is_not_known_is_said(reader: CaptchaReader, letter: str) -> None:
    with pytest.raises(ValueError, match=f"does not know “{letter}”"):
        reader.read(picture("K7PXW2"), Touch(words={1: letter}))


def test_many_are_read_as_each_alone(reader: CaptchaReader) -> None:
    words = ["K7PXW2", "ABC", "ZZ88TT"]
    x = torch.cat([picture(word, 30 + seed) for seed, word in enumerate(words)])
    assert texts(reader.network, reader.known, x) == [reader.text(reader.read(one[None])) for one in x] == words


@pytest.mark.parametrize("size", [(1, 1), (24, 72), (500, 31)])
def test_pictures_of_any_size_are_read_and_end(reader: CaptchaReader, size: tuple[int, int]) -> None:
    for x in (torch.ones(1, 3, *size), torch.rand(1, 3, *size)):
        trace = reader.read(x)
        assert 1 <= len(trace.target) <= LONGEST and np.isfinite(trace.weights).all()
        assert texts(reader.network, reader.known, x) == [reader.text(trace)]


def test_reading_that_finds_no_end_gives_up() -> None:
    network = Reader(len(vocabulary(CHARACTERS)), channels=(4, 4, 4, 4)).eval()
    with torch.no_grad():
        network.W_y.bias[END] = -1000
    endless = CaptchaReader(network, CHARACTERS, zoo.reader().card)
    assert len(endless.read(torch.rand(1, 3, 24, 72)).target) == LONGEST
    assert len(endless.read(torch.rand(1, 3, 24, 72), Touch(words={15: "A"})).target) == 16
    [text] = texts(network, endless.known, torch.rand(1, 3, 24, 72))
    assert len(text) == LONGEST


def test_what_is_never_a_letter_is_never_read(reader: CaptchaReader) -> None:
    network = Reader(len(vocabulary(CHARACTERS)), channels=(4, 4, 4, 4)).eval()
    with torch.no_grad():
        network.W_y.bias[:END] = 1000
    read = partial(CaptchaReader(network, CHARACTERS, reader.card).read, torch.rand(1, 3, 24, 72))
    assert not {*read().target} & {*SPECIAL[: BEGIN + 1]}

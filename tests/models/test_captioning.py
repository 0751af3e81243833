"""A captioner watched and touched: every number adds up to the one beside it, and gradients get to the pixels.

The CNN is a stand-in of one convolution; its own tests are in `test_grid.py`.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.captioner import Captioner
from models.captioning import LONGEST, PictureWriter, regions
from models.card import read_card
from models.classifier import Classifier
from models.grid import CELL, CHANNELS, Grid
from models.words import END, SPECIAL, Vocabulary
from models.writer import Touch, beam_tree

KNOWN = Vocabulary((*SPECIAL, "a", "dog", "runs", "on", "the", "red", "grass", "two"))
D = 6


class OneConvolution(Grid):
    """Every cell of 32 × 32 pixels to six numbers."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.cells = nn.Conv2d(3, D, CELL, CELL)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return torch.tanh(10 * self.cells(x)).flatten(2).mT


def small(seed: int = 0, end: float = 2) -> PictureWriter:
    """A captioner with large enough numbers to have opinions."""
    torch.manual_seed(seed)
    network = Captioner(len(KNOWN), D, d=8, d_a=5, m=7, n=9)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)
        network.L_o.bias[END] = end
        network.f_att.v_a.mul_(5)
    grid = OneConvolution()
    return PictureWriter(
        network.eval().requires_grad_(False), grid.requires_grad_(False), KNOWN, read_card("efficientnet_lite0")
    )


def picture(seed: int = 0, height: int = 60, width: int = 90) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_a_trace_adds_up(seed: int, beam: int) -> None:
    model = small(seed)
    trace, network = model.write(picture(seed), beam=beam), model.network
    steps, values = len(trace.target), {name: torch.from_numpy(value) for name, value in trace.values.items()}
    assert trace.source == regions() and trace.weights.shape == trace.scores.shape == (1, steps, 49)
    assert values["grid"].tolist() == [7, 7]
    alpha = torch.from_numpy(trace.weights[0])
    assert torch.allclose(alpha.sum(1), torch.ones(steps), atol=1e-5)
    assert torch.allclose(torch.from_numpy(trace.scores[0]).softmax(-1), alpha, atol=1e-5)
    assert torch.allclose(alpha @ values["a"], values["c"], atol=1e-5)
    assert torch.allclose(values["beta"] * values["c"], values["z"], atol=1e-6)
    assert torch.allclose(values["U_a"], values["a"] @ network.f_att.U_a, atol=1e-5)
    assert torch.equal(values["asked"][1:], values["h"][:-1])
    assert torch.equal(values["asked"][:1], network.start({"a": values["a"][None]})[0])
    logits = network.logits(values["deep"])
    logits[:, list(network.barred)] = -torch.inf
    p = logits.softmax(-1)
    for t, word in enumerate(trace.target):
        assert KNOWN.words[int(values["word"][t])] == word
        assert np.isclose(float(p[t, values["word"][t]].log()), trace.log_p[t], atol=1e-4)
        names, chances = zip(*trace.candidates[t], strict=True)
        assert np.allclose(sorted(p[t].tolist(), reverse=True)[: len(chances)], chances, atol=1e-5)
        assert [KNOWN.words[i] for i in p[t].topk(3).indices.tolist()] == list(names[:3])
        assert beam > 1 or names[0] == word
    assert trace.target[-1] == SPECIAL[END] or steps == LONGEST
    assert model.text(trace) == " ".join(trace.target).removesuffix(SPECIAL[END]).strip()


def test_regions_are_named_row_by_row() -> None:
    assert regions(2, 3) == tuple(f"row {r}, column {c}" for r, c in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)))
    assert len(regions()) == 49


def one_hot(i: int) -> tuple[float, ...]:
    return tuple(1.0 if region == i else 0.0 for region in range(49))


def test_a_forced_look_is_the_look_and_changes_only_what_follows() -> None:
    model, x = small(), picture()
    words = ("a", "dog", "runs", "on", "the", "grass")
    plain = model.write(x, Touch(words=dict(enumerate(words))))
    touched = model.write(x, Touch(words=dict(enumerate(words)), weights={2: one_hot(30)}))
    assert tuple(touched.weights[0, 2]) == one_hot(30) and touched.notes == {2: "forced"}
    assert np.allclose(touched.values["c"][2], touched.values["a"][30], atol=1e-6)
    for name in ("h", "z", "deep"):
        assert np.array_equal(touched.values[name][:2], plain.values[name][:2])
        assert not np.allclose(touched.values[name][2], plain.values[name][2], atol=1e-3)
    assert np.array_equal(touched.weights[:, :2], plain.weights[:, :2])
    assert np.array_equal(touched.scores[:, 2], plain.scores[:, 2])  # the computed scores of the step are as they were
    assert np.array_equal(touched.values["beta"][2], plain.values["beta"][2])
    assert touched.target[:6] == plain.target[:6] == words
    assert not np.allclose(touched.weights[:, 3], plain.weights[:, 3], atol=1e-3)  # though the words are the same


def test_a_forced_look_may_change_the_word() -> None:
    model, x = small(3), picture(3)
    words = {model.write(x, Touch(weights={0: one_hot(i)})).target[0] for i in range(49)}
    assert len(words) > 1


def test_a_forced_word_is_written_and_changes_what_follows() -> None:
    model, x = small(), picture()
    plain = model.write(x)
    other = "dog" if plain.target[0] != "dog" else "two"
    trace = model.write(x, Touch(words={0: other}))
    assert trace.target[0] == other and trace.log_p[0] < plain.log_p[0]
    assert np.array_equal(trace.weights[:, 0], plain.weights[:, 0])
    assert not np.array_equal(trace.values["h"][1], plain.values["h"][1])
    assert model.write(x, Touch(words={0: "Dog!"})).target[0] == "dog"
    for word in ("xyzzy", "", "a dog", SPECIAL[0]):
        with pytest.raises(ValueError, match=r"does not know the word .* it can write 8 words, one at a time"):
            model.write(x, Touch(words={0: word}))


def test_temperature_and_forbidden_regions() -> None:
    model, x = small(), picture()
    words = dict(enumerate(("a", "dog", "runs", SPECIAL[END])))
    flat = model.write(x, Touch(words=words, temperature=1e6)).weights[0]
    assert np.allclose(flat, 1 / 49, atol=1e-4)
    blind = model.write(x, Touch(words=words, forbidden=frozenset(range(48)))).weights[0]
    assert np.allclose(blind[:, 48], 1) and not blind[:, :48].any()


def test_sampling_is_seeded_and_differs() -> None:
    model, x = small(), picture()
    drawn = [model.write(x, Touch(sampling=3.0, seed=seed)).target for seed in (1, 1, 2, 3, 4)]
    assert drawn[0] == drawn[1] and len(set(drawn)) > 1


@pytest.mark.parametrize("length", [1, 4])
def test_so_many_words(length: int) -> None:
    for beam in (1, 3):
        assert len(small().write(picture(), beam=beam, length=length).target) == length + 1


def test_the_tree_of_a_beam_holds_the_caption_it_chose() -> None:
    model, x = small(1, end=8), picture(1)
    features = model.features(x)
    nodes = beam_tree(model.beams(features, 3), model.spelled(()))
    found = []
    for node, (word, parent, log_p) in enumerate(nodes):
        assert parent < node
        if word == SPECIAL[END]:
            words, at = [], node
            while at >= 0:
                words.append(nodes[at][0])
                at = nodes[at][1]
            found.append((log_p / len(words) ** model.network.normalised, tuple(reversed(words))))
    assert max(found)[1] == model.write_from(features, beam=3).target


def test_the_cnn_looks_once_a_picture() -> None:
    model = small()
    features = model.features(picture())
    assert features.shape == (1, 49, D) and model.grid.calls == 1
    once = [model.write_from(features, beam=3), model.write_from(features, Touch(weights={0: one_hot(3)}))]
    model.beams(features, 5)
    assert model.grid.calls == 1
    assert once[0].target == model.write(picture(), beam=3).target
    assert model.grid.calls == 2  # a beam and the trace of its best caption


def test_log_p_is_that_of_the_trace() -> None:
    model = small()
    x = torch.cat([picture(0), picture(1)])
    words = ("a", "dog", "runs")
    traces = [model.write(x[k : k + 1], Touch(words=dict(enumerate([*words, SPECIAL[END]])))) for k in (0, 1)]
    assert model.log_p(x, words).tolist() == pytest.approx([float(trace.log_p.sum()) for trace in traces], abs=1e-4)
    assert model.log_p(x, words)[0] != pytest.approx(float(model.log_p(x, words)[1]), abs=1e-2)
    with pytest.raises(ValueError, match="does not know the word"):
        model.log_p(x, ("a", "zebra"))


def test_gradients_at_the_pixels_are_finite_differences() -> None:
    model = small()
    model.network.double()
    model.grid.double()
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: model.log_p(x, ("a", "dog", "runs")), x, eps=1e-6, atol=1e-5)
    (gradient,) = torch.autograd.grad(model.log_p(x, ("a", "dog", "runs")).sum(), x)
    assert (gradient.abs().amax((1, 2, 3)) > 1e-3).all()
    assert all(p.grad is None for p in (*model.network.parameters(), *model.grid.parameters()))


def test_the_real_cnn_sees_for_it(lite0: Classifier, photographs: Tensor) -> None:
    torch.manual_seed(0)
    model = PictureWriter(Captioner(len(KNOWN)).eval(), Grid(lite0), KNOWN, read_card("efficientnet_lite0"))
    assert model.features(photographs[:2]).shape == (2, 49, CHANNELS)
    x = photographs[:1, :, :100, :140].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_p(x, ("a", "dog")).sum(), x)
    assert gradient.isfinite().all() and gradient.abs().sum() > 0
    assert model.write(x.detach()).values["a"].shape[0] == 49

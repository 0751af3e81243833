"""Stacked attention: the formulas by a loop, the hops, and questions of several lengths about one picture."""

import pytest
import torch

from models.san import SAN
from models.words import PAD

WORDS = torch.tensor([[[4, 5, 6, 7], [8, 9, PAD, PAD]], [[5, 4, 8, PAD], [PAD, PAD, PAD, PAD]]])


def made(hops: int) -> SAN:
    torch.manual_seed(0)
    network = SAN(12, 6, channels=5, hops=hops, d_word=4, d=7, d_a=3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_the_formulas_by_a_loop(hops: int) -> None:
    network, f_I = made(hops), torch.randn(2, 9, 5)
    told = network(f_I, WORDS)
    lstm = network.lstm
    for b in range(2):
        v_I = [torch.tanh(network.W_I.weight @ f + network.W_I.bias) for f in f_I[b]]
        for q in range(2):
            h, c = torch.zeros(7), torch.zeros(7)
            for word in WORDS[b, q]:
                if word == PAD:
                    break
                gates = lstm.weight_ih_l0 @ network.embedding.weight[word] + lstm.bias_ih_l0
                i, f, g, o = (gates + lstm.weight_hh_l0 @ h + lstm.bias_hh_l0).split(7)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            u = h
            for hop in range(hops):
                score = network.scores[hop]
                h_A = [torch.tanh(v @ score.U_a + u @ score.W_a) for v in v_I]
                e = torch.stack([score.v_a @ each for each in h_A])
                p_I = e.exp() / e.exp().sum()
                u = u + sum(p * v for p, v in zip(p_I, v_I, strict=True))
                assert torch.allclose(told.looks[hop].weights[b, q], p_I, atol=1e-6)
                assert torch.allclose(told.u[hop][b, q], u, atol=1e-5)
                logits = network.W_u.weight @ u + network.W_u.bias
                assert torch.allclose(told.logits[hop][b, q], logits, atol=1e-5)


def test_every_map_sums_to_one() -> None:
    told = made(2)(torch.randn(2, 9, 5), WORDS)
    assert len(told.looks) == 2
    for look in told.looks:
        assert torch.allclose(look.weights.sum(-1), torch.ones(2, 2))


def test_questions_do_not_hear_of_one_another() -> None:
    network, f_I = made(2), torch.randn(2, 9, 5)
    together = network(f_I, WORDS)
    for b, q, length in ((0, 0, 4), (0, 1, 2), (1, 0, 3)):
        alone = network(f_I[b : b + 1], WORDS[b : b + 1, q : q + 1, :length])
        assert torch.allclose(alone.logits[-1][0, 0], together.logits[-1][b, q], atol=1e-6)


def test_a_question_without_words_is_no_question() -> None:
    assert (made(2).question(WORDS)[1, 1] == 0).all()


def test_without_a_hop_it_does_not_look() -> None:
    network = made(0)
    one, other = (network(torch.randn(2, 9, 5), WORDS) for _ in range(2))
    assert one.looks == () and torch.equal(one.logits[0], other.logits[0])
    assert torch.equal(one.u[0], one.v_Q)


def test_a_hand_on_the_first_look_moves_the_second() -> None:
    network, f_I = made(2), torch.randn(1, 9, 5)
    v_I, v_Q = network.regions(f_I), network.question(WORDS[:1])

    def hand(look, regions, hop):  # type: ignore[no-untyped-def]
        return look._replace(context=regions[:, :1].expand(-1, 2, -1)) if hop == 0 else look

    plain, touched = network.ask(v_I, v_Q), network.ask(v_I, v_Q, hand)
    assert torch.allclose(touched.u[0], v_I[:, :1] + v_Q)
    assert torch.equal(touched.looks[0].scores, plain.looks[0].scores)
    assert not torch.allclose(touched.looks[1].weights, plain.looks[1].weights)

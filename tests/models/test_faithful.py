"""Is it true? Every number is compared with another way to it: the translator touched by hand, a shorter sentence, a finite difference."""

import copy
import math
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from models import faithful, zoo
from models.card import read_card
from models.cases import Writing
from models.faithful import Agreement, Anew, Different, Examination, Weights, examine, verdict
from models.seq2seq import Seq2Seq
from models.trace import Trace
from models.translation import Translator
from models.words import SPECIAL, Vocabulary
from models.writer import Touch

SENTENCE = "the small dog sleeps on a green couch"
ENGLISH = Vocabulary((*SPECIAL, *SENTENCE.split(), "red", "house"))
FRENCH = Vocabulary((*SPECIAL, "le", "petit", "chien", "dort", "sur", "un", "canapé", "vert", "rouge", "maison"))
SCORES = zoo.TRANSLATORS
ATTENDING = [score for score in SCORES if score != "none"]
REAL = "a man sleeps on a green couch ."


def small(score: str, seed: int = 0, scale: float = 3) -> Translator:
    """A random network in float64, its numbers scaled so that what it reads matters."""
    torch.manual_seed(seed)
    network = Seq2Seq(score, len(ENGLISH), len(FRENCH), d_word=6, d=8).double().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.mul_(scale)
    return Translator(network, ENGLISH, FRENCH, read_card("translate-perceptron"))


@pytest.fixture(scope="module")
def real() -> Translator:
    """The trained perceptron. Shared: leave it as it is."""
    return zoo.translator("perceptron")


def touched(translator: Translator, trace: Trace, step: int, weights: np.ndarray) -> tuple[str, float]:
    """The most probable word at the step and the probability of the trace's own, by the translator touched by hand."""
    words = {t: translator.target_words.words[number] for t, number in enumerate(trace.values["word"])}
    again = translator.write(" ".join(trace.source[:-1]), Touch(words=words, weights={step: tuple(weights.tolist())}))
    return again.candidates[step][0][0], math.exp(again.log_p[step])


def assert_rewritten(found: Anew, row: int, expected: tuple[str, float]) -> None:
    assert found.outcomes[row] == expected[0]
    assert found.p[row] == pytest.approx(expected[1], rel=1e-4)


def everything(found: Examination) -> Iterator[np.ndarray]:
    """All its numbers."""
    stack = [found]
    while stack:
        for value in vars(stack.pop()).values():
            if hasattr(value, "__dataclass_fields__"):
                stack.append(value)
            elif isinstance(value, np.ndarray | float | int | Agreement):
                yield np.asarray(value, dtype=float)


# ---------------------------------------------------------------- what the words do


@pytest.mark.parametrize("score", SCORES)
def test_leave_one_out_is_the_shorter_sentence_with_the_words_forced(score: str) -> None:
    translator = small(score)
    assert_leave_one_out(translator, translator.write(SENTENCE))


def test_leave_one_out_of_the_trained_network(real: Translator) -> None:
    trace = real.write(REAL)
    assert_leave_one_out(real, trace)
    fall = faithful.leave_one_out(Writing(real, trace), [trace.target.index("vert")])[0]
    assert trace.source[int(np.nanargmax(fall))] == "green", "which is what the word translates"


def assert_leave_one_out(translator: Translator, trace: Trace) -> None:
    steps = range(len(trace.target))
    found = faithful.leave_one_out(Writing(translator, trace), steps)
    words = {t: translator.target_words.words[number] for t, number in enumerate(trace.values["word"])}
    assert np.isnan(found[:, -1]).all() and found.shape == (len(trace.target), len(trace.source))
    for s in range(len(trace.source) - 1):
        shorter = [word for position, word in enumerate(trace.source[:-1]) if position != s]
        without = translator.write(" ".join(shorter), Touch(words=words)).log_p[: len(steps)]
        np.testing.assert_allclose(found[:, s], trace.log_p - without, atol=2e-5)


def test_leave_one_out_reads_all_the_shorter_sentences_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    translator, batches = small("general"), []
    trace = translator.write(SENTENCE)
    encode = translator.network.encode
    monkeypatch.setattr(translator.network, "encode", lambda source: batches.append(len(source)) or encode(source))
    faithful.leave_one_out(Writing(translator, trace), [0, 2])
    assert batches == [1, len(trace.source) - 1]


@pytest.mark.parametrize("score", SCORES)
def test_gradient_times_input_is_the_slope_when_the_embedding_grows(score: str) -> None:
    translator, h = small(score, seed=1), 1e-5
    trace = translator.write(SENTENCE)
    found = faithful.gradient_times_input(Writing(translator, trace), range(len(trace.target)))
    words = Touch(words={t: FRENCH.words[number] for t, number in enumerate(trace.values["word"])})
    for s, word in enumerate(SENTENCE.split()):
        log_p = []
        for factor in (1 + h, 1 - h):
            other = copy.deepcopy(translator)
            other.network.source_embedding.weight[ENGLISH.numbers[word]] *= factor
            log_p.append(other.write(SENTENCE, words).log_p)
        np.testing.assert_allclose(found[:, s], (log_p[0] - log_p[1]) / (2 * h), atol=1e-7)
    assert np.abs(found).max() > 1e-3, "or nothing was compared"


def test_gradients_do_not_depend_on_how_many_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = small("perceptron")
    trace = translator.write(SENTENCE)
    steps = range(len(trace.target))
    together = faithful.gradient_times_input(Writing(translator, trace), steps)
    monkeypatch.setattr(faithful, "AT_ONCE", 2)
    np.testing.assert_allclose(faithful.gradient_times_input(Writing(translator, trace), steps), together, atol=1e-12)
    assert len(steps) > 2


# ---------------------------------------------------------------- what the weights do


@pytest.mark.parametrize("score", ATTENDING)
def test_its_own_weights_change_nothing(score: str) -> None:
    translator = small(score)
    trace = translator.write(SENTENCE)
    for step in range(len(trace.target)):
        case = Writing(translator, trace)
        A = case.weights(step)
        found = faithful.decide_anew(case, step, A[None])
        np.testing.assert_allclose(A, trace.weights[0, step : step + 1], atol=1e-12)
        assert found.kept.all() and found.tv[0] < 1e-12 and found.p[0] == pytest.approx(math.exp(trace.log_p[step]))


@pytest.mark.parametrize("score", ATTENDING)
def test_uniform_weights_are_those_of_the_translator_touched(score: str) -> None:
    translator = small(score)
    trace = translator.write(SENTENCE)
    for step in range(len(trace.target)):
        even = np.full(len(trace.source), 1 / len(trace.source))
        assert_rewritten(faithful.uniform(Writing(translator, trace), step), 0, touched(translator, trace, step, even))


def test_the_trained_network_is_rewritten_as_the_translator_touched_writes(real: Translator) -> None:
    trace = real.write(REAL)
    step = trace.target.index("vert")
    case, even = Writing(real, trace), np.full(len(trace.source), 1 / len(trace.source))
    assert_rewritten(faithful.uniform(case, step), 0, touched(real, trace, step, even))
    found = faithful.shuffled(case, step, seed=5)
    rows = faithful._permutations(case.weights(step), 5)[:, 0]
    for row in (0, 50, 99):
        assert sorted(rows[row]) == sorted(trace.weights[0, step])
        assert_rewritten(found.anew, row, touched(real, trace, step, rows[row]))
    assert len(set(found.anew.outcomes)) > 1, "or the comparison is of one word only"


def test_tv_is_half_the_sum_of_all_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = small("general")
    monkeypatch.setattr("models.writer.CANDIDATES", len(FRENCH))
    trace = translator.write(SENTENCE)
    even = Touch(weights={0: (1 / len(trace.source),) * len(trace.source)})
    own, forced = (dict(translator.write(SENTENCE, touch).candidates[0]) for touch in (Touch(), even))
    expected = sum(abs(own[word] - forced[word]) for word in FRENCH.words) / 2
    assert faithful.uniform(Writing(translator, trace), 0).tv[0] == pytest.approx(expected)
    assert 0.001 < expected < 1


def test_a_uniform_row_shuffled_is_the_same_row() -> None:
    translator = small("perceptron")
    translator.network.score.v_a.zero_()
    trace = translator.write(SENTENCE)
    found = examine(Writing(translator, trace), 1)
    assert found.weights.shuffled.anew.kept.all() and found.weights.shuffled.stayed.all()
    assert found.weights.shuffled.anew.tv.max() < 1e-12 and found.weights.uniform.tv[0] < 1e-12
    assert math.isnan(found.weights.tau_gradient.tau), "nothing to rank"
    assert "this test cannot tell" in verdict(found) and "cannot be compared" in verdict(found)


def test_shuffles_repeat_with_their_seed_only() -> None:
    translator = small("dot")
    trace = translator.write(SENTENCE)
    first, same, other = (faithful.shuffled(Writing(translator, trace), 0, seed) for seed in (1, 1, 2))
    assert len(first.anew.outcomes) == len(first.stayed) == 100
    assert (first.anew.tv == same.anew.tv).all() and (first.anew.tv != other.anew.tv).any()
    assert 0 < first.stayed.sum() < 40, "of nine places"
    assert first.anew.tv[~first.stayed].mean() > first.anew.tv[first.stayed].mean()


@pytest.mark.parametrize("score", ATTENDING)
def test_the_most_different_weights_keep_the_output(score: str) -> None:
    translator = small(score, seed=2)
    trace = translator.write(SENTENCE)
    for step in range(len(trace.target)):
        case = Writing(translator, trace)
        alpha = case.weights(step)[0]
        found = faithful.most_different(case, step)
        again = faithful.decide_anew(case, step, found.A[None])
        assert again.kept[0] and again.tv[0] == pytest.approx(found.tv) and found.tv <= found.epsilon
        assert found.A.sum() == pytest.approx(1) and found.A.min() >= 0
        assert found.divergence == pytest.approx(np.nan_to_num(jensenshannon(alpha, found.A[0])) ** 2, abs=1e-9)
        assert 0 <= found.divergence <= math.log(2) + 1e-12 and 0 <= found.good <= found.tried


def test_the_most_different_weights_grow_with_what_is_allowed_and_are_its_own_if_nothing_is() -> None:
    translator = small("general", seed=2)
    trace = translator.write(SENTENCE)
    case = Writing(translator, trace)
    found = [faithful.most_different(case, 0, epsilon=epsilon) for epsilon in (0.0, 0.02, 0.2, 1.0)]
    assert [one.divergence for one in found] == sorted(one.divergence for one in found)
    assert found[0].good == 0 and found[0].divergence == 0 and found[-1].divergence > found[1].divergence
    np.testing.assert_allclose(found[0].A, case.weights(0))


def test_a_row_that_decides_nothing_may_be_any() -> None:
    translator = small("general", seed=2)
    translator.network.W_c.weight[:, :8] = 0
    found = faithful.most_different(Writing(translator, translator.write(SENTENCE)), 0)
    assert found.good == found.tried and found.divergence > 0.5


def test_erased_is_the_row_without_one_weight(real: Translator) -> None:
    trace = real.write(REAL)
    step = trace.target.index("canapé")
    found = faithful.erased(Writing(real, trace), step, seed=3)
    alpha = trace.weights[0, step].astype(float)
    assert found.most == alpha.argmax() and trace.source[found.most] == "couch" and found.other != found.most
    for position in (found.most, found.other):
        left = np.where(np.arange(len(alpha)) == position, 0, alpha)
        assert_rewritten(found.anew, position, touched(real, trace, step, left / left.sum()))
    assert not found.anew.kept[found.most] and found.anew.kept[found.other]


def test_erased_shares_alike_if_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    translator = small("dot")
    trace = translator.write("dog")
    case = Writing(translator, trace)
    monkeypatch.setattr(case, "weights", lambda _: np.array([[1.0, 0.0]]))
    found = faithful.erased(case, 0)
    assert found.most == 0 and found.other == 1
    np.testing.assert_allclose(found.anew.p[0], faithful.decide_anew(case, 0, np.array([[[0.0, 1.0]]])).p[0])
    assert found.anew.tv[1] == 0, "a weight that is zero"


def test_moved_is_weight_times_norm() -> None:
    translator = small("dot")
    trace = translator.write(SENTENCE)
    case = Writing(translator, trace)
    alpha = case.weights(0)[0]
    norms = np.sqrt((trace.values["h_bar"] ** 2).sum(1))
    found = faithful.moved(alpha, case.values())
    np.testing.assert_allclose(found / found[0], alpha * norms / (alpha[0] * norms[0]))
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(faithful.moved(alpha, case.values() / norms[:, None]), alpha)


# ---------------------------------------------------------------- agreement


def test_agreement_is_of_ranks_whatever_the_sign() -> None:
    alpha = np.array([0.1, 0.2, 0.3, 0.15])
    same = faithful.agreement(alpha, np.array([1.0, -5, 90, 2]))
    assert same.tau == pytest.approx(1) and same.p == pytest.approx(2 / math.factorial(4))
    assert faithful.agreement(alpha, np.array([4.0, 2, 1, -3])).tau == pytest.approx(-1)
    assert math.isnan(faithful.agreement(alpha[-1:], np.array([1.0])).tau), "one word is no ranking"


def test_agreements_are_those_of_each_step(real: Translator) -> None:
    trace = real.write(REAL)
    found = faithful.agreements(Writing(real, trace))
    for step in (0, 3, len(trace.target) - 1):
        weights = examine(Writing(real, trace), step).weights
        assert found.leave_one_out[step] == pytest.approx(weights.tau_leave_one_out.tau)
        assert found.gradient[step] == pytest.approx(weights.tau_gradient.tau)
    assert found.means() == (pytest.approx(found.leave_one_out.mean()), pytest.approx(found.gradient.mean()))


def test_agreements_of_one_word_have_no_mean() -> None:
    translator = small("dot")
    assert all(math.isnan(mean) for mean in faithful.agreements(Writing(translator, translator.write("dog"))).means())


# ---------------------------------------------------------------- everything together


@pytest.mark.parametrize("score", SCORES)
def test_a_source_of_one_word_can_be_examined(score: str) -> None:
    translator = small(score)
    found = examine(Writing(translator, translator.write("dog")), 0)
    assert found.source == ("dog", SPECIAL[3]) and np.isfinite(found.leave_one_out[0])
    if found.weights is not None:
        assert math.isnan(found.weights.tau_leave_one_out.tau)
        assert found.weights.erased.most + found.weights.erased.other == 1
    assert ("cannot be compared" if found.weights else "no attention weights") in verdict(found)


def test_without_attention_there_are_no_weights_and_the_verdict_says_so() -> None:
    translator = small("none")
    trace = translator.write(SENTENCE)
    found = examine(Writing(translator, trace), 0)
    assert found.weights is None and np.isfinite(found.gradient).all()
    word = int(np.nanargmax(np.abs(found.leave_one_out)))
    text = verdict(found)
    assert "no attention weights" in text and f"“{trace.source[word]}”" in text
    assert f"{abs(found.leave_one_out[word]):.2f} nats" in text
    assert ("falls" in text) == bool(found.leave_one_out[word] > 0)
    with pytest.raises(ValueError, match="no attention weights"):
        faithful.agreements(Writing(translator, trace))


@pytest.mark.parametrize("step", [-1, 99])
def test_a_step_that_is_not_there_is_a_plain_sentence(step: int) -> None:
    translator = small("dot")
    with pytest.raises(ValueError, match=rf"There is no step {step}: there are 0 to \d+\."):
        examine(Writing(translator, translator.write(SENTENCE)), step)


def test_examined_is_the_network_and_not_what_a_hand_forced(real: Translator) -> None:
    plain = real.write(REAL)
    step = plain.target.index("vert")
    even = tuple(np.full(len(plain.source), 1 / len(plain.source)).tolist())
    words = dict(enumerate(plain.target))
    by_hand = real.write(REAL, Touch(weights={step: even}, words=words))
    assert by_hand.log_p[step] != pytest.approx(plain.log_p[step])
    for one, other in zip(
        everything(examine(Writing(real, plain), step)),
        everything(examine(Writing(real, by_hand), step)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_forced_word_is_told_from_the_likeliest(real: Translator) -> None:
    trace = real.write(REAL, Touch(words={1: "chien"}))
    found = examine(Writing(real, trace), 1)
    assert found.decided == found.shown == "chien" and found.weights.likeliest == "homme" and found.p < 0.01
    assert found.p == pytest.approx(math.exp(trace.log_p[1]), rel=1e-4)
    shuffles = found.weights.shuffled.anew
    assert shuffles.kept.tolist() == [word == "homme" for word in shuffles.outcomes] and shuffles.kept.any()
    assert verdict(found).startswith("“chien” was forced or drawn, the network itself would write “homme” here. ")


@pytest.mark.parametrize("score", SCORES)
def test_nothing_is_left_behind(score: str) -> None:
    translator = small(score)
    network = translator.network.requires_grad_(True)
    trace = translator.write(SENTENCE)
    before = copy.deepcopy((network.state_dict(), dict(trace.values)))
    generators = torch.get_rng_state(), np.random.get_state()[1].copy()
    examine(Writing(translator, trace), 1)
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    for module in network.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
        assert not any(hooks) and not module.training
    assert torch.is_grad_enabled()
    assert torch.equal(generators[0], torch.get_rng_state()) and (generators[1] == np.random.get_state()[1]).all()
    assert all(torch.equal(value, before[0][name]) for name, value in network.state_dict().items())
    assert all((value == before[1][name]).all() for name, value in trace.values.items())


def test_eight_visitors_get_what_each_would_get_alone(real: Translator) -> None:
    sentences = [REAL, "two dogs run in the snow .", "a woman reads a book .", "the children play with a red ball ."]
    jobs = [(Writing(real, real.write(sentence)), step) for sentence in sentences for step in range(4)]
    alone = [list(everything(examine(*job))) for job in jobs]
    with ThreadPoolExecutor(8) as visitors:
        together = list(visitors.map(lambda job: list(everything(examine(*job))), jobs))
    for one, other in zip(alone, together, strict=True):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


def test_captum_and_matplotlib_are_loaded_by_the_first_gradient_only() -> None:
    command = "import sys, models.cases; print([name for name in ('captum', 'matplotlib') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- what may be said


def shuffled_so(found: Examination, kept: int, stayed: int, *, uniform: bool, erased: bool) -> Examination:
    """The examination as if these had been its numbers; the shuffles that stayed in place are among the kept."""
    weights = found.weights
    order = np.arange(100)
    anew = replace(weights.shuffled.anew, kept=order < kept)
    words = list(weights.erased.anew.outcomes)
    words[weights.erased.most] = weights.likeliest if erased else "arbre"
    erasures = weights.erased.anew.kept.copy()
    erasures[weights.erased.most] = erased
    word = weights.likeliest if uniform else "lune"
    weights = replace(
        weights,
        shuffled=replace(weights.shuffled, anew=anew, stayed=order < stayed),
        uniform=replace(weights.uniform, kept=np.array([uniform]), outcomes=(word,)),
        erased=replace(weights.erased, anew=replace(weights.erased.anew, kept=erasures, outcomes=tuple(words))),
    )
    return replace(found, weights=weights)


@pytest.fixture(scope="module")
def canape(real: Translator) -> Examination:
    trace = real.write(REAL)
    return examine(Writing(real, trace), trace.target.index("canapé"))


@pytest.mark.parametrize(
    ("kept", "stayed", "uniform", "erased", "said"),
    [
        (97, 9, True, True, ["kept “canapé” in 97 of 100", "in 9 the", "equal weights and the weights without the largest keep it", "not what decides"]),
        (97, 9, False, True, ["equal weights write “lune”, the weights without the largest keep it", "hardly matters"]),
        (50, 9, True, True, ["kept “canapé” in 50 of 100", "only in part"]),
        (9, 9, False, False, ["changed “canapé” in 91 of 100", "“lune”", "“arbre”", "needs weights much like these", "does not make them the reason"]),
        (9, 9, True, False, ["changed “canapé” in 91 of 100", "does not need exactly these", "do not read them as the reason"]),
        (12, 5, False, False, ["changed “canapé” in 88 of 100", "needs weights much like these"]),
        (20, 5, False, False, ["kept “canapé” in 20 of 100", "only in part"]),
        (100, 100, True, True, ["kept “canapé” in 100 of 100", "this test cannot tell"]),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_the_shuffles(
    canape: Examination, kept: int, stayed: int, uniform: bool, erased: bool, said: list[str]
) -> None:
    text = verdict(shuffled_so(canape, kept, stayed, uniform=uniform, erased=erased))
    assert [phrase for phrase in said if phrase not in text] == []
    assert 1 <= len(re.findall(r"[a-z)]\.(?: |$)", text)) <= 2


def with_weights(found: Examination, **changes: object) -> Examination:
    return replace(found, weights=replace(found.weights, **changes))


@pytest.mark.parametrize(
    ("agreement", "said"),
    [
        (Agreement(0.55, 0.0301), "is related to leaving words out (Kendall’s τ = 0.55, p = 0.030)"),
        (Agreement(-0.55, 0.0004), "runs against leaving words out (Kendall’s τ = -0.55, p < 0.001)"),
        (Agreement(0.2, 0.05), "shows no clear relation to leaving words out (Kendall’s τ = 0.20, p = 0.050)"),
        (Agreement(math.nan, math.nan), "cannot be compared with leaving words out and"),
    ],
)
def test_the_verdict_prints_the_agreement(canape: Examination, agreement: Agreement, said: str) -> None:
    assert said in verdict(with_weights(canape, tau_leave_one_out=agreement))


@pytest.mark.parametrize(
    ("good", "divergence", "said"),
    [
        (
            3,
            0.51,
            "is very different, so these are not the only weights that would do (Jensen–Shannon 0.51 of at most 0.69)",
        ),
        (3, 0.12, "is not very different, which is no proof that there is none (Jensen–Shannon 0.12"),
        (0, 0.0, "none of 150 other rows tried writes almost the same (TV at most 0.05)"),
    ],
)
def test_the_verdict_prints_what_else_would_do(canape: Examination, good: int, divergence: float, said: str) -> None:
    different: Different = replace(canape.weights.different, good=good, divergence=divergence, tried=150)
    assert said in verdict(with_weights(canape, different=different))


def test_of_a_copied_word_the_weights_are_the_reason(canape: Examination) -> None:
    text = verdict(replace(with_weights(canape, likeliest="⟨unk⟩"), decided="⟨unk⟩", shown="zebra"))
    assert "kept “⟨unk⟩”" in text or "changed “⟨unk⟩”" in text
    assert "“zebra” is copied from the source word with the largest weight" in text and "forced" not in text


def test_the_verdict_of_a_real_step_prints_its_own_numbers(canape: Examination) -> None:
    weights: Weights = canape.weights
    text = verdict(canape)
    assert f"changed “canapé” in {(~weights.shuffled.anew.kept).sum()} of 100 tries" in text
    assert f"“{weights.uniform.outcomes[0]}”" in text
    assert f"τ = {weights.tau_leave_one_out.tau:.2f}" in text and f"τ = {weights.tau_gradient.tau:.2f}" in text
    assert f"{weights.different.divergence:.2f} of at most 0.69" in text

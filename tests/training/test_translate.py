"""Training the translators: on 200 sentences of a little grammar, in the layout of the real data."""

import gzip
import math
import random
import re
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.attention import SCORES, Attention
from models.seq2seq import NONE, Seq2Seq
from models.words import BEGIN, END, PAD, UNKNOWN, Vocabulary
from training import data, translate
from training.__main__ import main
from training.snapshot import Snapshot

WHO = {"a dog": "un chien", "a cat": "un chat", "the boy": "le garçon", "the girl": "la fille", "a man": "un homme"}
DOES = {"sees": "voit", "draws": "dessine", "likes": "aime", "wants": "veut"}
WHAT = {"house": "maison", "car": "voiture", "table": "table", "flower": "fleur"}
HOW = {"red": "rouge", "yellow": "jaune", "big": "", "old": ""}
BEFORE = {"big": "grande", "old": "vieille"}


def sentence(chance: random.Random) -> tuple[str, str]:
    """Colours stand behind the French noun, so that the words are not in one order."""
    who, does, what, how = (chance.choice(list(words)) for words in (WHO, DOES, WHAT, [*HOW, "", ""]))
    english = " ".join(f"{who} {does} the {how} {what} .".split())
    return english, " ".join(
        f"{WHO[who]} {DOES[does]} la {BEFORE.get(how, '')} {WHAT[what]} {HOW.get(how, '')} .".split()
    )


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 captions, 20 to validate on, 80 everyday sentences."""
    folder, chance = tmp_path_factory.mktemp("data"), random.Random(0)
    for split, count in (("train", 120), ("val", 20)):
        pairs = [sentence(chance) for _ in range(count)]
        for side, language in enumerate(("en", "fr")):
            write(folder / "multi30k" / f"{split}.{language}.gz", [pair[side] for pair in pairs])
    write(folder / "tatoeba" / "fra.txt.gz", ["\t".join([*sentence(chance), "CC-BY 2.0"]) for _ in range(80)])
    return folder


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few sentences are many updates: small batches, and the learning rate's peak after ten of them."""
    monkeypatch.setattr(translate, "BATCH", 120)
    monkeypatch.setattr(translate, "WARM_UP", 10)


@pytest.fixture
def small(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """A small network, and a learning rate as small networks like it."""
    monkeypatch.setattr(translate, "Seq2Seq", partial(Seq2Seq, d_word=16, d=32, dropout=0.1))
    monkeypatch.setattr(translate, "PEAK", 0.02)


def copies(snapshots: Any) -> list[Snapshot]:
    """The state is shared with the run, so it must be copied at once."""
    return [
        Snapshot(s.step, s.steps, s.seconds, s.metrics, {k: t.clone() for k, t in s.state.items()}) for s in snapshots
    ]


@pytest.mark.usefixtures("quick")
def test_the_command_trains_the_real_network(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["translate-perceptron", "--data", str(folder), "--out", str(tmp_path / "out"), "--epochs", "4"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = [
        re.fullmatch(r"translate-perceptron (\d)/4  \d+ s  loss (\S+)  ppl (\S+)  bleu (\S+)", line) for line in printed
    ]
    steps, losses, ppls, _ = zip(*(map(float, line.groups()) for line in lines if line), strict=True)
    assert steps == (1, 2, 3, 4)
    assert losses[-1] < 0.75 * losses[0]
    assert ppls[-1] < 0.5 * ppls[0]
    last = Snapshot.load(tmp_path / "out" / "translate-perceptron.safetensors")
    assert (last.step, last.steps) == (4, 4)
    assert last.metrics["loss"] == pytest.approx(losses[-1], rel=1e-3) and last.seconds > 0
    assert last.state["model.score.W_a"].shape == (512, 512)
    assert main(arguments) == 0  # a finished run has nothing left to do
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("score", translate.NAMES)
def test_the_loss_of_every_score_falls(folder: Path, score: str) -> None:
    first, *_, last = copies(translate.train(folder, score, epochs=6))
    assert last.metrics["loss"] < 0.7 * first.metrics["loss"]
    assert last.metrics["ppl"] < 0.5 * first.metrics["ppl"]
    assert first.metrics["loss"] < math.log(60)  # and it did not begin by getting worse


@pytest.mark.usefixtures("small")
def test_stopped_and_resumed_is_as_never_stopped(folder: Path, tmp_path: Path) -> None:
    whole = copies(translate.train(folder, "perceptron", epochs=4))
    for stopped in islice(translate.train(folder, "perceptron", epochs=4), 2):
        stopped.save(tmp_path / "a.safetensors")
    rest = copies(translate.train(folder, "perceptron", epochs=4, resume=Snapshot.load(tmp_path / "a.safetensors")))
    assert [s.step for s in rest] == [3, 4]
    assert rest[0].seconds > stopped.seconds
    for one, other in zip(whole[2:], rest, strict=True):
        assert dict(one.metrics) == dict(other.metrics)
        assert one.state.keys() == other.state.keys()
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    assert not torch.equal(whole[1].state["model.b"], whole[3].state["model.b"])


@pytest.mark.usefixtures("small")
def test_the_command_goes_on_from_the_last_snapshot(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stopped in islice(translate.train(folder, "dot", seed=5, epochs=3), 1):
        stopped.save(tmp_path / "translate-dot.safetensors")
    assert main(["translate-dot", "--data", str(folder), "--out", str(tmp_path), "--epochs", "3", "--seed", "5"]) == 0
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["2/3", "3/3"]


@pytest.mark.usefixtures("small")
def test_the_seed_decides(folder: Path) -> None:
    one, same, other = (copies(translate.train(folder, "dot", seed=seed, epochs=1))[0] for seed in (1, 1, 2))
    assert dict(one.metrics) == dict(same.metrics) != dict(other.metrics)
    assert all(torch.equal(one.state[name], same.state[name]) for name in one.state)


@pytest.mark.usefixtures("small")
def test_the_learning_rate_of_a_run_rises_and_falls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []

    def recorded(*arguments: Any) -> float:
        rates.append(arguments[-1])
        return 0.0

    monkeypatch.setattr(translate, "update", recorded)
    list(translate.train(folder, "dot", epochs=3))
    top = rates.index(max(rates))
    assert len(rates) > 20 and 5 < top < 15
    assert rates[:top] == sorted(rates[:top]) and rates[top:] == sorted(rates[top:], reverse=True)
    assert max(rates) > translate.PEAK / 2 and 0 < rates[-1] < translate.PEAK / 10


def test_the_learning_rate_rises_to_its_peak_and_falls_to_zero() -> None:
    rates = torch.tensor([translate.learning_rate(update, 10_000) for update in range(10_001)], dtype=torch.float64)
    top = int(rates.argmax())
    assert translate.WARM_UP * 0.9 < top < translate.WARM_UP
    assert (rates[: top + 1].diff() > 0).all() and (rates[top:].diff() < 0).all()
    assert 0 < rates[0] < translate.PEAK / 100
    assert 0.95 * translate.PEAK < rates[top] <= translate.PEAK
    assert rates[5_000].item() == pytest.approx(translate.PEAK / 2) and rates[-1] == 0


def test_an_update_goes_down_at_the_rate_it_is_told() -> None:
    [batch] = translate.batches(rows(6, 4))
    moved = []
    for rate in (0.0, 1e-3):
        torch.manual_seed(0)
        model = Seq2Seq("general", 1000, 1000, d_word=8, d=16)
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        optimizer = torch.optim.Adam(model.parameters())
        loss = translate.update(model, optimizer, batch, rate)
        assert loss == pytest.approx(math.log(1000), rel=0.1)  # it knows nothing yet
        moved.append(max(float((p.detach() - before[name]).abs().max()) for name, p in model.named_parameters()))
    assert moved == [0, pytest.approx(1e-3, rel=0.01)]  # Adam's first step is as long as the rate


def rows(count: int, length: int | None = None, first: int = END + 1) -> list[tuple[list[int], list[int]]]:
    """Sentences of 1 to 5 words, or of one length; each word is its own sentence's, so that it can be told from others."""
    chance = random.Random(first)
    made = []
    for word in range(first, first + count):
        source, target = (length or chance.randint(1, 5) for _ in range(2))
        made.append(([word] * source + [END], [BEGIN] + [word] * target + [END]))
    return made


def unpacked(batches: list[translate.Batch]) -> list[tuple[list[int], list[int]]]:
    """The rows of all batches, without padding, in alphabetical order."""
    return sorted(
        (source, [word for word in target if word != PAD])
        for batch in batches
        for source, target in zip(batch.source.tolist(), batch.target.tolist(), strict=True)
    )


def test_batches_hold_every_pair_once_unpadded_and_not_too_many_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "BATCH", 24)
    pairs = [*rows(60), ([900, END], [BEGIN, *[900] * 30, END])]  # the last alone is too many
    random.Random(0).shuffle(pairs)
    made = translate.batches(pairs)
    assert unpacked(made) == sorted(pairs)
    assert not any((batch.source == PAD).any() for batch in made)
    assert all(batch.target.numel() <= 24 or len(batch.target) == 1 for batch in made)
    assert max(len(batch.source) for batch in made) > 3 and len({batch.source.shape[1] for batch in made}) == 5
    assert all((batch.target[:, 0] == BEGIN).all() for batch in made)
    assert translate.batches([]) == []


def test_an_epoch_is_all_captions_and_six_of_them_are_all_the_others() -> None:
    captions, others = rows(40), rows(62, first=100)
    epochs = [unpacked(translate.epoch_batches(captions, others, seed=3, epoch=epoch)) for epoch in range(6)]
    for epoch in epochs:
        assert [row for row in epoch if row[0][0] < 100] == sorted(captions)
    later = [row for epoch in epochs for row in epoch if row[0][0] >= 100]
    assert sorted(later) == sorted(others)
    assert {len(epoch) for epoch in epochs} == {50, 51}


def test_an_epoch_depends_on_nothing_but_seed_and_epoch() -> None:
    captions, others = rows(200), rows(60, first=300)

    def order(seed: int, epoch: int) -> list[Any]:
        torch.manual_seed(torch.seed() % 2**31)
        return [batch.source.tolist() for batch in translate.epoch_batches(captions, others, seed, epoch)]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(2, 2)
    assert order(1, 2) != order(1, 8)  # the same sentences, in another order
    before = torch.random.get_rng_state()
    translate.epoch_batches(captions, others, 1, 2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_sentences_are_numbered_between_their_ends() -> None:
    known = Vocabulary.count([["un", "chien"]], 1)
    chien, un = known.encode(["chien", "un"])
    pairs = [(["un", "ours"], ["chien"]), ([], ["un"]), (["un"], []), (["un"] * 51, ["un"]), (["un"] * 50, ["un"] * 50)]
    short, long = translate.encode(pairs, known, known)
    assert short == ([un, UNKNOWN, END], [BEGIN, chien, END])
    assert long == ([un] * 50 + [END], [BEGIN] + [un] * 50 + [END])


def test_a_word_must_occur_often_enough() -> None:
    captions = [(["a", "dog"], ["un", "chien"]), (["a", "cat"], ["un", "chat"])]
    everyday = [(["hello"], ["salut"])] * 12 + [(["rare"], ["rare"])] * 11
    english, french = translate.vocabularies(captions, everyday)
    assert english.words[4:] == ("a", "hello") and french.words[4:] == ("un", "salut")


@torch.no_grad()
def test_the_loss_is_minus_log_p_of_the_words_without_the_padding() -> None:
    torch.manual_seed(0)
    model = Seq2Seq("general", 300, 300, d_word=8, d=16).eval()
    pairs = [([7, 8, END], [BEGIN, 9, END]), ([8, 8, END], [BEGIN, 9, 5, 6, 7, END])]
    [batch] = translate.batches(pairs)
    assert (batch.target == PAD).sum() == 3
    log_p = [
        float(model(torch.tensor([source]), torch.tensor([target[:-1]]))[0].log_softmax(-1)[t, word])
        for source, target in pairs
        for t, word in enumerate(target[1:])
    ]
    assert len(log_p) == 7
    assert float(translate.cross_entropy(model, batch, reduction="sum")) == pytest.approx(-sum(log_p), rel=1e-5)
    assert float(translate.cross_entropy(model, batch)) == pytest.approx(-sum(log_p) / 7, rel=1e-5)


def test_smoothing_is_torchs_and_bfloat16_is_near() -> None:
    torch.manual_seed(0)
    model = Seq2Seq("dot", 50, 50, d_word=8, d=16, dropout=0.0)
    [batch] = translate.batches(rows(5, 4))
    exact = nn.functional.cross_entropy(
        model(batch.source, batch.target[:, :-1]).flatten(0, 1), batch.target[:, 1:].flatten(), label_smoothing=0.1
    )
    assert translate.cross_entropy(model.eval(), batch, 0.1).item() == pytest.approx(exact.item(), rel=1e-5)
    trained = translate.cross_entropy(model.train(), batch, 0.1)
    assert trained.item() == pytest.approx(exact.item(), rel=0.01)
    one, other = (torch.autograd.grad(loss, model.W_c.weight)[0].flatten() for loss in (exact, trained))
    assert nn.functional.cosine_similarity(one, other, dim=0) > 0.99


class Parrot(Seq2Seq):
    """Writes the source, word for word: the position that it looks at is the number of the words written."""

    def __init__(self, words: int):
        super().__init__("dot", words, words, d_word=4, d=8)
        self.words = words

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.one_hot(source, self.words).float(), torch.zeros(len(source), 1)

    def begin(self, fixed: Tensor) -> Tensor:
        return fixed

    def states(self, words: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h_t = h.unsqueeze(1) + torch.arange(words.shape[1]).unsqueeze(-1)
        return h_t, h_t[:, -1] + 1

    def read(self, h_t: Tensor, h_bar: Tensor, fixed: Tensor) -> Attention:  # noqa: ARG002
        weights = (h_t == torch.arange(h_bar.shape[1])).float()
        return Attention(weights, weights, weights @ h_bar)

    def attention_vector(self, c_t: Tensor, h_t: Tensor) -> Tensor:  # noqa: ARG002
        return 20 * c_t

    def logits(self, a_t: Tensor) -> Tensor:
        return a_t


@pytest.mark.parametrize("beam", [1, 3])
def test_translations_come_in_the_order_of_the_pairs(beam: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(translate, "SENTENCES", 2)
    texts = [["a"], ["b", "a", "c"], ["b"], ["c", "c"], ["c"], ["a", "b"], ["strange", "a", "word"]]
    known = Vocabulary.count([["a", "b", "c"]], 1)
    found = translate.translations(Parrot(len(known)), [(text, []) for text in texts], known, known, beam)
    assert found == texts  # also the unknown words, copied


def test_bleu_is_a_hundred_for_the_reference_only() -> None:
    reference = data.tokenize("L'homme voit aujourd'hui une grande maison rouge .", "fr")
    assert translate.bleu([reference], [reference]) == pytest.approx(100)
    assert translate.bleu([[word.upper() for word in reference]], [reference]) == pytest.approx(100)
    assert translate.bleu([reference[::-1]], [reference]) < 30


def test_one_english_sentence_in_a_hundred_is_held_out_with_all_its_translations(tmp_path: Path) -> None:
    english = [f"sentence {number}" for number in range(5000)]
    write(tmp_path / "tatoeba" / "fra.txt.gz", [f"{en}\t{fr}" for en in english for fr in ("un", "deux")])
    kept, held_out = (Counter(" ".join(en) for en, _ in data.tatoeba(tmp_path, held)) for held in (False, True))
    assert set(kept) | set(held_out) == set(english) and not set(kept) & set(held_out)
    assert set((kept + held_out).values()) == {2}
    assert 25 < len(held_out) < 80


def test_the_score_names_are_those_that_there_are() -> None:
    assert {*translate.NAMES, "scaled_dot"} == {*SCORES, NONE}


@pytest.mark.parametrize("missing", ["multi30k/train.en.gz", "multi30k/val.fr.gz", "tatoeba/fra.txt.gz", ""])
def test_missing_data_is_one_sentence_and_exit_code_2(
    missing: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in folder.rglob("*.gz"):
        name = path.relative_to(folder).as_posix()
        if missing and name != missing:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).symlink_to(path)
    assert main(["translate-dot", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("training: ") and said.err.count("\n") == 1 and "gz" in said.err
    assert not (tmp_path / "out").exists()


def test_sides_of_unequal_length_are_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "multi30k" / "train.en.gz", ["a dog .", "a cat ."])
    write(tmp_path / "multi30k" / "train.fr.gz", ["un chien ."])
    assert main(["translate-dot", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1

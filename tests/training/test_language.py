"""Training the classifiers and the language models: on little made-up data in the layout of the real ones."""

import gzip
import lzma
import random
from functools import partial
from pathlib import Path

import pytest
import torch

from models import zoo
from models.key_value import KINDS, MemoryModel
from models.pointer import Pointer
from models.structured import SelfAttentive
from training import classify, headline, memory, penalty, sentences

GOOD, BAD = ["good", "fine", "lovely", "great"], ["bad", "dull", "awful", "poor"]
ASKED = {"what": 1, "why": 0, "who": 3, "where": 4, "when": 5}


def zipped(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 phrases, 40 reviews, 200 questions, 200 stories of a book, 200 headlines."""
    folder, chance = tmp_path_factory.mktemp("data"), random.Random(0)

    def review() -> tuple[int, str]:
        label = chance.randrange(2)
        return label, f"a {chance.choice((BAD, GOOD)[label])} film with {chance.choice(['no', 'a'])} story ."

    (folder / "sst2_glue").mkdir()
    (folder / "sst_trec_mr").mkdir()
    (folder / "imdb").mkdir()
    rows = [review() for _ in range(200)]
    (folder / "sst2_glue" / "train.tsv").write_text("label\tsentence\n" + "".join(f"{y}\t{x}\n" for y, x in rows))
    for split in ("dev", "test"):
        (folder / "sst_trec_mr" / f"stsa.binary.{split}").write_text(
            "".join(f"{y} {x}\n" for y, x in (review() for _ in range(40)))
        )
    for split in ("train", "test"):
        with lzma.open(folder / "imdb" / f"{split}.tsv.xz", "wt", encoding="utf-8") as file:
            for number in range(40):
                y, x = review()
                file.write(f"{y}\t{10 * y}\t{number}\t{x}<br />It &amp; more.\n")
    for split in ("train", "test"):
        questions = [
            (ASKED[w], f"{w} is the {chance.choice(GOOD + BAD)} thing ?") for w in chance.choices(list(ASKED), k=200)
        ]
        (folder / "sst_trec_mr" / f"TREC.{split}.all").write_text(
            "".join(f"{y} {x}\n" for y, x in questions), "latin-1"
        )
    zipped(folder / "tatoeba" / "fra.txt.gz", [f"{x}\tun film\tCC-BY" for _, x in rows])
    for split in ("train", "valid", "test"):
        zipped(folder / "gutenberg_children" / f"{split}.txt.gz", [x for _, x in rows])
    news = [
        f"police in {chance.choice(['rome', 'oslo', 'lima'])} said a {chance.choice(GOOD + BAD)} storm came ."
        for _ in range(200)
    ]
    heads = [f"{line.split()[5]} storm in {line.split()[2]}" for line in news]
    table = [
        f"gigaword10k\t{'valid' if i % 10 == 0 else 'train'}\t{s}\t{h}\t\t"
        for i, (s, h) in enumerate(zip(news, heads, strict=True))
    ]
    zipped(
        folder / "headlines" / "train.tsv.gz", ["source\tsplit\tsentence\theadline\traw_sentence\traw_headline", *table]
    )
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks, and word vectors that need no pretrained encoder."""
    for module in (classify, penalty):
        monkeypatch.setattr(
            module,
            "SelfAttentive",
            lambda words, classes, r, d: SelfAttentive(words, classes, r, d, d=16, d_a=8, d_m=8, dropout=0.1),
        )
    monkeypatch.setattr(
        classify, "vectors", lambda known, d: torch.randn(len(known), d, generator=torch.Generator().manual_seed(0))
    )
    monkeypatch.setattr(memory, "MemoryModel", partial(MemoryModel, d_word=8, d=8, dropout=0.1))
    monkeypatch.setattr(memory, "WARM_UP", 5)
    monkeypatch.setattr(headline, "Pointer", partial(Pointer, d_word=16, d=32, dropout=0.1))
    monkeypatch.setattr(headline, "WARM_UP", 5)
    monkeypatch.setattr(headline, "PEAK", 0.02)
    monkeypatch.setattr("training.translate.BATCH", 40)
    monkeypatch.setattr(classify, "BATCH", 8)
    monkeypatch.setattr(classify, "RATE", 0.01)
    monkeypatch.setattr(memory, "ROWS", 4)
    monkeypatch.setattr(memory, "TIME", 10)
    monkeypatch.setattr(memory, "PEAK", 0.02)


@pytest.mark.parametrize("name", classify.NAMES)
def test_the_classifiers_learn(folder: Path, name: str) -> None:
    snapshots = [(s.metrics["loss"], s.metrics["accuracy"]) for s in classify.train(folder, name, epochs=8)]
    assert snapshots[-1][0] < 0.6 * snapshots[0][0]
    assert snapshots[-1][1] > 95


@pytest.mark.parametrize(("name", "task"), zoo.ONE_LOOK.items())
def test_one_look_leaves_the_word_vectors_as_they_are(folder: Path, name: str, task: str) -> None:
    first, *_ = classify.train(folder, name, epochs=1)
    shipped = zoo.text_classifier(task).network.embedding.weight
    assert torch.equal(first.state[f"model.{zoo.SHARED}"], shipped)
    assert first.state["model.looks.W_s2"].shape[1] == 1


def test_the_penalty_drives_the_looks_apart(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(penalty, "SEEDS", (1,))
    monkeypatch.setattr(penalty, "TRAINED", [(name, 50 * weight) for name, weight in penalty.TRAINED])
    with_it, without, one = penalty.report(folder)["table"]
    assert (with_it["looks"], without["looks"], one["looks"]) == (4, 4, 1)
    assert with_it["penalty"] > without["penalty"] == one["penalty"] == 0
    assert with_it["redundancy"] < 0.7 * without["redundancy"] and one["redundancy"] is None
    assert all(0 <= row["accuracy"] <= 100 and f"{row['accuracy']:.1f}" == row["accuracies"] for row in (with_it, one))


@pytest.mark.parametrize("name", classify.NAMES)
def test_a_classifier_is_measured_as_it_is_shipped(folder: Path, name: str) -> None:
    found = classify.evaluate(name, folder, limit=20)
    assert (found["name"], found["n"]) == (name, 20)
    assert set(found["metrics"]) == {"accuracy", *(["accuracy_imdb"] if name.startswith("sentiment") else [])}
    assert not name.startswith("sentiment") or found["metrics"]["accuracy"] > 75, "good and bad are plain words"


def test_the_encoder_is_measured_by_the_nearest_question(folder: Path) -> None:
    found = sentences.evaluate(folder, limit=30)
    assert (found["name"], found["n"]) == ("heads", 30) and found["metrics"]["accuracy_nearest"] > 80
    with pytest.raises(ValueError, match="nothing to measure"):
        sentences.evaluate(folder, limit=0)


def test_reviews_are_cut_to_their_end_in_strides() -> None:
    text = classify.Text([str(i) for i in range(classify.LONGEST + 50)], 1)
    assert classify.cropped(text).words == text.words[-classify.LONGEST :]
    assert len(classify.cropped(classify.Text(text.words[:29], 0)).words) == 24
    assert classify.cropped(classify.Text(["a", "b"], 0)).words == ["a", "b"]


def test_reviews_have_no_markup(folder: Path) -> None:
    assert classify.imdb(folder, "train")[0].words[-4:] == ["it", "&", "more", "."]


@pytest.mark.parametrize("kind", KINDS)
def test_the_language_models_learn(folder: Path, kind: str) -> None:
    ppl = [s.metrics["ppl"] for s in memory.train(folder, kind, epochs=6)]
    assert ppl[-1] < 0.6 * ppl[0]


def test_streams_read_at_once_are_little_worse_than_the_text(folder: Path) -> None:
    torch.manual_seed(0)
    words = memory.numbers(
        memory.text(folder, memory.BOOKS, "test"),
        known := memory.Vocabulary.count(memory.text(folder, memory.BOOKS, "train"), 1),
    )
    model = MemoryModel("attention", len(known), d_word=8, d=8)
    assert memory.perplexity(model, words, rows=4) == pytest.approx(memory.perplexity(model, words), rel=0.02)


def test_the_headline_writer_learns_to_copy(folder: Path) -> None:
    metrics = [s.metrics for s in headline.train(folder, epochs=10)]
    assert metrics[-1]["loss"] < 0.5 * metrics[0]["loss"]
    assert metrics[-1]["rouge1"] > 60


def test_rouge_of_itself_is_a_hundred() -> None:
    story = headline.Story(["a"], ["police", "say", "no"])
    assert headline.rouge([["police", "say", "no"]], [story])["rouge2"] == pytest.approx(100)
    assert headline.rouge([["quite", "another"]], [story])["rouge1"] == 0


@pytest.mark.parametrize("train", [classify.train, memory.train, headline.train])
def test_missing_data_are_said(tmp_path: Path, train) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((OSError, ValueError)):
        next(train(tmp_path))


@pytest.mark.parametrize(
    "train", [*(partial(classify.train, name=name) for name in classify.NAMES[1:3]), memory.train, headline.train]
)
def test_a_run_goes_on_as_if_it_had_never_stopped(folder: Path, train) -> None:  # type: ignore[no-untyped-def]
    whole = [{k: t.clone() for k, t in s.state.items()} for s in train(folder, epochs=3)][-1]
    first = next(iter(train(folder, epochs=3)))
    again = [{k: t.clone() for k, t in s.state.items()} for s in train(folder, epochs=3, resume=first)][-1]
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[key], again[key]) for key in whole)

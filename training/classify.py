"""Train the self-attentive classifiers: sentiment (SST-2 and IMDb in one network) and TREC's six kinds of question.

`sentiment-one` and `question-type-one` are the slide's form, one look. They read with the word vectors that the classifier of
several looks has learned and the app ships, and leave these as they are: so a one-look classifier is a small file.

Wants `DIR/sst2_glue/train.tsv` (label, text) and `DIR/sst_trec_mr/stsa.binary.{dev,test}` (label text) for SST-2,
`DIR/imdb/{train,test}.tsv.xz` (columns label, rating, id, text) and `DIR/sst_trec_mr/TREC.{train,test}.all` (label text, latin-1).
Both know more words than they are trained on, so that a sentence typed works: those that are frequent in IMDb's training half,
`DIR/tatoeba/fra.txt.gz` and `DIR/headlines/train.tsv.gz`, with vectors by `training.vectors`. The film reviews of
`rt-polarity.all` are not touched: SST-2's test sentences are among them.
"""

import html
import lzma
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from models import zoo
from models.structured import PENALTY, SelfAttentive, loss
from models.words import UNKNOWN, Vocabulary, treebank
from training.data import lines
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of
from training.vectors import vectors

SENTIMENT, QUESTION, *_ = NAMES = ("sentiment", "question-type", *zoo.ONE_LOOK)
EPOCHS = {SENTIMENT: 4, QUESTION: 6}
RATE = 1.5e-3  # falls to zero in a straight line
AT_LEAST = {SENTIMENT: 2, QUESTION: 1}  # how often a word must occur in the sentences to be known
FREQUENT = 20  # or so often in the plain texts
UNSEEN = 0.05  # of the words are hidden while training, so that an unknown word is nothing new
BATCH = 32  # texts
LONGEST = 200  # words of a review that are read while training: its last ones, which hold the verdict
STRIDE = 8  # lengths of reviews are rounded down to a multiple, so that batches need no padding
D_WORD = 200


class Text(NamedTuple):
    """A text and the number of its class."""

    words: list[str]
    label: int


def sst2(data: Path, split: str) -> list[Text]:
    """SST-2: "train" is GLUE's (67,349 phrases of the training sentences), "dev" and "test" are whole sentences."""
    if split == "train":
        rows = (data / "sst2_glue" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]
        return [Text(treebank(text), int(label)) for label, text in (row.split("\t") for row in rows)]
    return labelled(data / "sst_trec_mr" / f"stsa.binary.{split}", "utf-8")


def trec(data: Path, split: str) -> list[Text]:
    """TREC's questions: 5,452 in "train", 500 in "test"."""
    return labelled(data / "sst_trec_mr" / f"TREC.{split}.all", "latin-1")


def labelled(path: Path, encoding: str) -> list[Text]:
    """A label, a blank and a text a line."""
    rows = (line.partition(" ") for line in path.read_text(encoding=encoding).splitlines() if line.strip())
    return [Text(treebank(text), int(label)) for label, _, text in rows]


def imdb(data: Path, split: str) -> list[Text]:
    """IMDb's reviews, 25,000 each in "train" and "test"; the markup is taken out."""
    with lzma.open(data / "imdb" / f"{split}.tsv.xz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [Text(treebank(html.unescape(text.replace("<br />", " "))), int(label)) for label, _, _, text in rows]


def read(name: str, data: Path) -> tuple[list[Text], list[Text], list[Text]]:
    """What is trained on, what chooses the epoch, and (sentiment only) the long texts beside it."""
    if name == SENTIMENT:
        return sst2(data, "train"), sst2(data, "dev"), imdb(data, "train")
    questions = trec(data, "train")
    return [q for i, q in enumerate(questions) if i % 10], questions[::10], []


def vocabulary(name: str, data: Path, training: list[Text]) -> Vocabulary:
    """The words of the sentences, and those that are frequent elsewhere."""
    own = Vocabulary.count((text.words for text in training), AT_LEAST[name])
    return own.with_words_of(Vocabulary.count(plain_texts(data), FREQUENT))


def plain_texts(data: Path) -> list[list[str]]:
    """Where frequent words are counted: no label is read."""
    reviews = [text.words for text in imdb(data, "train")]
    everyday = {line.split("\t")[0] for line in lines(data / "tatoeba" / "fra.txt.gz")}
    news = [line.split("\t")[2].split() for line in lines(data / "headlines" / "train.tsv.gz")[1:]]
    return [*reviews, *(treebank(line) for line in sorted(everyday)), *news]


def train(
    data: Path,
    name: str = SENTIMENT,
    seed: int = 1,
    epochs: int | None = None,
    limit: int | None = None,
    resume: Snapshot | None = None,
    penalty: float = PENALTY,
) -> Iterator[Snapshot]:
    """Train one classifier; a snapshot an epoch with the loss and the accuracy (%) on sentences held out.

    Args:
        limit: only so many texts of each kind (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.
        penalty: on looks that see the same words.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    task = zoo.ONE_LOOK.get(name, name)
    epochs = epochs or EPOCHS[task]
    run = f"{name}, penalty {penalty}, seed {seed}, {epochs} epochs, {f'{limit} texts' if limit else 'all texts'}"
    if resume:
        resume.check(run)
    training, held_out, long = (part[:limit] for part in read(task, data))
    shared = zoo.text_classifier(task) if name != task else None
    known = shared.known if shared else vocabulary(task, data, training)
    torch.manual_seed(seed)
    model = SelfAttentive(len(known), len(zoo.CLASSES[name]), zoo.looks(name), D_WORD)
    if shared:
        model.embedding.weight = shared.network.embedding.weight
    elif not resume:
        model.embedding.weight.data.copy_(vectors(known, D_WORD))
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    rows = numbered([*training, *(cropped(text) for text in long)], known)
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        started, losses = time.perf_counter(), []
        made = batches(rows, shuffled=True)
        for number, (words, labels) in enumerate(made):
            rate = RATE * (1 - (epoch + number / len(made)) / epochs)
            losses.append(update(model, optimizer, some_unseen(words), labels, rate, penalty))
        seconds += time.perf_counter() - started
        metrics = {"loss": sum(losses) / len(losses), "accuracy": accuracy(model, held_out, known)}
        yield Snapshot(epoch + 1, epochs, seconds, metrics, state_of(model, optimizer), run)


def some_unseen(words: Tensor) -> Tensor:
    """The same, a few of the words replaced by the unknown one."""
    return words.where(torch.rand(words.shape) >= UNSEEN, UNKNOWN)


def cropped(text: Text) -> Text:
    """The end of a review, `LONGEST` words at most and a multiple of `STRIDE`."""
    length = min(len(text.words), LONGEST)
    return Text(text.words[-(length // STRIDE * STRIDE or length) :], text.label)


def numbered(texts: list[Text], known: Vocabulary) -> list[tuple[list[int], int]]:
    return [(known.encode(text.words), text.label) for text in texts if text.words]


def batches(rows: list[tuple[list[int], int]], shuffled: bool = False) -> list[tuple[Tensor, Tensor]]:
    """Texts of one length, up to `BATCH` of them together: (batch, source) and (batch,). Shuffled by torch's own generator."""
    order = torch.randperm(len(rows)).tolist() if shuffled else range(len(rows))
    by_length: dict[int, list[int]] = {}
    for i in order:
        by_length.setdefault(len(rows[i][0]), []).append(i)
    groups = [
        numbers[start : start + BATCH] for numbers in by_length.values() for start in range(0, len(numbers), BATCH)
    ]
    if shuffled:
        groups = [groups[i] for i in torch.randperm(len(groups)).tolist()]
    return [(torch.tensor([rows[i][0] for i in group]), torch.tensor([rows[i][1] for i in group])) for group in groups]


def update(
    model: SelfAttentive,
    optimizer: torch.optim.Optimizer,
    words: Tensor,
    labels: Tensor,
    rate: float,
    penalty: float = PENALTY,
) -> float:
    """One step of Adam on `loss`, which is returned."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        read = model.train()(words)
    value = loss(read, labels, penalty)
    optimizer.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(value.detach())


@torch.no_grad()
def accuracy(model: SelfAttentive, texts: list[Text], known: Vocabulary) -> float:
    """The share of texts whose most probable class is the right one, in %; every word is read."""
    model.eval()
    right = sum(
        int((model(words).logits.argmax(-1) == labels).sum()) for words, labels in batches(numbered(texts, known))
    )
    return 100 * right / len(texts)


def evaluate(name: str, data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights: accuracy in %, of sentiment also on IMDb."""
    classifier, long = zoo.text_classifier(name), data / "imdb" / f"{split}.tsv.xz"
    sentiment = zoo.ONE_LOOK.get(name, name) == SENTIMENT
    given = (sst2 if sentiment else trec)(data, split)[:limit]
    if not given:
        raise ValueError(f"There is nothing to measure in {split}.")
    metrics = {"accuracy": accuracy(classifier.network, given, classifier.known)}
    if sentiment and long.exists():
        metrics["accuracy_imdb"] = accuracy(classifier.network, imdb(data, split)[:limit], classifier.known)
    return {
        "name": name,
        "split": split,
        "n": len(given),
        "metrics": {key: round(value, 2) for key, value in metrics.items()},
    }


LIN: dict[str, Any] = {
    "licence": "research only, as its data: weights only",
    "published": {"accuracy_yelp": 64.21, "accuracy_age": 80.45, "accuracy_snli": 84.4},
    "published_on": "Yelp, Age of Twitter authors, SNLI (Lin 2017; SST-2, IMDb and TREC are not among Lin's)",
    "others_on": "the data measured on, as the papers report; cited, neither run nor checked again here",
}
ABOUT: dict[str, dict[str, Any]] = {
    SENTIMENT: {
        "title": "Sentiment, self-attentive",
        "data": "SST-2 (67,349 phrases) and IMDb's training half (25,000 reviews), research only; word vectors of all-MiniLM-L6-v2",
        "measured_on": "SST-2 test (1,821 sentences) and IMDb's test half (25,000 reviews), fp16 weights",
        "others": {
            "SST-2, LSTM (Tai 2015)": 84.9,
            "SST-2, recursive network RNTN (Socher 2013)": 85.4,
            "SST-2, CNN (Kim 2014)": 87.2,
            "SST-2, bidirectional LSTM (Tai 2015)": 87.5,
            "IMDb, learned vectors and a bag of words (Maas 2011)": 88.89,
            "IMDb, NBSVM of pairs of words (Wang & Manning 2012)": 91.22,
        },
    },
    QUESTION: {
        "title": "Kind of question, self-attentive",
        "data": "TREC (4,906 of its 5,452 training questions), research only; word vectors of all-MiniLM-L6-v2",
        "measured_on": "TREC test (500 questions), fp16 weights",
        "others": {
            "TREC, CNN (Kim 2014)": 93.6,
            "TREC, C-LSTM (Zhou 2015)": 94.6,
            "TREC, SVM with features made by hand (Silva 2011)": 95.0,
        },
    },
}


def about(name: str) -> dict[str, Any]:
    """What the card says of a classifier beside its figures."""
    task = zoo.ONE_LOOK.get(name, name)
    told = LIN | ABOUT[task]
    if name == task:
        return told | {"paper": f"Lin 2017: structured self-attention, {zoo.looks(name)} looks, penalty {PENALTY}"}
    return told | {
        "title": told["title"].replace("self-attentive", "one look"),
        "paper": "the slide's vᵀtanh(W h): Lin 2017 with one look, and so without penalty",
        "data": f"{told['data'].split('; ')[0]}; word vectors of “{task}”, as they are",
    }


def export(name: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the weights in fp16, the words, and the card with what `evaluate` measures on them.

    Of a classifier of one look neither words nor word vectors are written: they are those of the task.
    """
    one = name in zoo.ONE_LOOK
    if not one:
        vocabulary(name, data, read(name, data)[0]).write(zoo.WORDS / f"{name}.txt")
    ship(
        name,
        run,
        seed,
        lambda: evaluate(name, data)["metrics"],
        shared=(zoo.SHARED,) if one else (),
        **about(name),
    )

"""Train the answerers of questions about pictures: on DAQUAR's photos of rooms, and on easy-VQA's drawn shapes.

The photos want `DIR/daquar/{train,test}.csv` (question, answer, image_id; an answer may be a list, "book, lamp", which is one class
as in the paper) and `DIR/daquar/images/IMAGE_ID.webp`. Their grids are computed once, as they are and mirrored, and kept in
`runs`. The shapes come with the package `easy-vqa`: `DIR` is not read for them.
"""

import csv
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from timm.models import EfficientNet
from torch import Tensor, nn

from models import zoo
from models.answering import Sighted, spoken
from models.grid import squash
from models.picture import read_picture, whole
from models.san import SAN, Dropout
from models.words import PAD, SPECIAL, UNKNOWN, Vocabulary
from training.kept import kept
from training.shipping import ship
from training.snapshot import Snapshot, restore, state_of
from training.vectors import vectors
from training.wups import exactly, items, wups

DAQUAR, SHAPES = "daquar", "shapes"
NAMES = {f"ask-{name}": hops for name, hops in zoo.ANSWERERS.items()}
BLIND = "ask-daquar-0"  # reads the question and never looks: a baseline, which does not ship
HOPS = {**NAMES, BLIND: 0}
HELD_OUT = 20  # one picture in so many is not trained on
MIRRORED = {"left": "right", "right": "left"}
BEGIN = 0.5  # the standard deviation of W_I f_I + b_I in the beginning, where it is named
SURE = 3.0  # the length of an answer's row of W_u then
UNSEEN = 0.05  # of the words are hidden while training, so that an unknown word is nothing new
AT_ONCE = 8  # photos that the CNN sees at once
NONE = -100  # no answer is to be learned here


class Asked(NamedTuple):
    """A question about a picture, by the picture's number."""

    picture: int
    words: list[str]
    answer: str


class Album(NamedTuple):
    """Pictures, seen in one way or two (the second mirrored), and the questions about them.

    Attributes:
        views: for photos their grids, (views, pictures, regions, channels) in fp16; for drawings their pixels in 8 bits.
    """

    views: Tensor
    questions: list[Asked]


@dataclass(frozen=True)
class Plan:
    """How one kind of answerer is trained.

    Attributes:
        epochs, batch: a batch is so many pictures with all their questions.
        rate: rises in `warm_up` updates, then falls to zero in a straight line.
        decay: of the weights, a step (times the rate).
        dropout: what is dropped.
        named: whether words, answers and the CNN's classes begin as vectors of one space (`begin_named`).
        early: the share of the loss for the answer after an earlier hop.
        average: how slowly the weights that are shipped follow those that learn.
    """

    epochs: int
    batch: int
    rate: float
    decay: float
    dropout: Dropout
    early: float
    average: float
    named: bool = False
    warm_up: int = 50


PLANS = {
    DAQUAR: Plan(
        epochs=12,
        batch=12,
        rate=2e-3,
        decay=0.3,
        dropout=Dropout(words=0.3, f_I=0.5, v=0.3, u=0.5),
        early=0.0,
        average=0.99,
        named=True,
    ),
    SHAPES: Plan(epochs=40, batch=32, rate=2e-3, decay=0.0, dropout=Dropout(words=0.1, u=0.1), early=0.3, average=0.99),
}


def kind(name: str) -> str:
    """ "ask-daquar-1" is of the kind "daquar"."""
    return name.split("-")[1]


# ---------------------------------------------------------------- reading


def rows(data: Path, split: str, limit: int | None = None) -> list[dict[str, str]]:
    """DAQUAR's questions. Raises OSError, or ValueError if there are none."""
    with (data / "daquar" / f"{split}.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))[:limit]
    if not read:
        raise ValueError(f"There is not one question in {data / 'daquar' / split}.csv.")
    return read


def photos(data: Path, limit: int | None) -> Album:
    """DAQUAR's training questions, and the grids of their photos."""
    questions, names = about_photos(data, "train", limit)
    return Album(grids(data, names), questions)


def about_photos(data: Path, split: str, limit: int | None = None) -> tuple[list[Asked], list[str]]:
    """DAQUAR's questions, and the names of their photos by number."""
    read = rows(data, split, limit)
    names = list(dict.fromkeys(row["image_id"] for row in read))
    number = {name: place for place, name in enumerate(names)}
    return [Asked(number[row["image_id"]], spoken(row["question"]), row["answer"]) for row in read], names


def photo(data: Path, name: str) -> Float[Tensor, "1 3 height width"]:
    """A photo by its name. Raises OSError, PictureError."""
    path = data / "daquar" / "images" / f"{name}.webp"
    return whole(read_picture(path.read_bytes(), path.name))


def grids(data: Path, names: Sequence[str]) -> Tensor:
    """(2, photos, regions, channels) in fp16: as they are and mirrored."""
    return kept("daquar-grids", [*zoo.SIGHTS[DAQUAR], *names], lambda: _grids(data, names))


@torch.no_grad()
def _grids(data: Path, names: Sequence[str]) -> Tensor:
    size = zoo.SIGHTS[DAQUAR]
    grid, seen = zoo.grid(), list[Tensor]()
    for start in range(0, len(names), AT_ONCE):
        x = torch.cat([squash(photo(data, name), *size) for name in names[start : start + AT_ONCE]])
        seen.append(torch.stack([grid(x).half(), grid(x.flip(-1)).half()]))
    return torch.cat(seen, dim=1)


def drawings(split: str, limit: int | None) -> Album:
    """easy-VQA's questions about drawn shapes, and their pixels. Raises ValueError where the package is not installed."""
    spec = find_spec("easy_vqa")
    if spec is None or spec.origin is None:
        raise ValueError("The package easy-vqa is not installed.")
    folder = Path(spec.origin).parent / "data" / split
    if not folder.is_dir():
        raise ValueError(f"easy-VQA has a train and a test split, not {split}.")
    read = json.loads((folder / "questions.json").read_text(encoding="utf-8"))[:limit]
    names = sorted({name for _, _, name in read})
    place = {name: number for number, name in enumerate(names)}
    paths = [folder / "images" / f"{name}.png" for name in names]
    x = torch.cat([whole(read_picture(path.read_bytes(), path.name)) for path in paths])
    questions = [Asked(place[name], spoken(question), answer) for question, answer, name in read]
    return Album((x * 255).round().to(torch.uint8)[None], questions)


def known(questions: Sequence[Asked]) -> tuple[Vocabulary, tuple[str, ...]]:
    """The words and the answers of the training questions, the most frequent first."""
    words = Vocabulary.count((question.words for question in questions), 1)
    counts = Counter(question.answer for question in questions)
    return words, tuple(sorted(counts, key=lambda answer: (-counts[answer], answer)))


def album(name: str, data: Path, limit: int | None = None) -> Album:
    """What a network is trained on."""
    return photos(data, limit) if kind(name) == DAQUAR else drawings("train", limit)


# ---------------------------------------------------------------- training


def train(
    data: Path,
    name: str = "ask-daquar",
    seed: int = 1,
    epochs: int | None = None,
    limit: int | None = None,
    resume: Snapshot | None = None,
) -> Iterator[Snapshot]:
    """Train one answerer; a snapshot an epoch with the loss, and the accuracy (%) on pictures held out.

    The weights that are measured and shipped (`average.` in the state) are a moving average of those that learn.

    Args:
        limit: only so many questions (to try it out).
        resume: a snapshot of the same run; the rest is as if it had never stopped.

    Raises:
        OSError, ValueError: the data are missing, damaged or empty; `resume` is of another run.
    """
    plan = PLANS[kind(name)]
    epochs = epochs or plan.epochs
    run = f"{name}, seed {seed}, {epochs} epochs, {f'{limit} questions' if limit else 'all questions'}"
    if resume:
        resume.check(run)
    views, questions = album(name, data, limit)
    words, answers = known(questions)
    training = [question for question in questions if question.picture % HELD_OUT]
    held_out = [question for question in questions if question.picture % HELD_OUT == 0]
    torch.manual_seed(seed)
    model, measured = (
        zoo.sighted(kind(name), HOPS[name], len(words), len(answers), dropout=plan.dropout) for _ in range(2)
    )
    optimizer = torch.optim.AdamW(decayed(model, plan.decay), betas=(0.9, 0.99), fused=True)
    begin, seconds = 0, 0.0
    if resume:
        restore(model, optimizer, resume.state)
        begin, seconds = resume.step, resume.seconds
    elif plan.named:
        begin_named(model, views, words, answers)
    else:
        model.san.embedding.weight.data = vectors(words, model.san.embedding.embedding_dim)
    state = resume.state if resume else {f"average.{key}": t for key, t in model.state_dict().items()}
    average = {key: state[f"average.{key}"].clone() for key in model.state_dict()}
    for epoch in range(begin, epochs):
        torch.manual_seed(1000 * seed + epoch)
        started, losses = time.perf_counter(), []
        made = batches(training, plan.batch)
        for number, batch in enumerate(made):
            done = epoch * len(made) + number
            rate = plan.rate * min((done + 1) / plan.warm_up, 1 - done / (epochs * len(made)))
            losses.append(update(model, optimizer, seen(views, batch, words, answers), plan, rate))
            follow(average, model, min(plan.average, (1 + done) / (10 + done)))
        seconds += time.perf_counter() - started
        measured.load_state_dict(average)
        figures = {
            "loss": sum(losses) / len(losses),
            "accuracy": exactly(said(measured, views, held_out, words, answers), [q.answer for q in held_out]),
        }
        state = {**state_of(model, optimizer), **{f"average.{key}": t for key, t in average.items()}}
        yield Snapshot(epoch + 1, epochs, seconds, figures, state, run)


def decayed(model: nn.Module, decay: float) -> list[dict[str, Any]]:
    """The parameters for an optimizer: matrices decay, biases do not."""
    matrices, others = (
        [parameter for parameter in model.parameters() if (parameter.dim() > 1) == flat] for flat in (True, False)
    )
    return [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]


@torch.no_grad()
def begin_named(model: Sighted, views: Tensor, words: Vocabulary, answers: Sequence[str]) -> None:
    r"""Begin with what names mean: words and answers as their vectors, regions as the mean vector of what the CNN takes them for.

    The CNN's own last layer says how much a region looks like each of ImageNet's classes, a row of $W$ a class; with the vectors of
    the classes' names as rows of $N$, $W_I = N^\top (W - \bar W)$, scaled. All names share one space (`training.vectors`).
    """
    san, classes = model.san, [name.split(" (")[0] for name in zoo.imagenet_categories()]
    spoken_of = [
        name.replace("_", " ").replace("-", " ") for name in (*words.words[len(SPECIAL) :], *answers, *classes)
    ]
    names = tuple(dict.fromkeys(spoken_of))
    row = {name: number for number, name in enumerate(names)}
    known = vectors(Vocabulary((*SPECIAL, *names)), san.W_I.out_features)[len(SPECIAL) :]
    of_words, of_answers, of_classes = known[[row[name] for name in spoken_of]].split(
        [len(words) - len(SPECIAL), len(answers), len(classes)]
    )
    san.embedding.weight.data[len(SPECIAL) :] = of_words[:, : san.embedding.embedding_dim]
    san.embedding.weight.data[: len(SPECIAL)] = 0
    san.W_u.weight.data = SURE * nn.functional.normalize(of_answers)
    network = zoo.load(zoo.EMBEDDED).network
    assert isinstance(network, EfficientNet) and isinstance(network.classifier, nn.Linear)
    W = network.classifier.weight
    W_I = of_classes.T @ (W - W.mean(0))
    seen = regions(model, views[0, :: max(1, len(views[0]) // 100)]).flatten(0, 1) @ W_I.T
    san.W_I.weight.data, san.W_I.bias.data = BEGIN * W_I / seen.std(), -BEGIN * seen.mean(0) / seen.std()


def batches(questions: Sequence[Asked], size: int) -> list[list[list[Asked]]]:
    """All questions, by picture, `size` pictures together; shuffled by torch's own generator."""
    by_picture: dict[int, list[Asked]] = {}
    for question in questions:
        by_picture.setdefault(question.picture, []).append(question)
    groups = list(by_picture.values())
    order = torch.randperm(len(groups)).tolist()
    return [[groups[i] for i in order[start : start + size]] for start in range(0, len(order), size)]


class Batch(NamedTuple):
    """Pictures, what is asked of each, and the numbers of the right answers (`NONE` where there is none to be learned)."""

    x: Tensor
    words: Int[Tensor, "batch questions words"]
    answers: Int[Tensor, "batch questions"]


def seen(views: Tensor, groups: list[list[Asked]], words: Vocabulary, answers: Sequence[str]) -> Batch:
    """A batch to train on: some pictures mirrored, and left and right in their questions with them; some words hidden."""
    mirrored = torch.randint(len(views), (len(groups),)).tolist()
    asked = [
        [_mirrored(question.words) if view else question.words for question in group]
        for view, group in zip(mirrored, groups, strict=True)
    ]
    numbers = padded([[words.encode(each) for each in group] for group in asked])
    hidden = (torch.rand(numbers.shape) < UNSEEN) & (numbers != PAD)
    x = torch.stack([views[view, group[0].picture] for view, group in zip(mirrored, groups, strict=True)])
    return Batch(x, numbers.where(~hidden, UNKNOWN), labels(groups, answers))


def _mirrored(words: list[str]) -> list[str]:
    return [MIRRORED.get(word, word) for word in words]


def padded(numbers: list[list[list[int]]]) -> Int[Tensor, "batch questions words"]:
    """Questions of several lengths, as many as there are for each picture, filled up with `PAD`."""
    shape = (len(numbers), max(len(group) for group in numbers), max(len(q) for group in numbers for q in group))
    full = torch.full(shape, PAD)
    for b, group in enumerate(numbers):
        for q, question in enumerate(group):
            full[b, q, : len(question)] = torch.tensor(question)
    return full


def labels(groups: list[list[Asked]], answers: Sequence[str]) -> Int[Tensor, "batch questions"]:
    """The number of each right answer; `NONE` where there is no question, or the answer is not among `answers`."""
    number = {answer: k for k, answer in enumerate(answers)}
    full = torch.full((len(groups), max(len(group) for group in groups)), NONE)
    for b, group in enumerate(groups):
        full[b, : len(group)] = torch.tensor([number.get(question.answer, NONE) for question in group])
    return full


def regions(model: Sighted, x: Tensor) -> Float[Tensor, "batch regions channels"]:
    """What the CNN says of pictures as an `Album` holds them."""
    return model.grid(x.float() / 255 if x.dtype == torch.uint8 else x.float())


def update(model: Sighted, optimizer: torch.optim.Optimizer, batch: Batch, plan: Plan, rate: float) -> float:
    """One step of Adam on the cross-entropy of the answers, those after an earlier hop counting less. Returns that of the last."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    with torch.autocast("cpu", torch.bfloat16):
        told = model.train().san(regions(model, batch.x), batch.words)
    losses = [
        nn.functional.cross_entropy(logits.float().flatten(0, 1), batch.answers.flatten(), ignore_index=NONE)
        for logits in told.logits
    ]
    optimizer.zero_grad()
    (losses[-1] + plan.early * sum(losses[:-1])).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    return float(losses[-1].detach())


@torch.no_grad()
def follow(average: dict[str, Tensor], model: nn.Module, keep: float) -> None:
    """Move the average a little towards the weights; what is counted in whole numbers is copied."""
    for key, tensor in model.state_dict().items():
        if tensor.is_floating_point():
            average[key].lerp_(tensor, 1 - keep)
        else:
            average[key].copy_(tensor)


@torch.no_grad()
def said(
    model: Sighted, views: Tensor, questions: Sequence[Asked], words: Vocabulary, answers: Sequence[str]
) -> list[str]:
    """What the network answers to each question, the pictures not mirrored."""
    model.eval()

    def features(picture: int) -> Tensor:
        return regions(model, views[0, picture : picture + 1])

    return answered(model.san, features, questions, words, answers)


def answered(
    san: SAN,
    features: Callable[[int], Float[Tensor, "1 regions channels"]],
    questions: Sequence[Asked],
    words: Vocabulary,
    answers: Sequence[str],
) -> list[str]:
    """An answer a question; `features` gives a picture's by its number, and is asked once a picture."""
    by_picture: dict[int, list[int]] = {}
    for number, question in enumerate(questions):
        by_picture.setdefault(question.picture, []).append(number)
    found = [""] * len(questions)
    for picture, numbers in by_picture.items():
        asked = padded([[words.encode(questions[number].words) for number in numbers]])
        best = san(features(picture), asked).logits[-1][0].argmax(-1).tolist()
        for number, k in zip(numbers, best, strict=True):
            found[number] = answers[k]
    return found


# ---------------------------------------------------------------- measuring, shipping


def asked_of(
    name: str, data: Path, split: str, limit: int | None = None
) -> tuple[list[Asked], Callable[[int], Tensor]]:
    """The questions of a split, and its pictures in full by their number, (1, 3, height, width)."""
    if kind(name) == SHAPES:
        views, questions = drawings(split, limit)
        return questions, lambda picture: views[0, picture : picture + 1].float() / 255
    questions, names = about_photos(data, split, limit)
    return questions, lambda picture: photo(data, names[picture])


@torch.no_grad()
def evaluate(name: str, data: Path, split: str = "test", limit: int | None = None) -> dict[str, Any]:
    """`{"name", "split", "n", "metrics"}` of the shipped weights, in %; the pictures are seen as the app sees them.

    `accuracy` is of all questions, lists among them; for photos `accuracy_single` is of those whose answer is no list, as the
    paper counts, and WUPS is of all.
    """
    answerer = zoo.answerer(name.removeprefix("ask-"))
    questions, picture = asked_of(name, data, split, limit)
    found = answered(
        answerer.network, lambda number: answerer.features(picture(number)), questions, answerer.words, answerer.answers
    )
    return {
        "name": name,
        "split": split,
        "n": len(questions),
        "metrics": metrics(name, found, [q.answer for q in questions]),
    }


def metrics(name: str, found: list[str], truths: list[str]) -> dict[str, float]:
    """What is reported of answers, by metric, in %."""
    measured = {"accuracy": exactly(found, truths)}
    if kind(name) == DAQUAR:
        single = [number for number, truth in enumerate(truths) if len(items(truth)) == 1]
        measured["accuracy_single"] = exactly([found[i] for i in single], [truths[i] for i in single])
        measured |= {f"wups_{threshold}": wups(found, truths, threshold) for threshold in (0.9, 0.0)}
    return {key: round(value, 2) for key, value in measured.items()}


ABOUT: dict[str, dict[str, Any]] = {
    DAQUAR: {
        "title": "Answers about photos",
        "data": "DAQUAR (6,795 questions about 794 photos of NYU rooms; no grant found: weights only); "
        "word vectors of all-MiniLM-L6-v2; the regions of EfficientNet-Lite0, frozen",
        "licence": "research only, as its data: weights only",
        "published": {"accuracy": 29.3, "wups_0.9": 34.9, "wups_0.0": 68.1},
        "published_on": "DAQUAR-ALL, SAN(2, LSTM), VGG features (Yang 2016; questions whose answer is a list are left out)",
        "measured_on": "half of DAQUAR's test questions (2,803, lists among them; accuracy_single: the others), fp16 weights",
    },
    SHAPES: {
        "title": "Answers about drawn shapes",
        "data": "easy-VQA (38,575 questions about 4,000 drawings, MIT); word vectors of all-MiniLM-L6-v2",
        "licence": "MIT, as its data",
        "published": {},
        "published_on": "the paper has no drawings",
        "measured_on": "easy-VQA's test questions (9,673 about 1,000 other drawings), fp16 weights",
    },
}


def averaged(run: Snapshot) -> dict[str, Tensor]:
    """The weights to measure and to ship."""
    return {key.removeprefix("average."): t for key, t in run.state.items() if key.startswith("average.")}


def export(name: str, data: Path, run: Snapshot, seed: int) -> None:
    """Write what the app ships: the average weights in fp16, the words, the answers, and the card with what `evaluate` measures."""
    words, answers = known(asked_of(name, data, "train")[0])
    words.write(zoo.WORDS / f"ask-{kind(name)}.txt")
    (zoo.WORDS / f"ask-{kind(name)}.answers.txt").write_text("".join(f"{a}\n" for a in answers), encoding="utf-8")
    average = {f"model.{key}": tensor for key, tensor in averaged(run).items()}
    about = ABOUT[kind(name)]
    hops = "one hop" if HOPS[name] == 1 else f"{HOPS[name]} hops"
    ship(
        name,
        replace(run, state=average),
        seed,
        lambda: evaluate(name, data)["metrics"],
        paper=f"Yang 2016: stacked attention, {hops}",
        **{**about, "title": f"{about['title']}, {hops}"},
    )

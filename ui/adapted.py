"""The page "Adapt", what was recorded: digits on photographs, reviews, frames, each with and without the judge."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from attacks.perturbation import to_8bit
from figures import adapt as figures
from models import domain, zoo
from models.picture import from_pixels, gallery, gallery_picture, png, to_tensor
from training.domain import ASIDE
from training.domain_shipped import OPEN
from training.report_domain import ADVERSARIAL, GANIN, NAME, PAIRS, PAPER, PLAIN
from ui import cached, controls
from ui.lecture import Download, Numbers

TITLES = {PLAIN: "source only", ADVERSARIAL: "with the judge"}
DIGIT_NETWORKS = ("adapt-mnist-m-source-only", "adapt-mnist-m")
FRAME_NETWORKS = ("frames-plain", "frames-adversarial")
DIGIT_TASKS = {
    "mnist-m": "MNIST → MNIST-M",
    "mnist-m-target-trained": "MNIST-M → MNIST-M, with its labels",
    "mnist-usps": "MNIST → USPS",
    "usps-mnist": "USPS → MNIST",
}
MOST_PLACES, MOST_OF_A_DIGIT = 999, 100
INK = 20  # pixels of a side of MNIST's digits, in the middle of 28
ENLARGED = 6
SENTENCE, WIDEST = "The inspectors found no weapons in the old factory near the border.", 200
WORD = re.compile(r"\w+(?:[-'’]\w+)*")


# ---------------------------------------------------------------- a digit on a photograph


@dataclass(frozen=True)
class Digit:
    """One of scikit-learn's digits on a part of a photograph of the gallery."""

    digit: int
    which: int
    photograph: str
    place: int

    def picture(self) -> Tensor:
        r"""$|x - \text{crop}|$ as MNIST-M: the digit, scaled, and the part of the photograph that `place` draws."""
        images, labels = handwritten()
        chosen = images[labels == self.digit]
        ink = torch.tensor(chosen[self.which % len(chosen)], dtype=torch.float32)[None, None]
        margin = (domain.SIDE - INK) // 2
        x = F.pad(F.interpolate(ink, (INK, INK), mode="bilinear"), (margin,) * 4).expand(-1, 3, -1, -1)
        whole = gallery_picture(self.photograph).pixels
        random = np.random.default_rng(self.place)
        top, left = (int(random.integers(side - domain.SIDE + 1)) for side in whole.shape[:2])
        return (x - to_tensor(whole[top : top + domain.SIDE, left : left + domain.SIDE])).abs()


def choose_digit() -> Digit:
    first, second, third, fourth = st.columns([1, 1, 2, 1], vertical_alignment="bottom")
    digit = controls.number("Digit", 0, 9, 3, "digit", place=first)
    which = controls.number("Which of them", 0, MOST_OF_A_DIGIT, 0, "which", place=second)
    titles = {entry.title: key for key, entry in gallery().items()}
    title = third.selectbox("Photograph", list(titles), key="photograph", bind="query-params")
    place = controls.number("Place", 0, MOST_PLACES, 1, "place", place=fourth)
    return Digit(digit, which, titles[title], place)


@cache
def handwritten() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return found.images / 16, found.target


@dataclass(frozen=True)
class ReadDigit:
    """The picture, and what both networks say of it (rows: networks)."""

    x: Tensor
    p: Tensor

    def notes(self) -> None:
        digits_recorded(zoo.recorded(NAME))

    def numbers(self) -> Numbers:
        columns = dict(zip(TITLES.values(), self.p.numpy(), strict=True))
        return Numbers(
            "Probabilities of the picture above, by the weights that ship.",
            pd.DataFrame({"digit": range(10)} | columns),
        )

    def downloads(self) -> list[Download]:
        picture = Download("Digit, PNG", lambda: png(from_pixels(to_8bit(self.x[0])[None])), "digit.png", "image/png")
        return [picture, recorded_file()]


def draw_digit(choice: Digit) -> ReadDigit:
    """The picture, and what each network says it is."""
    x = choice.picture()
    p = cached.adapt.opinions(DIGIT_NETWORKS, x)
    left, right = st.columns([1, 2], vertical_alignment="center")
    left.image(data_url(x[0]), caption=f"A {choice.digit} on a photograph: |digit − crop|", alt="A digit in colour")
    figure = figures.opinions(list(TITLES.values()), p.numpy(), choice.digit)
    right.plotly_chart(figure, key="opinions", alt="Probability of each digit, by both networks")
    return ReadDigit(x, p)


def data_url(x: Tensor) -> str:
    """Every pixel a square: in the message itself, so that no file can be gone."""
    large = to_8bit(x).repeat_interleave(ENLARGED, 1).repeat_interleave(ENLARGED, 2)
    return "data:image/png;base64," + base64.b64encode(png(from_pixels(large[None]))).decode()


def digits_recorded(found: Mapping[str, Any]) -> None:
    """The recorded runs: features and accuracies by snapshot, and the tables."""
    st.header("Recorded: MNIST → MNIST-M", anchor=False)
    st.markdown(digits_verdict(found))
    courses = found["mnist-m"]
    columns = {TITLES[variant]: courses[variant] for variant in (PLAIN, ADVERSARIAL)}
    st.plotly_chart(figures.scrubbed(columns), key="mixing", alt="Features of both domains, snapshot by snapshot")
    for side, (title, course) in zip(st.columns(2), columns.items(), strict=True):
        side.markdown(f"**{title}**, seed 1")
        figure = figures.course(series(course["metrics"]), len(course["across"]) - 1)
        side.plotly_chart(figure, key=f"course {title}", alt="Accuracies and λ, snapshot by snapshot")
    st.dataframe(digits_table(found), hide_index=True)
    st.caption(recorded_words(found, ("mnist-m", "mnist-usps")))


def series(metrics: Mapping[str, Sequence[float | None]]) -> dict[str, tuple[list[int], list[float]]]:
    """Snapshots and values of each metric, where it was measured."""
    measured = {name: [(i, v) for i, v in enumerate(values) if v is not None] for name, values in metrics.items()}
    return {name: ([i for i, _ in pairs], [v for _, v in pairs]) for name, pairs in measured.items()}


def digits_verdict(found: Mapping[str, Any]) -> str:
    """What came out, beside the paper."""
    plain, judged = (found["target"]["mnist-m"][variant] for variant in (PLAIN, ADVERSARIAL))
    paper = PAPER["mnist-m"]
    return (
        f"Right on the coloured digits over {len(judged)} seeds, mean ± one standard deviation: **{spread(judged)} %** with the "
        f"judge, {spread(plain)} % without. Ganin 2016 report {paper[ADVERSARIAL]} and {paper[PLAIN]} %; published "
        "reimplementations reach from 53 to 91 %."
    )


def digits_table(found: Mapping[str, Any]) -> pd.DataFrame:
    rows = [
        {
            "task": title,
            "network": TITLES[variant] if task != "mnist-m-target-trained" else "trained on the target",
            "target, %": spread(each),
            "seeds": len(each),
            "a fresh probe, %": spread(found["probe"][task][variant]),
            "Ganin 2016, %": PAPER.get(task, {}).get(variant),
        }
        for task, title in DIGIT_TASKS.items()
        if task in found["target"]
        for variant, each in found["target"][task].items()
    ]
    return pd.DataFrame(rows)


def spread(each: Sequence[float]) -> str:
    """Mean ± one standard deviation over seeds."""
    return f"{mean(each):.2f} ± {stdev(each):.2f}" if len(each) > 1 else f"{each[0]:.2f}"


def recorded_words(found: Mapping[str, Any], tasks: Sequence[str]) -> str:
    """The command, how it was measured, and the settings of these tasks."""
    settings = " ".join(f"{task}: {found['settings'][task]}." for task in tasks if task in found["settings"])
    return f"Recorded by `{found['command']}`. {found['about']} {settings}"


def recorded_file() -> Download:
    return Download("Recorded, JSON", lambda: json.dumps(zoo.recorded(NAME)).encode(), "adapt.json", "application/json")


# ---------------------------------------------------------------- reviews and frames


@dataclass(frozen=True)
class Asked:
    """A sentence, and the characters of the word whose frame is asked for."""

    text: str
    start: int
    end: int


def choose_word() -> Asked | None:
    """A sentence and one of its words. None, with a word, where it has none."""
    text = controls.text("A sentence", SENTENCE, "sentence", WIDEST, max_chars=WIDEST)
    words = numbered([match[0] for match in WORD.finditer(text)])
    if not words:
        st.info("Write a sentence.", icon=":material/edit_note:")
        return None
    first = "weapons" if "weapons" in words else max(words, key=len)
    word = st.pills(
        "The frame that this word calls up", words, default=first, required=True, key="word", bind="query-params"
    )
    match = list(WORD.finditer(text))[words.index(word or first)]
    return Asked(text, match.start(), match.end())


def numbered(words: Sequence[str]) -> list[str]:
    """Each word as it is; where it comes again, with how many times it has: no two are the same."""
    return [word if (n := words[:i].count(word)) == 0 else f"{word} ({n + 1})" for i, word in enumerate(words)]


@dataclass(frozen=True)
class ReadWord:
    """What both networks say of a word (rows: networks)."""

    asked: Asked
    p: Tensor

    def notes(self) -> None:
        frames_recorded(zoo.recorded(NAME))

    def numbers(self) -> Numbers:
        columns = dict(zip(TITLES.values(), self.p.numpy(), strict=True))
        table = pd.DataFrame({"frame": zoo.frame_names()} | columns).sort_values(TITLES[ADVERSARIAL], ascending=False)
        word = self.asked.text[self.asked.start : self.asked.end]
        return Numbers(f"Probabilities of all {len(table)} frames for “{word}”, by the weights that ship.", table)

    def downloads(self) -> list[Download]:
        return [recorded_file()]


def draw_word(asked: Asked) -> ReadWord:
    """The likeliest frames by both networks, neither of which was trained on texts of the domain kept aside."""
    p = cached.adapt.frames(FRAME_NETWORKS, asked.text, asked.start, asked.end)
    figure = figures.frames(list(TITLES.values()), p.numpy(), zoo.frame_names())
    st.plotly_chart(figure, key="frames", alt="The likeliest frames, by both networks")
    st.caption(f"Both networks read FrameNet's texts, but none of {OPEN}, which are on weapons.")
    return ReadWord(asked, p)


def frames_recorded(found: Mapping[str, Any]) -> None:
    """With each text domain kept aside."""
    st.header("Recorded: frames in an open domain", anchor=False)
    st.markdown(verdict(found, [task for task in found["target"] if task.startswith("frames-")], "text domains"))
    st.dataframe(frames_table(found), hide_index=True)
    st.caption(recorded_words(found, ("frames-NTI",)))


def verdict(found: Mapping[str, Any], tasks: Sequence[str], things: str) -> str:
    """On how many the judge helps, and how much on the mean of them."""
    plain, judged = (
        np.array([mean(found["target"][task][variant]) for task in tasks]) for variant in (PLAIN, ADVERSARIAL)
    )
    gain = judged - plain
    return (
        f"With the judge **{judged.mean():.2f} %** on the mean, without **{plain.mean():.2f} %**; better on "
        f"{int((gain > 0).sum())} of {len(tasks)} {things}, by {gain.min():+.2f} to {gain.max():+.2f} points."
    )


@dataclass(frozen=True)
class Reviews:
    """Ganin's pairs of goods, as they were recorded."""

    found: Mapping[str, Any]

    def notes(self) -> None:
        st.caption(recorded_words(self.found, ("amazon-books-dvd",)))

    def numbers(self) -> Numbers:
        each = [
            {"task": task, "network": TITLES[variant], **{f"seed {i}": value for i, value in enumerate(values, 1)}}
            for task, by in self.found["target"].items()
            if task.startswith("amazon-")
            for variant, values in by.items()
        ]
        return Numbers("Accuracy on the target in %, every seed.", pd.DataFrame(each))

    def downloads(self) -> list[Download]:
        return [recorded_file()]


def no_choice() -> Mapping[str, Any]:
    """What was recorded: there is nothing to choose."""
    return zoo.recorded(NAME)


def draw_reviews(found: Mapping[str, Any]) -> Reviews:
    """Ganin's twelve pairs, with and without the judge, beside the paper."""
    st.header("Recorded: good or bad, learned on one kind of goods, asked of another", anchor=False)
    st.markdown(verdict(found, [task for task in found["target"] if task.startswith("amazon-")], "pairs"))
    st.dataframe(reviews_table(found), hide_index=True)
    return Reviews(found)


def frames_table(found: Mapping[str, Any]) -> pd.DataFrame:
    kept_aside = [aside for aside in ASIDE if f"frames-{aside}" in found["target"]]
    return pd.DataFrame(
        [
            {
                "kept aside": aside,
                **{f"{title}, %": spread(found["target"][f"frames-{aside}"][v]) for v, title in TITLES.items()},
                **{f"probe {title}, %": spread(found["probe"][f"frames-{aside}"][v]) for v, title in TITLES.items()},
            }
            for aside in kept_aside
        ]
    )


def reviews_table(found: Mapping[str, Any]) -> pd.DataFrame:
    """Each pair, and the mean of them."""
    pairs = [(source, target) for source, target in PAIRS if f"amazon-{source}-{target}" in found["target"]]
    rows = [
        {
            "pair": f"{source} → {target}",
            **{f"{title}, %": spread(found["target"][f"amazon-{source}-{target}"][v]) for v, title in TITLES.items()},
            "Ganin's NN, %": f"{GANIN[source, target][0]:.1f}",
            "Ganin's DANN, %": f"{GANIN[source, target][1]:.1f}",
        }
        for source, target in pairs
    ]
    ours = [[mean(found["target"][f"amazon-{s}-{t}"][v]) for s, t in pairs] for v in TITLES]
    theirs = [[GANIN[pair][which] for pair in pairs] for which in (0, 1)]
    means = [f"{mean(column):.2f}" for column in (*ours, *theirs)]
    return pd.DataFrame([*rows, dict(zip(rows[0], (f"mean of {len(pairs)}", *means), strict=True))])

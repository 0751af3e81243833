"""The page "Self-attention": its controls, and what it says of a decision."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from figures import self_attention as figures
from models import structured, zoo
from models.attention import StructuredSelfAttention, redundancy
from models.card import read_card
from models.structured import PENALTY, SelfAttentive
from models.trace import Trace
from ui import address, cached, computation, stepping
from ui.cached.sentences import Sentence
from ui.lecture import as_it_is
from ui.looks import doubt_notes
from ui.stepping import Shown

TASKS = {"sentiment": "Sentiment of a review", "question-type": "Kind of question"}
SEVERAL, ONE = (f"{zoo.looks(next(iter(TASKS)))} looks", "1 look, the slide’s")
FORMS = {SEVERAL: {task: task for task in TASKS}, ONE: {task: name for name, task in zoo.ONE_LOOK.items()}}
FORM_HELP = (
    "Several rows of weights, W_s2 tanh(W_s1 h), as in Lin 2017; or one, vᵀtanh(W h), with the same word vectors."
)
THIS, ALL = "this look", "all looks together"
MEASURED = {  # the data of each figure of a card
    "sentiment": {"accuracy": "SST-2", "accuracy_imdb": "IMDb"},
    "question-type": {"accuracy": "TREC"},
}
LINS = {"accuracy_yelp": "Yelp", "accuracy_age": "Age", "accuracy_snli": "SNLI"}
EXAMPLES = {
    "sentiment": (
        "The acting is wooden and the plot is a mess, but the music saves this film from disaster.",
        "A warm, funny and beautifully acted story that never loses its way.",
        "I wanted to like it. I really did. It is two hours of nothing, badly lit.",
        "Not bad at all!",
        "This film had everything: a great cast, a huge budget, the best composer of his time. What a pity that nobody had "
        "bothered to write a story. I looked at my watch after twenty minutes, and again after thirty. The children next "
        "to me fell asleep. When the hero finally died I felt relieved, for him and for me.",
    ),
    "question-type": (
        "What is the capital of Mongolia?",
        "How many people live in Tokyo?",
        "Who wrote the letter that started the war?",
        "What does NASA stand for?",
        "Why do cats purr?",
        "What kind of bird builds the largest nest?",
    ),
}
LINK = {
    "task": lambda name: name in TASKS.values(),
    "form": lambda name: name in FORMS,
    "doubted": lambda name: name in (THIS, ALL),
    stepping.STEP: stepping.LINK[stepping.STEP],
}


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.sentences.trace(Sentence(EXAMPLES["sentiment"][0], "sentiment"))


def ask() -> Sentence:
    """The controls: task, number of looks, text."""
    left, middle, right = st.columns([1.1, 1.2, 2.7])
    with left:
        task = st.selectbox(
            "Decide on", list(TASKS), format_func=TASKS.__getitem__, key="task", bind="query-params", on_change=_forget
        )
    with middle:
        form = st.segmented_control(
            "After", list(FORMS), default=SEVERAL, required=True, key="form", bind="query-params", help=FORM_HELP
        )
    with right:
        text = stepping.ask_text("Text", EXAMPLES[task][0], "Type a sentence in English, then press Enter")
    stepping.offer(EXAMPLES[task])
    st.caption(accuracies(task))
    return Sentence(text, FORMS[form or SEVERAL][task])


def accuracies(task: str) -> str:
    """What the cards say of both forms."""
    cards = {form: read_card(names[task]) for form, names in FORMS.items()}
    return "Right on test texts: " + "; ".join(
        f"{data} " + ", ".join(f"{card.metrics[metric]:.1f} % after {form}" for form, card in cards.items())
        for metric, data in MEASURED[task].items()
    )


def _forget() -> None:
    """Another task begins with its own example."""
    address.forget(stepping.TEXT)


def about(shown: Shown) -> str:
    """The decision, and how much several looks see the same words."""
    trace = shown.trace
    (name, p), (other, q), *_ = trace.candidates[0]
    said = f"**{name}**, p = {p:.4f} (next: {other}, {q:.4f})."
    if len(trace.target) > 1:
        said += f" The looks’ redundancy ‖AAᵀ − I‖² is {overlap(trace):.3f} of at most {most_overlap(trace):.0f}."
    if shown.trace is not shown.untouched:
        before, was = shown.untouched.candidates[0][0]
        said += f" Untouched it was {before}, p = {was:.4f}."
    return said


def overlap(trace: Trace) -> float:
    """Lin 2017's penalty, of these looks."""
    A = trace.weights[0].astype(np.float64)
    return float(np.square(A @ A.T - np.eye(len(A))).sum())


def most_overlap(trace: Trace) -> float:
    """The penalty if all looks saw one and the same word: r² − r."""
    r = trace.weights.shape[1]
    return r * r - r


def of_look(shown: Shown) -> None:
    """The computation of the look in view."""
    trace, i = shown.trace, shown.seen.step
    st.markdown(
        f"Look {i + 1}: {computation.row_sentence(trace, i)} Here keys and values are the states h of the words themselves; "
        f"the query is learned, {'a row of W_s2' if len(trace.target) > 1 else 'the slide’s v_a'}, the same for every text."
    )
    network = cached.sentences.text_classifier(shown.sentence.score).network
    query = network.looks.W_s2[:, i].numpy()
    H = trace.values["h_bar"]
    st.dataframe(computation.five_lines(query, H, H, trace.weights[0, i], trace.values["c"][i]), hide_index=True)
    table = computation.per_source(trace, i, shown.seen.touch)
    st.dataframe(table, hide_index=True, column_config=computation.exact(table), height=min(38 + 35 * len(table), 420))


def without_words(shown: Shown) -> None:
    """The class while the words most attended to, and least, go one by one."""
    sentence = shown.sentence
    with st.spinner("Reading the text again without its words …"):
        most, least = (cached.sentences.dropped(sentence, which) for which in (True, False))
    words = shown.untouched.source
    most_on = "all looks together lie" if len(shown.untouched.target) > 1 else "the look lies"
    name, p = shown.untouched.candidates[0][0]
    st.markdown(
        f"The word on which {most_on} most is taken out of the text, the rest is read anew, and so on; beside it the "
        f"same with the word looked at least. p({name}) begins at {p:.4f}. If attention told what mattered, the first curve would "
        "fall at once and the second stay (Serrano & Smith 2019)."
    )
    st.plotly_chart(
        figures.dropped(
            {
                f"{which} attended first": ([words[i] for i in found.words], found.p)
                for which, found in (("most", most), ("least", least))
            },
            name,
        ),
        key="dropped",
        alt=f"Probability of {name} while words are taken out",
    )
    table = pd.DataFrame(
        [
            {
                "taken out": n,
                "most attended": words[a],
                f"p({name}) ": p_most,
                "least attended": words[b],
                f"p({name})": p_least,
            }
            for n, (a, p_most, b, p_least) in enumerate(
                zip(most.words, most.p[1:], least.words, least.p[1:], strict=True), 1
            )
        ]
    )
    st.dataframe(table, hide_index=True, column_config=computation.exact(table))


def doubts(shown: Shown) -> None:
    """Is the attention an explanation? Of one look, the others kept, or of all."""
    doubted: str | None = THIS
    if len(shown.untouched.target) > 1:
        doubted = st.segmented_control(
            "Doubt", [THIS, ALL], default=THIS, required=True, key="doubted", bind="query-params"
        )
        if doubted == ALL:
            st.caption("Shuffled, levelled and erased are all looks alike; drawn is their mean.")
        else:
            st.caption("The other looks are kept as they are, and they decide, too.")
    doubt_notes(shown, together=doubted == ALL)


def model_notes(shown: Shown) -> None:
    """The figures beside the published ones, what the penalty did, the card."""
    task = zoo.ONE_LOOK.get(shown.sentence.score, shown.sentence.score)
    st.markdown("**How good is it?** Accuracy in %; what is not ours is cited and was not checked again.")
    st.dataframe(
        beside(task), hide_index=True, column_config={"accuracy": st.column_config.NumberColumn(format="%.2f")}
    )
    st.caption(
        f"“{ONE}” reads with the word vectors that “{SEVERAL}” has learned, and leaves them as they are: it begins where the other "
        "ended. So the two tell how many looks are needed, not which of them learns better."
    )
    penalty_notes()
    for form, names in FORMS.items():
        with st.expander(f"The card: {form}", icon=":material/badge:"):
            st.table(pd.DataFrame(read_card(names[task]).rows(), columns=["", " "]).set_index(""))


def beside(task: str) -> pd.DataFrame:
    """Measured and published, in one table; the best first on each data set."""
    rows = [
        (data, f"this app’s, {form}", "measured here", read_card(names[task]).metrics[metric])
        for form, names in FORMS.items()
        for metric, data in MEASURED[task].items()
    ]
    card = read_card(task)
    assert isinstance(card.others, dict)
    for name, accuracy in card.others.items():
        data, _, rest = name.partition(", ")
        model, _, paper = rest.rpartition(" (")
        rows.append((data, model, paper.removesuffix(")"), accuracy))
    rows.sort(key=lambda row: (list(MEASURED[task].values()).index(row[0]), -row[3]))
    rows += [(LINS[metric], "structured self-attention", "Lin 2017", value) for metric, value in card.published.items()]
    return pd.DataFrame(rows, columns=["data", "model", "from", "accuracy"])


def penalty_notes() -> None:
    """What the penalty was, and what it was measured to do."""
    st.markdown(
        f"**The penalty.** Training made −log p(class) + {PENALTY:g} · ‖AAᵀ − I‖² small. Off its diagonal AAᵀ has how much two "
        "looks see the same words; on it, how much a look is on one word. So the looks are pushed apart, and each to few words. "
        "With one look there is nothing to push apart: it was trained without."
    )
    recorded = zoo.recorded("question-type")
    if recorded:
        st.dataframe(pd.DataFrame(recorded["table"]).rename(columns=RECORDED), hide_index=True)
        st.caption(f"{recorded['about']} Recorded by `{recorded['command']}`.")


RECORDED = {
    "penalty": "penalty λ",
    "accuracy": "accuracy, %",
    "accuracies": "of each seed",
    "redundancy": "‖AAᵀ − I‖² on test texts",
}
LOOKS: dict[str, Callable[[Shown], None]] = {
    "Without its words": without_words,
    "This look": of_look,
    "Is it true?": doubts,
    "The model": model_notes,
}


def title_of(sentence: Sentence) -> str:
    form = ONE if sentence.score in zoo.ONE_LOOK else SEVERAL
    return as_it_is(f"{TASKS[zoo.ONE_LOOK.get(sentence.score, sentence.score)]}, {form}")


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (StructuredSelfAttention.forward, redundancy, SelfAttentive.encode, SelfAttentive.decide, structured.loss)

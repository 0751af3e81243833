"""The page "Words under attack": its controls, the search with its bar, and what it says of the words that were replaced."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from attacks.words import Candidate, estimates, hotflip, moved, nearest
from figures import alignment as take_home
from figures import flip as figures
from models import victims, zoo
from models.trace import Trace
from models.victims import Translation, Victim
from models.words import spaced
from models.zoo import WeightsUnavailableError
from ui import address, cached, controls, stepping
from ui.cached.words import Attacked, Flipping, Flips
from ui.lecture import Download, as_it_is

TASKS = {"sentiment": "Sentiment of a review", "question-type": "Kind of question", "translate": "English → French"}
ANY = "anything else"
MANY, ONE = f"{zoo.looks('sentiment')} looks", "1 look"
EXAMPLES = {
    "sentiment": (
        "It is a small film with a big heart and a weak ending.",
        "The plot is thin, but the actors are a joy to watch.",
        "The story is an unapologetic mess, whose only saving grace is that it ends.",
        "A slow story that takes its time and rewards the patient.",
        "The acting is wooden and the plot is a mess, but the music saves this film from disaster.",
    ),
    "question-type": (
        "What is the national flower of Australia?",
        "Which city has the oldest underground railway?",
        "Who wrote the letter that started the war?",
        "Which team won the first world cup?",
        "How many people live in Tokyo?",
    ),
    "translate": (
        "A man in an orange hat is looking at something.",
        "A black dog and a white dog run along the beach.",
        "A woman in a blue dress walks past a man who is selling flowers on a busy street corner.",
    ),
}
FIRST = {"sentiment": (0.4, 0.8), "question-type": (0.3, 0.7), "translate": (0.2, 0.7)}  # near, limit
STOPPED = "words_stopped"
NO_CANDIDATE = "**Not fooled.** Of all words allowed, the gradient promises nothing of any."
NORMS = {"L∞": "linf", "L2": "l2"}
LINK = {
    stepping.STEP: stepping.LINK[stepping.STEP],
    "task": lambda name: name in TASKS.values(),
    "form": lambda name: name in (MANY, ONE),
    "score": lambda name: name in zoo.TRANSLATORS,
    "class": lambda name: name == ANY or any(name in classes for classes in zoo.CLASSES.values()),
}
TARGET_HELP = "Away from what the network says now, or to the class that you choose."
KEYWORD_HELP = (
    "A word that shall be in the translation, e.g. rouge. Empty: any translation that has lost many of its words."
)
LIMIT_HELP = (
    "The cosine of the sentence’s embedding before and after, by all-MiniLM-L6-v2: 1 is the same. It knows what a sentence is "
    "about; opposites are often close to it."
)
NEAR_HELP = "The cosine of the old and the new word’s vectors, those of the network under attack. HotFlip’s authors ask for 0.8."


@dataclass(frozen=True)
class Choice:
    asked: Attacked
    how: Flipping


@dataclass(frozen=True)
class Shown:
    """What is on the screen: the search as far as it went, the sentence in view, `now`, and the looks before and at it."""

    choice: Choice
    search: Flips
    before: Trace
    after: Trace | None
    now: Candidate | None

    @property
    def victim(self) -> Victim:
        return self.search.victim


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    asked = Attacked("sentiment", EXAMPLES["sentiment"][0])
    search = cached.words.flips(asked, Flipping())
    while not search.done:
        search.go_on()
    traces(asked, search, search.best)


def choose() -> Choice | None:
    """The controls: what is attacked, what it shall become, what keeps it what it was; and the search, with its bar."""
    left, middle, right = st.columns([1.2, 1.1, 2.7])
    with left:
        task = st.selectbox(
            "Attack", list(TASKS), format_func=TASKS.__getitem__, key="task", bind="query-params", on_change=_forget
        )
    with middle:
        model = _ask_model(task)
    with right:
        text = stepping.ask_text("Text", EXAMPLES[task][0], "Type a sentence in English, then press Enter")
    stepping.offer(EXAMPLES[task])
    first, *others = st.columns([1.5, 0.8, 0.8, 1.2, 1.2, 0.9])
    near, limit = FIRST[task]
    with first:
        target, share = _ask_target(task)
    with others[0]:
        flips = controls.number("Words at most", 1, 5, 3, "flips")
    with others[1]:
        beam = controls.number("Beam", 1, 3, 1, "beam", help="How many sentences go on to the next round; 1 is greedy.")
    with others[2]:
        limit = st.slider(
            "Sentence similarity ≥", 0.0, 1.0, limit, 0.05, key=f"limit_{task}", bind="query-params", help=LIMIT_HELP
        )
    with others[3]:
        near = st.slider(
            "Word similarity ≥", 0.0, 0.9, near, 0.05, key=f"near_{task}", bind="query-params", help=NEAR_HELP
        )
    with others[4]:
        tries = controls.number(
            "Tries", 8, 64, 32, "tries", step=8, help="Sentences read in each round for each of the beam."
        )
    choice = Choice(Attacked(model, text, target, share), Flipping(flips, beam, tries, limit, near))
    try:
        with st.spinner("Reading …"):
            cached.words.flips(choice.asked, choice.how)
    except (ValueError, WeightsUnavailableError) as error:
        st.warning(str(error), icon=":material/edit_note:")
        return None
    searched(choice)
    return choice


def _ask_model(task: str) -> str:
    if task == "translate":
        return st.selectbox("Score", zoo.TRANSLATORS, key="score", bind="query-params")
    form = st.segmented_control("After", [MANY, ONE], default=MANY, required=True, key="form", bind="query-params")
    return f"{task}-one" if form == ONE else task


def _ask_target(task: str) -> tuple[str, float]:
    """The class or the French word wanted, and the share of a translation that shall go."""
    if task == "translate":
        left, right = st.columns(2)
        word = controls.text("French word", "", "word", 40, place=left, help=KEYWORD_HELP, placeholder="any")
        share = right.number_input(
            "Gone, %",
            10,
            100,
            40,
            10,
            key="share",
            bind="query-params",
            disabled=bool(word.strip()),
            help="Without a French word: the share of the translation’s words that shall not be in the new one.",
        )
        return word.strip(), share / 100
    name = st.selectbox(
        "Make it say", [ANY, *zoo.CLASSES[task]], key=f"class_{task}", bind="query-params", help=TARGET_HELP
    )
    return "" if name == ANY else name, 0.5


def _forget() -> None:
    """Another task begins with its own example."""
    address.forget(stepping.TEXT)


def searched(choice: Choice) -> None:
    """Go on with the search until it is done or the visitor stops it. Not in a fragment: a button there would wait for its end."""
    search = cached.words.flips(choice.asked, choice.how)
    stopped = st.session_state.get(STOPPED) == choice
    if not search.done and not stopped:
        place = st.empty()
        with place.container():
            bar = st.progress(0.0, "Looking for a word …")
            st.button("Stop", icon=":material/stop:", key="stop", on_click=_stop, args=(choice,))
            most, share = choice.how.flips, 0.0
            while not search.done:
                done = len(search.rounds)
                bar.progress(min(1.0, (done + share % 1) / most), f"Word {done + 1} of at most {most} …")
                share = search.go_on()
        place.empty()
    elif not search.done:
        st.info(f"Stopped after {len(search.rounds)} of at most {choice.how.flips} words.", icon=":material/pause:")
        st.button("Go on", icon=":material/play_arrow:", key="go_on", on_click=_stop, args=(None,))


def _stop(choice: Choice | None) -> None:
    st.session_state[STOPPED] = choice


def traces(asked: Attacked, search: Flips, now: Candidate | None) -> tuple[Trace, Trace | None]:
    """What the network looked at before, and what it looks at in the sentence `now`."""
    before = cached.words.attacked_trace(asked, tuple(search.victim.words[0].tolist()))
    return before, cached.words.attacked_trace(asked, now.words) if now else None


def figure(choice: Choice) -> Shown:
    """The sentence before and after, what the network says of both, and where it looked, beside each other."""
    search = cached.words.flips(choice.asked, choice.how)
    kept = [made.beam[0] for made in search.rounds if made.beam]
    now = kept[_round(choice, [len(one.flips) for one in kept])] if kept else None
    before, after = traces(choice.asked, search, now)
    shown = Shown(choice, search, before, after, now)
    st.markdown(verdict(shown))
    left, right = st.columns(2)
    with left:
        _side(choice.asked, search.victim, before, tuple(search.victim.words[0].tolist()), (), "Before")
    with right:
        if now is not None and after is not None:
            places = tuple(flip.place for flip in now.flips)
            _side(choice.asked, search.victim, after, now.words, places, "After")
    return shown


def _round(choice: Choice, counts: list[int]) -> int:
    """The round in view, the last at the beginning; with one there is nothing to step through."""
    names = [f"{count} word{'s' * (count > 1)} replaced" for count in counts]
    return stepping.walked("The sentence in view", names, len(names) - 1, f"{choice} {len(names)}", "round_of")


def _side(
    asked: Attacked, victim: Victim, trace: Trace, words: tuple[int, ...], flipped: tuple[int, ...], title: str
) -> None:
    said, p = cached.words.attacked_says(asked, words)
    spelled = victim.spelled(words)
    blanks = [piece.removesuffix(word) for word, piece in zip(spelled, spaced(spelled), strict=True)]
    marked = [
        f"{blank}:orange[**{as_it_is(word)}**]" if place in flipped else f"{blank}{as_it_is(word)}"
        for place, (word, blank) in enumerate(zip(spelled, blanks, strict=True))
    ]
    st.markdown(f"**{title}** · {''.join(marked)}  \n→ **{as_it_is(said)}** · {meaning(victim)} = {p:.4f}")
    if trace.weights.shape[2]:
        drawn = figures.attention(trace.weights[0], trace.source, trace.target, flipped)
        st.plotly_chart(
            drawn,
            key=f"attention_{title}",
            alt=f"{title} the attack: attention over the words of the sentence",
            config={"displayModeBar": False},
        )
    else:
        st.info("This translator looks at no word: it has one fixed vector of the whole sentence.")


def meaning(victim: Victim) -> str:
    """What the probability on the page is of."""
    if isinstance(victim, Translation):
        if victim.keyword is not None:
            return f"p({as_it_is(victim.translator.target_words.words[victim.keyword])})"
        return "p of a word of the old translation"
    assert isinstance(victim, victims.Decision)
    return f"p({victim.classifier.classes[victim.y if victim.target is None else victim.target]})"


def verdict(shown: Shown) -> str:
    """In a sentence: fooled or not, by how few words, and whether the sentence typed anew does the same."""
    search, best = shown.search, shown.search.best
    if not shown.search.allowed.any():
        return "**Nothing to replace.** No word of this text may be replaced by another under these limits."
    if not search.rounds:
        return (
            "**Not attacked yet.** The search was stopped before its first word." if not search.done else NO_CANDIDATE
        )
    if best is None:
        return f"**Not fooled.** None of the {search.queries} sentences tried may be taken: see below why not."
    pairs = ", ".join(
        f"“{as_it_is(search.victim.known.words[flip.old])}” → “{as_it_is(search.victim.known.words[flip.new])}”"
        for flip in best.flips
    )
    count = f"{len(best.flips)} word{'s' * (len(best.flips) > 1)}"
    done = "reached" if isinstance(search.victim, Translation) else "fooled"
    numbers = f"{pairs}. The sentences’ similarity is {best.similarity:.2f}; {search.queries} queries."
    if not best.won:
        return f"**Not {done}** {f'by {count}' if search.done else 'so far'}: {numbers}"
    asked = shown.choice.asked
    more = f"{typed_anew(asked, search.victim, best)} {mistaken(asked, search.victim, best)}"
    return f"**{done.capitalize()} by {count}**: {numbers} {more}"


def mistaken(asked: Attacked, victim: Victim, best: Candidate) -> str:
    """Of a French word that was brought about: whether it is a mistake, or the translation of a new word."""
    if not isinstance(victim, Translation) or not asked.target:
        return ""
    own = cached.words.own_translations(asked, best.words)
    wanted = as_it_is(asked.target)
    if own:
        return f"“{wanted}” is what the network writes for “{as_it_is(own[0])}” alone, too: that is translating, not being fooled."
    return f"For none of the new words alone does the network write “{wanted}”: here it is fooled."


def typed_anew(asked: Attacked, victim: Victim, best: Candidate) -> str:
    """Whether a person who types the sentence gets the same."""
    try:
        again = cached.words.victim(Attacked(asked.model, victim.text(best.words)))
    except ValueError:
        return "Typed anew it cannot be read."
    same = again.words.tolist() == [list(best.words)]
    return "Typed anew it is read the same." if same else "Typed anew it is cut into other words."


def flipped_mass(before: Trace, after: Trace) -> pd.DataFrame:
    r"""How much of each look moved, $\frac12 \sum_s |\alpha_{ts} - \alpha'_{ts}|$; of a translator, of the mean over its words."""
    a, b = before.weights[0], after.weights[0]
    rows = list(before.target) if before.target == after.target else ["mean over all words"]
    if before.target != after.target:
        a, b = a.mean(0, keepdims=True), b.mean(0, keepdims=True)
    return pd.DataFrame({"look": rows, "moved mass": 0.5 * np.abs(a - b).sum(1)})


def moved_sentence(shown: Shown) -> str:
    """How far the looks moved, and what the replaced words had of them."""
    now, after = shown.now, shown.after
    if now is None or after is None or not after.weights.shape[2]:
        return ""
    places = [flip.place for flip in now.flips]
    mass = flipped_mass(shown.before, after)["moved mass"]
    was, is_now = (float(trace.weights[0][:, places].sum(1).mean()) for trace in (shown.before, after))
    return (
        f"**The looks moved** by {mass.mean():.3f} of their weight on average (total variation: 0 the same, 1 all elsewhere). On "
        f"the words that were replaced lay {was:.3f} before, {is_now:.3f} after."
    )


def rules(shown: Shown) -> str:
    """What may not be replaced by what, with how many words that leaves."""
    known, allowed = shown.victim.known, shown.search.allowed
    counts, places = victims.vetoes(known), allowed.any(1)
    left = allowed[places].sum(1).float().mean() if places.any() else 0
    return (
        f"Of {len(known):,} words {counts.left:,} may be put in: not the {counts.special} special marks, not the "
        f"{counts.no_word:,} numbers, marks and others not of letters only, not the {counts.stop} stop words (they "
        "hold the grammar, and “not” and “never” among them turn the meaning). "
        "Nor is any of these taken out, or a word that the network does not know; nor is a word put in the place of "
        "another form of itself. That leaves "
        f"{int(places.sum())} of {len(shown.victim.tokens)} places, and, near enough, {left:,.0f} words for each on average."
    )


def candidates(shown: Shown) -> None:
    """Every sentence tried, round by round, with its scores and why it was taken or not."""
    st.markdown(rules(shown))
    rounds = shown.search.rounds
    if not rounds:
        st.info("Nothing was tried.")
        return
    n = 1
    if len(rounds) > 1:
        n = st.segmented_control(
            "Round", list(range(1, len(rounds) + 1)), default=len(rounds), required=True, key="round"
        )
    table = candidate_table(shown.victim, rounds[n - 1].tried)
    if shown.now in rounds[n - 1].tried:
        at = rounds[n - 1].tried.index(shown.now)
        table.loc[at, "verdict"] += " · shown above"
    st.dataframe(table, hide_index=True, height=420)
    st.markdown(off_sentence(table))
    st.caption(
        "Of several that win the most similar one is shown. Similar is not the same in meaning: opposites stand in the same "
        "sentences and so are near to each other, by both limits. Whether the true answer stays is for you to judge."
    )


def candidate_table(victim: Victim, tried: tuple[Candidate, ...]) -> pd.DataFrame:
    """A row a sentence, the steepest first."""
    words = victim.known.words
    return pd.DataFrame(
        {
            "old": [words[one.flips[-1].old] for one in tried],
            "new": [words[one.flips[-1].new] for one in tried],
            "∇Jᵀ(e_new − e_old)": [one.estimate for one in tried],
            "J truly changed by": [one.change for one in tried],
            "J": [one.J for one in tried],
            "similarity": [one.similarity for one in tried],
            "verdict": [one.verdict for one in tried],
        }
    ).round(4)


def off_sentence(table: pd.DataFrame) -> str:
    """How good the first-order estimate was."""
    estimate, true = table["∇Jᵀ(e_new − e_old)"], table["J truly changed by"]
    same = int((np.sign(estimate) == np.sign(true)).sum())
    order = estimate.corr(true, "spearman") if len(table) > 2 else float("nan")
    return (
        f"The estimate takes the loss to be linear. Of these {len(table)} it has the sign right for {same}; the order of the two "
        f"columns agrees to {order:.2f} (Spearman’s ρ: 1 the same order, 0 none). "
        "So the gradient proposes, and the network is asked."
    )


def in_vectors(shown: Shown) -> None:
    """The fast gradient step where pictures take it: in the numbers that the network begins with."""
    norm = st.segmented_control("Norm", list(NORMS), default="L∞", required=True, key="norm", bind="query-params")
    with st.spinner("Moving the vectors, and looking for the words nearest to them …"):
        found = cached.words.moved_vectors(shown.choice.asked, NORMS[norm or "L∞"])
    at = st.slider("Size of the step", 0, len(found.epsilons) - 1, 6, key="epsilon_step", bind="query-params")
    st.plotly_chart(
        figures.moved(found.epsilons, found.p, found.p_noise, found.p_nearest, at, meaning(shown.victim)),
        key="moved",
        alt="The probability against the size of a step in the space of the vectors",
    )
    st.markdown(vectors_sentence(shown.victim, found, at))
    st.dataframe(vectors_table(shown.victim, found, at), hide_index=True)


def vectors_sentence(victim: Victim, found: cached.words.Moved, at: int) -> str:
    """Whether a moved vector is another word, at this ε and first along the axis."""
    words = victim.words[0].numpy()
    others = (found.nearest != words).sum(1)
    first = next((i for i in range(len(others)) if others[i]), None)
    reached = (
        "At no ε up to here is another word the nearest one"
        if first is None
        else f"The first that is nearer to another word comes at ε = {found.epsilons[first]:.3f}"
    )
    return (
        f"At ε = {found.epsilons[at]:.3f} {meaning(victim)} is **{found.p[at]:.4f}** for the moved vectors, and "
        f"{found.p_nearest[at]:.4f} for the real words nearest to them (“{as_it_is(found.says[at])}”): "
        f"{others[at]} of {len(words)} words are others. "
        f"{reached}. A pixel may be moved a little, a word may not: between the words there is nothing to type."
    )


def vectors_table(victim: Victim, found: cached.words.Moved, at: int) -> pd.DataFrame:
    """Each word: how far its vector was moved, and which word is then the nearest."""
    return pd.DataFrame(
        {
            "word": [victim.known.words[number] for number in victim.words[0].tolist()],
            "moved by": found.away[at],
            "nearest real word": [victim.known.words[number] for number in found.nearest[at]],
            "at a distance of": found.distances[at],
        }
    ).round(4)


def control(shown: Shown) -> None:
    """As many words replaced at random."""
    best = shown.search.best
    count = len(best.flips) if best else shown.choice.how.flips
    with st.spinner("Replacing words at random …"):
        found = cached.words.flip_control(shown.choice.asked, shown.choice.how, count)
    alike = [one for one in found.fooled if one[1] >= shown.choice.how.limit]
    st.markdown(
        f"**{count} word{'s' * (count > 1)} at random**, from the same words allowed, {found.drawn} times: "
        f"**{len(found.fooled)} of {found.drawn}** fool the network, {len(alike)} of them with a similarity of "
        f"{shown.choice.how.limit:.2f} or more. The search found its sentence with {shown.search.queries} queries."
    )
    if found.fooled:
        rows = sorted(found.fooled, key=lambda one: -one[1])
        table = pd.DataFrame(
            [{"sentence": shown.victim.text(words), "similarity": round(s, 4)} for words, s in rows]
        ).drop_duplicates()
        st.dataframe(table, hide_index=True)


def measured(_shown: Shown) -> None:
    """What a command measured on test sentences."""
    recorded = zoo.recorded("words")
    if not recorded:
        st.info("Nothing was recorded yet: `python -m training report words --data DIR`.")
        return
    st.markdown(recorded["about"])
    st.dataframe(pd.DataFrame(recorded["rows"])[list(RECORDED)].rename(columns=RECORDED), hide_index=True)
    st.caption(f"Recorded by `{recorded['command']}`.")
    st.markdown("**The neighbour: TextAttack**, as printed in its repository, on other networks and other data.")
    st.dataframe(pd.DataFrame(recorded["published"]).rename(columns=RECORDED), hide_index=True)


RECORDED = {
    "model": "network",
    "n": "sentences",
    "right": "right before",
    "success": "fooled, %",
    "random": "at random, %",
    "random_alike": "… and alike, %",
    "words": "words replaced",
    "words_share": "of all, %",
    "similarity": "similarity",
    "queries": "queries",
    "moved": "moved attention",
    "typed_anew": "typed anew, fooled, %",
    "own": "a new word's own translation, %",
}
LOOKS: dict[str, Callable[[Shown], None]] = {
    "Every candidate": candidates,
    "In the vectors": in_vectors,
    "At random": control,
    "Measured": measured,
}


def numbers_table(shown: Shown) -> pd.DataFrame:
    """Round by round what was kept."""
    rows = [(i, one) for i, made in enumerate(shown.search.rounds, 1) for one in made.beam]
    table = candidate_table(shown.victim, tuple(one for _, one in rows))
    table.insert(0, "round", [i for i, _ in rows])
    return table


def downloads(shown: Shown) -> list[Download]:
    """The candidates of all rounds, and both maps."""

    def csv() -> bytes:
        tables = [
            candidate_table(shown.victim, made.tried).assign(round=i) for i, made in enumerate(shown.search.rounds, 1)
        ]
        return (pd.concat(tables) if tables else pd.DataFrame()).to_csv(index=False).encode()

    found = [Download("Candidates CSV", csv, "candidates.csv", "text/csv")]
    for name, trace in (("before", shown.before), ("after", shown.after)):
        if trace is not None and trace.weights.shape[2]:
            found.append(_map(name, trace))
    return found


def _map(name: str, trace: Trace) -> Download:
    def draw() -> bytes:
        return take_home.file(trace.weights[0], trace.source, trace.target, "png")

    return Download(f"Attention {name}, PNG", draw, f"attention-{name}.png", "image/png")


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (estimates, hotflip, moved, nearest)

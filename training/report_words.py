"""How easily classifiers and a translator are fooled by replaced words: for `assets/recorded/words.json`, which the page shows.

Wants the test splits that `training.classify` and `training.translate` read. Every sentence that a classifier has right, and every
one that is translated, is attacked as on the page "Words under attack", and beside it as many words are replaced at random.
"""

import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple, TypeVar

import torch

from attacks.words import Candidate, Round, at_random, hotflip
from models import encoder, zoo
from models.classification import TextClassifier
from models.encoder import Encoder
from models.translation import Translator
from models.victims import Decision, Translation, translation
from training.classify import Text, sst2, trec
from training.data import lines

SENTENCES = 200
FLIPS, BEAM, TRIES, LIMIT = 3, 1, 32, 0.8
NEAR = {"sentiment": 0.4, "question-type": 0.3, "translate": 0.2}
TRANSLATOR, SENTENCES_TRANSLATED, SHARE = "general", 50, 0.4
DRAWS = 20  # random sentences beside each attack
SEED = 1
PUBLISHED = (  # TextAttack's own, as printed in its repository: other networks, other data, no limit by MiniLM
    {
        "attack": "TextFooler",
        "network and data": "BERT, Movie Reviews, 1,000 sentences",
        "success": 99.41,
        "words_share": 14.74,
        "queries": 140.76,
        "source": "github.com/QData/TextAttack/pull/79",
    },
    {
        "attack": "DeepWordBug",
        "network and data": "LSTM, AG News, 1,000 texts",
        "success": 62.26,
        "words_share": 18.81,
        "queries": None,
        "source": "github.com/QData/TextAttack/pull/66",
    },
)


Drawn = TypeVar("Drawn")


class Outcome(NamedTuple):
    """One sentence under attack.

    Attributes:
        won: the sentence that fooled, None if there was none.
        words: how many there were, marks included.
        queries: sentences the network read for it.
        moved: how far the looks moved, total variation, of the sentence that fooled.
        typed: whether that sentence, typed anew, fools as well.
        own: of a word that a translation was to have: whether it is that of a new word, so no mistake. None where none was.
        random, alike: the share of random sentences that fool; that fool and are as similar as is asked of the attack.
    """

    won: Candidate | None
    words: int
    queries: int
    moved: float
    typed: bool
    own: bool | None
    random: float
    alike: float


def report(data: Path, _out: Path, limit: int | None = None) -> dict[str, Any]:
    """A row a classifier, two of the translator. Raises OSError, ValueError where data or weights are missing."""
    reads = encoder.load()
    read: dict[str, Callable[[Path, str], list[Text]]] = {"sentiment": sst2, "question-type": trec}
    rows = []
    for name in zoo.CLASSES:
        task = zoo.ONE_LOOK.get(name, name)
        texts = drawn(read[task](data, "test"), limit or SENTENCES)
        rows.append(row(name, zoo.text_classifier(name), texts, reads, NEAR[task]))
        print(rows[-1], flush=True)
    english = drawn(lines(data / "multi30k" / "test_2016_flickr.en.gz"), min(limit or SENTENCES, SENTENCES_TRANSLATED))
    translator = zoo.translator(TRANSLATOR)
    for kind, victims in (
        ("another translation", [translation(translator, text, share=SHARE) for text in english]),
        ("a word of another's", keyworded(translator, english)),
    ):
        found = [attacked(victim, reads, NEAR["translate"]) for victim in victims]
        rows.append(told(f"translate-{TRANSLATOR}, {kind}", found, len(found)))
        print(rows[-1], flush=True)
    return {
        "command": "python -m training report words --data DIR",
        "about": f"{rows[0]['n']} sentences each from the test splits of SST-2 (sentiment) and TREC (kind of question). Those "
        f"that the network has right are attacked: up to {FLIPS} words, greedy, {TRIES} tries a round, sentence similarity {LIMIT} "
        f"or more, word similarity {NEAR['sentiment']} or more (questions: {NEAR['question-type']}). Words replaced, similarity "
        "and moved attention (total variation, mean of the looks) are means over those that were fooled; queries, over all. "
        f"Beside it, as many words as the attack replaced (else {FLIPS}) replaced at random by words equally allowed, {DRAWS} "
        f"times a sentence: how many of these sentences fool, and how many fool and are as similar. The translator ({TRANSLATOR}) "
        f"reads {rows[-1]['n']} sentences of Multi30k's test, word similarity {NEAR['translate']} or more: its translation shall "
        f"lose {SHARE:.0%} of its words, or have the longest word of the next sentence's translation that is not in it. own: in so "
        "many of the successes that word is what a new word alone is translated as.",
        "rows": rows,
        "published": list(PUBLISHED),
    }


def drawn(texts: Sequence[Drawn], count: int) -> list[Drawn]:
    """So many of the texts, drawn at random, always the same."""
    return random.Random(SEED).sample(texts, min(count, len(texts)))


def row(name: str, classifier: TextClassifier, texts: Sequence[Text], reads: Encoder, near: float) -> dict[str, Any]:
    """What is said of one classifier; figures in %, but words, similarity, queries and moved attention."""
    right = [text for text in texts if answer(classifier, text) == text.label]
    if not right:
        raise ValueError(f"The network {name} has none of these sentences right: there is nothing to attack.")
    found = [attacked(decision_of(classifier, text), reads, near) for text in right]
    return told(name, found, len(texts))


def told(name: str, found: Sequence[Outcome], n: int) -> dict[str, Any]:
    """A row: `found` of the `n` sentences were attacked."""
    fooled = [(outcome, outcome.won) for outcome in found if outcome.won is not None]

    own = [outcome.own for outcome, _ in fooled if outcome.own is not None]

    def over_fooled(value: Callable[[Outcome, Candidate], float], digits: int) -> float | None:
        return round(mean(value(*pair) for pair in fooled), digits) if fooled else None

    return {
        "model": name,
        "n": n,
        "right": len(found),
        "success": round(100 * len(fooled) / len(found), 1),
        "words": over_fooled(lambda _, won: len(won.flips), 2),
        "words_share": over_fooled(lambda outcome, won: 100 * len(won.flips) / outcome.words, 1),
        "similarity": over_fooled(lambda _, won: won.similarity, 3),
        "queries": round(mean(outcome.queries for outcome in found), 1),
        "moved": over_fooled(lambda outcome, _: outcome.moved, 3),
        "typed_anew": round(100 * sum(outcome.typed for outcome in found) / len(found), 1),
        "own": round(100 * mean(own), 1) if own else None,
        "random": round(100 * mean(outcome.random for outcome in found), 1),
        "random_alike": round(100 * mean(outcome.alike for outcome in found), 1),
    }


def answer(classifier: TextClassifier, text: Text) -> int:
    return int(classifier.p(classifier.numbers(text.words)).argmax())


def decision_of(classifier: TextClassifier, text: Text) -> Decision:
    return Decision(classifier, text.words, classifier.numbers(text.words), text.label, None)


def keyworded(translator: Translator, english: Sequence[str]) -> list[Translation]:
    """Each sentence with a word that its translation shall have: the longest one of the next sentence's that is not in it."""
    plain = [translation(translator, text) for text in english]
    spelled, found = translator.target_words.words, []
    for i, text in enumerate(english):
        others = {spelled[word] for word in plain[(i + 1) % len(plain)].before} - {
            spelled[word] for word in plain[i].before
        }
        if others:
            found.append(translation(translator, text, max(sorted(others), key=len)))
    return found


def attacked(victim: Decision | Translation, reads: Encoder, near: float) -> Outcome:
    """The search, and the control, on one sentence that the network has right, or that it translates."""
    allowed, similar, queries, won = victim.allowed(near), partial(victim.similarities, reads), 0, None
    for made in hotflip(
        victim.loss,
        victim.words,
        victim.E,
        allowed,
        similar=similar,
        won=victim.won,
        flips=FLIPS,
        beam=BEAM,
        tries=TRIES,
        limit=LIMIT,
        targeted=victim.targeted,
    ):
        if isinstance(made, Round):
            queries += made.queries
            won = next((one for one in made.beam if one.won), None)
    control = at_random(victim.words, allowed, len(won.flips) if won else FLIPS, DRAWS, SEED)
    fools = control[victim.won(control)]
    alike = int((similar(fools) >= LIMIT).sum()) if len(fools) else 0
    return Outcome(
        won,
        len(victim.tokens),
        queries,
        moved(victim, won) if won else 0.0,
        won is not None and typed(victim, won),
        bool(victim.own(won.words)) if won and isinstance(victim, Translation) and victim.targeted else None,
        len(fools) / DRAWS,
        alike / DRAWS,
    )


def moved(victim: Decision | Translation, won: Candidate) -> float:
    r"""$\frac12 \sum_s |\alpha_{ts} - \alpha'_{ts}|$, the mean of the looks; of a translation, of the mean look over its words."""
    before, after = (victim.trace(words).weights[0] for words in (victim.words, torch.tensor([won.words])))
    if isinstance(victim, Translation):
        before, after = before.mean(0, keepdims=True), after.mean(0, keepdims=True)
    return float(0.5 * abs(before - after).sum(1).mean())


def typed(victim: Decision | Translation, won: Candidate) -> bool:
    """Whether the sentence as a person would type it fools as well."""
    reader = victim.translator if isinstance(victim, Translation) else victim.classifier
    _, words = reader.read(victim.text(won.words))
    return bool(victim.won(words)[0])

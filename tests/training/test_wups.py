"""WUPS: known similarities of WordNet 3.0, and the set measure by hand."""

import pytest

from training.wups import exactly, items, meanings, similarity, wups


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("dog", "cat", 6 / 7),  # as NLTK prints for dog.n.01 and cat.n.01: 0.857
        ("desk", "desk", 1),
        ("books", "book", 1),
        ("mice", "mouse", 1),  # an irregular plural
        ("pencil", "sink", 0.6),  # a short cut over a more general meaning
        ("tape_dispenser", "desk", 0),  # WordNet does not know it
    ],
)
def test_similarities_are_those_of_wordnet(a: str, b: str, expected: float) -> None:
    assert similarity(a, b) == pytest.approx(expected) == similarity(b, a)


def test_a_word_that_wordnet_does_not_know_is_like_itself() -> None:
    assert meanings("tape_dispenser") == () and similarity("tape_dispenser", "tape_dispenser") == 1


def test_the_measure_of_sets_by_hand() -> None:
    near = similarity("cat", "dog")
    assert wups(["dog"], ["cat"], 0.0) == pytest.approx(100 * near)
    assert wups(["dog"], ["cat"], 0.9) == pytest.approx(10 * near)
    assert wups(["dog", "cat"], ["cat", "cat"], 0.9) == pytest.approx(50 + 5 * near)
    assert wups(["dog"], ["cat, dog"], 0.0) == pytest.approx(100 * near)  # the worse of 1 and 1 · 6/7
    assert wups(["cat, dog"], ["dog, cat"], 0.9) == pytest.approx(100)


def test_exactly_is_equality_of_sets() -> None:
    assert items("book, tape_dispenser") == ["book", "tape_dispenser"]
    assert exactly(["a, b", "a", "a", "b"], ["b, a", "a, b", "a", "a"]) == 50

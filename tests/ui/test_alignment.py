"""The alignment component's Python half: what travels to the browser, and what of the browser's word is believed."""

import base64
import json

import numpy as np
import pytest

from models.trace import Trace
from models.writer import Touch
from ui.components.alignment import as_text, packed, sentence_of, standalone
from ui.components.touching import as_plain, changed, valid_step, valid_touch


def made(target: int, source: int, seed: int = 0) -> Trace:
    draw = np.random.default_rng(seed)
    scores = draw.normal(size=(1, target, source)).astype(np.float32)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    words = tuple(f"mot{t}" for t in range(target))
    candidates = tuple(tuple((f"candidat{k}", 0.1) for k in range(10)) for _ in range(target))
    return Trace(
        tuple(f"word{s}" for s in range(source)),
        words,
        ("attention",),
        scores,
        weights,
        np.zeros(target, np.float32),
        candidates,
    )


def unpacked(block: bytes) -> tuple[dict, bytes]:
    length = int.from_bytes(block[:4], "little")
    return json.loads(block[4 : 4 + length]), block[4 + length :]


def test_the_browser_gets_the_models_own_numbers() -> None:
    trace = made(7, 5)
    head, arrays = unpacked(packed(trace, None, Touch()))
    values = np.frombuffer(arrays, "<f4")
    assert np.array_equal(values[:35].reshape(7, 5), trace.weights[0])  # to the bit
    assert np.array_equal(values[35:].reshape(7, 5), trace.scores[0])
    assert head["traces"][0]["columns"] == 5
    assert len(head["traces"]) == 1


def test_a_touched_trace_travels_beside_the_untouched() -> None:
    head, arrays = unpacked(packed(made(7, 5), made(9, 5, 1), Touch(forbidden=frozenset({2}))))
    assert [len(trace["target"]) for trace in head["traces"]] == [7, 9]
    assert len(arrays) == 4 * 2 * 5 * (7 + 9)
    assert head["touch"] == {"forbidden": [2]}
    assert head["traces"][1]["changed"] == [7, 8]


@pytest.mark.parametrize(("steps", "limit"), [(64, 200_000), (128, 400_000)])
def test_the_payload_is_small(steps: int, limit: int) -> None:
    assert len(packed(made(steps, steps), None, Touch())) < limit


def test_the_exported_file_needs_nothing_and_runs_nothing_of_the_sentence() -> None:
    trace = Trace(**{**vars(made(3, 2)), "source": ("<script>alert(1)</script>", "end")})
    text = standalone(trace, "<script>alert(1)</script>").decode()
    assert "<script>alert" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "export default" not in text


def test_words_that_changed_are_those_outside_what_is_shared() -> None:
    assert changed(("un", "chien", "noir"), ("un", "gros", "chien", "noir")) == [1]
    assert changed(("a", "b"), ("a", "b")) == []
    assert changed((), ("x",)) == [0]


@pytest.mark.parametrize(
    ("value", "step"),
    [
        ({"of": "a b", "step": 2}, 2),
        ({"of": "a b", "step": 99}, 4),
        ({"of": "a b", "step": -1}, 0),
        ({"of": "other", "step": 3}, 0),
    ]
    + [
        (bad, 0)
        for bad in (None, 3, "3", {}, {"of": "a b"}, {"of": "a b", "step": True}, {"of": "a b", "step": "2"}, [1])
    ],
)
def test_only_a_step_of_this_sentence_counts(value: object, step: int) -> None:
    assert valid_step(value, "a b", 5) == step


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "x",
        {"weights": {"0": [1, 1]}},
        {"weights": {"0": [0.5, 0.5, 0]}},
        {"weights": {"0": [-1, 2]}},
        {"weights": {"0": [float("nan"), 1]}},
        {"weights": {"0": ["1", 0]}},
        {"weights": {"x": [0.5, 0.5]}},
        {"weights": [0.5]},
        {"forbidden": [7, -1, "0", True, 1.0]},
        {"forbidden": [0, 1]},  # everything
        {"forbidden": "01"},
        {"words": {"0": 3, "1": "", "2": "x" * 61}},
        {"words": ["a"]},
        {"temperature": float("nan")},
        {"temperature": "hot"},
        {"temperature": True},
    ],
)
def test_a_touch_that_cannot_be_done_is_dropped(bad: object) -> None:
    value = {**bad, "of": "a b"} if isinstance(bad, dict) else bad
    assert valid_touch(value, "a b", 2).nothing()


def test_a_touch_comes_back_as_it_went() -> None:
    touch = Touch({1: (0.25, 0.75)}, 2.0, frozenset({1}), {0: "chat"})
    assert valid_touch({**as_plain(touch), "of": "a b"}, "a b", 2) == touch
    assert valid_touch({**as_plain(touch), "of": "other"}, "a b", 2).nothing()
    assert valid_touch({"of": "a b", "temperature": 1e9}, "a b", 2).temperature == 20


def own_text(words: int, given: int) -> Trace:
    """A model that looks back at its own text: each word but the given ones is what the step before wrote."""
    trace = made(words, words)
    target = (*trace.source[1:], "next")
    return Trace(**{**vars(trace), "target": target, "notes": dict.fromkeys(range(given - 1), "given")})


def test_each_trace_brings_the_text_it_looks_at() -> None:
    untouched = own_text(6, 3)
    touched = Trace(**{**vars(untouched), "source": (*untouched.source[:4], "other", "words")})
    head, _ = unpacked(packed(untouched, touched, Touch(words={3: "other"}), reading=True, given=3))
    assert head["given"] == 3 and head["of"] == "word0 word1 word2"
    assert [trace["source"][4] for trace in head["traces"]] == ["word4", "other"]
    assert head["traces"][0]["text"] == ["word0", " word1", " word2", " word3", " word4", " word5", " next"]


def test_a_text_that_is_only_read_ends_with_itself() -> None:
    trace = made(2, 3)
    assert as_text(trace, 0) == [" word0", " word1", " word2"]
    assert "text" not in unpacked(packed(trace, None, Touch()))[0]["traces"][0]


def test_a_text_that_grew_is_still_the_same_to_the_browser() -> None:
    assert sentence_of(own_text(6, 3), 3) == sentence_of(own_text(9, 3), 3) != sentence_of(own_text(6, 3))
    short = {"of": "a b", "weights": {"1": [1.0]}}
    assert valid_touch(short, "a b", 3, grows=True).weights == {1: (1.0, 0.0, 0.0)}
    assert valid_touch(short, "a b", 3).nothing()
    assert valid_touch({"of": "a b", "weights": {"1": [0.5, 0.5, 0, 0]}}, "a b", 3, grows=True).nothing()


def test_another_text_begins_where_it_should() -> None:
    assert valid_step({"of": "other", "step": 3}, "a b", 5, 2) == 2
    assert valid_step({"of": "a b", "step": 3}, "a b", 5, 2) == 3


def test_the_exported_file_is_drawn_as_the_page_is() -> None:
    text = standalone(own_text(6, 3), "story", reading=True, given=3, editable=True).decode()
    head, _ = unpacked(base64.b64decode(text.split('for (const text of ["')[1].split('"')[0]))
    assert head["given"] == 3 and head["reading"] and not head["editable"]

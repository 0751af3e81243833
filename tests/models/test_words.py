"""Sentences to numbers and back; what students type instead of sentences."""

from pathlib import Path

import pytest

from models.words import BEGIN, END, PAD, SPECIAL, UNKNOWN, Language, Vocabulary, detokenize, spaced, tokenize, treebank

ORDINARY: list[tuple[Language, str]] = [
    ("fr", "L'homme qu'il a vu n'est pas là, aujourd'hui."),
    ("fr", "C'est 3,5 km (environ) : oui ; non."),
    ("fr", "Deux jeunes hommes sont dehors !"),
    ("fr", "Où vas-tu ?"),
    ("fr", "Une fillette à l'école s'amuse avec un garçon."),
    ("en", "Don't worry, it's John's dog."),
    ("en", "A man in a blue T-shirt is standing on a ladder."),
    ("en", "Why? Because the mother-in-law said so!"),
    ("en", 'He said "no" (twice) at 10.'),
]


@pytest.mark.parametrize(("language", "text"), ORDINARY)
def test_an_ordinary_sentence_comes_back_in_lower_case(language: Language, text: str) -> None:
    tokens = tokenize(text, language)
    assert tokens[-1] in (".", "!", "?")  # punctuation is apart
    assert detokenize(tokens, language) == text.lower()


def test_tokens_by_hand() -> None:
    assert tokenize("L'homme court.", "fr") == ["l'", "homme", "court", "."]
    assert tokenize("It's a dog, isn't it?", "en") == ["it", "'s", "a", "dog", ",", "isn", "'t", "it", "?"]


def test_typographers_signs_are_as_typed_ones() -> None:
    assert tokenize("Un chien court dans l’herbe…", "fr") == tokenize("un chien court dans l'herbe...", "fr")
    assert tokenize("“yes”", "en") == tokenize('"yes"', "en") == ['"', "yes", '"']


@pytest.mark.parametrize("blank", ["", " ", " \n\t\r\n", "\u00a0\u2028\u3000"])
def test_no_text_is_no_tokens(blank: str) -> None:
    assert tokenize(blank, "en") == tokenize(blank, "fr") == []
    assert detokenize([], "fr") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello 😀 world", ["hello", "😀", "world"]),
        ("a\u2028b\u0085c\u00a0d\te\x00", ["a", "b", "c", "d", "e"]),
        ("你好，世界。", ["你", "好", "，", "世", "界", "。"]),
        ("<b>bold</b>", ["<", "b", ">", "bold", "<", "/", "b", ">"]),
        ("Tom &amp; [x]|", ["tom", "&", "amp", ";", "[", "x", "]", "|"]),
    ],
)
def test_what_is_no_sentence_is_read_as_it_stands(text: str, expected: list[str]) -> None:
    assert tokenize(text, "en") == expected


def test_a_very_long_word_stays_one() -> None:
    assert tokenize("a" * 100_000, "en") == ["a" * 100_000]
    assert detokenize(["a" * 100_000], "fr") == "a" * 100_000


def test_no_token_holds_a_blank_or_a_line_end() -> None:
    odd = "x\u0085y\u2029z \u00a0 . . . a\rb\x1cc\x0bd\u200be 'tis |l'|"
    assert all(len(token.split()) == 1 for language in ("en", "fr") for token in tokenize(odd, language))


def test_numbers_of_known_and_unknown_words() -> None:
    known = Vocabulary((*SPECIAL, "dog", "cat"))
    assert [SPECIAL[number] for number in (PAD, UNKNOWN, BEGIN, END)] == ["⟨pad⟩", "⟨unk⟩", "⟨begin⟩", "⟨end⟩"]
    assert known.encode(["cat", "dog", "cow", "cat"]) == [5, 4, UNKNOWN, 5]
    assert known.encode([]) == []
    assert len(known) == 6


def test_typed_special_words_are_unknown_words() -> None:
    known = Vocabulary((*SPECIAL, "end"))
    typed = [*SPECIAL, "<unk>", "<end>", "</s>", "<pad>", "END", ""]
    assert known.encode(typed) == [UNKNOWN] * len(typed)
    assert set(known.encode(tokenize(" ".join(typed), "en"))) == {UNKNOWN, 4}  # 4 is the honest word “end”


def test_counting() -> None:
    said = [["b", "a", "b"], ["c", "a", "b", "d"], ["e", "e"]]
    assert Vocabulary.count(said, 2).words == (*SPECIAL, "b", "a", "e")
    assert Vocabulary.count(said, 1).words == (*SPECIAL, "b", "a", "e", "c", "d")
    assert Vocabulary.count([], 1).words == SPECIAL


def test_words_of_both() -> None:
    ours, others = Vocabulary((*SPECIAL, "b", "a")), Vocabulary((*SPECIAL, "c", "a", "d"))
    assert ours.with_words_of(others).words == (*SPECIAL, "b", "a", "c", "d")


def test_a_vocabulary_is_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    texts = ["L'été, 你好 😀 <b> « a » … naïve", "l' . &quot; ' \" \\ # % |"]
    known = Vocabulary.count([tokenize(text, "fr") for text in texts], 1)
    known.write(tmp_path / "words.txt")
    again = Vocabulary.read(tmp_path / "words.txt")
    assert again == known
    assert again.encode(tokenize(texts[0], "fr")) == known.encode(tokenize(texts[0], "fr"))


def test_a_vocabulary_of_no_words_can_be_written(tmp_path: Path) -> None:
    Vocabulary(SPECIAL).write(tmp_path / "words.txt")
    assert Vocabulary.read(tmp_path / "words.txt").words == SPECIAL


def test_no_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="words"):
        Vocabulary.read(tmp_path / "words.txt")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("I don't know, said Alice.", "i don't know, said alice."),
        ('"It\'s late!" she said -- and ran (home).', '"it\'s late!" she said -- and ran (home).'),
        ("'yes', \"no.\"", "'yes', \"no.\""),
        ("Stop; wait: why? ...", "stop; wait: why?..."),
    ],
)
def test_a_text_is_spaced_as_one_would_write_it(text: str, written: str) -> None:
    tokens = treebank(text)
    pieces = spaced(tokens)
    assert "".join(pieces) == written
    assert [piece.strip() for piece in pieces] == tokens


def test_a_paragraph_ends_its_line_and_its_quotations() -> None:
    pieces = spaced(['"', "yes", SPECIAL[END], '"', "no", "."])
    assert pieces == ['"', "yes", " ¶", '\n"', "no", "."]

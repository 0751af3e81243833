"""`python -m attacks`: the adversarial file, what is said of it, and one sentence where it cannot be."""

from pathlib import Path

import numpy as np
import pytest

from attacks.__main__ import main
from models import zoo
from models.classifier import Classifier
from models.picture import gallery, gallery_picture, png, read_picture, square

CAT, CUP = gallery()["chelsea"].path, gallery()["coffee"].path


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch: pytest.MonkeyPatch, lite0: Classifier) -> None:
    monkeypatch.setattr(zoo, "load", {zoo.EMBEDDED: lite0}.__getitem__)


def run(*arguments: object) -> int:
    """The exit status."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as leaving:  # as argparse leaves
        return int(leaving.code or 0)


@pytest.mark.parametrize("more", [[], ["--attack", "fgsm"], ["--attack", "pgd", "--steps", "2"]])
def test_it_writes_the_adversarial_png(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    out = tmp_path / "adversarial.png"
    assert run(CAT, "--epsilon", "2/255", "--out", out, *more) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    pixels, clean = read_picture(out.read_bytes(), "out").pixels, square(gallery_picture("chelsea"), 224)
    moved = np.abs(pixels.astype(int) - clean.astype(int))
    assert pixels.shape == (224, 224, 3) and moved.max() == (1 if "pgd" in more else 2) and moved.mean() > 0.5
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("clean        Egyptian cat  3")
    assert printed[1].startswith("adversarial  ") and "Egyptian cat" not in printed[1]
    assert printed[-1] == "fooled"
    assert f"epsilon 2.000/255 asked, {moved.max()}/255 in the file {out}" in printed


def test_it_says_not_fooled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CUP, "--epsilon", "1/255", "--out", tmp_path / "a.png") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "not fooled" and printed[1].startswith("adversarial  espresso")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--attack", "momentum", "--epsilon", "2/255"], "epsilon 2.000/255 asked, 2/255 in the file"),
        (["--attack", "apgd", "--epsilon", "2/255"], "epsilon 2.000/255 asked, 2/255 in the file"),
        (["--attack", "pgd", "--epsilon", "2", "--norm", "l2"], "epsilon 510.000/255 asked, "),
        (["--attack", "deepfool", "--norm", "linf"], "/255 found, 0/255 in the file"),
        (["--attack", "carlini-wagner"], "/255 found, "),
    ],
)
def test_the_other_attacks_by_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    out = tmp_path / "adversarial.png"
    assert run(CAT, "--out", out, "--steps", "3", *more) == 0
    printed = capsys.readouterr().out.splitlines()
    assert said in printed[2] and ("in L2 and at most" in printed[2]) is ("l2" in more or "carlini-wagner" in more)
    if "carlini-wagner" not in more:  # three steps are too few for it
        assert printed[-1] in ("fooled", "not fooled: rounding to 8 bits undid it")
        assert (printed[-1] == "fooled") is ("Egyptian cat" not in printed[1])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "fgsm needs a size to stay within: give an --epsilon, for example 1/255."),
        (["--attack", "apgd"], "apgd needs a size to stay within: give an --epsilon, for example 1/255."),
        (
            ["--attack", "deepfool", "--epsilon", "1/255"],
            "deepfool looks for the smallest change there is: leave out --epsilon.",
        ),
        (["--attack", "deepfool", "--target", "tabby"], "DeepFool looks for any other class; it cannot be given one."),
        (["--attack", "carlini-wagner", "--norm", "linf"], "Carlini–Wagner measures in another norm; choose l2."),
        (
            ["--attack", "pgd", "--epsilon", "1/255", "--steps", "0"],
            "An attack takes at least one step; --steps was 0.",
        ),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    capsys: pytest.CaptureFixture[str], out: Path, more: list[str], said: str
) -> None:
    assert refused(capsys, CAT, "--out", out, *more) == f"attacks: {said}"
    assert not out.exists()


def test_epsilon_zero_writes_the_picture_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "same.png"
    assert run(CAT, "--epsilon", "0", "--out", out) == 0
    assert (read_picture(out.read_bytes(), "out").pixels == square(gallery_picture("chelsea"), 224)).all()
    assert capsys.readouterr().out.splitlines()[-1] == "not fooled"


@pytest.mark.parametrize("target", ["tabby", "281"])
def test_a_target_by_name_or_by_number(tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str) -> None:
    arguments = ("--epsilon", "0.01", "--attack", "pgd", "--steps", "4", "--target", target)
    assert run(CAT, *arguments, "--out", tmp_path / "a.png") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith("adversarial  tabby") and printed[-1] == "fooled"
    assert "epsilon 2.550/255 asked, 3/255 in the file" in printed[2]


def test_the_own_answer_as_target_is_not_fooled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CAT, "--epsilon", "1/255", "--target", "Egyptian cat", "--out", tmp_path / "a.png") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith("adversarial  Egyptian cat") and printed[-1] == "not fooled"


@pytest.fixture
def not_a_picture(tmp_path: Path) -> Path:
    path = tmp_path / "notes.png"
    path.write_text("no picture at all")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "never.png"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What is said on stderr when it is refused, after all the promises of a refusal are checked."""
    status = run(*arguments)
    captured = capsys.readouterr()
    assert status == 2 and captured.out == "" and "Traceback" not in captured.err
    return captured.err.strip()


def test_no_picture_is_one_sentence(capsys: pytest.CaptureFixture[str], not_a_picture: Path, out: Path) -> None:
    text = refused(capsys, not_a_picture, "--epsilon", "1/255", "--out", out)
    assert text == "attacks: This is not a picture this page can read; use a PNG or JPEG file."
    assert not out.exists()


def test_a_missing_file_or_folder_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path, out: Path) -> None:
    text = refused(capsys, tmp_path / "nowhere.png", "--epsilon", "1/255", "--out", out)
    assert text.startswith("attacks: ") and "nowhere.png" in text and "\n" not in text
    text = refused(capsys, CAT, "--epsilon", "1/255", "--out", tmp_path / "no folder" / "a.png")
    assert text.startswith("attacks: ") and "no folder" in text and "\n" not in text


def test_an_unknown_class_suggests_others(capsys: pytest.CaptureFixture[str], out: Path) -> None:
    text = refused(capsys, CAT, "--epsilon", "1/255", "--target", "Terrier", "--out", out)
    assert text.startswith("attacks: There is no class 'Terrier'; did you mean ") and text.endswith("?")
    assert 2 <= text.count("terrier") <= 5 and "\n" not in text
    for unknown in ("zzz", "1000", "-1"):
        text = refused(capsys, CAT, "--epsilon", "1/255", f"--target={unknown}", "--out", out)
        assert text == f"attacks: There is no class {unknown!r}."
    assert not out.exists()


@pytest.mark.parametrize("epsilon", ["one", "", "nan", "inf", "-1/255", "-0.1", "1/0", "0/0", "1e400", "1/255/2"])
def test_a_bad_epsilon_is_refused(capsys: pytest.CaptureFixture[str], out: Path, epsilon: str) -> None:
    text = refused(capsys, CAT, f"--epsilon={epsilon}", "--out", out)
    assert "epsilon" in text.splitlines()[-1].lower()
    assert not out.exists()


def test_an_unknown_network_is_refused(capsys: pytest.CaptureFixture[str], out: Path) -> None:
    assert "resnet999" in refused(capsys, CAT, "--epsilon", "1/255", "--network", "resnet999", "--out", out)


def test_weights_that_cannot_be_had_are_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, out: Path
) -> None:
    def unavailable(name: str) -> Classifier:
        raise zoo.WeightsUnavailableError(f"The weights of {name} are not here.")

    monkeypatch.setattr(zoo, "load", unavailable)
    text = refused(capsys, CAT, "--epsilon", "1/255", "--network", "resnet18", "--out", out)
    assert text == "attacks: The weights of resnet18 are not here."


def test_a_small_or_odd_picture_is_attacked_at_the_size_of_the_network(tmp_path: Path) -> None:
    small, out = tmp_path / "small.png", tmp_path / "out.png"
    small.write_bytes(png(gallery_picture("chelsea").pixels[:30, :50]))
    assert run(small, "--epsilon", "1/255", "--out", out) == 0
    assert read_picture(out.read_bytes(), "out").pixels.shape == (224, 224, 3)

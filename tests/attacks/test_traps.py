"""The ways to get an attack wrong that have been met elsewhere, each with a test on the real network.

The numbers are those of the project's list of traps. The traps that hold for every attack in the same way (1, 2, 5 to 8,
10, 13, 16) are in `test_invariants.py` and `test_known_answers.py`.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.axis import gradient_axis
from attacks.classification import attack, cross_entropy, fooled
from attacks.gradient import gradient
from attacks.perturbation import Perturbation, to_8bit
from models.classifier import Classifier
from models.picture import from_pixels, gallery_picture, png, read_picture, to_pixels
from tests.attacks.small import LINEAR, Constant, Small, Times, X, picture, small_pictures

SOCK = 806  # a class that is in none of the photographs


@pytest.fixture(scope="module")
def answers(lite0: Classifier, photographs: Tensor) -> Tensor:
    with torch.no_grad():
        return lite0(photographs).argmax(1)


@pytest.fixture(scope="module")
def attacked(lite0: Classifier, photographs: Tensor, answers: Tensor) -> Perturbation:
    """All photographs by FGSM at 1/256, which is no step of an 8-bit picture."""
    return attack(lite0, photographs, answers, 1 / 256)


def test_trap_01_epsilon_is_in_pixels_on_the_real_network(attacked: Perturbation, photographs: Tensor) -> None:
    moved = (attacked.exact - photographs).abs() * 255
    assert moved.amax((2, 3)).flatten().tolist() == pytest.approx([255 / 256] * 30, abs=1e-3)


def test_trap_02_epsilon_zero_changes_nothing_on_the_real_network(lite0: Classifier, photographs: Tensor) -> None:
    x = photographs[:1]
    done = attack(lite0, x, torch.tensor([0]), 0.0)
    assert torch.equal(done.adversarial, x) and torch.equal(lite0(done.adversarial), lite0(x))


def test_trap_03_the_file_is_the_picture_that_was_asked_about(
    lite0: Classifier, attacked: Perturbation, answers: Tensor
) -> None:
    files = [png(from_pixels(attacked.adversarial[k : k + 1])) for k in range(10)]
    again = torch.cat([to_pixels(read_picture(file, "adversarial.png"), 224) for file in files])
    assert torch.equal(again, attacked.adversarial)
    with torch.no_grad():
        decided = lite0(again).argmax(1)
    assert torch.equal(fooled(lite0, attacked, answers), decided != answers)
    assert 5 <= (decided != answers).sum() <= 10


def test_trap_03_the_file_is_rounded_not_truncated(attacked: Perturbation) -> None:
    exact, adversarial = attacked.exact, attacked.adversarial
    assert (exact - adversarial).abs().max() * 255 <= 0.5 + 1e-4
    assert torch.equal(adversarial, to_8bit(adversarial))
    values = from_pixels(attacked.adversarial[:1])
    assert torch.equal(torch.from_numpy(values).permute(2, 0, 1)[None].float() / 255, adversarial[:1])
    # x − 255/256 steps lies just above a step: truncated, it would be that step too; x + 255/256 steps would be x again
    assert ((adversarial - attacked.clean) * 255 > 0.5).float().mean() > 0.3


def test_trap_04_the_file_of_one_256th_is_one_255th_away_and_says_so(attacked: Perturbation) -> None:
    assert attacked.epsilon == 1 / 256 < 1 / 255
    assert ((attacked.exact - attacked.clean).abs().amax((1, 2, 3)) * 256).tolist() == pytest.approx([1] * 10, abs=1e-3)
    assert (attacked.linf * 255).tolist() == pytest.approx([1] * 10, abs=1e-4)


@pytest.mark.parametrize(("asked", "in_the_file"), [(0.4, 0), (0.6, 1), (1.4, 1), (3.0, 3)])
def test_trap_04_the_perturbation_is_measured_on_the_file(asked: float, in_the_file: int) -> None:
    x = small_pictures(6)
    done = attack(Small(), x, torch.arange(6) % 3, asked / 255)
    assert (done.linf * 255).tolist() == pytest.approx([in_the_file] * 6, abs=1e-4)
    assert torch.equal(done.adversarial, x) is (in_the_file == 0)


def test_trap_05_a_whole_epsilon_stays_inside_after_rounding(lite0: Classifier, photographs: Tensor) -> None:
    done = attack(lite0, photographs[1:2], torch.tensor([0]), 4 / 255)
    for pictures in (done.exact, done.adversarial):
        assert (pictures - photographs[1:2]).abs().max() <= 4 / 255 + 1e-6


def test_trap_09_sure_of_itself_twenty_times_over(lite0: Classifier, photographs: Tensor, answers: Tensor) -> None:
    """Where p(y) = 1 after rounding, the direction is still that in which the rivals gain on y."""
    sure, x, y = Times(lite0, 20.0), photographs[[0, 2]], answers[[0, 2]]  # its clearest cases

    def lead_of_the_rivals(x: Tensor) -> Tensor:  # J = log(1 + exp(lead)) rises with it, so their signs are the same
        z = sure(x).double()
        rivals = z.scatter(1, y[:, None], float("-inf")).logsumexp(1)
        return (rivals - z.gather(1, y[:, None])[:, 0]).float()

    _, grad = gradient(cross_entropy(sure, y), x)
    _, truth = gradient(lead_of_the_rivals, x)
    agreement = (grad.sign() == truth.sign()).float().flatten(1).mean(1)
    assert (grad != 0).float().mean() > 0.99
    assert agreement.min() > 0.99


def test_trap_09_a_zero_gradient_moves_nothing_and_can_be_seen() -> None:
    x = small_pictures(1)
    axis = gradient_axis(Constant(), x)
    assert (axis.grad == 0).all() and (axis.d == 0).all()
    assert torch.equal(axis.perturbation(32).adversarial, x)
    assert axis.y == 1 and axis.first_fooled is None and axis.loss.tolist() == axis.linear_loss.tolist()


@pytest.mark.parametrize("method", ["fgsm", "pgd"])
def test_trap_11_where_the_gradient_is_zero_nothing_moves(method: str) -> None:
    class Framed(Small):
        """Looks only at the middle."""

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(F.pad(x[:, :, 2:-2, 2:-2], (2, 2, 2, 2)))

    x = small_pictures(6)
    more = {"steps": 4, "step_size": 2 / 255} if method == "pgd" else {}
    done = attack(Framed(), x, torch.arange(6) % 3, 4 / 255, method=method, **more)
    middle = torch.zeros(8, 8, dtype=torch.bool)
    middle[2:-2, 2:-2] = True
    assert torch.equal(done.exact[:, :, ~middle], x[:, :, ~middle])
    assert (done.exact[:, :, middle] != x[:, :, middle]).float().mean() > 0.5


def test_trap_12_a_clipped_pixel_moves_less_and_the_numbers_say_so() -> None:
    x = picture(1.0, 1 / 255)  # FGSM would go to (1 + 4/255, −3/255)
    done = attack(LINEAR, x, torch.tensor([0]), 4 / 255)
    assert (done.exact * 255).flatten().tolist() == pytest.approx((255, 0), abs=1e-4)
    assert done.linf.item() * 255 == pytest.approx(1, abs=1e-4) and done.l2.item() * 255 == pytest.approx(1, abs=1e-4)
    assert done.epsilon == 4 / 255


def test_trap_14_a_targeted_attack_reaches_its_target(lite0: Classifier, photographs: Tensor) -> None:
    """PGD-20 at 8/255, on all photographs at half size to save time. The wrong sign would reach none."""
    x = to_8bit(F.interpolate(photographs, scale_factor=0.5, mode="area"))
    target = torch.full((10,), SOCK)
    done = attack(lite0, x, target, 8 / 255, method="pgd", targeted=True, steps=20, step_size=0.5 / 255)
    with torch.no_grad():
        assert (lite0(x).argmax(1) != SOCK).all()
        assert (lite0(done.adversarial).argmax(1) == SOCK).sum() >= 9
        last = cross_entropy(lite0, target)(done.exact)
    p = (-torch.stack([*done.history, last])).exp()
    assert p.shape == (21, 10) and p[0].max() < 0.01
    rises = (p[1:] > p[:-1]) | (p[:-1] > 0.99)  # where it is sure there is no way up
    assert rises.float().mean() >= 0.9


def test_trap_15_without_a_label_the_own_answer_is_taken(
    lite0: Classifier, photographs: Tensor, answers: Tensor
) -> None:
    x, own = photographs[1:2], int(answers[1])
    axis = gradient_axis(lite0, x, steps=(0, 1))
    assert axis.y == own and axis.clean_right and axis.target is None
    assert torch.equal(axis.d, gradient_axis(lite0, x, own, steps=(0,)).d)
    assert not torch.equal(axis.d, gradient_axis(lite0, x, SOCK, steps=(0,)).d)


def test_trap_16_a_photograph_is_attacked_as_if_alone(
    lite0: Classifier, photographs: Tensor, answers: Tensor, attacked: Perturbation
) -> None:
    alone = attack(lite0, photographs[3:4], answers[3:4], 1 / 256)
    same = (alone.adversarial == attacked.adversarial[3:4]).float().mean()
    assert same > 0.999  # sums in another order may turn the sign of a gradient that is almost 0


def test_trap_18_a_picture_of_the_right_size_is_attacked_as_it_is(lite0: Classifier) -> None:
    file = png(from_pixels(to_pixels(gallery_picture("chelsea"), 224)))
    uploaded = read_picture(file, "chelsea.png")
    x = to_pixels(uploaded, lite0.size)
    done = attack(lite0, x, torch.tensor([285]), 2 / 255)
    assert (from_pixels(done.clean) == uploaded.pixels).all()
    saved = read_picture(png(from_pixels(done.adversarial)), "adversarial.png").pixels
    assert saved.shape == (224, 224, 3)
    assert abs(saved.astype(int) - uploaded.pixels.astype(int)).max() == 2


# LINEAR says 0 of X and 1 of X + 7/255 (+, −).
ZERO, ONE, TWO = torch.tensor([0]), torch.tensor([1]), torch.tensor([2])


def test_trap_20_fooled_needs_a_clean_picture_that_was_right() -> None:
    turned = attack(LINEAR, X, ZERO, 7 / 255)
    assert fooled(LINEAR, turned, ZERO).tolist() == [True]
    assert fooled(LINEAR, turned, ONE).tolist() == [False]  # was wrong, became right
    assert fooled(LINEAR, turned, TWO).tolist() == [False]  # was wrong, stayed wrong
    assert fooled(LINEAR, attack(LINEAR, X, ZERO, 6 / 255), ZERO).tolist() == [False]


def test_trap_20_a_target_counts_only_if_reached_from_a_right_answer() -> None:
    turned = attack(LINEAR, X, ONE, 7 / 255, targeted=True)
    assert fooled(LINEAR, turned, ZERO, target=ONE).tolist() == [True]
    assert fooled(LINEAR, turned, ZERO, target=TWO).tolist() == [False]
    assert fooled(LINEAR, turned, TWO, target=ONE).tolist() == [False]


@pytest.mark.parametrize("steps", [0, 3])
def test_trap_20_the_right_answer_as_target_never_counts(steps: int) -> None:
    same = attack(LINEAR, X, ZERO, steps / 255, targeted=True)
    assert fooled(LINEAR, same, ZERO, target=ZERO).tolist() == [False]
    assert not any(gradient_axis(LINEAR, X, 0, target=0).fooled)


def test_trap_20_fooled_is_decided_for_every_picture_and_in_the_mode_of_use() -> None:
    class Moody(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return LINEAR(x) * (-1 if self.training else 1)

    model = Moody().train()
    both = Perturbation(torch.cat([X, X]), torch.cat([X, picture(110 / 255, 40 / 255)]), 10 / 255, "linf", ())
    assert fooled(model, both, torch.tensor([0, 0])).tolist() == [False, True]
    assert model.training


def test_trap_20_the_axis_shows_a_wrong_clean_picture_as_such() -> None:
    axis = gradient_axis(LINEAR, X, y=1)
    assert not axis.clean_right and not any(axis.fooled) and axis.first_fooled is None

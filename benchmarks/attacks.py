r"""How fast our attacks are beside Foolbox, torchattacks, ART and CleverHans, and whether they find the same pictures.

    benchmarks/peers.sh attacks [options]               # makes .venv-peers when it is missing
    .venv/bin/python -m benchmarks.attacks --peers      # our own side alone

Three tables for each batch, all ratios within this one process:

1. what each step of preparing the network gives (`models.classifier.ready`), for one gradient;
2. each attack against the libraries that have it, which get the network as their users load it, and a second time ours, so that
   the share of the network and the share of the loop can be told apart;
3. what our loop costs over a bare one on the same network.

What the environment gives (memory that is kept, threads that do not spin) is measured by `benchmarks.environment`.

Nothing is asserted about seconds. "Same" is a share of pixels that differ by less than 1e-6. On one network every
library finds the same picture. Between two preparations of the network one step of FGSM nearly does, and 20 steps of PGD
cannot: each step takes the sign of the gradient, so a rounding error of 1e-7 grows from step to step. The row "in float64"
is the yardstick: the plain network against itself, computed more exactly. What can be compared then is the strength: the
loss reached and the pictures fooled, both as the plain network judges them.
"""

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attacks.classification import attack, cross_entropy, margin, margins
from attacks.gradient import fgsm, pgd
from attacks.nearest import carlini_wagner, deepfool
from attacks.perturbation import to_8bit
from benchmarks.timing import Runs, Spread, load, machine, options, race, table, write
from models import zoo
from models.classifier import Classifier
from models.frozen import fold_batch_norm
from models.picture import gallery, gallery_picture, to_pixels

EPSILON, STEP_SIZE, STEPS = 4 / 255, 1 / 255, 20
SIZE, CLASSES = 224, 1000
SAME = 1e-6
RIVALS, DEEP = 10, 50  # of DeepFool: classes it looks at, and steps at most
METHODS = ("fgsm", "pgd", "momentum", "apgd", "deepfool", "carlini-wagner")
TAKEN_APART = METHODS[:2]  # of these the loop is timed as well, and the yardstick is drawn
NETWORKS = ("plain", "ours")

Craft = Callable[[Tensor, Tensor], Tensor]  # clean pictures and their classes to adversarial pictures, not rounded


# ---------------------------------------------------------------- pictures and networks


def pictures(batch: int) -> Tensor:
    """The photographs of the app's gallery, then their mirror images: (batch, 3, 224, 224) in [0, 1]."""
    photographs = torch.cat([to_pixels(gallery_picture(key), SIZE) for key in gallery()])
    return torch.cat([photographs, photographs.flip(3)])[:batch]


class Plain(nn.Module):
    """timm's network behind its normalisation, as one loads it: nothing folded, weights not frozen, NCHW."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.5))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.network((x - self.mean) / self.std)


def plain() -> Plain:
    """EfficientNet-Lite0 with the weights of `models.zoo`."""
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    weights = torch.load(zoo.packaged_weights(zoo.EMBEDDED), weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), weights.values(), strict=True)))
    return Plain(network).eval()


def folded() -> Plain:
    model = plain().requires_grad_(False)
    fold_batch_norm(model.network)
    return model.requires_grad_(False)


def channels_last() -> Classifier:
    """Our classifier without the folding."""
    half = (0.5, 0.5, 0.5)
    model = Classifier(plain().network, [str(k) for k in range(CLASSES)], size=SIZE, mean=half, std=half)
    return model.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def ours() -> Classifier:
    return zoo.load(zoo.EMBEDDED)


# ---------------------------------------------------------------- bare loops


def gradient_into_weights(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """What a tutorial does: `backward()`, which computes the gradient of every weight as well."""
    x = x.detach().requires_grad_()
    F.cross_entropy(model(x), y).backward()
    model.zero_grad()
    assert x.grad is not None
    return x.grad


def gradient_of_input(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """One forward and one backward pass, and nothing else."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y), x)[0]


def bare_gradients(model: nn.Module, x: Tensor, y: Tensor, steps: int) -> Tensor:
    for _ in range(steps):
        grad = gradient_of_input(model, x, y)
    return grad


def bare_loop(model: nn.Module, x: Tensor, y: Tensor, steps: int, step_size: float) -> Tensor:
    """PGD (with one step FGSM) as short as it can be written."""
    x_t = x
    for _ in range(steps):
        moved = x_t + step_size * gradient_of_input(model, x_t, y).sign()
        x_t = (x + (moved - x).clamp(-EPSILON, EPSILON)).clamp(0, 1)
    return x_t


# ---------------------------------------------------------------- the libraries, each in the way its documentation shows

Crafts = dict[str, Callable[[], Craft]]  # by method; a library need not have all


def craft_ours(model: nn.Module) -> Crafts:
    def within(method: str, **extra: Any) -> Callable[[], Craft]:
        return lambda: lambda x, y: attack(model, x, y, EPSILON, method=method, **extra).exact

    walk = {"steps": STEPS, "step_size": STEP_SIZE}
    return {
        "fgsm": within("fgsm"),
        "pgd": within("pgd", **walk),
        "momentum": within("pgd", momentum=1.0, **walk),
        "apgd": within("apgd", steps=STEPS),
        "deepfool": lambda: lambda x, y: deepfool(margins(model, y, RIVALS), x, steps=DEEP).exact,
        "carlini-wagner": lambda: lambda x, y: carlini_wagner(margin(model, y), x, steps=STEPS, searches=1).exact,
    }


def craft_foolbox(model: nn.Module) -> Crafts:
    import foolbox
    from foolbox import attacks

    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")

    def within(make: Callable[[], Any], epsilon: float | None = EPSILON) -> Callable[[], Craft]:
        return lambda: (lambda chosen: lambda x, y: chosen(wrapped, x, y, epsilons=epsilon)[1])(make())

    cw = {"binary_search_steps": 1, "steps": STEPS, "stepsize": 0.01, "initial_const": 1.0, "abort_early": False}
    return {
        "fgsm": within(attacks.FGSM),
        "pgd": within(partial(attacks.LinfPGD, abs_stepsize=STEP_SIZE, steps=STEPS, random_start=False)),
        "deepfool": within(partial(attacks.L2DeepFoolAttack, steps=DEEP, candidates=RIVALS + 1), None),
        "carlini-wagner": within(partial(attacks.L2CarliniWagnerAttack, **cw), None),
    }


def craft_torchattacks(model: nn.Module) -> Crafts:
    import torchattacks as ta

    walk = {"eps": EPSILON, "alpha": STEP_SIZE, "steps": STEPS}
    return {
        "fgsm": partial(ta.FGSM, model, eps=EPSILON),
        "pgd": partial(ta.PGD, model, random_start=False, **walk),
        "momentum": partial(ta.MIFGSM, model, decay=1.0, **walk),
        "apgd": partial(ta.APGD, model, eps=EPSILON, steps=STEPS, n_restarts=1),
        "carlini-wagner": partial(ta.CW, model, c=1, steps=STEPS, lr=0.01),
    }


def craft_art(model: nn.Module) -> Crafts:
    from art.attacks import evasion
    from art.estimators.classification import PyTorchClassifier

    wrapped = PyTorchClassifier(
        model, nn.CrossEntropyLoss(), (3, SIZE, SIZE), CLASSES, clip_values=(0.0, 1.0), device_type="cpu"
    )

    def within(kind: str, **extra: Any) -> Callable[[], Craft]:
        chosen = partial(getattr(evasion, kind), wrapped, **extra)
        return lambda: (lambda made: lambda x, y: torch.from_numpy(made.generate(x.numpy(), y.numpy())))(chosen())

    walk = {"eps": EPSILON, "eps_step": STEP_SIZE, "max_iter": STEPS, "verbose": False}
    quiet = {"verbose": False}
    return {
        "fgsm": within("FastGradientMethod", eps=EPSILON),
        "pgd": within("ProjectedGradientDescent", **walk),
        "momentum": within("MomentumIterativeMethod", decay=1.0, **walk),
        "deepfool": within("DeepFool", max_iter=DEEP, epsilon=0.02, nb_grads=RIVALS, **quiet),
        "carlini-wagner": within(
            "CarliniL2Method", binary_search_steps=1, max_iter=STEPS, learning_rate=0.01, initial_const=1.0, **quiet
        ),
    }


def craft_cleverhans(model: nn.Module) -> Crafts:
    from cleverhans.torch.attacks.carlini_wagner_l2 import carlini_wagner_l2
    from cleverhans.torch.attacks.fast_gradient_method import fast_gradient_method
    from cleverhans.torch.attacks.projected_gradient_descent import projected_gradient_descent

    inf, box = float("inf"), {"clip_min": 0, "clip_max": 1}
    walk = {"rand_init": False, **box}
    cw = {"binary_search_steps": 1, "max_iterations": STEPS, "lr": 0.01, "initial_const": 1.0, "abort_early": False}
    return {
        "fgsm": lambda: lambda x, y: fast_gradient_method(model, x, EPSILON, inf, y=y, **box).detach(),
        "pgd": lambda: (
            lambda x, y: projected_gradient_descent(model, x, EPSILON, STEP_SIZE, STEPS, inf, y=y, **walk).detach()
        ),
        "carlini-wagner": lambda: lambda x, y: carlini_wagner_l2(model, x, CLASSES, y=y, **cw).detach(),
    }


PEERS: dict[str, Callable[[nn.Module], Crafts]] = {
    "foolbox": craft_foolbox,
    "torchattacks": craft_torchattacks,
    "art": craft_art,
    "cleverhans": craft_cleverhans,
}


# ---------------------------------------------------------------- 1: the network


def step_by_step(x: Tensor, y: Tensor, rounds: int) -> dict[str, Any]:
    """One gradient on the network as it becomes, step by step, the one of `zoo.load`."""
    runs: Runs = {
        "plain, backward into the weights": partial(gradient_into_weights, plain(), x, y),
        "gradient of the input only, weights frozen": partial(gradient_of_input, plain().requires_grad_(False), x, y),
        "… and batch norm folded": partial(gradient_of_input, folded(), x, y),
        "… and channels last, not folded": partial(gradient_of_input, channels_last(), x, y),
        "… and both: models.zoo.load": partial(gradient_of_input, ours(), x, y),
    }
    _, times = race(runs, rounds)
    first, frozen = list(times.values())[:2]
    rows = [
        [name, time.text(1000, 1), first.over(time).text(1, 2), frozen.over(time).text(1, 2)]
        for name, time in times.items()
    ]
    head = ["one gradient", "ms", "faster than the first", "faster than frozen"]
    table(f"1. The network, step by step, batch {len(x)}", head, rows)
    return {name: {"seconds": t.json(), "faster_than_first": first.over(t).json()} for name, t in times.items()}


# ---------------------------------------------------------------- 2: the libraries


@dataclass(frozen=True)
class Agreement:
    """How one library's pictures compare with another's.

    Attributes:
        same: share of pixels that differ by less than `SAME`; `same_8bit` after rounding to 8 bits.
        linf: the largest change of the clean picture, in 255ths.
        loss: the mean cross entropy that was reached, as the plain network judges it.
        fooled: pictures that the plain network takes for another class; `fooled_8bit` after rounding.
    """

    same: float
    same_8bit: float
    linf: float
    loss: float
    fooled: int
    fooled_8bit: int


def agreement(judge: nn.Module, x: Tensor, y: Tensor, adversarial: Tensor, reference: Tensor) -> Agreement:
    rounded = to_8bit(adversarial)
    with torch.no_grad():
        logits, logits_8bit = judge(adversarial), judge(rounded)
    return Agreement(
        same=share((adversarial - reference).abs() < SAME),
        same_8bit=share(rounded == to_8bit(reference)),
        linf=float((adversarial - x).abs().max()) * 255,
        loss=float(F.cross_entropy(logits.double(), y)),
        fooled=int((logits.argmax(1) != y).sum()),
        fooled_8bit=int((logits_8bit.argmax(1) != y).sum()),
    )


def share(hits: Tensor) -> float:
    return float(hits.double().mean())


def contenders(method: str, peers: list[str], x: Tensor, y: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Every library on both networks; each has a copy of its own, because some leave gradients in the weights."""
    crafts = {"this app": craft_ours} | {name: PEERS[name] for name in peers}
    networks: dict[str, nn.Module] = {"ours": ours(), "plain": plain()}
    made = {
        key(name, network): craft(deepcopy(model))
        for network, model in networks.items()
        for name, craft in crafts.items()
    }
    return {name: partial(crafts[method](), x, y) for name, crafts in made.items() if method in crafts}


def key(library: str, network: str) -> str:
    return f"{library} on {network}"


def against(method: str, peers: list[str], x: Tensor, y: Tensor, rounds: int) -> dict[str, Any]:
    """One attack by every library, with its time over ours and its agreement with ours."""
    results, times = race(contenders(method, peers, x, y), rounds)
    if method in TAKEN_APART:
        results[key("in float64", "plain")] = in_float64(method, x, y)
    mine, judge = key("this app", "ours"), plain()
    agreements = {
        name: [agreement(judge, x, y, z, results[other]) for other in (mine, key("this app", name.split()[-1]))]
        for name, z in results.items()
    }
    rows = [
        [
            name,
            *((times[name].text(), times[name].over(times[mine]).text(1, 2)) if name in times else ("", "")),
            *(f"{100 * value:.3f}" for value in (alike.same, shipped.same, shipped.same_8bit)),
            f"{shipped.linf:.4f}",
            f"{shipped.loss:.2f}",
            f"{shipped.fooled}/{len(x)}",
            f"{shipped.fooled_8bit}/{len(x)}",
        ]
        for name, (shipped, alike) in agreements.items()
    ]
    same = ("same, same network %", "same %", "same 8-bit %")
    head = ["on the network", "s", "time / ours", *same, "L∞·255", "loss", "fooled", "8-bit"]
    table(f"2. {method.upper()}, batch {len(x)}: ours = this app on ours, same = as ours", head, rows)
    return {
        "libraries": {name: row(times, name, mine, *pair) for name, pair in agreements.items()},
        "shares": {name: spread.json() for name, spread in shares(peers, times).items()},
    }


def in_float64(method: str, x: Tensor, y: Tensor) -> Tensor:
    """The yardstick: the bare loop on the plain network in double precision."""
    return bare_loop(plain().double(), x.double(), y, *path(method)).float()


def path(method: str) -> tuple[int, float]:
    """The number of steps and their size."""
    return (1, EPSILON) if method == "fgsm" else (STEPS, STEP_SIZE)


def row(times: dict[str, Spread], name: str, mine: str, shipped: Agreement, alike: Agreement) -> dict[str, Any]:
    """One row of the table for the JSON file."""
    timing = {"seconds": times[name].json(), "over_ours": times[name].over(times[mine]).json()} if name in times else {}
    return {**timing, "agreement": vars(shipped), "agreement_same_network": vars(alike)}


def shares(peers: list[str], times: dict[str, Spread]) -> dict[str, Spread]:
    """The fastest library over ours, and how much of it is the network and how much the loop."""
    mine, mine_plain = times[key("this app", "ours")], times[key("this app", "plain")]
    result = {"network alone (this app on plain / on ours)": mine_plain.over(mine)}
    for network in NETWORKS if peers else ():
        fastest = min(
            (name for name in times if name in {key(peer, network) for peer in peers}),
            key=lambda name: times[name].median,
        )
        result[f"fastest library, {fastest} / this app on ours"] = times[fastest].over(mine)
        if network == "plain":
            result[f"loop alone, {fastest} / this app on plain"] = times[fastest].over(mine_plain)
    for name, spread in result.items():
        print(f"  {name}: {spread.text(1, 2)}x")
    return result


# ---------------------------------------------------------------- 3: our loop


def overhead(method: str, x: Tensor, y: Tensor, rounds: int) -> dict[str, Any]:
    """What `attack()` and the function behind it cost over a bare loop and over its passes alone, on our network."""
    model = ours()
    steps, step_size = path(method)
    loss = cross_entropy(model, y)
    bare: Runs = {
        "passes": partial(bare_gradients, model, x, y, steps),
        "bare loop": partial(bare_loop, model, x, y, steps, step_size),
    }
    function = partial(fgsm, loss, x, EPSILON)
    if method == "pgd":
        function = partial(pgd, loss, x, EPSILON, steps=steps, step_size=step_size)
    mine: Runs = {f"{method}()": function, "attack()": partial(craft_ours(model)[method](), x, y)}
    _, times = race(mine | bare, rounds)
    percent = {
        name: {other: Spread(tuple(100 * (v - 1) for v in times[name].over(times[other]).values)) for other in bare}
        for name in (*mine, "bare loop")
    }
    rows = [[name, times[name].text(), *(spread.text(1, 1) for spread in percent[name].values())] for name in percent]
    rows.append(["passes", times["passes"].text(), "", ""])
    head = ["on our network", "s", "% over forward+backward", "% over the bare loop"]
    table(f"3. Overhead of {method.upper()}, batch {len(x)}", head, rows)
    return {
        name: {
            "seconds": times[name].json(),
            **{f"percent_over_{other}": spread.json() for other, spread in percent.get(name, {}).items()},
        }
        for name in times
    }


# ---------------------------------------------------------------- all of it


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="pictures at once (default 1 16)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="which (default all)")
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS), help="which (default all)")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.batch = 2, [1]
    torch.set_num_threads(arguments.threads)
    report: dict[str, Any] = {"machine": machine(arguments.threads), "load_at_start": load(), "batches": {}}
    print(f"{report['machine']}\nload at start {report['load_at_start']}")
    for batch in arguments.batch:
        x, y = labelled(batch)
        report["batches"][batch] = measure(x, y, arguments.methods, arguments.peers, arguments.rounds)
    report["load_at_end"] = load()
    print(f"\nload at end {report['load_at_end']}")
    write(arguments.json, report)


def labelled(batch: int) -> tuple[Tensor, Tensor]:
    """Pictures, and what the network says of them, which is taken for the truth."""
    x = pictures(batch)
    with torch.no_grad():
        return x, plain()(x).argmax(1)


def measure(x: Tensor, y: Tensor, methods: list[str], peers: list[str], rounds: int) -> dict[str, Any]:
    """All three tables for one batch."""
    return {
        "network": step_by_step(x, y, rounds),
        "attacks": {method: against(method, peers, x, y, rounds) for method in methods},
        "overhead": {method: overhead(method, x, y, rounds) for method in methods if method in TAKEN_APART},
    }


if __name__ == "__main__":
    try:
        main()
    except ModuleNotFoundError as missing:
        sys.exit(f"{missing}: the libraries live in an environment of their own; run benchmarks/peers.sh attacks")

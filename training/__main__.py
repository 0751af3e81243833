"""What learns, at the command line.

    python -m training list
    python -m training NAME --data DIR [--seed S] [--out DIR] [--epochs N] [--limit N]
    python -m training export NAME --data DIR [--seed S] [--out DIR]
    python -m training report NAME --data DIR [--out DIR] [--limit N]
    python -m training evaluate NAME --data DIR [--split SPLIT] [--limit N] [--json]

A training goes on from where it was stopped if OUT (`runs`) holds its last snapshot. `translate` trains all five translators.
"""

import os

# Before torch is imported: its threads shall spin only briefly while they wait, so that a busy neighbour does not stop them.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from models.key_value import KINDS
from models.memory import keep_large_blocks
from training import (
    ask,
    captcha,
    caption,
    classify,
    domain,
    domain_shipped,
    gan,
    hardening,
    headline,
    imagenet,
    memory,
    penalty,
    report,
    report_annotate,
    report_ask,
    report_caption,
    report_difficulties,
    report_domain,
    report_generate,
    report_harden,
    report_memory,
    report_smooth,
    report_sway,
    report_words,
    sentences,
    translate,
    virtual,
)
from training.shipping import record
from training.snapshot import Snapshot

TRANSLATORS = {f"translate-{score}": score for score in translate.NAMES}
TRAININGS: dict[str, Callable[..., Iterator[Snapshot]]] = {
    **{name: partial(translate.train, score=score) for name, score in TRANSLATORS.items()},
    "headline": headline.train,
    "caption": caption.train,
    **{name: partial(classify.train, name=name) for name in classify.NAMES},
    **{f"memory-{kind}": partial(memory.train, kind=kind) for kind in KINDS},
    **{f"memory-{kind}-ptb": partial(memory.train, kind=kind, corpus=memory.PTB) for kind in KINDS},
    **{name: partial(ask.train, name=name) for name in ask.HOPS},
    "captcha": captcha.train,
    **{name: partial(hardening.recorded, name) for name in hardening.RUNS},
    **{name: partial(virtual.train, **options) for name, options in virtual.TRAININGS.items()},
    **{
        name: partial(domain.train, task=task) if adversary else partial(domain.train, task=task, strength=0.0)
        for name, (task, adversary) in domain_shipped.SHIPPED.items()
    },
    **{name: partial(gan.train, task=task) for name, task in gan.SHIPPED.items()},
}
EXPORTS: dict[str, Callable[[Path, Snapshot, int], None]] = {
    **{name: partial(translate.export, score) for name, score in TRANSLATORS.items()},
    "headline": headline.export,
    "caption": caption.export,
    **{name: partial(classify.export, name) for name in classify.NAMES},
    **{f"memory-{kind}": partial(memory.export, kind) for kind in KINDS},
    **{name: partial(ask.export, name) for name in ask.NAMES},
    "captcha": captcha.export,
    **{name: partial(report_harden.export, name) for name in report_harden.NAMES},
    **{name: partial(virtual.export, name) for name in virtual.DIGIT_NAMES},
    **{name: partial(domain_shipped.export, name) for name in domain_shipped.SHIPPED},
    **{name: partial(report_generate.export, name) for name in gan.SHIPPED},
}
GROUPS = {
    "translate": list(TRANSLATORS),
    "memory": [f"memory-{kind}" for kind in KINDS],
    "memory-ptb": [f"memory-{kind}-ptb" for kind in KINDS],
    "ask": list(ask.HOPS),
    "harden": list(hardening.RUNS),
    report_smooth.NAME: list(virtual.TRAININGS),
}
EVALUATIONS: dict[str, tuple[Callable[..., dict[str, Any]], str]] = {
    **{name: (partial(imagenet.evaluate, name), "labels") for name in imagenet.NAMES},
    sentences.NAME: (sentences.evaluate, "test"),
    **{name: (partial(translate.evaluate, name), "test_2016_flickr") for name in TRANSLATORS},
    "headline": (headline.evaluate, "gigaword_test"),
    "caption": (caption.evaluate, "test"),
    **{name: (partial(classify.evaluate, name), "test") for name in classify.NAMES},
    **{f"memory-{kind}": (partial(memory.evaluate, kind), "test") for kind in KINDS},
    **{name: (partial(ask.evaluate, name), "test") for name in ask.NAMES},
    "captcha": (captcha.evaluate, "test"),
    **{name: (partial(report_harden.evaluate, name), "test") for name in report_harden.NAMES},
    **{name: (partial(virtual.evaluate, name), "test") for name in virtual.DIGIT_NAMES},
    **{
        name: (partial(domain_shipped.evaluate, name), domain_shipped.split_of(name)) for name in domain_shipped.SHIPPED
    },
    **{name: (partial(report_generate.evaluate, name), "train") for name in gan.SHIPPED},
}
REPORTS: dict[str, Callable[[Path, Path, int | None], dict[str, Any]]] = {
    "translate": lambda data, _out, _limit: report.report(data),
    classify.QUESTION: lambda data, _out, _limit: penalty.report(data),
    "memory": report_memory.report,
    "ask": report_ask.report,
    "caption": report_caption.report,
    report_annotate.NAME: report_annotate.report,
    "words": report_words.report,
    report_sway.NAME: report_sway.report,
    report_harden.NAME: report_harden.report,
    report_smooth.NAME: report_smooth.report,
    report_domain.NAME: report_domain.report,
    report_generate.NAME: report_generate.report,
    report_difficulties.NAME: report_difficulties.report,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns 2, with one sentence on stderr, if the data are not there."""
    options = _parser().parse_args(arguments)
    keep_large_blocks()
    try:
        asked = (getattr(options, name, None) for name in ("limit", "epochs"))
        if any(number is not None and number < 1 for number in asked):
            raise ValueError("There is nothing to do: --limit and --epochs must be 1 or more.")
        options.run(options)
    except (OSError, ValueError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def _list(_options: argparse.Namespace) -> None:
    print("\n".join(dict.fromkeys([*TRAININGS, *EVALUATIONS])))


def _evaluate(options: argparse.Namespace) -> None:
    evaluate, split = EVALUATIONS[options.name]
    result = evaluate(options.data, options.split or split, options.limit)
    print(json.dumps(result) if options.json else "\n".join(f"{key}: {value}" for key, value in result.items()))


def _export(options: argparse.Namespace) -> None:
    for name in GROUPS.get(options.name, [options.name]):
        EXPORTS[name](options.data, Snapshot.load(options.out / f"{name}.safetensors"), options.seed)
        print(name, "is written")


def _report(options: argparse.Namespace) -> None:
    print(record(options.name, REPORTS[options.name](options.data, options.out, options.limit)))


def _train(options: argparse.Namespace) -> None:
    for name in GROUPS.get(options.command, [options.command]):
        path = options.out / f"{name}.safetensors"
        known = {"epochs": options.epochs, "limit": options.limit}
        resume = Snapshot.load(path) if path.exists() else None
        run = TRAININGS[name](
            options.data, seed=options.seed, resume=resume, **{k: v for k, v in known.items() if v is not None}
        )
        for snapshot in run:
            snapshot.save(path)
            print(name, snapshot.line(), flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every name there is").set_defaults(run=_list)
    evaluate = commands.add_parser("evaluate", help="measure a model on data")
    evaluate.add_argument("name", choices=list(EVALUATIONS))
    evaluate.add_argument("--split", help="the file to measure on, without its ending")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on the last line")
    evaluate.set_defaults(run=_evaluate)
    export = commands.add_parser("export", help="write a finished run as the app ships it: weights, words, card")
    export.add_argument("name", choices=["translate", *EXPORTS])
    export.set_defaults(run=_export)
    compare = commands.add_parser("report", help="measure all models of a group side by side, for the page")
    compare.add_argument("name", choices=list(REPORTS))
    compare.set_defaults(run=_report)
    for name in [*GROUPS, *TRAININGS]:
        train = commands.add_parser(name, help="train it")
        train.add_argument("--epochs", type=int)
        train.set_defaults(run=_train)
    compare.add_argument("--out", type=Path, default=Path("runs"), help="where the snapshots of what does not ship are")
    for command in [export, *(commands.choices[name] for name in [*GROUPS, *TRAININGS])]:
        command.add_argument("--seed", type=int, default=1)
        command.add_argument("--out", type=Path, default=Path("runs"), help="where its snapshots are")
    for command in commands.choices.values():
        if command.get_default("run") is not _list:
            command.add_argument("--data", type=Path, required=True, help="the folder that holds the data sets")
            command.add_argument("--limit", type=int, help="only so many rows")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`python -m training list` and `python -m training evaluate NAME --data DIR`: what was learned, measured again."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training import imagenet

EVALUATIONS: dict[str, tuple[Callable[..., dict[str, Any]], str]] = {"imagenet": (imagenet.evaluate, "labels")}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line. Returns 2, with one sentence on stderr, if the data are not there."""
    options = _parser().parse_args(arguments)
    if options.command == "list":
        print("\n".join(EVALUATIONS))
        return 0
    evaluate, split = EVALUATIONS[options.name]
    try:
        result = evaluate(options.data, options.split or split, options.limit)
    except (OSError, ValueError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result) if options.json else "\n".join(f"{key}: {value}" for key, value in result.items()))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="every name there is")
    evaluate = commands.add_parser("evaluate", help="measure a model on data")
    evaluate.add_argument("name", choices=list(EVALUATIONS))
    evaluate.add_argument("--data", type=Path, required=True, help="the folder that holds the data sets")
    evaluate.add_argument("--split", help="the file to measure on, without its ending")
    evaluate.add_argument("--limit", type=int, help="only so many rows")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return parser


if __name__ == "__main__":
    sys.exit(main())

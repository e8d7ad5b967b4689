"""Measure methods on data sets, class by class and seed by seed, beside the published values.

    python -m deepsvdd_core.benchmark --methods one-class,knn --data mnist --classes 0-9 \
        --seeds 0-2 --schedule short --out results.csv

Every cell becomes one line of the CSV file; a cell that is there is not measured again while its
data set holds the same images and classes, so the command can be stopped and started. With
DASK_SCHEDULER_ADDRESS set, the cells spread over that cluster, whose workers need the resource
`train`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from deepsvdd_core import jobs
from deepsvdd_core.benchmark import cells, markdown, present, read, run
from deepsvdd_core.experiment import SCHEDULES


def numbers(text: str) -> list[int]:
    """`0-2` or `0,5` as a list."""
    result = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        result += range(int(first), int(last) + 1) if dash else [int(first)]
    return result


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deepsvdd_core.benchmark")
    parser.add_argument("--methods", required=True, help="names, separated by commas")
    parser.add_argument("--data", required=True, help="a data set")
    parser.add_argument("--classes", default="all", help="0,3 or 0-9 or 0+1+3 (default: all)")
    parser.add_argument("--seeds", default="0", help="0-2 or 0,5 (default: 0)")
    parser.add_argument("--schedule", default="short", help=", ".join(SCHEDULES))
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="any further choice"
    )
    parser.add_argument("--out", type=Path, required=True, help="the CSV file, continued")
    return parser.parse_args()


def further(settings: list[str]) -> dict[str, object]:
    """`name=value` as choices; values are JSON, or else text. Raises ValueError without a =."""
    result = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise ValueError(f"{setting} is not of the form name=value.")
        try:
            result[name] = json.loads(value)
        except ValueError:
            result[name] = value
    return result


def main() -> None:
    """Measure, then print the Markdown and write it beside the CSV."""
    given = arguments()
    try:
        table = cells(
            given.methods.split(","),
            given.data,
            given.classes,
            numbers(given.seeds),
            given.schedule,
            further(given.set),
        )
    except ValueError as error:
        sys.exit(str(error))
    started = time.perf_counter()
    engine = jobs.Engine(jobs.LANES["measure"])
    failures = run(table, given.out, engine)
    engine.stop()
    text = markdown(present(read(given.out)))
    given.out.with_suffix(".md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nThis run took {time.perf_counter() - started:.0f} s.")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()

"""Measure methods on data sets, class by class and seed by seed, beside the published values."""

from __future__ import annotations

import time
from pathlib import Path

from deepsvdd_core import jobs, products
from deepsvdd_core.benchmark.cells import (
    PUBLISHED,
    PUBLISHED_MNIST_C,
    RESULTS,
    Cell,
    cells,
    class_groups,
    published,
    published_mnist_c,
)
from deepsvdd_core.benchmark.tables import (
    append,
    curve,
    markdown,
    normal,
    present,
    read,
    row_of,
    summary,
)

__all__ = [
    "PUBLISHED",
    "PUBLISHED_MNIST_C",
    "RESULTS",
    "Cell",
    "append",
    "cells",
    "class_groups",
    "curve",
    "markdown",
    "normal",
    "present",
    "published",
    "published_mnist_c",
    "read",
    "row_of",
    "run",
    "summary",
]


def run(table: list[Cell], out: Path, engine: jobs.Engine) -> list[str]:
    """Measure what is missing in a results file; returns a sentence per cell that failed.

    A line that was measured on other images than are there now counts as missing.
    """
    done = set(present(read(out))["key"])
    missing = [cell for cell in table if cell.experiment.key not in done]
    print(f"{len(table)} cells, {len(missing)} to measure", flush=True)
    asked = [(cell, cell.request) for cell in missing]
    answers = [(cell, named, engine.request("measure", **named)) for cell, named in asked]
    failures = []
    while answers:
        waiting = []
        for cell, named, answer in answers:
            if isinstance(answer, jobs.Job) and answer.is_active:
                waiting.append((cell, named, answer))
                continue
            arrays = products.get("measure", named)
            if arrays is None:
                failures.append(f"{cell.method} {cell.normal_class} seed {cell.seed}: ")
                failures[-1] += answer.message or "not finished"
                print(failures[-1], flush=True)
                continue
            row = row_of(cell, arrays)
            append(out, row)
            shown = f"{row['auroc']:6.2f} in {row['seconds']:.0f} s"
            print(f"{cell.method} {cell.normal_class} seed {cell.seed}: {shown}", flush=True)
        answers = waiting
        time.sleep(0.2)
    return failures

"""What was measured: a CSV file that grows line by line, and its summary."""

from __future__ import annotations

import csv
import io
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from deepsvdd_core import datasets, library, products
from deepsvdd_core.benchmark.cells import Cell, published

COLUMNS = (
    *("method", "dataset", "normal_class", "seed", "schedule", "choices"),
    *("auroc", "ap", "auroc_before", "seconds", "published", "published_std", "healthy"),
    *("asked_false_alarms", "false_alarms", "unseen_normals", "calibration_scores"),
    *("key", "fingerprint", "torch", "tpr", "precision"),
)


def row_of(cell: Cell, arrays: products.Arrays) -> dict[str, object]:
    """A line of the table; AUROC, AP and rates in percent.

    false_alarms: of the unseen_normals, the normal test images, how many the threshold flags.
    """
    value, std = published(cell)
    return {
        **cell._asdict(),
        "auroc": round(100 * float(arrays["auroc"]), 3),
        "ap": round(100 * float(arrays["ap"]), 3),
        "auroc_before": round(100 * float(arrays["before"]), 3),
        "seconds": round(float(arrays["seconds"]), 2),
        "published": value,
        "published_std": std,
        "healthy": int(arrays["healthy"]),
        "asked_false_alarms": round(100 * float(arrays["asked"]), 3),
        "false_alarms": round(100 * float(arrays["false_alarms"]), 3),
        "unseen_normals": int(arrays["unseen_normals"]),
        "calibration_scores": int(arrays["calibrated"]),
        "key": cell.experiment.key,
        "fingerprint": arrays["fingerprint"].tobytes().decode(),
        "torch": version("torch"),
        "tpr": _listed(arrays["roc"][1]),
        "precision": _listed(arrays["pr"][1]),
    }


def read(path: Path) -> pd.DataFrame:
    """The complete lines of a results file; none where there is no file."""
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]  # a line that was cut short does not count
    kinds = {"normal_class": str, "choices": str, "key": str, "fingerprint": str}
    # Older files do not have all columns.
    table = pd.read_csv(io.StringIO(whole), dtype=kinds).reindex(columns=list(COLUMNS))
    lines = table[list(Cell._fields)].to_dict("records")
    known = [published(Cell(**line)) for line in lines]
    table = table.assign(
        published=np.array([value for value, _ in known], float),
        published_std=np.array([std for _, std in known], float),
    )
    return table.assign(fingerprint=table["fingerprint"].astype(object).fillna(""))


def present(table: pd.DataFrame) -> pd.DataFrame:
    """The lines that hold for the data sets as they are now.

    Those of sets that are not here stay. Of a set of the table DATASETS a line without a
    fingerprint stays, too: those before there were fingerprints were measured as published.
    """
    versions: dict[str, str] = {}

    def holds(line: pd.Series) -> bool:
        choices = json.loads(line["choices"])
        names = (line["dataset"], choices.get("leave_out"), choices.get("outlier_exposure"))
        names = tuple(dict.fromkeys(name for name in names if name))
        if any(_is_absent(name) for name in names):
            return True
        if not line["fingerprint"]:
            return all(name in datasets.DATASETS for name in names)
        for name in names:
            versions.setdefault(name, datasets.fingerprint(name))
        return line["fingerprint"] == datasets.joined({name: versions[name] for name in names})

    return table[np.array([holds(line) for _, line in table.iterrows()], bool)]


def _is_absent(name: str) -> bool:
    """Whether a data set is not on this computer."""
    return name not in datasets.available() or datasets.source(name).is_missing


def curve(text: str) -> np.ndarray:
    """The inverse of a listed curve: (101,) values from 0 to 1."""
    return np.array([float(value) for value in text.split()]) / 1000


def _listed(values: np.ndarray) -> str:
    return " ".join(str(round(1000 * value)) for value in np.nan_to_num(values))


def append(out: Path, row: dict[str, object]) -> None:
    """Add one line to a results file, complete or, after a cut, made complete first.

    A line of the same cell, measured on other images or when its defaults were others, gives way.
    """
    lines = read(out).to_dict("records") if out.is_file() else []

    def is_other(line: dict) -> bool:
        same_cell = all(str(line[name]) == str(row[name]) for name in Cell._fields)
        return line["key"] != row["key"] and not same_cell

    lines = [line for line in lines if is_other(line)]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for line in [*lines, row]:
        writer.writerow({name: "" if _is_nan(line[name]) else line[name] for name in COLUMNS})
    library.write_atomically(out, buffer.getvalue().encode())


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and np.isnan(value)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One line per method, data set, schedule, further choices and `normal`; AUROC in percent.

    normal: "one class" or "several", as the thesis' one-vs-rest tables must not mix with others.

    mean: over classes of the mean over seeds; std_seeds: of the class means, over seeds;
    std_classes: of the seed means, over classes; difference: to the published mean of the same
    classes.
    """
    rows = []
    groups = ["dataset", "method", "schedule", "choices", "normal"]
    for names, part in table.assign(normal=normal(table)).groupby(groups, sort=False):
        of_classes = part.groupby("normal_class")["auroc"].mean()
        of_seeds = part.groupby("seed")["auroc"].mean()
        paper = part.groupby("normal_class")["published"].mean()
        known = paper.mean() if paper.notna().all() else None
        rows.append(
            {
                **dict(zip(groups, names, strict=True)),
                "classes": len(of_classes),
                "seeds": len(of_seeds),
                "n": len(part),
                "mean": of_classes.mean(),
                "std_seeds": of_seeds.std() if len(of_seeds) > 1 else None,
                "std_classes": of_classes.std() if len(of_classes) > 1 else None,
                "published": known,
                "difference": None if known is None else of_classes.mean() - known,
                "seconds": part["seconds"].mean(),
            }
        )
    return pd.DataFrame(rows)


def normal(table: pd.DataFrame) -> pd.Series:
    """How many classes are normal at once, in words."""
    several = table["normal_class"].astype(str).str.contains("+", regex=False)
    return several.map({True: "several", False: "one class"})


def markdown(table: pd.DataFrame) -> str:
    """The summary and the classes as Markdown tables."""
    whole = summary(table)
    lines = [_line(list(whole.columns)), _line(["---"] * len(whole.columns))]
    lines += [_line([_shown(value) for value in row]) for row in whole.itertuples(index=False)]
    per_class = table.pivot_table(
        index=["dataset", "method", "schedule", "choices"],
        columns="normal_class",
        values="auroc",
        aggfunc="mean",
        sort=False,
    )
    lines += ["", _line(["mean over seeds", *per_class.columns])]
    lines += [_line(["---"] * (1 + len(per_class.columns)))]
    for name, row in per_class.iterrows():
        lines.append(_line([" ".join(name), *(_shown(value) for value in row)]))
    versions = ", ".join(sorted(set(table["torch"].astype(str))))
    lines += ["", f"AUROC in percent. {len(table)} measurements, torch {versions}, "]
    lines[-1] += f"{table['seconds'].sum() / 60:.0f} minutes of training."
    return "\n".join(lines) + "\n"


def _shown(value: object) -> str:
    if value is None or _is_nan(value):
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _line(values: list[str]) -> str:
    return "| " + " | ".join(values) + " |"

"""Read the names in a table of methods from its source, for a process that must not load torch."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from deepsvdd_core.experiment import SCHEDULES

ROOMS = Path(__file__).parent
BACKBONES = ("gradients", "efficientnet-lite0", "resnet18", "vgg16")
FEATURES = ("pixels", "codes", *BACKBONES)  # of shallow methods
ON_GRADIENTS = ("one-class",)  # objectives that also train on oriented gradients
# Objectives that learn from labelled anomalies.
NEEDS_ANOMALIES = ("hsc", "hsc-l1", "hsc-l2", "hsc-squared", "fcdd", "fcdd-masks", "supervised")
# Objectives with one centre, which is found by `Experiment.centre_rule`.
ONE_CENTRE = ("one-class", "soft-boundary", "deep-sad", "hybrid", "multi-center")
# Estimators that begin with principal components, and those with a kernel of one width.
OF_ONE_WIDTH = ("kde", "oc-svm", "oc-svm-oracle", "kernel-pca")
ON_COMPONENTS = ("mahalanobis", "mve", "isolation-forest", *OF_ONE_WIDTH)
# What begins with an autoencoder, and how where a schedule has none: ten epochs at a rate at which
# also a few hundred images teach it something.
NEEDS_PRETRAINING = ("multi-sphere",)
SHORT_PRETRAINING = {"pretrain_epochs": 10, "pretrain_learning_rate": 1e-3}
# The network of a data set, replaced where an objective has one of its own.
ENCODER_OF = {
    **{(name, "cifar-lenet"): "cifar-lenet-512" for name in NEEDS_ANOMALIES},
    **{
        (name, usual): cells
        for name in ("fcdd", "fcdd-masks")
        for usual, cells in (
            ("mnist-lenet", "fcdd-28"),
            ("fashion-lenet", "fcdd-28"),
            ("cifar-lenet", "fcdd-32"),
        )
    },
}


@functools.cache
def names(module: str, table: str) -> dict[str, str]:
    """The keys of a table and the first line of what its entry says of itself.

    `names("objectives", "OBJECTIVES")` reads `OBJECTIVES = {"one-class": OneClass, ...}` without
    importing the module, which may be a folder. So a menu follows a table by itself.

    Raises:
        KeyError: the module has no such table.
    """
    folder = ROOMS / module
    paths = sorted(folder.glob("*.py")) if folder.is_dir() else [ROOMS / f"{module}.py"]
    body = [node for p in paths for node in ast.parse(p.read_text(encoding="utf-8")).body]
    summaries = {
        node.name: (ast.get_docstring(node) or "").partition("\n")[0]
        for node in body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    for node in body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", None) == table:
            keys, values = node.value.keys, node.value.values
            return {key.value: summaries[value.id] for key, value in zip(keys, values, strict=True)}
    raise KeyError(f"{module} has no table {table}")


def methods() -> dict[str, str]:
    """Every method by name, with one line about it; `choices` says what it stands for."""
    detectors = names("detectors", "DETECTORS")
    others = {name: text for name, text in detectors.items() if name not in ("deep", "shallow")}
    return {**names("objectives", "OBJECTIVES"), **names("estimators", "ESTIMATORS"), **others}


def features(method: str) -> tuple[str, ...]:
    """What a method can look at, written behind its name and an @ but for pixels."""
    if method in names("estimators", "ESTIMATORS"):
        return FEATURES
    return ("pixels", "gradients") if method in ON_GRADIENTS else ("pixels",)


def choices(method: str) -> dict[str, str]:
    """The choices of an Experiment that make a method: `knn@codes` is kNN on learned codes.

    For what is trained, `encoder` gives one choice more, its network.

    Raises:
        ValueError: there is no such method.
    """
    name, at, seen = method.partition("@")
    seen = seen if at else "pixels"
    if name in names("objectives", "OBJECTIVES") and seen in features(name):
        return {"detector": "deep", "objective": name}
    if name in names("estimators", "ESTIMATORS") and seen in features(name):
        return {"detector": "shallow", "estimator": name, "features": seen}
    if name in names("detectors", "DETECTORS") and name not in ("deep", "shallow") and not at:
        return {"detector": name}
    raise ValueError(
        f"There is no method {method!r}; choose from {', '.join(methods())}, the shallow ones also "
        f"as name@{' or name@'.join(FEATURES[1:])}, {' and '.join(ON_GRADIENTS)} "
        "also as name@gradients."
    )


def encoder(method: str, usual: str) -> str:
    """The network for a method on a data set whose usual network is given."""
    name, _, seen = method.partition("@")
    if name in ON_GRADIENTS and seen == "gradients":
        return "gradients-32" if usual == "cifar-lenet" else "gradients-28"
    return ENCODER_OF.get((method, usual), usual)


def schedule(name: str, method: str) -> dict[str, object]:
    """The choices of a named schedule, for a method. Raises KeyError when there is none."""
    usual = SCHEDULES[name]
    if method in NEEDS_PRETRAINING and not usual["pretrain_epochs"]:
        return {**usual, **SHORT_PRETRAINING}
    return dict(usual)

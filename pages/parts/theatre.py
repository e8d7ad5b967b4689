"""The training theatre: how the points moved, from before training to the last epoch."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import figures, products
from pages.parts import served, spheres, waiting
from pages.parts.components import component
from pages.parts.frame import plain
from pages.parts.space import MARKUP
from pages.parts.subject import Subject

_theatre = component(
    "theatre",
    f"""
<div class="theatre">
  <div class="frame" role="status"></div>
  <div class="controls">
    <button class="play">Play</button>
    <input type="range" min="0" step="1" aria-label="Epoch">
  </div>
  {MARKUP}
</div>
""",
    styles=("map", "theatre"),
)


def show(subject: Subject) -> None:
    """The recording that was made while this model was trained, where there is one."""
    named = {"model": subject.entry.name, "digest": subject.entry.digest}
    try:
        recording = waiting.stored(products.file_name("theatre", named))
    except LookupError:
        st.info(
            "There is no recording of this model's training; models with a sphere that are "
            "trained here epoch by epoch have one."
        )
        return
    count = len(recording["rows"])
    experiment = subject.entry.header["experiment"]
    version = subject.entry.fingerprints.get(experiment["dataset"])
    is_own = subject.dataset == experiment["dataset"]
    shown = is_own and subject.parameters["fingerprint"] == version
    _theatre(key="theatre", data=_data(subject, recording, named, shown))
    if is_own and not shown:
        why = "is not the same as" if version else "is not known to be the same as"
        st.caption(
            f"{plain(subject.dataset)} {why} when this model was trained, so the points have no "
            "pictures."
        )
    spheres.show_radii(recording)
    st.caption(
        f"{count:,} test images of {experiment['dataset']}. One projection, fitted on the "
        "last epoch, shows all epochs; distances to the cross are exact, in units of the last "
        "radius."
    )


def _data(
    subject: Subject, recording: products.Arrays, named: dict[str, str], with_pictures: bool
) -> dict[str, object]:
    """What the component is told."""
    names = recording["names"].tobytes().decode().splitlines()
    truth = recording["is_anomaly"].astype(bool)
    groups = figures.groups(truth, len(truth))
    return {
        "view": served.array_address("theatre", named),
        "arrays": served.array_address("theatre", named),
        "tensor": "coordinates",
        "kind": "radial",
        "label": f"Radial map of {len(truth)} test images, epoch by epoch.",
        "dials": None,
        "colours": {
            "groups": [{"name": f"{n} ({len(r):,})", "colour": c} for n, c, r in groups],
            "sphere": figures.SPHERE,
        },
        "legend": {"line": "hypersphere of the epoch, in units R of the last radius"},
        "frames": [
            {"name": name, "text": _text(recording, k), "radius": _radius(recording, k)}
            for k, name in enumerate(names)
        ],
        "names": subject.entry.header["provenance"]["class_names"],
        "rows": recording["rows"].tolist(),
        "pictures": served.image_sheets(
            {**subject.parameters, "split": "test"}, subject.images.shape[1:]
        )
        if with_pictures
        else None,
        "heatmaps": None,
        "threshold": subject.threshold,
        "selection": "",
        "focus": None,
    }


def _text(recording: products.Arrays, frame: int) -> str:
    """Loss, radius and AUROC of a frame, where they are defined."""
    shown = (
        ("loss", "losses", "{:.4g}"),
        ("radius", "radii", "{:.3g} R"),
        ("AUROC", "aurocs", "{:.1%}"),
    )
    values = [(word, float(recording[name][frame]), form) for word, name, form in shown]
    return ", ".join(f"{word} {form.format(v)}" for word, v, form in values if v == v)


def _radius(recording: products.Arrays, frame: int) -> float:
    radius = float(recording["radii"][frame])
    return radius if radius == radius else 0.0

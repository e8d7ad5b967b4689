"""Under each method: whether its maps can be trusted, measured in the background."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from deepsvdd_core import corruptions, figures, jobs
from deepsvdd_core.products import Arrays
from pages.parts import heatmaps, waiting
from pages.parts.frame import NO_BAR
from pages.parts.subject import Subject, choose

MIXED = "three kinds"
COLUMNS = {
    name: st.column_config.NumberColumn(format=form)
    for name, form in (
        ("area", "%.2f"),
        ("random order", "%.2f"),
        ("share of random", "%.0f %%"),
        ("likeness to random weights", "%.2f"),
    )
}
DEFINITIONS = """
**Conservation.** Sum of the map + what the constants of the model took = score. Biases, batch norm,
the centre or the reference image take a part of the score that belongs to no pixel. Only methods
with such an account have this line. It proves little alone: a map may sum to the score and be
garbage.

**Largest pixel.** The largest |relevance| of one pixel in units of the score, or of the part the
map explains if that is larger; the worst of all judged images. More than 1 means that huge values
cancel each other.

**Deletion.** Normal test images are spoilt, then restored pixel by pixel to the clean original, the
most relevant first, up to half of the pixels. The area under the falling excess score; lower is
better. A map must clearly beat a random order: at most 0.8 of its area.

**Random weights.** Rank correlation with the maps of the same network with new random weights in
all layers. A map that hardly changes shows the image, not what was learned; at most 0.5.

**Pixel AUROC**, where the data set has masks: how well relevance ranks marked above unmarked
pixels. *Pooled*: one curve over the pixels of all test images, those without anomaly included.
*Mean*: of one curve per image with an anomaly. 50 % is chance.
"""


def show(subject: Subject, row: int, methods: list[str], *, has_masks: bool) -> None:
    """One column per method, as wide as those of the maps, and their ranking.

    row: the image whose conservation is told.
    """
    left, *columns = heatmaps.columns("bench-verdicts", 1 + len(methods))
    with left:
        st.markdown("**Can it be trusted?**")
        local = corruptions.LOCAL[subject.images.shape[1]]
        kind = choose("judged", "Judged on anomalies by", [MIXED, *local], MIXED)
        kinds = list(local) if kind == MIXED else [kind]
        with st.popover("What this means"):
            st.markdown(DEFINITIONS)
    asked = {m: {**subject.parameters, "explainer": m} for m in methods}
    verdicts = {}
    for column, (method, about) in zip(columns, asked.items(), strict=True):
        with column:
            st.markdown(f"**{method}**")
            _conservation(waiting.glance("explain", {**about, "index": row}), row)
            judged = _answer("judge", f"Judging {method}", {**about, "corruptions": kinds})
            if judged is not None:
                verdicts[method] = judged
                _verdict(method, judged)
            if has_masks:
                _localisation(_answer("localise", f"Comparing {method} with masks", about))
    if len(verdicts) > 1:
        _ranking(verdicts)


def ranked(verdicts: dict[str, Arrays]) -> pd.DataFrame:
    """A line per method, sound ones first, then by deletion area in units of a random order's.

    verdicts: what `honesty.judge` found, by method.
    """
    lines = [
        {
            "method": method,
            "area": float(judged["area"]),
            "random order": float(judged["random_area"]),
            "share of random": 100 * float(judged["area"] / judged["random_area"]),
            "likeness to random weights": round(float(judged["likeness"]), 2) + 0.0,  # no -0
            "verdict": "sound" if judged["is_sound"] else badge(judged),
        }
        for method, judged in sorted(verdicts.items(), key=lambda item: _rank(item[1]))
    ]
    return pd.DataFrame(lines)


def _rank(judged: Arrays) -> tuple[bool, float]:
    return not judged["is_sound"], float(judged["area"] / judged["random_area"])


def badge(judged: Arrays) -> str:
    """The verdict in one sentence."""
    return judged["badge"].tobytes().decode()


def _ranking(verdicts: dict[str, Arrays]) -> None:
    st.markdown("**Ranked by the honesty row**")
    st.dataframe(
        ranked(verdicts),
        hide_index=True,
        height="content",
        column_config=COLUMNS,
        placeholder="not defined",
        key="ranking-of-methods",
        alt="Methods, sound ones first, by their deletion area relative to a random order.",
    )
    st.caption(
        "Sound methods stand first, and of these the one whose most relevant pixels, restored "
        "first, take away the excess score fastest. At 100 % of a random order a map says nothing; "
        "sound needs at most 80 %."
    )


def _answer(kind: str, text: str, asked: dict[str, object]) -> Arrays | None:
    answer = waiting.glance(kind, asked)
    if not isinstance(answer, jobs.Job):
        return answer
    if answer.is_active:
        waiting.follow(answer.id, text, is_narrow=True)
    else:
        waiting.explain_end(answer)
    return None


def _conservation(found: Arrays | jobs.Job, row: int) -> None:
    if isinstance(found, jobs.Job):
        return
    if "constants" not in found:
        st.caption("No account: its sum has no meaning.")
        return
    total, constants = found["relevance"].sum(dtype=np.float64), float(found["constants"])
    st.caption(
        f"Image {row}: sum {total:.4g} + constants {constants:.4g} = {total + constants:.4g}; "
        f"score {float(found['score']):.4g}."
    )


def _verdict(method: str, judged: Arrays) -> None:
    sign = ":green[:material/check_circle:]" if judged["is_sound"] else ":red[:material/warning:]"
    st.markdown(f"{sign} {badge(judged)}")
    said = [
        f"Deletion area {judged['area']:.2f}, random order {judged['random_area']:.2f}",
        *_known("Largest pixel {:.2g} of the score", judged["peak"]),
        *_known("Likeness to random weights {:z.2f}", judged["likeness"]),
        f"{int(judged['count'])} spoilt images",
    ]
    st.caption("; ".join(said) + ".")
    curve = st.popover("Deletion curve", on_change="rerun", key=f"curve-{method}")
    if curve.open:
        curve.plotly_chart(
            figures.deletion_curves(judged["shares"], judged["curves"]),
            config=NO_BAR,
            alt=f"Deletion curve of {method} and of a random order",
            key=f"deletion-{method}",
        )


def _localisation(found: Arrays | None) -> None:
    if found is None:
        return
    said = [
        *_known("pooled {:.1%}", found["pooled"]),
        *_known("mean per image {:.1%}", found["mean"]),
    ]
    st.caption(
        f"Pixel AUROC against {int(found['count'])} masks: {', '.join(said) or 'not defined'}."
    )


def _known(form: str, value: np.ndarray) -> list[str]:
    return [] if np.isnan(value) else [form.format(float(value))]

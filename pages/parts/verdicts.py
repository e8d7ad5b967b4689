"""Under each method: whether its maps can be trusted, measured in the background."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from deepsvdd_core import corruptions, figures, jobs
from deepsvdd_core.products import Arrays
from pages.parts import account, heatmaps, waiting
from pages.parts.frame import NO_BAR
from pages.parts.subject import Subject, choose
from pages.parts.waiting import Asked

REAL = "real anomalies, by their masks"
MIXED = "three kinds"
PERCENT = st.column_config.NumberColumn(format="%.1f %%")
COLUMNS = {
    "AUROC of pixels": PERCENT,
    "share of random": PERCENT,
    "from": PERCENT,
    "to": PERCENT,
    "likeness to random weights": st.column_config.NumberColumn(format="%.2f"),
}
LEVELS = {"better": "better than random", "weak": "weak", "random": "no better than random"}
SIGNS = {
    "better": ":green[:material/check_circle:]",
    "weak": ":orange[:material/error:]",
    "random": ":red[:material/warning:]",
}
DEFINITIONS = """
**Conservation.** Sum of the map + what the constants of the model took = score. Biases, batch norm,
the centre or the reference image take a part of the score that belongs to no pixel. Only methods
with such an account have this line. It proves little alone: a map may sum to the score and be
garbage.

**Largest pixel.** The largest |relevance| of one pixel in units of the score, or of the part the
map explains if that is larger; the worst of all judged images. More than 1 means that huge values
cancel each other.

**Real anomalies.** Where the test images come with masks, these decide: how well relevance ranks
the marked above the other pixels of an image, as the mean AUROC over images with an anomaly. A
random map has 50 %. *Better*: the whole 95 % interval (Student's t over images) is at least 60 %.
*Weak*: it is above 50 %. Else *no better than random*, or worse where it is below 50 %. *Pooled*:
one curve over the pixels of all test images, those without anomaly included.

**Deletion.** Normal test images are spoilt, then restored pixel by pixel to the clean original, the
most relevant first, up to half of the pixels. The area under the falling excess score, in units of
what random orders leave; lower is better. *Better*: the whole 95 % interval over images is at most
80 %. *Weak*: it is below 100 %. Else *no better than random*, or worse where it is above 100 %.

**Random weights.** Rank correlation with the maps of the same network with new random weights in
all layers. A map that hardly changes shows the image, not what was learned; at most 0.5.
"""


def show(
    subject: Subject,
    rows: list[int],
    methods: list[str],
    answers: dict[tuple[str, int], Arrays | jobs.Job],
    *,
    has_masks: bool,
) -> None:
    """One column per method, as wide as those of the maps, and their ranking.

    answers: the maps, by method and row.
    """
    left, *columns = heatmaps.columns("bench-verdicts", 1 + len(methods))
    with left:
        st.markdown("**Can it be trusted?**")
        local = corruptions.LOCAL[subject.images.shape[1]]
        options = [*([REAL] if has_masks else []), MIXED, *local]
        kind = choose("judged", "Judged on anomalies by", options, options[0])
        kinds = list(local) if kind == MIXED else [kind]
        with st.popover("What this means"):
            st.markdown(DEFINITIONS)
    asked = {m: {**subject.parameters, "explainer": m} for m in methods}
    masked, spoilt = {}, {}
    for column, (method, about) in zip(columns, asked.items(), strict=True):
        with column:
            st.markdown(f"**{method}**")
            _conservation(method, rows, answers)
            if has_masks:
                localise = Asked("localise", about, len(subject.scores), method)
                found = _answer(localise, f"Comparing {method} with masks")
                if found is not None:
                    masked[method] = found
                    _real(found)
            if kind != REAL:
                judge = Asked("judge", {**about, "corruptions": kinds}, of=method)
                judged = _answer(judge, f"Judging {method}")
                if judged is not None:
                    spoilt[method] = judged
                    _spoilt(method, judged)
    if max(len(masked), len(spoilt)) > 1:
        _ranking(masked, spoilt)


def ranked(masked: dict[str, Arrays], spoilt: dict[str, Arrays]) -> pd.DataFrame:
    """A line per method, the best first: by masks of real anomalies where there are any.

    Without masks, methods without faults stand first, then the level decides, then the area. masked
    and spoilt: what `honesty.judge_masked` and `honesty.judge` found, by method.
    """
    lines = []
    for method, found in (masked or spoilt).items():
        value = 100 * float(found["found"])
        level, faults = _text(found["level"]), _text(found["faults"])
        place = list(LEVELS).index(level)
        lines.append(
            {
                "method": method,
                "verdict": LEVELS[level] + (", with faults" if faults else ""),
                ("AUROC of pixels" if masked else "share of random"): value,
                "from": 100 * float(found["low"]),
                "to": 100 * float(found["high"]),
                "likeness to random weights": round(float(found["likeness"]), 2) + 0.0,  # no -0
                "order": (place, -value) if masked else (bool(faults), place, value),
            }
        )
    lines.sort(key=lambda line: line.pop("order"))
    return pd.DataFrame(lines)


def badge(judged: Arrays) -> str:
    """The verdict in one sentence."""
    return _text(judged["badge"])


def _text(array: np.ndarray) -> str:
    return array.tobytes().decode()


def _ranking(masked: dict[str, Arrays], spoilt: dict[str, Arrays]) -> None:
    st.markdown("**Ranked by the honesty row**")
    st.dataframe(
        ranked(masked, spoilt),
        hide_index=True,
        height="content",
        column_config=COLUMNS,
        placeholder="not defined",
        key="ranking-of-methods",
        alt="Methods, the best first, with what decides and its 95 % interval.",
    )
    if masked:
        st.caption(
            "By level, then by the mean AUROC with which relevance ranks the pixels of real "
            "anomalies, and its 95 % interval; a random map has 50 %."
        )
        return
    st.caption(
        "Methods without faults stand first, then the level decides, then the area that the most "
        "relevant pixels, restored first, leave, in per cent of that of random orders, with its "
        "95 % interval. These anomalies are made; masks of real ones would decide instead."
    )


def _answer(asked: Asked, text: str) -> Arrays | None:
    if not waiting.are_wanted([asked], text):
        return None
    answer = waiting.glance(asked)
    if not isinstance(answer, jobs.Job):
        return answer
    if answer.is_active:
        waiting.follow(answer.id, text, is_narrow=True)
    else:
        waiting.explain_end(answer)
    return None


def _conservation(
    method: str, rows: list[int], answers: dict[tuple[str, int], Arrays | jobs.Job]
) -> None:
    """What the pixels of each map explain of its score; once, where there is no account."""
    for row in rows:
        found = answers[method, row]
        if isinstance(found, jobs.Job):
            continue
        account.show(found)
        if "constants" not in found:
            return
        total, constants = found["relevance"].sum(dtype=np.float64), float(found["constants"])
        st.caption(
            f"Image {row}: sum {total:.4g} + constants {constants:.4g} = {total + constants:.4g}; "
            f"score {float(found['score']):.4g}."
        )


def _sign(found: Arrays) -> str:
    """Green, orange or red; a fault takes the green away."""
    level = _text(found["level"])
    return SIGNS["weak" if level == "better" and len(found["faults"]) else level]


def _real(found: Arrays) -> None:
    """The verdict by masks of real anomalies."""
    st.markdown(f"{_sign(found)} {badge(found)}")
    said = [
        f"Pixel AUROC against {int(found['count'])} masks: mean per image {found['found']:.1%}",
        *_known("pooled {:.1%}", found["pooled"]),
        *_known("largest pixel {:.2g} of the score", found["peak"]),
        *_known("likeness to random weights {:z.2f}", found["likeness"]),
    ]
    st.caption("; ".join(said) + ".")


def _spoilt(method: str, judged: Arrays) -> None:
    """The verdict on spoilt images."""
    st.markdown(f"{_sign(judged)} {badge(judged)}")
    said = [
        f"Deletion area {judged['area']:.2f}, random orders {judged['random_area']:.2f}",
        *_known("largest pixel {:.2g} of the score", judged["peak"]),
        *_known("likeness to random weights {:z.2f}", judged["likeness"]),
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


def _known(form: str, value: np.ndarray) -> list[str]:
    return [] if np.isnan(value) else [form.format(float(value))]

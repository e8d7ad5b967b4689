"""Guess where a model looks, and check."""

from __future__ import annotations

import base64

import numpy as np
import streamlit as st

from deepsvdd_core import selection
from deepsvdd_core.corruptions import CORRUPTIONS
from deepsvdd_core.products import Arrays
from pages.parts import account, card, gallery, laboratory, link, state, waiting
from pages.parts.components import component
from pages.parts.subject import Subject, choose

AS_IT_IS = "as it is"
OFFERED = 12  # images
VISIBLE = 40  # grey levels a stroke must add to count
# Colours of pixels: in neither, guessed alone, found alone, in both.
COLOURS = np.array([[28, 40, 48], [58, 124, 165], [217, 119, 43], [255, 255, 255]], np.uint8)

_pad = component(
    "guess",
    '<div class="pad"><canvas tabindex="0" aria-label="Draw where the model looks; Shift erases; '
    'arrow keys draw"></canvas><div class="row"><button data-do="place">Check my guess</button>'
    '<button data-do="erase">Begin again</button></div></div>',
    ("pad",),
)


def show(subject: Subject) -> None:
    """Choose an image, draw on it, and see how much of the relevance was guessed."""
    channels, height, width = subject.images.shape[1:]
    if channels > 1 or height != width:
        st.info("Guesses are drawn on square grey images; choose a grey data set.")
        return
    ordered = np.argsort(-subject.scores, kind="stable")
    row = state.focus(subject)
    row = int(ordered[0]) if row is None else row
    picked = gallery.show(
        subject, ordered[:OFFERED], subject.threshold, key="guess-images", current=row
    )
    if picked is not None and picked != row:
        state.focus_on(subject, picked)
        st.rerun()
    artefact = subject.entry.header["experiment"].get("artefact")
    spoil = choose(
        "spoil",
        "Show the image",
        [AS_IT_IS, *CORRUPTIONS],
        artefact or AS_IT_IS,
        lambda name: name if name == AS_IT_IS else f"with {name}",
        help="Spoilt or marked images have a true place of the anomaly to compare with.",
    )
    image = subject.images[row : row + 1]
    if spoil != AS_IT_IS:
        image = CORRUPTIONS[spoil](image, seed=row).images
    left, right = st.columns([1, 2])
    with left:
        drawn = _drawn(image[0], f"{row}-{spoil}")
    if drawn is None:
        right.caption(
            f"Image {row}, shown at half its brightness: draw over it in white where you think the "
            "model looks, then press *Check my guess*."
        )
        return
    corruption = "" if spoil == AS_IT_IS else spoil
    with right:
        found = waiting.result(
            "guess",
            "Explaining the image",
            **subject.parameters,
            index=row,
            corruption=corruption,
            drawn=drawn,
        )
        if found is not None:
            guessed = selection.unpacked(drawn, image.size).reshape(height, width)
            _compare(found, guessed, subject.explainer)


def _drawn(image: np.ndarray, about: str) -> str | None:
    """The guessed pixels of an image (1, H, W) as text; it stands in the link with its image."""
    dim = image // 2
    side = image.shape[-1]

    def checked() -> None:
        text = st.session_state["guess-pad"].drawn
        if text is None:
            return
        pixels = np.frombuffer(base64.b64decode(text), np.uint8)
        if pixels.size == image.size:
            chosen = pixels.astype(int) - dim.ravel() > VISIBLE
            link.remember("guess", f"{about}:{selection.packed(chosen) or ''}")

    start = base64.b64encode(dim.tobytes()).decode()
    _pad(key="guess-pad", data={"side": side, "start": start}, on_drawn_change=checked)
    owner, colon, text = (link.recall("guess") or "").rpartition(":")
    if not colon or owner != about:
        return None
    try:
        chosen = selection.unpacked(text, image.size)
    except ValueError:
        st.warning("The guess in this link is damaged; draw a new one.")
        return None
    if not chosen.any():
        st.warning("Nothing is drawn yet; draw where you think the model looks.")
        return None
    return text


def _compare(found: Arrays, guessed: np.ndarray, explainer: str) -> None:
    limit = laboratory.limit_of(found["relevance"])
    columns = st.columns(3)
    laboratory.relevance(columns[0], found["relevance"], limit, f"relevance by {explainer}")
    with columns[0]:
        account.show(found)
    _both(columns[1], guessed, found["strongest"].astype(bool), "guess and model")
    area, covered = float(found["area"]), float(found["covered"])
    st.markdown(
        f"Your guess covers **{covered:.0%}** of the positive relevance with {area:.0%} of the "
        f"area, {covered / area:.1f} times what a blind guess would. Overlap with where half of it "
        f"lies: **{float(found['overlap']):.0%}** (intersection over union)."
    )
    if "truth" in found:
        _both(columns[2], guessed, found["truth"].astype(bool), "guess and truth")
        held, true_area = float(found["true_covered"]), float(found["true_area"])
        st.markdown(
            f"Your guess overlaps the true place by **{float(found['true_overlap']):.0%}**. The "
            f"model has **{held:.0%}** of its positive relevance there, on {true_area:.0%} of the "
            "area."
        )
    st.caption(
        "Blue: guessed alone. Orange: the fewest pixels with half of the positive relevance, or "
        "the true change, alone. White: both."
    )
    laboratory.scale(limit, explainer)


def _both(column: object, guessed: np.ndarray, other: np.ndarray, caption: str) -> None:
    colours = COLOURS[guessed + 2 * other].transpose(2, 0, 1)
    column.image(
        card.enlarged(colours), width=laboratory.WIDTH, output_format="PNG", caption=caption
    )

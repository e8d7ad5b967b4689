"""Is a model right for the wrong reason? Five steps from suspicion to remedy."""

from __future__ import annotations

from pages.parts import (
    frame,
    guessing,
    laboratory,
    masked,
    planting,
    reasons,
    remedy,
    removing,
    ways,
)
from pages.parts.subject import choose_subject

frame.heading(
    "Clever Hans",
    "A horse that seemed to count watched its owner's face. Find out whether a model, too, is "
    "right for the wrong reason: measure it, plant a wrong reason yourself, find it, remove it.",
)
subject = choose_subject()

laboratory.step(
    "table",
    "1 · Is it right for the right reason?",
    "Spoil normal images in fifteen ways, and compare how well the model finds these with how well "
    "its relevance maps show where.",
    lambda: reasons.show(subject),
)
laboratory.step(
    "ways",
    "2 · In how many ways does it decide?",
    "Choose a class, and see into how many kinds its relevance maps fall.",
    lambda: ways.show(subject),
)
laboratory.step(
    "plant",
    "3 · Plant a wrong reason and find it again",
    "Put a mark on some normal training images, train, and see whether the maps betray it.",
    lambda: planting.show(subject),
)
laboratory.step(
    "remove",
    "4 · Remove the mark",
    "Take the mark away from images that carry it, and see what it was worth in score and place.",
    removing.show,
)
laboratory.step(
    "guess",
    "5 · Guess and check",
    "Draw on an image where you think the model looks, then compare with where it does.",
    lambda: guessing.show(subject),
)
laboratory.step(
    "remedy",
    "Remedy · Ask several models",
    "Train three models that differ in structure on the same images, and see whether their "
    "ensemble is more often right for the right reason.",
    lambda: remedy.show(subject),
)
laboratory.step(
    "masks",
    "Remedy · Show where",
    "Train FCDD on spoilt images, with and without masks of what was spoilt, and see whether masks "
    "teach it to look there.",
    lambda: masked.show(subject),
)

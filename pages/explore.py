"""See where a model puts the images of a data set."""

from __future__ import annotations

from pages.parts import frame, workspace
from pages.parts.subject import choose_subject

frame.heading(
    "Explore",
    "See where a model puts images: the hypersphere, what falls outside, and every image from the "
    "most normal to the strangest.",
)
workspace.show(choose_subject())

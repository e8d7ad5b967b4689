"""How long work tells how far it is, and hears that it should stop."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]  # a sentence and the fraction done
OnStep = Callable[[], None]  # called often; may raise to stop


def silent(text: str, fraction: float) -> None:
    """The default `Progress`: nobody listens."""


def nothing() -> None:
    """The default `OnStep`: a step goes by unnoticed."""

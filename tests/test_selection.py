import numpy as np
import pytest

from deepsvdd_core import selection


@pytest.mark.parametrize("count", [1, 7, 8, 1000, 70_000])
def test_a_selection_survives_a_trip_through_a_link(count):
    chosen = np.random.default_rng(count).random(count) < 0.3
    chosen[0] = True
    text = selection.packed(chosen)
    assert np.array_equal(selection.unpacked(text, count), chosen)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert len(text) < 13_000  # servers accept links of some 16,000 characters


def test_nothing_selected_needs_no_text():
    assert selection.packed(np.zeros(5, bool)) is None
    assert not selection.unpacked(None, 5).any()


@pytest.mark.parametrize("text", ["x", "eNo", "!!!", "ü", "eJwDAAAAAAE", "a" * 5000])
def test_a_damaged_selection_gets_a_sentence(text):
    with pytest.raises(ValueError, match="The selection in this link"):
        selection.unpacked(text, 100)


def test_a_selection_of_other_images_gets_a_sentence():
    with pytest.raises(ValueError, match="belongs to other images"):
        selection.unpacked(selection.packed(np.ones(100, bool)), 1000)

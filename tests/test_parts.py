"""What pages compute themselves: thresholds and rankings."""

import numpy as np
import pytest

from pages.parts import heatmaps, ladder, threshold, versus


def test_the_ladder_goes_up_down_or_away_from_the_border():
    scores = np.array([3.0, 1.0, 2.0, 1.0])
    rows = np.arange(4)
    assert ladder.ranking(scores, rows, "strange", 0).tolist() == [0, 2, 1, 3]
    assert ladder.ranking(scores, rows, "normal", 0).tolist() == [1, 3, 2, 0]
    assert ladder.ranking(scores, rows, "border", 2.1).tolist() == [2, 0, 1, 3]


@pytest.mark.parametrize("scores", [[0.0, 0.5, 3.0], [1.0, 1.0], [-2.0], [-3.0, -2.0, 1e6]])
@pytest.mark.parametrize("limit", [-5.0, 1.0, 40.0])
def test_every_score_and_the_threshold_have_a_bin(scores, limit):
    scores = np.array(scores)
    edges = threshold.bin_edges(scores, limit)
    assert (np.diff(edges) > 0).all()
    assert edges[0] <= limit <= edges[-1] and edges[0] <= scores.min()


def test_a_rank_is_the_share_of_images_that_are_less_strange():
    assert versus.ranks(np.array([5.0, 1.0, 3.0, 3.0])).tolist() == [0.75, 0.0, 0.25, 0.25]


def test_numbers_of_a_map_that_holds_none_are_said_to_be_none():
    relevance = np.array([[np.nan, -3.0], [np.inf, 1.0]])
    assert "not a number" in heatmaps.note(relevance)
    assert heatmaps.greatest(relevance) == 3
    assert heatmaps.greatest(np.full((1, 1), np.nan)) == 0
    assert "sum 5" in heatmaps.note(np.array([[5.0]]))

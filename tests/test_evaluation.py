import numpy as np
import pytest

from deepsvdd_core.evaluation import auroc, average_precision, evaluate, upper_quantile

SCORES = np.array([0.1, 0.4, 0.35, 0.8])
TRUTH = np.array([False, False, True, True])


def test_figures_agree_with_a_count_by_hand():
    result = evaluate(SCORES, TRUTH, threshold=0.35)
    assert result.auroc == 3 / 4  # of four pairs one is in the wrong order
    assert result.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert result.confusion == (1, 1, 1, 1)  # a score equal to the threshold is not above it


@pytest.mark.parametrize("truth", [np.zeros(4, bool), np.ones(4, bool)])
def test_with_one_class_alone_nothing_is_claimed(truth):
    assert auroc(SCORES, truth) is None
    assert average_precision(SCORES, truth) is None


def test_a_score_that_is_not_a_number_is_named():
    with pytest.raises(ValueError, match="score of image 1 is not a finite number"):
        auroc(np.array([0.0, np.nan, 1.0, 2.0]), TRUTH)


@pytest.mark.parametrize("count", [2, 3, 10, 101, 6742])
@pytest.mark.parametrize("nu", [0.001, 0.01, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("ties", [False, True])
def test_at_most_nu_lie_above_the_upper_quantile_and_not_one_more_would_fit(count, nu, ties):
    values = np.random.default_rng(count).normal(size=count)
    values = np.round(values) if ties else values
    quantile = upper_quantile(values, nu)
    assert quantile in values
    assert (values > quantile).mean() <= nu + 1e-12
    if not ties and quantile > values.min():
        assert (values >= quantile).mean() > nu - 1e-12

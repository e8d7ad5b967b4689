import numpy as np
import pytest

from deepsvdd_core.evaluation import (
    ROUNDING,
    Confusion,
    auroc,
    average_precision,
    confusion,
    evaluate,
    quantiles,
    threshold_for_f1,
    upper_quantile,
    upper_threshold,
)

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


@pytest.mark.parametrize("nu", [0.001, 0.01, 0.1, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("digits", [0, 2, 12])
@pytest.mark.parametrize("size", [1e-6, 1, 1e6])
@pytest.mark.parametrize("shift", [0, -5])
def test_a_threshold_keeps_its_promise_however_scores_are_rounded(nu, digits, size, shift):
    rng = np.random.default_rng(digits)
    scores = (np.round(rng.normal(size=501), digits) + shift) * size
    threshold = upper_threshold(scores, nu)
    flagged = scores > threshold
    assert flagged.mean() <= nu
    noise = rng.uniform(-1, 1, 501) * 0.1 * ROUNDING * np.abs(scores)
    assert np.array_equal(scores + noise > threshold, flagged)
    assert np.array_equal(scores > upper_threshold(scores + noise, nu), flagged)
    if digits == 12 and nu < 1:
        assert flagged.mean() > nu - 1 / 501


@pytest.mark.parametrize(
    ("scores", "nu", "expected"),
    [
        ([1, 2, 3, 4], 0.25, 3.5),
        ([1, 2, 3, 4], 0.49, 3.5),
        ([1, 2, 3, 4], 1, 1.5),
        ([1, 3, 3 + 1e-12, 3, 4], 0.4, 3.5),  # the three of them are one score
        ([-4, -1e-11, 0, 1e-11, 2], 0.4, 1),  # and these, where scores are as large as 4
        ([0, 0, 0], 0.1, 0),
        ([1, 2], 0, 2 * (1 + ROUNDING)),
        ([5, 1e9], 0.5, (5 + 1e9) / 2),  # a stranger by far is not what rounding is measured by
    ],
)
def test_thresholds_by_hand(scores, nu, expected):
    assert upper_threshold(np.array(scores), nu) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 99, 100, 101, 1000, 6742])
def test_quantiles_are_thresholds_in_percent(count):
    scores = np.random.default_rng(count).normal(size=count)
    expected = [upper_threshold(scores, (100 - p) / 100) for p in range(101)]
    assert np.array_equal(quantiles(scores), expected)
    for percent, threshold in enumerate(quantiles(scores)):
        assert (scores <= threshold).mean() >= percent / 100


def test_quantiles_by_hand():
    scores = np.array([4.0, 1.0, 3.0, 2.0])
    assert quantiles(scores)[[76, 75, 50, 26, 25, 0]] == pytest.approx(
        [4, 3.5, 2.5, 2.5, 1.5, 1.5], rel=2 * ROUNDING
    )
    assert quantiles(scores)[100] > 4


def test_quantiles_of_nothing_are_refused():
    with pytest.raises(ValueError, match="score at least one image"):
        quantiles(np.empty(0))


def test_rates_by_hand():
    counts = Confusion(true_positives=6, false_positives=2, false_negatives=4, true_negatives=8)
    assert (counts.precision, counts.recall, counts.false_alarm_rate) == (0.75, 0.6, 0.2)
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    assert Confusion(0, 0, 0, 5).precision is None
    assert Confusion(0, 0, 0, 5).recall is None
    assert Confusion(0, 0, 0, 5).f1 is None
    assert Confusion(5, 0, 0, 0).false_alarm_rate is None


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("digits", [0, 1, 8])
def test_no_threshold_has_a_better_f1(seed, digits):
    rng = np.random.default_rng(seed)
    is_anomaly = rng.random(60) < rng.uniform(0.1, 0.9)
    scores = np.round(rng.normal(size=60) + is_anomaly, digits)
    candidates = [scores.min() - 1, *np.unique(scores)]
    best = max(confusion(scores, is_anomaly, t).f1 for t in candidates)
    threshold = threshold_for_f1(scores, is_anomaly)
    assert confusion(scores, is_anomaly, threshold).f1 == best
    assert all(confusion(scores, is_anomaly, t).f1 < best for t in candidates if t > threshold)


def test_the_best_f1_may_flag_everything_or_not_exist():
    scores = np.array([1.0, 1.0, 2.0])
    assert threshold_for_f1(scores, np.ones(3, bool)) < 1
    assert threshold_for_f1(scores, np.zeros(3, bool)) is None
    assert threshold_for_f1(scores, np.array([False, False, True])) == 1.5

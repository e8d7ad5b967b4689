import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils.estimator_checks import check_estimator

from deepsvdd_core.estimators import (
    BANDWIDTHS,
    ESTIMATORS,
    WIDTHS,
    KernelDensity,
    KernelReconstruction,
    KNearestNeighbours,
    Mahalanobis,
    OracleSupportVectors,
    Reconstruction,
    SupportVectors,
)
from deepsvdd_core.estimators.kernels import NARROWING

RNG = np.random.default_rng(0)
NORMAL = RNG.normal(size=(300, 4)) * [3, 1, 1, 0.1]
STRANGE = RNG.normal(size=(40, 4)) * [3, 1, 1, 0.1] + [0, 0, 0, 1]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_it_is_a_scikit_learn_estimator(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about tiny or degenerate inputs of the checks
        check_estimator(ESTIMATORS[name]())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_what_is_off_the_distribution_is_strange(name):
    choices = {"kept": 0.99} if name == "pca" else {"components": None}
    fitted = ESTIMATORS[name](**choices).fit(NORMAL)
    fresh = np.random.default_rng(1).normal(size=(300, 4)) * [3, 1, 1, 0.1]
    strangeness = -fitted.score_samples(np.vstack([fresh, STRANGE]))
    least = {"isolation-forest": 0.85, "lof": 0.75, "kde": 0.6, "oc-svm": 0.6, "oc-svm-oracle": 0.6}
    truth = np.repeat([0, 1], [300, 40])
    assert roc_auc_score(truth, strangeness) > least.get(name, 0.9)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("share", [0.05, 0.3])
def test_the_promised_share_of_training_vectors_is_outside(name, share):
    fitted = ESTIMATORS[name](contamination=share).fit(NORMAL)
    outside = (fitted.predict(NORMAL) < 0).mean()
    assert share - 0.02 <= outside <= share


def degenerate():
    """Few vectors, copies, and columns that tell nothing: scores are rounding, or equal."""
    rng = np.random.default_rng(0)
    copies = np.repeat(rng.normal(size=(6, 30)), 4, axis=0)
    flat = np.hstack([rng.normal(size=(20, 2)), np.full((20, 1), 7.0)])
    return {
        "two": rng.normal(size=(2, 3)),
        "fewer than columns": rng.normal(size=(10, 30)),
        "as few as kernel components": rng.normal(size=(20, 3)),
        "copies": copies,
        "copies far away": copies + 1000,
        "many of one": np.vstack([copies[:1]] * 13 + [rng.normal(size=(6, 30))]),
        "a constant column": flat,
        "far away": rng.normal(size=(12, 3)) + 1000,
    }


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("size", [1e-6, 1, 1e6])
@pytest.mark.parametrize("components", [None, 0.95])
def test_what_is_an_outlier_depends_on_its_vector_alone(name, size, components):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about degenerate inputs
        for what, vectors in degenerate().items():
            if (name, what) == ("mve", "many of one"):
                continue  # see below
            X = vectors * size
            fitted = ESTIMATORS[name](components=components).fit(X)
            together = fitted.predict(X)
            assert (together < 0).mean() <= fitted.contamination, what
            order = np.random.default_rng(1).permutation(len(X))
            assert np.array_equal(fitted.predict(X[order]), together[order]), what
            for count in (1, 3):
                starts = range(0, min(len(X), 6), count)
                found = np.concatenate([fitted.predict(X[i : i + count]) for i in starts])
                assert np.array_equal(found, together[: len(found)]), (what, count)


def test_there_is_no_densest_half_where_most_vectors_are_one():
    with pytest.raises(ValueError, match="covariance matrix of the support data is equal to 0"):
        ESTIMATORS["mve"](components=None, support=0.5).fit(degenerate()["many of one"])


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "mve"])
def test_copies_of_one_vector_are_no_outliers(name):
    same = np.repeat(RNG.normal(size=(1, 5)), 12, axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = ESTIMATORS[name]().fit(same)
        assert (fitted.predict(same) > 0).all() and (fitted.predict(same[:1]) > 0).all()


def test_lof_agrees_with_scikit_learn():
    theirs = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(NORMAL)
    ours = ESTIMATORS["lof"](components=None).fit(NORMAL)
    assert np.allclose(ours.score_samples(STRANGE), theirs.score_samples(STRANGE), rtol=1e-9)


def test_oc_svm_scores_as_its_machine_does():
    fitted = SupportVectors(components=None).fit(NORMAL)
    expected = fitted.model_.decision_function(STRANGE)
    assert np.allclose(fitted.score_samples(STRANGE), expected, rtol=1e-9)


def test_the_ellipsoid_does_not_depend_on_the_unit():
    one, other = (ESTIMATORS["mve"]().fit(NORMAL * size) for size in (1, 1e-7))
    assert np.allclose(one.score_samples(STRANGE), other.score_samples(STRANGE * 1e-7), rtol=1e-6)


def test_knn_is_the_mean_of_five_distances():
    train = np.arange(10.0)[:, None]
    fitted = KNearestNeighbours().fit(train)
    assert -fitted.score_samples([[20.0]]) == np.mean([11, 12, 13, 14, 15])


def test_mahalanobis_whitens():
    fitted = Mahalanobis(components=None).fit(NORMAL)
    point = np.array([[3.0, 1.0, 0.0, 0.1]])
    centered = point - NORMAL.mean(axis=0)
    expected = centered @ np.linalg.inv(np.cov(NORMAL.T, bias=True)) @ centered.T
    assert np.allclose(-fitted.score_samples(point), expected)


def test_pca_measures_what_leaves_the_subspace():
    line = np.outer(np.arange(20.0), [1.0, 1.0])
    fitted = Reconstruction().fit(line)
    assert np.allclose(-fitted.score_samples([[3.0, 5.0], [4.0, 4.0]]), [2.0, 0.0])


def test_kde_is_a_normalised_density():
    fitted = KernelDensity(components=None, width=0.7).fit(NORMAL[:2, :2])
    point = np.array([0.3, -0.2])
    density = np.mean([multivariate_normal(v, 0.49 * np.eye(2)).pdf(point) for v in NORMAL[:2, :2]])
    assert np.allclose(fitted.score_samples([point]), np.log(density))


def test_kde_chooses_the_bandwidth_of_the_highest_likelihood():
    wide = RNG.normal(size=(400, 2)) * 10
    chosen = KernelDensity(components=None).fit(wide).chosen()["width"]
    assert chosen in BANDWIDTHS and 2 < chosen < 12


@pytest.mark.parametrize("size", [0.3, 1, 30])
def test_oc_svm_widths_are_consistent_with_its_share(size):
    chosen = SupportVectors(components=None).fit(NORMAL * size).chosen()["width"]
    assert min(NARROWING) < chosen < max(NARROWING)
    usual = SupportVectors(components=None).fit(NORMAL).chosen()["width"]
    assert usual in WIDTHS and 1 / 4 <= chosen * size**2 / usual <= 4


def test_the_oracle_goes_on_where_the_best_width_is_the_last():
    for wanted in (2.0**3, 2.0**-4, 2.0**-14):
        oracle = OracleSupportVectors(components=None)
        oracle.choose_with_labels(NORMAL, lambda tried, w=wanted: -abs(np.log2(tried.width / w)))
        assert oracle.width == wanted


def test_kernel_pca_keeps_a_share_of_the_variance_or_a_number():
    few = RNG.normal(size=(100, 6))
    counts = [KernelReconstruction(components=None, kept=k).fit(few).kept_ for k in (0.5, 0.9, 7)]
    assert 1 < counts[0] < counts[1] < 99 and counts[2] == 7
    fitted = KernelReconstruction(components=None, kept=0.9).fit(few)
    shares = np.cumsum(fitted.model_.eigenvalues_) / fitted.model_.eigenvalues_.sum()
    assert shares[counts[1] - 1] >= 0.9 > shares[counts[1] - 2]


def test_a_ridge_thickens_a_gaussian_in_every_direction():
    flat = np.hstack([NORMAL, NORMAL[:, :1]])  # no variance in one direction
    fitted = Mahalanobis(components=None, ridge=0.5).fit(flat)
    covariance = np.cov(flat.T, bias=True)
    thick = covariance + 0.5 * np.trace(covariance) / 5 * np.eye(5)
    strange = STRANGE[:3] @ np.eye(4, 5)
    away = strange - flat.mean(axis=0)
    expected = (away @ np.linalg.inv(thick) * away).sum(axis=1)
    assert np.allclose(-fitted.score_samples(strange), expected)
    mean, matrix = fitted.whitening()
    assert np.allclose(np.square((strange - mean) @ matrix).sum(axis=1), expected)


def test_kernel_pca_with_all_components_rebuilds_the_training_vectors():
    few = NORMAL[:20]
    fitted = KernelReconstruction(components=None, kept=1.0).fit(few)
    assert np.allclose(fitted.score_samples(few), 0, atol=1e-8)
    assert fitted.score_samples([[50.0, 0, 0, 0]]) < -0.5


@pytest.mark.parametrize("name", ["kde", "oc-svm"])
def test_fitting_again_with_the_chosen_parameters_gives_the_same_scores(name):
    first = ESTIMATORS[name]().fit(NORMAL)
    again = ESTIMATORS[name](**first.chosen()).fit(NORMAL)
    assert np.array_equal(first.score_samples(STRANGE), again.score_samples(STRANGE))

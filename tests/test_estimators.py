import warnings

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import check_estimator

from deepsvdd_core.estimators import (
    BANDWIDTHS,
    ESTIMATORS,
    WIDTHS,
    KernelDensity,
    KernelReconstruction,
    KNearestNeighbours,
    Mahalanobis,
    Reconstruction,
    SupportVectors,
)

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


def test_oc_svm_widths_are_consistent_with_its_share():
    chosen = SupportVectors(components=None).fit(NORMAL).chosen()["width"]
    assert chosen in WIDTHS and chosen > min(WIDTHS)


def test_kernel_pca_with_all_components_rebuilds_the_training_vectors():
    few = NORMAL[:20]
    fitted = KernelReconstruction(components=None).fit(few)
    assert np.allclose(fitted.score_samples(few), 0, atol=1e-8)
    assert fitted.score_samples([[50.0, 0, 0, 0]]) < -0.5


@pytest.mark.parametrize("name", ["kde", "oc-svm"])
def test_fitting_again_with_the_chosen_parameters_gives_the_same_scores(name):
    first = ESTIMATORS[name]().fit(NORMAL)
    again = ESTIMATORS[name](**first.chosen()).fit(NORMAL)
    assert np.array_equal(first.score_samples(STRANGE), again.score_samples(STRANGE))

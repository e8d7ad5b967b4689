import pytest
import torch

from deepsvdd_core.objectives import OBJECTIVES, OneClass, SoftBoundary

CODES = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0], [6.0, 8.0]])
LABELS = torch.zeros(4, dtype=torch.int64)


def at_origin(objective):
    objective.center.zero_()
    return objective


def test_one_class_scores_the_squared_distance():
    objective = at_origin(OneClass(2, nu=0.1))
    assert objective.anomaly_score(CODES).tolist() == [25, 1, 0, 100]
    assert objective(CODES, LABELS) == 126 / 4


def test_soft_boundary_pays_for_radius_and_outside():
    objective = at_origin(SoftBoundary(2, nu=0.5))
    objective.radius.fill_(5.0)
    assert objective.anomaly_score(CODES).tolist() == [0, -24, -25, 75]
    assert objective(CODES, LABELS) == 25 + 75 / 4 / 0.5
    assert objective.threshold == 0


def test_no_coordinate_of_the_centre_is_near_zero():
    objective = OneClass(4, nu=0.1)
    objective.initialise(torch.tensor([[0.05, -0.05, 0.0, 2.0], [0.05, -0.05, 0.0, 4.0]]))
    assert torch.allclose(objective.center, torch.tensor([0.1, -0.1, 0.1, 3.0]))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("nu", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [2, 57, 1000])
def test_at_most_nu_of_the_training_images_lie_outside(name, nu, count):
    codes = torch.randn(count, 8, generator=torch.Generator().manual_seed(count))
    objective = OBJECTIVES[name](8, nu=nu)
    objective.initialise(codes)
    objective.update_radius(codes)
    scores = objective.anomaly_score(codes.double())
    outside = float((scores > objective.threshold).double().mean())
    assert outside <= nu
    assert outside >= nu - 1 / count or nu == 1.0


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("nu", [0.0, -0.1, 1.5, float("nan")])
def test_an_impossible_nu_is_refused(name, nu):
    with pytest.raises(ValueError, match=r"nu must lie in \(0, 1\]"):
        OBJECTIVES[name](2, nu=nu)


def test_soft_boundary_starts_without_a_radius():
    objective = SoftBoundary(2, nu=0.1)
    objective.initialise(CODES)
    assert objective.radius == 0


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_code_farther_from_the_centre_is_stranger(name):
    objective = at_origin(OBJECTIVES[name](2, nu=0.1))
    scores = objective.anomaly_score(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]))
    assert scores.diff().min() > 0

import numpy as np
import pytest
import torch

from deepsvdd_core.experiment import Experiment
from deepsvdd_core.networks import ENCODERS, FullyConvolutional
from deepsvdd_core.objectives import OBJECTIVES

CODES = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 0.0], [6.0, 8.0]])
UNLABELLED = torch.zeros(4, dtype=torch.int64)
LABELLED = torch.tensor([0, 1, 0, -1])
NOTHING = torch.zeros(4, 1, 1, 1)
WITH_RADIUS = ("one-class", "soft-boundary", "multi-sphere", "multi-center", "deep-sad")
RADIAL = ("hsc", "hsc-l1", "hsc-l2", "hsc-squared")


def make(name, dimension=2, **choices):
    return OBJECTIVES[name](dimension, Experiment("a", ("0",), objective=name, **choices))


def at_origin(name, **choices):
    objective = make(name, **choices)
    objective.center.zero_()
    return objective


def test_one_class_scores_the_squared_distance():
    objective = at_origin("one-class")
    assert objective.anomaly_score(CODES).tolist() == [25, 1, 0, 100]
    assert objective(CODES, UNLABELLED, NOTHING) == 126 / 4


def test_soft_boundary_pays_for_radius_and_outside():
    objective = at_origin("soft-boundary", nu=0.5)
    objective.radius.fill_(5.0)
    assert objective.anomaly_score(CODES).tolist() == [0, -24, -25, 75]
    assert objective(CODES, UNLABELLED, NOTHING) == 25 + 75 / 4 / 0.5
    assert objective.threshold == 0


def test_deep_sad_inverts_the_distance_of_known_anomalies():
    objective = at_origin("deep-sad", labelled_weight=2.0)
    expected = (25 + 2 * 1 + 0 + 2 / 100) / 4
    assert float(objective(CODES, LABELLED, NOTHING)) == pytest.approx(expected, rel=1e-5)
    unlabelled = objective(CODES, UNLABELLED, NOTHING)
    assert unlabelled == at_origin("one-class")(CODES, UNLABELLED, NOTHING)


def test_hsc_is_cross_entropy_of_a_radial_probability():
    objective = make("hsc")
    h = np.sqrt(np.array([25, 1, 0, 100]) + 1) - 1
    expected = (h[0] + h[1] + h[2] - np.log(1 - np.exp(-h[3]))) / 4
    assert float(objective(CODES, LABELLED, NOTHING)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hsc", [np.sqrt(26) - 1, np.sqrt(101) - 1]),
        ("hsc-l1", [7, 14]),
        ("hsc-l2", [5, 10]),
        ("hsc-squared", [25, 100]),
    ],
)
def test_the_four_radial_norms(name, expected):
    assert np.allclose(make(name).anomaly_score(CODES[[0, 3]]), expected)


@pytest.mark.parametrize("name", RADIAL)
def test_radial_losses_are_finite_at_both_ends(name):
    far = torch.tensor([[0.0, 0.0], [1e4, 1e4]], requires_grad=True)
    loss = make(name)(far, torch.tensor([-1, -1]), NOTHING[:2])
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(far.grad).all() or name == "hsc-l2"  # a norm has no gradient at 0


@pytest.mark.parametrize("name", ["hsc", "hsc-l2", "hsc-squared"])
def test_the_sphere_of_a_radial_score_is_where_it_equals_the_threshold(name):
    objective = make(name, dimension=8)
    codes = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    scores = objective.anomaly_score(codes.double()).numpy()
    objective.settle(scores, codes)
    norms = np.linalg.norm(codes.double().numpy(), axis=1)
    outside = norms > objective.sphere.radii[0] * (1 + 1e-12)
    assert np.array_equal(outside, scores > objective.threshold)
    assert outside.mean() == 0.1


def test_fcdd_averages_a_radial_score_over_cells():
    cells = torch.tensor([[0.0, np.sqrt(3.0)]])
    assert float(make("fcdd").anomaly_score(cells)) == pytest.approx(0.5)


class Pixelwise(FullyConvolutional):
    """2x2 cells that are pixels."""

    map_shape, receptive_field, stride = (2, 2), 1, 1


def cells(*strangeness):
    """Codes (4,) of an image whose cells have this pseudo-Huber loss."""
    return np.sqrt((np.array(strangeness) + 1) ** 2 - 1)


def masked(monkeypatch):
    monkeypatch.setitem(ENCODERS, "pixelwise", Pixelwise)
    return make("fcdd-masks", 4, encoder="pixelwise")


def test_fcdd_with_masks_pays_inside_and_outside_of_the_mask(monkeypatch):
    codes = torch.tensor(np.stack([cells(1, 0, 2, 0), cells(3, 1, 0, 0), cells(2, 2, 0, 0)]))
    masks = torch.zeros(3, 2, 2, dtype=torch.bool)
    masks[1, 0, 0] = True
    inputs, labels = torch.zeros(3, 1, 2, 2), torch.tensor([0, -1, -1])
    normal, placed, unplaced = 3 / 4, 1 / 4 - np.log(1 - np.exp(-3 / 4)), -np.log(1 - np.exp(-1))
    objective = masked(monkeypatch)
    loss = float(objective(codes.float(), labels, inputs, masks=masks))
    assert loss == pytest.approx((normal + placed + unplaced) / 3, rel=1e-5)
    plain = make("fcdd", 4)(codes.float(), labels, inputs)
    for unknown in (None, torch.zeros_like(masks)):
        assert torch.isclose(objective(codes.float(), labels, inputs, masks=unknown), plain)


def test_a_calm_map_has_a_gradient_with_masks(monkeypatch):
    codes = torch.full((2, 4), 1e-3, requires_grad=True)
    masks = torch.zeros(2, 2, 2, dtype=torch.bool)
    masks[1, 1, 1] = True
    loss = masked(monkeypatch)(codes, torch.tensor([0, -1]), torch.zeros(2, 1, 2, 2), masks=masks)
    loss.backward()
    assert torch.isfinite(codes.grad).all()
    assert codes.grad[1, 3] < 0 < codes.grad[1, :3].min()  # up in the mask, down elsewhere


def test_masks_need_a_network_of_cells():
    with pytest.raises(ValueError, match=r"mnist-lenet has no map of cells.*; choose a network"):
        make("fcdd-masks")


def test_supervised_is_binary_cross_entropy():
    objective = make("supervised")
    torch.nn.init.zeros_(objective.head.weight)
    torch.nn.init.zeros_(objective.head.bias)
    assert objective(CODES, LABELLED, NOTHING).item() == pytest.approx(np.log(2))


def constant_decoder(value):
    return lambda codes: torch.full((len(codes), 1, 2, 2), value)


def test_reconstruction_sums_squared_errors_over_pixels():
    objective = make("reconstruction")
    objective.decoder = constant_decoder(0.5)
    inputs = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2) / 2])
    assert objective.anomaly_score(CODES[:2], inputs).tolist() == [1, 0]
    assert objective(CODES[:2], UNLABELLED[:2], inputs) == 0.5


def test_hybrid_adds_a_share_of_the_reconstruction_error():
    objective = at_origin("hybrid", reconstruction_weight=0.1)
    objective.decoder = constant_decoder(0.5)
    inputs = torch.zeros(4, 1, 2, 2)
    assert np.allclose(objective.anomaly_score(CODES, inputs), [25.1, 1.1, 0.1, 100.1])


def test_the_centre_follows_its_rule_and_says_what_was_replaced():
    codes = torch.tensor([[1.0, -0.02, 0.5, 0.0], [3.0, -0.04, -0.1, 0.0]])  # mean 2, -.03, .2, 0
    for rule, expected, replaced in (
        ("signs", [0.1, -0.1, 0.1, 0.1], 1.0),
        ("codes", [2.0, -0.1, 0.2, 0.1], 0.5),
    ):
        objective = make("one-class", 4, centre=rule)
        objective.initialise(codes)
        assert objective.center.tolist() == pytest.approx(expected)
        assert objective.centre == (rule, replaced)
        restored = make("one-class", 4, centre=rule)
        restored.load_state_dict(objective.state_dict())
        assert restored.centre == objective.centre
    assert make("hybrid", 4, centre="codes").centre.rule == "codes"
    assert make("multi-center").centre is None and make("hsc").centre is None


def test_multi_sphere_finds_separate_clusters_and_measures_to_the_nearest():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randn(2, 100, 2, generator=generator) * 0.1
    codes = (codes + torch.tensor([[5.0, 5.0], [-5.0, -5.0]])[:, None]).reshape(-1, 2)
    objective = make("multi-sphere")
    objective.initialise(codes)
    objective.update_radius(codes)
    centers = objective.sphere.centers
    assert len(centers) >= 2 and {tuple(np.sign(center)) for center in centers} == {
        (-1, -1),
        (1, 1),
    }
    assert objective.sphere.radii.max() < 0.5
    between = torch.zeros(1, 2)
    assert objective.anomaly_score(between) > 40
    assert (objective.anomaly_score(codes.double()) > 0).double().mean() <= 0.1


def test_multi_sphere_with_one_cluster_is_soft_boundary():
    codes = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    multi, soft = (make(name, 8) for name in ("multi-sphere", "soft-boundary"))
    for objective in (multi, soft):
        objective.initialise(codes)
        objective.update_radius(codes)
    assert multi.sphere.centers.shape == (1, 8)
    assert np.allclose(multi.anomaly_score(codes), soft.anomaly_score(codes), atol=1e-6)
    about = codes, UNLABELLED[:2], NOTHING[:2]
    assert float(multi(*about, multi.clusters)) == pytest.approx(float(soft(*about)))


def test_multi_sphere_pays_for_each_cluster_alike_and_for_ones_own_alone():
    objective = make("multi-sphere", nu=0.5)
    objective.center = torch.tensor([[0.0, 0.0], [6.0, 8.0], [50.0, 50.0]])
    objective.radius = torch.tensor([2.0, 3.0, 7.0], dtype=torch.float64)
    clusters = torch.tensor([0, 0, 1, 1])
    # The first: 25 and 1 from the origin, beyond 4: 21 and 0. The second: 100 and 0, beyond 9: 91
    # and 0. The third has no image here.
    expected = (4 + 21 / 2 / 0.5 + 9 + 91 / 2 / 0.5) / 2
    assert float(objective(CODES, UNLABELLED, NOTHING, clusters)) == pytest.approx(expected)


def test_multi_sphere_keeps_its_clusters_and_drops_spheres_that_nobody_is_nearest_to():
    objective = make("multi-sphere", nu=0.1)
    objective.center = torch.tensor([[0.0, 0.0], [0.0, 0.0], [9.0, 0.0]])
    objective.radius = torch.zeros(3, dtype=torch.float64)
    # The second cluster lies around the centre of the first, within a larger radius.
    codes = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 5.0], [4.0, 0.0], [9.0, 1.0], [8.0, 0.0]])
    objective.clusters = torch.tensor([0, 0, 1, 1, 2, 2])
    objective.settle(np.zeros(6), codes)
    assert objective.center.tolist() == [[0, 0], [9, 0]]
    assert objective.radius.tolist() == pytest.approx([5, 1])
    assert (objective.anomaly_score(codes.double()) <= 0).all()


def test_multi_center_measures_to_the_nearest_of_many_with_one_radius():
    objective = make("multi-center")
    objective.center = torch.tensor([[0.0, 0.0], [6.0, 8.0]])
    objective.radius = torch.zeros(2, dtype=torch.float64)
    assert torch.allclose(objective.anomaly_score(CODES), torch.tensor([25.0, 1, 0, 0]))
    objective.update_radius(CODES)
    assert objective.sphere.radii == pytest.approx([5, 5])


def test_multi_center_trains_as_the_hybrid_objective():
    several, one = (make(name, reconstruction_weight=0.5) for name in ("multi-center", "hybrid"))
    for objective in (several, one):
        objective.decoder = lambda codes: codes[:, :1, None, None]
        objective.initialise(CODES)
    losses = [float(objective(CODES, UNLABELLED, NOTHING)) for objective in (several, one)]
    assert losses[0] == losses[1]


def test_multi_center_finds_its_spheres_anew_when_it_settles():
    objective = make("multi-center")
    objective.initialise(torch.zeros(100, 2))
    generator = torch.Generator().manual_seed(0)
    places = torch.tensor([[5.0, 5.0], [-5.0, -5.0], [5.0, -5.0]])
    codes = (torch.randn(3, 60, 2, generator=generator) * 0.1 + places[:, None]).reshape(-1, 2)
    objective.settle(np.zeros(180), codes)
    centers = objective.sphere.centers
    apart = np.linalg.norm(places.numpy()[:, None] - centers, axis=2)
    assert (apart.min(axis=1) < 0.2).all() and (apart.min(axis=0) < 0.5).all()
    assert objective.sphere.radii.max() < 0.5 and len(set(objective.sphere.radii)) == 1


@pytest.mark.parametrize("name", ["one-class", "soft-boundary", "deep-sad"])
def test_no_coordinate_of_the_centre_is_near_zero(name):
    objective = make(name, 4, centre="codes")
    objective.initialise(torch.tensor([[0.05, -0.05, 0.0, 2.0], [0.05, -0.05, 0.0, 4.0]]))
    assert torch.allclose(objective.center, torch.tensor([0.1, -0.1, 0.1, 3.0]))


@pytest.mark.parametrize("name", WITH_RADIUS)
@pytest.mark.parametrize("nu", [0.01, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [2, 57, 1000])
def test_at_most_nu_of_the_training_images_lie_outside(name, nu, count):
    codes = torch.randn(count, 8, generator=torch.Generator().manual_seed(count))
    objective = make(name, 8, nu=nu)
    objective.initialise(codes)
    objective.settle(objective.anomaly_score(codes.double()).numpy(), codes)
    scores = objective.anomaly_score(codes.double())
    outside = float((scores > objective.threshold).double().mean())
    clusters = len(objective.sphere.radii)
    assert outside <= nu
    if name != "multi-sphere":  # whose images may lie in the sphere of another cluster
        assert outside >= nu - clusters / count or nu == 1.0


@pytest.mark.parametrize("name", ["one-class", "soft-boundary", "deep-sad"])
def test_the_radius_that_decides_passes_between_two_codes(name):
    objective = at_origin(name, nu=0.25)
    objective.update_radius(CODES)
    assert float(objective.radius) == pytest.approx(5, rel=1e-12)  # in training it is the smallest
    objective.settle(np.zeros(4), CODES)
    assert float(objective.radius) ** 2 == pytest.approx((25 + 100) / 2)


def test_soft_boundary_starts_without_a_radius():
    objective = make("soft-boundary")
    objective.initialise(CODES)
    assert objective.radius == 0


@pytest.mark.parametrize("name", [*WITH_RADIUS, *RADIAL])
def test_a_code_farther_from_the_centre_is_stranger(name):
    objective = make(name)
    if name in WITH_RADIUS:
        objective.center.zero_()
    scores = objective.anomaly_score(torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]))
    assert scores.diff().min() > 0

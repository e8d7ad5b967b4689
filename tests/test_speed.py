import pytest
import torch
from torch import nn

from deepsvdd_core.benchmark.speed import Case, in_usual_order, loader_epoch


@pytest.mark.parametrize("kind", ["SVDD", "AE"])
def test_the_timed_loops_train_the_same_batches(kind):
    case = Case("MNIST", 410)
    assert [len(batch) for batch in case.ready] == [200, 200, 10]
    before = [weight.clone() for weight in case.encoder.parameters()]
    case.ours(kind)
    assert all((a != b).any() for a, b in zip(case.encoder.parameters(), before, strict=True))
    case.bare(kind)
    loader_epoch(case, kind)()


def test_pooling_before_the_activation_changes_nothing():
    case = Case("CIFAR-10", 20)
    usual = in_usual_order(case.encoder)
    assert [type(layer).__name__ for layer in usual][2:4] == ["LeakyReLU", "MaxPool2d"]
    layer_by_layer = nn.Sequential.forward(case.encoder, case.inputs)
    assert torch.equal(usual(case.inputs), layer_by_layer)

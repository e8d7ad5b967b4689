import functools
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of BLAS; `make numerics` also tries 2

from pathlib import Path

import pytest
import torch
from streamlit.components.v2 import manifest_scanner

from deepsvdd_core import datasets, tasks
from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.experiment import Experiment

torch.set_num_threads(1)  # tiny networks are faster so
# A page under test looks through all installed packages, each time half a second.
manifest_scanner.scan_component_manifests = functools.cache(
    manifest_scanner.scan_component_manifests
)
FULL_DATA = os.environ.get("DEEPSVDD_DATA")


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """No test reads or writes a user's own files."""
    monkeypatch.setenv("DEEPSVDD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPSVDD_DATA", str(tmp_path / "data"))


@pytest.fixture
def full_mnist(isolated, monkeypatch):
    """The full MNIST, where the person who runs the tests has it."""
    if FULL_DATA is None or not (Path(FULL_DATA) / "MNIST" / "raw").is_dir():
        pytest.skip("the full MNIST is not under DEEPSVDD_DATA")
    monkeypatch.setenv("DEEPSVDD_DATA", FULL_DATA)
    return datasets.load("mnist")


@pytest.fixture(scope="session")
def digits():
    return datasets.load("mnist-sample")


@pytest.fixture(scope="session")
def zero_task(digits):
    """The digit 0 is normal; 400 training and 1,000 test images."""
    return tasks.one_vs_rest(digits, ("0",))


def fitted(task: tasks.OneClassTask, **choices) -> DeepDetector:
    """A detector after a short training."""
    schedule = {"pretrain_epochs": 1, "epochs": 4, "learning_rate": 1e-3}
    detector = DeepDetector(Experiment("mnist-sample", ("0",), **{**schedule, **choices}))
    for _ in detector.learn_from(task):
        pass
    return detector


@pytest.fixture(scope="session", params=["one-class", "soft-boundary"])
def detector(request, zero_task):
    """One fitted detector per objective."""
    schedule = {"pretrain_epochs": 20, "pretrain_learning_rate": 1e-3, "epochs": 20}
    return fitted(zero_task, objective=request.param, **schedule)

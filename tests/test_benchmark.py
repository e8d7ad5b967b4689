import dataclasses
import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from deepsvdd_core import benchmark, jobs, products
from deepsvdd_core.benchmark import (
    Cell,
    cells,
    centres,
    class_groups,
    corrupted,
    maps,
    read,
    row_of,
    run,
    summary,
)
from deepsvdd_core.benchmark.__main__ import further, numbers
from deepsvdd_core.corruptions import MNIST_C, VISIBLE, difference
from deepsvdd_core.datasets import DATASETS
from deepsvdd_core.experiment import Experiment
from tests.server import ROOT

CELL = Cell("knn", "mnist", "3", 1, "short")


def arrays(auroc=0.9, fingerprint=""):
    line = np.linspace(0, 1, 101)
    scalars = {"auroc": auroc, "ap": 0.5, "before": np.nan, "seconds": 2.0, "healthy": 1.0}
    scalars |= {"asked": 0.1, "false_alarms": 0.125, "unseen_normals": 40, "calibrated": 60}
    return {
        **{k: np.float64(v) for k, v in scalars.items()},
        "fingerprint": np.frombuffer(fingerprint.encode(), np.uint8),
        "roc": [line, line],
        "pr": [line, line],
    }


@pytest.mark.parametrize(
    ("text", "groups"),
    [("0,3", ["0", "3"]), ("1-3", ["1", "2", "3"]), ("0+1+3,5", ["0+1+3", "5"])],
)
def test_classes_are_listed_ranged_or_joined(text, groups):
    assert list(class_groups(text, tuple("0123456789"))) == groups


def test_ranges_count_places_where_names_are_words():
    assert list(class_groups("0-1", ("ant", "bee", "cat"))) == ["ant", "bee"]
    assert list(class_groups("all", ("ant", "T-shirt"))) == ["ant", "T-shirt"]
    assert list(class_groups("T-shirt", ("ant", "T-shirt"))) == ["T-shirt"]


@pytest.mark.parametrize("text", ["10", "0-10", "0+x", ""])
def test_an_unknown_class_gets_a_sentence(text):
    with pytest.raises(ValueError, match="There is no class"):
        list(class_groups(text, tuple("0123456789")))


def test_numbers_and_further_choices_are_read():
    assert numbers("0-2,7") == [0, 1, 2, 7]
    assert further(["nu=0.2", "outlier_exposure=mine"]) == {"nu": 0.2, "outlier_exposure": "mine"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"methods": ["magic"]}, "There is no method"),
        ({"schedule": "endless"}, "There is no schedule"),
        ({"dataset": "nothing"}, "There is no data set"),
        ({"choices": {"colour": 1}}, "unknown choices"),
    ],
)
def test_what_cannot_be_measured_gets_a_sentence(change, sentence):
    asked = {"methods": ["knn"], "dataset": "mnist", "classes": "0", "seeds": [0]}
    with pytest.raises(ValueError, match=sentence):
        cells(**{**asked, "schedule": "short", **change})


def test_a_cell_says_everything_about_its_experiment():
    cell = Cell("fcdd", "fashion-mnist", "Bag", 4, "live", json.dumps({"nu": 0.2}))
    experiment = cell.experiment
    assert (experiment.objective, experiment.encoder) == ("fcdd", "fcdd-28")
    assert (experiment.seed, experiment.nu, experiment.epochs) == (4, 0.2, 20)
    assert experiment.normal_classes == ("Bag",)


def test_a_scenario_stands_for_its_choices():
    point = json.dumps({"scenario": ["pollution", 0.1]})
    experiment = Cell("deep-sad", "mnist", "3", 0, "live", point).experiment
    assert (experiment.pollution, experiment.labelled) == (0.1, 0.05)
    assert len(experiment.anomaly_classes) == 1 and experiment.anomaly_classes != ("3",)


def test_published_values_of_mnist_c_name_its_corruptions():
    for method in corrupted.SETTINGS:
        assert set(benchmark.published_mnist_c(method)["auroc"]) == set(MNIST_C)
    for method in ("kde", "one-class", "reconstruction"):
        found = benchmark.published_mnist_c(method)
        assert set(found["auroc"]) == set(MNIST_C)
        assert len(found["clever hans score"]) == 3
        assert set(found["clever hans score"]) < set(MNIST_C)
    assert benchmark.published_mnist_c("kde")["auroc"]["zigzag"] == 84.0
    assert not any(benchmark.published_mnist_c("knn").values())


def test_a_published_value_stands_beside_the_same_setting_alone():
    def known(method, dataset="mnist", label="3", **choices):
        cell = Cell(method, dataset, label, 0, "live", json.dumps(choices))
        return benchmark.published(cell)[0]

    assert known("kde") == known("kde", epochs=5) == 86.2
    assert known("one-class") == known("one-class", precision="bfloat16") == 91.9
    for other in ({"width": 2.0}, {"contrast_normalisation": False}, {"most_images": 100}):
        assert known("kde", **other) is None
    for other in ({"pollution": 0.5}, {"labelled": 0.05}, {"scenario": ["pollution", 0.1]}):
        assert known("one-class", **other) is None
    for method in ("deep-sad", "hsc", "fcdd"):  # published with other outliers than are here
        for other in ({"labelled": 0.05}, {"outlier_exposure": "tiny-imagenet"}, {}):
            assert known(method, "cifar10", "cat", **other) is None
    assert known("hsc", "cifar10", "cat", outlier_exposure="80 Million Tiny Images") == 89.8


def test_a_replay_of_the_thesis_tells_spoilt_from_clean_images(digits):
    made = corrupted.choices("pca", "mnist-sample", digits.test, 400)
    detector = corrupted.fitted(Experiment(**{**made, "normal_classes": ("0",)}))
    found = corrupted.aurocs(detector, digits.test.images[digits.test.labels == 0][:30])
    assert list(found) == list(MNIST_C) and found["stripe"] > 99 and found["scale"] < 50


def test_a_width_chosen_by_labels_is_the_best_of_those_tried(digits, monkeypatch):
    monkeypatch.setattr(corrupted, "NUS", (0.1,))
    monkeypatch.setattr(corrupted, "WIDTHS", (1.0, 2.0**-6))
    monkeypatch.setattr(corrupted, "FEW", 100)
    made = corrupted.choices("oc-svm-oracle", "mnist-sample", digits.test, 200)
    found = corrupted.chosen_by_labels("oc-svm-oracle", made, digits.test.images[:20])
    means = []
    for width in corrupted.WIDTHS:
        tried = corrupted.fitted(Experiment(**{**made, "width": width, "most_images": 100}))
        means.append(np.mean(list(corrupted.aurocs(tried, digits.test.images[:20]).values())))
    assert means[0] != means[1]
    assert found["width"] == corrupted.WIDTHS[int(np.argmax(means))]
    assert found["most_images"] == 200


def test_published_values_name_methods_and_classes_that_exist():
    table = pd.read_csv(benchmark.PUBLISHED, dtype={"normal_class": str})
    for dataset, part in table.groupby("dataset"):
        assert set(part["normal_class"]) == set(DATASETS[dataset].class_names)
        for method in part["method"].unique():
            assert cells([method], dataset, "all", [0], "short")
    assert benchmark.published(Cell("one-class", "mnist", "8", 0, "full")) == (93.9, 1.6)
    mnist = table[(table["dataset"] == "mnist") & (table["method"] == "one-class")]
    assert mnist["auroc"].mean() == pytest.approx(94.80, abs=0.01)  # as printed in the thesis


def test_results_survive_a_cut(tmp_path):
    out = tmp_path / "results.csv"
    benchmark.append(out, row_of(CELL, arrays()))
    with out.open("a") as file:
        file.write("knn,mnist,4")
    assert list(read(out)["key"]) == [CELL.experiment.key]
    other = CELL._replace(normal_class="T-shirt/top", dataset="fashion-mnist")
    benchmark.append(out, row_of(other, arrays(0.7)))
    table = read(out)
    assert list(table["normal_class"]) == ["3", "T-shirt/top"]
    assert list(table["auroc"]) == [90, 70]
    assert np.allclose(benchmark.curve(table["tpr"][0]), np.linspace(0, 1, 101))
    benchmark.append(out, {**row_of(CELL, arrays(0.5)), "key": "of other defaults"})
    assert list(read(out)["auroc"]) == [70, 50]


def rows(values, method="one-class"):
    return pd.DataFrame(
        [
            row_of(Cell(method, "mnist", label, seed, "full"), arrays(value / 100))
            for (label, seed), value in values.items()
        ]
    )


def test_the_summary_keeps_seeds_and_classes_apart():
    table = rows({("0", 0): 90, ("0", 1): 94, ("1", 0): 96, ("1", 1): 98})
    line = summary(table).iloc[0]
    assert (line["classes"], line["seeds"], line["n"]) == (2, 2, 4)
    assert line["mean"] == 94.5
    assert line["std_seeds"] == pytest.approx(np.std([93, 96], ddof=1))
    assert line["std_classes"] == pytest.approx(np.std([92, 97], ddof=1))
    assert line["published"] == pytest.approx((98.0 + 99.7) / 2)
    assert line["difference"] == pytest.approx(94.5 - (98.0 + 99.7) / 2)


def test_joined_classes_have_a_line_of_their_own():
    table = rows({("0", 0): 90, ("1", 0): 96, ("0+1", 0): 50})
    lines = summary(table)
    assert list(lines["mean"]) == [93, 50]
    assert list(lines["normal"]) == ["one class", "several"]


def test_the_markdown_shows_every_class_and_method():
    text = benchmark.markdown(pd.concat([rows({("0", 0): 90}), rows({("0", 0): 91}, "knn")]))
    assert "| mnist | one-class | full | {} | one class | 1 | 1 | 1 | 90.00 |" in text
    assert "| mnist knn full {} | 91.00 |" in text
    assert "2 measurements" in text


class ReadyEngine:
    """Answers like the engine when everything has been computed, but one cell that fails."""

    def __init__(self, failing):
        self.asked, self.failing = [], failing

    def request(self, kind, **parameters):
        self.asked.append(parameters)
        if parameters == self.failing.request:
            return jobs.Job(kind, parameters, "t", state="failed", message="It broke.")
        products.put(kind, parameters, arrays())
        return products.get(kind, parameters)


def test_a_run_measures_what_is_missing_and_names_what_fails(tmp_path, capsys):
    out = tmp_path / "r.csv"
    table = cells(["knn", "lof"], "mnist", "0-1", [0], "short")
    benchmark.append(out, row_of(table[0], arrays()))
    engine = ReadyEngine(failing=table[3])
    assert run(table, out, engine) == ["lof 1 seed 0: It broke."]
    assert len(engine.asked) == 3
    assert len(read(out)) == 3
    assert "4 cells, 3 to measure" in capsys.readouterr().out


def test_the_engine_measures_a_cell(tmp_path):
    out = tmp_path / "r.csv"
    engine = jobs.Engine()
    table = cells(["isolation-forest"], "mnist-sample", "0", [0], "live")
    try:
        assert run(table, out, engine) == []
    finally:
        engine.stop()
    line = read(out).iloc[0]
    assert line["auroc"] > 85 and line["healthy"] == 1
    assert line["asked_false_alarms"] == 10 and line["unseen_normals"] == 100
    assert line["calibration_scores"] == 160 and 3 <= line["false_alarms"] <= 20
    assert line["key"] == dataclasses.replace(table[0].experiment).key
    assert np.isnan(line["published"])


def start(*command, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_cluster_measures_every_cell_though_a_worker_is_killed(tmp_path):
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    quiet = {"DASK_DISTRIBUTED__DASHBOARD__LINK": "", "DEEPSVDD_HOME": str(tmp_path)}
    dask = ("distributed.cli.dask_scheduler", "distributed.cli.dask_worker")
    host = ("--host", "127.0.0.1", "--no-dashboard")
    processes = [start(dask[0], *host, "--port", str(port), **quiet)]
    for _ in range(2):
        worker = (
            dask[1],
            address,
            *host,
            "--no-nanny",
            "--nthreads",
            "1",
            "--resources",
            "train=1",
        )
        processes.append(start(*worker, "--local-directory", str(tmp_path / "dask"), **quiet))
    out = tmp_path / "results.csv"
    asked = ("--methods", "isolation-forest", "--data", "mnist-sample", "--seeds", "0-1")
    command = ("deepsvdd_core.benchmark", *asked, "--schedule", "live", "--out", str(out))
    try:
        client = start(*command, **quiet, DASK_SCHEDULER_ADDRESS=address)
        deadline = time.monotonic() + 120
        while len(read(out)) < 3:
            assert client.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        processes[1].kill()
        printed, _ = client.communicate(timeout=120)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert client.returncode == 0, printed
    table = read(out)
    assert len(table) == 20 and table["auroc"].between(50, 100).all()
    assert "20 measurements" in out.with_suffix(".md").read_text(encoding="utf-8")
    assert "20 cells, 20 to measure" in printed


def test_maps_are_measured_on_dotted_lines_where_there_are_no_masks(digits):
    images, masks = maps.shown(digits, ("3",))
    assert images.shape == (200, 1, 28, 28) and not masks[:100].any()
    assert masks[100:].any(axis=(1, 2)).all()
    normal = digits.test.images[digits.test.labels == 3]
    assert np.array_equal(images[:100], normal)
    assert np.array_equal(masks[100:], difference(normal, images[100:]) > VISIBLE)
    ours = np.zeros((1000, 28, 28), bool)
    marked = digits._replace(test=digits.test._replace(masks=ours))
    assert maps.shown(marked, ("3",))[1] is ours


@pytest.mark.parametrize("objective", ["fcdd", "fcdd-masks"])
def test_a_map_is_measured_for_each_sigma(objective):
    few = {**maps.TRAINING, "epochs": 1, "most_images": 60, "objective": objective}
    found = maps.measure(Experiment("mnist-sample", ("3",), **few), [None, 1.2, 1.2])
    assert all(0 <= value <= 1 for pair in found for value in pair)
    assert found[1] == found[2] and found[0][0] != found[1][0]
    assert (found[0][1] == found[1][1]) == (objective == "fcdd")  # one network, or one for each


def test_rules_of_centres_are_compared_on_what_was_held_out_of_the_training_split(digits):
    parted = centres.without_a_fifth(digits, ("3",), seed=1)
    known = {image.tobytes() for image in digits.train.images}
    assert {image.tobytes() for image in parted.test.images} <= known
    fitted = {image.tobytes() for image in parted.train.images}
    assert not fitted & {image.tobytes() for image in parted.test.images}
    assert (parted.train.labels == 3).all() and len(parted.train.images) == 320
    assert np.bincount(parted.test.labels == 3).tolist() == [80, 80]
    again = centres.without_a_fifth(digits, ("3",), seed=1)
    assert np.array_equal(again.test.images, parted.test.images)


def test_a_rule_is_read_and_measured():
    assert centres.Rule.of("codes") == ("codes", None)
    rule = centres.Rule.of("codes+2")
    assert rule.choices["pretrain_epochs"] == 2 and rule.choices["centre"] == "codes"
    choices = {**rule.choices, "epochs": 1, "batch_size": 50}
    found, replaced = centres.measure(Experiment("mnist-sample", ("3",), **choices))
    assert 0.3 < found <= 1 and 0 < replaced <= 1

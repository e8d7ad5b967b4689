"""A number never outlives the images and classes it was measured on."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepsvdd_core import benchmark, datasets, digests, evaluation, jobs, library, products
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.library.files import header_of
from deepsvdd_core.pipeline import WORK, Subject, hans, run
from deepsvdd_core.pipeline.running import dataset_of
from deepsvdd_core.progress import nothing, silent
from pages.parts import subject as pages_subject
from pages.parts import theatre
from tests.pages.test_pages import settle, texts, visit

NAME = "plates"
BARE = {"contrast_normalisation": False}  # the plates differ in brightness
EXPERIMENT = Experiment(NAME, ("m",), detector="shallow", estimator="knn", **BARE)


def draw(path: Path, bright: bool, seed: int) -> None:
    """A picture, uncompressed, so that all have one size."""
    values = np.random.default_rng(seed).integers(0, 60, (28, 28)) + (150 if bright else 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path, format="BMP")


@pytest.fixture
def root(home):
    """Dark plates are the class m, bright ones the class z; one can tell them apart."""
    place = datasets.data_root() / NAME
    shutil.rmtree(place, ignore_errors=True)
    for seed in range(12):
        draw(place / "train" / "m" / f"{seed}.bmp", False, seed)
    for seed in range(20, 26):
        draw(place / "test" / "m" / f"{seed}.bmp", False, seed)
        draw(place / "test" / "z" / f"{seed}.bmp", True, seed)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def swap(root: Path) -> None:
    """Exchange the test pictures of both classes and give each file the size and date it had."""
    for dark in sorted((root / "test" / "m").iterdir()):
        bright = root / "test" / "z" / dark.name
        if not bright.exists():
            continue
        states = dark.stat(), bright.stat()
        contents = dark.read_bytes(), bright.read_bytes()
        for path, state, content in zip((dark, bright), states, contents[::-1], strict=True):
            assert len(content) == state.st_size
            path.write_bytes(content)
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def add_class(root: Path) -> None:
    (root / "train" / "a").mkdir()


def remove_class(root: Path) -> None:
    shutil.rmtree(root / "test" / "z")
    draw(root / "test" / "m" / "more.bmp", False, 99)


def rename_class(root: Path) -> None:
    (root / "test" / "z").rename(root / "test" / "b")


def mark(root: Path) -> None:
    path = root / "ground_truth" / "z" / "20_mask.png"
    path.parent.mkdir(parents=True)
    Image.fromarray(np.full((28, 28), 255, np.uint8)).save(path)


CHANGES = (swap, add_class, remove_class, rename_class, mark)


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_the_fingerprint_is_of_classes_and_content(root, change, is_settled, monkeypatch):
    if is_settled:  # digests are remembered
        monkeypatch.setattr(digests, "SETTLED", -(10**12))
    first = datasets.fingerprint(NAME)
    copy = shutil.copytree(root, root.with_name("copy"))
    time.sleep(0.02)  # a tick of the file system's clock
    change(root)
    assert datasets.fingerprint(NAME) != first
    assert datasets.fingerprint("copy") == first  # wherever it lies, whenever it was written
    shutil.rmtree(copy)


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"one")
    os.utime(path, ns=(10**18, 10**18))
    state = path.stat()
    first = digests.of(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # at once: too young to be trusted
    second = digests.of(path)
    assert second != first
    monkeypatch.setattr(digests, "SETTLED", -(10**12))
    assert digests.of(path) == second
    monkeypatch.setattr(Path, "open", None)  # would not be callable
    assert digests.of(path) == second


def test_published_files_of_one_size_differ_by_content(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPSVDD_DATA", str(tmp_path))
    raw = datasets.data_root() / "MNIST" / "raw"
    raw.mkdir(parents=True)
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(b"one")
    first = datasets.fingerprint("mnist")
    time.sleep(0.02)
    path.write_bytes(b"two")
    assert datasets.fingerprint("mnist") != first


def test_files_that_change_while_they_are_read_are_refused(root, monkeypatch):
    known = datasets.source(NAME)

    def read(progress):
        splits = known.read(progress)
        add_class(root)
        return splits

    changing = type(known)(**{**vars(known), "read": read})
    monkeypatch.setattr(datasets, "source", lambda name: changing)
    with pytest.raises(ValueError, match="changed while they were read; try again"):
        datasets.load(NAME)


def kept(name: str = EXPERIMENT.name) -> library.ModelEntry:
    """A model trained on the plates as they are."""
    detector, provenance, _, _ = run(EXPERIMENT)
    detector.save(library.folder() / f"{name}.safetensors", provenance)
    return library.find(name)


def asked(entry: library.ModelEntry) -> dict[str, str]:
    return jobs.subject(entry, NAME)


def answer(kind: str, **parameters):
    """As the engine would."""
    return WORK[kind](**parameters, report=lambda values: None, on_step=nothing)


def ranking(entry: library.ModelEntry) -> float:
    """AUROC on the images as they are."""
    view = answer("view", **asked(entry))
    return evaluation.auroc(view["scores"], view["is_anomaly"].astype(bool))


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_names_the_version_and_an_old_one_is_refused(root, change):
    entry = kept()
    before = asked(entry)
    assert ranking(entry) == 1
    change(root)
    after = asked(entry)
    for kind in ("view", "images", "masks"):
        named = {n: before[n] for n in ("dataset", "fingerprint")} if kind == "masks" else before
        assert products.file_name(kind, named) != products.file_name(
            kind, {name: after[name] for name in named}
        )
        with pytest.raises(ValueError, match="have changed; open the page again"):
            answer(kind, **named)


def test_classes_are_told_by_name_whatever_is_added(root):
    entry = kept()
    add_class(root)
    assert ranking(entry) == 1  # it was 0.5 and less when labels were numbers of an older list
    images = answer("images", **{n: asked(entry)[n] for n in ("dataset", "fingerprint", "split")})
    assert images["classes"].tobytes().decode().split("\n") == ["a", "m", "z"]
    assert images["labels"].tolist() == [1] * 6 + [2] * 6
    rename_class(root)
    assert ranking(entry) == 1
    swap(root)


def test_replaced_pictures_get_another_number(root):
    entry = kept()
    assert entry.header["provenance"]["auroc"] == 1
    (root / "test" / "z").rename(root / "test" / "b")
    swap_names = root / "test" / "spare"
    (root / "test" / "m").rename(swap_names)
    (root / "test" / "b").rename(root / "test" / "m")
    swap_names.rename(root / "test" / "b")
    assert ranking(entry) == 0


def test_a_model_without_its_normal_class_says_so(root):
    entry = kept()
    fingerprint = datasets.fingerprint(NAME)
    assert pages_subject.changes(entry, NAME, fingerprint) == []
    add_class(root)
    said = " ".join(pages_subject.changes(entry, NAME, datasets.fingerprint(NAME)))
    assert "These classes are new: a." in said and "gone" not in said
    for split in ("train", "test"):
        (root / split / "m").rename(root / split / "k")
    said = " ".join(pages_subject.changes(entry, NAME, datasets.fingerprint(NAME)))
    assert "these classes have gone: m." in said
    assert "it is not known any more which images are anomalous" in said
    assert "is_anomaly" not in answer("view", **asked(entry))


class DirectEngine:
    """Does what it is asked for at once, in this process."""

    def request(self, kind, **parameters):
        if products.get(kind, parameters) is None:
            products.put(kind, parameters, answer(kind, **parameters))
        return products.get(kind, parameters)


def test_a_benchmark_measures_again_what_has_changed(root, tmp_path):
    table = benchmark.cells(["knn"], NAME, "m", [0], "live", BARE)
    out, engine = tmp_path / "r.csv", DirectEngine()
    assert benchmark.run(table, out, engine) == []
    assert benchmark.read(out)["auroc"].tolist() == [100]
    assert benchmark.present(benchmark.read(out))["key"].tolist() == [table[0].experiment.key]
    time.sleep(0.02)
    swap(root)
    assert len(benchmark.present(benchmark.read(out))) == 0
    for file in (out, tmp_path / "new.csv"):  # a new file asks the products alone
        assert benchmark.run(table, file, engine) == []
        lines = benchmark.read(file)
        assert lines["auroc"].tolist() == [0]
        assert lines["fingerprint"].tolist() == [datasets.fingerprint(NAME)]


def test_lines_without_a_fingerprint_hold_for_published_sets_alone(root, tmp_path):
    out = tmp_path / "r.csv"
    line = np.linspace(0, 1, 101)
    arrays = dict.fromkeys(("auroc", "ap", "before", "seconds", "healthy"), np.float64(1))
    arrays |= dict.fromkeys(
        ("asked", "false_alarms", "unseen_normals", "calibrated"), np.float64(1)
    )
    arrays |= {"roc": [line, line], "pr": [line, line], "fingerprint": np.zeros(0, np.uint8)}
    names = ("mnist-sample", NAME, "not-here")
    for name in names:
        cell = benchmark.Cell("knn", "mnist-sample", "0", 0, "live")
        row = benchmark.row_of(cell, arrays) | {"dataset": name, "key": name}
        benchmark.append(out, row)
    assert benchmark.present(benchmark.read(out))["dataset"].tolist() == [
        "mnist-sample",
        "not-here",
    ]


def test_a_model_of_other_images_is_not_taken_for_the_one_wanted(root):
    versions = jobs.training(EXPERIMENT)["fingerprints"]
    entry = kept()
    assert entry.fingerprints == versions == {NAME: datasets.fingerprint(NAME)}
    assert library.trained(EXPERIMENT, versions).name == entry.name
    time.sleep(0.02)
    swap(root)
    now = jobs.training(EXPERIMENT)["fingerprints"]
    assert now != versions and library.trained(EXPERIMENT, now) is None
    with pytest.raises(ValueError, match="have changed"):
        run(EXPERIMENT, fingerprints=versions)


def test_another_visitor_gets_a_model_of_ones_own_images_though_weights_agree(root):
    detector, provenance, _, _ = run(EXPERIMENT)
    first = library.put("twin", detector.file(provenance), owners=("anna",))
    assert library.put("twin", detector.file(provenance), owners=("bert",)).name == "twin"
    time.sleep(0.02)
    swap(root)
    detector, changed, _, _ = run(EXPERIMENT)
    assert header_of(detector.file(changed))["provenance"]["auroc"] == 0
    second = library.put("twin", detector.file(changed), owners=("carla",))
    assert second.name == "twin-2" and second.header["provenance"]["auroc"] == 0
    assert library.find(first.name).header["provenance"]["auroc"] == 1


def test_marks_are_looked_for_in_the_images_the_model_was_trained_on(root):
    planted = Experiment(NAME, ("m",), artefact="planted tag", artefact_share=0.5, epochs=1)
    detector, provenance, _, _ = run(planted)
    detector.save(library.folder() / f"{planted.name}.safetensors", provenance)
    entry = library.find(planted.name)
    time.sleep(0.02)
    draw(root / "train" / "m" / "0.bmp", True, 50)
    subject = Subject(**asked(entry))
    with pytest.raises(ValueError, match="not known to be those this model was trained on"):
        hans.find_mark(subject, count=20, progress=silent, on_step=nothing)


def test_a_data_set_is_loaded_anew_for_each_version(root):
    first = dataset_of(NAME)
    assert first.fingerprint == datasets.fingerprint(NAME)
    add_class(root)
    second = dataset_of(NAME)
    assert (first.test.labels + 1 == second.test.labels).all()
    assert second.fingerprint == datasets.fingerprint(NAME) != first.fingerprint


def test_pages_count_anew_and_the_theatre_shows_no_other_pictures(root, monkeypatch):
    experiment = Experiment(NAME, ("m",), pretrain_epochs=0, epochs=1)
    job = jobs.wait(jobs.engine().train(experiment))
    assert job.state == "finished", job.message
    entry, played = library.find(job.model), {}
    monkeypatch.setattr(theatre, "_theatre", lambda **given: played.update(given["data"]))

    def pictures() -> object:
        view = products.get("view", asked(entry)) or answer("view", **asked(entry))
        data = dataset_of(NAME)
        about = (data.test.images, data.test.labels, data.test.class_names, None, view)
        theatre.show(pages_subject.Subject(entry, NAME, *about, asked(entry)))
        return played["pictures"]

    assert "is not the same as when" not in texts(visit("explore", model=job.model, data=NAME))
    assert asked(entry)["fingerprint"] in str(pictures())
    add_class(root)
    told = texts(visit("explore", model=job.model, data=NAME))
    assert f"{NAME} is not the same as when this model was trained" in told
    assert "These classes are new" in told
    assert pictures() is None and played["names"] == ["m", "z"]
    again = jobs.wait(jobs.engine().train(experiment))
    assert again.id != job.id
    entry = library.find(again.model)
    assert entry.fingerprints == {NAME: datasets.fingerprint(NAME)}
    assert pictures() is not None and played["names"] == ["a", "m", "z"]


@pytest.mark.parametrize("page", ["train", "compare", "hans"])
def test_a_class_that_has_gone_is_no_choice_any_more(root, page):
    app = visit(page, data=NAME)
    for menu in app.multiselect:
        if "z" in menu.options:
            menu.set_value(["z"])
    settle(app.run())
    remove_class(root)
    settle(app.run())
    assert not app.exception
    assert not [menu for menu in app.multiselect if "z" in (*menu.options, *menu.value)]

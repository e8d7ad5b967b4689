import errno
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from deepsvdd_core import detectors, library, ready_made

PROVENANCE = {"image_shape": [1, 28, 28], "title": "a model"}


@pytest.fixture
def content(detector, tmp_path) -> bytes:
    """The bytes of a good model file."""
    detector.save(tmp_path / "good.safetensors", PROVENANCE)
    return (tmp_path / "good.safetensors").read_bytes()


def listing() -> set[str]:
    folder = library.folder()
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_scores_are_equal_to_the_last_bit_after_a_round_trip(detector, digits, tmp_path):
    detector.save(tmp_path / "model.safetensors", PROVENANCE)
    again = detectors.load(tmp_path / "model.safetensors")
    images = digits.test.images[::10]
    assert np.array_equal(again.anomaly_score(images), detector.anomaly_score(images))
    assert again.threshold == detector.threshold
    assert again.experiment == detector.experiment


def with_header(content: bytes, tmp_path: Path, metadata: dict[str, str]) -> bytes:
    """The tensors of a model with another header."""
    path = tmp_path / "tensors.safetensors"
    path.write_bytes(content)
    return save(load_file(path), metadata=metadata)


def damage(kind: str, content: bytes, tmp_path: Path) -> bytes:
    path = tmp_path / "tensors.safetensors"
    path.write_bytes(content)
    tensors = load_file(path)
    good = {"detector": "deep", "experiment": {}, "provenance": PROVENANCE}
    metadata = {"format": library.FORMAT, "header": json.dumps(good)}
    match kind:
        case "empty":
            return b""
        case "truncated":
            return content[:-100]
        case "truncated in the header":
            return content[:50]
        case "pickle":
            return pickle.dumps({"weight": [1.0]})
        case "foreign":
            return save(tensors)
        case "header that is not JSON":
            return save(tensors, metadata={**metadata, "header": "{"})
        case "header that is a list":
            return save(tensors, metadata={**metadata, "header": "[]"})
        case "experiment without choices":
            return save(tensors, metadata=metadata)
        case "weights that are not numbers":
            name = next(name for name in tensors if name.endswith("weight"))
            tensors[name] = np.full_like(tensors[name], np.nan)
            original = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
            return save(tensors, metadata=original["__metadata__"])
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "truncated",
        "truncated in the header",
        "pickle",
        "foreign",
        "header that is not JSON",
        "header that is a list",
        "experiment without choices",
        "weights that are not numbers",
    ],
)
def test_a_file_that_is_not_a_model_gets_one_sentence_and_changes_nothing(kind, content, tmp_path):
    library.add("good.safetensors", content)
    before = listing()
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        library.add("bad.safetensors", damage(kind, content, tmp_path))
    assert listing() == before


def test_lists_skip_what_is_not_a_model(content):
    library.add("good.safetensors", content)
    (library.folder() / "junk.safetensors").write_bytes(b"junk")
    own = [entry.name for entry in library.entries() if not entry.bundled]
    assert own == ["good"]


def test_a_full_disk_gets_one_sentence_and_leaves_nothing_behind(content, monkeypatch):
    def full(self, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match=r"could not be written .*No space left on device"):
            library.put("model", content)
    assert listing() == set()
    assert library.put("model", content).name == "model"


def test_the_same_file_may_come_twice_but_another_may_not_replace_it(content, tmp_path):
    library.add("a.safetensors", content)
    library.add("a.safetensors", content)
    original = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    header = json.loads(original["__metadata__"]["header"])
    header["provenance"]["title"] = "another"
    other = with_header(content, tmp_path, {"format": library.FORMAT, "header": json.dumps(header)})
    with pytest.raises(ValueError, match="Another model is called a; rename the file"):
        library.add("a.safetensors", other)
    assert library.find("a").path.read_bytes() == content


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "nothing", "/etc/passwd"])
def test_a_name_from_a_link_stays_inside_the_folders(name):
    with pytest.raises(ValueError, match="There is no model"):
        library.find(name)


def test_an_upload_cannot_leave_the_folder(content):
    assert library.add("../../outside.safetensors", content).path.parent == library.folder()


def test_a_bundled_model_cannot_be_deleted():
    bundled = next(entry for entry in library.entries() if entry.bundled)
    with pytest.raises(ValueError, match="comes with the program and cannot be deleted"):
        library.delete(bundled.name)


def test_bundled_models_are_complete_and_small():
    bundled = [entry for entry in library.entries() if entry.bundled]
    assert {entry.name for entry in bundled} == {made.name for made in ready_made.experiments()}
    assert len(bundled) == 40
    assert sum(entry.path.stat().st_size for entry in bundled) <= 8_000_000
    for entry in bundled:
        facts = entry.header["provenance"]
        assert facts["command"] == "make models"
        assert {"auroc", "auroc_before_training", "versions", "created", "history"} <= set(facts)
        detectors.load(entry.path)


SHIPPED = sorted(library.shipped())[0]


@pytest.mark.parametrize("name", ["a", "mein Modell (2)", "über-3+7_v1.2", "数字", "x" * 120])
def test_a_name_may_have_letters_of_any_language_and_a_few_signs(name, content):
    assert library.add(f"{name}.safetensors", content).name == name
    assert library.find(name).name == name
    library.delete(name)
    with pytest.raises(ValueError, match="There is no model"):
        library.find(name)


@pytest.mark.parametrize(
    "name",
    [
        SHIPPED,
        SHIPPED.upper(),
        "x" * 121,
        "é" * 150,
        "a\nb",
        "a\0b",
        "a.safetensors",
        "con",
        "LPT1.txt",
        "a ",
        "a.",
        ".a",
        "-a",
        " ",
        "a<b>",
        "a\u202eb",
        "😀",
        "a\udcffb",
    ],
)
def test_a_name_that_cannot_be_used_gets_one_sentence_and_changes_nothing(name, content):
    with pytest.raises(ValueError, match=r"^[^\n]+\.$"):
        library.add(f"{name}.safetensors", content)
    assert listing() == set()


def test_a_name_from_another_system_is_composed(content):
    assert library.add("u\u0308ber.safetensors", content).name == "über"


def test_a_file_called_like_a_shipped_model_shadows_nothing(content):
    library.folder().mkdir(parents=True)
    (library.folder() / f"{SHIPPED}.safetensors").write_bytes(content)
    assert library.find(SHIPPED).bundled
    assert [entry.name for entry in library.entries()].count(SHIPPED) == 1
    (file,) = library.broken()
    assert file.name == SHIPPED and "comes with the program" in file.reason


def test_a_file_that_is_no_model_is_listed_with_its_reason_and_can_be_deleted(content, tmp_path):
    library.add("good.safetensors", content)
    header = json.loads(
        json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["header"]
    )
    header["provenance"]["auroc"] = "high"
    text = {"format": library.FORMAT, "header": json.dumps(header)}
    (library.folder() / "bad.safetensors").write_bytes(with_header(content, tmp_path, text))
    (library.folder() / "junk.safetensors").write_bytes(b"junk")
    assert [entry.name for entry in library.entries() if not entry.bundled] == ["good"]
    reasons = {file.name: file.reason for file in library.broken()}
    assert "provenance.auroc" in reasons["bad"]
    assert "not a readable safetensors file" in reasons["junk"]
    for name in reasons:
        library.delete(name)
    assert library.broken() == []


def test_a_model_is_deleted_for_who_deletes_it_and_stays_for_its_other_owners(content):
    library.add("gift.safetensors", content, "anna")
    library.add("gift.safetensors", content, "ben")
    library.delete("gift", "carl")
    library.delete("gift", "anna")
    assert library.find("gift").owners == {"ben"}
    library.delete("gift", "ben")
    assert listing() == set()
    with pytest.raises(ValueError, match=r"^There is no model 'gift' any more\.$"):
        library.delete("gift", "ben")


def test_a_training_replaces_ones_own_model_and_not_anothers(content, tmp_path):
    first = library.put("model", content, ["anna"])
    assert library.put("model", content, ["anna"]).name == "model"
    assert library.put("model", content, ["ben"]).name == "model"  # the same weights
    assert library.find("model").owners == {"anna", "ben"}
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("weight"))
    tensors[name] = tensors[name] + 1
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    other = library.put("model", save(tensors, metadata=metadata), ["carl"])
    assert (other.name, other.owners) == ("model-2", {"carl"})
    assert library.find("model").digest == first.digest
    assert library.put(SHIPPED, content, ["anna"]).name == f"{SHIPPED}-2"


def test_room_is_bounded_for_each_visitor(content, monkeypatch):
    monkeypatch.setattr("deepsvdd_core.library.shelf.MOST_MODELS", 2)
    for name in ("a", "b"):
        library.add(f"{name}.safetensors", content, "anna")
    with pytest.raises(ValueError, match=r"^Your models are 2 .* Delete some first\.$"):
        library.add("c.safetensors", content, "anna")
    library.add("a.safetensors", content, "anna")  # it is there already
    library.add("c.safetensors", content, "ben")
    assert library.usage("anna").models == 2 and library.usage().models == 3
    monkeypatch.setattr("deepsvdd_core.library.shelf.MOST_BYTES_IN_ALL", len(content) * 3)
    with pytest.raises(ValueError, match="The models of all visitors"):
        library.check_room("carl", 1)

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepsvdd_core import datasets
from deepsvdd_core.datasets import DATASETS, DataUnavailable
from deepsvdd_core.datasets.published import BUNDLED, read_idx

SAMPLES = {"fashion-mnist-sample": (1000, 200), "mnist-sample": (400, 100)}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_hold_as_many_images_of_each_class_as_they_say(name):
    loaded = datasets.load(name)
    for split, per_class in zip((loaded.train, loaded.test), SAMPLES[name], strict=True):
        assert split.images.shape == (10 * per_class, 1, 28, 28)
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int64
        assert np.bincount(split.labels).tolist() == [per_class] * 10
        assert not split.images.flags.writeable
        assert split.class_names == datasets.source(name).class_names


@pytest.mark.parametrize("name", SAMPLES)
def test_no_test_image_of_a_sample_is_among_its_training_images(name):
    loaded = datasets.load(name)
    seen = {image.tobytes() for image in loaded.train.images}
    assert not [image for image in loaded.test.images if image.tobytes() in seen]


def test_samples_are_small_and_come_with_their_licences():
    for file in ("fashion-mnist.npz", "mnist.npz"):
        assert (BUNDLED / file).stat().st_size <= 6_000_000
        assert file in (BUNDLED / "LICENSES.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name].sample])
def test_without_a_network_the_bundled_sample_is_offered(name, monkeypatch):
    import torchvision.datasets as published

    def no_network(*args, **kwargs):
        raise ConnectionError("no network")

    for kind in ("MNIST", "FashionMNIST", "CIFAR10"):
        monkeypatch.setattr(published, kind, no_network)
    told = []
    sentence = r"could not be downloaded; connect to a network .* the bundled .* sample\.$"
    with pytest.raises(DataUnavailable, match=sentence):
        datasets.load(name, lambda text, fraction: told.append(text))
    assert told and told[0].startswith("Downloading")


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(root: Path, pack=lambda content: content, suffix: str = "") -> None:
    """Two images per split in the files of the published set."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split in ("train", "t10k"):
        images = np.arange(2 * 784, dtype=np.uint16).astype(np.uint8).reshape(2, 28, 28)
        for kind, array in (("images-idx3", images), ("labels-idx1", np.array([3, 7], np.uint8))):
            (raw / f"{split}-{kind}-ubyte{suffix}").write_bytes(pack(idx(array)))


@pytest.mark.parametrize(("pack", "suffix"), [(bytes, ""), (gzip.compress, ".gz")])
def test_published_files_are_read_plain_or_compressed(pack, suffix):
    write_mnist(datasets.data_root(), pack, suffix)
    loaded = datasets.load("mnist")
    assert loaded.train.labels.tolist() == [3, 7]
    assert loaded.test.images[0, 0, 0, :3].tolist() == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x01\0\0\0\x09abc", b"\0\0\x0d\x01\0\0\0\x01a"])
def test_a_damaged_file_is_named(content, tmp_path):
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(ValueError, match="labels is damaged; delete"):
        read_idx(tmp_path / "labels")


def test_full_mnist_is_complete(full_mnist):
    assert full_mnist.train.images.shape == (60_000, 1, 28, 28)
    assert full_mnist.test.images.shape == (10_000, 1, 28, 28)


@pytest.fixture
def folder():
    """An image folder with the classes good (both splits) and bad (test only)."""
    root = datasets.data_root() / "tiles"
    for number, place in enumerate(("train/good", "test/good", "test/bad")):
        (root / place).mkdir(parents=True)
        for copy in range(3):
            picture = Image.fromarray(np.full((40, 30), 20 * number + copy, np.uint8))
            picture.save(root / place / f"{copy}.png")
    return root


def test_a_grey_folder_becomes_28_by_28(folder):
    loaded = datasets.load("tiles")
    assert loaded.train.class_names == ("bad", "good")
    assert loaded.train.images.shape == (3, 1, 28, 28)
    assert loaded.train.images[:, 0, 5, 5].tolist() == [0, 1, 2]
    assert loaded.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert datasets.source("tiles").encoder == "mnist-lenet"
    assert "tiles" in datasets.available()


def test_a_colour_folder_becomes_32_by_32(folder):
    Image.new("RGB", (50, 50), (10, 20, 30)).save(folder / "train" / "good" / "0.png")
    loaded = datasets.load("tiles")
    assert loaded.train.images.shape == (3, 3, 32, 32)
    assert loaded.train.images[0, :, 0, 0].tolist() == [10, 20, 30]
    assert datasets.source("tiles").encoder == "cifar-lenet"


def mask(folder, name: str, pixels: np.ndarray) -> None:
    place = folder / "ground_truth" / "bad"
    place.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(place / f"{name}_mask.png")


def test_masks_lie_beside_the_splits_and_are_brought_to_the_size_of_the_images(folder):
    assert datasets.load("tiles").test.masks is None
    before = datasets.fingerprint("tiles")
    marked = np.zeros((56, 56), np.uint8)
    marked[:28, 20:22], marked[55, 55] = 255, 1
    mask(folder, "1", marked)
    assert datasets.fingerprint("tiles") != before
    loaded = datasets.load("tiles")
    expected = np.zeros((28, 28), bool)
    expected[:14, 10], expected[27, 27] = True, True
    assert loaded.test.masks.shape == (6, 28, 28)
    assert np.array_equal(loaded.test.masks[1], expected)
    assert not loaded.test.masks[[0, 2, 3, 4, 5]].any()
    assert loaded.train.masks is None
    assert loaded.train.class_names == ("bad", "good")


def test_an_image_with_a_damaged_mask_is_skipped_and_named(folder):
    mask(folder, "1", np.zeros((56, 56), np.uint8))
    (folder / "ground_truth" / "bad" / "2_mask.png").write_bytes(b"no image")
    loaded = datasets.load("tiles")
    assert len(loaded.test.images) == len(loaded.test.masks) == 5
    assert "test/bad/2.png (its mask is not a readable image)" in loaded.notes[0]


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def test_unusable_files_are_named_skipped_and_counted(folder):
    bad = folder / "test" / "bad"
    (bad / "a-text.png").write_text("hello")
    (bad / "b-empty.jpg").write_bytes(b"")
    (bad / "c-bomb.png").write_bytes(bomb(20_000, 20_000))
    (bad / "d-cut.png").write_bytes((bad / "0.png").read_bytes()[:40])
    Image.new("L", (1, 1)).save(bad / "e-pixel.png")
    (bad / ".hidden.png").write_text("left in silence")
    loaded = datasets.load("tiles")
    assert len(loaded.test.images) == 6
    (note,) = loaded.notes
    assert note.startswith("5 files were skipped: test/bad/a-text.png (not a readable image), ")
    assert "test/bad/c-bomb.png (too many pixels)" in note
    assert "test/bad/e-pixel.png (1x1 pixels are too few)" in note


def test_a_split_without_a_usable_image_gets_a_sentence(folder):
    for path in (folder / "train" / "good").iterdir():
        Image.new("L", (1, 1)).save(path)
    with pytest.raises(
        ValueError, match=r"The train folder of tiles holds no usable image; .*3 files"
    ):
        datasets.load("tiles")


def test_links_that_lead_out_are_left(folder, tmp_path):
    secret = tmp_path / "secret.png"
    Image.new("L", (30, 30)).save(secret)
    (folder / "train" / "good" / "link.png").symlink_to(secret)
    assert len(datasets.load("tiles").train.images) == 3


@pytest.mark.parametrize("name", ["../tiles", "/etc", "", "tiles/train", "nothing"])
def test_a_name_that_is_no_data_set_gets_a_sentence(folder, name):
    with pytest.raises(ValueError, match="There is no data set"):
        datasets.load(name)


def test_the_fingerprint_changes_with_the_files(folder):
    first = datasets.fingerprint("tiles")
    assert datasets.fingerprint("tiles") == first
    Image.new("L", (30, 30)).save(folder / "test" / "bad" / "new.png")
    assert datasets.fingerprint("tiles") != first
    assert datasets.fingerprint("mnist-sample") != datasets.fingerprint("fashion-mnist-sample")

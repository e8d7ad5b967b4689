"""Time the training loops: `python -m deepsvdd_core.benchmark.speed` (`make bench`).

Seconds per epoch of autoencoder and Deep SVDD training on both LeNets, beside

- bare: forward and backward pass of the same batches, nothing else, in the same process;
- loader: the loop as it is usually written, a DataLoader with per-image transforms, float32.

Images are random; their content does not matter here. All kinds take turns, medians are printed.
The data-size sweep prints seconds and the memory a process reached, its own and what it shares. At
last, one whole training by the schedule live stands beside the usual loop's epochs for the schedule
full.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from deepsvdd_core.detectors import DeepDetector
from deepsvdd_core.experiment import SCHEDULES, Experiment
from deepsvdd_core.networks import ENCODERS
from deepsvdd_core.objectives import OBJECTIVES
from deepsvdd_core.progress import nothing
from deepsvdd_core.scaling import Preprocessing
from deepsvdd_core.tasks import OneClassTask
from deepsvdd_core.training import batches, layer_products, minimise

BATCH = 200  # of the thesis
ROUNDS = 5
CASES = {  # encoder, images of one class, precision
    "MNIST": ("mnist-lenet", 6_131, "float32"),
    "CIFAR-10": ("cifar-lenet", 5_000, "bfloat16"),
}


class Case:
    """Networks, images and losses of one data set."""

    def __init__(self, name: str, count: int | None = None) -> None:
        encoder, usual, precision = CASES[name]
        self.experiment = Experiment(
            "x", ("0",), encoder=encoder, precision=precision, batch_size=BATCH
        )
        self.generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        self.encoder = ENCODERS[encoder]().to(memory_format=torch.channels_last)
        self.decoder = self.encoder.decoder().to(memory_format=torch.channels_last)
        self.objective = OBJECTIVES["one-class"](self.encoder.embedding_dim, self.experiment)
        self.objective.center.fill_(0.1)
        shape = (count or usual, *self.encoder.input_shape)
        self.images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        preprocessing = Preprocessing()
        preprocessing.fit(self.images)
        self.inputs = preprocessing.whole(self.images)
        self.labels = torch.zeros(len(self.inputs), dtype=torch.int64)

    def loss(self, kind: str, batch: Tensor) -> Tensor:
        """Of a batch of preprocessed images; kind is "SVDD" or "AE"."""
        with layer_products(self.experiment, batch.device):
            codes = self.encoder(batch)
            rebuilt = self.decoder(codes) if kind == "AE" else None
        if kind == "SVDD":
            return self.objective(codes.float(), self.labels[: len(batch)], batch)
        return (rebuilt.float() - batch).square().sum(dim=(1, 2, 3)).mean()

    def ours(self, kind: str) -> None:
        """One epoch of this program's loop."""
        modules = [self.encoder, self.decoder] if kind == "AE" else [self.encoder]
        epoch: Iterator[float] = minimise(
            lambda rows: self.loss(kind, self.inputs[rows]),
            modules,
            count=len(self.inputs),
            epochs=1,
            learning_rate=1e-4,
            weight_decay=1e-6,
            experiment=self.experiment,
            generator=self.generator,
            on_step=nothing,
        )
        next(epoch)

    def bare(self, kind: str) -> None:
        """Forward and backward pass of the same batches, which lie ready."""
        self.encoder.train()
        self.decoder.train()
        for batch in self.ready:
            self.loss(kind, batch).backward()

    @property
    def ready(self) -> list[Tensor]:
        """The batches of one epoch."""
        if not hasattr(self, "_ready"):
            rows = batches(len(self.inputs), BATCH, self.generator)
            self._ready = [self.inputs[part] for part in rows]
        return self._ready


class PictureSet(Dataset):
    """Images one by one through PIL, as torchvision's data sets give them."""

    def __init__(self, images: np.ndarray, low: float = -3.0, high: float = 3.0) -> None:
        from torchvision import transforms  # large, and not needed where memory is measured

        self.images = images.transpose(0, 2, 3, 1)
        self.transform = transforms.Compose(
            [
                transforms.ToTensor(),
                transforms.Lambda(normalise_contrast),
                transforms.Normalize([low] * images.shape[1], [high - low] * images.shape[1]),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int, int]:
        image = self.images[index]
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        return self.transform(picture), 0, index


def normalise_contrast(image: Tensor) -> Tensor:
    """Zero mean, mean absolute value one."""
    image = image - image.mean()
    return image / image.abs().mean()


def in_usual_order(encoder: nn.Sequential) -> nn.Sequential:
    """The same layers with every activation before its pooling, as it is usually written."""
    layers = list(encoder)
    for place, layer in enumerate(layers):
        if isinstance(layer, nn.LeakyReLU) and isinstance(layers[place - 1], nn.MaxPool2d):
            layers[place - 1 : place + 1] = layer, layers[place - 1]
    return nn.Sequential(*layers)


def loader_epoch(case: Case, kind: str) -> Callable[[], None]:
    """One epoch as it is usually written, on fresh networks in the default memory format.

    The decoder runs layer by layer.
    """
    network = ENCODERS[case.experiment.encoder]()
    encoder, decoder = in_usual_order(network), nn.Sequential(*network.decoder())
    modules = nn.ModuleList([encoder, decoder] if kind == "AE" else [encoder])
    optimiser = torch.optim.Adam(modules.parameters(), lr=1e-4, weight_decay=1e-6)
    loader = DataLoader(PictureSet(case.images), batch_size=BATCH, shuffle=True)
    center = torch.full((network.embedding_dim,), 0.1)

    def epoch() -> None:
        modules.train()
        total = 0.0
        for batch, _, _ in loader:
            optimiser.zero_grad()
            codes = encoder(batch)
            if kind == "SVDD":
                loss = (codes - center).square().sum(dim=1).mean()
            else:
                loss = (decoder(codes) - batch).square().sum(dim=(1, 2, 3)).mean()
            loss.backward()
            optimiser.step()
            total += loss.item()

    return epoch


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


_kept: dict[str, Case] = {}


def epochs_in_worker(name: str, kind: str, count: int) -> float:
    """Seconds per epoch in a worker process with one thread."""
    torch.set_num_threads(1)
    if name not in _kept:
        _kept[name] = Case(name)
        _kept[name].ours(kind)
    return seconds(lambda: [_kept[name].ours(kind) for _ in range(count)]) / count


def warm(name: str, kind: str) -> None:
    """Make the case of a worker process and train it once."""
    epochs_in_worker(name, kind, 1)


def compare(name: str, kind: str, pool: ProcessPoolExecutor) -> float:
    """Print one line: medians of all kinds, taken in turns, and their ratios; give the loader's."""
    threads = torch.get_num_threads()
    case = Case(name)
    loader = loader_epoch(case, kind)
    list(pool.map(warm, [name] * 2, [kind] * 2))
    times: dict[str, list[float]] = {"bare": [], "ours": [], "loader": [], "pair": []}
    for turn in range(ROUNDS + 1):
        torch.set_num_threads(1)
        bare, ours = (seconds(lambda run=run: run(kind)) for run in (case.bare, case.ours))
        torch.set_num_threads(threads)
        usual = seconds(loader)
        pair = max(pool.map(epochs_in_worker, [name] * 2, [kind] * 2, [2] * 2)) / 2
        if turn:  # the first round warms up
            for label, value in zip(times, (bare, ours, usual, pair), strict=True):
                times[label].append(value)
    medians = {label: statistics.median(values) for label, values in times.items()}
    over_bare = statistics.median(a / b for a, b in zip(times["ours"], times["bare"], strict=True))
    faster = statistics.median(a / b for a, b in zip(times["loader"], times["pair"], strict=True))
    print(
        f"| {name} {kind} | {medians['bare']:.3f} | {medians['ours']:.3f} | {over_bare:.2f} | "
        f"{medians['loader']:.3f} | {medians['pair']:.3f} | {faster:.2f} |",
        flush=True,
    )
    return medians["loader"]


def memory() -> tuple[float, float]:
    """MiB this process held at most, and MiB of library files, which processes share.

    NaN where there is no /proc. `getrusage` would count what the parent held, too.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan"), float("nan")
    text = status.read_text()
    most, files = (
        int(re.search(rf"{name}:\s+(\d+) kB", text)[1]) / 2**10 for name in ("VmHWM", "RssFile")
    )
    return most, files


def size_in_worker(name: str, count: int) -> tuple[float, float, float, float]:
    """Seconds per epoch, MiB of the data, of the process's own memory at most, of library files."""
    torch.set_num_threads(1)
    case = Case(name, count)
    case.ours("SVDD")
    took = statistics.median(seconds(lambda: case.ours("SVDD")) for _ in range(3))
    data = case.images.nbytes + case.inputs.nbytes
    most, files = memory()
    return took, data / 2**20, most - files, files


def live_training() -> float:
    """Seconds of a whole training by the schedule live, with as many images as a digit has."""
    torch.set_num_threads(1)
    images = Case("MNIST").images
    rows = np.arange(len(images))
    train, test = (images, np.zeros(len(images), np.int64)), images.repeat(2, axis=0)[:10_000]
    truth = np.arange(len(test)) % 10 > 0
    task = OneClassTask(*train, test, truth, truth.astype(np.int64), rows)
    detector = DeepDetector(Experiment("x", ("0",), **SCHEDULES["live"]))
    return seconds(lambda: [*detector.fit(task), detector.anomaly_score(test)])


def main() -> None:
    """Print both tables and what they come to."""
    from deepsvdd_core.engine import MEMORY, THREADS  # as torchvision above

    os.environ.update(THREADS | MEMORY)  # of the worker processes, as of those of the application
    context = multiprocessing.get_context("spawn")
    print("Seconds per epoch, medians of interleaved rounds, batches of", end=" ")
    print(f"{BATCH}; ratios are medians of ratios.\n")
    print("| | bare, 1 thread | ours, 1 thread | ours / bare |", end=" ")
    print(f"loader, {torch.get_num_threads()} threads | ours, two workers, per model | faster |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    usual = {}
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for name in CASES:
            for kind in ("SVDD", "AE"):
                usual[name, kind] = compare(name, kind, pool)
    print("\n| MNIST SVDD, images | s per epoch | data MiB | own memory MiB | library files MiB |")
    print("|---|---:|---:|---:|---:|")
    for count in (1_500, 3_000, 6_000, 12_000, 24_000, 48_000):
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            took, *sizes = pool.submit(size_in_worker, "MNIST", count).result()
        print(
            f"| {count:,} | {took:.3f} |",
            " | ".join(f"{mib:.0f}" for mib in sizes),
            "|",
            flush=True,
        )
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        live = statistics.median(pool.submit(live_training).result() for _ in range(3))
    full = SCHEDULES["full"]
    whole = full["pretrain_epochs"] * usual["MNIST", "AE"] + full["epochs"] * usual["MNIST", "SVDD"]
    print(
        f"\nA digit of MNIST: live {live:.1f} s on one thread; by the loader's epochs for the",
        end=" ",
    )
    threads = torch.get_num_threads()
    print(f"schedule full {whole:.0f} s on {threads}: {whole / live:.0f} times as long.")


if __name__ == "__main__":
    main()

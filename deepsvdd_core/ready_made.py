"""Train the models that come with the program: `python -m deepsvdd_core.ready_made`.

One model of each of METHODS for every class of MNIST and Fashion-MNIST, trained on the full sets
(they must be under DEEPSVDD_DATA or downloadable) with the default schedule and seed 0. Beside
each model lie its scores and maps on the bundled sample, so that the first page needs no
computation. Training leaves out the sample's test images: MNIST's sample is drawn from MNIST's
training split.
"""

from __future__ import annotations

import os
import tempfile

from deepsvdd_core import catalogue, datasets, jobs, library, products
from deepsvdd_core.experiment import Experiment

COMMAND = "make models"
METHODS = ("one-class", "mahalanobis@gradients")
SAMPLES = {"mnist": "mnist-sample", "fashion-mnist": "fashion-mnist-sample"}


def experiments() -> list[Experiment]:
    """Every class of both sets once as the normal class of every method."""
    return [
        Experiment(
            name,
            (label,),
            encoder=catalogue.encoder(method, source.encoder),
            contrast_normalisation=source.contrast_normalisation,
            leave_out=sample,
            **catalogue.choices(method),
        )
        for method in METHODS
        for name, sample in SAMPLES.items()
        for source in [datasets.source(name)]
        for label in source.class_names
    ]


def publish(name: str) -> library.ModelEntry:
    """Copy a model of the user's library and its theatre into assets, and note the command."""
    trained = library.find(name)
    film = products.get("theatre", {"model": name, "digest": trained.digest})
    header, tensors = library.read(trained.path)
    header["provenance"]["command"] = COMMAND
    library.delete(name)
    library.write(library.BUNDLED / f"{name}{library.SUFFIX}", header, tensors)
    entry = library.find(name)
    named = {"model": name, "digest": entry.digest}
    if film is not None:  # of what is trained epoch by epoch
        products.put("theatre", named, film, parent=products.BUNDLED)
    return entry


def prepare(engine: jobs.Engine, entry: library.ModelEntry) -> None:
    """Store what the pages first show of a model on the bundled sample."""
    subject = jobs.subject(entry, SAMPLES[entry.header["experiment"]["dataset"]])
    keep(engine, "view", subject)
    for projection in ("radial", "sphere", "umap"):
        mapped = ("view", subject)
        if projection != "radial":
            mapped = ("project", {**subject, "projection": projection})
            keep(engine, *mapped)
        asked = {"projection": projection, "coordinates": products.file_name(*mapped)}
        keep(engine, "trust", {**subject, **asked})


def keep(engine: jobs.Engine, kind: str, parameters: dict) -> None:
    """Have a product made and copy it into assets."""
    job = jobs.wait(engine.submit(kind, parameters))
    if job.state != "finished":
        raise SystemExit(job.message)
    products.put(kind, parameters, products.get(kind, parameters), parent=products.BUNDLED)


def line(entry: library.ModelEntry) -> str:
    """A model in the table that `main` prints."""
    made, facts = entry.experiment, entry.header["provenance"]
    before = facts["auroc_before_training"]
    cells = (
        f"{made.dataset} {'+'.join(made.normal_classes)}",
        made.method,
        "" if before is None else f"{before:.2%}",
        f"{facts['auroc']:.2%}",
        f"{facts['average_precision']:.2%}",
        f"{facts['seconds']:.0f}",
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Train, publish and print a table."""
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["DEEPSVDD_HOME"] = temporary
        engine = jobs.engine()
        for folder in (library.BUNDLED, products.BUNDLED):
            for old in folder.glob(f"*{library.SUFFIX}"):
                old.unlink()
        print("| normal class | method | AUROC before training | AUROC | AP | seconds |")
        print("|---|---|---:|---:|---:|---:|")
        running = [engine.train(experiment) for experiment in experiments()]
        for job in running:
            jobs.wait(job, timeout=3600)
            if job.state != "finished":
                raise SystemExit(f"{job.title}: {job.message}")
            entry = publish(job.model)
            prepare(engine, entry)
            print(line(entry), flush=True)
        engine.stop()


if __name__ == "__main__":
    main()

"""Measure how long work takes, beside what the pages say it will take.

`python -m tests.load.estimates [methods]` prints a line per kind of work; the engine is warm and
idle. It takes some minutes and is no part of the tests.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time

from deepsvdd_core import corruptions, jobs, library, products
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.jobs.estimates import Estimates

SAMPLE = "mnist-sample"
METHODS: dict[str, dict[str, object]] = {
    "one-class": {},
    "multi-center": {"objective": "multi-center"},
    "reconstruction": {"objective": "reconstruction"},
    "knn": {"detector": "shallow", "estimator": "knn"},
    "lof": {"detector": "shallow", "estimator": "lof"},
    "kde": {"detector": "shallow", "estimator": "kde"},
    "isolation-forest": {"detector": "shallow", "estimator": "isolation-forest"},
    "knn@efficientnet-lite0": {
        "detector": "shallow",
        "estimator": "knn",
        "features": "efficientnet-lite0",
    },
    "vae": {"detector": "vae"},
    "real-nvp": {"detector": "real-nvp"},
    "anogan": {"detector": "anogan"},
}


class Table:
    """Does work and prints how long it took beside the estimate."""

    def __init__(self, engine: jobs.Engine) -> None:
        self.engine, self.estimates = engine, Estimates()

    def line(self, kind: str, units: float, of: str, parameters: dict) -> None:
        """One piece of work."""
        if products.get(kind, parameters) is not None:
            return
        began = time.monotonic()
        job = jobs.wait(self.engine.submit(kind, parameters), 3600)
        took, said = time.monotonic() - began, self.estimates.seconds(kind, units, of)
        print(
            f"{kind:12} {of:24} {units:9.6g} units {took:7.2f} s, said {said:7.2f} {job.message}",
            flush=True,
        )

    def model(self, method: str, **choices: object) -> library.ModelEntry:
        """A model after a short training."""
        wanted = Experiment(SAMPLE, ("3",), **{"epochs": 2, **METHODS[method], **choices})
        job = jobs.wait(self.engine.train(wanted), 3600)
        assert job.state == "finished", job.message
        return library.find(job.model)


def main() -> None:
    """All kinds of work, on the sample and, for deep models, with its training images."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEEPSVDD_HOME"] = home
        engine = jobs.engine()
        engine.start()
        table = Table(engine)
        kinds = list(corruptions.LOCAL[1])
        time.sleep(60)  # until all is warm
        for method in sys.argv[1:] or METHODS:
            entry = table.model(method)
            test, whole = (jobs.subject(entry, SAMPLE, split) for split in ("test", "all"))
            for subject, count in ((test, 1000), (whole, 5000)):
                if method != "anogan" or count == 1000:
                    table.line("view", count, method, subject)
            known = jobs.wait(engine.submit("explainers", test))
            if known.state != "finished":  # there is no explanation of this method
                continue
            names = products.get("explainers", known.parameters)["names"].tobytes().decode()
            for name in names.splitlines():
                about = {**test, "explainer": name}
                for index in (1, 2):
                    table.line("explain", 1, name, {**about, "index": index})
                table.line("scale", 1, name, about)
                table.line("judge", 1, name, {**about, "corruptions": kinds})
                shown = {"corruption": kinds[0], "severity": None, "seed": 0, "rows": [1, 2, 3, 4]}
                table.line("spoil", 4, name, {**about, **shown})
            table.line("heatmaps", 1, method, {**test, "first": 0, "count": 64})
            for count in (50, 400):
                asked = {**test, "others": [], "count": count}
                table.line("clever_hans", 16 * count, method, asked)
                asked = {**test, "label": "3", "count": count}
                table.line("strategies", count, method, asked)
            if method == "one-class":
                for subject, count in ((test, 1000), (whole, 5000)):
                    table.line("clusters", count, "", subject)
                    for kind in ("umap", "sphere"):
                        table.line("project", count, "", {**subject, "projection": kind})
        for method in ("reconstruction", "one-class", "kde"):
            marked = table.model(method, artefact="planted tag")
            subject = jobs.subject(marked, SAMPLE)
            for count in (50, 400):
                table.line("find_mark", count, method, {**subject, "count": count})
            table.line("remove_mark", 200, "", {**subject, "count": 200})
        engine.stop()


if __name__ == "__main__":
    main()

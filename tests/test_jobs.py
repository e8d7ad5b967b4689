import asyncio
import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import dask
import psutil
import pytest
import requests
from distributed import Security
from distributed.comm import connect

from deepsvdd_core import jobs, library, worker
from deepsvdd_core.engine import lanes
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.pipeline import WORK

SHORT = {"pretrain_epochs": 1, "epochs": 1}
ENDLESS = {"pretrain_epochs": 10_000, "epochs": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def running_engine(home):
    """An engine of the tests' own; it reads the folders when it starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPSVDD_HOME", str(home))
        patch.setenv("DEEPSVDD_DATA", str(home / "data"))
        engine = jobs.Engine()
        engine.start()
        yield engine
        engine.stop()


@pytest.fixture
def engine(running_engine, home, monkeypatch):
    monkeypatch.setenv("DEEPSVDD_HOME", str(home))
    monkeypatch.setenv("DEEPSVDD_DATA", str(home / "data"))
    return running_engine


def digits(label: str = "0", **choices) -> Experiment:
    return Experiment("mnist-sample", (label,), **{**SHORT, **choices})


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_a_training_reports_each_epoch_and_lands_in_the_library(engine):
    job = jobs.wait(engine.train(digits(epochs=3)))
    assert (job.state, job.message) == ("finished", "")
    seen = [(report["stage"], report["epoch"]) for report in job.epochs]
    assert seen[6:] == [("calibrating", done) for done in range(1, len(seen) - 5)]
    assert seen[:6] == [
        ("before training", 0),
        ("pre-training", 1),
        ("training", 0),
        ("training", 1),
        ("training", 2),
        ("training", 3),
    ]
    entry = library.find(job.model)
    assert Experiment.from_dict(entry.header["experiment"]) == digits(epochs=3)
    assert 0.5 < entry.header["provenance"]["auroc"] <= 1


def test_a_result_is_kept_and_not_computed_twice(engine):
    model = library.find(jobs.wait(engine.train(digits())).model)
    subject = jobs.subject(model, "mnist-sample")
    job = jobs.wait(engine.request("view", **subject))
    assert job.state == "finished"
    arrays = engine.request("view", **subject)
    assert arrays["scores"].shape == (1000,)
    assert arrays["radial"].shape == (1000, 2)


def test_equal_work_under_way_is_shared(engine):
    first, second = engine.train(digits("1")), engine.train(digits("1"))
    assert first is second
    jobs.wait(first)


def test_cancel_stops_within_seconds_and_frees_the_worker(engine):
    running = [engine.train(digits(seed=seed, **ENDLESS)) for seed in range(os.cpu_count())]
    until(lambda: all(job.epochs for job in running))
    behind = engine.train(digits("2"))
    for job in running:
        engine.cancel(job)
    assert {job.state for job in running} == {"cancelled"}
    assert jobs.wait(behind, timeout=15).state == "finished"
    assert {job.state for job in running} == {"cancelled"}


def test_a_cancelled_request_is_remembered_until_it_is_forgotten(engine):
    waiting = engine.train(digits("3", **ENDLESS))
    engine.cancel(waiting)
    named = {"dataset": "mnist-sample", "fingerprint": "0", "split": "test"}
    subject = {"model": "none", "digest": "0", **named}
    failed = jobs.wait(engine.request("view", **subject))
    assert failed.state == "failed"
    assert failed.message == "There is no model 'none'; choose one from the list."
    assert engine.request("view", **subject) is failed
    engine.forget(failed)
    assert engine.request("view", **subject) is not failed


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        (digits("eleven"), "There is no class eleven"),
        (Experiment("nowhere", ("0",), **SHORT), "There is no data set 'nowhere'"),
        (digits(encoder="cifar-lenet"), "This model takes uint8 images of shape (3, 32, 32)"),
        (digits(objective="magic"), "There is no objective magic; choose from"),
    ],
)
def test_what_cannot_be_trained_ends_in_one_sentence(engine, experiment, words):
    job = jobs.wait(engine.train(experiment))
    assert job.state == "failed"
    assert job.message.startswith(words)
    assert job.message.endswith(".")
    assert "\n" not in job.message


def test_a_full_disk_keeps_the_trained_model_until_it_can_be_saved(engine, monkeypatch):
    def full(self, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        job = jobs.wait(engine.train(digits("4")))
    assert job.state == "failed"
    assert "No space left on device" in job.message
    assert job.content is not None
    assert not list(library.folder().glob("tmp*"))
    engine.save(job)
    assert job.state == "finished"
    assert library.find(job.model).header["provenance"]["training_images"] == 400


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are no copies")
def test_workers_are_copies_of_one_process_that_has_loaded_torch(engine):
    until(lambda: engine.state == "ready")
    parents = set(engine._client.run(os.getppid).values())
    assert len(parents) == 1 and engine._process.pid not in parents
    files = {entry.path for entry in psutil.Process(parents.pop()).memory_maps()}
    assert any("libtorch_cpu" in file for file in files)


def tls_settings(said: dict[str, str], folder: Path) -> dict[str, object]:
    """Dask's own settings, as a person would write them for a cluster of theirs."""
    for name in ("key", "certificate"):
        (folder / name).write_text(said[name])
    own = {"key": str(folder / "key"), "cert": str(folder / "certificate")}
    where = "distributed.comm.tls"
    return {f"{where}.ca-file": own["cert"], f"{where}.client": own}


def test_workers_that_start_on_their_own_do_the_same_work(home, tmp_path, monkeypatch):
    """As on Windows and macOS, where they are no copies; used like a cluster."""
    monkeypatch.setenv("DEEPSVDD_HOME", str(home))
    lines = (
        "import asyncio",
        "from deepsvdd_core import engine",
        "engine.share_imports = lambda: None",
        "asyncio.run(engine.serve())",
    )
    command = [sys.executable, "-c", "\n".join(lines), "train"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        said = json.loads(process.stdout.readline())
        monkeypatch.setenv("DASK_SCHEDULER_ADDRESS", said["address"])
        with dask.config.set(tls_settings(said, tmp_path)):
            engine = jobs.Engine()
            job = jobs.wait(engine.train(digits("8")), timeout=120)
            parents = set(engine._client.run(os.getppid).values())
            engine.stop()
    assert (job.state, job.message) == ("finished", "")
    assert parents == {process.pid}


def listening(process: psutil.Process) -> list[tuple[str, int]]:
    """Addresses and ports of everything below a process that waits for connections."""
    family = [process, *process.children(recursive=True)]
    found = [connection for p in family for connection in p.net_connections("inet")]
    return [tuple(c.laddr) for c in found if c.status == psutil.CONN_LISTEN]


def test_every_part_of_the_engine_listens_on_this_computer_alone(engine):
    until(lambda: engine.state == "ready")
    until(lambda: len(engine._client.scheduler_info(n_workers=-1)["workers"]) == len(lanes([])))
    found = listening(psutil.Process(engine._process.pid))
    assert len(found) >= 2 + 2 * len(lanes([]))
    assert {address for address, _ in found} == {"127.0.0.1"}


@pytest.mark.parametrize("who", ["nobody", "foreigner", "owner"])
def test_only_who_holds_the_key_of_this_run_can_connect(engine, who):
    until(lambda: engine.state == "ready")
    scheduler = engine._client.scheduler_info()["address"]
    workers = engine._client.scheduler_info(n_workers=-1)["workers"]
    addresses = [scheduler, *workers, *(about["nanny"] for about in workers.values())]
    assert len(addresses) == 1 + 2 * len(lanes([]))
    protocol = "tcp" if who == "nobody" else "tls"
    security = {"nobody": Security(), "foreigner": Security.temporary()}.get(
        who, engine._client.security
    )

    async def reaches(address: str) -> bool:
        address = f"{protocol}://{address.rpartition('/')[2]}"
        try:
            comm = await connect(address, timeout=1, **security.get_connection_args("client"))
            await comm.write({"op": "identity", "reply": True})
            return "id" in await asyncio.wait_for(comm.read(), 5)
        except (OSError, TimeoutError):
            return False

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*map(reaches, addresses))

    assert set(asyncio.run(all_of_them())) == {who == "owner"}


def test_the_web_servers_of_the_engine_have_no_pages(engine):
    until(lambda: engine.state == "ready")
    answers = set()
    for _, port in listening(psutil.Process(engine._process.pid)):
        for page in ("", "info", "status", "json/counts.json", "metrics", "health"):
            with contextlib.suppress(requests.ConnectionError):  # no web server, but Dask's TLS
                answers.add(requests.get(f"http://127.0.0.1:{port}/{page}", timeout=5).status_code)
    assert answers == {404}


def test_every_lane_has_a_worker_that_warms_up():
    wanted = {*jobs.LANES.values(), "quick"}
    assert wanted == set(lanes([])) == set(worker.WARM_UP)
    assert set(jobs.LANES) <= set(WORK)


def test_a_warm_worker_has_imported_what_the_first_step_of_a_training_needs():
    lines = (
        "import sys",
        "from deepsvdd_core import worker",
        "for step in worker.WARM_UP['train']:",
        "    step()",
        "    print('torch._dynamo' in sys.modules)",
    )
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_work_of_a_worker_that_died_is_done_again(engine):
    job = engine.train(digits("5", epochs=60))
    until(lambda: job.epochs)
    engine._client.run(os._exit, 1, workers=[job.epochs[-1]["worker"]], on_error="ignore")
    jobs.wait(job, timeout=60)
    assert job.state == "finished"
    assert [report["epoch"] for report in job.epochs if report["stage"] == "training"] == list(
        range(61)
    )


def test_an_engine_that_was_killed_is_started_again(home, monkeypatch):
    monkeypatch.setenv("DEEPSVDD_HOME", str(home))
    engine = jobs.Engine()
    try:
        job = engine.train(digits("6", **ENDLESS))
        until(lambda: job.epochs)
        workers = psutil.Process(engine._process.pid).children(recursive=True)
        engine._process.kill()
        until(lambda: not job.is_active)
        until(lambda: not any(worker.is_running() for worker in workers))
        assert (job.state, job.message) == ("failed", jobs.ENGINE_STOPPED)
        assert jobs.wait(engine.train(digits("6")), timeout=60).state == "finished"
    finally:
        engine.stop()

"""Who may end what: jobs belong to those who asked for them. No engine runs here."""

import time

import pytest

from deepsvdd_core import jobs
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.jobs.estimates import RATES, Estimates, in_words
from deepsvdd_core.jobs.job import PRESSED, SHORT


@pytest.fixture
def engine(monkeypatch):
    """All jobs of an engine that never starts, so that nothing ends by itself."""
    monkeypatch.setattr(jobs.Engine, "_dispatch", lambda self: None)
    return jobs.Engine()


def visits(engine, *names):
    return [jobs.Visit(engine, name, name == "teacher") for name in names]


def test_equal_work_is_shared_and_ends_with_its_last_follower(engine):
    anna, ben = visits(engine, "anna", "ben")
    job = anna.submit("view", {"a": 1})
    assert ben.submit("view", {"a": 1}) is job
    left = anna.cancel(job)
    assert job.is_active and left is not job and left.state == "cancelled"
    assert anna.request("view", a=1) is left  # a page asks again, and is told so
    assert ben.request("view", a=1) is job
    anna.forget(left)
    assert anna.request("view", a=1) is job  # tried again: joined
    anna.cancel(job)
    assert ben.cancel(job) is job and job.state == "cancelled"


def test_nobody_ends_or_forgets_what_another_asked_for(engine):
    anna, ben, teacher = visits(engine, "anna", "ben", "teacher")
    job = anna.train(Experiment("mnist-sample", ("0",)))
    assert ben.cancel(job) is job and job.is_active
    assert [ben.own("train"), anna.own("train"), teacher.own("train")] == [[], [job], [job]]
    teacher.cancel(job)
    assert job.state == "cancelled"
    ben.forget(job)
    assert anna.find(job.id) is job
    anna.forget(job)
    assert anna.find(job.id) is None


def test_the_teacher_ends_shared_work_for_all(engine):
    anna, ben, teacher = visits(engine, "anna", "ben", "teacher")
    job = anna.submit("view", {})
    ben.submit("view", {})
    teacher.cancel(job)
    assert job.state == "cancelled"


def test_a_cancelled_request_of_another_is_not_in_the_way(engine):
    anna, ben = visits(engine, "anna", "ben")
    job = anna.request("view", a=1)
    anna.cancel(job)
    assert ben.request("view", a=1) is not job
    assert anna.request("view", a=1) is job


def test_short_work_that_nobody_asks_about_is_dropped_and_long_work_is_not(engine):
    (anna,) = visits(engine, "anna")
    short, training = anna.submit("view", {}), anna.submit("train", {})
    script = engine.submit("view", {"of": "a script"})
    pressed = anna.submit("project", {})
    pressed.patience = PRESSED
    for job in (short, training, script, pressed):
        job.followers = dict.fromkeys(job.followers, time.monotonic() - SHORT - 1)
    engine._drop_old_jobs()
    assert short.state == "cancelled" and short.id not in engine.jobs
    assert all(job.is_active for job in (training, script, pressed))
    followed = anna.submit("view", {})
    followed.followers = {"anna": time.monotonic() - SHORT - 1}
    anna.follow(followed)
    engine._drop_old_jobs()
    assert followed.is_active


def test_a_training_outlives_hundreds_of_shorter_jobs(engine):
    (anna,) = visits(engine, "anna")
    training = anna.submit("train", {})
    for number in range(300):
        engine._end(anna.submit("view", {"number": number}), "finished")
    engine._drop_old_jobs()
    assert len(engine.jobs) <= 201
    engine._end(training, "finished")
    for number in range(300):
        engine._end(anna.submit("view", {"number": number}), "finished")
    engine._drop_old_jobs()
    assert anna.find(training.id) is training


def test_a_visitor_has_so_many_trainings_under_way_at_most(engine):
    anna, ben = visits(engine, "anna", "ben")
    for number in range(60):
        anna.submit("train", {"number": number})
    with pytest.raises(ValueError, match=r"^60 trainings and measurements .* cancel them\.$"):
        anna.submit("measure", {})
    assert anna.submit("train", {"number": 3}).is_active  # shared, so nothing new
    assert ben.submit("train", {}).is_active


def test_an_estimate_follows_what_this_computer_takes():
    estimates = Estimates()
    first = estimates.seconds("view", 10_000, "kde")
    for _ in range(5):
        estimates.learn("view", 1_000, "kde", 3 * Estimates().seconds("view", 1_000, "kde"))
    assert estimates.seconds("view", 10_000, "kde") == pytest.approx(3 * first)
    assert estimates.seconds("view", 10_000, "knn") == first
    assert estimates.seconds("view", 10_000, "one-class") < first
    networks = {estimates.seconds("view", 10_000, f"knn@{name}") for name in ("vgg16", "resnet18")}
    assert len(networks) == 1 and networks.pop() > 10 * first
    assert estimates.seconds("view", 10_000, "knn@codes") < first
    assert estimates.seconds("guess") == 0
    assert all(base >= 0 and each >= 0 for base, each in RATES.values())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "about 1 s"), (7.6, "about 8 s"), (31, "about 40 s"), (91, "about 2 min")],
)
def test_a_time_is_told_in_words(seconds, words):
    assert in_words(seconds) == words

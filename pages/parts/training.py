"""The choices of a training run, and its progress."""

from __future__ import annotations

import streamlit as st

from deepsvdd_core import catalogue, datasets, figures, jobs
from deepsvdd_core.experiment import SCHEDULES, Experiment
from pages.parts import anomalies, frame, waiting
from pages.parts.subject import choose

STEP = 0.5  # seconds between two looks at a running job


def choose_experiment() -> Experiment | None:
    """Menus and numbers; None, with a sentence, while they do not make an experiment."""
    name = choose(
        "data",
        "Data set",
        datasets.available(),
        "fashion-mnist-sample",
        lambda option: datasets.source(option).title,
        help="The samples come with the program; the full sets are downloaded when first used.",
    )
    source = datasets.source(name)
    normal = st.multiselect(
        "Normal classes",
        source.class_names,
        default=source.class_names[:1],
        key=f"normal-{name}",
        persist_state="session",
        help="Only these are trained on; every other class counts as anomalous.",
    )
    method = _method()
    with st.expander("Schedule and details", key="schedule-details"):
        choices = _details(source)
    with st.expander("Known anomalies and pollution", key="known-anomalies"):
        choices |= anomalies.choose(name, source, normal)
    if method in catalogue.NEEDS_ANOMALIES and not (
        choices["labelled"] or choices["outlier_exposure"] or choices["spoilt"]
    ):
        st.warning(
            f"{method} learns from known anomalies; open “Known anomalies and pollution” and "
            "choose outlier exposure, a share of labelled anomalies, or spoilt copies."
        )
        return None
    try:
        return Experiment(
            name,
            tuple(normal),
            **catalogue.choices(method),
            encoder=catalogue.encoder(method, source.encoder),
            **choices,
        )
    except ValueError as error:
        st.warning(str(error))
        return None


def _method() -> str:
    """Menus for the method and, for a shallow one, what it looks at."""
    methods = catalogue.methods()
    method = st.selectbox(
        "Method", methods, key="method", persist_state="session", help=_list(methods)
    )
    st.caption(methods[method])
    if method not in catalogue.names("estimators", "ESTIMATORS"):
        return method
    seen = st.selectbox(
        "It looks at",
        catalogue.features(),
        key="features",
        persist_state="session",
        help="pixels; codes of a Deep SVDD trained first; or features of a network trained on "
        "ImageNet (the weights of resnet18 and vgg16 are downloaded when first used).",
    )
    return method if seen == "pixels" else f"{method}@{seen}"


def _details(source: datasets.Source) -> dict[str, object]:
    kept = {"persist_state": "session"}
    default = Experiment("any", ("any",))
    schedule = st.segmented_control(
        "Schedule",
        list(SCHEDULES),
        default="live",
        required=True,
        key="schedule",
        help="live: seconds, for a class to watch. medium: a minute. short and full: the thesis' "
        "learning rates after pre-training as an autoencoder, for a few epochs and for all of "
        "them, which takes an hour.",
        **kept,
    )
    usual = {**default.to_dict(), **SCHEDULES[schedule]}
    return {
        **SCHEDULES[schedule],
        "nu": st.number_input(
            "ν, share of training images that may lie outside",
            0.0,
            1.0,
            default.nu,
            step=0.01,
            key="nu",
            **kept,
        ),
        "pretrain_epochs": st.number_input(
            "Epochs of pre-training as an autoencoder",
            0,
            10_000,
            usual["pretrain_epochs"],
            key=f"pretrain-epochs-{schedule}",
            **kept,
        ),
        "epochs": st.number_input(
            "Epochs", 0, 10_000, usual["epochs"], key=f"epochs-{schedule}", **kept
        ),
        "learning_rate": st.number_input(
            "Learning rate",
            0.0,
            1.0,
            usual["learning_rate"],
            step=1e-4,
            format="%.5f",
            key=f"learning-rate-{schedule}",
            **kept,
        ),
        "contrast_normalisation": st.checkbox(
            "Contrast normalisation",
            source.contrast_normalisation,
            key=f"contrast-{source.title}",
            help="Each image gets the same brightness and contrast; anomalies that differ only in "
            "these become hard to see.",
            **kept,
        ),
        "seed": st.number_input("Seed", 0, 2**32 - 1, default.seed, key="seed", **kept),
    }


def _list(summaries: dict[str, str]) -> str:
    return "\n".join(f"- **{name}**: {summary}" for name, summary in summaries.items())


def follow(job_id: str | None) -> None:
    """The job of the link; without one, the running ones to choose from."""
    engine = jobs.engine()
    job = engine.jobs.get(job_id)
    if job is not None:
        st.fragment(_show, run_every=STEP if job.is_active else None)(job.id)
        return
    if job_id is not None:
        st.info(
            "This training is not known here any more; if it finished, its model is on the "
            "Models page."
        )
    running = [job for job in engine.jobs.values() if job.kind == "train" and job.is_active]
    for other in running:
        st.page_link(
            frame.TRAIN, label=f"Follow: {frame.plain(other.title)}", query_params={"job": other.id}
        )
    if not running and job_id is None:
        st.caption("Press Train; loss, radius and AUROC appear here after each epoch.")


def _show(job_id: str) -> None:
    """Progress, curves and what comes next of one training."""
    engine = jobs.engine()
    job = engine.jobs[job_id]
    was_active = job.is_active
    st.subheader(frame.plain(job.title))
    if was_active:
        st.progress(fraction(job), text=stage(job))
        if st.button("Cancel", icon=":material/stop:"):
            engine.cancel(job)
            st.rerun()
    _curves(job.epochs)
    if job.epochs and job.epochs[-1]["health"] != "sound":
        st.warning(job.epochs[-1]["health"])
    if not was_active:
        _end(engine, job)
    elif not job.is_active:
        st.rerun()


def fraction(job: jobs.Job) -> float:
    """Epochs done of all epochs; while data are being read, the share of these."""
    if not job.epochs:
        return float(job.reports[-1].get("fraction", 0)) if job.reports else 0.0
    choices = job.parameters["experiment"]
    total = choices["pretrain_epochs"] + choices["epochs"]
    last = job.epochs[-1]
    before = choices["pretrain_epochs"] if last["stage"] == "training" else 0
    return min(1.0, (before + last["epoch"]) / total)


def stage(job: jobs.Job) -> str:
    """What a training is doing now, in words."""
    if job.state == "queued":
        return f"{waiting.stage(job, 'Training')} …"
    last = job.reports[-1] if job.reports else {"stage": "Reading the data"}
    if "epoch" not in last:
        return f"{last['stage']} …"
    if last["stage"] == "fitting":
        return "Fitting …"
    return f"{last['stage'].capitalize()}: epoch {last['epoch']} of {last['epochs']} …"


def _curves(epochs: list[dict]) -> None:
    """Loss, radius and AUROC; before the objective is trained, the loss of pre-training."""
    before = [report["auroc"] for report in epochs if report["stage"] == "before training"]
    trained = [report for report in epochs if report["stage"] == "training"]
    stage = "training" if len(trained) > 1 else "pre-training"
    curves = [
        (f"{stage} loss", "loss", [report for report in epochs if report["stage"] == stage]),
        ("radius (embedding units)", "radius", trained),
        ("AUROC (up to 500 test images)", "auroc", trained),
    ]
    for column, (name, value, reports) in zip(st.columns(3), curves, strict=True):
        points = [(r["epoch"], r[value]) for r in reports if r[value] is not None]
        if points:
            column.plotly_chart(
                figures.curve(*zip(*points, strict=True), name),
                config=frame.NO_BAR,
                key=f"curve-{value}",
                alt=f"{name} over {len(points)} epochs, last {points[-1][1]:.4g}.",
            )
    if before and before[0] is not None:
        last = f"; now: {trained[-1]['auroc']:.1%}" if trained else ""
        st.caption(
            f"AUROC before any training: {before[0]:.1%}{last}. It is measured on up to 500 test "
            "images for the eye alone; nothing is chosen by it."
        )


def _end(engine: jobs.Engine, job: jobs.Job) -> None:
    """What a training left behind, and where to go."""
    if job.state == "cancelled":
        st.info("Cancelled; no model was kept.")
    elif job.state == "failed":
        st.error(frame.plain(job.message))
        if job.content is not None and st.button("Save again", icon=":material/save:"):
            save_again(engine, job)
            st.rerun()
    else:
        st.success("Finished; the model is in the library.")
        for page, label in ((frame.EXPLORE, "Explore it"), (frame.EXPLAIN, "Explain its images")):
            st.page_link(
                page,
                label=label,
                icon=":material/arrow_forward:",
                query_params={"model": job.model, "data": job.parameters["experiment"]["dataset"]},
            )


def save_again(engine: jobs.Engine, job: jobs.Job) -> None:
    """Put a model into the library that did not fit before; a sentence if it still does not."""
    try:
        engine.save(job)
    except OSError as error:
        job.message = str(error)

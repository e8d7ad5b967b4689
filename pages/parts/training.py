"""The choices of a training run, and its progress."""

from __future__ import annotations

import numpy as np
import streamlit as st

from deepsvdd_core import catalogue, datasets, figures, jobs, library
from deepsvdd_core.experiment import SCHEDULES, Experiment
from deepsvdd_core.sphere import Centre
from pages.parts import anomalies, fields, frame, spheres, visitor, waiting
from pages.parts.subject import choose

# Numbers of shallow methods: who has them, their label, smallest, largest and usual value.
SETTINGS = {
    "ridge": (
        ("mahalanobis",),
        "Ridge, in units of the mean variance",
        0.0,
        1_000.0,
        0.0,
    ),
    "support": (("mve",), "Share of the training images it is fitted to", 0.5, 1.0, 0.9),
    "variance": (("pca", "kernel-pca"), "Share of the variance taken for normal", 0.01, 1.0, 0.9),
}
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
    normal = fields.menu(
        st.multiselect,
        "Normal classes",
        source.class_names,
        default=source.class_names[:1],
        key=f"normal-{name}",
        named="normal class",
        help="Only these are trained on; every other class counts as anomalous.",
    )
    method = _method()
    with st.expander("Schedule and details", key="schedule-details"):
        choices = _details(source, method)
        choices |= _settings(method.partition("@")[0])
        if method.partition("@")[0] in catalogue.ONE_CENTRE:
            choices["centre"] = _centre(choices["pretrain_epochs"])
        if method in ("fcdd", "fcdd-masks"):
            choices["upsampling_sigma"] = _sigma()
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
    """Menus for the method and, where there is a choice, what it looks at."""
    methods = catalogue.methods()
    method = fields.menu(st.selectbox, "Method", methods, key="method", help=_list(methods))
    st.caption(methods[method])
    features = catalogue.features(method)
    if len(features) == 1:
        return method
    is_shallow = method in catalogue.names("estimators", "ESTIMATORS")
    seen = fields.menu(
        st.selectbox,
        "It looks at",
        features,
        key="features" if is_shallow else f"features-{method}",
        named="kind of features",
        help="pixels; codes of a Deep SVDD trained first; gradients: histograms of oriented "
        "gradients, which need no training; or features of a network trained on ImageNet (the "
        "weights of resnet18 and vgg16 are downloaded when first used).",
    )
    return method if seen == "pixels" else f"{method}@{seen}"


def _details(source: datasets.Source, method: str) -> dict[str, object]:
    default = Experiment("any", ("any",))
    schedule = fields.menu(
        st.segmented_control,
        "Schedule",
        list(SCHEDULES),
        default="live",
        required=True,
        key="schedule",
        help="live: seconds, for a class to watch. medium: a minute. Setting the threshold takes "
        "0.8 to 4 times as long again. short and full: the thesis' "
        "learning rates after pre-training as an autoencoder, for a few epochs and for all of "
        "them, which takes an hour.",
    )
    chosen = catalogue.schedule(schedule, method)
    usual = {**default.to_dict(), **chosen}
    is_needed = method in catalogue.NEEDS_PRETRAINING
    return {
        **chosen,
        "nu": fields.number(
            "ν, share of false alarms",
            0.0,
            1.0,
            default.nu,
            step=0.01,
            key="nu",
            help="Of unseen normal images above the threshold. For a sphere it is also the share "
            "of training images outside of the trained radius.",
        ),
        "pretrain_epochs": fields.number(
            "Epochs of pre-training as an autoencoder",
            int(is_needed),
            10_000,
            usual["pretrain_epochs"],
            key=f"pretrain-epochs-{schedule}{'-needed' if is_needed else ''}",
        ),
        "epochs": fields.number("Epochs", 0, 10_000, usual["epochs"], key=f"epochs-{schedule}"),
        "learning_rate": fields.number(
            "Learning rate",
            0.0,
            1.0,
            usual["learning_rate"],
            step=1e-4,
            format="%.5f",
            key=f"learning-rate-{schedule}",
        ),
        "contrast_normalisation": st.checkbox(
            "Contrast normalisation",
            source.contrast_normalisation,
            key=f"contrast-{source.title}",
            help="Each image gets the same brightness and contrast; anomalies that differ only in "
            "these become hard to see.",
            **fields.FORM,
        ),
        "seed": fields.number("Seed", 0, 2**32 - 1, default.seed, key="seed"),
    }


def _settings(name: str) -> dict[str, object]:
    """Those of a shallow method; what is left empty, the training images decide."""
    found: dict[str, object] = {}
    if name in catalogue.ON_COMPONENTS:
        found["principal_components"] = st.checkbox(
            "First to principal components with 95 % of the variance",
            True,
            key="principal-components",
            **fields.FORM,
        )
    if name in catalogue.OF_ONE_WIDTH:
        found["width"] = fields.number(
            "Kernel width",
            1e-6,
            1_000.0,
            None,
            format="%.6g",
            placeholder="by the data",
            key=f"width-{name}",
            help="kde: the bandwidth h; the others: γ of the RBF kernel. Empty: the training "
            "images decide; for oc-svm-oracle, a tenth of the test labels.",
        )
    for setting, (methods, label, least, most, default) in SETTINGS.items():
        if name in methods:
            found[setting] = fields.number(label, least, most, default, step=0.01, key=setting)
    return found


def _centre(pretrain_epochs: int) -> str | None:
    """How the centre is found; None: as usual for so much pre-training."""
    usual = Experiment("any", ("any",), pretrain_epochs=pretrain_epochs).centre_rule
    chosen = fields.menu(
        st.segmented_control,
        "Centre of the sphere",
        ["signs", "codes"],
        default=usual,
        required=True,
        key=f"centre-{usual}",
        named="centre",
        help="signs: 0.1 or -0.1 in every coordinate, by the sign of the mean code before "
        "training; what a quick training needs. codes: that mean, where it is not too near to 0 "
        "(thesis 2.2.4); only after pre-training does much of it remain.",
    )
    if chosen == "codes" and not pretrain_epochs:
        st.caption(
            "Without pre-training nearly all coordinates are too near to 0, so that this is a "
            "centre of signs all the same; choose at least one epoch."
        )
    return None if chosen == usual else chosen


def _sigma() -> float | None:
    """How far each cell of FCDD's map is spread; None: as the stride of the network says."""
    return fields.number(
        "σ of the map, in pixels",
        0.1,
        28.0,
        None,
        step=0.1,
        placeholder="by the stride",
        key="upsampling-sigma",
        help="How far each cell of the map is spread over pixels. Empty: the smallest with which "
        "Gaussians alone make of a constant map one whose highest place is 1.1 times its lowest. "
        "The score stays the same; fcdd-masks learns from the spread map.",
    )


def _list(summaries: dict[str, str]) -> str:
    return "\n".join(f"- **{name}**: {summary}" for name, summary in summaries.items())


def begin(experiment: Experiment) -> jobs.Job | None:
    """Hand a training to the engine; None, with a sentence, where there is no room for it."""
    try:
        library.check_room(visitor.name())
        return visitor.engine().train(experiment)
    except ValueError as error:
        st.warning(str(error))
        return None


def follow(job_id: str | None) -> None:
    """The job of the link; without one, the running ones to choose from."""
    engine = visitor.engine()
    job = engine.find(job_id)
    if job is not None and job.kind == "train":
        st.fragment(_show, run_every=STEP if job.is_active else None)(job.id)
        return
    if job_id is not None:
        st.info(
            "This training is not known here any more; if it finished, its model is on the "
            "Models page."
        )
    running = [job for job in engine.own("train") if job.is_active]
    for other in running:
        st.page_link(
            frame.TRAIN, label=f"Follow: {frame.plain(other.title)}", query_params={"job": other.id}
        )
    if not running and job_id is None:
        st.caption("Press Train; loss, radius and AUROC appear here after each epoch.")


def _show(job_id: str) -> None:
    """Progress, curves and what comes next of one training."""
    engine = visitor.engine()
    job = engine.find(job_id)
    if job is None:
        st.rerun()
    was_active = job.is_active
    st.subheader(frame.plain(job.title))
    if was_active:
        st.progress(fraction(job), text=stage(job))
        if engine.owns(job) and st.button("Cancel", icon=":material/stop:"):
            st.query_params["job"] = engine.cancel(job).id
            st.rerun()
    _curves(job.epochs)
    if was_active and job.epochs and job.epochs[-1]["health"] != "sound":
        st.error(job.epochs[-1]["health"])
    if not was_active:
        _end(job)
    elif not job.is_active:
        st.rerun()


def fraction(job: jobs.Job) -> float:
    """Epochs done of all epochs; while data are being read, the share of these."""
    if not job.epochs:
        return float(job.reports[-1].get("fraction", 0)) if job.reports else 0.0
    choices = job.parameters["experiment"]
    total = choices["pretrain_epochs"] + choices["epochs"]
    last = job.epochs[-1]
    if last["stage"] == "calibrating":
        return last["epoch"] / last["epochs"]
    before = choices["pretrain_epochs"] if last["stage"] == "training" else 0
    return min(1.0, (before + last["epoch"]) / total)


def stage(job: jobs.Job) -> str:
    """What a training is doing now, in words."""
    if job.state == "queued":
        return f"{waiting.stage(job, 'Training')} …"
    last = job.reports[-1] if job.reports else {"stage": "Reading the data"}
    if "epoch" not in last:
        return f"{last['stage']} …"
    if last["stage"] == "calibrating":
        return f"Calibrating the threshold: {last['epoch'] / last['epochs']:.0%} …"
    if last["stage"] == "fitting":
        return "Fitting …"
    return f"{last['stage'].capitalize()}: epoch {last['epoch']} of {last['epochs']} …"


def _curves(epochs: list[dict]) -> None:
    """Loss, radius and AUROC; before the objective is trained, the loss of pre-training."""
    before = [report["auroc"] for report in epochs if report["stage"] == "before training"]
    trained = [report for report in epochs if report["stage"] == "training"]
    stage = "training" if len(trained) > 1 else "pre-training"
    curves = [
        (f"{stage} loss", "loss", [report for report in epochs if report["stage"] == stage], None),
        ("radius (embedding units)", "radius", trained, None),
        ("AUROC (up to 500 test images)", "auroc", trained, (0.0, 1.02)),
    ]
    for column, (name, value, reports, ends) in zip(st.columns(3), curves, strict=True):
        last = max((report["epochs"] for report in reports), default=0)
        if value == "radius" and any(report["radii"] for report in reports):
            with column:
                spheres.draw_radii(
                    [report["epoch"] for report in reports],
                    np.array([report["radii"] for report in reports]),
                    "curve-radii",
                    last,
                )
            continue
        points = [(r["epoch"], r[value]) for r in reports if r[value] is not None]
        if points:
            column.plotly_chart(
                figures.curve(*zip(*points, strict=True), name, last, ends),
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


def _end(job: jobs.Job) -> None:
    """What a training left behind, and where to go."""
    if job.state == "cancelled":
        st.info("Cancelled; no model was kept.")
    elif job.state == "failed":
        st.error(frame.plain(job.message))
        is_mine = visitor.engine().owns(job)
        if is_mine and job.content is not None and st.button("Save again", icon=":material/save:"):
            save_again(job)
            st.rerun()
    else:
        if fault := _fault(job):
            st.error(f"Finished, but not a success; the model is in the library. {fault}")
        else:
            st.success("Finished; the model is in the library.")
        if centre := _centre_of(job):
            st.caption(centre)
        for page, label in ((frame.EXPLORE, "Explore it"), (frame.EXPLAIN, "Explain its images")):
            st.page_link(
                page,
                label=label,
                icon=":material/arrow_forward:",
                query_params={"model": job.model, "data": job.parameters["experiment"]["dataset"]},
            )


def _fault(job: jobs.Job) -> str:
    """What was found wrong with a trained model; empty where nothing was, or it is gone."""
    try:
        return frame.plain(library.find(job.model).fault)
    except ValueError:
        return ""


def _centre_of(job: jobs.Job) -> str:
    """What the sphere of a trained model lies around; empty where it has no such centre."""
    try:
        facts = library.find(job.model).header["provenance"]
    except ValueError:
        return ""
    if facts.get("centre") is None:
        return ""
    return Centre(facts["centre"], facts["centre_replaced"]).in_words


def save_again(job: jobs.Job) -> None:
    """Put a model into the library that did not fit before; a sentence if it still does not."""
    try:
        jobs.engine().save(job)
    except (ValueError, OSError) as error:
        job.message = str(error)

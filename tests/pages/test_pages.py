"""The pages without a browser: what they show, and what they say to bad input."""

import base64
import json
import pickle
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save
from streamlit.testing.v1 import AppTest

from deepsvdd_core import evaluation, jobs, library, products, selection
from deepsvdd_core.experiment import Experiment
from deepsvdd_core.jobs.estimates import RATES
from deepsvdd_core.objectives import cells
from tests.corpus.pictures import corpus
from tests.server import ROOT

PAGES = ("start", "train", "explore", "explain", "hans", "compare", "models")
TINY = {"pretrain_epochs": 0, "epochs": 1}


def first_run(page: str, **link: str) -> AppTest:
    """Open a page by its link."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    app.switch_page(f"pages/{page}.py")
    for name, value in link.items():
        app.query_params[name] = value
    return app.run()


def visit(page: str, **link: str) -> AppTest:
    """Open a page by its link and wait until everything it asked for has arrived."""
    return settle(first_run(page, **link))


def settle(app: AppTest) -> AppTest:
    """Press what waits for a press, and run the page until a run has asked for nothing new."""
    known: set[str] = set()
    for _ in range(100):
        assert not app.exception, [error.value for error in app.exception]
        waits = next((button for button in app.button if ": start, about" in button.label), None)
        if waits is not None:
            waits.click().run()
            continue
        if jobs.engine().jobs.keys() <= known:
            return app
        known = set(jobs.engine().jobs)
        for job in jobs.engine().listed():
            while job.is_active:  # a page would ask again meanwhile
                for visitor in list(job.followers):
                    job.heard_of(visitor)
                time.sleep(0.02)
        app.run()
    raise AssertionError("The page never came to rest.")


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error, app.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def components(app: AppTest) -> list[str]:
    """Names of what is drawn by components; the address is not."""
    names = [one.proto.component_name for one in app.get("bidi_component")]
    return [name for name in names if name != "address"]


def trained(label: str = "0", **choices) -> str:
    """The name of a quickly trained model; of one that is there already, where there is one."""
    experiment = Experiment("mnist-sample", (label,), **{**TINY, **choices})
    for entry in library.entries():
        if entry.header["experiment"] == json.loads(json.dumps(experiment.to_dict())):
            return entry.name
    job = jobs.wait(jobs.engine().train(experiment))
    assert job.state == "finished", job.message
    return job.model


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_a_title_and_a_purpose_and_no_error(page):
    app = visit(page)
    assert len(app.title) == 1
    assert not app.error
    assert app.markdown[0].value.endswith(".")


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_explore_shows_figures_that_the_core_computes():
    app = visit("explore", model=(model := trained()), data="mnist-sample")
    view = products.get("view", jobs.subject(library.find(model), "mnist-sample"))
    found = evaluation.evaluate(
        view["scores"], view["is_anomaly"].astype(bool), float(view["threshold"])
    )
    shown = metrics(app)
    assert shown["AUROC"] == f"{found.auroc:.1%}"
    assert shown["Precision"] == f"{found.confusion.precision:.1%}"
    assert shown["False alarms"] == f"{found.confusion.false_alarm_rate:.1%}"
    counts = " ".join(metric.delta for metric in app.metric)
    assert f"{found.confusion.true_positives:,} TP" in counts
    assert len(components(app)) == 3  # map, histogram, gallery
    assert "1,000 images are drawn" in texts(app)


def choose(app: AppTest, key: str, value: str) -> AppTest:
    """Press a button of a segmented control."""
    return settle(app.button_group(key=f"choose-{key}").set_value(value).run())


def test_umap_states_how_many_points_it_shows_and_how_far_it_can_be_trusted():
    app = choose(visit("explore", model=trained(), data="mnist-sample"), "map", "umap")
    assert "All 1,000 images are drawn" in texts(app)
    assert re.search(r"Measured: \d+% of the 15 nearest neighbours", texts(app))


@pytest.mark.parametrize("rule", ["keep95", "keep99"])
def test_the_threshold_keeps_the_share_of_normal_images_it_promises(rule):
    app = visit("explore", model=(model := trained()), data="mnist-sample")
    choose(app, "rule", rule)
    entry, share = library.find(model), int(rule.removeprefix("keep"))
    scores = library.read(entry.path).tensors["calibration"]
    promised = entry.header["provenance"]["calibration_quantiles"][share]
    assert share / 100 <= (scores <= promised).mean() < 1
    assert app.query_params["rule"] == rule
    view = products.get("view", jobs.subject(entry, "mnist-sample"))
    unseen = view["scores"][view["is_anomaly"] == 0]
    flagged = int((unseen > promised).sum())
    assert f"Asked: {100 - share}% of unseen normal images above the threshold" in texts(app)
    assert f"set by {len(scores)} scores" in texts(app)
    assert f"Measured: {flagged} of {len(unseen)} ({flagged / len(unseen):.1%})" in texts(app)


def test_a_model_from_before_calibration_says_so():
    entry = library.find(trained())
    header, tensors = library.read(entry.path)
    for name in ("calibration_scores", "calibration_quantiles"):
        header["provenance"].pop(name)
    tensors.pop("calibration")
    library.write(entry.path.with_name("older.safetensors"), header, tensors)
    app = visit("explore", model="older", data="mnist-sample")
    assert "This model has no calibration scores" in texts(app)
    library.delete("older")


@pytest.mark.parametrize(
    ("page", "link", "kind", "words"),
    [
        ("explore", {"data": "mnist"}, "images", "Downloading MNIST: start, about"),
        ("explore", {"split": "all", "map": "umap"}, "project", "UMAP of 5,000 images: start"),
        ("explain", {"data": "fashion-mnist"}, "images", "Downloading Fashion-MNIST: start"),
        ("hans", {"step-ways": "true", "maps": "400"}, "strategies", "Explaining images: start"),
    ],
)
def test_a_link_shows_and_only_a_press_begins_what_takes_long(page, link, kind, words, monkeypatch):
    rates = {"strategies": (100.0, 0.0)}  # as on a slow computer
    monkeypatch.setattr("deepsvdd_core.jobs.estimates.RATES", {**RATES, **rates})
    link = {"model": trained("7"), "data": "mnist-sample"} | link
    visit("explore", model=link["model"], data="mnist-sample")
    visit("explore", model=link["model"], data="mnist-sample", split="all")
    before = set(jobs.engine().jobs)
    app = first_run(page, **link)
    (button,) = (button for button in app.button if ": start, about" in button.label)
    assert button.label.startswith(words)
    asked = [job.kind for job in jobs.engine().listed() if job.id not in before]
    assert kind not in asked
    button.click().run()
    (job,) = (job for job in jobs.engine().listed(kind) if job.id not in before)
    assert job.patience == jobs.PRESSED
    jobs.engine().cancel(job, None)
    jobs.wait(job)


def test_a_full_disk_still_shows_what_was_computed_and_says_so_once(monkeypatch):
    def full(path, content):
        raise OSError("It could not be written; free some space.")

    model = trained("6")
    monkeypatch.setattr(library, "write_atomically", full)
    app = visit("explore", model=model, data="mnist-sample", map="umap", image="3")
    assert metrics(app)["AUROC"] and "Neighbours stay neighbours" in texts(app)
    assert texts(app).count("free some space") == 1
    monkeypatch.undo()


def test_the_oracle_has_the_best_f1():
    app = visit("explore", model=trained(), data="mnist-sample")
    before = metrics(app)["F1"]
    after = metrics(choose(app, "rule", "f1"))["F1"]
    assert float(after.rstrip("%")) >= float(before.rstrip("%"))


def test_a_threshold_in_the_link_belongs_to_its_model():
    model = trained()
    digest = library.find(model).digest
    app = visit("explore", model=model, data="mnist-sample", rule="own", threshold=f"{digest}:1e9")
    assert metrics(app)["Recall"] == "0.0%"
    for text in ("x:1", f"{digest}:nan", f"{digest}:", "1e9", f"{digest}:x"):
        app = first_run("explore", model=model, data="mnist-sample", rule="own", threshold=text)
        assert "There is no threshold" in texts(app)


def test_a_selection_in_the_link_is_shown_and_a_damaged_one_gets_a_sentence():
    chosen = np.zeros(1000, bool)
    chosen[[3, 500]] = True
    link_to = {"model": trained(), "data": "mnist-sample", "show": "selection"}
    app = visit("explore", **link_to, selection=selection.packed(chosen))
    assert app.query_params["selection"] == selection.packed(chosen)
    app = first_run("explore", **link_to, selection="abc")
    assert "The selection in this link" in texts(app)
    assert "Nothing is selected" in texts(settle(app))


def test_presets_say_what_is_missing():
    app = visit("explore", model=trained(), data="mnist-sample")
    assert "Open an image first" in texts(choose(app, "show", "cluster"))
    app = visit("explore", model=trained(), data="mnist-sample", image="7")
    choose(app, "show", "cluster")
    assert "Open an image first" not in texts(app)


def test_an_open_image_has_a_card_with_its_nearest_training_images():
    app = visit("explore", model=trained(), data="mnist-sample", image="7")
    assert "image 7: score" in texts(app)
    assert "Nearest normal training images" in texts(app)
    assert len(app.image) == 7  # itself, its heatmap, five neighbours


def test_a_change_of_model_brings_its_data_set_and_leaves_what_belongs_to_the_last_one():
    digit, boot = (
        next(name for name in sorted(library.shipped()) if part in name)
        for part in ("mnist-3-one-class", "ankle-boot-one-class")
    )
    own = f"{library.find(boot).digest}:0.5"
    link_to = {"model": boot, "image": "7", "threshold": own, "rule": "own", "show": "selection"}
    chosen = np.zeros(2000, bool)
    chosen[[3, 500]] = True
    app = visit("explore", **link_to, selection=selection.packed(chosen))
    assert app.query_params["data"] == "fashion-mnist-sample"
    settle(app.selectbox(key="choose-model").set_value(digit).run())
    assert app.query_params["data"] == "mnist-sample"
    assert not {"image", "selection", "threshold"} & set(app.query_params)
    assert float(metrics(app)["AUROC"].rstrip("%")) > 90
    settle(app.selectbox(key="choose-model").set_value(boot).run())
    assert app.query_params["data"] == "fashion-mnist-sample"
    assert app.query_params["image"] == "7" and app.query_params["threshold"] == own
    assert app.query_params["selection"] == selection.packed(chosen)


def test_an_image_belongs_to_its_data_set_and_split():
    app = visit("explore", model=trained(), data="mnist-sample", image="7")
    settle(app.button_group(key="choose-split").set_value("all").run())
    assert "image" not in app.query_params
    settle(app.button_group(key="choose-split").set_value("test").run())
    assert app.query_params["image"] == "7"


def test_the_form_of_a_training_is_in_its_link():
    link_to = {"method": "soft-boundary", "nu": "0.2", "seed": "3", "epochs-live": "7"}
    app = first_run("train", data="mnist-sample", **link_to)
    assert app.number_input(key="epochs-live").value == 7
    assert app.selectbox(key="method").value == "soft-boundary"
    assert app.number_input(key="nu").value == 0.2 and app.number_input(key="seed").value == 3


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("seed", "1e999", "Seed cannot be “1e999”"),
        ("seed", "x", "Seed cannot be “x”"),
        ("epochs-live", "-1", "Epochs cannot be “-1”"),
        ("nu", "nan", "ν, share of false alarms cannot be “nan”"),
        ("method", "magic", "There is no method “magic”"),
        ("schedule", "magic", "There is no schedule “magic”"),
        ("normal-mnist-sample", "magic", "There is no normal class “magic”"),
        ("features-one-class", "magic", "There is no kind of features “magic”"),
        ("centre-signs", "magic", "There is no centre “magic”"),
        ("anomalies-mnist-sample", "magic", "There is no anomalous class “magic”"),
        ("exposure-mnist-sample", "magic", "There is no data set “magic”"),
        ("spoilt-mnist-sample", "magic", "There is no corruption “magic”"),
        ("seed", "-1", "choose from 0 to 4,294,967,295"),
    ],
)
def test_a_form_in_a_link_that_cannot_be_gets_a_sentence_until_it_changes(field, text, sentence):
    app = first_run("train", data="mnist-sample", **{field: text})
    assert sentence in texts(app) and not app.exception
    assert sentence in texts(app.run())
    assert field not in app.query_params


def test_a_sentence_about_a_link_stays_when_the_page_is_run_again():
    app = visit("explain", model="nobody", data="nothing", image="-7")
    for name in ("model “nobody”", "data set “nothing”", "image “-7”"):
        assert f"There is no {name}" in texts(app)
    settle(next(b for b in app.button if b.label == "More normal").click().run())
    assert "There is no model" in texts(app) and "There is no image" not in texts(app)


def test_two_models_are_compared_by_one_rule():
    app = visit("explore", model=trained("0"), data="mnist-sample", versus=trained("1"), rule="nu")
    assert [m.label for m in app.metric].count("AUROC") == 2
    assert "places in the two rankings differ most" in texts(app)
    assert len(components(app)) == 6


def test_a_model_on_other_data_says_that_nothing_is_anomalous():
    app = visit("explore", model=trained(), data="fashion-mnist-sample")
    assert "does not have the model's normal class" in texts(app)
    assert metrics(app).keys() == {"Above the threshold"}


def test_explain_steps_along_the_ranking_and_keeps_the_link():
    app = visit("explain", model=trained(), data="mnist-sample")
    assert "Place 1 of 1,000" in texts(app)
    first = app.query_params["image"]
    settle(next(b for b in app.button if b.label == "More normal").click().run())
    assert "Place 2 of 1,000" in texts(app)
    assert app.query_params["image"] != first
    assert maps(app) == ["GradientShap", "LRP-eps", "Grad-CAM"]


def stacks(app: AppTest) -> dict[str, list[dict]]:
    """The cells of each column of images and maps, by its key."""
    found = [one.proto for one in app.get("bidi_component") if one.proto.component_name == "stack"]
    return {one.id.split("-", 2)[2]: json.loads(one.json)["cells"] for one in found}


def maps(app: AppTest) -> list[str]:
    """The methods whose maps are drawn, in order; no map is still to come."""
    drawn = {key: cells for key, cells in stacks(app).items() if key.startswith("relevance-")}
    assert all(cell["map"] for cells in drawn.values() for cell in cells)
    return [key.removeprefix("relevance-") for key in drawn]


def test_the_bench_shows_what_the_link_says_and_keeps_it():
    link = {
        "model": trained(),
        "data": "mnist-sample",
        "rows": "strangest",
        "methods": "Saliency,LRP-eps",
        "view": "relevance",
        "scale": "row",
        "opacity": "0.3",
        "judged": "stripe",
        "spoil": "fog",
        "severity": "2.5",
        "seed": "7",
        "spoil-method": "Saliency",
        "outline": "off",
    }
    app = visit("explain", **link)
    assert maps(app) == ["Saliency", "LRP-eps"]
    assert {name: app.query_params[name] for name in link} == link
    assert not app.warning


def test_each_method_has_its_account_and_its_verdict():
    app = visit("explain", model=trained(), data="mnist-sample", judged="zigzag")
    said = texts(app)
    first, total, score = re.search(
        r"sum (\S+) \+ constants \S+ = (\S+); score (\S+)\.", said
    ).groups()
    assert float(total) == pytest.approx(float(score), rel=0.01) != float(first)
    assert "Its sum has no meaning, so there is no account of the score." in said
    bars = [html.proto.body for html in app.get("html") if "aria-label" in html.proto.body]
    assert len(bars) == 2 and f"score {float(score):.3g}" in bars[0]
    assert len(re.findall(r"(?:Better|Weak|No better|Worse)\b.*? random: ", said)) == 3
    assert said.count("Deletion area") == said.count("likeness to random weights") == 3
    table = app.dataframe[0].value
    assert sorted(table["method"]) == sorted(maps(app))
    assert table["share of random"].is_monotonic_increasing
    single = visit("explain", model=trained(), data="mnist-sample", methods="LRP-eps")
    assert not single.dataframe


def test_progress_of_several_answers_is_one_line_that_cancels_what_is_not_there():
    def page():
        from deepsvdd_core import jobs
        from pages.parts import visitor, waiting

        jobs.engine().jobs["slow"].heard_of(visitor.name())
        waiting.follow_all([{}, jobs.engine().jobs["slow"]], "Maps, {done} of {count}")

    jobs.engine().jobs["slow"] = job = jobs.Job("explain", {}, "", id="slow", state="running")
    app = AppTest.from_function(page).run()
    (line,) = app.get("progress")
    assert (line.proto.value, line.proto.text) == (50, "Maps, 1 of 2 …")
    app.button[0].click().run()
    assert jobs.engine().jobs.pop("slow").state == job.state == "cancelled"
    assert not app.button


def test_a_job_that_ended_well_meanwhile_is_not_called_cancelled():
    def page():
        import streamlit as st

        from deepsvdd_core import jobs
        from pages.parts import waiting

        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        if st.session_state["runs"] == 1:
            waiting.explain_end(jobs.Job("explain", {}, "", state="finished"))
        st.text(f"run {st.session_state['runs']}")

    app = AppTest.from_function(page).run()
    assert not app.info and app.text[0].value == "run 2"


def outlined(app: AppTest) -> set[str]:
    """The columns with lines over images, by their keys."""
    marked = {key: [cell["marked"] for cell in cells] for key, cells in stacks(app).items()}
    return {key for key, marks in marked.items() if any(b"".join(map(base64.b64decode, marks)))}


def test_a_spoilt_image_has_a_score_and_a_place():
    app = visit("explain", model=trained(), data="mnist-sample", spoil="stripe")
    shown = [key for key in stacks(app) if key.startswith("spoil-")]
    assert len(shown) == 4
    assert any(chart.proto.id.endswith("-spoil-place") for chart in app.get("plotly_chart"))
    assert outlined(app) == {"spoil-After", "spoil-GradientShap, after"}


def test_choices_of_the_bench_that_are_not_there_get_sentences():
    link = {"model": trained(), "data": "mnist-sample"}
    assert not visit("explain", **link).warning
    wrong = {
        "methods": "Residual,<b>",
        "opacity": "nan",
        "seed": "-1",
        "view": "x-ray",
        "outline": "thin",
    }
    app = first_run("explain", **link, **wrong, spoil="fog", severity="1e9")
    said = texts(app).replace("\\", "")
    for sentence in (
        "Residual, <b> cannot be had here; choose from GradientShap, ",
        "Opacity of the map cannot be “nan”; choose from 0 to 1.",
        "Seed cannot be “-1”; choose from 0 to 9999.",
        "There is no show “x-ray” here",
        "Outline of the anomaly is on or off, not “thin”.",
        "cannot be “1e9”; choose from 0.6 to 6. This is 3.",
    ):
        assert sentence in said
    assert maps(settle(app)) == ["GradientShap", "LRP-eps", "Grad-CAM"]
    app = first_run("explain", **link, spoil="scratch")
    assert "There is no corruption “scratch” here" in texts(app)


def test_without_a_selection_the_bench_says_how_to_make_one():
    chosen = np.zeros(1000, bool)
    chosen[:20] = True
    link = {"model": trained(), "data": "mnist-sample", "rows": "selection"}
    app = visit("explain", **link)
    assert "Nothing is selected" in texts(app)
    app = visit("explain", **link, selection=selection.packed(chosen))
    assert "The 8 strangest of 20 selected images" in texts(app)


def test_an_open_image_is_spoilt_on_the_map_with_an_arrow():
    def page():
        import streamlit as st

        from pages.parts import newcomers, space, subject

        shown = subject.choose_subject()
        brought = newcomers.choose_images(shown)
        if brought is not None:
            place = space.Place.of(shown, "radial")
            arrows = newcomers.placed(shown, "radial", place, brought)
            st.text(f"{brought.origin} {len(arrows)} {arrows and arrows[0]['from']}")

    app = AppTest.from_function(page, default_timeout=60)
    link = {"model": trained(), "data": "mnist-sample", "new": "Corrupt", "spoil": "zigzag"}
    for name, value in link.items():
        app.query_params[name] = value
    assert "open what is to be spoilt" in texts(settle(app.run()))
    app.query_params["image"] = "7"
    settle(app.run())
    assert app.text[0].value.startswith("7 1 [")
    assert "the threshold" in texts(app)


def test_uploads_are_placed_or_refused_by_name_and_not_decoded_here(monkeypatch):
    def page():
        import streamlit as st

        from pages.parts import newcomers, subject

        brought = newcomers.choose_images(subject.choose_subject())
        st.text("none" if brought is None else str(brought.images.shape))

    def refuse(*args, **kwargs):
        raise AssertionError("a page opened a picture")

    app = AppTest.from_function(page, default_timeout=60)
    app.query_params["model"], app.query_params["data"] = trained(), "mnist-sample"
    settle(app.run())
    files = dict(corpus())
    names = ["program-loops.png", "fine-png", "filled-up.jpg", "fine-gif", "empty.png"]
    monkeypatch.setattr(Image, "open", refuse)
    app.file_uploader[0].set_value([(f"{name}\n*", files[name], "") for name in names])
    settle(app.run())
    assert app.text[0].value == "(2, 1, 28, 28)"
    said = [error.value for error in app.error]
    assert [text.split("\ufffd")[0] for text in said] == [names[0], names[2], names[4]]
    assert said[0].endswith("cannot be used: not a readable image. Choose another picture.")
    assert "takes too long" in said[1]
    assert not any("\n" in text for text in said)
    app.file_uploader[0].set_value([("empty.png", b"", "")])
    settle(app.run())
    assert app.text[0].value == "none" and len(app.error) == 1


@pytest.mark.parametrize("image", ["-1", "1000", "x", "999999999999", ""])
def test_an_image_that_is_not_there_gets_a_sentence(image):
    visit("explain", model=(model := trained()), data="mnist-sample")
    app = first_run("explain", model=model, data="mnist-sample", image=image)
    assert "There is no image" in texts(app)
    assert "Place 1 of 1,000" in texts(app)


def test_a_model_that_is_not_there_gets_a_sentence():
    app = first_run("explore", model="../../etc/passwd")
    assert "There is no model" in texts(app)
    assert settle(app).metric


def test_training_from_the_page_ends_in_the_library():
    app = visit("train", data="mnist-sample")
    app.number_input(key="pretrain-epochs-live").set_value(1)
    app.number_input(key="epochs-live").set_value(3)
    settle(next(b for b in app.button if b.label == "Train").click().run())
    assert "Finished" in texts(app)
    assert "AUROC before any training" in texts(app)
    assert len(app.get("plotly_chart")) == 3
    job = jobs.engine().jobs[app.query_params["job"]]
    assert library.find(job.model)


def test_several_spheres_are_watched_and_shown_with_the_classes_they_hold():
    app = visit("train", data="mnist-sample")
    app.selectbox(key="method").set_value("multi-sphere").run()
    app.multiselect[0].set_value(["0", "1"])
    app.number_input(key="pretrain-epochs-live-needed").set_value(3)
    app.number_input(key="epochs-live").set_value(4)
    settle(next(b for b in app.button if b.label == "Train").click().run())
    job = jobs.engine().jobs[app.query_params["job"]]
    radii = [report["radii"] for report in job.epochs if report["stage"] == "training"]
    count = len(radii[-1])
    assert count > 1
    radius = json.loads(app.get("plotly_chart")[1].proto.spec)
    assert [line["name"] for line in radius["data"]] == [f"sphere {k + 1}" for k in range(count)]
    entry = library.find(job.model)
    assert "radii" not in entry.whole_header["provenance"]["history"][-1]
    film = products.get("theatre", {"model": entry.name, "digest": entry.digest})
    seen = film["sphere_radii"][np.isfinite(film["sphere_radii"]).any(axis=1)]
    assert len(seen) == len(radii) and 1 < seen.shape[1] <= count
    assert {*seen[-2]} <= {*radii[-2]}
    explored = visit("explore", model=entry.name, data="mnist-sample", spheres="true")
    (table,) = [json.loads(c.proto.spec) for c in explored.get("plotly_chart")]
    assert table["layout"]["yaxis"]["ticktext"][:2] == ["0 (normal)", "1 (normal)"]
    counts = np.array([[int(text) for text in row] for row in table["data"][0]["text"]])
    assert counts.sum() == 1_000 and (counts.sum(axis=1) == 100).all()


def test_an_objective_that_needs_anomalies_asks_for_them():
    app = visit("train", data="mnist-sample")
    app.selectbox(key="method").set_value("hsc").run()
    assert "hsc learns from known anomalies" in texts(app)
    train = next(b for b in app.button if b.label == "Train")
    assert train.disabled
    app.selectbox(key="exposure-mnist-sample").set_value("fashion-mnist-sample").run()
    assert not next(b for b in app.button if b.label == "Train").disabled
    app.selectbox(key="exposure-mnist-sample").set_value(None).run()
    assert next(b for b in app.button if b.label == "Train").disabled
    app.multiselect(key="spoilt-mnist-sample").set_value(["zigzag"]).run()
    assert not next(b for b in app.button if b.label == "Train").disabled


def test_the_sigma_of_a_map_is_offered_with_its_rule_where_there_is_a_map():
    app = visit("train", data="mnist-sample")
    assert "upsampling-sigma" not in [box.key for box in app.number_input]
    app.selectbox(key="method").set_value("fcdd").run()
    app.multiselect(key="spoilt-mnist-sample").set_value(["zigzag"]).run()
    offered = app.number_input(key="upsampling-sigma")
    assert offered.value is None
    assert f"{cells.RIPPLE} times" in offered.help
    assert offered.placeholder == "by the stride"
    app.number_input(key="upsampling-sigma").set_value(3.0).run()
    assert not app.exception
    next(b for b in app.button if b.label == "Train").click().run()
    asked = jobs.engine().jobs[app.query_params["job"]]
    assert "sigma 3 px" in asked.title
    jobs.engine().cancel(asked, None)


def test_a_model_without_a_sphere_is_explored_and_says_what_it_cannot_show():
    model = trained(detector="shallow", estimator="isolation-forest")
    app = visit("explore", model=model, data="mnist-sample")
    assert len(app.metric) == 6 and len(components(app)) == 3
    assert "no hypersphere to show" in texts(choose(app, "map", "radial"))
    app = visit("explain", model=model, data="mnist-sample")
    assert "There is no explanation for isolation-forest yet" in app.error[0].value


def test_an_autoencoder_is_explained_by_what_applies_to_it():
    model = trained(objective="reconstruction")
    app = visit("explain", model=model, data="mnist-sample", methods="LRP-eps")
    assert maps(app) == ["Residual", "Grad-CAM"]
    assert "no hypersphere, so there is no exact map" in texts(app)


def hans(model: str, *steps: str, **link: str) -> AppTest:
    """The laboratory with some steps open."""
    opened = {f"step-{name}": "true" for name in steps}
    return visit("hans", model=model, **{"data": "mnist-sample", **opened, **link})


def press(app: AppTest, label: str) -> AppTest:
    return settle(next(b for b in app.button if b.label == label).click().run())


def test_nothing_of_the_laboratory_runs_before_a_step_is_opened():
    model = trained()
    visit("explore", model=model, data="mnist-sample")
    before = len(jobs.engine().jobs)
    app = hans(model)
    assert len(app.expander) == 7 and not app.dataframe
    assert len(jobs.engine().jobs) == before


def test_the_table_stands_beside_the_thesis_where_all_digits_are_normal():
    app = hans(trained(), "table", spoilt="50")
    assert len(app.dataframe[0].value) == 15
    assert "none stand here" in texts(app)
    press(press(app, "Train it"), "Show its table")
    table = app.dataframe[0].value.set_index("Corruption")
    assert table.loc["zigzag", "Thesis Clever Hans"] == 31.4
    found = table["AUROC %"] - table["Thesis AUROC"]
    assert np.allclose(table["Thesis AUROC difference"], found)
    assert f"{int((found.abs() <= 5).sum())} of 15 AUROCs lie within 5 points" in texts(app)


def test_strategies_of_a_class_are_counted_and_shown():
    app = hans(trained(), "ways", **{"class": "3", "maps": "50"})
    assert re.search(r"\*\*\d strateg(y|ies)\*\* among 50 images", texts(app))
    assert len(app.get("plotly_chart")) == 1 and app.get("bidi_component")


def test_a_mark_is_planted_found_and_removed():
    app = hans(trained(), "remove")
    assert "No model has a planted mark yet" in texts(app)
    app = press(hans(trained(), "plant", looked="400"), "Plant and train")
    shown = metrics(app)
    assert shown["Strategies"] == "2" and float(shown["Adjusted Rand index"]) >= 0.9
    assert "planted tag on 10" in texts(app)
    app = hans(trained(), "remove", means="masked")
    shown = metrics(app)
    assert float(shown["Mark taken away"]) < float(shown["Median score with the mark"])
    assert len(app.get("plotly_chart")) == 2


def test_a_guess_in_the_link_is_scored_and_a_damaged_one_gets_a_sentence():
    model = trained()
    drawn = selection.packed(np.arange(784) < 392)
    link_to = {"image": "7", "spoil": "stripe"}
    app = hans(model, "guess", **link_to, guess=f"7-stripe:{drawn}")
    assert "Your guess covers" in texts(app) and "overlaps the true place" in texts(app)
    assert "guess in this link is damaged" in texts(
        hans(model, "guess", **link_to, guess="7-stripe:x")
    )
    assert "draw over it in white" in texts(hans(model, "guess", **link_to, guess="8-stripe:x"))


def test_an_ensemble_stands_beside_its_members():
    app = hans(trained(), "remedy", **{"remedy-class": "0", "remedy-count": "50"})
    assert "needs all three models" in texts(app)
    for label in ("KDE on pixels, width 2^2.5", "Deep SVDD", "Autoencoder"):
        app = press(app, f"Train {label}")
    table = app.dataframe[0].value
    assert len(table) == 16 and len(table.columns) == 9
    assert table["Ensemble AUROC"].between(0, 100).all()


def test_fcdd_with_masks_stands_beside_fcdd_without():
    app = hans(trained(), "masks", **{"masks-class": "0", "masks-count": "50"})
    assert "the other also which pixels" in texts(app)
    for label in ("FCDD without masks", "FCDD with masks"):
        app = press(app, f"Train {label}")
    table = app.dataframe[0].value
    assert table["Trained on"].tolist()[:3] == ["trained on", "trained on", ""]
    assert table["Trained on"].tolist()[-3:] == ["", "trained on", "others"]
    assert table["Cosine with"].iloc[-2] == pytest.approx(table["Cosine with"].iloc[:2].mean())
    assert table["Cosine with"].iloc[-1] == pytest.approx(table["Cosine with"].iloc[2:-2].mean())
    assert len(table) == 17 and len(app.image) == 4
    shortfall = table["AUROC with"] - table["Cosine with"] - table["Hans with"]
    assert np.allclose(shortfall, 0)


def test_the_laboratory_says_what_it_cannot_do():
    model = trained(detector="shallow", estimator="isolation-forest")
    assert "There is no explanation for isolation-forest" in hans(model, "table").error[0].value
    app = hans(trained(), "table", data="fashion-mnist-sample")
    assert "There is no class 0" in app.error[0].value


def test_compare_measures_a_missing_cell_and_keeps_it():
    app = visit("compare")
    app.selectbox(key="measure-data").set_value("mnist-sample").run()
    app.multiselect(key="measure-methods").set_value(["isolation-forest"]).run()
    settle(next(b for b in app.button if b.label == "Measure").click().run())
    app = visit("compare", data="mnist-sample")
    assert "isolation-forest" in str(app.dataframe[0].value)
    assert len(app.get("plotly_chart")) == 3


def test_a_training_nobody_knows_gets_a_sentence():
    assert "is not known here any more" in texts(visit("train", job="00000000"))


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("nu", 0.0, "nu must lie in (0, 1], got 0.0;"),
        ("epochs-live", 0, "epochs must lie in [1, 10,000], got 0;"),
        ("learning-rate-live", 0.0, "learning_rate must lie in (0, 1], got 0.0;"),
    ],
)
def test_an_impossible_choice_gets_a_sentence_and_no_training(field, value, sentence):
    app = visit("train", data="mnist-sample")
    app.number_input(key=field).set_value(value).run()
    assert sentence in texts(app)
    assert next(b for b in app.button if b.label == "Train").disabled


def test_no_normal_class_gets_a_sentence():
    app = visit("train", data="mnist-sample")
    app.multiselect[0].set_value([]).run()
    assert "Choose at least one normal class." in texts(app)


def folder(root: Path, counts: dict[str, int], side: int = 28) -> None:
    """An image folder with so many grey images in each <split>/<class>."""
    rng = np.random.default_rng(0)
    for place, count in counts.items():
        (root / place).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
            Image.fromarray(pixels).save(root / place / f"{number}.png")


@pytest.mark.parametrize(
    ("name", "counts", "side", "sentence"),
    [
        ("empty-class", {"train/a": 0, "train/b": 3, "test/a": 2}, 28, "has 0 training images"),
        ("one-image", {"train/a": 1, "test/a": 2, "test/b": 2}, 28, "has 1 training image;"),
        ("one-pixel", {"train/a": 4, "test/a": 2}, 1, "holds no usable image"),
    ],
)
def test_a_folder_that_cannot_be_trained_on_gets_a_sentence(home, name, counts, side, sentence):
    folder(home / "data" / name, counts, side)
    app = visit("train", data=name)
    settle(next(b for b in app.button if b.label == "Train").click().run())
    assert sentence in app.error[0].value


def test_an_unreadable_image_is_named_skipped_and_counted(home):
    folder(home / "data" / "tiles", {"train/good": 8, "test/good": 4, "test/bad": 4})
    (home / "data" / "tiles" / "test" / "bad" / "broken.png").write_bytes(b"not an image")
    app = visit("train", data="tiles")
    app.multiselect[0].set_value(["good"])
    app.number_input(key="pretrain-epochs-live").set_value(0)
    app.number_input(key="epochs-live").set_value(1).run()
    settle(next(b for b in app.button if b.label == "Train").click().run())
    model = jobs.engine().jobs[app.query_params["job"]].model
    app = visit("explore", model=model, data="tiles")
    assert "1 file was skipped: test/bad/broken" in app.warning[0].value.replace("\\", "")
    assert metrics(app)["AUROC"].endswith("%")


@pytest.fixture(scope="module")
def odd_sets(shared_home):
    """Image folders that leave something undefined: one image, equal images, one class."""
    folder(shared_home / "data" / "one-image-shown", {"train/a": 3, "test/a": 1})
    folder(shared_home / "data" / "equal", {"train/a": 3, "test/a": 6})
    for path in (shared_home / "data" / "equal" / "test" / "a").iterdir():
        Image.new("L", (28, 28), 90).save(path)
    folder(shared_home / "data" / "one-class-shown", {"train/0": 3, "test/0": 5})


@pytest.mark.parametrize("chart", ["radial", "sphere", "umap"])
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("one-image-shown", "nothing is anomalous"),
        ("equal", "nothing is anomalous"),
        ("one-class-shown", "All 5 images are drawn"),
    ],
)
def test_sets_that_leave_something_undefined_are_explored_all_the_same(
    odd_sets, name, sentence, chart
):
    app = visit("explore", model=trained(), data=name, map=chart, image="0")
    assert sentence in texts(app)
    assert not app.error
    if name == "one-class-shown":
        assert metrics(app)["AUROC"] == "not defined"
        assert choose(app, "show", "misses") and "No anomaly lies below" in texts(app)


def test_until_a_map_is_there_the_principal_plane_is_shown():
    app = first_run("explore", model=(model := trained("2")), data="mnist-sample")
    settle(app)
    app = first_run("explore", model=model, data="mnist-sample", map="umap")
    assert "Meanwhile: the two strongest principal components" in texts(app)
    assert "Meanwhile" not in texts(settle(app))


def test_maps_are_compared_with_the_masks_of_a_folder(home):
    root = home / "data" / "plates"
    folder(root, {"train/good": 8, "test/good": 4, "test/bad": 4, "ground_truth/bad": 0})
    marked = np.zeros((28, 28), np.uint8)
    marked[5:9, 5:9] = 255
    Image.fromarray(marked).save(root / "ground_truth" / "bad" / "0_mask.png")
    experiment = Experiment("plates", ("good",), **TINY)
    job = jobs.wait(jobs.engine().train(experiment))
    app = visit("explain", model=job.model, data="plates", methods="Saliency")
    assert re.search(
        r"Pixel AUROC against 1 masks: mean per image \S+ %; pooled \S+ %",
        texts(app).replace("%", " %"),
    )
    assert "Too few images to tell it from random" in texts(app)
    assert app.selectbox(key="choose-judged").value == "real anomalies, by their masks"
    assert "Deletion area" not in texts(app)
    app = visit("explain", model=job.model, data="plates", methods="Saliency", image="0")
    assert {"bench-images", "relevance-Saliency"} < outlined(app)
    settle(app.toggle(key="choose-outline").set_value(False).run())
    assert not outlined(app) and app.query_params["outline"] == "off"
    app = visit("explain", model=job.model, data="plates", methods="Saliency", image="1")
    assert "bench-images" not in outlined(app)


def test_images_without_contrast_are_explained_like_others(home):
    root = home / "data" / "blank"
    folder(root, {"train/a": 4, "test/a": 2, "test/b": 0})
    for value in (0, 255):
        place = root / "test" / "b" / f"{value}.png"
        Image.fromarray(np.full((28, 28), value, np.uint8)).save(place)
    job = jobs.wait(jobs.engine().train(Experiment("blank", ("a",), **TINY)))
    methods = "LRP-eps,LRP-gamma/ZBox,Integrated Gradients,GradientShap,Occlusion,Saliency,Grad-CAM"
    for row in ("2", "3"):
        app = visit("explain", model=job.model, data="blank", methods=methods, image=row)
        assert maps(app) == methods.split(",")
        subject = jobs.subject(library.find(job.model), "blank")
        for method in methods.split(","):
            asked = {**subject, "index": int(row), "explainer": method}
            assert np.isfinite(products.get("explain", asked)["relevance"]).all()


def damaged(content: bytes) -> dict[str, bytes]:
    """Files that are not models, by what is wrong with them."""
    return {
        "truncated": content[:-100],
        "foreign": save({"weight": np.zeros(3, np.float32)}),
        "pickle": pickle.dumps({"weight": [1, 2, 3]}),
        "empty": b"",
    }


@pytest.mark.parametrize("kind", ["truncated", "foreign", "pickle", "empty"])
def test_an_upload_that_is_not_a_model_gets_a_sentence_and_changes_nothing(kind):
    content = library.find(trained()).path.read_bytes()
    before = [entry.name for entry in library.entries()]
    app = visit("models")
    app.file_uploader[0].set_value((f"{kind}.safetensors", damaged(content)[kind], ""))
    next(b for b in app.button if b.label == "Add").click().run()
    assert len(app.error) == 1
    assert "Traceback" not in app.error[0].value
    assert [entry.name for entry in library.entries()] == before


def test_a_model_can_be_added_and_deleted():
    content = library.find(trained("1")).path.read_bytes()
    app = visit("models")
    app.file_uploader[0].set_value(("a-gift.safetensors", content, ""))
    next(b for b in app.button if b.label == "Add").click().run()
    app = settle(app)
    assert "Added" in texts(app)
    other = visit("models", model="a-gift")
    assert not [b for b in other.button if b.label == "Delete this model"]  # another's
    app.selectbox(key="choose-model").set_value("a-gift").run()
    next(b for b in app.button if b.label == "Delete this model").click().run()
    assert not app.exception
    assert "a-gift" not in [entry.name for entry in library.entries()]


def test_the_page_calls_a_useless_model_no_success(home):
    root, rng = home / "data" / "noise", np.random.default_rng(1)
    for place in ("train/a", "test/a", "test/b"):
        (root / place).mkdir(parents=True)
        for number in range(20):
            values = rng.integers(0, 256, (28, 28), dtype=np.uint8)
            Image.fromarray(values).save(root / place / f"{number}.png")
    choices = {"detector": "shallow", "estimator": "knn"}
    job = jobs.wait(jobs.engine().train(Experiment("noise", ("a",), **choices)))
    app = visit("train", job=job.id)
    assert "Finished, but not a success" in texts(app) and not app.success
    app = visit("explore", model=job.model, data="noise")
    assert any("AUROC is" in error.value for error in app.error)
    good = trained("0", **choices)
    assert not visit("explore", model=good, data="mnist-sample").error

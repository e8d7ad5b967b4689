"""What a browser sends before it has heard of the last change takes nothing back."""

import time

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest

from deepsvdd_core import library
from tests.server import Visit, elements, server

DIGIT = next(path.stem for path in sorted(library.BUNDLED.glob("mnist-3-one-class-*")))


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with server(tmp_path_factory.mktemp("home")) as running:
        yield running


def opened(visit, link):
    """The messages of a page that has shown what it shows, and how a browser asks for it again."""
    deadline = time.monotonic() + 60
    while not place(messages := visit.run("explain", link)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    told = [m.navigation for m in messages if m.WhichOneof("type") == "navigation"]
    return messages, {"query": link, "page_script_hash": told[-1].page_script_hash}


def place(messages):
    texts = [element.body for element in elements(messages, "markdown")]
    return next((text.split("Place ")[1].split(" of")[0] for text in texts if "Place " in text), "")


def test_a_late_field_and_a_late_link_do_not_take_a_step_back(running):
    link = f"model={DIGIT}&data=mnist-sample&methods=LRP-eps&image=1"
    with Visit(running) as visit:
        messages, again = opened(visit, link)
        field = next(one for one in elements(messages, "number_input") if one.label == "Image")
        button = next(one for one in elements(messages, "button") if one.label == "More normal")
        assert place(messages) == "1"
        old = WidgetState(id=field.id, int_value=1)
        states = WidgetStates(widgets=[old, WidgetState(id=button.id, trigger_value=True)])
        assert place(visit.run(**again, widget_states=states)) == "2"
        late = visit.run(**again, widget_states=WidgetStates(widgets=[old]))
        assert place(late) == "2"


def test_a_number_typed_into_the_field_is_shown_in_the_same_field(running):
    link = f"model={DIGIT}&data=mnist-sample&methods=LRP-eps&image=1"
    with Visit(running) as visit:
        messages, again = opened(visit, link)
        field = next(one for one in elements(messages, "number_input") if one.label == "Image")
        typed = WidgetStates(widgets=[WidgetState(id=field.id, int_value=3)])
        messages = visit.run(**again, widget_states=typed)
        assert place(messages) == "2"
        assert field.id in [one.id for one in elements(messages, "number_input")]


def test_a_value_that_a_page_has_not_written_is_taken_from_the_link():
    def page():
        import streamlit as st

        from pages.parts import link

        st.text(link.recall("image"))
        if st.button("Next"):
            link.remember("image", str(int(link.recall("image")) + 1))
            st.rerun()

    app = AppTest.from_function(page)
    app.query_params["image"] = "1"
    assert app.run().text[0].value == "1"
    assert app.button[0].click().run().text[0].value == "2"
    app.query_params["image"] = "1"  # sent late
    assert app.run().text[0].value == "2"
    assert app.query_params["image"] == "2"
    app.query_params["image"] = "7"  # opened
    assert app.run().text[0].value == "7"


def test_what_the_program_chooses_is_not_taken_back_by_a_late_choice():
    def page():
        import streamlit as st

        from pages.parts import fields, subject

        def set_own():
            fields.set_value("choose-rule", "own")

        key = fields.key("choose-rule")
        rule = subject.choose("rule", "Rule", ["nu", "own"], "nu")
        st.button("Drag", on_click=set_own)
        st.session_state["old"] = st.session_state.get("old", key)
        st.text(f"{rule} {key != st.session_state['old']}")

    app = AppTest.from_function(page)
    assert app.run().text[0].value == "nu False"
    assert app.button[0].click().run().text[0].value == "own True"
    app.session_state["choose-rule"] = "nu"  # what a late browser still says of the old field
    assert app.run().text[0].value == "own True"
    assert app.selectbox[0].set_value("nu").run().text[0].value == "nu True"
    assert app.query_params["rule"] == "nu"

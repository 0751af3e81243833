"""Controls that a button changes, too: the link keeps what they hold, and a browser that has not seen the change does not undo it."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.visiting import control
from ui import address


def page() -> None:
    import streamlit as st

    from ui import address

    if st.session_state.get("fresh", True):
        address.begin()
        address.hold("words", "5")
    address.keep()


def test_a_fragment_with_an_older_link_does_not_bring_it_back() -> None:
    app = AppTest.from_function(page).run()
    assert dict(app.query_params) == {"words": "5"}
    app.query_params["words"] = "4"
    app.session_state["fresh"] = False
    assert dict(app.run().query_params) == {"words": "5"}


def test_another_page_does_not_inherit_it() -> None:
    def other() -> None:
        from ui import address

        address.begin()
        address.keep()

    app = AppTest.from_function(page).run()
    after = AppTest.from_function(other)
    after.session_state["in_address"] = app.session_state["in_address"]
    assert "words" not in after.run().query_params


def counted() -> None:
    import streamlit as st

    from ui import address, controls

    address.begin()
    words = controls.number("Words", 0, 9, 3, "words")
    tone = controls.fraction("Tone", 0.0, 1.0, 0.5, 0.1, "tone")
    of = controls.one_of("Of", ["a", "b"], "of")
    text = controls.text("Text", "first", "text", 20)
    st.button(
        "More", key="more", on_click=address.put, kwargs={"words": words + 1, "tone": 0.9, "of": "b", "text": "put"}
    )
    st.button("Forget", key="forget", on_click=address.forget, args=("text",))
    st.markdown(f"{words} {tone} {of} {text}")
    st.markdown(str(address.drawn()))


def test_what_is_put_is_shown_held_in_the_link_and_can_be_changed_again() -> None:
    app = AppTest.from_function(counted).run()
    assert app.markdown[0].value == "3 0.5 a first"
    app.button(key="more").click().run()
    assert app.markdown[0].value == "4 0.9 b put" and control(app.number_input, "words").value == 4
    assert dict(app.query_params) == {"words": "4", "tone": "0.9", "of": "b", "text": "put"}
    control(app.text_input, "text").set_value("typed").run()
    app.button(key="more").click().run()
    assert app.markdown[0].value == "5 0.9 b put"
    app.button(key="forget").click().run()
    assert app.markdown[0].value == "5 0.9 b first" and app.query_params["text"] == "first"


def test_a_browser_that_has_not_seen_what_was_put_does_not_undo_it() -> None:
    app = AppTest.from_function(counted).run()
    app.button(key="more").click()
    late = app._tree.get_widget_states()  # what a browser says of all widgets when the button is pressed …
    app.run()
    for state in late.widgets:
        if state.id.endswith("-more"):
            state.trigger_value = False
    app._run(late)  # … and once more by another widget, before it has had an answer
    assert app.markdown[0].value == "4 0.9 b put"


def test_what_stands_below_follows_only_what_was_put_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    again: list[str] = []
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {})
    monkeypatch.setattr(st, "rerun", lambda: again.append("all of it"))
    address.hold("words", "3")
    above = address.drawn()
    address.follow(above)
    address.put(step=4)
    address.follow(above)
    assert not again
    address.put(words=4)
    address.follow(above)
    assert again == ["all of it"]
    address.follow(address.drawn())
    assert again == ["all of it"]

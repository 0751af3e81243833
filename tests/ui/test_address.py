"""The link keeps what a page holds in it, whatever link the browser had when it asked."""

from streamlit.testing.v1 import AppTest


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

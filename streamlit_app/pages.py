"""The script that Streamlit runs for each browser: which pages there are."""

from pathlib import Path

import streamlit as st

from streamlit_app.app_pages import fridge, scenarios

st.set_page_config(
    page_title="Energy", page_icon=str(Path(__file__).with_name("icon.svg")), layout="wide"
)
page = st.navigation(
    [
        # Streamlit serves a default page at the root only, so the fridge has two addresses.
        st.Page(fridge.show, title="Fridge", url_path="", default=True),
        st.Page(fridge.show, title="Fridge", url_path="fridge"),
        st.Page(scenarios.show, title="Savings", url_path="scenarios"),
    ],
    position="hidden",
)
page.run()

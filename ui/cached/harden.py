"""What is kept of digits: the classifiers that are attacked."""

import streamlit as st

from models import zoo
from models.digit_classifier import DigitClassifier


@st.cache_resource(show_spinner=False)
def digit_classifier(name: str) -> DigitClassifier:
    """A classifier of digits, by its card. Raises `zoo.WeightsUnavailableError`."""
    return zoo.digit_classifier(name)

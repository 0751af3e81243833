"""Fool a classifier (B1): upload a photo, slide ε, watch the network's opinion change."""

from dataclasses import dataclass

import streamlit as st

import ui.fool as words
from attacks.axis import gradient_axis
from attacks.gradient import fgsm, gradient, pgd
from figures import fool as figures
from models import zoo
from models.picture import Picture
from ui import cached, controls, lecture
from ui.components.epsilon import Released, epsilon_slider
from ui.navigation import FOOL


@dataclass(frozen=True)
class Shown:
    sweep: cached.fool.Sweep
    now: cached.fool.Moment
    names: tuple[str, ...]
    released: Released


def choose() -> tuple[cached.fool.Question, Picture] | None:
    """The four controls."""
    lecture.words_for_bad_link(words.LINK)
    columns = st.columns([1.35, 1.1, 0.9, 1, 1])
    with columns[0]:
        source = controls.source()
    with columns[1]:
        picture = controls.picture(source)
    with columns[2]:
        network = controls.network()
    names = cached.fool.classifier(network).categories
    with columns[3]:
        y = controls.category("True class", words.OWN_ANSWER, names, "truth", words.TRUTH_HELP)
    with columns[4]:
        target = controls.category("Make it say", words.UNTARGETED, names, "target", words.TARGET_HELP)
    if picture is None:
        return None
    return cached.fool.Question(network, picture.digest, y, target), picture


def figure(choice: tuple[cached.fool.Question, Picture]) -> Shown | None:
    """The slider. Its coarse steps are there at once; the others follow while one can already drag, then the notes."""
    question, picture = choice
    with st.spinner("Asking the network …"):
        sweep = cached.fool.sweep(question, picture)
    names = cached.fool.classifier(question.network).categories
    axis = sweep.axis  # once: another visitor may be finishing the same sweep
    released = epsilon_slider(axis, names, words.verdicts(axis, names), start=words.start_in_link(), key="epsilon")
    words.put_in_link(released)
    if not sweep.complete:
        bar = st.progress(0.0, "Asking the network about every ε …")
        for done in sweep.finish():
            bar.progress(done)
        st.rerun()
    if not released.painted:
        return None
    return Shown(sweep, cached.fool.moment(question, released.n, sweep), names, released)


def notes(choice: tuple[cached.fool.Question, Picture], shown: Shown) -> None:
    """What happened, and why it works."""
    axis, now, n, names = shown.sweep.axis, shown.now, shown.released.n, shown.names
    st.caption(words.about_picture(choice[1], axis))
    words.measures(now)
    st.markdown(words.flip_sentence(shown.sweep, names))
    words.step_through(n)
    st.plotly_chart(
        figures.probabilities(**words.probability_curves(shown.sweep, names, n)), key="curve", alt=words.CURVE_ALT
    )
    st.header("Why it works", anchor=False)
    st.markdown(words.linear_sentence(shown.sweep))
    whole, first = st.columns([3, 2])
    whole.plotly_chart(figures.losses(**words.loss_curves(shown.sweep, n)), key="loss", alt=words.LOSS_ALT)
    first.plotly_chart(
        figures.first_step(**words.first_step_curves(shown.sweep)), key="first_step", alt=words.FIRST_STEP_ALT
    )
    st.markdown(words.noise_sentence(now, axis, n))
    st.markdown(words.WEIGHTS_VIEW)
    st.dataframe(words.logit_table(now, names), hide_index=True)
    with st.expander("About the network", icon=":material/badge:"):
        words.model_card(zoo.card(choice[0].network))


def numbers(_choice: tuple[cached.fool.Question, Picture], shown: Shown) -> lecture.Numbers:
    """The formula for one pixel."""
    pixel = shown.released.pixel or words.steepest_pixel(shown.sweep.axis)
    caption = words.pixel_caption(pixel, shown.released)
    return lecture.Numbers(caption, words.pixel_table(shown.sweep.axis, shown.released.n, pixel))


def downloads(choice: tuple[cached.fool.Question, Picture], shown: Shown) -> list[lecture.Download]:
    return words.downloads(choice[1].name, shown.sweep.axis, shown.now, shown.names, shown.released.n)


lecture.page(
    FOOL,
    controls=choose,
    figure=figure,
    notes=notes,
    code=(fgsm, pgd, gradient, gradient_axis),
    numbers=numbers,
    downloads=downloads,
)

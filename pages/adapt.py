"""Adapt (B6): a judge against the domain, its gradient turned round, carries a task over to where no labels are."""

from typing import Any

from ui import adapt, adapted, lecture
from ui.navigation import ADAPT

PARTS: dict[str, tuple[Any, Any]] = {
    adapt.MOONS: (adapt.choose, adapt.draw),
    adapt.DIGITS: (adapted.choose_digit, adapted.draw_digit),
    adapt.FRAMES: (adapted.choose_word, adapted.draw_word),
    adapt.REVIEWS: (adapted.no_choice, adapted.draw_reviews),
}


def choose() -> tuple[str, Any] | None:
    """Which part, and what was chosen in it; None, with a word, where there is nothing to show."""
    lecture.words_for_bad_link(adapt.LINK)
    part = adapt.choose_part()
    choice = PARTS[part][0]()
    return None if choice is None else (part, choice)


def figure(choice: tuple[str, Any]) -> adapt.Shown | None:
    """The moons while they learn, a digit on a photograph, or a word in its sentence."""
    part, chosen = choice
    return PARTS[part][1](chosen)  # type: ignore[no-any-return]


lecture.page(
    ADAPT,
    controls=choose,
    figure=figure,
    notes=lambda _choice, shown: shown.notes(),
    code=adapt.code(),
    numbers=lambda _choice, shown: shown.numbers(),
    downloads=lambda _choice, shown: shown.downloads(),
)

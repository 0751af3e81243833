"""Difficulties (B7): what goes wrong with an adversary, seen, and then mended."""

from ui import difficulties, lecture
from ui.navigation import DIFFICULTIES

lecture.page(
    DIFFICULTIES,
    controls=difficulties.choose,
    figure=difficulties.figure,
    notes=lambda _options, moment: difficulties.notes(moment),
    code=difficulties.code(),
    numbers=lambda _options, moment: difficulties.numbers(moment),
    downloads=lambda _options, moment: difficulties.downloads(moment),
)

"""The page "Generate": two networks against each other, live on points and small digits; MNIST, cures and drum hits recorded."""

from collections.abc import Callable
from typing import Any

from models import divergence, drums
from models.gan import critic_loss, generator_loss, gradient_penalty, judge_loss, value
from training import gan
from ui import cached
from ui.generate.choice import CURES, LINK, LIVE, MNIST, SOUND, Choice, Shown, choose, options_of
from ui.generate.cures import draw_cures
from ui.generate.live import draw_live
from ui.generate.mnist import draw_mnist
from ui.generate.sound import draw_sound

__all__ = ["DRAWN", "LINK", "Choice", "Shown", "choose", "code", "first_screen"]

DRAWN: dict[str, Callable[[Choice], Shown | None]] = {
    **dict.fromkeys(LIVE, draw_live),
    MNIST: draw_mnist,
    CURES: draw_cures,
    SOUND: draw_sound,
}


def first_screen() -> None:
    """Compute what a first visitor sees, so that nobody waits for it."""
    cached.room.first_snapshot(gan.train, options_of("ring", 1, {}, "both", 20))


def code() -> tuple[Callable[..., Any], ...]:
    """The functions that compute it."""
    return (
        value,
        gan.judge_step,
        judge_loss,
        gan.generator_step,
        generator_loss,
        critic_loss,
        gradient_penalty,
        divergence.density,
        divergence.kl,
        divergence.js,
        divergence.covered,
        drums.loudness,
        drums.heard,
    )

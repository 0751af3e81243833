r"""Drum hits made by rule (kick, snare, hat, every parameter drawn at random), and sounds as pictures that can be turned back.

A sound of 0.512 s at 8 kHz is seen as 32 moments × 32 bands of loudness: 16 narrow ones up to 500 Hz, 16 wide ones above, where
drums are noise. The phase is left out; it is found again by Griffin and Lim's iteration, so that what a network makes of loudness
alone can be heard.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

RATE = 8000  # samples a second
HOP, WINDOW, BINS = 64, 256, 128
NARROW, WIDE = 1, 7  # frequencies of 31.25 Hz in a band, below and above 500 Hz
SIDE = 32  # bands, and moments of two windows
LENGTH = 2 * HOP * SIDE  # 4,096 samples: 0.512 s
DECIBELS = 70.0  # between silence, 0, and the loudest, 1
LOUDEST = 64.0  # |STFT| of 1
ROUNDS, MOMENTUM = 60, 0.99
KINDS = ("kick", "snare", "hat")

Sound = Float[np.ndarray, " samples"]
Loudness = Float[Tensor, "batch 1 32 32"]


def kick(chance: np.random.Generator) -> Sound:
    """A sine that falls from 130–260 to 40–75 Hz and dies away, with a click."""
    t = np.arange(LENGTH) / RATE
    high, low, fall, decay = (
        chance.uniform(130, 260),
        chance.uniform(40, 75),
        chance.uniform(0.02, 0.06),
        chance.uniform(0.06, 0.16),
    )
    phase = 2 * np.pi * (low * t + (high - low) * fall * (1 - np.exp(-t / fall)))
    click = chance.uniform(0, 0.3) * chance.standard_normal(LENGTH) * np.exp(-t / 0.003)
    return np.sin(phase) * np.exp(-t / decay) + click


def snare(chance: np.random.Generator) -> Sound:
    """Two tones at 150–260 Hz and 1.6 times that, and noise of any colour that dies away more slowly."""
    t = np.arange(LENGTH) / RATE
    tone, body, rattle = chance.uniform(150, 260), chance.uniform(0.03, 0.08), chance.uniform(0.06, 0.14)
    ring = (np.sin(2 * np.pi * tone * t) + 0.5 * np.sin(2 * np.pi * 1.6 * tone * t)) * np.exp(-t / body)
    return chance.uniform(0.3, 0.8) * ring + chance.uniform(0.3, 0.7) * chance.standard_normal(LENGTH) * np.exp(
        -t / rattle
    )


def hat(chance: np.random.Generator) -> Sound:
    """Noise of high frequencies only, closed (0.015 s) to open (0.12 s)."""
    t = np.arange(LENGTH) / RATE
    noise = np.fft.rfft(chance.standard_normal(LENGTH))
    edge = chance.uniform(2000, 3000)
    high = np.fft.irfft(noise / (1 + (edge / np.maximum(np.fft.rfftfreq(LENGTH, 1 / RATE), 1)) ** 8), LENGTH)
    return high * np.exp(-t / np.exp(chance.uniform(np.log(0.015), np.log(0.12))))


MADE: dict[str, Callable[[np.random.Generator], Sound]] = {"kick": kick, "snare": snare, "hat": hat}


def hits(n: int, seed: int) -> tuple[Float[Tensor, "n samples"], list[str]]:
    """`n` hits, their kinds taking turns, each at its loudest between 0.5 and 1; and the name of each."""
    chance = np.random.default_rng(seed)
    names = [KINDS[i % len(KINDS)] for i in range(n)]
    made = [MADE[name](chance) for name in names]
    scaled = [sound * chance.uniform(0.5, 1) / np.abs(sound).max() for sound in made]
    return torch.tensor(np.stack(scaled), dtype=torch.float32), names


def bands() -> Float[Tensor, "32 128"]:
    """Each band's mean over its frequencies, as a matrix."""
    sizes = torch.tensor([NARROW] * (SIDE // 2) + [WIDE] * (SIDE // 2))
    which = torch.arange(SIDE).repeat_interleave(sizes)
    return (which == torch.arange(SIDE)[:, None]).float() / sizes[:, None]


def edges() -> Sound:
    """Where the bands end, in kHz: 33 numbers."""
    return np.cumsum([0, *[NARROW] * (SIDE // 2), *[WIDE] * (SIDE // 2)]) * RATE / WINDOW / 1000


def loudness(sound: Float[Tensor, "batch samples"]) -> Loudness:
    r"""$1 + \frac{10}{70} \log_{10} \frac{P}{64^2}$, held between 0 and 1, of the mean power $P$ of a band in a moment.

    Power is $|STFT|^2$ with a Hann window of 32 ms every 8 ms; a moment is two windows, the last of 129 frequencies is left out.
    """
    power = stft(sound)[:, :BINS, : 2 * SIDE].abs().square()
    mean = bands() @ power.unflatten(2, (SIDE, 2)).mean(3)
    return (1 + 10 * (mean / LOUDEST**2).clamp_min(1e-12).log10() / DECIBELS).clamp(0, 1)[:, None]


def heard(loud: Loudness, seed: int = 0) -> Float[Tensor, "batch samples"]:
    """A sound with this loudness: from random phases, 60 times to the sound and back, keeping the phases only.

    All frequencies of a band are as loud as it. Source: Griffin & Lim 1984; with the momentum of Perraudin et al. 2013, *A fast
    Griffin-Lim algorithm*.
    """
    even = F.interpolate(loud[:, 0], 2 * SIDE, mode="linear")
    size = torch.where(even > 0, LOUDEST * 10 ** (DECIBELS * (even - 1) / 20), 0)
    size = F.pad((bands().T > 0).float() @ size, (0, 1, 0, 1))
    chance = torch.Generator().manual_seed(seed)
    phase = torch.polar(torch.ones_like(size), 2 * torch.pi * torch.rand(size.shape, generator=chance))
    before = torch.zeros_like(phase)
    for _ in range(ROUNDS):
        now = stft(sound_of(size * phase))
        phase = now + MOMENTUM * (now - before)
        phase, before = phase / phase.abs().clamp_min(1e-9), now
    return sound_of(size * phase)


def stft(sound: Float[Tensor, "batch samples"]) -> Tensor:
    """(batch, 129, 65), complex."""
    return torch.stft(sound, WINDOW, HOP, window=torch.hann_window(WINDOW), return_complex=True)


def sound_of(spectrum: Tensor) -> Float[Tensor, "batch samples"]:
    return torch.istft(spectrum, WINDOW, HOP, window=torch.hann_window(WINDOW), length=LENGTH)

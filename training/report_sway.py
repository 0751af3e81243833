"""Can a photo be made to say any sentence? Show-and-Fool on our captioner, for `assets/recorded/attention-under-attack.json`.

Wants Flickr8k as `training.caption` does. Each photo of the test half shall be described as the next one is: word for word, by the
same beam, in the picture rounded to 8 bits, written as PNG and read again.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from attacks.looks import KAPPA, word_for_word
from attacks.perturbation import STEPS
from attacks.pursuit import SHARE, Pursuit, pursue
from models import zoo
from models.moved import total_variation
from models.picture import Picture, from_pixels, png, read_picture, whole
from models.subject import Captions, Words
from training.caption import BEAM, photos

NAME = "attention-under-attack"
PHOTOS = 50
MOST = 300  # gradient steps
EPSILONS = (1, 2, 4, 8)  # in 255ths
PUBLISHED = {"success": 95.8, "steps": 1000, "data": "COCO", "norm": "L2", "note": "as cited, not checked again"}


def report(data: Path, _out: Path, limit: int | None = None) -> dict[str, Any]:
    """A row an ε: how many of the photos say another photo's caption word for word, after how many steps, how far the maps moved.

    Raises OSError, ValueError where data or weights are missing.
    """
    begun, captioner = time.perf_counter(), Captions(zoo.captioner(), BEAM)
    given = photos(data, "test")[: limit or PHOTOS]
    pictures = [read_picture(photo.file.read_bytes(), photo.file.name) for photo in given]
    written = [captioner.says(whole(picture))[0] for picture in pictures]
    aims = targets(written)
    pairs = [(picture, aim) for picture, aim in zip(pictures, aims, strict=True) if aim]
    rows = []
    for n in EPSILONS:
        tried = [attempt(captioner, picture, aim, n) for picture, aim in pairs]
        hits = [pursuit.steps for pursuit, hit, _ in tried if hit]
        moved = [mass for _, hit, mass in tried if hit]
        far = [float(pursuit.perturbation.l2) for pursuit, hit, _ in tried if hit]
        rows.append(
            {
                "epsilon_255ths": n,
                "photos": len(pairs),
                "success": round(100 * len(hits) / len(pairs), 1),
                "median_steps": float(torch.tensor(hits).float().median()) if hits else None,
                "most_steps": max(hits, default=None),
                "l2": round(sum(far) / len(far), 3) if far else None,
                "moved": round(sum(moved) / len(moved), 3) if moved else None,
            }
        )
        print(rows[-1], f"{time.perf_counter() - begun:.0f} s", flush=True)
    return {
        "command": f"python -m training report {NAME} --data DIR",
        "about": f"{len(pairs)} photos of Flickr8k's test half; each shall be described word for word as the captioner describes "
        f"the next. Signed gradient steps of ε/{SHARE} on the logits' margin (κ = {KAPPA:g}), at most {MOST}, ended early once "
        f"reached. Success: the picture of the file's size, rounded to 8 bits, written as PNG, read again and decoded with the "
        f"same beam of {BEAM}, gives exactly that sentence. Steps, l2 (mean ‖η‖₂, pixels in [0, 1]), moved: of the successes. "
        "moved is total variation between the maps of the target's words, forced, before and after, a mean over the words.",
        "minutes": round((time.perf_counter() - begun) / 60, 1),
        "rows": rows,
        "published": PUBLISHED,
    }


def targets(written: Sequence[Words]) -> list[Words]:
    """For each photo the caption of the first photo after it that is described otherwise; empty if all are described alike."""
    found = []
    for i, own in enumerate(written):
        others = (*written[i + 1 :], *written[:i])
        found.append(next((other for other in others if other != own), ()))
    return found


def attempt(captioner: Captions, picture: Picture, aim: Words, n: int) -> tuple[Pursuit, bool, float]:
    """The attack, whether the file says the sentence, and how far the sentence's maps moved, from 0 to 1."""
    numbers, x = captioner.numbers(aim), whole(picture)
    pursuit = pursue(
        lambda x: word_for_word(captioner.told(x, aim).logits, numbers),
        x,
        n / STEPS,
        steps=MOST,
        reached=lambda x: captioner.says(x)[0] == aim,
    )
    file = read_picture(png(from_pixels(pursuit.perturbation.adversarial)), "adversarial.png")
    with torch.no_grad():
        before, after = (captioner.told(each, aim).maps[0].numpy() for each in (x, whole(file)))
    return pursuit, captioner.says(whole(file))[0] == aim, float(total_variation(before, after).mean())

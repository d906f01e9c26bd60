"""Evolutions as sprite sheets: one WebP picture per problem, one row per solver, a column per frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from amb.contracts.problem import UInt8Array
from amb.reports.images import as_picture
from amb_reports.page.board import Evolution

MOST_BYTES = 1_800_000
"""Size limit in bytes of all sprite sheets of a page together."""


@dataclass(frozen=True)
class Fit:
    """Size and quality of the images of a page."""

    side: int
    frames: int
    quality: int


FITS = (Fit(64, 8, 85), Fit(48, 8, 75), Fit(32, 8, 70), Fit(32, 6, 60), Fit(32, 5, 45), Fit(24, 5, 40), Fit(24, 3, 30))
"""From the best to the worst acceptable; the first whose sheets are small enough is used."""


@dataclass(frozen=True)
class SpriteSheet:
    """The sheet of one problem.

    Attributes:
        webp: the picture's file; cells of `fit.side` pixels, `fit.frames` across, one evolution per row.
        frames: int[evolutions, fit.frames], which of its evolution's frames each cell shows.
    """

    problem: str
    evolutions: tuple[Evolution, ...]
    fit: Fit
    webp: bytes
    frames: tuple[tuple[int, ...], ...]


def sprite_sheets(evolutions: Sequence[Evolution], *, most: int = MOST_BYTES) -> list[SpriteSheet]:
    """One sheet per problem, with the best quality that `most` bytes allow."""
    by_problem: dict[str, list[Evolution]] = {}
    for evolution in evolutions:
        by_problem.setdefault(evolution.problem, []).append(evolution)
    probe = max(1, len(by_problem) // 6)
    for fit in FITS:
        # A sixth of the sheets predicts the size of all, so that few are drawn and discarded.
        few = [_sheet(name, group, fit) for name, group in list(by_problem.items())[::probe]]
        if sum(len(s.webp) for s in few) * len(by_problem) / max(len(few), 1) <= most or fit is FITS[-1]:
            drawn = [_sheet(name, group, fit) for name, group in by_problem.items()]
            if sum(len(s.webp) for s in drawn) <= most * 1.1 or fit is FITS[-1]:
                return drawn
    return []


def _sheet(problem: str, evolutions: Sequence[Evolution], fit: Fit) -> SpriteSheet:
    chosen = [_chosen(len(evolution.images), fit.frames) for evolution in evolutions]
    side = min(fit.side, max(max(c.images.shape[1:3]) for c in evolutions))
    picture = Image.new("RGB", (side * fit.frames, side * len(evolutions)))
    for i, (evolution, frames) in enumerate(zip(evolutions, chosen, strict=True)):
        for j, frame in enumerate(frames):
            picture.paste(_small(evolution.images[frame], side), (j * side, i * side))
    webp = _webp(picture, fit.quality)
    return SpriteSheet(problem, tuple(evolutions), Fit(side, fit.frames, fit.quality), webp, tuple(chosen))


def contact_sheet(images: Sequence[UInt8Array], side: int, *, across: int = 32) -> bytes:
    """Images in rows of `across`, each `side` pixels wide and high, as a WebP file; empty without images."""
    if not images:
        return b""
    picture = Image.new("RGB", (side * min(across, len(images)), side * -(-len(images) // across)))
    for i, image in enumerate(images):
        picture.paste(_small(image, side), (i % across * side, i // across * side))
    return _webp(picture, 80)


def _webp(picture: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _chosen(count: int, wanted: int) -> tuple[int, ...]:
    """Numbers of the frames to show, always the last; a short evolution repeats its last."""
    if count <= wanted:
        return (*range(count), *[count - 1] * (wanted - count))
    return tuple(int(i) for i in np.linspace(0, count - 1, wanted).round())


def _small(image: UInt8Array, side: int) -> Image.Image:
    picture = as_picture(image)
    if picture.size == (side, side):
        return picture
    smaller = max(picture.size) > side
    return picture.resize((side, side), Image.Resampling.BOX if smaller else Image.Resampling.NEAREST)

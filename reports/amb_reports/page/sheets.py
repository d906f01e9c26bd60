"""Courses as sprite sheets: a WebP picture a problem, a row a solver, a column a frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from amb.contracts.problem import UInt8Array
from amb.reports.images import as_rgb
from amb_reports.page.board import Course

MOST_BYTES = 1_800_000
"""Of all sheets of a page together."""


@dataclass(frozen=True)
class Fit:
    """How large and how good the images of a page are."""

    side: int
    frames: int
    quality: int


FITS = (Fit(64, 8, 85), Fit(48, 8, 75), Fit(32, 8, 70), Fit(32, 6, 60), Fit(32, 5, 45), Fit(24, 5, 40), Fit(24, 3, 30))
"""From the best to what is still worth looking at; the first is taken whose sheets are small enough."""


@dataclass(frozen=True)
class Sheet:
    """The sheet of one problem.

    Attributes:
        webp: the picture's file; cells of `fit.side` pixels, `fit.frames` across, a course a row.
        frames: int[courses, fit.frames], which of its course's frames each cell shows.
    """

    problem: str
    courses: tuple[Course, ...]
    fit: Fit
    webp: bytes
    frames: tuple[tuple[int, ...], ...]


def sheets(courses: Sequence[Course], *, most: int = MOST_BYTES) -> list[Sheet]:
    """A sheet a problem, as good as `most` bytes allow."""
    by_problem: dict[str, list[Course]] = {}
    for course in courses:
        by_problem.setdefault(course.problem, []).append(course)
    probe = max(1, len(by_problem) // 6)
    for fit in FITS:
        # A sixth of the sheets tells what all will take, so that few are drawn in vain.
        few = [_sheet(name, group, fit) for name, group in list(by_problem.items())[::probe]]
        if sum(len(s.webp) for s in few) * len(by_problem) / max(len(few), 1) <= most or fit is FITS[-1]:
            made = [_sheet(name, group, fit) for name, group in by_problem.items()]
            if sum(len(s.webp) for s in made) <= most * 1.1 or fit is FITS[-1]:
                return made
    return []


def _sheet(problem: str, courses: Sequence[Course], fit: Fit) -> Sheet:
    chosen = [_chosen(len(course.images), fit.frames) for course in courses]
    side = min(fit.side, max(max(c.images.shape[1:3]) for c in courses))
    picture = Image.new("RGB", (side * fit.frames, side * len(courses)))
    for i, (course, frames) in enumerate(zip(courses, chosen, strict=True)):
        for j, frame in enumerate(frames):
            picture.paste(_small(course.images[frame], side), (j * side, i * side))
    buffer = BytesIO()
    picture.save(buffer, "WEBP", quality=fit.quality, method=4)
    return Sheet(problem, tuple(courses), Fit(side, fit.frames, fit.quality), buffer.getvalue(), tuple(chosen))


def _chosen(count: int, wanted: int) -> tuple[int, ...]:
    """Numbers of the frames to show, the last for certain; a short course waits at its end."""
    if count <= wanted:
        return (*range(count), *[count - 1] * (wanted - count))
    return tuple(int(i) for i in np.linspace(0, count - 1, wanted).round())


def _small(image: UInt8Array, side: int) -> Image.Image:
    picture = Image.fromarray(as_rgb(image), "RGB")
    if picture.size == (side, side):
        return picture
    smaller = max(picture.size) > side
    return picture.resize((side, side), Image.Resampling.BOX if smaller else Image.Resampling.NEAREST)

"""A picture of a problem: images of its generator, the activations of its unit, and its reference points."""

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from amb.contracts import asking
from amb.contracts.problem import Problem
from amb.contracts.reference import Reference
from amb.reports.images import as_rgb
from amb.reports.style import own_style
from amb.spec import user_path
from amb.study.durable import make_folder, write_whole
from amb.text import activation

SAMPLES = 12
"""Prior samples shown, from the lowest activation to the highest."""

_INK, _MUTED, _BAR = "#222222", "#666666", "#56B4E9"
_CHANCE, _NATURAL, _RETURNED, _BEST = "chance", "best natural image", "through the encoder", "best known"
_MARKS = {_CHANCE: "#666666", _NATURAL: "#009E73", _RETURNED: "#CC79A7", _BEST: "#D55E00"}


@own_style()
def draw_problem(problem: Problem, point: Reference | None, *, samples: int = 512, seed: int = 0) -> Figure:
    """Prior samples with their activations, the histogram of the activation, and the reference points.

    Args:
        problem: evaluated without noise on `samples` random latents of the prior.
        point: its reference points, if they are known. Their best candidate is shown too and, if the generator has an
            encoder, the natural image with the highest activation after encoding and decoding.
        samples: number of random latents, for the histogram.
        seed: seed of the latents.
    """
    draws = problem.space.sample_prior(samples, np.random.default_rng(seed))
    values = asking.activations(problem, draws)
    chosen = np.argsort(values, kind="stable")[np.linspace(0, samples - 1, min(SAMPLES, samples)).astype(int)]
    pictures = [
        (image, value, "") for image, value in zip(asking.images(problem, draws[chosen]), values[chosen], strict=True)
    ]
    title = f"samples of the prior, from the lowest activation to the highest of {samples}"
    if point is not None and point.round_trip is not None:
        pictures.append((asking.images(problem, [point.round_trip.candidate])[0], point.round_trip.value, _RETURNED))
        title += "; then the best natural image, encoded and decoded"
    if point is not None:
        pictures.append((asking.images(problem, [point.candidate])[0], point.best, _BEST))
        title += "; last, the best known stimulus"
    figure = Figure(figsize=(9, 5.2))
    figure.text(0.04, 0.95, problem.id, fontsize=12, weight="bold", color=_INK)
    figure.text(0.04, 0.905, title, fontsize=8, color=_MUTED)
    columns = 7
    for number, (image, value, mark) in enumerate(pictures):
        row, column = divmod(number, columns)
        axes = figure.add_axes((0.04 + column * 0.133, 0.68 - row * 0.235, 0.12, 0.19))
        axes.imshow(as_rgb(image), vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color=_MARKS.get(mark, "#bbbbbb"), linewidth=2 if mark else 0.6)
        axes.set_xlabel(activation(value), fontsize=8, color=_INK, labelpad=2)
    _histogram(figure, values, point)
    return figure


def _histogram(figure: Figure, values: np.ndarray, point: Reference | None) -> None:
    axes = figure.add_axes((0.07, 0.1, 0.88, 0.22))
    axes.hist(values[np.isfinite(values)], bins=40, color=_BAR)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_MUTED, labelsize=8)
    axes.set_xlabel("activation", fontsize=8, color=_MUTED)
    axes.set_ylabel("samples", fontsize=8, color=_MUTED)
    if point is None:
        return
    returned = None if point.round_trip is None else point.round_trip.value
    places = {_CHANCE: point.chance, _NATURAL: point.natural, _RETURNED: returned, _BEST: point.best}
    for name, place in places.items():
        if place is not None:
            axes.axvline(place, color=_MARKS[name], linewidth=1.6, label=f"{name} {activation(place)}")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(places))


def check_picture(file: Path) -> None:
    """Refuse a file whose name says no format, before the picture is drawn.

    Raises:
        ValueError: the name says no format, or one that is not known.
    """
    known = Figure().canvas.get_supported_filetypes()
    if file.suffix.removeprefix(".").lower() not in known:
        raise ValueError(f"unknown file extension {file.suffix!r}; known are {', '.join(sorted(known))}")


@own_style()
def save_picture(figure: Figure, file: Path) -> None:
    """Write the figure in the format that the file's name says.

    Raises:
        OSError: the file cannot be written.
        ValueError: the name says no format, or one that is not known.
    """
    file = user_path(file)
    check_picture(file)
    make_folder(file.parent)
    draw = partial(figure.savefig, format=file.suffix.removeprefix("."), dpi=160, facecolor="white")
    write_whole(file, draw, error=None)

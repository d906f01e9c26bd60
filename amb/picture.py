"""A picture of a problem: what its generator draws, how its unit answers, and where the reference points are."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from amb.contracts.family import Reference
from amb.contracts.problem import Problem

SAMPLES = 12
"""Prior samples shown, from the weakest answer to the strongest."""

_INK, _MUTED, _BAR = "#222222", "#666666", "#56B4E9"
_MARKS = {"chance": "#666666", "best natural image": "#009E73", "best known": "#D55E00"}


def draw_problem(problem: Problem, point: Reference | None, *, samples: int = 512, seed: int = 0) -> Figure:
    """Prior samples with their activations, the histogram of the activation, and the reference points.

    Args:
        problem: evaluated without noise on `samples` random latents of the prior.
        point: its reference points, if they are known; their best candidate is shown too.
        samples: for the histogram.
        seed: of the latents.
    """
    draws = problem.space.sample_prior(samples, np.random.default_rng(seed))
    values = type(problem).evaluate_together([problem], [draws]).clean[0]
    shown = np.argsort(values, kind="stable")[np.linspace(0, samples - 1, min(SAMPLES, samples)).astype(int)]
    pictures = list(zip(problem.images(draws[shown]), values[shown], strict=True))
    if point is not None:
        pictures.append((problem.images([point.candidate])[0], point.best))
    figure = Figure(figsize=(9, 5.2))
    figure.text(0.04, 0.95, problem.id, fontsize=12, weight="bold", color=_INK)
    figure.text(
        0.04, 0.905, f"samples of the prior by activation, weakest to strongest of {samples}"
        + ("; last, the best known" if point is not None else ""), fontsize=8, color=_MUTED,
    )  # fmt: skip
    columns = 7
    for number, (image, value) in enumerate(pictures):
        row, column = divmod(number, columns)
        axes = figure.add_axes((0.04 + column * 0.133, 0.68 - row * 0.235, 0.12, 0.19))
        axes.imshow(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image, vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[])
        best = number == len(shown)
        axes.spines[:].set(color=_MARKS["best known"] if best else "#bbbbbb", linewidth=2 if best else 0.6)
        axes.set_xlabel(f"{value:.3f}", fontsize=8, color=_INK, labelpad=2)
    _histogram(figure, values, point)
    return figure


def _histogram(figure: Figure, values: np.ndarray, point: Reference | None) -> None:
    axes = figure.add_axes((0.07, 0.1, 0.88, 0.22))
    axes.hist(values, bins=40, color=_BAR)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=_MUTED, labelsize=8)
    axes.set_xlabel("activation", fontsize=8, color=_MUTED)
    axes.set_ylabel("samples", fontsize=8, color=_MUTED)
    if point is None:
        return
    places = {"chance": point.chance, "best natural image": point.natural, "best known": point.best}
    for name, place in places.items():
        if place is not None:
            axes.axvline(place, color=_MARKS[name], linewidth=1.6, label=f"{name} {place:.3f}")
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)


def save_picture(figure: Figure, file: Path) -> None:
    """Write the figure in the format of the file's name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=160, facecolor="white")

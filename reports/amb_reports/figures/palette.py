"""The common style of all figures, without changing matplotlib's global settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from amb.reports.style import own_style
from amb.study.durable import write_whole
from amb_reports.figures.colours import PAIRS, dash_of, slots

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
INK, MUTED, GRID = "#222222", "#666666", "#e4e4e4"
DPI = 160


@dataclass(frozen=True)
class Line:
    """How a solver is drawn in every figure of a report."""

    colour: str
    dash: Any


def lines(solvers: Sequence[str]) -> dict[str, Line]:
    """Each solver's own colour, and a dash, so that similar colours can be told apart."""
    return {solver: Line(PAIRS[slot][0], DASHES[dash_of(slot)]) for solver, slot in slots(solvers).items()}


def tidy(axes: Axes, *, grid: str = "y") -> None:
    """Remove the box, draw a faint grid behind the data, and mute the ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#aaaaaa")
    axes.tick_params(colors=MUTED, labelsize=8, length=3)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions of labels, moved as little as needed to be `gap` apart within [low, high], in the same order."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = [min(max(positions[i], low), high) for i in order]
    for _ in range(200):
        moved = False
        for i in range(len(placed) - 1):
            lack = gap - (placed[i + 1] - placed[i])
            if lack > 1e-9:
                placed[i] = max(placed[i] - lack / 2, low)
                placed[i + 1] = min(placed[i + 1] + lack / 2, high)
                moved = True
        if not moved:
            break
    result = [0.0] * len(positions)
    for place, i in zip(placed, order, strict=True):
        result[i] = place
    return result


def log_queries(axes: Axes, most: int) -> None:
    """A logarithmic axis of queries from 1 to `most`, its numbers written out."""
    axes.set_xscale("log")
    axes.set_xlim(1, max(most, 2))
    axes.xaxis.set_major_locator(LogLocator(10, numticks=6))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def label_ends(axes: Axes, ends: pd.Series, x: float | pd.Series, styles: Mapping[str, Line]) -> None:
    """Write each line's name next to its end, to the right of the axes, so that no legend is needed.

    Args:
        axes: with their final limits.
        ends: solver -> y of its line's end, in data coordinates.
        x: of the lines' ends, one number for all or one per solver.
    """
    across = pd.Series(x, ends.index) if isinstance(x, float | int) else x[ends.index]
    data_to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(data_to_axes.transform((across[solver], end))[1]) for solver, end in ends.items()]
    for (solver, end), y in zip(ends.items(), spread(heights, 0.045, 0.02, 1.0), strict=True):
        colour = styles[str(solver)].colour
        axes.annotate(
            str(solver),
            (across[solver], end),
            xytext=(1.035, y),
            textcoords="axes fraction",
            color=colour,
            fontsize=9,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-", "color": colour, "linewidth": 0.6,
                "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5),
            },
        )  # fmt: skip


def explain(figure: Figure, title: str, note: str) -> None:
    """Write the figure's heading above it and, below it, what it shows and rests on, in lines no wider than it."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    unbroken = re.sub(r"(?<=\d) (?=\w)", "\N{NO-BREAK SPACE}", note)
    lines = wrap(unbroken, int(16 * figure.get_figwidth()))
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=8, color=MUTED)


@own_style()
def save(figure: Figure, folder: Path, name: str, *, kinds: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Write the figure as `<name>.<kind>`, without a date, so that the same figure gives the same bytes."""
    paths = [folder / f"{name}.{kind}" for kind in kinds]
    _lay_out(figure)
    for path in paths:
        kind = path.suffix.removeprefix(".")
        metadata = {"Date": None} if kind == "svg" else None
        draw = partial(figure.savefig, format=kind, dpi=DPI, metadata=metadata, facecolor="white")
        write_whole(path, draw, error=None)
    return paths


def _lay_out(figure: Figure) -> None:
    """Find all places once: matplotlib would do so for each file, and draw everything once more to that end."""
    layout = figure.get_layout_engine()
    if layout is not None:
        figure.set_dpi(DPI)
        layout.execute(figure)
        figure.set_layout_engine(None)

"""The images: the most exciting input of each problem and solver."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from amb.contracts.problem import UInt8Array
from amb.reports.contract import ReportData
from amb.reports.images import as_rgb
from amb.study import own_files
from amb.text import activation
from amb_reports.captions import short_names
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import DPI, INK, MUTED

CELL = 160
"""Side of an image in pixels: images of 16, 32 and 64 pixels are enlarged by whole or nearly whole factors."""

ROWS = 16
"""Problems in one file."""

BEST = "#0072B2"

_DRAWN = own_files.text("a picture of amb's", "Matplotlib")  # with which its pictures say that they were made

TOP, GAP, CAPTION, BOTTOM, RIGHT = 96, 14, 30, 14, 24


class Gallery(Drawn):
    """`gallery.png` (and `gallery-2.png`, ... for many problems): problems by solvers."""

    name = "gallery"
    kinds = ("png",)

    def figures(self, data: ReportData) -> dict[str, Figure]:
        meis = data.meis()
        if meis.empty:  # no run recommended a candidate
            return {}
        table = gallery_table(meis, data.runs, list(data.analysis.table["solver"]))
        pages = -(-table["row"].nunique() // ROWS)
        figures = {}
        for page in range(pages):
            title = "Most exciting inputs" + (f" ({page + 1}/{pages})" if pages > 1 else "")
            name = self.name if page == 0 else f"{self.name}-{page + 1}"
            figures[name] = draw_gallery(table[table["row"] // ROWS == page], title)
        return figures

    @classmethod
    def is_outdated(cls, file: Path) -> bool:
        """The first page, and further ones of a comparison with more problems."""
        further = re.fullmatch(rf"{cls.name}-[0-9]+\.png", file.name) is not None
        return super().is_outdated(file) or (further and file.is_file() and _DRAWN.fits(file))


def gallery_table(meis: pd.DataFrame, runs: pd.DataFrame, solvers: list[str]) -> pd.DataFrame:
    """The position of each image.

    Args:
        meis: problem, solver, seed, activation, image (uint8[h, w, c]).
        runs: the runs table, for the names of problems.
        solvers: in the order of the columns.

    Returns:
        The images with row, column, label (of the problem) and `best` (it has the highest activation on its problem,
        perhaps with others).
    """
    table = meis.copy()
    shown = set(meis["problem"])
    problems = [problem for problem in runs["problem"].unique() if problem in shown]
    table["row"] = table["problem"].map({problem: i for i, problem in enumerate(problems)})
    table["column"] = table["solver"].map({solver: i for i, solver in enumerate(solvers)})
    table["label"] = table["problem"].map(short_names(runs))
    highest = table.groupby("problem")["activation"].transform("max")
    table["best"] = np.isclose(table["activation"], highest, rtol=0, atol=1e-9)
    return table.sort_values(["row", "column"], ignore_index=True)


def draw_gallery(table: pd.DataFrame, title: str = "Most exciting inputs") -> Figure:
    """The images in a grid, enlarged without smoothing; the highest activation of each problem is highlighted.

    A few problems are rows, many are columns, so that the picture is neither too tall nor too wide.
    """
    problems = {row: number for number, row in enumerate(sorted(table["row"].unique()))}
    upright = len(problems) <= 2 * table["column"].nunique()
    places = pd.DataFrame({"problem": table["row"].map(problems), "solver": table["column"]})
    names = pd.DataFrame({"problem": table["label"], "solver": table["solver"].map(lambda name: _fit(str(name), 20))})
    down, across = ("problem", "solver") if upright else ("solver", "problem")
    rows, columns = int(places[down].max()) + 1, int(places[across].max()) + 1
    left = 40 + 11 * max(len(part) for label in names[down] for part in _lines(label))
    width = max(left + columns * CELL + (columns - 1) * GAP + RIGHT, 560)
    height = TOP + rows * (CELL + CAPTION) + (rows - 1) * GAP + BOTTOM
    figure = Figure(figsize=(width / DPI, height / DPI))

    def text(x: float, y: float, words: str, **style: object) -> None:
        figure.text(x / width, 1 - y / height, words, **{"color": INK, "fontsize": 8, **style})  # type: ignore[arg-type]

    text(16, 22, title, fontsize=11, weight="bold", va="center")
    text(16, 46, "the best of all seeds, with its noise-free activation", color=MUTED, fontsize=7, va="center")
    for column, name in names[across].groupby(places[across]).first().items():
        x = left + int(column) * (CELL + GAP) + CELL / 2
        label = " ".join(_lines(name))
        text(x, TOP - 16, label, ha="center", va="center", weight="bold", fontsize=7.5)
    for row, name in names[down].groupby(places[down]).first().items():
        y = TOP + int(row) * (CELL + CAPTION + GAP) + CELL / 2
        text(left - 14, y, "\n".join(_lines(name)), ha="right", va="center", weight="normal" if upright else "bold")
    # One axes for all images: an axes for each of hundreds would take seconds.
    axes = figure.add_axes((0, 0, 1, 1), zorder=-1, xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    frames: dict[bool, list[Rectangle]] = {False: [], True: []}
    for item, row, column in zip(table.itertuples(), places[down], places[across], strict=True):
        x = left + int(column) * (CELL + GAP)
        y = TOP + int(row) * (CELL + CAPTION + GAP)
        _show(axes, as_rgb(item.image), x, y)
        frames[item.best].append(Rectangle((x, y), CELL, CELL))
        weight, colour = ("bold", BEST) if item.best else ("normal", INK)
        words = activation(item.activation)
        text(x + CELL / 2, y + CELL + 15, words, ha="center", va="center", weight=weight, color=colour)
    for best, rectangles in frames.items():
        colour, line = (BEST, 2.2) if best else ("#bbbbbb", 0.6)
        axes.add_collection(
            PatchCollection(rectangles, facecolor="none", edgecolor=colour, linewidth=line, joinstyle="miter"),
            autolim=False,
        )
    return figure


def _show(axes: Axes, image: UInt8Array, x: float, y: float) -> None:
    """Show an image in the cell at a place, as large as fits, without smoothing."""
    height, width = (CELL * side / max(image.shape[:2]) for side in image.shape[:2])
    left, top = x + (CELL - width) / 2, y + (CELL - height) / 2
    extent = (left, left + width, top + height, top)
    shown = AxesImage(axes, extent=extent, interpolation="nearest", origin="upper")
    shown.set_data(image)
    axes.add_image(shown)


def _lines(label: object) -> list[str]:
    return [_fit(part, 24) for part in str(label).split("/")]


def _fit(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1]}…"

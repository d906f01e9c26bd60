"""Export to COCO's format, which `cocopp` and IOHinspector read."""

import re
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.reports.contract import Report, ReportData
from amb.reports.draft import draft_of
from amb.stats.queries import best_so_far
from amb.study.interchange import csv_text
from amb.study.runs import improvements
from amb_reports.exports.series import Series, ends_and, file_name, lowest, series

PRECISION = 1e-8
"""COCO's final precision: a value nearer to the optimum than this counts as the optimum."""

_NAMES = re.compile(r"problems\.csv|amb_f[0-9]+(_DIM[0-9]+)?\.(info|t?dat)")
HEAD = (
    "% f evaluations | g evaluations | best noise-free fitness - Fopt ({optimum:.17g}) + sum g_i+ | measured fitness | "
    "best measured fitness or single-digit g-values | x1 | x2..."
)


class Coco(Report):
    """`coco/<solver>/`: an index and data files for each problem; `coco/problems.csv` names the numbers.

    COCO minimizes down to a known optimum, so the files hold the best known value of a problem minus the best
    activation so far. COCO's suites are a fixed list, and this one is not on it. Therefore no suite is named:
    `cocopp.load` reads the data, but takes the first 100 problems for functions of `bbob`, with which they share only
    the number.
    """

    replaces: ClassVar = {"coco": lambda file: bool(_NAMES.fullmatch(file.name))}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        exported = folder / "coco"
        names, written = {}, []
        with draft_of(exported, empty=True) as draft:  # files of an earlier comparison would be read as well
            for one in series(data):
                names[one.number] = (one.number, one.problem, one.best)
                written.append(_write_series(one, draft / file_name(one.solver)))
            index = draft / "problems.csv"
            table = pd.DataFrame(names.values(), columns=["function", "problem", "best_known"])
            index.write_text(csv_text(table), encoding="utf-8")
        return [exported / path.relative_to(draft) for path in (index, *written)]


def _write_series(one: Series, folder: Path) -> Path:
    data = folder / f"data_f{one.number}" / f"amb_f{one.number}_DIM{one.dimensions}.dat"
    data.parent.mkdir(parents=True, exist_ok=True)
    improved, moments, ends = [], [], []
    for instance, values in enumerate(one.values, start=1):
        gaps = _gaps(values, one.best)
        head = f"% instance = {instance}\n{HEAD.format(optimum=-one.best)}\n"
        improved.append(head + _lines(gaps, values, ends_and(improvements(values), len(gaps))))
        moments.append(head + _lines(gaps, values, _milestones(len(gaps))))
        ends.append(f"{instance}:{len(gaps)}|{gaps[-1] - PRECISION:.3e}")
    data.write_text("".join(improved), encoding="utf-8")
    data.with_suffix(".tdat").write_text("".join(moments), encoding="utf-8")
    index = folder / f"amb_f{one.number}.info"
    algorithm = one.solver.replace("'", "_")
    index.write_text(
        f"funcId = {one.number}, DIM = {one.dimensions}, Precision = {PRECISION:.3e}, algId = '{algorithm}', "
        "coco_version = '2.6', logger = 'bbob', data_format = 'bbob-new2'\n"
        f"% {one.problem}; seeds {', '.join(map(str, one.seeds))}\n"
        f"{data.parent.name}/{data.name}, {', '.join(ends)}\n",
        encoding="utf-8",
    )
    return index


def _gaps(values: NDArray[np.float64], best: float) -> NDArray[np.float64]:
    """Best known value minus best so far."""
    return np.maximum(best - best_so_far(values, floor=lowest(values)), 0.0)


def _lines(gaps: NDArray[np.float64], values: NDArray[np.float64], rows: NDArray[np.int64]) -> str:
    measured = values[rows]
    measured = np.where(np.isnan(measured), 0.0, measured)
    left = gaps[rows].tolist()
    shown = {gap: f"{gap:+.9e}" for gap in set(left)}  # formatting takes most of the time
    places = zip(rows.tolist(), left, (-measured).tolist(), strict=True)
    return "".join([f"{i + 1} 0 {shown[gap]} {value:+.9e} {shown[gap]}\n" for i, gap, value in places])


@cache
def _milestones(queries: int) -> NDArray[np.int64]:
    """Twenty moments per decade, and the last query."""
    return np.unique(np.rint(np.geomspace(1, queries, max(2, int(20 * np.log10(queries + 1))))).astype(np.int64)) - 1

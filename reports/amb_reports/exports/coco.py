"""Export to COCO's format, which `cocopp` and IOHinspector read."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.reports.contract import Report, ReportData
from amb_reports.exports.series import Series, file_name, series

PRECISION = 1e-8
"""COCO's final target: what is nearer to the optimum counts as the optimum."""

HEAD = (
    "% f evaluations | g evaluations | best noise-free fitness - Fopt ({optimum:.17g}) + sum g_i+ | measured fitness | "
    "best measured fitness or single-digit g-values | x1 | x2..."
)


class Coco(Report):
    """`coco/<solver>/`: an index and data files for each problem; `coco/problems.csv` names the numbers.

    COCO minimizes down to a known optimum, so what stands in the files is the best value known of a problem minus
    the best activation so far. Its suites are a fixed list without this one: none is named, so `cocopp.load` reads
    the data and takes the first 100 problems for functions of `bbob`, of which they share nothing but the number.
    """

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        home = folder / "coco"
        shutil.rmtree(home, ignore_errors=True)  # the files of another comparison would be read along
        names, written = {}, []
        for one in series(data):
            names[one.number] = (one.number, one.problem, one.best)
            written.append(_write_series(one, home / file_name(one.solver)))
        index = home / "problems.csv"
        home.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(names.values(), columns=["function", "problem", "best_known"])
        table.to_csv(index, index=False, lineterminator="\n")
        return [index, *written]


def _write_series(one: Series, home: Path) -> Path:
    data = home / f"data_f{one.number}" / f"amb_f{one.number}_DIM{one.modes}.dat"
    data.parent.mkdir(parents=True, exist_ok=True)
    improvements, moments, ends = [], [], []
    for instance, told in enumerate(one.told, start=1):
        gaps = _gaps(told, one.best)
        better = np.flatnonzero(np.diff(gaps, prepend=np.inf) < 0)
        head = f"% instance = {instance}\n{HEAD.format(optimum=-one.best)}\n"
        improvements.append(head + _lines(gaps, told, np.union1d(better, [0, len(gaps) - 1])))
        moments.append(head + _lines(gaps, told, np.union1d(_milestones(len(gaps)), [len(gaps) - 1])))
        ends.append(f"{instance}:{len(gaps)}|{gaps[-1] - PRECISION:.3e}")
    data.write_text("".join(improvements), encoding="utf-8")
    data.with_suffix(".tdat").write_text("".join(moments), encoding="utf-8")
    index = home / f"amb_f{one.number}.info"
    algorithm = one.solver.replace("'", "_")
    index.write_text(
        f"funcId = {one.number}, DIM = {one.modes}, Precision = {PRECISION:.3e}, algId = '{algorithm}', "
        "coco_version = '2.6', logger = 'bbob', data_format = 'bbob-new2'\n"
        f"% {one.problem}; seeds {', '.join(map(str, one.seeds))}\n"
        f"{data.parent.name}/{data.name}, {', '.join(ends)}\n",
        encoding="utf-8",
    )
    return index


def _gaps(told: NDArray[np.float64], best: float) -> NDArray[np.float64]:
    """Best value known minus best so far; until a first query succeeds, as far as the floor 0 or below it."""
    known = np.where(np.isnan(told), min(0.0, float(np.nanmin(told, initial=0.0))), told)
    return np.maximum(best - np.maximum.accumulate(known), 0.0)


def _lines(gaps: NDArray[np.float64], told: NDArray[np.float64], rows: NDArray[np.int64]) -> str:
    last = np.where(np.isnan(told), 0.0, told)
    return "".join(f"{i + 1} 0 {gaps[i]:+.9e} {-last[i]:+.9e} {gaps[i]:+.9e}\n" for i in rows.tolist())


def _milestones(queries: int) -> NDArray[np.int64]:
    """Twenty moments a decade."""
    return np.unique(np.rint(np.geomspace(1, queries, max(2, int(20 * np.log10(queries + 1))))).astype(np.int64)) - 1

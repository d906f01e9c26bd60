"""What a comparison found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from amb.comparison.baseline import ReferenceStudy
from amb.comparison.table import find_run
from amb.contracts.space import FloatArray
from amb.run.plan import Plan
from amb.stats import Analysis
from amb.stats.metrics import Cell
from amb.study.published import AnyStudy
from amb.study.runs import RunPlan, RunRecord, Trace


@dataclass(frozen=True)
class Comparison:
    """Runs of several solvers on several problems, and what follows from them.

    Attributes:
        plan: what was asked for.
        study: where the runs are.
        runs: one row a run (docs/statistics.md lists the columns).
        traces: float64 arrays of the values, without noise, in query order, by (problem, solver, seed).
        analysis: every table of the statistics, each with its method.
        settings: everything needed to make it again.
        warnings: what a reader of the tables must know, as a reference made on another machine.
        beside: the reference study whose runs stand beside those of `study`.
    """

    plan: Plan
    study: AnyStudy
    runs: pd.DataFrame
    traces: Mapping[Cell, FloatArray]
    analysis: Analysis
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    beside: ReferenceStudy | None = field(default=None, kw_only=True, repr=False)
    _best_candidates: Mapping[Cell, tuple[int, ...]] = field(repr=False)

    @property
    def ranking(self) -> pd.DataFrame:
        """One row a solver, best first."""
        return self.analysis.ranking

    @property
    def pairs(self) -> pd.DataFrame:
        """One row a pair of solvers: test, correction, effect."""
        return self.analysis.pairs

    @property
    def verdict(self) -> str:
        """One sentence in words."""
        return self.analysis.verdict

    @property
    def basis(self) -> str:
        """What the verdict rests on: problems, clusters, runs, failures and methods."""
        return self.analysis.basis

    def dimensions(self, problem: str) -> int:
        """Dimensions of a problem's space; no network is loaded if a run on it recommended a candidate."""
        known = (len(best) for key, best in self._best_candidates.items() if key[0] == problem and best)
        return next(known, 0) or self.plan.problem(problem).space.d

    def load(self, cell: Cell) -> tuple[RunRecord, Trace] | None:
        """Record and whole trace of a run, from the study or the reference beside it; None where neither has it."""
        run = self._plans.get(cell)
        return None if run is None else find_run(run, self.study, self.beside)

    @cached_property
    def _plans(self) -> Mapping[Cell, RunPlan]:
        return {(run.problem, run.solver, run.seed): run for run in self.plan.runs}

    def meis(self) -> pd.DataFrame:
        """The most exciting input that each solver recommends for each problem, over its seeds.

        Columns: problem, solver, seed, activation (noise-free), image (uint8[h, w, c]).
        """
        return self._meis

    @cached_property
    def _meis(self) -> pd.DataFrame:
        rows = []
        for (problem, solver), group in self.runs.groupby(["problem", "solver"], sort=False):
            if group["final"].notna().any():
                best = group.loc[group["final"].idxmax()]
                rows.append((problem, solver, int(best["seed"]), float(best["final"])))
        table = pd.DataFrame(rows, columns=["problem", "solver", "seed", "activation"])
        images: dict[int, np.ndarray] = {}
        for problem, group in table.groupby("problem", sort=False):
            keys = [(problem, row.solver, row.seed) for row in group.itertuples()]
            candidates = np.array([self._best_candidates[key] for key in keys], dtype=np.int64)
            made = self.plan.problem(str(problem)).images(candidates)
            images.update(zip(group.index, made, strict=True))
        table["image"] = pd.Series(images, dtype=object)
        return table

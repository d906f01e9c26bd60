"""The result of a comparison."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from msgspec.structs import asdict

from amb.comparison.baseline import Baseline
from amb.comparison.stored import StoredProblem
from amb.comparison.table import find_run
from amb.contracts import asking
from amb.errors import StudyError
from amb.run.plan import Plan
from amb.stats import Analysis
from amb.stats.metrics import Cell, Traces, cells_of
from amb.study.fit import misfit, misfits
from amb.study.manifest import Settings
from amb.study.published import AnyStudy
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.text import plural


@dataclass(frozen=True, repr=False)
class Comparison:
    """Runs of several solvers on several problems, and what follows from them.

    Tables are handed out as copies and arrays as read-only: what their reader does with them changes no later result.

    Attributes:
        plan: solvers, problems, budget and seeds.
        requested: the same, and how the runs were to be executed, as the study's manifest records it.
        study: where the runs are.
        runs: one row per run (docs/notes/statistics.md lists the columns). Of this table, of `ranking` and of `pairs`,
            the first and last columns are those to read first: pandas prints these of a table that is too wide.
        traces: float64[queries] of each run: its values without noise in query order, by (problem, solver, seed).
        analysis: the statistics, and the question that they answer.
        baseline: the published study whose runs are used as well.
        notes: what was cut so that only equal runs are compared, and what is known from stored runs only.
    """

    plan: Plan
    requested: Settings
    study: AnyStudy
    _runs: pd.DataFrame = field(repr=False)
    _traces: Traces = field(repr=False)
    _analysis: Analysis = field(repr=False)
    _recommended: Mapping[Cell, tuple[int, ...]] = field(repr=False)
    baseline: Baseline | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        runs = self._runs
        solvers = ", ".join(self._analysis.table["solver"].astype(str))
        size = f"{plural(runs['problem'].nunique(), 'problem')}, {plural(len(runs), 'run')}"
        return f"<amb.{type(self).__name__}: {solvers}; {size} in {self.study.given}>\n{self.verdict}"

    @property
    def runs(self) -> pd.DataFrame:
        return _to_read(self._runs, ["problem", "solver", "seed", "final"], ["budget", "queries", "status"])

    @property
    def traces(self) -> Traces:
        return dict(self._traces)

    @property
    def analysis(self) -> Analysis:
        return self._analysis.copy()

    @property
    def settings(self) -> dict[str, object]:
        """Everything needed to repeat the comparison: the request and the question, by name."""
        return {**deepcopy(asdict(self.requested)), **self._analysis.question.to_settings()}

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the tables must know, such as a baseline from another machine; no full stops."""
        others = () if self.baseline is None else tuple(self.baseline.warnings(self.study))
        return (*self.notes, *others)

    @property
    def ranking(self) -> pd.DataFrame:
        """One row per solver, best first; `amb.stats.ranking` says what its columns hold."""
        return _to_read(
            self._analysis.ranking, ["place", "solver", "score", "mean_rank"], ["low", "high", "p_holm", "letters"]
        )

    @property
    def pairs(self) -> pd.DataFrame:
        """One row per pair of solvers: test, correction, effect."""
        return _to_read(self._analysis.pairs, ["first", "second", "difference"], ["low", "high", "p_holm"])

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        return self._analysis.verdict

    @property
    def basis(self) -> str:
        """What the verdict rests on: problems, clusters, runs, failures and methods."""
        return self._analysis.basis

    def dimensions(self, problem: str) -> int:
        """Dimensions of a problem's space; no network is loaded if the study holds a run on it."""
        if problem in self._dimensions:
            return self._dimensions[problem]
        stored = (self.load(cell) for cell in self._plans if cell[0] == problem)
        trace = next((run[1] for run in stored if run is not None), None)
        return self.plan.problem(problem).space.d if trace is None else trace.candidates.shape[1]

    @cached_property
    def _dimensions(self) -> Mapping[str, int]:
        return {problem: len(best) for (problem, *_), best in self._recommended.items() if best}

    def load(self, cell: Cell) -> tuple[RunRecord, Trace] | None:
        """Record and whole trace of a run, from the study or the baseline; None if neither had it.

        Raises:
            StudyError: it was there when this comparison was made, and is gone.
        """
        run = self._plans.get(cell)
        found = None if run is None else find_run(run, self.study, self.baseline)
        if run is not None and found is None and cell in self._recommended:
            raise StudyError(
                f"{self.study.shown} no longer has {run.name}, which this result was made of: it was moved, deleted "
                "or replaced meanwhile; put it back, or repeat the command that made the result"
            )
        return found

    def check_candidates(self) -> None:
        """Refuse runs of one problem whose candidates cannot be drawn together; no network is loaded.

        Raises:
            StudyError: some have another number of dimensions than the others; the message names the file.
        """
        sizes: dict[str, dict[Cell, int]] = {}
        for cell, candidate in self._recommended.items():
            if candidate:
                sizes.setdefault(cell[0], {})[cell] = len(candidate)
        for runs in sizes.values():
            for cell, why in misfits(runs).items():
                self._refuse(cell, why)

    def _refuse(self, cell: Cell, why: str) -> None:
        if not why:
            return
        run = self._plans[cell]
        own = self.baseline is None or self.study.load_compact(run) is not None
        study = self.study if own or self.baseline is None else self.baseline.study
        raise StudyError(f"{study.run_file(run.run_id)}: {why}, or delete it and run it again")

    @cached_property
    def _plans(self) -> Mapping[Cell, RunPlan]:
        return {(run.problem, run.solver, run.seed): run for run in self.plan.runs}

    def meis(self) -> pd.DataFrame:
        """The most exciting input of each problem and solver: what the best of its seeds recommends.

        A problem whose network is not here (`amb.open` of a study of objects) has no images and is left out, and so are
        runs of a published study that were cut to queries of which it did not keep the best candidate.

        Columns: problem, solver, seed, activation (noise-free), image (uint8[h, w, c]).
        """
        return self._meis.copy()

    @cached_property
    def _meis(self) -> pd.DataFrame:
        shown = np.array([len(self._recommended[cell]) > 0 for cell in cells_of(self._runs)], bool)
        known = self._runs[shown & self._runs["final"].notna().to_numpy()]
        best = known.groupby(["problem", "solver"], sort=False)["final"].idxmax()
        table = known.loc[best, ["problem", "solver", "seed", "final"]].rename(columns={"final": "activation"})
        table = table.reset_index(drop=True)
        images: dict[int, np.ndarray] = {}
        for problem, group in table.groupby("problem", sort=False):
            found = self.plan.problem(str(problem))
            if not isinstance(found, StoredProblem):
                for cell in cells_of(group):
                    self._refuse(cell, misfit(self._recommended[cell], found.space))
                candidates = np.array([self._recommended[cell] for cell in cells_of(group)], dtype=np.int64)
                rendered = asking.images(found, candidates)
                rendered.setflags(write=False)
                images.update(zip(group.index, rendered, strict=True))
        table["image"] = pd.Series(images, dtype=object)
        return table.loc[list(images)].reset_index(drop=True)


def _to_read(table: pd.DataFrame, first: list[str], last: list[str]) -> pd.DataFrame:
    """A copy of a table, its most important columns first and last: pandas shows these of a table that is too wide."""
    between = [name for name in table.columns if name not in (*first, *last)]
    return table[[*first, *between, *last]].copy()

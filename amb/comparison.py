"""Comparing solvers on problems: plan the runs, carry them out, and hand the tables to the statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from amb.contracts.family import Reference
from amb.contracts.space import FloatArray
from amb.errors import SpecError, StudyError
from amb.plan import Plan, make_plan
from amb.reference_study import ReferenceStudy, reference_study
from amb.references import reference
from amb.runner import Limits, Progress, execute
from amb.runs import RunPlan, RunRecord, Trace
from amb.spec import Spec
from amb.stats import Analysis, analyse, common, competing
from amb.stats.metrics import check_alpha, find_metric
from amb.study import PublishedStudy, Study, open_study

if TYPE_CHECKING:
    from amb.executors.dask import DaskCluster

RunKey = tuple[str, str, int]

DEFAULT_PROBLEMS = "quick"


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
    study: Study | PublishedStudy
    runs: pd.DataFrame
    traces: Mapping[RunKey, FloatArray]
    analysis: Analysis
    settings: Mapping[str, object]
    warnings: tuple[str, ...] = field(default=(), kw_only=True)
    beside: ReferenceStudy | None = field(default=None, kw_only=True, repr=False)
    _best_candidates: Mapping[RunKey, tuple[int, ...]] = field(repr=False)

    @cached_property
    def competing(self) -> pd.DataFrame:
        """The runs of solvers that see values only: all that figures show."""
        return competing(self.runs)

    @cached_property
    def common(self) -> pd.DataFrame:
        """Of these the runs on problems on which every such solver has one: all that figures compare."""
        return common(self.competing)

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

    def modes(self, problem: str) -> int:
        """Modes of a problem's space, without loading a network where a run of it recommended anything."""
        known = (len(best) for key, best in self._best_candidates.items() if key[0] == problem and best)
        return next(known, 0) or self.plan.problem(problem).space.d

    def load(self, key: RunKey) -> tuple[RunRecord, Trace] | None:
        """Record and whole trace of a run, from the study or the reference beside it; None where neither has it."""
        run = self._plans.get(key)
        return None if run is None else _find(run, self.study, self.beside)

    @cached_property
    def _plans(self) -> Mapping[RunKey, RunPlan]:
        return {(run.problem, run.solver, run.replicate): run for run in self.plan.runs}

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


def compare(
    solvers: str | Sequence[str],
    problems: str | Sequence[str] | None = None,
    *,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    study: str | Path = "amb-study",
    device: str = "cpu",
    control: str | None = None,
    metric: str = "final",
    alpha: float = 0.05,
    rope: float = 0.01,
    timing: bool = False,
    with_reference: bool | str | Path = False,
    limits: Limits | None = None,
    retry: bool = False,
    cluster: "DaskCluster | None" = None,
    progress: Progress | None = None,
) -> Comparison:
    """Run what is missing in the study and compare the solvers.

    Args:
        solvers: specs, as a list or separated by commas.
        problems: suites, ids, globs or ranges, likewise; by default the suite `quick`.
        budget: queries a run; by default what the suite says.
        seeds: number of runs for each solver and problem (their seeds are 0, 1, ...), or which, as
            ``"3..7"`` or a list; by default what the suite says.
        study: folder; runs that it holds are not made again.
        device: where networks are evaluated, "cpu" or "cuda".
        control: compare every solver with this one only; by default all pairs.
        metric: the primary metric, a name in `amb.stats.METRICS`, declared before looking.
        alpha: family-wise error of the tests, after Holm's correction.
        rope: differences below this share of a problem's range are practically none.
        timing: run one at a time, as wall-time claims need.
        with_reference: set the solvers beside those of the published reference study (or of the one in that
            folder), on its problems with its budget and seeds unless others are given; its runs are not made again.
        limits: seconds and memory that a run may take, and whether its solver gets a process of its own.
        retry: go on with runs that failed.
        cluster: where runs are made (`amb.executors.dask.DaskCluster`); by default in this process.
        progress: shows the course; by default nothing is shown.

    Raises:
        SpecError: an unknown name, a bad spec, budget or number of seeds.
        StudyError: the folder cannot be written or read.
    """
    beside = reference_study(with_reference) if with_reference else None
    if beside is not None:
        solvers, problems, budget, seeds = beside.complete(solvers, problems, budget, seeds)
    plan = make_plan(solvers, problems or DEFAULT_PROBLEMS, budget=budget, seeds=seeds, device=device)
    _refuse_unranked(plan, control)  # before anything runs
    check_alpha(alpha)
    find_metric(metric)
    _refuse_untimed(metric, timing, beside)
    home = Study(study)
    settings = {**plan.settings(), "timing": timing, "with_reference": str(with_reference) if with_reference else None}
    wanted = plan.runs if beside is None else beside.missing(plan.runs)
    notes = home.describe(wanted, settings)
    carry_out(
        plan,
        wanted,
        home,
        cluster,
        timing=timing,
        limits=limits or Limits(),
        retry=retry,
        notes=notes,
        progress=progress,
    )
    return _analyse(plan, home, settings, beside, control=control, metric=metric, alpha=alpha, rope=rope)


def carry_out(
    plan: Plan, runs: Sequence[RunPlan], study: Study, cluster: "DaskCluster | None" = None, **how: Any
) -> None:
    """Make runs of a plan that the study lacks, here or on a cluster; `how` is what `amb.runner.execute` takes."""
    how["notes"] = [*how.get("notes", ()), *plan.refusals]
    if cluster is None:
        execute(runs, study, plan.problem, **how)
    else:
        cluster.execute(runs, study, device=plan.device, **how)


def reopen(
    study: str | Path,
    *,
    solvers: str | Sequence[str] | None = None,
    problems: str | Sequence[str] | None = None,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    control: str | None = None,
    metric: str = "final",
    alpha: float = 0.05,
    rope: float = 0.01,
    device: str = "cpu",
) -> Comparison:
    """Compare what a study holds; nothing is run.

    Args:
        study: its folder.
        solvers, problems, budget, seeds: as in `compare`; by default what the study was last asked for.
        control, metric, alpha, rope, device: as in `compare`.

    Raises:
        StudyError: no study there, or a run is missing.
        SpecError: as in `compare`.
    """
    home = open_study(study)
    asked = _asked(home, named=solvers is None)
    plan = make_plan(
        solvers or asked["solvers"],
        problems or asked["problems"],
        budget=budget or asked["budget"],
        seeds=asked["seeds"] if seeds is None else seeds,
        device=device,
    )
    settings = {**plan.settings(), "suite": asked["suite"] if problems is None else plan.suite}
    where = asked.get("with_reference")
    settings["with_reference"] = where
    beside = reference_study(where) if where else None
    return _analyse(plan, home, settings, beside, control=control, metric=metric, alpha=alpha, rope=rope)


def _asked(study: Study | PublishedStudy, *, named: bool) -> dict[str, Any]:
    """What the manifest says that was asked last.

    Raises:
        StudyError: it does not say, or names a solver by its module, which only its user may have imported.
    """
    asked: dict[str, Any] = dict(study.manifest.get("settings", {}))  # type: ignore[call-overload]
    lacking = [name for name in ("solvers", "problems", "budget", "seeds") if name not in asked]
    if lacking:
        raise StudyError(f"{study.folder}/manifest.json does not say which {lacking[0]} were asked for")
    for spec in asked["solvers"] if named else ():
        if ":" in Spec.parse(spec).name:
            raise StudyError(
                f"{study.folder} names the solver {spec} by its module, and reading a study imports nothing that it "
                "names: give the solvers yourself with --solvers"
            )
    return {"suite": None, **asked}


@dataclass(frozen=True)
class Runs:
    """A plan's runs as read from a study.

    Attributes:
        runs: one row a run.
        traces: values in query order, by (problem, solver, seed), without noise, NaN where a query failed: under noise
            the best value told is the luckiest draw, so no curve is made of those (COCO's noisy suite does likewise).
        recommended: the candidate that the solver stood by, or () after a failure.
    """

    runs: pd.DataFrame
    traces: Mapping[RunKey, FloatArray]
    recommended: Mapping[RunKey, tuple[int, ...]]


def read_runs(plan: Plan, study: Study | PublishedStudy, beside: ReferenceStudy | None = None) -> Runs:
    """Read a plan's runs from a study and, those that it lacks, from a reference study.

    Raises:
        StudyError: a run is missing.
    """
    rows, traces, best = [], {}, {}
    white_box = {str(spec) for spec in plan.solvers if spec.cls.white_box}
    measured = {run.problem: run.fingerprint for run in plan.runs}
    points = {name: reference(name, fingerprint=fingerprint) for name, fingerprint in measured.items()}
    for run in plan.runs:
        loaded = _find(run, study, beside)
        if loaded is None:
            raise StudyError(
                f"{study.folder} lacks {run.problem} x {run.solver} with seed {run.replicate}; "
                "`amb run` or `amb compare` makes it"
            )
        record, trace = loaded
        key = (run.problem, run.solver, run.replicate)
        rows.append({**run_row(record, trace, run.budget, points[run.problem]), "white_box": run.solver in white_box})
        traces[key] = np.where(np.isnan(trace.values), np.nan, trace.clean)
        best[key] = record.recommended
    return Runs(pd.DataFrame(rows), traces, best)


def _find(run: RunPlan, study: Study | PublishedStudy, beside: ReferenceStudy | None) -> tuple[RunRecord, Trace] | None:
    """A run from a study or, where that lacks it, from the reference beside it."""
    found = study.load(run)
    if found is not None or beside is None:
        return found
    stored = beside.study.load(run)
    # Seconds of another time and machine do not compare.
    return None if stored is None else (replace(stored[0], timing=False), stored[1])


def _analyse(
    plan: Plan,
    study: Study | PublishedStudy,
    settings: Mapping[str, object],
    beside: ReferenceStudy | None = None,
    *,
    control: str | None,
    metric: str,
    alpha: float,
    rope: float,
) -> Comparison:
    _refuse_unranked(plan, control)
    control = None if control is None else plan.canonical_solver(control)
    found = read_runs(plan, study, beside)
    analysis = analyse(found.runs, found.traces, metric=metric, control=control, alpha=alpha, rope=rope)
    settings = {**settings, "control": control, "metric": metric, "alpha": alpha, "rope": rope}
    warnings = () if beside is None else beside.warnings(plan, study)
    return Comparison(
        plan,
        study,
        found.runs,
        found.traces,
        analysis,
        settings,
        found.recommended,
        warnings=tuple(warnings),
        beside=beside,
    )


def _refuse_untimed(metric: str, timing: bool, beside: ReferenceStudy | None) -> None:
    """Refuse to rank by seconds that would not compare."""
    if metric == "seconds" and not timing:
        raise SpecError("metric seconds needs runs that had the machine for themselves: add --timing (timing=True)")
    if metric == "seconds" and beside is not None:
        raise SpecError(
            f"metric seconds does not go with the stored runs of {beside.study.folder}: seconds of another time and "
            "machine do not compare; leave the reference out, or choose another metric"
        )


def _refuse_unranked(plan: Plan, control: str | None) -> None:
    """Refuse a comparison that would rank nobody, or all against a solver that is not ranked."""
    ranked = [str(spec) for spec in plan.solvers if not spec.cls.white_box]
    if not ranked:
        raise SpecError(
            f"{plan.solvers[0]} sees gradients and is never ranked; add a solver that sees values only, "
            "or run it alone with `amb run`"
        )
    if control is not None and plan.canonical_solver(control) not in ranked:
        raise SpecError(f"{control} sees gradients and is never ranked; the control must be one of {', '.join(ranked)}")


def run_row(record: RunRecord, trace: Trace, budget: int, point: Reference | None = None) -> dict[str, object]:
    """A row of the runs table; `point`, the problem's reference points."""
    generator, target, layer, unit = (record.plan.problem.split("[")[0].split("/") + [""] * 4)[:4]
    known = trace.clean[~np.isnan(trace.values)]
    return {
        "problem": record.plan.problem,
        "generator": generator,
        "target": target,
        "layer": layer,
        "unit": unit,
        "solver": record.plan.solver,
        "seed": record.plan.replicate,
        "budget": budget,
        "status": record.status,
        "queries": record.queries,
        "distinct": record.distinct,
        "final": record.final,
        "chance": np.nan if point is None else point.chance,
        "best_known": np.nan if point is None else point.best,
        "normalized": np.nan if point is None else point.normalized(record.final),
        "best": float(known.max()) if known.size else np.nan,
        "solver_seconds": record.solver_seconds,
        "generator_seconds": record.generator_seconds,
        "target_seconds": record.target_seconds,
        "timing": record.timing,
        "key": record.plan.key,
    }

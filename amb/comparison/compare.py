"""Comparing solvers on problems: plan the runs, carry them out, and hand the tables to the statistics."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from amb.comparison.baseline import ReferenceStudy, reference_study
from amb.comparison.result import Comparison
from amb.comparison.table import read_runs
from amb.errors import SpecError, StudyError
from amb.run.dask import DaskCluster
from amb.run.dispatch import carry_out
from amb.run.limits import Limits
from amb.run.plan import Plan, make_plan
from amb.run.progress import Progress
from amb.spec import Spec
from amb.stats import analyse
from amb.stats.question import DEFAULT, Question
from amb.study.manifest import Settings
from amb.study.published import AnyStudy, open_study
from amb.study.study import Study

DEFAULT_PROBLEMS = "quick"


def compare(
    solvers: str | Sequence[str],
    problems: str | Sequence[str] | None = None,
    *,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    study: str | Path = "amb-study",
    device: str = "cpu",
    control: str | None = None,
    metric: str = Question.metric,
    alpha: float = Question.alpha,
    rope: float = Question.rope,
    timing: bool = False,
    with_reference: bool | str | Path = False,
    limits: Limits | None = None,
    retry: bool = False,
    cluster: DaskCluster | None = None,
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
        cluster: where runs are made (`amb.run.dask.DaskCluster`); by default in this process.
        progress: shows the course; by default nothing is shown.

    Raises:
        SpecError: an unknown name, a bad spec, budget or number of seeds.
        StudyError: the folder cannot be written or read.
    """
    question = Question(metric, alpha, rope, control)
    beside = reference_study(with_reference) if with_reference else None
    if beside is not None:
        solvers, problems, budget, seeds = beside.complete(solvers, problems, budget, seeds)
    plan = make_plan(solvers, problems or DEFAULT_PROBLEMS, budget=budget, seeds=seeds, device=device)
    question = _among_ranked(question, plan)  # before anything runs
    _refuse_untimed(question, timing, beside)
    home = Study(study)
    settings = plan.settings(timing=timing, with_reference=str(with_reference) if with_reference else None)
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
    return _analyse(plan, home, settings, question, beside)


def reopen(
    study: str | Path,
    question: Question = DEFAULT,
    *,
    solvers: str | Sequence[str] | None = None,
    problems: str | Sequence[str] | None = None,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    device: str = "cpu",
) -> Comparison:
    """Compare what a study holds; nothing is run.

    Args:
        study: its folder.
        question: the metric, the error rate, what counts as equal, and the control.
        solvers, problems, budget, seeds: as in `compare`; by default what the study was last asked for.
        device: as in `compare`.

    Raises:
        StudyError: no study there, or a run is missing.
        SpecError: as in `compare`.
    """
    home = open_study(study)
    asked = _asked(home, named=solvers is None)
    plan = make_plan(
        solvers or asked.solvers,
        problems or asked.problems,
        budget=budget or asked.budget,
        seeds=asked.seeds if seeds is None else seeds,
        device=device,
    )
    where = asked.with_reference
    settings = plan.settings(with_reference=where)
    if problems is None:
        settings = msgspec.structs.replace(settings, suite=asked.suite)
    beside = reference_study(where) if where else None
    return _analyse(plan, home, settings, _among_ranked(question, plan), beside)


def _asked(study: AnyStudy, *, named: bool) -> Settings:
    """What the manifest says was asked for last.

    Raises:
        StudyError: it does not say, or names a solver by its module, which only its user may have imported.
    """
    asked = study.manifest.settings.complete(study.folder)
    for spec in asked.solvers if named else ():
        if ":" in Spec.parse(spec).name:
            raise StudyError(
                f"{study.folder} names the solver {spec} by its module, and reading a study imports nothing that it "
                "names: give the solvers yourself with --solvers"
            )
    return asked


def _analyse(
    plan: Plan,
    study: AnyStudy,
    settings: Settings,
    question: Question,
    beside: ReferenceStudy | None = None,
) -> Comparison:
    found = read_runs(plan, study, beside)
    analysis = analyse(found.runs, found.traces, question)
    warnings = () if beside is None else beside.warnings(plan, study)
    return Comparison(
        plan,
        study,
        found.runs,
        found.traces,
        analysis,
        {**msgspec.structs.asdict(settings), **question.to_settings()},
        found.recommended,
        warnings=tuple(warnings),
        beside=beside,
    )


def _refuse_untimed(question: Question, timing: bool, beside: ReferenceStudy | None) -> None:
    """Refuse to rank by seconds that would not compare."""
    if question.metric == "seconds" and not timing:
        raise SpecError("metric seconds needs runs that had the machine for themselves: add --timing (timing=True)")
    if question.metric == "seconds" and beside is not None:
        raise SpecError(
            f"metric seconds does not go with the stored runs of {beside.study.folder}: seconds of another time and "
            "machine do not compare; leave the reference out, or choose another metric"
        )


def _among_ranked(question: Question, plan: Plan) -> Question:
    """The question with its control in canonical form.

    Raises:
        SpecError: the plan has no solver that is ranked, or the control is not one of those.
    """
    ranked = [str(spec) for spec in plan.solvers if not spec.cls.white_box]
    if not ranked:
        raise SpecError(
            f"{plan.solvers[0]} sees gradients and is never ranked; add a solver that sees values only, "
            "or run it alone with `amb run`"
        )
    if question.control is None:
        return question
    control = plan.canonical_solver(question.control)
    if control not in ranked:
        raise SpecError(f"{control} sees gradients and is never ranked; the control must be one of {', '.join(ranked)}")
    return replace(question, control=control)

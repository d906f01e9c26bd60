"""Comparing solvers on problems: plan the runs, execute them, and pass the tables to the statistics."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from amb.catalogue.given import Given, ProblemLike, SolverLike, given_suite, name_problems, name_solvers
from amb.comparison.baseline import INSTALLED, Baseline, find_baseline
from amb.comparison.result import Comparison
from amb.comparison.stored import stored_notes, with_stored
from amb.comparison.table import read_runs
from amb.contracts.objective import Bounds
from amb.errors import SpecError, StudyError
from amb.references.lookup import reference
from amb.run.dask import DaskCluster
from amb.run.dispatch import carry_out
from amb.run.display import receiver
from amb.run.limits import NO_LIMITS, Limits
from amb.run.plan import Plan, make_plan, parse_seeds
from amb.run.progress import Progress
from amb.sight import CLASSES, leading_of
from amb.spec import explained, flag
from amb.stats import analyse
from amb.stats.question import DEFAULT, Question, check_question
from amb.study.asked import NOTHING, Asked, asked_of
from amb.study.changes import edited
from amb.study.environment import environment
from amb.study.manifest import Manifest, Settings, on_one_machine, union
from amb.study.published import AnyStudy, PublishedStudy, open_study
from amb.study.study import Study

DEFAULT_PROBLEMS = "quick"
MOST_LISTED = 10_000
"""Missing runs that are looked for one by one."""


@explained("amb.compare")
def compare(
    solvers: SolverLike | Sequence[SolverLike],
    problems: ProblemLike | Sequence[ProblemLike] | None = None,
    *,
    bounds: Bounds | None = None,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    study: str | Path = "amb-study",
    device: str = "cpu",
    control: SolverLike | None = None,
    metric: str = Question.metric,
    alpha: float = Question.alpha,
    rope: float = Question.rope,
    level: str = Question.level,
    look: int = Question.look,
    looks: int = Question.looks,
    timing: bool = False,
    with_reference: bool | str | Path = False,
    limits: Limits | None = None,
    retry: bool = False,
    cluster: DaskCluster | None = None,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Run what is missing in the study and compare the solvers.

    Solvers and problems of your own may be given as objects or classes, as well as by name. The study knows a class as
    ``module:Class`` and a problem by its id. Where another process cannot find the same under that name (a class of a
    script or notebook, a network that is not registered), stored runs are found again only by a call with the object.

    Args:
        solvers: specs, as a list or separated by commas; or classes, ``MySolver`` or with options ``MySolver(k=3)``; or
            objects, which stand for their class and options: every run gets a fresh one.
        problems: suites, ids, globs or ranges, as a list or separated by commas; or objects: problems such as
            ``amb.target(network).problem(generator, 3)``, which are evaluated on their own device, or families, for all
            their problems; or functions of a point, float64[d] -> number, to be maximized. By default the suite
            `quick`.
        bounds: lowest and highest value of every coordinate of such points, such as ``[(-5, 5)] * 8``; `amb.objective`
            makes a problem of a function with more options.
        budget: queries per run; by default the suite's.
        seeds: number of runs for each solver and problem (with the seeds 0, 1, ...), or which seeds, as ``"3..7"`` or a
            list; by default the suite's.
        study: folder; runs that it holds are not rerun.
        device: where networks are evaluated, "cpu" or "cuda".
        control: compare every solver with this one only; by default all pairs.
        metric: the primary metric, a name in `amb.stats.METRICS`, declared before the results are seen.
        alpha: family-wise error rate of the tests, after Holm's correction.
        rope: differences below this share of a problem's range count as practically equal.
        level: what the tests count as independent: "problems", "layers" or "networks".
        look: for a study that grows until a difference is shown: which of the planned looks this is.
        looks: how many looks are planned; all of them together keep alpha.
        timing: execute one run at a time, so that wall times can be compared.
        with_reference: include the published reference solvers (or those of the published study in that folder), on
            their problems, with their budget and seeds unless others are given; stored runs are not rerun.
        limits: time and memory limits of a run, and whether its solver gets its own process.
        retry: resume failed runs.
        cluster: where runs are executed (`amb.run.dask.DaskCluster`); by default in this process.
        progress: shows how far the runs are; by default, and for True, a live table in a notebook or a terminal and
            nothing elsewhere; False: nothing.

    Raises:
        SpecError: an unknown name, or a bad spec, budget, number of seeds, alpha or rope.
        StudyError: the folder cannot be written or read.
    """
    timing, retry = flag(timing, "timing"), flag(retry, "retry")
    for what, value, kind in (("limits", limits, Limits), ("cluster", cluster, DaskCluster)):
        if not (value is None or isinstance(value, kind)):
            raise SpecError(f"{what} must be None or a {kind.__module__}.{kind.__name__}, got {value!r:.80}")
    shown = receiver(progress)
    shown.prepare()
    names, given = _named(solvers, problems, control, bounds)
    solver_names, problem_names, control_name = names
    _refuse_nothing("problems", problems, problem_names, "leave the argument out for the suite quick")
    question = Question(metric, alpha, rope, control_name, level, look, looks)
    if not isinstance(with_reference, bool | str | Path):
        raise SpecError(f"with_reference must be True, False or a folder, got {with_reference!r:.80}")
    baseline = find_baseline(with_reference) if with_reference else None
    if baseline is not None:
        solver_names, problem_names, budget, seeds = baseline.complete(
            solver_names, problem_names, budget, seeds, find=given.solver
        )
    plan = make_plan(
        solver_names,
        problem_names or DEFAULT_PROBLEMS,
        budget=budget,
        seeds=seeds,
        device=device,
        given=given,
        suite=given_suite(problems),
        limits=limits or NO_LIMITS,
    )
    question = _for_ranked(question, plan)  # refused before anything runs, as are damaged reference points
    for problem, fingerprint in {run.problem: run.fingerprint for run in plan.runs}.items():
        reference(problem, fingerprint=fingerprint)
    missing = plan.runs if baseline is None else baseline.missing(plan.runs)
    _check_seconds(question, timing, baseline)  # what is refused leaves no folder
    folder = Study(study)
    _check_machine(question, folder)
    requested = plan.settings(timing=timing, with_reference=str(with_reference) if with_reference else None)
    notes = folder.describe(missing, requested, retry=retry)
    if baseline is not None:
        notes = list(dict.fromkeys([*notes, *edited(_known(folder, baseline), plan.runs, requested.codes)]))
    carry_out(
        plan,
        missing,
        folder,
        cluster,
        timing=timing,
        limits=limits or NO_LIMITS,
        retry=retry,
        notes=notes,
        progress=shown,
    )
    return _analyse(plan, requested, folder, question, baseline)


@explained("amb.open")
def reopen(
    study: str | Path | AnyStudy,
    question: Question = DEFAULT,
    *,
    solvers: SolverLike | Sequence[SolverLike] | None = None,
    problems: ProblemLike | Sequence[ProblemLike] | None = None,
    budget: int | None = None,
    seeds: int | str | Sequence[int] | None = None,
    device: str = "cpu",
    reference: str | Path | None = None,
) -> Comparison:
    """Compare what a study holds; nothing is run.

    Of a study that was interrupted, published or not, what is finished is compared, and a warning says how much is
    missing. Table and verdict need stored runs only: solvers and problems of the study that were objects of another
    session, belong to a plug-in that is not installed, or ran in another version are compared too, the problems without
    images.

    Args:
        study: its folder, or the study itself if it is open already.
        question: the metric, the error rate, what counts as equal, and the control.
        solvers: as in `compare`; by default those of the study's last request.
        problems: as in `compare`; by default those of the last request.
        budget: as in `compare`; by default that of the last request.
        seeds: as in `compare`; by default those of the last request.
        device: as in `compare`.
        reference: folder of the published study whose solvers are compared as well; by default the installed one, if
            the study was compared with it.

    Raises:
        StudyError: the folder is not a study, holds no finished run, or lacks one that was never asked for; or
            it was compared with another folder that is not given.
        SpecError: as in `compare`.
    """
    question = check_question(question)
    (solver_names, problem_names, _), given = _named([] if solvers is None else solvers, problems, None)
    for what, asked, names in (("solvers", solvers, solver_names), ("problems", problems, problem_names)):
        _refuse_nothing(what, asked, names, "leave the argument out for those of the study")
    opened = study if isinstance(study, Study | PublishedStudy) else open_study(study)
    last = opened.manifest.settings.complete(opened.folder)
    compared_with = str(reference) if reference is not None else last.with_reference
    if reference is None and compared_with not in (None, INSTALLED):
        raise StudyError(
            f"{opened.shown} was compared with the study in {compared_with}, and reading a study opens no other "
            "folder that it names: name it yourself with --reference"
        )
    baseline = find_baseline(compared_with) if compared_with else None
    compared = solver_names or _compared(opened, last, baseline, compared_with)
    if baseline is not None:
        theirs = [name for name in compared if name not in opened.manifest.solvers]
        given = with_stored(baseline.study, theirs, (), given, device=device)
    given = with_stored(opened, compared, problem_names or last.problems, given, device=device)
    unfinished = asked_of(opened.manifest)
    numbers = last.seeds if seeds is None else parse_seeds(seeds)
    plan = make_plan(
        compared,
        problem_names or last.problems,
        budget=last.budget if budget is None else budget,
        seeds=_stored_seeds(opened, baseline, numbers, unfinished),
        device=device,
        given=given,
        trial=False,
    )
    if baseline is not None and compared_with != last.with_reference:
        own = opened.manifest.solvers
        baseline.missing([run for run in plan.runs if run.solver not in own])  # refuses one that lacks runs
    if problems is None:
        plan = replace(plan, suite=last.suite)
    requested = plan.settings(timing=last.timing, with_reference=compared_with)
    requested = structs.replace(requested, seeds=tuple(dict.fromkeys(numbers)))
    notes = stored_notes(given)
    return _analyse(plan, requested, opened, _for_ranked(question, plan), baseline, unfinished, notes)


def _compared(study: AnyStudy, last: Settings, baseline: Baseline | None, compared_with: str | None) -> Sequence[str]:
    """The solvers of a study's last request, and the reference's.

    With another reference than the request's, its solvers are left out that neither study nor reference ran.
    """
    if baseline is None or compared_with == last.with_reference:
        return last.solvers
    ran = {*study.manifest.solvers, *baseline.study.manifest.solvers}
    return list(dict.fromkeys([*(name for name in last.solvers if name in ran), *baseline.solvers]))


def _stored_seeds(study: AnyStudy, baseline: Baseline | None, asked: Sequence[int], unfinished: Asked) -> Sequence[int]:
    """The seeds that are asked for, at least one, without those of which no run is stored and all may be missing.

    A request may be for millions of runs more than a study holds; a plan lists each of its runs.
    """
    if len(unfinished) <= MOST_LISTED + 2 * study.count_runs():
        return asked
    sides = [study] if baseline is None else [study, baseline.study]
    stored = {plan.seed for side in sides for plan in side.plans()}
    missing = {seed for seed in unfinished.seeds if seed not in stored}
    return [seed for seed in asked if seed not in missing] or asked[:1]


def _refuse_nothing(what: str, asked: object, names: Sequence[str], advice: str) -> None:
    """Refuse an empty text, list or other iterable, which must not mean the default."""
    if asked is not None and not names:
        raise SpecError(f"no {what} given; {advice}")


def _named(
    solvers: SolverLike | Sequence[SolverLike],
    problems: ProblemLike | Sequence[ProblemLike] | None,
    control: SolverLike | None,
    bounds: Bounds | None = None,
) -> tuple[tuple[list[str], list[str], str | None], Given]:
    """The names of solvers, problems and control, and the objects that some of them mean."""
    solver_names, solver_objects = name_solvers(solvers)
    problem_names, problem_objects = name_problems(problems if problems is not None else [], bounds)
    controls = [control] if isinstance(control, str) else name_solvers(control)[0] if control is not None else [None]
    if len(controls) != 1:
        raise SpecError(f"control must be one solver, got {control!r:.80}")
    return (solver_names, problem_names, controls[0]), Given(solver_objects, problem_objects)


def _analyse(
    plan: Plan,
    requested: Settings,
    study: AnyStudy,
    question: Question,
    baseline: Baseline | None,
    unfinished: Asked = NOTHING,
    notes: Sequence[str] = (),
) -> Comparison:
    read = read_runs(plan, study, baseline, unfinished=unfinished, seeds=requested.seeds)
    analysis = analyse(read.runs, read.traces, question)
    said = (*notes, *edited(_known(study, baseline), plan.runs, requested.codes), *([read.note] if read.note else []))
    return Comparison(plan, requested, study, read.runs, read.traces, analysis, read.recommended, baseline, notes=said)


def _known(study: AnyStudy, baseline: Baseline | None) -> Manifest:
    """What study and baseline say of the runs that are compared."""
    return study.manifest if baseline is None else union([study.manifest, baseline.study.manifest])


def _check_seconds(question: Question, timing: bool, baseline: Baseline | None) -> None:
    """Refuse to rank by seconds that are not comparable."""
    if question.metric != "seconds":
        return
    if not timing:
        raise SpecError("metric seconds needs runs that had the machine to themselves: add --timing (timing=True)")
    if baseline is not None:
        raise SpecError(
            f"metric seconds cannot use the stored runs of {baseline.study.shown}: seconds measured at "
            "another time or on another machine are not comparable; leave the reference out, or choose another metric"
        )


def _check_machine(question: Question, study: Study) -> None:
    """Refuse to rank by seconds in a study that another machine began."""
    if question.metric == "seconds" and not on_one_machine([study.manifest], environment()):
        raise SpecError(
            f"metric seconds needs runs of one machine, and {study.shown} was begun on another one: name a new folder "
            "with --study, or choose another metric"
        )


def _for_ranked(question: Question, plan: Plan) -> Question:
    """The question with its control in canonical form.

    Raises:
        SpecError: the plan has no solver that is ranked, or the control is not one of those.
    """
    lead = leading_of(spec.cls.sees for spec in plan.solvers)
    ranked = [str(spec) for spec in plan.solvers if spec.cls.sees == lead]
    if not ranked:
        raise SpecError(
            f"{plan.solvers[0]} sees gradients and is never ranked; add a solver that sees values or images, "
            "or run it alone with `amb run`"
        )
    if question.control is None:
        return question
    control = plan.canonical_solver(question.control)
    if control not in ranked:
        kind = CLASSES[plan.solver(control).cls.sees]
        how = "ranked apart" if kind.ranked else "never ranked"
        raise SpecError(
            f"{control} is {kind.name}: it sees {kind.knows}, and is {how}; the control must be one of "
            f"{', '.join(ranked)}"
        )
    return replace(question, control=control)

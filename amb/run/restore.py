"""A published study as a study again: fresh solvers replay its runs, so that they can be extended.

A published study keeps values, but few candidates. A solver that receives the same values asks for the same candidates,
so a replay recovers them without an evaluation. A run is restored only if the replay proves itself: batch by batch it
asks for as many candidates, and they agree with everything that the published study says about them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from msgspec.structs import replace

from amb.catalogue.solvers import SolverSpec, names_module
from amb.contracts.problem import Problem
from amb.errors import AmbError, SpecError, StudyError, suggestion
from amb.foreign import contained, in_a_line, text_of
from amb.interruption import from_user, is_a
from amb.run import answers
from amb.run.progress import NoProgress, Progress
from amb.run.stop import Stop
from amb.run.watch import Watch
from amb.study.codes import name_of
from amb.study.copies import Copy, difference, read_copy
from amb.study.manifest import Manifest, union
from amb.study.own_files import PUBLISHED_RUNS
from amb.study.published import PublishedStudy
from amb.study.runs import RunPlan, RunRecord, Seconds, Trace, distinct
from amb.study.study import Study


@dataclass(frozen=True)
class Restored:
    """What a call of `restore` did with a published study's runs.

    Attributes:
        restored: runs that the study holds now, and did not before.
        held: runs that it held already, as long or longer and no failure where the published one is none.
        elsewhere: runs that another process was working on.
        refused: runs that were not restored; the study's log and the notes say why.
    """

    restored: int
    held: int
    elsewhere: int
    refused: int


def restore(
    published: PublishedStudy,
    study: Study,
    make_problem: Callable[[str], Problem],
    find_solver: Callable[[str], SolverSpec],
    *,
    solvers: Sequence[str] | None = None,
    problems: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Write the runs of a published study into a study, with all candidates and with the seconds that they cost.

    A larger budget extends them there, as it does every run. Runs of a recording, runs that failed and runs of another
    version of a solver or problem are refused: `amb run` makes them anew. Several processes may do this at once.

    Args:
        published: the published study, which is only read.
        study: where the runs go.
        make_problem, find_solver: a problem and a solver by its spec.
        solvers, problems: canonical specs, to restore their runs only; by default all.
        progress: receives all events.

    Raises:
        SpecError: the published study has no run of such a solver or problem.
        StudyError: the published study is damaged, or the study cannot be written.
        KeyboardInterrupt: after Ctrl-C, at the end of the run under way; what is restored stays.
    """
    plans = published.plans()
    chosen = _chosen("solver", [plan.solver for plan in plans], solvers)
    among = _chosen("problem", [plan.problem for plan in plans], problems)
    wanted = _part(published.manifest, chosen, among)
    plans = [plan for plan in plans if plan.solver in chosen and plan.problem in among]
    with study.enter():
        watch = Watch(progress or NoProgress(), study.log)
        study.rewrite_manifest(lambda now: union([now, wanted]) if now.settings.solvers else wanted)
        named = frozenset(solvers or ())
        return _Restoration(published, study, cache(make_problem), find_solver, watch, named).carry_out(plans)


def candidates_of(record: RunRecord, trace: Trace, problem: Problem, spec: SolverSpec) -> Trace:
    """The trace with all of its candidates, from a replay of its values to a fresh solver.

    Raises:
        StudyError: the solver asks for something else than it did when the trace was recorded.
    """
    plan, space = record.plan, problem.space
    solver = spec.start(problem, budget=plan.budget, seed=plan.stream)
    candidates = np.empty((len(trace), space.d), dtype=np.int64)
    begin = 0
    for size in trace.batches.tolist():
        asked = answers.ask(solver, space, plan.budget - begin)
        rows = slice(begin, begin + size)
        if len(asked) != size:
            raise StudyError(f"after {begin} queries the solver asks for {len(asked)} candidates, then {size}")
        candidates[rows] = asked
        solver.tell(asked, trace.values[rows].copy())
        begin += size
    kept = trace.kept
    if not np.array_equal(candidates[kept], trace.candidates[kept]):
        first = int(np.argmax((candidates[kept] != trace.candidates[kept]).any(axis=1)))
        raise StudyError(f"query {np.flatnonzero(kept)[first] + 1} asks for a different candidate")
    if tuple(answers.recommend(solver, space).tolist()) != record.recommended:
        raise StudyError("the solver recommends a different candidate")
    if record.distinct is not None and distinct(candidates) != record.distinct:
        raise StudyError(f"{distinct(candidates)} of its candidates differ, but {record.distinct} did")
    whole = Trace(candidates, trace.values, trace.clean, trace.batches)
    try:
        record.check(whole)
    except ValueError as cause:
        raise StudyError(str(cause)) from cause
    return whole


class _Replay:
    """A run that is replayed, as `amb.run.progress.UnderWay`."""

    def __init__(self, record: RunRecord, trace: Trace) -> None:
        self.plan: RunPlan = record.plan
        self.queries = self.replayed = record.queries
        self.best = float(np.fmax.reduce(trace.values, initial=-np.inf))
        self.seconds: Seconds = record.seconds


class _Restoration:
    """The runs of one call of `restore`."""

    def __init__(
        self,
        published: PublishedStudy,
        study: Study,
        make_problem: Callable[[str], Problem],
        find_solver: Callable[[str], SolverSpec],
        watch: Watch,
        named: frozenset[str],
    ) -> None:
        self._published, self._study, self._watch, self._named = published, study, watch, named
        self._make_problem, self._find_solver = make_problem, find_solver
        self._told: set[str] = set()

    def carry_out(self, plans: Sequence[RunPlan]) -> Restored:
        """Restore the runs of these plans."""
        waiting = [plan for plan in plans if not self._holds(plan)]
        if len(waiting) < len(plans):
            self._study.settle()
        self._study.index.save()
        restored = elsewhere = refused = 0
        self._watch.begin(len(plans), waiting)
        try:
            with Stop(self._watch.note) as stop:
                for plan in waiting:
                    stop.check()
                    owned = self._study.claim(plan)
                    if owned is None:
                        elsewhere += 1
                        continue
                    with owned:
                        if self._holds(plan):  # by another process, meanwhile
                            self._study.settle()
                            continue
                        if self._restore(plan):
                            restored += 1
                        else:
                            refused += 1
        finally:
            self._watch.end()
        return Restored(restored, len(plans) - restored - elsewhere - refused, elsewhere, refused)

    def _holds(self, plan: RunPlan) -> bool:
        ending = self._study.ending(plan)
        if ending is not None and ending.budget >= plan.budget:
            return not ending.failed or not self._is_less(plan)
        known = self._study.unfinished(plan)
        return known is not None and len(known.trace) >= plan.budget

    def _is_less(self, plan: RunPlan) -> bool:
        """Whether the study's run of a plan has fewer queries than the published one, or failed where that did not."""
        held, published = (study.load(plan) for study in (self._study, self._published))
        if held is None or published is None:
            return True
        ranks = [Copy(self._study.folder, plan, *run).rank[:-1] for run in (held, published)]  # timing does not matter
        return ranks[0] < ranks[1]

    def _restore(self, plan: RunPlan) -> bool:
        loaded = self._published.load(plan)
        assert loaded is not None
        record, trace = loaded
        try:
            with contained():
                problem, spec = self._checked(record)
                trace = candidates_of(record, trace, problem, spec)
            self._refuse_another_outcome(record, trace)
        except BaseException as cause:
            if from_user(cause):
                raise
            self._refuse(plan, text_of(cause) if is_a(cause, AmbError) else in_a_line(cause))
            return False
        self._study.save(record, trace)
        self._study.drop_journal(plan, len(trace))
        self._watch.finished(_Replay(record, trace), record)
        return True

    def _refuse_another_outcome(self, record: RunRecord, trace: Trace) -> None:
        """Refuse to replace what the study holds of a run, unless the published one continues it.

        Raises:
            StudyError: they contradict each other.
        """
        published = Copy(self._published.folder / PUBLISHED_RUNS, record.plan, record, trace)
        run_id = record.plan.run_id
        for path in (*self._study.journals(run_id), self._study.run_file(run_id)):
            held = read_copy(path) if path.exists() else None
            if held is not None and (why := difference(held, published)):
                raise StudyError(
                    f"{held.path} and {published.path} hold different copies of it: {why}. A run has one outcome: find "
                    "out which is wrong, and delete that file, or publish again"
                )

    def _checked(self, record: RunRecord) -> tuple[Problem, SolverSpec]:
        """The problem and the solver of a run, if they are those that it was made with.

        Raises:
            AmbError: they are not, or the run is none that a replay can restore.
        """
        plan = record.plan
        if plan.recording is not None:
            raise StudyError("its candidates are those of several searches, recorded together")
        if record.status != "ok" or not record.recommended:
            raise StudyError("it failed")
        if names_module(plan.solver) and plan.solver not in self._named:
            raise StudyError("its solver is named by its module, which is imported only if you name it with --solvers")
        spec = self._find_solver(plan.solver)
        if spec.cls.version != plan.version:
            raise StudyError(
                f"it was made by version {plan.version} of the solver, and version {spec.cls.version} is installed"
            )
        problem = self._make_problem(plan.problem)
        if problem.fingerprint != plan.fingerprint:
            raise StudyError("the problem's networks or code have changed since")
        return problem, spec

    def _refuse(self, plan: RunPlan, why: str) -> None:
        """Log why a run is not restored; tell the user once for each solver, since later runs rarely say more."""
        message = f"{plan.name} is not restored: {why}"
        if plan.solver in self._told:
            self._study.log.write("warning", "not restored", message=message, run_id=plan.run_id, run=plan.name)
            return
        self._told.add(plan.solver)
        self._watch.note(message, event="not restored", run_id=plan.run_id, run=plan.name)


def _chosen(kind: str, known: Sequence[str], wanted: Sequence[str] | None) -> set[str]:
    for name in wanted or ():
        if name not in known:
            raise SpecError(f"the published study has no runs of the {kind} {name}; {suggestion(name, set(known))}")
    return set(known if wanted is None else wanted)


def _part(manifest: Manifest, solvers: set[str], problems: set[str]) -> Manifest:
    """A manifest reduced to some solvers and problems."""
    asked = manifest.settings
    part = replace(
        asked,
        solvers=tuple(dict.fromkeys([*(name for name in asked.solvers if name in solvers), *sorted(solvers)])),
        problems=tuple(dict.fromkeys([*(name for name in asked.problems if name in problems), *sorted(problems)])),
        suite=asked.suite if problems == set(asked.problems) else None,
        sees={name: sees for name, sees in asked.sees.items() if name in solvers},
        codes={name: code for name, code in asked.codes.items() if name_of(name) in solvers | problems},
    )
    return replace(
        manifest,
        settings=part,
        problems={name: version for name, version in manifest.problems.items() if name in problems},
        solvers={name: version for name, version in manifest.solvers.items() if name in solvers},
    )

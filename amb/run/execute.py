"""Executing plans in this process: skip finished runs, resume interrupted ones, and run the rest in lockstep."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from time import sleep

import numpy as np

from amb.catalogue.solvers import SolverSpec, resolve
from amb.contracts.problem import Problem, check_batching
from amb.errors import AmbError, SpecError, StudyError, UnreadableError
from amb.foreign import contained, in_a_line, text_of
from amb.interruption import from_user, is_a
from amb.run import forks
from amb.run.collection import SparedObjects
from amb.run.descriptors import crowd_within
from amb.run.limits import Limits
from amb.run.live import NO_LIMITS, LiveRun
from amb.run.lockstep import Lockstep
from amb.run.progress import NoProgress, Progress
from amb.run.stop import Stop
from amb.run.watch import Watch
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.study import Study
from amb.study.traces import check_size
from amb.text import plural

# Runs that advance together: enough to fill the network's batches, few enough that open journals and
# solvers' memories stay small; fewer if each has a process.
CROWD = 128
ISOLATED_CROWD = 16
# Files that a run under way keeps open: its lock and its journal; if it is isolated, also pipes and temporary files.
DESCRIPTORS = 2
ISOLATED_DESCRIPTORS = 10
# How often to look whether another process has let go of a run.
WAIT_SECONDS = 0.2


def execute(
    plans: Sequence[RunPlan],
    study: Study,
    make_problem: Callable[[str], Problem],
    *,
    find_solver: Callable[[str], SolverSpec] = resolve,
    timing: bool = False,
    overlap: bool = True,
    processes: int = 1,
    limits: Limits = NO_LIMITS,
    retry: bool = False,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Run every plan that the study does not hold yet.

    If interrupted by Ctrl-C or a full disk, it keeps finished runs and the journals of the others, and the next call
    resumes from there. Several processes may do this for one study at once: each run belongs to one of them, and this
    returns when all runs are finished, no matter by which process.

    Args:
        plans: what to run, in order of preference.
        study: where results go.
        make_problem: a problem by its spec.
        find_solver: a solver by its spec.
        timing: one run at a time and no other process on the study, so that wall-time claims are allowed; otherwise in
            lockstep.
        overlap: evaluate one half of the runs while the solvers of the other half think. Never done with `timing`, nor
            with solvers that might disturb the evaluation; see `_may_overlap`.
        processes: processes, forked from this one, which may execute runs at the same time: those of solvers that are
            `forked` on problems that are `threaded`, if they are enough. Never done with `timing`, nor with isolation.
        limits: time and memory limits of each run.
        retry: resume failed runs, from what they observed.
        notes: messages for the user before the runs begin.
        progress: receives all events.

    Raises:
        StudyError: the study cannot be written, or is in use and either side needs it exclusively; nothing that was
            observed is lost.
        KeyboardInterrupt: after the first Ctrl-C, at the end of the batch under way; after the second, at once.
    """
    refuse_white_boxes(plans, limits, find_solver)
    refuse_unstorable(plans)
    with study.enter(alone=timing):
        watch = Watch(progress or NoProgress(), study.log)
        execution = _Execution(
            study,
            make_problem,
            find_solver,
            watch,
            timing=timing,
            overlap=overlap and not timing and _may_overlap(plans, find_solver, isolated=limits.isolate),
            processes=1 if timing or limits.isolate else processes,
            limits=limits,
            retry=retry,
        )
        execution.carry_out(plans, notes)


class _Execution:
    """The runs of one call of `execute`. Each is in one state at a time:

    - *waiting* for its turn;
    - *claimed*: this process alone may work on it, and checks whether it can and must;
    - *live*: it advances with the others, batch by batch;
    - *elsewhere*: another process has claimed it; it waits again once nothing else is left to do here;
    - *finished*: the study holds it.
    """

    def __init__(
        self,
        study: Study,
        make_problem: Callable[[str], Problem],
        find_solver: Callable[[str], SolverSpec],
        watch: Watch,
        *,
        timing: bool,
        overlap: bool,
        processes: int,
        limits: Limits,
        retry: bool,
    ) -> None:
        self._study, self._find_solver, self._watch = study, find_solver, watch
        self._timing, self._limits, self._retry = timing, limits, retry
        if timing:
            self._crowd = 1
        elif limits.isolate:
            self._crowd = crowd_within(ISOLATED_CROWD, descriptors=ISOLATED_DESCRIPTORS)
        else:
            self._crowd = crowd_within(CROWD, descriptors=DESCRIPTORS)
        self._waiting: deque[RunPlan] = deque()
        self._live = Lockstep(overlap=overlap)
        self._processes = processes
        self._elsewhere: list[RunPlan] = []
        self._found = False  # whether another process has finished a run meanwhile
        self._unavailable: set[str] = set()
        self._said_elsewhere = self._said_replaced = False

        @cache
        def made(spec: str) -> Problem:
            with contained():
                return make_problem(spec)

        @cache
        def prepared(spec: str) -> Problem:
            self._live.settle()
            problem = made(spec)
            with contained():
                problem.warm_up()
            return problem

        self._made, self._problem = made, prepared

    def carry_out(self, plans: Sequence[RunPlan], notes: Sequence[str]) -> None:
        """Run the plans until all are finished; see `execute`."""
        self._waiting.extend(self._unfinished(plans))
        self._watch.begin(len(plans), self._waiting)
        for note in notes:
            self._watch.note(note)
        at_once = False
        try:
            with Stop(self._watch.note) as stop, SparedObjects() as loaded:
                self._share_out(stop, loaded)
                while self._waiting or self._live.runs or self._elsewhere:
                    self._advance(stop, loaded)
                    self._look_elsewhere()
            if self._found:
                self._study.settle()
        except (StudyError, UnreadableError) as cause:
            self._study.log.write("error", "stopped", message=str(cause))
            raise
        except KeyboardInterrupt:
            at_once = True
            raise
        finally:
            self._live.close(at_once=at_once)
            self._watch.end()

    def _advance(self, stop: Stop, loaded: SparedObjects) -> None:
        """Let waiting runs begin, as many as may, and all live ones advance by a batch."""
        while self._waiting and len(self._live.runs) < self._crowd:
            self._check(stop)
            self._claim(self._waiting.popleft())
        loaded.spare()
        self._live.advance(self._finish)
        self._watch.update(self._live.runs)
        self._check(stop)

    def _share_out(self, stop: Stop, loaded: SparedObjects) -> None:
        """Let forks of this process execute the waiting runs that they may, if that pays."""
        if len(forks.shares(list(self._waiting), self._processes)) < 2:
            return
        shares = forks.shares([plan for plan in self._waiting if self._is_forked(plan)], self._processes)
        if len(shares) < 2:
            return
        with suppress(Exception):  # a fork meets it, too, and says so
            for spec in dict.fromkeys(plan.problem for share in shares for plan in share[: self._crowd]):
                stop.check()
                self._problem(spec)  # here, so that not every fork has to
        loaded.spare()  # all processes have in common what the collector does not touch

        def work(share: Sequence[RunPlan], reports: Watch, asked: Stop) -> None:
            self._waiting, self._watch, self._live = deque(share), reports, Lockstep(overlap=False)
            while self._waiting or self._live.runs:
                self._advance(asked, loaded)

        ended = forks.carry_out(shares, work, self._watch, self._study.log, stop)
        self._waiting = deque(plan for plan in self._waiting if plan.run_id not in ended)
        stop.check()

    def _is_forked(self, plan: RunPlan) -> bool:
        """Whether a fork may execute a run. What cannot be created is executed here, which says why."""
        try:
            solver = self._find_solver(plan.solver).cls
            return solver.forked and solver.sees == "values" and self._made(plan.problem).threaded
        except BaseException as cause:
            if from_user(cause):
                raise
            return False

    def _check(self, stop: Stop) -> None:
        """Raise if a stop was requested; what is evaluated is kept."""
        if stop.requested:
            self._live.land_all(self._finish)
            stop.check()

    def _unfinished(self, plans: Sequence[RunPlan]) -> list[RunPlan]:
        waiting = []
        for plan in plans:
            if self._is_finished(plan):
                self._study.tidy(plan)
            else:
                waiting.append(plan)
        if len(waiting) < len(plans):
            self._study.settle()
        self._study.index.save()
        # Solvers take turns, seed by seed: drift of the machine affects all of them equally.
        return sorted(waiting, key=lambda plan: plan.seed) if self._timing else waiting

    def _is_finished(self, plan: RunPlan) -> bool:
        return is_finished(self._study, plan, timing=self._timing, retry=self._retry, watch=self._watch)

    def _claim(self, plan: RunPlan) -> None:
        """From waiting to claimed, then to live or finished; or to elsewhere."""
        claim = self._study.claim(plan)
        if claim is None:
            self._elsewhere.append(plan)
            return
        with ExitStack() as stack:
            stack.enter_context(claim)  # released here unless the run goes live
            if self._is_finished(plan):  # by another process, meanwhile
                stack.close()
                self._found = True
                self._study.tidy(plan)
                return
            try:
                problem = self._problem(plan.problem)
                check_size(problem.space.d, int(problem.space.levels.max()), plan.budget)
                check_batching(problem)
            except BaseException as cause:
                if from_user(cause):
                    raise
                self._skip(plan, text_of(cause) if is_a(cause, AmbError) else in_a_line(cause))
                return
            run = LiveRun(
                plan,
                problem,
                self._study,
                find_solver=self._find_solver,
                timing=self._timing,
                limits=self._limits,
                claim=claim,
            )
            self._live.add(run)
            stack.pop_all()
        if run.replaced and not self._said_replaced:
            self._said_replaced = True
            self._watch.note(
                f"{plan.name} has {run.replaced:,} queries, but the seconds of {plan.budget:,} cannot be told from "
                f"theirs, so it begins anew and will be replaced, as all longer runs are; {self._study.shown}/damaged "
                "keeps a copy of each, which counts again once it is moved back to runs/"
            )

    def _finish(self, run: LiveRun) -> None:
        """From live to finished."""
        self._watch.finished(run, run.finish(self._live.settle))

    def _skip(self, plan: RunPlan, reason: str) -> None:
        """From claimed to finished: record a run that cannot begin, since its problem cannot be created.

        A run that the study holds already, shorter or not timed, stays as it is.
        """
        if plan.problem not in self._unavailable:
            self._unavailable.add(plan.problem)
            self._watch.note(f"{plan.problem} cannot be created, so its runs are skipped: {reason}")
        record = RunRecord(plan, "skip", 0, 0, (), np.nan, 0.0, 0.0, 0.0, timing=self._timing, message=reason)
        if not self._study.holds_queries(plan):
            self._study.save(record, Trace.empty(1))
        self._watch.skipped(record)

    def _look_elsewhere(self) -> None:
        """From elsewhere to waiting, once nothing else is left to do."""
        if not self._elsewhere or self._live.runs or self._waiting:
            return
        if not self._said_elsewhere:
            self._watch.note(f"waiting for {plural(len(self._elsewhere), 'run')} of another process")
            self._said_elsewhere = True
        sleep(WAIT_SECONDS)
        self._waiting.extend(self._elsewhere)
        self._elsewhere.clear()


def is_finished(study: Study, plan: RunPlan, *, timing: bool, retry: bool, watch: Watch) -> bool:
    """Whether the study holds the run of a plan; a damaged run file is moved to ``damaged/``."""
    try:
        return study.holds(plan, timing=timing, retry=retry)
    except StudyError as cause:
        destination = study.set_aside(study.run_file(plan.run_id), str(cause))
        watch.note(f"{cause}: moved to {destination}; the run is repeated", event="damaged run", run_id=plan.run_id)
        return False


def _may_overlap(plans: Sequence[RunPlan], find_solver: Callable[[str], SolverSpec], *, isolated: bool) -> bool:
    """Whether solvers may think while networks are evaluated in another thread.

    Not those that see the generator or the network: they would use them at the same time. Nor those of others in this
    process: what they set for all calls of torch, such as its precision, would change values, even if they put it back.
    """
    try:
        solvers = [find_solver(solver) for solver in {plan.solver for plan in plans}]
    except AmbError:  # its runs say why
        return False
    return all(solver.cls.sees == "values" and (isolated or solver.plugin.built_in) for solver in solvers)


def refuse_unstorable(plans: Sequence[RunPlan]) -> None:
    """Refuse plans whose runs could be written, but not read.

    Raises:
        SpecError: a name is too long, or a number out of range.
    """
    for plan in plans:
        try:
            plan.check()
        except ValueError as cause:
            raise SpecError(f"{plan.name[:200]} cannot be stored: {cause}") from cause


def refuse_white_boxes(
    plans: Sequence[RunPlan], limits: Limits, find_solver: Callable[[str], SolverSpec] = resolve
) -> None:
    """Refuse to isolate a solver that needs the problem itself.

    Raises:
        SpecError: one of the plans has such a solver.
    """
    if limits.isolate:
        for solver in {plan.solver for plan in plans}:
            if find_solver(solver).cls.sees == "gradients":
                raise SpecError(
                    f"{solver} is given the problem itself, so it cannot run in a process of its own; "
                    "leave --isolate out, or the solver"
                )

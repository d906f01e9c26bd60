"""Carrying out plans: skip what is finished, resume what was interrupted, run the rest in lockstep."""

from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from time import sleep

import numpy as np

from amb.catalogue.solvers import resolve
from amb.contracts.problem import Problem
from amb.errors import AmbError, SpecError, StudyError
from amb.run.limits import Limits
from amb.run.live import NO_LIMITS, LiveRun
from amb.run.lockstep import advance
from amb.run.progress import NoProgress, Progress
from amb.run.stop import Stop
from amb.run.watch import Watch
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.study import Study

# Runs that advance together: enough to fill the network's batches, few enough that open journals and
# solvers' memories stay small; fewer where each has a process.
CROWD = 128
ISOLATED_CROWD = 16
# How often to look whether another process has let go of a run.
WAIT_SECONDS = 0.2


def execute(
    plans: Sequence[RunPlan],
    study: Study,
    make_problem: Callable[[str], Problem],
    *,
    timing: bool = False,
    limits: Limits = NO_LIMITS,
    retry: bool = False,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Run every plan that the study does not hold yet.

    Interrupted by Ctrl-C or a full disk, it leaves finished runs and the journals of the others, and the next call
    goes on from there. Several processes may do this for one study at once: each run belongs to one of them, and
    this returns when all are finished, whoever finished them.

    Args:
        plans: what to run, in the order of preference.
        study: where results go.
        make_problem: a problem by its spec.
        timing: one run at a time and nobody else at work on the study, so that wall-time claims are allowed; else
            in lockstep.
        limits: what each run may take.
        retry: go on with runs that failed, from what they observed.
        notes: what the user should know before it begins.
        progress: what is told of the course of events.

    Raises:
        StudyError: the study cannot be written, or is in use and either side wants it alone; nothing that was
            observed is lost.
        KeyboardInterrupt: once asked to stop, after the batch under way; asked twice, at once.
    """
    refuse_white_boxes(plans, limits)
    with study.enter(alone=timing):
        _carry_out(plans, study, make_problem, timing, limits, retry, notes, progress or NoProgress())


def _carry_out(
    plans: Sequence[RunPlan],
    study: Study,
    make_problem: Callable[[str], Problem],
    timing: bool,
    limits: Limits,
    retry: bool,
    notes: Sequence[str],
    progress: Progress,
) -> None:
    watch = Watch(progress, study.log)

    @cache
    def prepared(spec: str) -> Problem:
        problem = make_problem(spec)
        problem.warm_up()
        return problem

    def needed(plan: RunPlan) -> bool:
        return not is_finished(study, plan, timing=timing, retry=retry, watch=watch)

    waiting: deque[RunPlan] = deque()
    for plan in plans:
        if needed(plan):
            waiting.append(plan)
        else:
            study.tidy(plan)
    if timing:
        # Seed by seed, solvers take turns: drift of the machine falls on all of them alike.
        waiting = deque(sorted(waiting, key=lambda plan: plan.seed))
    crowd = 1 if timing else ISOLATED_CROWD if limits.isolate else CROWD
    watch.begin(len(plans), waiting)
    for note in notes:
        watch.note(note)
    runs: list[LiveRun] = []
    elsewhere: list[RunPlan] = []
    told = False
    unmade: set[str] = set()

    def finish(run: LiveRun) -> None:
        watch.finished(run, run.finish())

    try:
        with Stop(watch.note) as stop:
            while runs or waiting or elsewhere:
                while waiting and len(runs) < crowd:
                    stop.check()
                    plan = waiting.popleft()
                    claim = study.claim(plan)
                    if claim is None:
                        elsewhere.append(plan)
                    elif not needed(plan):  # another process has finished it meanwhile
                        claim.release()
                        study.tidy(plan)
                    else:
                        try:
                            problem = prepared(plan.problem)
                        except AmbError as cause:
                            if plan.problem not in unmade:
                                unmade.add(plan.problem)
                                watch.note(f"{plan.problem} cannot be made, its runs are skipped: {cause}")
                            watch.ended(_skip(study, plan, str(cause), timing))
                            claim.release()
                            continue
                        runs.append(LiveRun(plan, problem, study, timing=timing, limits=limits, claim=claim))
                runs = advance(runs, finish)
                watch.update(runs)
                stop.check()
                if elsewhere and not runs and not waiting:
                    if not told:
                        watch.note(f"waiting for {len(elsewhere)} runs that another process has under way")
                        told = True
                    sleep(WAIT_SECONDS)
                    waiting.extend(elsewhere)
                    elsewhere.clear()
    except StudyError as cause:
        study.log.write("error", "stopped", message=str(cause))
        raise
    finally:
        for run in runs:
            run.abandon()
        watch.end()


def is_finished(study: Study, plan: RunPlan, *, timing: bool, retry: bool, watch: Watch) -> bool:
    """Whether the study holds what a plan asks for; a damaged run file is set aside."""
    try:
        loaded = study.load(plan)
    except StudyError as cause:
        place = study.set_aside(study.run_file(plan.run_id), str(cause))
        watch.note(f"{cause}: moved to {place}, and run again", event="damaged run", run_id=plan.run_id)
        return False
    if loaded is None:
        return False
    record, _ = loaded
    if record.status != "ok":
        return not retry
    if record.plan.budget < plan.budget or (timing and not record.timing):
        return False
    # A run that spent its budget in vain is retried like any failed one, unless the study holds a longer course of it.
    return not (retry and record.failed and study.stored_budget(plan) == plan.budget)


def _skip(study: Study, plan: RunPlan, reason: str, timing: bool) -> RunRecord:
    """Record a run that cannot begin, as its problem cannot be made."""
    record = RunRecord(plan, "skip", 0, 0, (), np.nan, 0.0, 0.0, 0.0, timing=timing, message=reason)
    study.save(record, Trace.empty(1))
    return record


def refuse_white_boxes(plans: Sequence[RunPlan], limits: Limits) -> None:
    """Raise `SpecError` where a solver that needs the problem itself would be isolated."""
    if limits.isolate:
        for solver in {plan.solver for plan in plans}:
            if resolve(solver).cls.white_box:
                raise SpecError(
                    f"{solver} is given the problem itself, so it cannot run in a process of its own; "
                    "leave --isolate out, or the solver"
                )

"""Carrying out plans: skip what is finished, resume what was interrupted, run the rest in lockstep."""

from collections.abc import Callable, Sequence
from functools import cache

from amb.contracts.problem import Problem
from amb.runner.live import LiveRun
from amb.runner.lockstep import advance
from amb.runner.progress import NoProgress, Progress
from amb.runs import RunPlan
from amb.study import Study

# Runs that advance together: enough to fill the network's batches, few enough that open journals and
# solvers' memories stay small.
CROWD = 128


def execute(
    plans: Sequence[RunPlan],
    study: Study,
    make_problem: Callable[[str], Problem],
    *,
    timing: bool = False,
    progress: Progress | None = None,
) -> None:
    """Run every plan that the study does not hold yet.

    Interrupted by Ctrl-C or an error outside a solver, it leaves finished runs and the journals of the
    others, and the next call goes on from there.

    Args:
        plans: what to run, in the order of preference.
        study: where results go.
        make_problem: a problem by its spec.
        timing: one run at a time, so that wall-time claims are allowed; else in lockstep.
        progress: what is told of the course of events.
    """
    progress = progress or NoProgress()

    @cache
    def prepared(spec: str) -> Problem:
        problem = make_problem(spec)
        problem.warm_up()
        return problem

    waiting = [plan for plan in plans if not _finished(study, plan, timing)]
    progress.begin(len(plans), waiting)
    crowd = 1 if timing else CROWD
    if timing:
        # Replicate by replicate, solvers take turns: drift of the machine falls on all of them alike.
        waiting.sort(key=lambda plan: plan.replicate)
    runs: list[LiveRun] = []

    def finish(run: LiveRun) -> None:
        progress.finished(run, run.finish())

    try:
        while runs or waiting:
            while waiting and len(runs) < crowd:
                plan = waiting.pop(0)
                runs.append(LiveRun(plan, prepared(plan.problem), study, timing=timing))
            runs = advance(runs, finish)
            progress.update(runs)
    finally:
        for run in runs:
            run.abandon()
        progress.end()


def _finished(study: Study, plan: RunPlan, timing: bool) -> bool:
    loaded = study.load(plan)
    if loaded is None:
        return False
    record, _ = loaded
    enough = record.status != "ok" or record.plan.budget >= plan.budget
    return enough and (record.timing or not timing)

"""Several neurons at once: recordings in which every presentation is answered by all neurons, as runs of a study."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from time import sleep

import numpy as np

from amb.catalogue.solvers import SolverSpec, resolve
from amb.contracts.problem import Problem, check_batching
from amb.errors import SpecError
from amb.run.execute import WAIT_SECONDS, is_finished, refuse_unstorable
from amb.run.plan import Plan
from amb.run.progress import NoProgress, Progress
from amb.run.recording import LiveRecording
from amb.run.stop import Stop
from amb.run.watch import Watch
from amb.study.recording import Recording, Sharing
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb.study.traces import check_size
from amb.text import plural


def recordings(plan: Plan, sharing: Sharing) -> list[tuple[RunPlan, ...]]:
    """The recordings that give every search the budget that it has in a plan: one for each solver and seed.

    Args:
        plan: separate searches, one for each neuron.
        sharing: what the searches of a recording do with responses to each other's stimuli. `learn` differs from
            `recommend` only for solvers that declare `foreign`, so there are no recordings of others.

    Returns:
        For each recording, the run of each neuron, in the order of the plan's problems.

    Raises:
        SpecError: the neurons cannot be recorded together, their presentations are too many to store, or a solver
            needs gradients.
        PluginError: a problem does not say with which it can be evaluated.
    """
    problems = [plan.problem(name) for name in plan.problems]
    for one in problems:
        check_batching(one)
    _refuse_apart(problems)
    _refuse_large(problems[0], plan.budget * len(problems))
    recording = Recording(plan.problems, tuple(one.fingerprint for one in problems), sharing)
    found: dict[tuple[str, int], list[RunPlan]] = {}
    for spec in plan.solvers:
        if spec.cls.sees == "gradients":
            raise SpecError(f"{spec} sees gradients, which no recording of neurons gives; leave it out")
    learning = {str(spec) for spec in plan.solvers if spec.cls.foreign}
    for run in plan.runs:
        if sharing == "recommend" or run.solver in learning:
            budget = run.budget * len(problems)
            # Not anytime: a larger budget gives each search a larger last batch, and the turns change with it.
            together = replace(run, budget=budget, anytime=False, recording=recording)
            found.setdefault((run.solver, run.seed), []).append(together)
    return [tuple(runs) for runs in found.values()]


def record(
    wanted: Sequence[Sequence[RunPlan]],
    study: Study,
    make_problem: Callable[[str], Problem],
    *,
    find_solver: Callable[[str], SolverSpec] = resolve,
    retry: bool = False,
    progress: Progress | None = None,
) -> None:
    """Make every recording that the study does not hold yet.

    Responses are on the disk before a solver receives them. If interrupted, the next call resumes; several processes
    may do this at once.

    Args:
        wanted: recordings, each with the runs of its neurons.
        study: where runs go.
        make_problem, find_solver: a problem and a solver by its spec.
        retry: resume recordings in which a search failed.
        progress: receives all events.

    Raises:
        StudyError: the study cannot be written; nothing that was observed is lost.
        KeyboardInterrupt: after the first Ctrl-C, at the end of the block under way; after the second, at once.
    """
    refuse_unstorable([run for runs in wanted for run in runs])
    with study.enter():
        watch = Watch(progress or NoProgress(), study.log)

        def finished(runs: Sequence[RunPlan]) -> bool:
            return all(is_finished(study, run, timing=False, retry=retry, watch=watch) for run in runs)

        waiting = [runs for runs in wanted if not finished(runs)]
        if len(waiting) < len(wanted):
            study.settle()
        watch.begin(sum(map(len, wanted)), [run for runs in waiting for run in runs])
        try:
            with Stop(watch.note) as stop:
                while waiting:
                    elsewhere = [
                        runs
                        for runs in waiting
                        if not _carry_out(runs, study, make_problem, find_solver, finished, watch, stop)
                    ]
                    if len(elsewhere) == len(waiting):
                        sleep(WAIT_SECONDS)
                    waiting = elsewhere
        finally:
            watch.end()
        study.settle()  # recordings that other processes finished meanwhile
        for runs in wanted:
            for run in runs:
                study.tidy(run)


def _carry_out(
    runs: Sequence[RunPlan],
    study: Study,
    make_problem: Callable[[str], Problem],
    find_solver: Callable[[str], SolverSpec],
    finished: Callable[[Sequence[RunPlan]], bool],
    watch: Watch,
    stop: Stop,
) -> bool:
    """Make one recording, or find that another process has made it; False if another process is at work on it."""
    stop.check()
    with ExitStack() as stack:
        claims = []
        for run in runs:
            owned = study.claim(run)
            if owned is None:
                return False
            claims.append(stack.enter_context(owned))
        if finished(runs):  # by another process, meanwhile
            return True
        problems = [make_problem(run.problem) for run in runs]
        for one in problems:
            one.warm_up()
        live = LiveRecording(runs, problems, find_solver(runs[0].solver), study)
        try:
            while not live.done:
                live.advance()
                watch.update(live.searches)
                stop.check()
            for search, ended in zip(live.searches, live.finish(), strict=True):
                watch.finished(search, ended)
        finally:
            live.close()
    return True


def _refuse_large(problem: Problem, presentations: int) -> None:
    """Refuse a recording whose runs could not be stored, before its first presentation.

    Raises:
        SpecError: it has too many presentations.
    """
    try:
        check_size(problem.space.d, int(problem.space.levels.max()), presentations)
    except ValueError as cause:
        raise SpecError(f"a recording holds the presentations of all its searches: {cause}") from cause


def _refuse_apart(problems: Sequence[Problem]) -> None:
    """Refuse neurons that no recording can have together.

    Raises:
        SpecError: a single neuron, or neurons with different images.
    """
    first = problems[0]
    if len(problems) < 2:
        raise SpecError(f"a recording of several neurons needs at least two, and {first.id} is one")
    for other in problems[1:]:
        alike = other.group == first.group and np.array_equal(other.space.levels, first.space.levels)
        if not alike or (other.space.kind, other.space.grid) != (first.space.kind, first.space.grid):
            raise SpecError(
                f"{first.id} and {other.id} cannot be recorded together: neurons of one recording see the same images, "
                "so they share generator, target and grid"
            )
    if len({problem.id for problem in problems}) < len(problems):
        raise SpecError(f"{plural(len(problems), 'neuron')} with repeats: each is recorded once")

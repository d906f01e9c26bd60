"""Advancing many runs together, so that one batch through the network serves them all."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from amb.contracts.problem import Evaluation
from amb.contracts.space import IntArray
from amb.foreign import from_user, same_directory
from amb.run.live import LiveRun

Asked = tuple[LiveRun, IntArray]


def advance(runs: Sequence[LiveRun], finished: Callable[[LiveRun], None]) -> list[LiveRun]:
    """Ask every run for candidates, evaluate them in one pass per group of problems, and pass each run its values.

    Args:
        runs: runs under way.
        finished: called with each run as it ends.

    Returns:
        The runs that continue.
    """
    asked: dict[str, list[Asked]] = defaultdict(list)
    for run in runs:
        candidates = run.ask() if not run.done else None
        if candidates is not None:
            asked[run.problem.group].append((run, candidates))
    for group in asked.values():
        _serve(group)
    going_on = []
    for run in runs:
        if run.done:
            finished(run)
        else:
            going_on.append(run)
    return going_on


def _serve(group: list[Asked]) -> None:
    """Evaluate a group's candidates together; if that fails, run by run, so that only the run at fault ends."""
    try:
        evaluation = _evaluate(group)
    except BaseException as cause:
        if from_user(cause):
            raise
        if len(group) == 1:
            group[0][0].fail(cause)
            return
        for one in group:
            _serve([one])
        return
    total = sum(len(candidates) for _, candidates in group)
    for (run, candidates), values, clean in zip(group, evaluation.values, evaluation.clean, strict=True):
        share = len(candidates) / total
        run.observe(
            candidates,
            values,
            clean,
            generator=evaluation.generator_seconds * share,
            target=evaluation.target_seconds * share,
        )


def _evaluate(group: list[Asked]) -> Evaluation:
    problems = [run.problem for run, _ in group]
    batches = [candidates for _, candidates in group]
    queries = [run.next_queries for run, _ in group]
    with same_directory():
        evaluation: Evaluation = type(problems[0]).observe_together(problems, [b.copy() for b in batches], queries)
    return evaluation.checked(problems, batches)  # again: a problem may define `observe_together` itself

"""Advancing many runs together, so that one batch through the network serves them all."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from amb.contracts.problem import Evaluation
from amb.contracts.space import IntArray
from amb.runner.live import LiveRun


def advance(runs: Sequence[LiveRun], finished: Callable[[LiveRun], None]) -> list[LiveRun]:
    """Ask every run, evaluate all that was asked in one pass for each group of problems, and tell each.

    Args:
        runs: runs under way.
        finished: called with each run as it ends.

    Returns:
        The runs that go on.
    """
    asked: dict[str, list[tuple[LiveRun, IntArray]]] = defaultdict(list)
    for run in runs:
        candidates = run.ask() if not run.done else None
        if candidates is not None:
            asked[run.problem.group].append((run, candidates))
    for group in asked.values():
        _evaluate(group)
    going_on = []
    for run in runs:
        if run.done:
            finished(run)
        else:
            going_on.append(run)
    return going_on


def _evaluate(group: list[tuple[LiveRun, IntArray]]) -> None:
    problems = [run.problem for run, _ in group]
    batches = [candidates for _, candidates in group]
    evaluation: Evaluation = type(problems[0]).evaluate_together(problems, batches)
    total = sum(len(batch) for batch in batches)
    for (run, candidates), values, clean in zip(group, evaluation.values, evaluation.clean, strict=True):
        share = len(candidates) / total
        run.observe(
            candidates,
            values,
            clean,
            generator=evaluation.generator_seconds * share,
            target=evaluation.target_seconds * share,
        )

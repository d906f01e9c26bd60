"""Is a value a function of its own stimulus alone? A short trial of code written elsewhere.

Some stimuli are shown alone, again, together, and in the other order. Without the trial, code that draws random numbers
or mixes the rows of a batch would be searched for the maximum of its noise.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from amb.contracts.problem import FunctionProblem, Problem
from amb.errors import PluginError
from amb.interruption import from_user

AGAIN, TOGETHER = 1e-4, 0.05
"""Shares of the largest response by which rounding may change it: in the same batch, and in another, where it also
moves a few spikes."""
OF_FUNCTION = 1e-5
"""The same of a plain function, which may compute in float32."""

NOT_A_FUNCTION = (
    "a value must depend on its own {what} alone: seed random numbers from it, and keep the rows of a batch apart "
    "(for noisy responses, use the problem's option noise)"
)
ROWS = 3
"""Candidates that are tried of a problem: two may happen to have one value."""
_OWN = ("amb.", "amb_problems.")
"""Problems of these packages are verified by their tests, and networks in them where they are made."""


def tried(make_problem: Callable[[str], Problem]) -> Callable[[str], Problem]:
    """The same, but that a problem is refused whose values depend on more than their own candidate.

    Raises:
        PluginError: see `verify_problem`.
    """

    def make(spec: str) -> Problem:
        problem = make_problem(spec)
        verify_problem(problem)
        return problem

    return make


def verify_problem(problem: Problem) -> None:
    """Show a problem some candidates alone, again, together and in the other order.

    A plain function, whose queries may be dear, is shown three together, and then the last of them again.

    Args:
        problem: nothing is tried if its class is another one of this package. What it raises here it will raise in a
            run, which then tells about it.

    Raises:
        PluginError: a candidate's values differ.
    """
    plain = isinstance(problem, FunctionProblem)
    if type(problem).__module__.startswith(_OWN) and not plain:
        return
    candidates = problem.space.sample_prior(ROWS, np.random.default_rng(0))

    def values(*batches: list[int]) -> NDArray[np.float64]:
        shown, problems = [candidates[rows] for rows in batches], [problem] * len(batches)
        evaluation = type(problem).evaluate_together(list(problems), list(shown))
        return np.concatenate(evaluation.checked(problems, shown).clean)

    try:
        found = _of_function(values) if plain else _of_problem(values)
    except BaseException as cause:
        if from_user(cause):
            raise
        return
    if found is not None:
        raise PluginError(
            f"{problem.id} gives a candidate another value {found}; a value must depend on its own candidate alone: "
            "seed random numbers from it, and keep the rows of a batch apart (noisy responses: set the problem's noise)"
        )


def _of_problem(values: Callable[..., NDArray[np.float64]]) -> str | None:
    found = difference(lambda *rows: values(list(rows)), rows=ROWS)
    if found is not None:
        return found
    joint, apart = values(list(range(ROWS))), values(*([row] for row in range(ROWS)))
    return "next to another batch" if _differ(joint, apart, TOGETHER * _largest(joint)) else None


def _of_function(values: Callable[..., NDArray[np.float64]]) -> str | None:
    joint = values(list(range(ROWS)))
    if np.isnan(joint).all():
        return None
    last = int(np.flatnonzero(~np.isnan(joint))[-1])  # what rows carry over to those behind them shows in the last one
    again = values([last])
    differs = _differ(joint[[last]], again, OF_FUNCTION * _largest(joint)) and not np.isnan(again[0])
    return "when it is shown again" if differs else None


def difference(
    answer: Callable[..., NDArray[np.float64]],
    *,
    rows: int = 2,
    repeats: int = 1,
    again: float | None = None,
    together: float | None = None,
) -> str | None:
    """Where the answers to rows, given by their numbers, differ by more than rounding; None: nowhere.

    Args:
        answer: answers to rows, in the order of its arguments.
        rows: how many there are.
        repeats: how often the first one is shown in a batch with the others: as many as fill a chunk, where batches are
            cut into chunks.
        again, together: what rounding may change, in the same batch and in another; by default shares of the largest.
    """
    shown = [*[0] * repeats, *range(1, rows)]
    alone = np.concatenate([answer(row) for row in range(rows)])[shown]
    joint = answer(*shown)
    largest = _largest(joint)
    again = AGAIN * largest if again is None else again
    together = TOGETHER * largest if together is None else together
    if _differ(alone[:1], answer(0), again):
        return "when it is shown again"
    if _differ(alone, joint, together):
        return "in a batch with others"
    turned = answer(*reversed(shown))
    if _differ(alone[::-1], turned, together):
        return "at another place in a batch"
    # Batches of one size round alike, so that even a slight mixture shows there.
    for row, mixed in ((shown[0], joint), (shown[-1], turned)):
        if _differ(mixed[:1], answer(*[row] * len(shown))[:1], again):
            return "in a batch with others"
    return None


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def _differ(one: NDArray[np.float64], other: NDArray[np.float64], rounding: float) -> bool:
    return not np.allclose(one, other, rtol=0.0, atol=rounding, equal_nan=True)

"""Several neurons at once: every presentation is answered by all recorded neurons, and each has a search of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amb.catalogue.solvers import resolve
from amb.contracts.noise import Queries
from amb.contracts.problem import Problem
from amb.contracts.space import FloatArray, IntArray
from amb.errors import SpecError
from amb.study.runs import RunPlan


@dataclass(frozen=True)
class PopulationRun:
    """What a recording of M neurons showed and found.

    Attributes:
        candidates: the presentations in order, int64[n, d].
        owner: the neuron whose search asked for each, int64[n].
        values: what was observed of every neuron, float64[n, M]; NaN where it failed.
        clean: the same without noise and effects.
        recommended: the candidate that each neuron's solver recommends, int64[M, d].
        final: its noise-free activation, float64[M].
    """

    candidates: IntArray
    owner: IntArray
    values: FloatArray
    clean: FloatArray
    recommended: IntArray
    final: FloatArray


def search_population(
    problems: Sequence[Problem], solver: str, *, budget: int, seed: int = 0, share: bool = True
) -> PopulationRun:
    """Search for the best stimulus of each of several neurons that are recorded together.

    The searches take turns: each asks for one batch, all are shown as one block, and every neuron answers every
    presentation. If they share, each solver also receives its own neuron's answers to the other searches' presentations
    (`Solver.learn`). What is observed depends on the neuron, the seed and the presentation's number.

    Args:
        problems: one per neuron, on one grid, evaluated together (of one `group`).
        solver: the spec of every neuron's solver; budgets are divided evenly.
        budget: presentations in total.
        seed: replicate; solvers and noise of neurons have streams of their own.
        share: whether searches share what is shown.

    Raises:
        SpecError: fewer presentations than neurons, or neurons that cannot be recorded together.
        SolverError: the solver refuses the problems.
    """
    _check(problems, budget)
    spec, number = resolve(solver), len(problems)
    plans = [RunPlan(p.id, p.fingerprint, str(spec), spec.cls.version, seed, budget) for p in problems]
    shares = [budget // number + (neuron < budget % number) for neuron in range(number)]
    searches = [
        spec.start(problem, budget=own, seed=plan.stream)
        for problem, own, plan in zip(problems, shares, plans, strict=True)
    ]
    d, shown = problems[0].space.d, 0
    candidates, owner = [np.empty((0, d), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    values, clean = [np.empty((0, number))], [np.empty((0, number))]
    while any(search.remaining for search in searches):
        asked = [search.ask() if search.remaining else np.empty((0, d), dtype=np.int64) for search in searches]
        block, owners = np.concatenate(asked), np.repeat(np.arange(number), [len(rows) for rows in asked])
        before = np.concatenate(clean)
        queries = [
            Queries(plan.noise_stream, shown, before[max(0, shown - problem.memory) :, neuron])
            for neuron, (plan, problem) in enumerate(zip(plans, problems, strict=True))
        ]
        observed = type(problems[0]).observe_together(problems, [block] * number, queries)
        answers = np.stack(observed.values, axis=1)
        answers[~np.isfinite(answers)] = np.nan
        for neuron, search in enumerate(searches):
            own = owners == neuron
            if own.any():
                search.tell(block[own], answers[own, neuron])
            if share:
                search.learn(block[~own], answers[~own, neuron])
        candidates.append(block)
        owner.append(owners)
        values.append(answers)
        clean.append(np.stack(observed.clean, axis=1))
        shown += len(block)
    recommended = np.stack([search.recommend() for search in searches])
    final = type(problems[0]).evaluate_together(problems, [row[None] for row in recommended]).clean
    return PopulationRun(
        np.concatenate(candidates),
        np.concatenate(owner),
        np.concatenate(values),
        np.concatenate(clean),
        recommended,
        np.concatenate(final),
    )


def _check(problems: Sequence[Problem], budget: int) -> None:
    if not problems or budget < len(problems):
        raise SpecError(f"{budget} presentations are too few for {len(problems)} neurons: each needs at least one")
    first = problems[0]
    for other in problems[1:]:
        alike = other.group == first.group and np.array_equal(other.space.levels, first.space.levels)
        if not alike or (other.space.kind, other.space.grid) != (first.space.kind, first.space.grid):
            raise SpecError(
                f"{first.id} and {other.id} cannot be recorded together: neurons of one recording see the same images, "
                "so they share generator, target and grid"
            )

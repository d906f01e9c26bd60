"""TTOpt and Optima-TT ask for the candidates that their packages evaluate."""

import pickle
from typing import Any

import numpy as np
import pytest
import teneva
from ttopt import TTOpt as Package

from amb.catalogue.solvers import resolve
from amb.contracts.solver import Solver
from amb.contracts.space import FloatArray, IntArray, Space

D, N = 5, 8
PEAK = np.random.default_rng(0).integers(0, N, D)


def value(rows: Any) -> FloatArray:
    return np.exp(-np.abs(np.asarray(rows) - PEAK).mean(axis=1))


def check(solver: Solver, asked: list[IntArray]) -> None:
    """The same batches, with pickling between any two; the package's last one may be cut."""
    for i, rows in enumerate(asked):
        candidates = solver.ask()
        if i < len(asked) - 1:
            np.testing.assert_array_equal(candidates, rows)
        else:
            np.testing.assert_array_equal(candidates[: len(rows)], rows)
        solver.tell(candidates, value(candidates))
        solver = pickle.loads(pickle.dumps(solver))


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(("quantized", "r"), [(False, 1), (False, 3), (True, 2), (True, 4)])
def test_ttopt_asks_what_the_package_asks(quantized: bool, r: int, cache: bool) -> None:
    """Batch after batch until the package stops, at several ranks, with its cache and without."""
    asked: list[IntArray] = []

    def objective(rows: Any) -> FloatArray:
        asked.append(np.array(rows, dtype=np.int64))
        return value(rows)

    shape = {"p": 2, "q": 3} if quantized else {"n": N}
    package = Package(objective, D, **shape, evals=700, is_func=False, with_cache=cache, with_wrn=False)
    package.optimize(rank=r, seed=5, is_max=True)
    spec = f"ttopt[r={r},quantized={str(quantized).lower()},cache={str(cache).lower()}]"
    assert len(asked) > 5
    check(resolve(spec).make(Space.uniform(D, N), budget=700, seed=5), asked)


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(("quantized", "r", "growth"), [(False, 1, 1), (False, 2, 0), (True, 1, 1), (True, 2, 2)])
def test_optima_tt_asks_what_the_package_asks(quantized: bool, r: int, growth: int, cache: bool) -> None:
    """The cross batch after batch; then the run's last query is the optimum of the package's own train."""
    asked: list[IntArray] = []
    levels = [2] * (3 * D) if quantized else [N] * D
    weights = np.kron(np.eye(D, dtype=np.int64), [[1], [2], [4]]) if quantized else np.eye(D, dtype=np.int64)

    def objective(rows: Any) -> FloatArray:
        asked.append(np.asarray(rows, dtype=np.int64) @ weights)
        return value(asked[-1])

    budget, info = 600, dict[str, Any]()
    first = teneva.rand(levels, r, seed=5)
    memory = dict[Any, float]() if cache else None
    train = teneva.cross(objective, first, m=budget - 1, dr_min=min(1, growth), dr_max=growth, info=info, cache=memory)
    assert info["m"] == sum(map(len, asked))
    final = np.asarray(teneva.optima_tt(teneva.truncate(train, 1e-8))[2]) @ weights

    options = f"r={r},growth={growth},quantized={str(quantized).lower()},cache={str(cache).lower()},answer=final"
    solver = resolve(f"optima-tt[{options}]").make(Space.uniform(D, N), budget=budget, seed=5)
    for rows in asked:
        candidates = solver.ask()
        np.testing.assert_array_equal(candidates, rows)
        solver.tell(candidates, value(candidates))
        solver = pickle.loads(pickle.dumps(solver))
    while solver.remaining:
        candidates = solver.ask()
        solver.tell(candidates, value(candidates))
    np.testing.assert_array_equal(candidates[-1], final)
    np.testing.assert_array_equal(solver.recommend(), final)


def test_ttopt_raises_negative_values() -> None:
    """Values below zero, which the package's maximization would take for large ones, change nothing here."""
    found = []
    for offset in (0.0, -1.0):
        solver = resolve("ttopt-quantized").make(Space.uniform(D, N), budget=300, seed=1)
        best = -np.inf
        while solver.remaining:
            candidates = solver.ask()
            solver.tell(candidates, value(candidates) + offset)
            best = max(best, value(candidates).max())
        found.append(best)
    assert found[1] >= 0.9 * found[0]


@pytest.mark.parametrize("spec", ["ttopt", "ttopt-quantized", "optima-tt", "optima-tt-quantized"])
def test_with_its_memory_no_cross_asks_a_candidate_twice(spec: str) -> None:
    """Nearly all queries are distinct while the grid is not exhausted."""
    solver = resolve(spec).make(Space.uniform(D, N), budget=500, seed=1)
    asked = []
    while solver.remaining:
        asked.append(solver.ask(50))
        solver.tell(asked[-1], value(asked[-1]))
    assert len(np.unique(np.concatenate(asked), axis=0)) > 0.85 * 500


@pytest.mark.parametrize("quantized", ["false", "true"])
def test_optima_tt_queries_its_final_point_and_recommends_the_best(quantized: str) -> None:
    """The trace has both answers: the final point is the last query, the best candidate has the best value."""
    asked = []
    for answer in ("best", "final"):
        solver = resolve(f"optima-tt[quantized={quantized},answer={answer}]").make(
            Space.uniform(D, N), budget=90, seed=5
        )
        log = []
        while solver.remaining:
            log.append(solver.ask())
            solver.tell(log[-1], value(log[-1]))
        rows = np.concatenate(log)
        asked.append(rows)
        expected = rows[value(rows).argmax()] if answer == "best" else rows[-1]
        np.testing.assert_array_equal(solver.recommend(), expected)
    np.testing.assert_array_equal(*asked)

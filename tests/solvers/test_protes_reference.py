"""`protes-reference` asks for the candidates of the protes package."""

import pickle
from typing import Any

import numpy as np
import pytest

from amb.catalogue.solvers import resolve
from amb.contracts.space import FloatArray, IntArray, Space

jax = pytest.importorskip("jax")
package = pytest.importorskip("protes")


@pytest.mark.parametrize(
    ("x64", "minimize", "k_gd"),
    [
        (True, True, 3),
        pytest.param(False, False, 3, marks=pytest.mark.slow),
        pytest.param(False, True, 1, marks=pytest.mark.slow),
    ],
)
def test_candidates_are_the_package_s(x64: bool, minimize: bool, k_gd: int) -> None:
    """Batch after batch, in both precisions and signs, with ties, and pickled after every batch."""
    from jax.experimental import enable_x64

    d, n, budget = 7, 4, 300
    target = np.random.default_rng(0).integers(0, n, d)
    asked: list[IntArray] = []

    def value(rows: Any) -> FloatArray:
        return np.exp(-np.abs(np.asarray(rows) - target).mean(axis=1))

    def objective(rows: Any) -> FloatArray:
        asked.append(np.array(rows))
        return -value(rows) if minimize else value(rows)

    with enable_x64(x64):
        package.protes(objective, d, n, m=budget, k=10, k_top=2, k_gd=k_gd, seed=5, is_max=not minimize)

    spec = f"protes-reference[k_top=2,k_gd={k_gd},minimize={str(minimize).lower()},x64={str(x64).lower()}]"
    solver = resolve(spec).make(Space.uniform(d, n), budget=budget, seed=5)
    for rows in asked:
        candidates = solver.ask()
        np.testing.assert_array_equal(candidates, rows)
        solver.tell(candidates, value(candidates))
        solver = pickle.loads(pickle.dumps(solver))
    assert solver.remaining == 0
    assert not jax.config.jax_enable_x64

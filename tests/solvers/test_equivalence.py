"""The native engine finds as good candidates as the package's arithmetic, tested as equivalence."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from amb.catalogue.solvers import resolve
from amb.contracts.space import Space

SEEDS = 30


def final(spec: str, seed: int) -> float:
    """Best value after 1,000 queries of a smooth objective in (0, 1]."""
    target = np.random.default_rng(1000 + seed).integers(4, 12, 24)
    solver = resolve(spec).make(Space.uniform(24, 16), budget=1000, seed=seed)
    best = -np.inf
    while solver.remaining:
        candidates = solver.ask()
        values = np.exp(-np.square((candidates - target) / 8).mean(axis=1))
        solver.tell(candidates, values)
        best = max(best, values.max())
    return best


@pytest.mark.slow
@pytest.mark.parametrize(("k", "k_top", "quantized"), [(10, 1, False), (5, 1, True), (25, 5, True)])
def test_engine_and_package_are_equally_good(k: int, k_top: int, quantized: bool) -> None:
    """Two one-sided tests over 30 seeds (other random bits, so unpaired in effect): the mean difference lies
    within 0.03 of a range of 1, each side at the 5% level."""
    pytest.importorskip("protes")
    options = f"k={k},k_top={k_top},quantized={str(quantized).lower()}"
    differences = [final(f"protes[{options}]", s) - final(f"protes-reference[{options}]", s) for s in range(SEEDS)]
    assert ttest_1samp(differences, -0.03, alternative="greater").pvalue < 0.05
    assert ttest_1samp(differences, 0.03, alternative="less").pvalue < 0.05

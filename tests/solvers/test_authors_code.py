"""Our evolution strategies find as much as the code that their authors published, tested as equivalence.

The code has no licence that allows a copy here. The tests run where the environment variable `AMB_ACTMAX` names a
checkout of github.com/Animadversio/ActMax-Optimizer-Dev.
"""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from amb_solvers.tables.synthetic import SPACE, Neuron, final, ridge, spikes

SEEDS, BUDGET = 100, 2000
MARGIN = 0.03  # of a range of 1

pytestmark = pytest.mark.slow


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    checkout = os.environ.get("AMB_ACTMAX")
    if not checkout or not (Path(checkout) / "core" / "Optimizers.py").is_file():
        pytest.skip("AMB_ACTMAX names no checkout of Animadversio/ActMax-Optimizer-Dev")
    monkeypatch.syspath_prepend(checkout)
    for unused in ("cma", "nevergrad"):  # imported by the module, not by these optimizers
        monkeypatch.setitem(sys.modules, unused, ModuleType(unused))
    return importlib.import_module("core.Optimizers")


def create(module: ModuleType, name: str, seed: int) -> Any:
    """The authors' optimizer with the settings of their cma_benchmark.py, scaled to a standard normal prior."""
    if name == "cholesky":
        return module.CholeskyCMAES(SPACE.d, 40, init_sigma=1.0, Aupdate_freq=10, init_code=np.zeros([1, SPACE.d]))
    if name == "genetic":
        return module.Genetic(SPACE.d, 40, 0.25, 0.75, 2, parental_skew=0.75, n_conserve=10, random_seed=seed)
    sphere = module.ZOHA_Sphere_lr_euclid(SPACE.d, 40, 20, lr=1.5, sphere_norm=np.sqrt(SPACE.d))
    sphere.lr_schedule(n_gen=75, mode=name.removeprefix("sphere-"), lim=(50, 7.33))
    return sphere


def best_of(optimizer: Any, neuron: Neuron) -> float:
    """The best value within the budget, of codes rounded to the grid."""
    codes, left, best = optimizer.get_init_pop(), BUDGET, -np.inf
    while left:
        codes = codes[:left]
        values = neuron(SPACE.nearest(codes))
        best, left = max(best, float(values.max())), left - len(codes)
        if left:
            codes = optimizer.step_simple(values, codes)
    return best


@pytest.mark.parametrize("neuron", [ridge, spikes])
@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("sphere-exp", "sphere-cma"),
        ("sphere-inv", "sphere-cma[schedule=inverse]"),
        ("cholesky", "cholesky-cma"),
        (
            "genetic",
            "xdream-ga[k=40,mutation_rate=0.25,mutation_size=0.75,heritability=0.75,keep=10,selectivity=0.5]",
        ),
    ],
)
def test_ours_and_the_authors_are_equally_good(authors: ModuleType, name: str, spec: str, neuron: Any) -> None:
    """Two one-sided tests over the seeds' neurons, each at the 5% level."""
    differences = []
    for seed in range(SEEDS):
        np.random.seed(1000 + seed)  # noqa: NPY002  (the authors' code draws from the global state)
        theirs = best_of(create(authors, name, 1000 + seed), neuron(seed))
        differences.append(final(spec, neuron(seed), budget=BUDGET, seed=seed) - theirs)
    assert ttest_1samp(differences, -MARGIN, alternative="greater").pvalue < 0.05
    assert ttest_1samp(differences, MARGIN, alternative="less").pvalue < 0.05

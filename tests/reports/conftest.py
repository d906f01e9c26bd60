"""A made-up comparison for the tests of reports."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from amb.stats import analyse

SOLVERS = ("random", "tt-b[k=50,lr=0.1]", "a_b|c")


@pytest.fixture(scope="session")
def make_comparison() -> Callable[..., SimpleNamespace]:
    return _make_comparison


def _make_comparison(problems: int = 8, solvers: tuple[str, ...] = SOLVERS, seeds: int = 2, crash: bool = True):  # type: ignore[no-untyped-def]
    """A comparison with the attributes that reports use; the second solver is the best, the last crashes once."""
    rng = np.random.default_rng(0)
    rows, traces = [], {}
    for p in range(problems):
        for k, solver in enumerate(solvers):
            for seed in range(seeds):
                key = (f"gan/net/conv{p % 2}/{p}", solver, seed)
                failed = crash and p == 0 and k == len(solvers) - 1
                told = np.sort(rng.uniform(0, [0.5, 0.9, 0.7][k % 3], 50 if not failed else 10))
                traces[key] = told
                rows.append(
                    {
                        **dict(zip(("problem", "solver", "seed"), key, strict=True)),
                        "generator": "gan",
                        "target": "net",
                        "layer": f"conv{p % 2}",
                        "unit": str(p),
                        "budget": 50,
                        "queries": len(told),
                        "distinct": len(told),
                        "best": told.max(),
                        "status": "crash" if failed else "ok",
                        "final": np.nan if failed else told.max(),
                        "solver_seconds": 0.5,
                        "generator_seconds": 1.0,
                        "target_seconds": 2.0,
                        "timing": False,
                    }
                )
    runs = pd.DataFrame(rows)
    analysis = analyse(runs, traces, resamples=50)
    best = runs.dropna(subset="final").sort_values("final").groupby(["problem", "solver"], sort=False).last()
    meis = best.reset_index()[["problem", "solver", "seed", "final"]].rename(columns={"final": "activation"})
    meis["image"] = pd.Series([rng.integers(0, 256, (8, 8, 3), dtype=np.uint8) for _ in meis.index], dtype=object)
    settings = {
        "solvers": list(solvers),
        "problems": list(dict.fromkeys(runs["problem"])),
        "suite": None,
        "budget": 50,
        "seeds": list(range(seeds)),
        "device": "cpu",
        "timing": False,
        "control": None,
        "metric": "final",
        "alpha": 0.05,
        "rope": 0.01,
    }
    return SimpleNamespace(
        runs=runs, traces=traces, analysis=analysis, ranking=analysis.ranking, pairs=analysis.pairs,
        verdict=analysis.verdict, basis=analysis.basis, settings=settings, meis=lambda: meis,
        modes=lambda problem: 128, load=lambda key: None, warnings=(),
    )  # fmt: skip

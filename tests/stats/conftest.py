"""Small made-up studies."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

Study = tuple[pd.DataFrame, dict[tuple[str, str, int], np.ndarray]]


def make_study(
    finals: np.ndarray, *, targets: int = 1, budget: int = 20, solvers: tuple[str, ...] | None = None
) -> Study:
    """Runs with the given noise-free finals, float[problems, solvers, seeds]; traces climb to them at the end.

    NaN makes a crashed run with half a trace.
    """
    names = solvers or tuple("abcdefghij"[: finals.shape[1]])
    rows, traces = [], {}
    for (p, k, s), final in np.ndenumerate(finals):
        cell = (f"gan/net{p % targets}/conv/{p}", names[k], s)
        failed = np.isnan(final)
        values = np.zeros(budget // 2 if failed else budget)
        values[-1] = 0.0 if failed else final
        traces[cell] = values
        rows.append(
            {
                **dict(zip(("problem", "solver", "seed"), cell, strict=True)),
                "generator": "gan",
                "target": f"net{p % targets}",
                "layer": "conv",
                "unit": str(p),
                "budget": budget,
                "queries": len(values),
                "distinct": len(values),
                "status": "crash" if failed else "ok",
                "failed": failed,
                "final": final,
                "best": values.max(),
                "solver_seconds": 1.0 + k,
                "generator_seconds": 2.0,
                "target_seconds": 3.0,
                "timing": True,
            }
        )
    return pd.DataFrame(rows), traces


@pytest.fixture
def study() -> Callable[..., Study]:
    return make_study

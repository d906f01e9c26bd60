"""Step 7: which solvers differ on a single problem? Exploratory: it says where to look and decides nothing."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, mannwhitneyu

FloatArray = NDArray[np.float64]

METHOD = "exploratory: Mann-Whitney over seeds of one problem, Benjamini-Hochberg over all rows"


def problem_tests(scored: pd.DataFrame, *, control: str | None = None) -> pd.DataFrame:
    """Mann–Whitney tests between the runs of two solvers on one problem, for every problem and pair.

    The sample is the seeds, so a finding applies to one unit of one network only. P-values are exact for up to 8 runs
    without ties, and otherwise asymptotic with the correction for ties. Benjamini and Hochberg's (1995) adjustment over
    the whole table controls the share of false findings among those reported.

    Args:
        scored: the table of `score_runs`; `ordered` is compared, so ties at saturation are broken by queries.
        control: compare every solver with this one only.

    Returns:
        problem, first, second, runs_first, runs_second, a12 (probability that a run of the first is better), p, q,
        method: a row for each problem and each pair with at least two runs of both; q is the adjusted p.
    """
    rows: list[tuple[object, ...]] = []
    for problem, part in scored.groupby("problem", sort=False):
        samples = {str(s): np.round(g["ordered"].to_numpy(float), 12) for s, g in part.groupby("solver", sort=False)}
        couples = combinations(samples, 2) if control is None else ((s, control) for s in samples if s != control)
        tested = [(a, b) for a, b in couples if min(len(samples[a]), len(samples.get(b, ()))) >= 2]
        results = _mann_whitney([(samples[a], samples[b]) for a, b in tested])
        for (first, second), (a12, p) in zip(tested, results, strict=True):
            rows.append((problem, first, second, len(samples[first]), len(samples[second]), a12, p))
    columns = ["problem", "first", "second", "runs_first", "runs_second", "a12", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["q"] = false_discovery_control(table["p"]) if len(table) else table["p"]
    table["method"] = METHOD
    return table


def _mann_whitney(couples: Sequence[tuple[FloatArray, FloatArray]]) -> list[tuple[float, float]]:
    """A12 and p-value of each couple of samples.

    Couples of equal sizes are tested in one call, those without ties, which scipy may test exactly, in another.
    """
    results: dict[int, tuple[float, float]] = {}
    together: dict[tuple[int, int, bool], list[int]] = {}
    for i, (a, b) in enumerate(couples):
        values = len(np.unique(np.concatenate([a, b])))
        if values == 1:
            results[i] = 0.5, 1.0
        else:
            together.setdefault((len(a), len(b), values < len(a) + len(b)), []).append(i)
    for (n, m, _), chosen in together.items():
        a, b = (np.array([couples[i][side] for i in chosen]) for side in (0, 1))
        statistics, ps = mannwhitneyu(a, b, axis=1)
        results.update(zip(chosen, zip(statistics / (n * m), ps, strict=True), strict=True))
    return [results[i] for i in range(len(couples))]

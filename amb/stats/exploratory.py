"""Step 7: which solvers differ on a single problem? Exploratory: it says where to look and decides nothing."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, mannwhitneyu

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
    rows = []
    for problem, part in scored.groupby("problem", sort=False):
        samples = {str(s): np.round(g["ordered"].to_numpy(float), 12) for s, g in part.groupby("solver", sort=False)}
        couples = combinations(samples, 2) if control is None else ((s, control) for s in samples if s != control)
        for first, second in couples:
            a, b = samples[first], samples.get(second, np.empty(0))
            if min(len(a), len(b)) < 2:
                continue
            statistic, p = (len(a) * len(b) / 2, 1.0) if np.ptp(np.concatenate([a, b])) == 0 else mannwhitneyu(a, b)
            rows.append((problem, first, second, len(a), len(b), statistic / (len(a) * len(b)), p))
    columns = ["problem", "first", "second", "runs_first", "runs_second", "a12", "p"]
    table = pd.DataFrame(rows, columns=columns)
    table["q"] = false_discovery_control(table["p"]) if len(table) else table["p"]
    table["method"] = METHOD
    return table

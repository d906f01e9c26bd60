"""Inputs summarized by layer, and one generator's against another's."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from amb.meis.columns import LAYERS, RATIOS
from amb.meis.found import conditions
from amb.stats.resampling import ratio_interval

SEARCH = ["target", "layer", "unit", "solver", "seed", "budget"]
"""What a search of one generator's images has in common with the same search of another's, besides its conditions."""


def layer_table(meis: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """One row for each generator, network and layer, in the order of the inputs; see `LAYERS`.

    Args:
        meis: all inputs with their measures.
        distances: see `amb.meis.columns.DISTANCES`.
    """
    rows = []
    for (generator, target, layer), inputs in meis.groupby(["generator", "target", "layer"], sort=False):
        apart = distances[(distances["generator"] == generator) & (distances["problem"].isin(inputs["problem"]))]
        group = inputs[inputs["best"]]
        values = group["activation"]
        rows.append(
            {
                "generator": generator,
                "target": target,
                "layer": layer,
                "units": len(group),
                "silent": int(group["silent"].sum()),
                "saturated": int(group["saturated"].sum()),
                "activation": values.mean(),
                "low": values.quantile(0.25),
                "median": values.median(),
                "high": values.quantile(0.75),
                "entropy": _mean(group.get("entropy")),
                "selectivity": _mean(group.get("selectivity")),
                "latent": _mean(apart["latent"]),
                "similarity": _mean(apart["similarity"]),
            }
        )
    return pd.DataFrame(rows, columns=list(LAYERS))


def ratio_table(meis: pd.DataFrame) -> pd.DataFrame:
    """Activation by one generator over that by another, by layer, for units that both have; see `RATIOS`.

    Only the best of the searches that both generators had counts; see `shared`.

    Args:
        meis: all inputs; the generator that is met first is the first of its pairs.
    """
    rows = []
    for first, second in combinations(meis["generator"].unique(), 2):
        for (target, layer), group in shared(meis, (first, second)).groupby(["target", "layer"], sort=False):
            # Two problems of one unit and generator, as with different noise: the better one counts, as both have both.
            both = group.pivot_table(index="unit", columns="generator", values="activation", aggfunc="max")
            if not both[first].mean() > 0:
                continue
            low, high = ratio_interval(both[second].to_numpy(), both[first].to_numpy())
            ratio = both[second].mean() / both[first].mean()
            solvers = ", ".join(group["solver"].unique())
            rows.append((first, second, target, layer, len(both), solvers, ratio, low, high))
    return pd.DataFrame(rows, columns=list(RATIOS))


def shared(meis: pd.DataFrame, generators: Sequence[str]) -> pd.DataFrame:
    """The inputs whose search every one of some generators had: the same unit, solver, seed, budget and conditions.

    Only these compare generators: one that more solvers can search, or that is searched without noise, would otherwise
    have the better or the best of more runs.
    """
    known = meis[meis["generator"].isin(generators) & meis["activation"].notna()]
    alike = [*(known[name] for name in SEARCH), known["problem"].map(conditions)]
    return known[known.groupby(alike)["generator"].transform("nunique") == len(generators)]


def _mean(values: pd.Series | None) -> float:
    if values is None:
        return np.nan
    known = pd.to_numeric(values, errors="coerce").dropna()
    return float(known.mean()) if len(known) else np.nan

"""Section 4.1: tensor trains against Portfolio, and whether methods find the same images."""

import numpy as np
import pandas as pd

from amb.contracts.space import FloatArray
from amb.paper.effort import BENCHMARK
from amb.paper.studies import PaperData
from amb.paper.verdict import Claim
from amb.stats.formats import percent
from amb.stats.resampling import interval, ratio_interval
from amb.text import plural

EQUAL = 0.99
"""Within 1% counts as equal."""
HIGH = 0.9
"""A high activation: this share of the highest that any run on the unit reaches."""
ALIKE = 0.9
"""Images whose pixels correlate more are near-identical."""
EARLY = 3
"""The early layers: so many spiking layers from the first."""


def solver_claims(data: PaperData) -> list[Claim]:
    """The claims of section 4.1."""
    return [final(data), seconds(data), steps(data), alike(data)]


def final(data: PaperData) -> Claim:
    """Tensor trains are at least equal to Portfolio."""
    runs, left_out = _whole(data.runs.runs, ["problem"], "unit")
    trains, benchmark = _sides(_by_unit(runs.assign(value=runs["final"])))
    low, high = ratio_interval(trains, benchmark)
    better = float((trains > benchmark).mean()) if len(trains) else np.nan
    return Claim(
        "4.1",
        "The activations that tensor-train methods reach are at least equal to Portfolio's (the paper: equal or 10 to "
        "20% higher).",
        f"Final activations after {data.effort.budget:,} queries, averaged over methods and seeds, the same units for "
        "both; equal means within 1%.",
        "activation by tensor trains / by Portfolio",
        _ratio(trains, benchmark),
        low,
        high,
        EQUAL,
        np.inf,
        f"tensor trains are higher on {percent(better)} of the units",
        plural(len(trains), "unit") + left_out,
    )


def seconds(data: PaperData) -> Claim:
    """Tensor trains are at least 2 times faster."""
    runs, left_out = _whole(data.curves.runs, ["problem", "seed"], "pair")
    timed = runs.assign(value=runs[["solver_seconds", "generator_seconds", "target_seconds"]].sum(axis=1))
    table = timed.pivot_table(index=["problem", "seed"], columns="solver", values="value")
    trains, benchmark = _sides(table)
    low, high = ratio_interval(benchmark, trains)
    own = timed.groupby("solver")["solver_seconds"].mean()
    ratio = own.get(BENCHMARK, np.nan) / own.drop(BENCHMARK, errors="ignore").mean()
    return Claim(
        "4.1",
        "Tensor-train methods are at least 2 times faster than Portfolio (the paper: 2 to 4 times).",
        f"Wall time of whole runs of {data.effort.curve_budget:,} queries, one run at a time on this machine, stimuli "
        "and network included.",
        "seconds of Portfolio / of tensor trains",
        _ratio(benchmark, trains),
        low,
        high,
        2.0,
        np.inf,
        f"without stimuli and network: {ratio:.2g} times",
        plural(len(trains), "pair") + " of runs" + left_out,
    )


def steps(data: PaperData) -> Claim:
    """Tensor trains need fewer queries to a high activation."""
    runs, left_out = _whole(data.runs.runs, ["problem"], "unit")
    best = runs.groupby("problem")["best"].transform("max")
    needed = []
    for row, top in zip(runs.itertuples(), best, strict=True):
        trace = np.fmax.accumulate(data.runs.traces[row.problem, row.solver, row.seed])
        reached = np.flatnonzero(trace >= HIGH * top)
        needed.append(reached[0] + 1 if len(reached) and top > 0 else row.budget)
    trains, benchmark = _sides(_by_unit(runs.assign(value=np.log(needed))))
    difference = trains - benchmark
    low, high = interval(difference)
    fewer = float((difference < 0).mean()) if len(difference) else np.nan
    return Claim(
        "4.1",
        "Tensor-train methods need fewer queries to reach a high activation.",
        f"Queries until {100 * HIGH:.0f}% of the highest activation that any run on the unit reaches, or the budget; "
        "geometric means.",
        "queries of tensor trains / of Portfolio",
        float(np.exp(difference.mean())) if len(difference) else np.nan,
        float(np.exp(low)),
        float(np.exp(high)),
        -np.inf,
        1.0,
        f"fewer on {percent(fewer)} of the units",
        plural(len(difference), "unit") + left_out,
    )


def alike(data: PaperData) -> Claim:
    """Methods find near-identical images in early layers."""
    distances = data.atlas.measures.distances
    own = distances[
        (distances["between"] == "solvers")
        & distances["layer"].isin(data.layers[:EARLY])
        & (distances["generator"] == data.atlas.request.generators[0])
    ]
    by_unit = own.groupby("problem")["similarity"].mean().to_numpy()
    low, high = interval(by_unit)
    random = float(data.random["similarity"])
    share = float((own["similarity"] >= ALIKE).mean()) if len(own) else np.nan
    return Claim(
        "4.1, figures 6 and 7",
        "In early layers, different methods find near-identical images.",
        f"Correlation of the pixels of two methods' images of one unit, first {EARLY} spiking layers, the GAN's "
        f"images; near-identical means {ALIKE:g} or more.",
        "mean correlation of two methods' images",
        float(by_unit.mean()) if len(by_unit) else np.nan,
        low,
        high,
        ALIKE,
        1.0,
        f"random images: {random:.2f}; {percent(share)} of the pairs are near-identical",
        plural(len(by_unit), "unit"),
    )


def _whole(runs: pd.DataFrame, by: list[str], what: str) -> tuple[pd.DataFrame, str]:
    """Runs of units, or of pairs, none of whose runs failed, and words on the others, which count for neither side.

    Without its failed runs a solver would have the mean of its lucky ones, or the seconds in which it broke off. Runs
    of a solver that refuses the generator are left out.
    """
    asked = runs[runs["status"] != "skip"]
    whole = ~asked.groupby(by)["failed"].transform("any").astype(bool)
    if whole.all():
        return asked, ""
    lost = asked[~whole]
    number = len(lost.drop_duplicates(by))
    return asked[whole], f"; {plural(number, what)} with {plural(int(lost['failed'].sum()), 'failed run')} left out"


def _by_unit(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.pivot_table(index="problem", columns="solver", values="value", aggfunc="mean")


def _sides(table: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    """The mean over tensor trains, and the benchmark's value, of rows that all have, rounded: equal means are equal."""
    if BENCHMARK not in table or table.shape[1] < 2:
        return np.empty(0), np.empty(0)
    known = table.dropna()
    trains, benchmark = known.drop(columns=BENCHMARK).mean(axis=1), known[BENCHMARK]
    return np.round(trains.to_numpy(), 12), np.round(benchmark.to_numpy(), 12)


def _ratio(above: FloatArray, below: FloatArray) -> float:
    return float(above.mean() / below.mean()) if len(above) and below.mean() > 0 else np.nan

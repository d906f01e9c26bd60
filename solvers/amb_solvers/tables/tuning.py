"""Solvers on the units for tuning or validation: `python -m amb_solvers.tables.tuning --units validation`.

Prints, for every solver, the median over units of the normalized best activation so far after 50, 100 and 200 queries:
0 is the median of draws of the prior, 1 the best value that any of the runs found. A study keeps the runs, so that an
interrupted command continues.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import amb
from amb.stats.gap import gap_closed
from amb.stats.metrics import Traces
from amb.stats.queries import best_so_far
from amb_solvers.shared.tuning_units import tuning_units

SOLVERS = ("inception-loop", "cma-diagonal", "xdream-ga", "sphere-cma", "random-prior")
AFTER = (50, 100, 200)
DRAWS = 200


def chance(problem: str) -> float:
    """The median noise-free activation of draws of the prior."""
    found = amb.problem(problem)
    drawn = found.space.sample_prior(DRAWS, np.random.default_rng(0))
    return float(np.median(type(found).evaluate_together([found], [drawn]).clean[0]))


def progress(traces: Traces) -> pd.DataFrame:
    """Best noise-free values so far: one row per run, columns problem, solver, seed and the numbers of queries."""
    rows = []
    for (problem, solver, seed), values in traces.items():
        best = best_so_far(values, floor=0.0)
        rows.append([problem, solver, seed, *(best[min(n, len(best)) - 1] for n in AFTER)])
    return pd.DataFrame(rows, columns=["problem", "solver", "seed", *AFTER])


def summarize(table: pd.DataFrame, floors: dict[str, float]) -> pd.DataFrame:
    """Median over problems of the median over seeds of the gap that is closed, solver × number of queries."""
    best = table.groupby("problem")[AFTER[-1]].max()
    medians = table.groupby(["solver", "problem"])[list(AFTER)].median().reset_index()
    for queries in AFTER:
        low, high = medians["problem"].map(floors), medians["problem"].map(best)
        medians[queries] = gap_closed(medians[queries], low, high)
    return medians.groupby("solver")[list(AFTER)].median()


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", choices=["development", "validation"], default="validation")
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--study", type=Path, default=Path("tuning-study"))
    chosen = parser.parse_args()
    problems = tuning_units()[chosen.units == "validation"]
    found = amb.compare(chosen.solvers, problems, budget=AFTER[-1], seeds=chosen.seeds, study=chosen.study)
    table = progress(found.traces)
    shown = summarize(table, {problem: chance(problem) for problem in problems})
    print(f"{len(problems)} units for {chosen.units}, {chosen.seeds} seeds\n")
    print(f"| solver | {' | '.join(f'{n} queries' for n in AFTER)} | solver seconds per query |")
    print("|---|" + "---:|" * (len(AFTER) + 1))
    costs = found.runs.groupby("solver")["solver_seconds"].median() / AFTER[-1]
    for solver in chosen.solvers:
        cells = [f"{shown.at[solver, n]:.3f}" for n in AFTER]
        print(f"| `{solver}` | {' | '.join(cells)} | {costs[solver]:.4f} |")
    print(f"\n{found.analysis.across_words}")


if __name__ == "__main__":
    main()

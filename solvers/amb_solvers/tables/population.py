"""What several neurons save by sharing presentations: `python -m amb_solvers.tables.population`.

The units of one recording are searched together three ways: each search knows its own presentations only; every neuron
is also recommended the best of all presentations; and, besides, searches learn from all of them (`Solver.learn`).
"""

import argparse
from collections.abc import Sequence

import numpy as np

from amb.catalogue.problems import expand, problem
from amb.contracts.space import FloatArray
from amb.references.lookup import reference
from amb.run.population import PopulationRun, search_population
from amb.stats.gap import gap_closed

SOLVERS = ("random-prior", "one-plus-lambda", "xdream-ga", "cma-diagonal")
WAYS = ("own only", "recommend from all", "learn from all")


def progress(run: PopulationRun, *, own: bool) -> FloatArray:
    """The best noise-free activation so far of every neuron after every presentation, float64[n, M].

    Args:
        run: a recording.
        own: whether only presentations that the neuron's own search asked for count.
    """
    counted = run.clean.copy()
    if own:
        counted[run.owner[:, None] != np.arange(counted.shape[1])] = np.nan
    return np.fmax.accumulate(counted, axis=0)


def measure(names: Sequence[str], solver: str, *, budget: int, seeds: int) -> dict[str, FloatArray]:
    """Share of the gap between chance and best known that is closed after every presentation, by way, float64[n].

    The mean over neurons and seeds.
    """
    problems = [problem(name) for name in names]
    points = [reference(name) for name in names]
    chance = np.array([np.nan if point is None else point.chance for point in points])
    best = np.array([np.nan if point is None else point.best for point in points])
    curves: dict[str, list[FloatArray]] = {way: [] for way in WAYS}
    for seed in range(seeds):
        alone = search_population(problems, solver, budget=budget, seed=seed, share=False)
        shared = search_population(problems, solver, budget=budget, seed=seed, share=True)
        for way, run, own in zip(WAYS, (alone, alone, shared), (True, False, False), strict=True):
            closed = np.nan_to_num(gap_closed(progress(run, own=own), chance, best))
            curves[way].append(np.maximum(closed, 0.0).mean(axis=1))
    return {way: np.mean(found, axis=0) for way, found in curves.items()}


def presentations_to(curve: FloatArray, level: float) -> int | None:
    """How many presentations a curve needs to reach a level; None if it does not."""
    reached = np.flatnonzero(curve >= level)
    return int(reached[0]) + 1 if len(reached) else None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", default="quick", help="problems of one generator and target")
    parser.add_argument("--solvers", default=",".join(SOLVERS))
    parser.add_argument("--budget", type=int, default=400, help="presentations in total")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    names = expand(chosen.problems)
    print(f"{len(names)} neurons, {chosen.budget} presentations in total, {chosen.seeds} seeds\n")
    print("| solver | " + " | ".join(WAYS) + " | presentations for what `own only` reaches |")
    print("|---|" + "---:|" * (len(WAYS) + 1))
    for solver in chosen.solvers.split(","):
        curves = measure(names, solver, budget=chosen.budget, seeds=chosen.seeds)
        level = float(curves[WAYS[0]][-1])
        needed = [presentations_to(curves[way], level) for way in WAYS[1:]]
        cells = [f"{curves[way][-1]:.3f}" for way in WAYS]
        print(f"| `{solver}` | {' | '.join(cells)} | {' / '.join(map(str, needed))} |", flush=True)


if __name__ == "__main__":
    main()

"""The table of solvers in docs/solvers.md: ``python -m amb_solvers.measure`` writes it, costs measured here.

Options and kinds are read from the code; the cost is the processor time of asking and telling, a query, on a
grid of 128 modes of 64 levels.
"""

import sys
import time
from collections.abc import Sequence

import numpy as np

from amb.contracts.space import Space
from amb.errors import AmbError
from amb.plugins import plugins
from amb.solvers import SolverSpec, resolve
from amb.spec import format_value

HEADER = ("solver", "source", "options and defaults", "first batch", "spaces", "searches", "ms a query")


def table(names: Sequence[str] = (), *, queries: int = 1000) -> list[tuple[str, ...]]:
    """Rows of the table, one for every built-in solver (or those named), without the header."""
    built_in = [name for name, plugin in plugins("solvers").items() if plugin.target.startswith("amb_solvers.")]
    return [row(resolve(name), queries=queries) for name in names or built_in]


def row(spec: SolverSpec, *, queries: int) -> tuple[str, ...]:
    """One solver's row."""
    options = ", ".join(f"{key}={format_value(value)}" for key, value in spec.options.items())
    try:
        first, cost = measure(spec, queries=queries)
        batch, milliseconds = str(first), f"{cost:.3f}"
    except AmbError as refusal:
        batch, milliseconds = "", str(refusal)
    searches = "the latent box, rounded" if spec.cls.continuous else "the grid"
    kinds = ", ".join(sorted(spec.cls.kinds, reverse=True))
    return f"`{spec}`", spec.cls.source, f"`{options}`" if options else "none", batch, kinds, searches, milliseconds


def measure(spec: SolverSpec, *, queries: int) -> tuple[int, float]:
    """Size of the first batch, and milliseconds of processor time a query, warm-up apart."""
    space = Space.uniform(128, 64)
    target = np.random.default_rng(0).standard_normal(space.d)

    def value(candidates: np.ndarray) -> np.ndarray:
        return np.exp(-np.square(space.decode(candidates) - target).mean(axis=1))

    for _ in range(2):  # the first time compiles and imports
        solver = spec.make(space, budget=queries, seed=0)
        seconds, first = 0.0, 0
        while solver.remaining:
            start = time.process_time()
            candidates = solver.ask()
            asked = time.process_time() - start
            values = value(candidates)
            start = time.process_time()
            solver.tell(candidates, values)
            seconds += asked + time.process_time() - start
            first = first or len(candidates)
    return first, seconds / queries * 1e3


def main(names: Sequence[str]) -> None:
    """Print the table as Markdown."""
    print("| " + " | ".join(HEADER) + " |")
    print("|" + "---|" * len(HEADER))
    for cells in table(names):
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

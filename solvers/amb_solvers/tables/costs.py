"""The table of solvers in docs/guides/solvers.md, written by ``python -m amb_solvers.tables.costs``.

All columns except the last are read from the code. The last one is measured on this machine: the processor time per
query that ask and tell take, on a grid of 128 dimensions with 64 levels.
"""

import sys
import time
from collections.abc import Iterator, Sequence

from amb.catalogue.plugins import plugins
from amb.catalogue.solvers import SolverSpec, resolve
from amb.contracts.space import Space
from amb.errors import AmbError
from amb.sight import CLASSES
from amb.spec import format_value
from amb.testing.grid import Slope

HEADER = (
    "solver",
    "source",
    "options and defaults",
    "first batch",
    "spaces",
    "searches",
    "anytime",
    "noisy",
    "class",
    "failed query",
    "ms per query",
)
SPACE = Space.uniform(128, 64)


def table(names: Sequence[str] = (), *, queries: int = 1000) -> Iterator[tuple[str, ...]]:
    """Rows of the table without its header: one per built-in solver, or per solver in `names`."""
    built_in = [name for name, plugin in plugins("solvers").items() if plugin.location.startswith("amb_solvers.")]
    for name in names or built_in:
        yield row(resolve(name), queries=queries)


def row(spec: SolverSpec, *, queries: int) -> tuple[str, ...]:
    """One solver's row: the facts in its code, and its measured cost."""
    try:
        return *facts(spec), f"{cost(spec, queries=queries):.3f}"
    except AmbError as refusal:
        return *facts(spec), str(refusal)


def facts(spec: SolverSpec) -> tuple[str, ...]:
    """All cells except the last; one batch is asked for, and nothing is measured."""
    cls = spec.cls
    options = ", ".join(f"{key}={format_value(value)}" for key, value in spec.options.items())
    try:
        first = str(len(spec.start(Slope(SPACE), budget=1000, seed=0).ask()))
    except AmbError:
        first = ""
    return (
        f"`{spec}`",
        cls.source,
        f"`{options}`" if options else "none",
        first,
        ", ".join(sorted(cls.kinds, reverse=True)),
        "the latent box, rounded" if cls.continuous else "the grid",
        *("yes" if claim else "no" for claim in (cls.anytime, cls.noisy)),
        CLASSES[cls.sees].name or "black box",
        cls.failed_queries,
    )


def cost(spec: SolverSpec, *, queries: int) -> float:
    """Milliseconds of processor time per query in the fastest of three runs.

    A first run, which imports and compiles, is not counted; no run starts after ten seconds.
    """
    _seconds(spec, queries)
    start, runs = time.perf_counter(), [_seconds(spec, queries)]
    while len(runs) < 3 and time.perf_counter() - start < 10:
        runs.append(_seconds(spec, queries))
    return min(runs) / queries * 1e3


def _seconds(spec: SolverSpec, queries: int) -> float:
    """Processor time of ask and tell in one run."""
    problem = Slope(SPACE)
    solver = spec.start(problem, budget=queries, seed=0)
    seconds = 0.0
    while solver.remaining:
        start = time.process_time()
        candidates = solver.ask()
        seconds += time.process_time() - start
        values, _ = problem.gradient(SPACE.decode(candidates))
        start = time.process_time()
        solver.tell(candidates, values)
        seconds += time.process_time() - start
    return seconds


def main(names: Sequence[str]) -> None:
    """Print the table as Markdown."""
    print("| " + " | ".join(HEADER) + " |")
    print("|" + "---|" * len(HEADER))
    for cells in table(names):
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

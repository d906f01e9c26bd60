"""Two synthetic neurons, and the performance of the solvers on them.

``python -m amb_solvers.tables.synthetic`` writes the table in docs/guides/solvers.md.

They need no network and take almost no time, so a method can be tried on tens of thousands of queries. The best solver
on them need not be the best on networks.
"""

import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from amb.catalogue.solvers import resolve
from amb.contracts.space import FloatArray, IntArray, Space

Neuron = Callable[[IntArray], FloatArray]

SPACE = Space.uniform(128, 64)
SOLVERS = (
    "random",
    "random-prior",
    "protes",
    "tt",
    "tt-s",
    "tt-b",
    "tt-elite",
    "ttopt-quantized",
    "one-plus-lambda",
    "local-search",
    "xdream-ga",
    "sphere-cma",
    "cholesky-cma",
    "cma",
    "cma-diagonal",
    "snes",
    "growing-snes",
    "portfolio",
)
FRAMES = 100


def _rng(seed: int) -> np.random.Generator:
    """A stream different from that of a solver with the same seed, whose first draw would be the peak."""
    return np.random.default_rng([seed, 1])


def ridge(seed: int) -> Neuron:
    """A smooth, narrow peak at a draw of the prior: exp(-m).

    m is the mean squared distance between the latent and the peak along the axes of a random frame, with weights from
    0.1 to 10.
    """
    rng = _rng(seed)
    best = rng.standard_normal(SPACE.d)
    frame, _ = np.linalg.qr(rng.standard_normal((SPACE.d, SPACE.d)))
    weights = np.logspace(-1, 1, SPACE.d)

    def values(candidates: IntArray) -> FloatArray:
        along = (SPACE.decode(candidates) - best) @ frame
        return np.asarray(np.exp(-(weights * along**2).mean(axis=1)))

    return values


def spikes(seed: int) -> Neuron:
    """The firing rate over 100 frames of a neuron with 256 random rectified inputs, half of them inhibitory.

    It is divided by the activity of all inputs, so that only the latent's direction matters. It has plateaus, and is
    silent for seven tenths of the prior.
    """
    rng = _rng(seed)
    hidden = rng.standard_normal((SPACE.d, 256))
    out = rng.standard_normal(256)
    out /= np.linalg.norm(out)

    def values(candidates: IntArray) -> FloatArray:
        active = np.maximum(SPACE.decode(candidates) @ hidden, 0.0)
        rate = active @ out / np.linalg.norm(active, axis=1)
        return np.floor(FRAMES * np.maximum(rate, 0.0)) / FRAMES

    return values


def final(spec: str, neuron: Neuron, *, budget: int, seed: int) -> float:
    """The value of the candidate that a solver recommends after its budget."""
    solver = resolve(spec).make(SPACE, budget=budget, seed=seed)
    while solver.remaining:
        candidates = solver.ask()
        solver.tell(candidates, neuron(candidates))
    return float(neuron(solver.recommend()[None])[0])


def table(names: Sequence[str] = (), *, budget: int = 2000, seeds: int = 10) -> Iterator[tuple[str, ...]]:
    """Rows of the table without its header: a solver, and its mean on each neuron; every seed draws a new neuron."""
    for name in names or SOLVERS:
        means = [
            np.mean([final(name, neuron(seed), budget=budget, seed=seed) for seed in range(seeds)])
            for neuron in (ridge, spikes)
        ]
        yield name, *(f"{mean:.3f}" for mean in means)


def main(names: Sequence[str]) -> None:
    """Print the table as Markdown."""
    print("| solver | `ridge` | `spikes` |")
    print("|---|---:|---:|")
    for cells in table(names):
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

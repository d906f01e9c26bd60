"""The genetic algorithm of XDream."""

import numpy as np

from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError
from amb_solvers.shared.latent_box import BoxSolver, prior_moments


class XDreamGA(BoxSolver):
    """A genetic algorithm on latents: softmax selection, uniform crossover, Gaussian mutation of some genes.

    Fitness is ``exp((y - max y) / T)`` with ``T = std(y) / selectivity``; values above the 95% quantile are clipped to
    it. Two parents are drawn by fitness, with replacement. Every gene comes from the first parent with probability
    `heritability`, and mutates with probability `mutation_rate` by a normal random number with standard deviation
    `mutation_size`; genes may leave the box of the levels, and what is measured is rounded to the nearest level.
    Candidates whose query failed stay in the next population and are measured again, as in the
    authors' code. If all values are equal, selection is uniform.

    Args:
        k: population size.
        selectivity: inverse selection temperature, in standard deviations of a generation's values.
        mutation_rate: share of the genes that mutate.
        mutation_size: standard deviation of a mutation, in standard deviations of the prior.
        heritability: share of the genes that come from the first parent.
        keep: number of best candidates that stay in the population and are measured again.
    """

    foreign = True  # the best of them and of the population are the next parents
    version = "2"
    forked = True
    failed_queries = "is measured again in the next generation"
    source = "Xiao & Kreiman 2020, PLoS Comput. Biol. 16, e1007973"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        k: int = 20,
        selectivity: float = 2.0,
        mutation_rate: float = 0.5,
        mutation_size: float = 0.5,
        heritability: float = 0.5,
        keep: int = 0,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        shares = 0 <= mutation_rate <= 1 and 0 <= heritability <= 1
        if k < 2 or not selectivity > 0 or not shares or not mutation_size > 0 or not 0 <= keep < k:
            raise SpecError(
                "expected k >= 2, selectivity > 0, mutation_size > 0, mutation_rate and heritability in [0, 1] and "
                f"0 <= keep < k, got k={k}, selectivity={selectivity}, mutation_size={mutation_size}, "
                f"mutation_rate={mutation_rate}, heritability={heritability}, keep={keep}"
            )
        self.k, self.selectivity, self.keep = k, selectivity, keep
        self.mutation_rate, self.mutation_size, self.heritability = mutation_rate, mutation_size, heritability
        self._mean, self._deviation = prior_moments(space)
        self._population = self._mean + self._deviation * self.rng.standard_normal((k, space.d))
        self._known: FloatArray | None = None  # values of the population; None: they are not measured yet

    def _generate(self) -> FloatArray:
        if self._known is not None:
            self._population, self._known = self._offspring(self._population, self._known), None
        return self._population

    def _learn(self, values: FloatArray) -> None:
        if not np.isnan(values).all():
            self._population, self._known = self._batch, values

    def _absorb(self, candidates: FloatArray, values: FloatArray) -> None:
        if self._known is None:
            return  # there is no generation to join
        there = ~np.isnan(values)
        rows = np.concatenate([self._population, candidates[there]])
        known = np.r_[self._known, values[there]]
        failed = np.isnan(known)
        best = np.flatnonzero(~failed)[np.argsort(-known[~failed], kind="stable")][: self.k - int(failed.sum())]
        chosen = np.concatenate([best, np.flatnonzero(failed)])
        self._population, self._known = rows[chosen], known[chosen]

    def _offspring(self, population: FloatArray, values: FloatArray) -> FloatArray:
        there = ~np.isnan(values)
        order = np.flatnonzero(there)[np.argsort(-values[there], kind="stable")]
        parents, failed = population[order], population[~there][: self.k - self.keep]
        children = self.k - min(self.keep, len(order)) - len(failed)
        bred = self._mutate(self._breed(parents, fitness(values[order], self.selectivity), children))
        return np.concatenate([parents[: self.keep], bred, failed])

    def _breed(self, parents: FloatArray, chances: FloatArray, n: int) -> FloatArray:
        first, second = self.rng.choice(len(parents), size=(2, n), p=chances)
        inherits = self.rng.random((n, self.space.d)) < self.heritability
        return np.where(inherits, parents[first], parents[second])

    def _mutate(self, rows: FloatArray) -> FloatArray:
        mutates = self.rng.random(rows.shape) < self.mutation_rate
        steps = self.mutation_size * self._deviation * self.rng.standard_normal(rows.shape)
        return np.where(mutates, rows + steps, rows)


def fitness(values: FloatArray, selectivity: float) -> FloatArray:
    """Probabilities of being a parent, float64[k]: a softmax of the values, clipped at their 95% quantile."""
    scale = np.abs(values).max() or 1.0  # keeps the squares of huge values finite
    scaled = values / scale
    temperature = max(float(scaled.std()) / selectivity, 1e-8 / scale)
    cut = np.minimum(scaled, np.percentile(scaled, 95))
    chances = np.exp((cut - cut.max()) / max(temperature, 1e-300))
    return np.asarray(chances / chances.sum())

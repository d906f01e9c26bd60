"""The solver contract: ask and tell, with the bookkeeping done once for all."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import BudgetExhausted, SolverError

if TYPE_CHECKING:
    from amb.contracts.problem import Problem

Rows = NDArray[Any]  # grid points, int64[n, d], or latents, float64[n, d]


class Solver(ABC):
    """An optimizer that sees nothing but the values of the candidates that it asked for.

    Life cycle::

        solver = MySolver(space, budget=1000, seed=7)
        while solver.remaining:
            candidates = solver.ask()             # int64[n, d], 1 <= n <= remaining
            solver.tell(candidates, measure(candidates))
        best = solver.recommend()                 # int64[d]

    Every `ask` is answered by one `tell` of the same rows in the same order. Higher values are better; NaN
    is a failed measurement. A solver is a function of (space, budget, seed, options, values told): two that
    are told the same ask the same. All randomness comes from `self.rng` (or a generator derived from
    `self.seed`), never from a global state.

    To write one, override `_ask` and, unless it learns nothing, `_tell`. Options are keyword-only arguments
    of `__init__` after `budget` and `seed`, with defaults; a spec like ``mine[step=0.1]`` sets them.

    There are two views of a space. By default `_ask` gives grid points, int[n, d], and `_tell` is told them.
    A *continuous* solver gives latents, float[n, d]; they are rounded here, by `Space.nearest`, the values are
    those of the grid points, and `_tell` is told the solver's own unrounded latents.

    Attributes:
        version: change it whenever the same seed may ask other candidates; it is part of a run's key.
        kinds: the kinds of space that the method can honestly search.
        continuous: whether the method works in the latent box instead of on grid points.
        anytime: False if what is asked depends on the budget (a schedule, a split between methods): then
            runs of different budgets are different runs; otherwise a longer run contains the shorter ones.
        noisy: whether the method has an honest way with noise: it averages or measures again, within its
            budget, and recommends by that and not by the luckiest value.
        white_box: whether the method sees gradients: it is given the problem before its first ask, and never
            ranked among those that see values only.
        failed_queries: what the method makes of a failed query (NaN), in a few words.
        source: where the method comes from, as a citation.
    """

    plugin_kind: ClassVar[str] = "solvers"
    version: ClassVar[str] = "1"
    kinds: frozenset[str] = frozenset({"ordinal", "categorical"})  # an option may narrow it
    continuous: bool = False  # an option may decide it
    anytime: ClassVar[bool] = True
    noisy: ClassVar[bool] = False
    white_box: ClassVar[bool] = False
    failed_queries: ClassVar[str] = ""
    source: ClassVar[str] = ""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        if not isinstance(budget, int | np.integer) or budget < 1:
            raise SolverError(f"budget must be an integer of at least 1, got {budget!r}")
        if space.kind not in self.kinds:
            raise SolverError(
                f"{type(self).__name__} searches {' or '.join(sorted(self.kinds))} spaces, and this one is "
                f"{space.kind}: its codes have no order that the method could use. Leave the problem out, or give the "
                "codes an order where their generator offers one, as [codes=principal]"
            )
        self.space = space
        self.budget = int(budget)
        self.seed = int(seed)
        self.rng = np.random.default_rng(self.seed)
        self.asked = 0
        self._pending: IntArray | None = None
        self._proposed: Rows | None = None  # what `_ask` gave, unrounded
        self._best: IntArray | None = None
        self._best_value = -np.inf

    @property
    def remaining(self) -> int:
        """Queries that may still be asked."""
        return self.budget - self.asked

    def attach(self, problem: "Problem") -> None:
        """Hand a white-box solver the problem whose gradients it may see, once, before its first ask.

        Raises:
            SolverError: this solver is none, or the problem has no gradients.
        """
        raise SolverError(f"{type(self).__name__} sees values only (white_box = False): it is given no problem")

    def ask(self, limit: int | None = None) -> IntArray:
        """Candidates to measure next.

        Args:
            limit: the most that are wanted; without it, as many as suit the method. Never more than what
                remains of the budget.

        Returns:
            int64[n, d] with 1 <= n <= limit.

        Raises:
            BudgetExhausted: the whole budget has been asked.
            SolverError: the last batch has not been told yet, or `limit` is below 1.
        """
        if self._pending is not None:
            raise SolverError(f"tell the {len(self._pending)} candidates asked before asking again")
        if self.remaining == 0:
            raise BudgetExhausted(f"the budget of {self.budget} queries is spent")
        if limit is not None and limit < 1:
            raise SolverError(f"limit must be at least 1, got {limit}")
        most = self.remaining if limit is None else min(limit, self.remaining)
        proposed = np.asarray(self._ask(most))
        candidates = self.space.nearest(proposed) if self.continuous else self.space.check(proposed)
        if not 1 <= len(candidates) <= most:
            raise SolverError(f"{type(self).__name__} asked {len(candidates)} candidates, allowed 1..{most}")
        self._pending, self._proposed = candidates, proposed
        self.asked += len(candidates)
        return candidates.copy()

    def tell(self, candidates: ArrayLike, values: ArrayLike) -> None:
        """Hear the values of the candidates asked last.

        Args:
            candidates: the rows that `ask` returned, in that order.
            values: float[n]; NaN for a query that failed (infinities are taken as NaN).

        Raises:
            SolverError: nothing was asked, or the rows or the number of values differ.
        """
        if self._pending is None:
            raise SolverError("nothing was asked: call ask() before tell()")
        rows = self._pending  # checked by `ask`: what equals them needs no second check
        if not np.array_equal(candidates, rows) or np.asarray(candidates).dtype.kind not in "iu":
            raise SolverError("tell() must be given the rows that ask() returned, in the same order")
        told = np.array(values, dtype=np.float64)
        if told.shape != (len(rows),):
            raise SolverError(f"expected {len(rows)} values, one a candidate, got shape {list(told.shape)}")
        told[~np.isfinite(told)] = np.nan
        proposed, self._pending, self._proposed = self._proposed, None, None
        if self._best is None:
            self._best = rows[0].copy()
        ranked = np.where(np.isnan(told), -np.inf, told)
        leader = int(ranked.argmax())
        if ranked[leader] > self._best_value:
            self._best, self._best_value = rows[leader].copy(), float(ranked[leader])
        self._tell(proposed if self.continuous and proposed is not None else rows, told)

    def recommend(self) -> IntArray:
        """The candidate that the solver would stand by, int64[d]: by default the best one told.

        Raises:
            SolverError: nothing has been told yet.
        """
        if self._best is None:
            raise SolverError("nothing to recommend: no value has been told yet")
        return self._best.copy()

    @abstractmethod
    def _ask(self, limit: int) -> Rows:
        """Between 1 and `limit` grid points, int[n, d]; of a continuous solver, latents, float[n, d]."""

    def _tell(self, candidates: Rows, values: FloatArray) -> None:  # noqa: B027 - optional by design
        """Learn from the values of what `_ask` gave last, in its order; NaN marks a failed query."""

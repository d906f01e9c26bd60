"""Optima-TT: a cross approximation of the objective, and the optimum of that approximation."""

from typing import Any

import numpy as np
import teneva
from teneva.cross import _func, _iter

from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SpecError
from amb_solvers.maxvol.maxvol_search import MaxvolSearch

TAU, TAU0, STEPS, SCALE = 1.1, 1.05, 100, 5  # teneva.cross's defaults: tau, tau0, k0, m_cache_scale


class OptimaTT(MaxvolSearch):
    """Teneva's cross approximation with all but one query, then its search for the train's optimum.

    It asks for the same candidates as ``teneva.cross`` with ``m = budget - 1``, batch after batch, from ``teneva.rand``
    with the same seed. When the next cross no longer fits, or the cross has converged, the train is truncated and
    ``teneva.optima_tt`` finds its largest element, the *final point*, which is always the run's last query. Queries
    that the cross leaves unspent go to the runners-up of the beam search, then to random candidates. The best
    candidate queried is recommended, or with ``answer=final`` the final point; the trace contains both.

    Args:
        r: rank of the initial, random train.
        growth: how much a rank may grow in one step, ``dr_max``.
        width: width of the beam, ``k``.
        cache: whether ``teneva.cross`` gets a cache.
        answer: "best" or "final".
    """

    anytime = False  # the budget decides when the cross ends
    source = "Chertkov, Ryzhakov, Novikov & Oseledets 2022, arXiv:2209.14808 (teneva 0.14.11)"

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        r: int = 1,
        quantized: bool = False,
        order: str = "little",
        cache: bool = True,
        growth: int = 1,
        width: int = 100,
        answer: str = "best",
    ) -> None:
        super().__init__(space, budget=budget, seed=seed, r=r, quantized=quantized, order=order, cache=cache)
        if growth < 0 or width < 1 or answer not in ("best", "final"):
            raise SpecError(
                "expected growth >= 0, width >= 1 and answer best or final, "
                f"got growth={growth}, width={width}, answer={answer}"
            )
        self.growth, self.width, self.answer = growth, width, answer
        self._final: IntArray | None = None
        self._memory: dict[tuple[int, ...], float] | None = {} if cache else None
        self._info = {"m": 0, "m_cache": 0, "m_max": self.budget - 1, "stop": None}
        self._train: list[FloatArray] = teneva.rand(self.levels.tolist(), r, seed=self.seed)
        self._left: list[Any] = [None] * (len(self.levels) + 1)
        self._right: list[Any] = [None] * (len(self.levels) + 1)
        self._carry: FloatArray = np.ones((1, 1))
        self._mode, self._rightwards, self._done = 0, True, False
        self._prepare()

    def recommend(self) -> IntArray:
        """The best candidate queried, or with ``answer=final`` the final point once it is known."""
        if self.answer == "best" or self._final is None:
            return super().recommend()
        return (self.digits.join(self._final[None]) if self.digits else self._final[None])[0]

    def _prepare(self) -> None:
        """Find the first indices from the random train (the package's maxvol pre-iteration)."""
        d, one = len(self.levels), np.ones((1, 1))
        carry = one
        for i in range(d):
            core = np.tensordot(carry, self._train[i], 1)
            self._train[i], carry, self._left[i + 1] = self._step(core, i, self._left[i], 0, True)
        self._train[-1] = np.tensordot(self._train[-1], carry, 1)
        carry = one
        for i in range(d - 1, -1, -1):
            core = np.tensordot(self._train[i], carry, 1)
            self._train[i], carry, self._right[i] = self._step(core, i, self._right[i + 1], 0, False)
        self._train[0] = np.tensordot(carry, self._train[0], 1)

    def _step(self, core: FloatArray, i: int, index: Any, growth: int, rightwards: bool) -> tuple[Any, Any, Any]:
        return _iter(core, self._grid[i], index, TAU, min(1, growth), growth, TAU0, STEPS, ltr=rightwards)

    def _evaluate(self, reply: Any, info: dict[str, Any]) -> Any:
        """The package's `_func` at this mode: float[r1, n, r2], or None if `reply` returns no values."""
        i = self._mode
        return _func(reply, self._grid[i], self._left[i], self._right[i + 1], info, self._memory)

    def _generate(self) -> IntArray:
        while not self._done:
            wanted: list[Any] = []
            core = self._evaluate(wanted.append, self._info)  # `append` returns None: the rows are wanted
            if wanted:
                self._info["stop"] = None
                return self._out(wanted[0])
            if core is None:
                self._finish()
            else:
                self._advance(core)
        return self._out(self._tail())

    def _learn(self, values: FloatArray) -> None:
        filled = self._fill(values)
        if not self._done:
            self._advance(self._evaluate(lambda rows: filled, self._info))

    def _advance(self, core: FloatArray) -> None:
        i, last = self._mode, len(self.levels) - 1
        if self._rightwards:
            self._train[i], self._carry, self._left[i + 1] = self._step(core, i, self._left[i], self.growth, True)
            if i < last:
                self._mode += 1
            else:
                self._train[last] = np.tensordot(self._train[last], self._carry, 1)
                self._rightwards, self._carry = False, np.ones((1, 1))
            return
        self._train[i], self._carry, self._right[i] = self._step(core, i, self._right[i + 1], self.growth, False)
        if i > 0:
            self._mode -= 1
            return
        self._train[0] = np.tensordot(self._carry, self._train[0], 1)
        self._rightwards, self._carry = True, np.ones((1, 1))
        if self._info["m_cache"] > SCALE * self._info["m"]:  # type: ignore[operator]
            self._finish(swept=True)

    def _finish(self, *, swept: bool = False) -> None:
        """End the cross: truncate the train and find its optimum."""
        self._done = True
        if not swept:
            i = self._mode
            operands = (self._carry, self._train[i]) if self._rightwards else (self._train[i], self._carry)
            self._train[i] = np.tensordot(*operands, 1)
        self._queue: list[IntArray] = []
        try:
            with np.errstate(all="ignore"):
                train = teneva.truncate(self._train, 1e-8)
                _, _, final, value = teneva.optima_tt(train, self.width)
                beams = [teneva.optima_tt_beam(train, self.width, l2r=l2r, ret_all=True) for l2r in (True, False)]
                scores = teneva.get_many(train, np.concatenate(beams))
            if not np.isfinite(value):
                raise FloatingPointError(value)
        except (np.linalg.LinAlgError, FloatingPointError, ValueError, IndexError, ZeroDivisionError):
            # A train of zeros (a silent neuron) or of values that overflow has no optimum.
            self._final = self._anywhere(1)[0]
        else:
            self._final = np.asarray(final, dtype=np.int64)
            rows = np.concatenate(beams)[np.argsort(scores, kind="stable")[::-1]]
            self._queue = list(dict.fromkeys(map(tuple, rows.tolist())))  # type: ignore[arg-type]

    def _tail(self) -> IntArray:
        """The rest of the budget: runners-up that were not queried, then random candidates, then the final point."""
        left = self.remaining
        final = self._final
        assert final is not None
        known = self._known.keys() | {tuple(final.tolist())}
        rows = [row for row in self._queue if tuple(row) not in known][: left - 1]
        rows += list(map(tuple, self._anywhere(left - 1 - len(rows)).tolist()))  # type: ignore[arg-type]
        return np.array([*rows, final], dtype=np.int64)


class QuantizedOptimaTT(OptimaTT):
    """Optima-TT on digits."""

    def __init__(self, space: Space, *, budget: int, seed: int, quantized: bool = True, **options: Any) -> None:
        super().__init__(space, budget=budget, seed=seed, quantized=quantized, **options)

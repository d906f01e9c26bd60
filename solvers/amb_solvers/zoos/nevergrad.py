"""Nevergrad's optimizers by name, and its Portfolio in two parametrizations."""

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from amb.contracts.batches import BatchSolver
from amb.contracts.solver import Rows
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import SolverError, SpecError, unknown
from amb_solvers.shared.losses import WorstSoFar
from amb_solvers.shared.private_random import PrivateRandom

Parametrization = Literal["auto", "ordinal", "transition", "choice"]


class Nevergrad(BatchSolver):
    """Any optimizer that Nevergrad registers.

    Nevergrad minimizes, so it receives the negated values. A failed query counts as the worst value so far (before
    the first value, as -1, which is below every activation). Some optimizers draw from numpy's global state; here
    they draw from a private one. Those that run another package's loop in a thread (Cobyla, and NGOpt when it chooses
    that) cannot be pickled; they are restored by replaying their values.

    Args:
        name: a name in ``nevergrad.optimizers.registry``.
        parametrization: "ordinal": a box of real level numbers, ``Array(lower=0, upper=n - 1)``, rounded to the grid
            outside the optimizer, which learns from its own unrounded point. "transition": the paper's
            ``TransitionChoice(range(n), repetitions=d)``, levels with an order. "choice": levels without an order.
            "auto": "ordinal" on ordinal spaces, "choice" on categorical ones.
        workers: candidates per ask, Nevergrad's ``num_workers``. It changes the algorithm: CMA, for example, is much
            better with one.
    """

    version = "1"
    continuous = True
    anytime = False  # Portfolio splits the budget between its parts, others schedule by it
    forked = True
    failed_queries = "counts as the worst value so far"
    source = "Rapin & Teytaud 2018 (nevergrad 1.0.12)"
    ordered: ClassVar[frozenset[str]] = frozenset({"ordinal", "transition"})

    def __init__(
        self,
        space: Space,
        *,
        budget: int,
        seed: int,
        name: str = "CMA",
        parametrization: str = "auto",
        workers: int = 1,
    ) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if parametrization not in get_args(Parametrization):
            choices = ", ".join(get_args(Parametrization))
            raise SpecError(f"parametrization must be one of {choices}, got {parametrization!r}")
        chosen = parametrization != "auto"
        if not chosen:
            parametrization = "ordinal" if space.ordinal else "choice"
        optimizer = self._optimizer_of(name)
        if not space.ordinal and parametrization in self.ordered:
            raise SolverError(
                f"the {parametrization} parametrization needs levels with an order, and this space is "
                f"categorical; use nevergrad[name={name},parametrization=choice]"
            )
        if workers < 1:
            raise SpecError(f"workers must be at least 1, got {workers}")
        self.parametrization = parametrization
        self.continuous = parametrization == "ordinal"
        if chosen and parametrization in self.ordered:
            self.kinds = frozenset({"ordinal"})
        self.workers = workers
        self._losses = WorstSoFar()
        self._asked: list[Any] = []
        self._free = np.flatnonzero(space.levels > 1)  # Nevergrad refuses an axis of one level
        if len(self._free) == 1:
            raise SolverError(
                "spaces of one dimension are refused: Nevergrad's CMA needs the package fcmaes there, and from then on "
                "in every run of the process; use snes or one-plus-lambda"
            )
        self._private = PrivateRandom(self.seed)
        self._optimizer: Any = None
        if len(self._free):
            with self._fence():
                parameters = _parameters(space.levels[self._free], parametrization)
                parameters.random_state = np.random.RandomState(np.random.SeedSequence(self.seed).generate_state(4))
                try:
                    self._optimizer = optimizer(parameters, budget=self.budget, num_workers=workers)
                except ValueError as cause:
                    raise SpecError(f"Nevergrad's {name} refuses these settings: {cause}") from cause

    def _optimizer_of(self, name: str) -> Callable[..., Any]:
        """What makes the optimizer of that name."""
        registry = _nevergrad().optimizers.registry
        registered = {known.strip(): known for known in registry}  # one name ends with a blank, which a spec cannot
        if name not in registered:
            raise unknown("Nevergrad optimizer", name, registered)
        maker: Callable[..., Any] = registry[registered[name]]
        return maker

    def _generate(self) -> Rows:
        from amb_solvers.zoos.nevergrad_remembered import remember

        # No more than its budget, beyond which some optimizers end.
        rows = np.zeros((min(self.workers, self.remaining), self.space.d))
        if self._optimizer is not None:
            with self._fence():
                self._asked = [self._optimizer.ask() for _ in rows]
                if self.continuous:
                    remember(self._optimizer)  # parts are made when they are first asked
            rows[:, self._free] = [candidate.value for candidate in self._asked]
        return self.space.between(rows) if self.continuous else rows.astype(np.int64)

    def _learn(self, values: FloatArray) -> None:
        with self._fence():
            for candidate, value in zip(self._asked, values, strict=False):
                self._optimizer.tell(candidate, self._losses.loss(value))
        self._asked = []

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (type(self),), self.__dict__

    @contextmanager
    def _fence(self) -> Iterator[None]:
        """Private random states, no warnings, and one line if a package is not installed."""
        try:
            with self._private.use(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (ImportError, RuntimeError) as failure:
            # An exception in an optimizer's thread arrives as the cause of a RuntimeError.
            missing = failure if isinstance(failure, ImportError) else failure.__cause__
            if not isinstance(missing, ImportError):
                raise
            raise SolverError(
                f"this optimizer of Nevergrad needs a package that is not installed: {missing}; "
                "install it or choose another optimizer"
            ) from failure


class Portfolio(Nevergrad):
    """Nevergrad's Portfolio (CMA, two-point DE, scrambled Hammersley) on the ordinal box, with one worker."""

    kinds = frozenset({"ordinal"})

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed, name="Portfolio")


class PortfolioTransition(Nevergrad):
    """Nevergrad's Portfolio as the paper's framework runs it: `TransitionChoice` with one worker.

    On a categorical space it treats the codes' arbitrary numbering as an order, as the paper does.
    """

    continuous = False
    ordered = frozenset()

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed, name="Portfolio", parametrization="transition")


@cache
def _nevergrad() -> Any:
    """The package, which is imported when it is needed: that takes seconds, and who reads a study needs none of it."""
    # The import draws from the global random states, and some optimizers' settings depend on what it draws.
    with PrivateRandom(0).use():
        return importlib.import_module("nevergrad")


def _unpickled(cls: type[Nevergrad]) -> Nevergrad:
    """A solver without its state, which pickle then makes of the package's objects."""
    _nevergrad()
    return cls.__new__(cls)


def _parameters(levels: IntArray, parametrization: str) -> Any:
    ng = _nevergrad()
    d, n = len(levels), int(levels[0])
    even = bool((levels == n).all())
    if parametrization == "ordinal":
        # Both bounds in the constructor make a step a sixth of the range; `set_bounds` alone leaves it at one level.
        return ng.p.Array(shape=(d,), lower=0, upper=n - 1 if even else (levels - 1).astype(float))
    choice = ng.p.TransitionChoice if parametrization == "transition" else ng.p.Choice
    if even:
        return choice(range(n), repetitions=d)
    return ng.p.Tuple(*[choice(range(int(levels_j))) for levels_j in levels])

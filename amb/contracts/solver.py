"""The solver contract: ask and tell, with the bookkeeping done in the base class."""

import inspect
from abc import ABCMeta, abstractmethod
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.content import Content
from amb.contracts.real_numbers import as_numbers
from amb.contracts.returned import is_count
from amb.contracts.space import FloatArray, IntArray, Space
from amb.errors import BudgetExhausted, SolverError
from amb.sight import Sight
from amb.spec import whole_number
from amb.text import angled, plural

if TYPE_CHECKING:
    from amb.contracts.problem import Problem
    from amb.contracts.view import View

START = frozenset({"space", "budget", "seed"})
"""The arguments of a solver that are not options."""
KINDS = ("ordinal", "categorical")
KINDS_FORM = "a set of kinds of space, such as frozenset({'ordinal'}); there are 'ordinal' and 'categorical'"


class SolverType(ABCMeta):
    """Lets a solver class be given options before there is a space, and remembers those of an object.

    `MySolver(k=3)` is `functools.partial(MySolver, k=3)`: what `amb.compare` needs to create a solver for every run.
    """

    def __call__(cls, *args: Any, **options: Any) -> Any:
        """A solver; without space, budget and seed, the class with options."""
        if not args and not START & options.keys() and not _binds(cls, options):
            return partial(cls, **options)
        solver = super().__call__(*args, **options)
        by_name = {**_by_name(cls, args), **options}
        solver.given_options = {name: value for name, value in by_name.items() if name not in START}
        return solver


def _by_name(cls: type, args: tuple[Any, ...]) -> dict[str, Any]:
    """Arguments that were given by their position."""
    parameters = [*inspect.signature(cls.__init__).parameters.values()][1:]  # type: ignore[misc]
    by_position = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return dict(zip(by_position, args, strict=False))


def _binds(cls: type, options: dict[str, Any]) -> bool:
    """Whether a class can be created from these arguments alone."""
    try:
        inspect.signature(cls.__init__).bind(None, **options)  # type: ignore[misc]
    except TypeError:
        return False
    return True


Rows = NDArray[Any]  # grid points, int64[n, d], or latents, float64[n, d]


class Solver(metaclass=SolverType):
    """An optimizer that sees the values of the candidates that it asked for, and no more than `sees` says.

    Life cycle::

        solver = MySolver(space, budget=1000, seed=7)
        while solver.remaining:
            candidates = solver.ask()             # int64[n, d], 1 <= n <= remaining
            solver.tell(candidates, respond(candidates))
        best = solver.recommend()                 # int64[d]

    Every `ask` is followed by one `tell` of the same rows in the same order. Higher values are better; NaN
    marks a failed query. A solver is a function of (space, budget, seed, options, values): two solvers that
    receive the same values ask for the same candidates. All randomness comes from `self.rng` (or a generator
    derived from `self.seed`), never from a global state.

    To write one, override `_ask` and, unless the method learns nothing, `_tell`. Options are keyword-only
    arguments of `__init__` after `budget` and `seed`, with defaults; a spec like ``mine[step=0.1]`` sets them.

    There are two views of a space. By default `_ask` returns grid points, int[n, d], and `_tell` receives them.
    A *continuous* solver returns latents, float[n, d]; the base class rounds them with `Space.nearest`, the values
    are those of the grid points, and `_tell` receives the solver's own unrounded latents.

    Attributes:
        version: change it whenever the same seed may lead to different candidates; a run's id depends on it.
        kinds: the kinds of space in which the method makes sense.
        continuous: whether the method works in the latent box instead of on grid points.
        anytime: False if the candidates depend on the budget (a schedule, a split between methods): then runs of
            different budgets are different runs; otherwise a longer run contains the shorter ones.
        noisy: whether the method handles noise: it averages or repeats measurements, within its budget, and bases
            its recommendation on them instead of on the luckiest value.
        foreign: whether the method searches by what it learns of candidates that it did not ask for (`learn`).
        sees: what the method sees besides values, which decides its class (`amb.sight`); classes are ranked apart.
            "values": nothing else. "images": it receives a `View` of the generator before its first ask. "gradients":
            it receives the problem itself and is never ranked.
        networks: names of the targets whose weights an image-seeing method uses; it is refused where one of them is
            the network that is searched.
        forked: whether its runs may be executed in a fork of the process, so that several processors work on a study.
            Not a method of a package that keeps threads (JAX, TensorFlow), an accelerator or a connection.
        failed_queries: what the method does with a failed query (NaN), in a few words.
        source: where the method comes from, as a citation.
        made_of: what the version was made of, if that may change afterwards; None otherwise.
        given_options: the options that an object was created with.
    """

    plugin_kind: ClassVar[str] = "solvers"
    version: ClassVar[str] = "1"
    kinds: frozenset[str] = frozenset({"ordinal", "categorical"})  # an option may narrow it
    continuous: bool = False  # an option may decide it
    anytime: ClassVar[bool] = True
    noisy: ClassVar[bool] = False
    foreign: ClassVar[bool] = False
    sees: ClassVar[Sight] = "values"
    forked: ClassVar[bool] = False
    networks: tuple[str, ...] = ()  # an option may name them
    failed_queries: ClassVar[str] = ""
    source: ClassVar[str] = ""
    made_of: ClassVar[Content | None] = None

    given_options: dict[str, Any]

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        if not is_count(budget):
            raise SolverError(f"budget must be an integer of at least 1, got {budget!r}")
        if not are_kinds(self.kinds):
            raise SolverError(f"{type(self).__name__} has kinds = {self.kinds!r:.60}, but it must be {KINDS_FORM}")
        if space.kind not in self.kinds:
            raise SolverError(
                f"{type(self).__name__} searches {' or '.join(sorted(self.kinds))} spaces, but this one is "
                f"{space.kind}: its codes have no order that the method could use. Leave the problem out, or, if its "
                "generator offers an order of the codes, choose it, as in [codes=principal]"
            )
        self.space = space
        self.budget = int(budget)
        self.seed = whole_number(seed, "the seed", 0)
        self.rng = np.random.default_rng(self.seed)
        self.asked = 0
        self._pending: IntArray | None = None
        self._proposed: Rows | None = None  # what `_ask` returned, unrounded
        self._best: IntArray | None = None
        self._best_value = -np.inf

    def __repr__(self) -> str:
        return angled(self, self._in_words)

    def _in_words(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.given_options.items())
        name = type(self).__name__ + (f"({options})" if options else "")
        best = "" if self._best is None else f", best value {self._best_value:.4g}"
        return f"{name}: {self.asked:,} of {plural(self.budget, 'query', 'queries')} asked{best}"

    @property
    def remaining(self) -> int:
        """Queries that may still be asked."""
        return self.budget - self.asked

    def __init_subclass__(cls) -> None:
        """A class written for amb 0.1 declares `white_box = True`: it must not be ranked among black boxes."""
        super().__init_subclass__()
        if cls.__dict__.get("white_box") and "sees" not in cls.__dict__:
            cls.sees = "gradients"

    def attach(self, problem: "Problem") -> None:
        """Give a white-box solver the problem whose gradients it may see, once, before its first ask.

        Raises:
            SolverError: this is not a white-box solver, or the problem has no gradients.
        """
        raise SolverError(f"{type(self).__name__} does not see gradients (sees = {self.sees!r}) and takes no problem")

    def look(self, view: "View") -> None:
        """Give an image-seeing solver its view of the generator, once, before its first ask.

        Raises:
            SolverError: this is not an image-seeing solver, or it cannot work with these images.
        """
        raise SolverError(f"{type(self).__name__} does not see images (sees = {self.sees!r}) and takes no view")

    def ask(self, limit: int | None = None) -> IntArray:
        """Candidates to measure next.

        Args:
            limit: the largest number wanted; by default the method decides. The rest of the budget is never exceeded.

        Returns:
            int64[n, d] with 1 <= n <= limit.

        Raises:
            BudgetExhausted: the budget is spent.
            SolverError: `tell` has not been called for the last batch, or `limit` is not an integer of at least 1.
        """
        if self._pending is not None:
            raise SolverError(f"call tell() with the values of the last {len(self._pending)} candidates before ask()")
        if self.remaining == 0:
            raise BudgetExhausted(f"the budget of {self.budget} queries is spent")
        if limit is not None and not is_count(limit):
            raise SolverError(f"limit must be an integer of at least 1, got {limit!r}")
        most = self.remaining if limit is None else min(limit, self.remaining)
        proposed = self._ask(most)
        candidates = self.space.nearest(proposed) if self.continuous else self.space.check(proposed)
        if not 1 <= len(candidates) <= most:
            raise SolverError(f"{type(self).__name__} asked for {len(candidates)} candidates; the limits are 1..{most}")
        self._pending, self._proposed = candidates, np.asarray(proposed) if self.continuous else None
        self.asked += len(candidates)
        return candidates.copy()

    def tell(self, candidates: ArrayLike, values: ArrayLike) -> None:
        """Receive the values of the candidates that `ask` returned last.

        Args:
            candidates: the rows that `ask` returned, in that order.
            values: float[n]; NaN for a query that failed (infinities count as NaN).

        Raises:
            SolverError: `ask` was not called before, the rows differ from those it returned, or the number of values is
                wrong.
        """
        if self._pending is None:
            raise SolverError("no candidates are waiting for values: call ask() before tell()")
        rows = self._pending  # checked by `ask`: equal rows need no second check
        if not np.array_equal(candidates, rows) or np.asarray(candidates).dtype.kind not in "iu":
            raise SolverError("tell() takes the rows that ask() returned, in the same order")
        received = _finite_or_nan(values, len(rows))
        proposed, self._pending, self._proposed = self._proposed, None, None
        self._keep_best(rows, received)
        self._tell(proposed if self.continuous and proposed is not None else rows, received)

    def learn(self, candidates: ArrayLike, values: ArrayLike) -> None:
        """Receive values of candidates that another search asked for, between a `tell` and the next `ask`.

        In a recording of several neurons, one presentation answers for all of them. Foreign candidates cost no budget.
        Any solver may recommend them; a method that declares `foreign` also searches by them. A solver is then a
        function of these values too.

        Args:
            candidates: int[n, d], grid points of the solver's space.
            values: float[n], the response of the solver's own neuron; NaN for a query that failed.

        Raises:
            SolverError: the solver waits for the values of its own candidates, or the number of values is wrong.
            CandidateError: wrong shape, type or range.
        """
        if self._pending is not None:
            raise SolverError("call tell() with the values of the solver's own candidates before learn()")
        rows = self.space.check(candidates)
        received = _finite_or_nan(values, len(rows))
        if not len(rows):
            return
        self._keep_best(rows, received)
        self._learn_foreign(self.space.decode_checked(rows) if self.continuous else rows, received)

    def _keep_best(self, rows: IntArray, values: FloatArray) -> None:
        if self._best is None:
            self._best = rows[0].copy()
        ranked = np.where(np.isnan(values), -np.inf, values)
        leader = int(ranked.argmax())
        if ranked[leader] > self._best_value:
            self._best, self._best_value = rows[leader].copy(), float(ranked[leader])

    def recommend(self) -> IntArray:
        """The candidate that the solver recommends, int64[d]: by default the one with the best value so far.

        Raises:
            SolverError: before the first `tell`.
        """
        if self._best is None:
            raise SolverError("nothing to recommend: the solver has received no value yet")
        return self._best.copy()

    @abstractmethod
    def _ask(self, limit: int) -> Rows:
        """Return between 1 and `limit` grid points, int[n, d]; in a continuous solver, latents, float[n, d]."""

    def _tell(self, candidates: Rows, values: FloatArray) -> None:
        """Learn from the values of what `_ask` returned last, in its order; NaN marks a failed query."""

    def _learn_foreign(self, candidates: Rows, values: FloatArray) -> None:
        """Learn from candidates of others; in a continuous solver, from their latents, float[n, d]."""


def recommends_a_query(cls: type[Solver]) -> bool:
    """Whether a solver of this class recommends one of its queries, as it does unless it overrides `recommend`."""
    return cls.recommend is Solver.recommend


def are_kinds(declared: object) -> bool:
    """Whether these are kinds of space; in a text, each kind would be found by a part of its name."""
    return isinstance(declared, Collection) and not isinstance(declared, str) and all(k in KINDS for k in declared)


def declared_kinds(cls: type[Solver]) -> tuple[str, ...]:
    """The kinds of space that a class declares, "ordinal" first; () if its options decide, in a property."""
    return tuple(kind for kind in KINDS if kind in cls.kinds) if are_kinds(cls.kinds) else ()


def _finite_or_nan(values: ArrayLike, expected: int) -> FloatArray:
    """A copy of the values of some candidates, in which infinities are NaN."""
    try:
        received = as_numbers(values)
    except ValueError as cause:
        raise SolverError(f"{cause}, as the values of {expected} candidates") from cause
    if received.shape != (expected,):
        raise SolverError(f"expected {expected} values, one per candidate, got shape {list(received.shape)}")
    received[~np.isfinite(received)] = np.nan
    return received

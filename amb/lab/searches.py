"""The solvers of an experiment, brought to where the journal says they are."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from amb.catalogue.generators import generator
from amb.catalogue.solvers import SolverSpec, resolve
from amb.contracts.generator import Generator, Grid
from amb.contracts.solver import Solver
from amb.contracts.space import IntArray
from amb.contracts.view import View
from amb.errors import AmbError, LabError
from amb.foreign import contained, in_a_line
from amb.interruption import Receiver, from_user, is_a
from amb.lab.experiment import Experiment, Search
from amb.lab.history import stimulus_name
from amb.lab.journal import Ask, Learned, Start
from amb.spec import Spec


def resolve_generator(text: str) -> tuple[Generator, Grid]:
    """The generator of a spec such as `cifar10-sngan[grid=quantile]`, loaded, and the grid that its options choose.

    Raises:
        SpecError: no such generator or option.
    """
    spec = Spec.parse(text)
    with contained():
        loaded = generator(spec.name)
        return loaded, loaded.grid(**dict(spec.options))


def resolve_solver(search: Search) -> SolverSpec:
    """The solver of a search.

    Raises:
        LabError: it needs gradients, which no neuron has.
        SpecError: no such solver or option.
    """
    spec = resolve(search.solver)
    if spec.cls.sees == "gradients":
        raise LabError(f"search {search.name}: {spec} needs the gradients of the neuron; choose one that sees values")
    return spec


@contextmanager
def one_line(search: str) -> Iterator[None]:
    """Call a solver by the rule for the code of plug-ins (`amb.foreign`): what it raises is told in a line.

    Raises:
        LabError: the solver failed, whatever it raised; an error of `amb` is raised as it is.
    """
    with Receiver():  # which tells the user's Ctrl-C from a solver's
        try:
            with contained():
                yield
        except BaseException as cause:
            if from_user(cause) or is_a(cause, AmbError):
                raise
            why = f"the solver of search {search} failed: {in_a_line(cause)}"
            raise LabError(f"{why}; all responses are kept") from cause


class Searches:
    """The solvers of an experiment's searches.

    A solver is a function of its seed and the values that it was told, so it is brought up to date by telling a new one
    the values in the journal; what it asks for is checked against the journal.
    """

    def __init__(self, start: Start, view: View, *, trials: int, limits: Mapping[str, int]) -> None:
        """Fresh solvers.

        Args:
            start: what the journal begins with.
            view: the generator and the grid that is searched.
            trials: the budget of today's settings, which may be another than at the start.
            limits: the sum of the limits with which each search was asked before; its solver is asked so again, even
                if today's budget is smaller.

        Raises:
            LabError: a solver is of another version than at the start, or cannot take a larger budget.
            SolverError: a solver cannot search this space.
        """
        self.trials = trials
        self._solvers: dict[str, Solver] = {}
        self._asked: dict[str, IntArray] = {}
        self._levels: dict[str, IntArray] = {}  # of every stimulus
        self._counts: dict[str, int] = {}  # stimuli of each search
        for search in start.experiment.searches:
            spec = resolve_solver(search)
            if spec.cls.version != start.solvers[search.name]:
                raise LabError(
                    f"the experiment was started with version {start.solvers[search.name]} of {spec}, but this is "
                    f"version {spec.cls.version}, which may ask for other stimuli: install the amb that started it"
                )
            budget = start.budgets[search.name]
            if trials != start.experiment.trials and not spec.cls.anytime:
                raise LabError(
                    f"trials was {start.experiment.trials} at the start, and {spec} plans with its whole budget: "
                    "put it back"
                )
            budget = max(trials, limits.get(search.name, 0)) if spec.cls.anytime else budget
            seed = stream(start.experiment.seed, search.name)
            with one_line(search.name):
                self._solvers[search.name] = spec.start_with(view, budget=budget, seed=seed)

    def ask(self, search: str, told: tuple[float | None, ...], limit: int, learned: tuple[Learned, ...] = ()) -> Ask:
        """Tell a solver the values of its last candidates, if it has any, and of others', and ask it for the next.

        Raises:
            LabError: the solver broke its contract.
        """
        solver = self._solvers[search]
        with one_line(search):
            if told:
                values = np.array([np.nan if value is None else value for value in told], dtype=np.float64)
                solver.tell(self._asked[search].copy(), values)  # these rows stay the stimuli's levels
            if learned:
                rows = np.stack([self._levels[one.stimulus] for one in learned])
                solver.learn(rows, np.array([one.value for one in learned]))
            limit = min(limit, solver.remaining)
            rows = solver.ask(limit) if limit else np.empty((0, solver.space.d), np.int64)
            candidates = self._asked[search] = solver.space.check(rows)
        self._name(search, candidates)
        return Ask(search, told, limit, tuple(tuple(row) for row in candidates.tolist()), learned)

    def replay(self, ask: Ask) -> None:
        """Repeat what the journal says a solver did.

        Raises:
            LabError: the solver asks for other candidates now.
        """
        if self.ask(ask.search, ask.told, ask.limit, ask.learned) != ask:
            raise LabError(
                f"the solver of search {ask.search} asks for other stimuli than it did before: a package that it uses "
                "has changed; install the versions that the experiment was started with"
            )

    def pass_over(self, ask: Ask) -> None:
        """Account for stimuli that a solver proposed from responses that were corrected later; it never did so now."""
        self._name(ask.search, np.array(ask.candidates, dtype=np.int64))

    def _name(self, search: str, candidates: IntArray) -> None:
        first = 1 + self._counts.get(search, 0)
        self._counts[search] = first - 1 + len(candidates)
        self._levels |= {stimulus_name(search, number): row for number, row in enumerate(candidates, first)}


def batch_sizes(experiment: Experiment) -> dict[str, int]:
    """How many stimuli each search's solver asks for at a time at first, at most `block.candidates`."""
    generator, grid = resolve_generator(experiment.generator)
    view = generator.view(grid)
    limit = experiment.block.candidates
    sizes = {}
    for search in experiment.searches:
        with one_line(search.name):
            solver = resolve_solver(search).start_with(view, budget=experiment.trials, seed=0)
            sizes[search.name] = len(solver.ask(min(limit, solver.remaining)))
    return sizes


def stream(seed: int, name: str) -> int:
    """The seed of what belongs to a name, independent of all others."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big")


def planned_candidates(experiment: Experiment, references: int) -> int:
    """How many candidates of each search the budget is enough for, at least 1, if no trial is lost.

    Args:
        experiment: the settings.
        references: number of reference images.
    """
    block, searches = experiment.block, len(experiment.searches)
    others = references * block.references + searches * block.best + block.blanks
    blocks, rest = divmod(experiment.trials, others + searches * block.candidates * block.repeats)
    last = max(0, (rest - others) // (searches * block.repeats))
    return max(1, blocks * block.candidates + last)

"""Solvers and problems that are given as objects or classes in place of names.

Studies, journals and tables know solvers and problems by name, so every object gets one: of a solver its registered
name or ``module:Class``, with its options; of a problem its id. Another process finds an object by its name only if it
can import or look up the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from amb.catalogue import problems as catalogue
from amb.catalogue.families import problem_of
from amb.catalogue.plugins import instance_of
from amb.catalogue.solvers import SolverSpec, is_importable, resolve, spec_of
from amb.contracts.family import Family, layers_of
from amb.contracts.generator import Generator
from amb.contracts.objective import Bounds, objective
from amb.contracts.problem import REQUIRED, FunctionProblem, Problem
from amb.contracts.returned import attributes
from amb.contracts.solver import Solver
from amb.contracts.suite import Suite
from amb.contracts.target import Target
from amb.errors import PluginError, SpecError
from amb.fingerprint import fingerprint
from amb.spec import Spec, foreign_sign, split_specs

SolverLike = str | type[Solver] | Solver | partial[Solver]
"""A spec; a solver class, with or without options (``MySolver(k=3)``, ``functools.partial(MySolver, k=3)``); or a
solver object, which stands for its class and its options: every run gets a fresh one."""

ProblemLike = str | Problem | type[Problem] | Family | type[Family] | Suite | Callable[..., float]
"""A suite, id, glob or range; a problem; a family, for all its problems; a suite object; a function of a point."""


MOST_ITEMS = 1_000_000
"""Solvers or problems that are taken from one iterable: more than a study has runs."""


@dataclass(frozen=True)
class Given:
    """The objects that a comparison was given, by the names that they have in it.

    Attributes:
        solvers: resolved solvers by their canonical spec.
        problems: problems by their id.
    """

    solvers: Mapping[str, SolverSpec] = field(default_factory=dict)
    problems: Mapping[str, Problem] = field(default_factory=dict)

    def solver(self, spec: str) -> SolverSpec:
        """A solver by its spec: one of these, or a registered one.

        Raises:
            SpecError: see `amb.catalogue.solvers.resolve`.
        """
        return self.solvers[spec] if spec in self.solvers else resolve(spec)

    def problem(self, spec: str, *, device: str) -> Problem:
        """A problem by its id: one of these, where it is; or one of the catalogue, on a device.

        Raises:
            SpecError: see `amb.catalogue.problems.problem`.
        """
        return self.problems[spec] if spec in self.problems else catalogue.problem(spec, device=device)

    def unnamed(self) -> tuple[str, ...]:
        """Names that mean these objects in this process only: nothing else finds them by it."""
        return (
            *(name for name, spec in self.solvers.items() if not is_importable(spec)),
            *(name for name, problem in self.problems.items() if not _is_in_catalogue(problem)),
        )


def name_solvers(given: SolverLike | Sequence[SolverLike]) -> tuple[list[str], dict[str, SolverSpec]]:
    """The specs of solvers, and what those mean that were given as objects or classes.

    Raises:
        SpecError: something that is not a solver, an option that a spec cannot state, or two classes of one name.
        PluginError: a class that leaves out a method of its contract.
    """
    names: list[str] = []
    objects: dict[str, SolverSpec] = {}
    for item in _items(given, "solvers"):
        if isinstance(item, str):
            names += split_specs(item)
            continue
        spec = _solver_spec(item)
        name = str(spec)
        if name in objects and objects[name].cls is not spec.cls:
            raise SpecError(f"two solver classes are called {name}; rename one")
        objects[name] = spec
        names.append(name)
    return names, objects


def name_problems(
    given: ProblemLike | Sequence[ProblemLike], bounds: Bounds | None = None
) -> tuple[list[str], dict[str, Problem]]:
    """The names of problems, and what those mean that were given as objects or classes.

    Args:
        given: problems.
        bounds: of the points of functions among them (`amb.objective`).

    Raises:
        SpecError: something that is not a problem, an id that cannot name runs, or two problems of one id.
        PluginError: a problem that does not set an attribute of its contract.
    """
    names: list[str] = []
    objects: dict[str, Problem] = {}
    functions = False
    for item in _items(given, "problems"):
        functions = functions or _is_function(item)
        if isinstance(item, str):
            names += split_specs(item)
            continue
        if isinstance(item, Suite):
            names += item.problems
            continue
        for problem in _problems_of(item, bounds):
            twin = objects.setdefault(problem.id, problem)
            if twin.fingerprint != problem.fingerprint or _differ(twin, problem):
                raise SpecError(f"two problems are called {problem.id}; give one of them, or its target, another name")
            names.append(problem.id)
    if bounds is not None and not functions:
        raise SpecError(f"bounds belong to a function of a point, and none of {given!r:.80} is one")
    return names, objects


def given_suite(given: object) -> Suite | None:
    """The suite object that was given, if it is all that was given."""
    alone = given[0] if isinstance(given, list | tuple) and len(given) == 1 else given
    return alone if isinstance(alone, Suite) else None


def _differ(one: Problem, other: Problem) -> bool:
    """Whether two problems of one id are defined by different functions, whose versions were left the same."""
    if not (isinstance(one, FunctionProblem) and isinstance(other, FunctionProblem)):
        return False
    if one.function is other.function:
        return False
    try:
        return fingerprint(one.function) != fingerprint(other.function)
    except SpecError:  # their content cannot be told: two objects are two functions
        return True


def _items(given: object, what: str) -> Iterator[object]:
    """The items of a list or another iterable; a text, an object of `amb` and a function are one item in any case.

    One by one, so that the first that is nothing of the kind ends it: an iterable may be as long as it likes.

    Raises:
        SpecError: there are too many.
    """
    single = isinstance(given, str | bytes | Solver | Problem | Family | Suite | Target | Generator) or callable(given)
    single = single or getattr(given, "ndim", None) == 0  # an array of one value says that it is iterable
    for number, item in enumerate(given if isinstance(given, Iterable) and not single else [given]):
        if number >= MOST_ITEMS:
            raise SpecError(f"more than {MOST_ITEMS:,} {what}; ask for fewer")
        yield item


def _solver_spec(item: object) -> SolverSpec:
    if isinstance(item, Solver):
        return spec_of(type(item), item.given_options)
    cls, options = (item.func, item.keywords) if isinstance(item, partial) else (item, {})
    if not (isinstance(cls, type) and issubclass(cls, Solver)) or (isinstance(item, partial) and item.args):
        raise SpecError(
            f"expected a solver's name, an amb.Solver class, with or without options, or an object; got {item!r:.80}"
        )
    return spec_of(cls, options)


def _problems_of(item: object, bounds: Bounds | None) -> list[Problem]:
    if isinstance(item, type) and issubclass(item, Problem | Family):
        item = instance_of(item)
    if isinstance(item, Family):
        listed = [(layer, unit) for layer, number in layers_of(item).items() for unit in range(number)]
        made = [_named(problem_of(item, layer, (unit,), device="cpu", options={})) for layer, unit in listed]
        if len({id(problem) for problem in made}) < len(made):
            raise PluginError(f"{type(item).__name__} returned one object for several problems; each needs its own")
        return made
    if isinstance(item, Problem):
        attributes(item, REQUIRED, "amb.Problem", f"problem {type(item).__name__}")
        return [_named(item)]
    if isinstance(item, Target | Generator):
        raise SpecError(
            f"{item.name} alone is not a problem: a problem is a generator, a target and a unit, such as "
            "amb.target(...).problem(generator, unit), and amb.target(...).family(generator) is all of them"
        )
    if _is_function(item):
        if bounds is None:
            raise SpecError(
                f"{item!r:.80} is a function: say where, as in amb.compare(..., bounds=[(-5, 5)] * 8); "
                "amb.objective(function, bounds) has more options"
            )
        return [objective(item, bounds)]  # type: ignore[arg-type]
    raise SpecError(f"expected a problem's name, an amb.Problem, an amb.Family or an amb.Suite; got {item!r:.80}")


def _is_function(item: object) -> bool:
    return callable(item) and not isinstance(item, type | Problem | Family | Target | Generator)


def _named(problem: Problem) -> Problem:
    """A problem whose id can name its runs."""
    if hint := _fault(problem.id):
        raise SpecError(f"the id {problem.id!r} cannot name runs: {hint}")
    return problem


def _fault(problem_id: str) -> str:
    """What is to be changed in an id so that it can name runs; empty if it can."""
    parts = problem_id.partition("[")[0].split("/")
    for place, part in enumerate(parts):
        sign = foreign_sign(part, globs=len(parts) == 4 and place == 2)  # a layer's own name comes before a glob
        if sign is not None:
            why = "stands for several names" if sign in "*?" else "cannot be in a name"
            return f"{sign!r} {why}; use letters, digits, dashes and slashes, as in mine/bowl/only/1"
    try:
        canonical = str(Spec.parse(problem_id))
    except SpecError as cause:
        return str(cause)
    return "" if canonical == problem_id else f"write {canonical!r}"


def _is_in_catalogue(problem: Problem) -> bool:
    try:
        return catalogue.problem(problem.id).fingerprint == problem.fingerprint
    except Exception:  # a family may raise anything, and then it does not find the problem
        return False

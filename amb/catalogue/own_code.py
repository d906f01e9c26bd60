"""The code of one's own solvers and problems, by which an edit is noticed.

A solver's class states its version, a problem or what it is composed of a fingerprint, and who edits their code may
forget to change them. Installed packages have versions of their own.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping

from amb.catalogue import problems as catalogue
from amb.catalogue.given import Given
from amb.catalogue.solvers import SolverSpec
from amb.contracts.generator import Generator
from amb.contracts.problem import FunctionProblem, Problem
from amb.contracts.target import Target
from amb.errors import AmbError
from amb.fingerprint import fingerprint
from amb.foreign import contained
from amb.installed import installed
from amb.spec import ProblemId, Spec


def codes_of(solvers: Iterable[SolverSpec], problems: Mapping[str, Problem], given: Given) -> dict[str, str]:
    """Hashes of the code of solvers and problems by their names, comparable within one version of Python.

    Left out are those of installed packages, those whose name, version or fingerprint is made of their code, and those
    whose code cannot be told.

    Args:
        solvers: resolved.
        problems: by the ids that they were asked for by.
        given: what was given as an object; other problems are of a family.
    """
    parts: dict[str, tuple[object, ...]] = {}
    for solver in solvers:
        if solver.made_of is None:
            parts[str(solver)] = tuple(_own([solver.cls]))
    for name, problem in problems.items():
        if problem.made_of is None:
            parts[name] = tuple(_own(_parts(problem, named=name not in given.problems)))
    hashes: dict[tuple[int, ...], str | None] = {}
    codes = {}
    for name, own in parts.items():
        key = tuple(map(id, own))  # units of one network have one code
        if key not in hashes:
            hashes[key] = _hash(own) if own else None
        if (code := hashes[key]) is not None:
            codes[name] = code
    return codes


def _own(parts: Iterable[object]) -> Iterator[object]:
    """Those that are no classes of installed packages."""
    return (part for part in parts if not (isinstance(part, type) and installed(part)))


def _parts(problem: Problem, *, named: bool) -> Iterator[object]:
    """Classes and functions that a problem's values come from."""
    yield type(problem)
    for held in getattr(problem, "__dict__", {}).values():
        yield from (
            type(each) for each in getattr(held, "__dict__", {}).values() if isinstance(each, Generator | Target)
        )
    if named:
        yield type(catalogue.family(ProblemId.parse(Spec.parse(problem.id).name).pair))
    elif isinstance(problem, FunctionProblem):  # a family's class has the code of its functions
        yield from (each for each in (problem.function, problem.render) if each is not None)


def _hash(parts: tuple[object, ...]) -> str | None:
    try:
        with contained():
            return f"{sys.version_info.major}.{sys.version_info.minor} {fingerprint(*parts)}"
    except AmbError:  # they name an open file, say
        return None

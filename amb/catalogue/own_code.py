"""The code of one's own solvers and problems, by which an edit is noticed.

A solver's class states its version, a problem or what it is composed of a fingerprint, and who edits their code may
forget to change them. Installed packages have versions of their own.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice
from types import FunctionType, MethodType

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
from amb.study.codes import code_of, key

_Part = tuple[str, object]
"""What it is, and the part itself: parts of one kind are compared."""
MOST_HELD = 1000
"""Objects that are looked through for the code that one of one's own holds: some hold millions of numbers."""


def codes_of(solvers: Iterable[SolverSpec], problems: Mapping[str, Problem], given: Given) -> dict[str, str]:
    """Hashes of the code of solvers and problems, see `amb.study.codes`, comparable within one version of Python.

    Left out are those of installed packages, those whose name, version or fingerprint is made of their code, and those
    whose code cannot be told.

    Args:
        solvers: resolved.
        problems: by the ids that they were asked for by.
        given: what was given as an object; other problems are of a family.
    """
    parts: dict[str, list[_Part]] = {}
    for solver in solvers:
        if solver.made_of is None:
            parts[key(str(solver), solver.cls.version)] = [("part", solver.cls)]
    looked_through: dict[int, tuple[object, list[object]]] = {}  # units of one network share it
    for name, problem in problems.items():
        if problem.made_of is None:
            with contained():
                found: list[_Part] = []
                for kind, each in _composed_of(problem, named=name not in given.problems):
                    if id(each) not in looked_through:
                        looked_through[id(each)] = each, _held(each)
                    found += [(kind, held) for held in looked_through[id(each)][1]]
                if name in given.problems and isinstance(problem, FunctionProblem):  # a family's class has theirs
                    found += [("function", each) for each in (problem.function, problem.render) if each is not None]
                parts[key(name, problem.fingerprint)] = found
    hashes: dict[int, str | None] = {}
    codes = {}
    for name, some in parts.items():
        own = [(kind, part) for kind, part in some if not (isinstance(part, type | FunctionType) and installed(part))]
        for _, part in own:
            if id(part) not in hashes:
                hashes[id(part)] = _hash(part)
        if known := [(kind, code) for kind, part in own if (code := hashes[id(part)]) is not None]:
            codes[name] = code_of(f"{sys.version_info.major}.{sys.version_info.minor}", known)
    return codes


def _composed_of(problem: Problem, *, named: bool) -> Iterator[_Part]:
    """Objects that a problem's values come from."""
    yield "part", problem
    for held in getattr(problem, "__dict__", {}).values():
        parts = getattr(held, "__dict__", {}).values()
        yield from (("part", each) for each in parts if isinstance(each, Generator | Target))
    if named:
        yield "family", catalogue.family(ProblemId.parse(Spec.parse(problem.id).name).pair)


def _held(part: object) -> list[object]:
    """An object's class, and the classes and functions that it holds, however deep.

    What objects of installed packages hold is theirs to tell: a network's answers are part of its fingerprint.
    """
    found: list[object] = [type(part)]
    seen: dict[int, object] = {}
    waiting = deque([part])
    while waiting and len(seen) < MOST_HELD:
        each = waiting.popleft()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, list | tuple | set | frozenset | dict):
            waiting.extend(islice(each.values() if isinstance(each, dict) else each, MOST_HELD))
        elif isinstance(each, MethodType):
            waiting.extend([each.__func__, each.__self__])
        elif isinstance(each, partial):
            waiting.extend([each.func, each.args, each.keywords])
        elif isinstance(each, type | FunctionType):
            found.append(each)
        elif not installed(type(each)):
            found.append(type(each))
            waiting.append(getattr(each, "__dict__", {}))
    return found


def _hash(part: object) -> str | None:
    try:
        with contained():
            return fingerprint(part, lenient=True)
    except AmbError:  # its objects are nested too deeply, say
        return None

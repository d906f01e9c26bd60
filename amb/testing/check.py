"""Running all cases on a solver and saying how each ended."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amb.contracts.solver import Solver
from amb.testing.cases import CASES, Case
from amb.testing.subject import NotApplicable, Subject, Violation

Result = Literal["held", "broken", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """How one case ended, and why if it was not held."""

    case: Case
    result: Result
    reason: str = ""


def try_case(case: Case, subject: Subject) -> Outcome:
    """Run one case; whatever the solver raises breaks it."""
    try:
        case.run(subject)
    except NotApplicable as reason:
        return Outcome(case, "skipped", str(reason))
    except Violation as violation:
        return Outcome(case, "broken", str(violation))
    except Exception as error:
        return Outcome(case, "broken", f"{type(error).__name__}: {error}{_where(error)}")
    return Outcome(case, "held")


def check_solver(solver: str | type[Solver], *, heard: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Try every case on a solver.

    Args:
        solver: a name, a spec, ``module:Class``, or a class.
        heard: is told each outcome as it comes.

    Raises:
        SpecError, PluginError: no such solver, or it cannot be loaded.
    """
    subject = Subject(solver)
    outcomes = []
    for case in CASES:
        outcomes.append(try_case(case, subject))
        if heard is not None:
            heard(outcomes[-1])
    return outcomes


def passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether no case is broken, and some were held: a solver that skips everything has shown nothing."""
    results = {outcome.result for outcome in outcomes}
    return "broken" not in results and "held" in results


def _where(error: Exception) -> str:
    """The innermost line outside the bench, where the mistake most likely is."""
    bench = Path(__file__).parents[1]
    lines = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    outside = [(file, line) for file, line in lines if bench not in file.parents]
    return f" ({outside[-1][0].name}:{outside[-1][1]})" if outside else ""

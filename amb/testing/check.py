"""Running all cases on a solver and reporting the result of each."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amb.contracts.solver import Solver
from amb.foreign import in_a_line
from amb.interruption import from_user
from amb.testing.cases import CASES, Case
from amb.testing.subject import NotApplicable, Subject, Violation

Result = Literal["held", "broken", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """The result of one case, with a reason unless the rule was held."""

    case: Case
    result: Result
    reason: str = ""


def try_case(case: Case, subject: Subject) -> Outcome:
    """Run one case; any exception of the solver breaks its rule."""
    try:
        case.run(subject)
    except NotApplicable as reason:
        return Outcome(case, "skipped", str(reason))
    except Violation as violation:
        return Outcome(case, "broken", str(violation))
    except BaseException as error:
        if from_user(error):
            raise
        return Outcome(case, "broken", f"{in_a_line(error)}{_where(error)}")
    return Outcome(case, "held")


def check_solver(solver: str | type[Solver], *, progress: Callable[[Outcome], None] | None = None) -> list[Outcome]:
    """Run every case on a solver.

    Args:
        solver: a name, a spec, ``module:Class``, or a class.
        progress: called with each outcome as it becomes known.

    Raises:
        SpecError, PluginError: unknown solver, or it cannot be loaded.
    """
    subject = Subject(solver)
    outcomes = []
    for case in CASES:
        outcomes.append(try_case(case, subject))
        if progress is not None:
            progress(outcomes[-1])
    return outcomes


def passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether no rule is broken and at least one was held: a solver that skips every case does not pass."""
    results = {outcome.result for outcome in outcomes}
    return "broken" not in results and "held" in results


def _where(error: BaseException) -> str:
    """The innermost line outside `amb` and the standard library, where the mistake most likely is; "" if none."""
    core, stdlib = Path(__file__).parents[1], Path(traceback.__file__).parent
    lines = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    outside = [
        (file, line)
        for file, line in lines
        if core not in file.parents and (stdlib not in file.parents or "site-packages" in file.parts)
    ]
    return f" ({outside[-1][0].name}:{outside[-1][1]})" if outside else ""

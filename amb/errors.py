"""Everything that `amb` raises on purpose: one base class, so that a caller can catch it whole."""

from collections.abc import Iterable
from difflib import get_close_matches


class AmbError(Exception):
    """Base class of all errors that a user can mend; the command line prints one line and exits with 2."""


class SpecError(AmbError):
    """A spec string, an option or a name that cannot be understood."""


class PluginError(AmbError):
    """A plug-in that cannot be imported, or two of one name."""


class CandidateError(AmbError):
    """Candidates of a wrong shape, type or range."""


class SolverError(AmbError):
    """A solver used or behaving against its contract."""


class BudgetExhausted(SolverError):
    """A solver was asked again after its whole budget had been asked."""


class StudyError(AmbError):
    """A study folder that cannot be read, written or extended."""


class DataError(AmbError):
    """A data set that is missing or damaged."""


class CheckpointError(AmbError):
    """A checkpoint that is missing or damaged."""


def unknown(what: str, name: str, known: Iterable[str], error: type[AmbError] = SpecError) -> AmbError:
    """An error for `name` that also gives the nearest of the `known` names."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.4)
    mend = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names) or 'none'}"
    return error(f"unknown {what} {name!r}; {mend}")

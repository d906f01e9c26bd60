"""Whether the code of a solver of one's own is still that of its stored runs.

A solver's class states its version, and who edits the class may forget to raise it. Installed packages have versions of
their own.
"""

import sys

from amb.catalogue.solvers import SolverSpec
from amb.errors import AmbError
from amb.fingerprint import fingerprint
from amb.foreign import contained
from amb.installed import installed


def code_of(solver: SolverSpec) -> str | None:
    """A hash of a solver's code, which is comparable within one version of Python.

    Returns:
        None for a class of an installed package, for one whose version or name is made of its code, and where the code
        cannot be told.
    """
    if installed(solver.cls) or solver.made_of is not None:
        return None
    try:
        with contained():
            return f"{sys.version_info.major}.{sys.version_info.minor} {fingerprint(solver.cls)}"
    except AmbError:  # it names an open file, say
        return None

"""Optional packages, which amb's extras install."""

from importlib import import_module
from types import ModuleType

from amb.errors import SolverError


def extra(module: str, name: str = "") -> ModuleType:
    """Import a module that needs an extra of amb.

    Args:
        module: the module to import.
        name: the extra; by default it has the module's name.

    Raises:
        SolverError: a package is not installed; the message says how to install it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        package = (missing.name or module).split(".")[0]
        note = " on Python 3.12 or older" if package == "protes" else ""  # its numpy has no newer wheels
        raise SolverError(
            f"this solver needs the package {package}, which is not installed: "
            f"pip install 'amb[{name or module}]'{note}"
        ) from missing

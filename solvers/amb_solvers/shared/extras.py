"""Packages that are not installed with amb unless asked for."""

from importlib import import_module
from types import ModuleType

from amb.errors import SolverError


def extra(package: str) -> ModuleType:
    """Import a package that is an extra of amb by its own name.

    Raises:
        SolverError: it is not installed; the message has pip's command.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as missing:
        raise SolverError(
            f"this solver needs the package {missing.name}, which is not installed; "
            f"pip install 'amb[{package}]' brings it"
        ) from missing

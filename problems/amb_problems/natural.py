"""The shipped responses of targets to their data sets, one compressed file for each target, never a pickle.

`python -m amb_problems.tables.natural --data DIR` writes them.
"""

from importlib import resources
from pathlib import Path

from amb.contracts.natural import NaturalResponses
from amb.errors import DataError
from amb.foreign import in_a_line
from amb.study.untrusted import MEBIBYTE, open_file, parse_arrays, refuse_unreadable

LARGEST = 1024 * MEBIBYTE


def file_of(name: str) -> Path:
    """The file of a target, whether or not there is one."""
    return Path(str(resources.files("amb_problems") / "natural_responses")) / f"{name}.npz"


def load(name: str, fingerprint: str) -> NaturalResponses | None:
    """The shipped responses of a target; None if there are none for weights of this fingerprint.

    Raises:
        DataError: the file is damaged.
        UnreadableError: it cannot be read.
    """
    file = file_of(name)
    if not file.is_file():
        return None
    try:
        with open_file(file, LARGEST, links=True) as archive:
            responses = NaturalResponses.from_arrays(parse_arrays(archive))
    except Exception as error:  # damaged archives raise many kinds
        refuse_unreadable(file, error)
        raise DataError(
            f"{file} is damaged ({in_a_line(error)}); reinstall amb (pip install --force-reinstall amb)"
        ) from error
    return responses if responses.fingerprint == fingerprint else None

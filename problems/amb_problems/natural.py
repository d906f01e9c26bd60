"""The shipped responses of targets to their data sets, one compressed file for each target, never a pickle.

`python -m amb_problems.tables.natural --data DIR` writes them.
"""

from importlib import resources
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from amb.contracts.natural import NaturalResponses


def file_of(name: str) -> Path:
    """The file of a target, whether or not there is one."""
    return Path(str(resources.files("amb_problems") / "natural_responses")) / f"{name}.npz"


def load(name: str, fingerprint: str) -> NaturalResponses | None:
    """The shipped responses of a target; None if there are none for weights of this fingerprint."""
    try:
        with np.load(file_of(name), allow_pickle=False) as arrays:
            responses = NaturalResponses.from_arrays(dict(arrays))
    except (OSError, KeyError, ValueError, TypeError, EOFError, BadZipFile):
        return None
    return responses if responses.fingerprint == fingerprint else None

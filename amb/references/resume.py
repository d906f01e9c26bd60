"""A cache on disk for the measurement of reference points, so that a killed call continues where it stopped."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np

from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.reference import Reference
from amb.contracts.space import FloatArray
from amb.errors import DataError
from amb.spec import user_path
from amb.study.durable import make_folder, write_whole
from amb.study.untrusted import MEBIBYTE, json_object, load_array, read_bytes, refuse_unreadable

LARGEST = 4096 * MEBIBYTE


class Cache:
    """Returns stored measurements, keyed by everything that they depend on; measures and stores what is missing.

    Args:
        folder: where to store; None: nothing is stored.

    Raises:
        DataError: the folder cannot be written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder = None if folder is None else user_path(folder)
        if folder is not None:
            try:
                make_folder(folder)
            except OSError as error:
                raise DataError(f"{folder} cannot be created ({error.strerror}); choose another --state") from error

    def responses(
        self, problems: Sequence[Problem], images: UInt8Array, measure: Callable[[], FloatArray]
    ) -> FloatArray:
        """Responses of all problems to a block of images, float64[n, len(problems)]."""
        file = self._file([sha256(images.tobytes()).hexdigest(), *(f"{p.id} {p.fingerprint}" for p in problems)], "npy")
        if file is None:
            return measure()
        if not file.exists():
            responses = measure()
            write_whole(file, lambda path: _save(path, responses), error=DataError)
        try:
            stored = load_array(file, LARGEST)
            if stored.shape != (len(images), len(problems)) or stored.dtype != np.float64:
                raise ValueError(f"it holds {list(stored.shape)} of {stored.dtype}")
        except (OSError, ValueError) as error:
            raise _damaged(file, error) from error
        return stored

    def point(self, name: str, fingerprint: str, effort: object, measure: Callable[[], Reference]) -> Reference:
        """The reference points of one problem, found with a certain effort."""
        file = self._file([name, fingerprint, repr(effort)], "json")
        if file is None:
            return measure()
        if not file.exists():
            write_whole(file, json.dumps(asdict(measure())), error=DataError)
        try:
            return Reference.from_content(json_object(read_bytes(file, LARGEST)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(file, error) from error

    def _file(self, parts: Sequence[str], kind: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"{sha256(json.dumps(list(parts)).encode()).hexdigest()[:24]}.{kind}"


def _damaged(file: Path, error: Exception) -> DataError:
    refuse_unreadable(file, error)
    return DataError(f"{file} is damaged ({error}); delete it, and the same command measures it again")


def _save(path: Path, values: FloatArray) -> None:
    with path.open("wb") as file:  # numpy would append its own suffix to a name
        np.save(file, values)

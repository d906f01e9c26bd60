"""A cache on disk for the measurement of reference points, so that a killed call continues where it stopped.

A file ends with a digest of its name and its content; those of version 0.1 end without one, and are read all the same.
"""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np

from amb.activation import as_activations
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.reference import Reference
from amb.contracts.space import FloatArray
from amb.errors import DataError
from amb.spec import user_path
from amb.study.durable import flush_folder, make_folder, write_whole
from amb.study.untrusted import MEBIBYTE, json_object, parse_array, read_bytes, refuse_unreadable

LARGEST = 4096 * MEBIBYTE

_SEAL = b"\nsha256 "
_SEAL_BYTES = len(_SEAL) + 64


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
                flush_folder(folder)  # what a call that was killed has stored
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
            _write(file, _array_bytes(measure()))
        try:
            stored = parse_array(_read(file))
            if stored.shape != (len(images), len(problems)) or stored.dtype != np.float64:
                raise ValueError(f"it holds {list(stored.shape)} of {stored.dtype}")
            if not np.array_equal(stored, as_activations(stored), equal_nan=True):
                raise ValueError("it holds responses that are infinite or too large")
        except (OSError, ValueError) as error:
            raise _damaged(file, error) from error
        return stored

    def point(self, name: str, fingerprint: str, given: object, measure: Callable[[], Reference]) -> Reference:
        """The reference points of one problem, found with what was given: an effort, and natural images' hash."""
        file = self._file([name, fingerprint, repr(given)], "json")
        if file is None:
            return measure()
        if not file.exists():
            _write(file, json.dumps(asdict(measure())).encode())
        try:
            stored = Reference.from_content(json_object(_read(file)))
            if stored.fingerprint != fingerprint:
                raise ValueError(f"it is of {stored.fingerprint!r:.40}, not of {fingerprint!r}")
            return stored
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(file, error) from error

    def _file(self, parts: Sequence[str], kind: str) -> Path | None:
        if self.folder is None:
            return None
        return self.folder / f"{sha256(json.dumps(list(parts)).encode()).hexdigest()[:24]}.{kind}"


def _damaged(file: Path, error: Exception) -> DataError:
    refuse_unreadable(file, error)
    return DataError(f"{file} is damaged ({error}); delete it, and the same command measures it again")


def _array_bytes(values: FloatArray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def _write(file: Path, content: bytes) -> None:
    write_whole(file, content + _seal(file, content), error=DataError)


def _read(file: Path) -> bytes:
    """The content of a file without its digest.

    Raises:
        OSError: it is not a regular file, is too large, or cannot be read.
        ValueError: its digest is wrong.
    """
    content = read_bytes(file, LARGEST, links=True)
    # A digest that is itself damaged is left at the content's end, where neither kind of content has room for it.
    if not content[-_SEAL_BYTES:].startswith(_SEAL):
        return content
    content, seal = content[:-_SEAL_BYTES], content[-_SEAL_BYTES:]
    if seal != _seal(file, content):
        raise ValueError("its bytes are not those that were written under its name")
    return content


def _seal(file: Path, content: bytes) -> bytes:
    return _SEAL + sha256(file.name.encode() + content).hexdigest().encode()

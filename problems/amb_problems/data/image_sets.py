"""The image sets that generators and targets are trained on: Parquet from a folder, or the official origin.

Decoded arrays are cached in the user's cache folder, so that only the first call decodes; the data folder
itself is never written to.
"""

import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal
from zipfile import ZipFile

import numpy as np

from amb.errors import DataError, unknown
from amb.file_identity import Identity
from amb.spec import real_path, user_cache
from amb.study.durable import make_folder, write_whole
from amb.study.tables import read_rows
from amb.study.untrusted import MEBIBYTE, open_file, parse_arrays, refuse_unreadable
from amb_problems.data import origins
from amb_problems.data.origins import Arrays, IntArray, UInt8Array

if TYPE_CHECKING:
    import pyarrow

LARGEST = 16384 * MEBIBYTE
MOST_IMAGES = 1 << 18
"""Images of one file: four times as many as the largest set has, in memory at most 800 MB."""
LARGEST_ENCODED = 512 * MEBIBYTE
"""Bytes of encoded images in a group of rows, and in memory: four times as many as the largest set has."""

DatasetName = Literal["cifar10", "mnist"]

CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cifar10": (
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ),
        "mnist": tuple("0123456789"),
    }
)
"""Names of the classes, in the order of the labels."""

_IMAGE_COLUMN = MappingProxyType({"cifar10": "img", "mnist": "image"})
_SHAPE: Mapping[str, tuple[int, ...]] = MappingProxyType({"cifar10": (32, 32, 3), "mnist": (28, 28)})
_PARQUET_SOURCE = MappingProxyType(
    {
        "cifar10": "CIFAR-10 (Krizhevsky 2009), re-encoded as JPEG, slightly lossy (Parquet)",
        "mnist": "MNIST (LeCun et al. 1998), lossless PNG (Parquet)",
    }
)
_ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True, eq=False)
class Dataset:
    """One image set: uint8 images [n, h, w, c], int64 labels [n], and where they came from."""

    name: str
    source: str
    """One line for a model card: which set, and how it was encoded."""
    train_images: UInt8Array
    train_labels: IntArray
    test_images: UInt8Array
    test_labels: IntArray
    classes: tuple[str, ...]


def load(name: DatasetName, folder: Path | None = None) -> Dataset:
    """The image set `name`, from `<folder>/<name>/{train,test}.parquet` or, without them, from its origin.

    The Parquet layout is the public hubs' own: an image column `struct<bytes, path>` that holds an encoded
    image, and `label` (int64).

    Raises:
        SpecError: no such image set.
        DataError: files are damaged, or are missing and cannot be downloaded.
        UnreadableError: a file cannot be read.
    """
    if name not in CLASSES:
        raise unknown("image set", name, CLASSES)
    files = [folder / name / f"{split}.parquet" for split in ("train", "test")] if folder else []
    if files and all(file.is_file() for file in files):
        arrays = _cached(name, files, lambda: _read_parquet(name, files))
        return Dataset(name, _PARQUET_SOURCE[name], *arrays, CLASSES[name])
    try:
        downloaded = origins.fetch(name, cache_folder() / "origin")
    except OSError as error:
        expected = " and ".join(map(str, files)) or f"<folder>/{name}/train.parquet and test.parquet"
        raise DataError(
            f"no {name}: neither {expected} (columns `{_IMAGE_COLUMN[name]}`: struct<bytes, path>, `label`: "
            f"int64) nor its origin could be read ({error}); name a folder that has these files"
        ) from error
    arrays = _cached(name, downloaded, lambda: origins.parse(name, downloaded))
    return Dataset(name, origins.SOURCE[name], *arrays, CLASSES[name])


def cache_folder() -> Path:
    """The folder for decoded and downloaded image sets (`AMB_CACHE`, else the user's cache folder)."""
    return user_cache() / "data"


def _cached(name: str, files: list[Path], read: Callable[[], Arrays]) -> Arrays:
    """The arrays that `read()` returns, cached as .npz under a key of the files' sizes, times and inodes."""
    places = [real_path(file, DataError) for file in files]
    key = hashlib.sha256(repr([(str(place), Identity.of(place)) for place in places]).encode()).hexdigest()[:16]
    cache = cache_folder() / f"{name}-{key}.npz"
    with suppress(Exception), open_file(cache, LARGEST, links=True) as archive:
        stored = parse_arrays(archive)  # missing or damaged, whatever that raises: decode again
        first, second, third, fourth = (stored[array] for array in _ARRAYS)
        if _is_half(name, first, second) and _is_half(name, third, fourth):
            return first, second, third, fourth
    arrays = read()
    try:
        make_folder(cache.parent)
        write_whole(cache, lambda path: _save(path, arrays), error=None)
    except OSError:
        pass  # a cache that cannot be written only costs time
    return arrays


def _is_half(name: str, images: UInt8Array, labels: IntArray) -> bool:
    """Whether these are images and labels of a set, as `load` returns them."""
    sizes = (len(labels), *_SHAPE[name][:2])
    typed = images.dtype == np.uint8 and labels.dtype == np.int64 and images.ndim == 4 and images.shape[:3] == sizes
    return typed and len(labels) > 0 and 0 <= labels.min() <= labels.max() < len(CLASSES[name])


def _save(path: Path, arrays: Arrays) -> None:
    """Write a file as `numpy.savez` does, which leaves its archive open if the disk is full: that complains later."""
    with ZipFile(path, "w") as archive:
        for name, array in zip(_ARRAYS, arrays, strict=True):
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_parquet(name: str, files: list[Path]) -> Arrays:
    train, test = (_read_half(file, name) for file in files)
    return *train, *test


def _read_half(file: Path, name: str) -> tuple[UInt8Array, IntArray]:
    import pyarrow

    column, shape = _IMAGE_COLUMN[name], _SHAPE[name]

    def checked(schema: pyarrow.Schema) -> pyarrow.Schema:
        kind, labels = schema.field(column).type, schema.field("label").type
        place = kind.get_field_index("bytes") if pyarrow.types.is_struct(kind) else -1
        if place < 0 or not pyarrow.types.is_binary(kind.field(place).type):
            raise ValueError(f"its column {column} holds {kind}")
        if not pyarrow.types.is_integer(labels):
            raise ValueError(f"its labels are of type {labels}")
        return schema

    try:
        number, batches = read_rows(
            real_path(file, DataError),  # links are followed
            largest=LARGEST,
            most=MOST_IMAGES,
            decoded=LARGEST_ENCODED,
            expected=checked,
            columns=[f"{column}.bytes", "label"],
        )
        if not number:
            raise ValueError("it has no rows")
        images, labels = np.empty((number, *shape), np.uint8), np.empty(number, np.int64)
        row, before = 0, None
        for batch in batches:
            rows = slice(row, row + len(batch))
            labels[rows] = _labels(batch.column("label"), len(CLASSES[name]))
            for scalar in batch.column(column).field("bytes"):
                image = scalar.as_py()  # one at a time, or all are in memory twice
                images[row] = images[row - 1] if row and image == before else _decoded(image, shape)
                before, row = image, row + 1
    except (pyarrow.ArrowException, KeyError, OSError, TypeError, ValueError) as error:
        refuse_unreadable(file, error)
        raise DataError(
            f"{file} cannot be read ({error}); expected columns `{column}`: struct<bytes, path> with encoded images of "
            f"{' x '.join(map(str, shape))}, and `label`: int64, the number of a class"
        ) from error
    return images.reshape(*images.shape[:3], -1), labels


def _decoded(content: object, shape: tuple[int, ...]) -> UInt8Array:
    """An encoded image's pixels; of one that declares another size, none are decoded.

    Raises:
        ValueError: it is no image, or one of another shape.
    """
    from PIL import Image

    if not isinstance(content, bytes):
        raise ValueError("an image is missing")
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            if image.size != (shape[1], shape[0]):
                raise ValueError(f"an image has {image.width} x {image.height} pixels")
            pixels = np.asarray(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as cause:
        raise ValueError("an image is damaged, too large, or neither PNG nor JPEG") from cause
    if pixels.shape != shape or pixels.dtype != np.uint8:
        raise ValueError(f"an image holds {pixels.dtype} {list(pixels.shape)}")
    return pixels


def _labels(column: "pyarrow.Array", classes: int) -> IntArray:
    """Labels, whole numbers, of which every one is the number of a class.

    Raises:
        ValueError: one is not.
    """
    if column.null_count:
        raise ValueError("a label is missing")
    labels: IntArray = column.to_numpy().astype(np.int64)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"its labels are {labels.min()} to {labels.max()}, there are {classes} classes")
    return labels

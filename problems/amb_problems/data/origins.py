"""The official origins of the image sets: addresses, digests, and readers of the files (no pickles)."""

import gzip
import hashlib
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from amb.errors import DataError
from amb.study.durable import make_folder, write_whole
from amb.study.untrusted import refuse_unreadable

UInt8Array = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
Arrays = tuple[UInt8Array, IntArray, UInt8Array, IntArray]
"""Train images and labels, test images and labels."""

SOURCE: Mapping[str, str] = MappingProxyType(
    {
        "cifar10": "CIFAR-10 (Krizhevsky 2009), the original binary version",
        "mnist": "MNIST (LeCun et al. 1998), the original IDX files",
    }
)
_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class _File:
    url: str
    md5: str


_MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist"
# The digests are those that the origins' own pages or torchvision publish.
_FILES: Mapping[str, tuple[_File, ...]] = MappingProxyType(
    {
        "cifar10": (
            _File("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
        ),
        "mnist": (
            _File(f"{_MNIST}/train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            _File(f"{_MNIST}/train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            _File(f"{_MNIST}/t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            _File(f"{_MNIST}/t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        ),
    }
)


def fetch(name: str, folder: Path) -> list[Path]:
    """The origin's files of `name` in `folder`, downloaded if they are missing, and verified.

    Raises:
        OSError: no network, or a folder that cannot be written.
        DataError: a file that differs from the published one.
    """
    return [_fetch_one(file, folder / file.url.rpartition("/")[2]) for file in _FILES[name]]


def parse(name: str, files: list[Path]) -> Arrays:
    """The arrays in the origin's files.

    Raises:
        DataError: a file does not have the expected content.
    """
    try:
        return _parse_cifar10(files[0]) if name == "cifar10" else _parse_mnist(files)
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as error:
        refuse_unreadable(files[0], error)
        folder = files[0].parent
        raise DataError(f"{folder} holds a damaged {name} ({error}); delete it to download it again") from error


def _fetch_one(file: _File, path: Path) -> Path:
    if not path.is_file():
        make_folder(path.parent)
        write_whole(path, lambda place: _download(file.url, place), error=None)
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    if digest != file.md5:
        raise DataError(f"{path} has md5 {digest}, not the published {file.md5}; delete it to download it again")
    return path


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer, path.open("wb") as stream:
        while block := answer.read(1 << 20):
            stream.write(block)


def _parse_cifar10(archive: Path) -> Arrays:
    """The binary version: records of one label byte and 3072 bytes in planes of red, green and blue."""
    batches = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.name.endswith(".bin") and (stream := tar.extractfile(member)):
                batches[Path(member.name).name] = np.frombuffer(stream.read(), np.uint8).reshape(-1, 3073)
    train = np.concatenate([batches[f"data_batch_{number}.bin"] for number in range(1, 6)])
    return *_split_cifar10(train), *_split_cifar10(batches["test_batch.bin"])


def _split_cifar10(records: UInt8Array) -> tuple[UInt8Array, IntArray]:
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].astype(np.int64)


def _parse_mnist(files: list[Path]) -> Arrays:
    """IDX files: a big-endian header of 16 bytes for images, of 8 for labels, then the bytes themselves."""
    contents = [gzip.decompress(file.read_bytes()) for file in files]
    images = [np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28, 1) for content in contents[::2]]
    labels = [np.frombuffer(content, np.uint8, offset=8).astype(np.int64) for content in contents[1::2]]
    return images[0], labels[0], images[1], labels[1]

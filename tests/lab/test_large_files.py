"""A small file of responses that would fill the memory is refused before anything is decoded."""

import re
import shutil
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from peak_memory import megabytes_and_answer
from scipy.io import loadmat, savemat
from scipy.sparse import csc_array

from amb.lab.csv_files import bytes_as_objects
from amb.lab.experiment import Experiment, Search
from amb.lab.matlab import read_mat
from amb.lab.response_files import LARGEST_DECODED, read_responses
from amb.lab.responses import Row

from .conftest import new_experiment

ONE = Experiment("toy", ("a",), 100, (Search("cma", ("a",)),))
TWO = Experiment("toy", ("a", "b"), 100, (Search("cma", ("a",)),))
ROWS = 1 << 27

IMPORTS = """
from pathlib import Path
from amb.lab.experiment import Experiment, Search
from amb.lab.response_files import read_responses
import pyarrow.parquet, scipy.io
from amb.errors import LabError
"""
READ = """
try:
    read_responses(Path(sys.argv[1]), Experiment("toy", ("a",), 100, (Search("cma", ("a",)),)))
except LabError as error:
    print(error)
"""


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(array_class: int, shape: tuple[int, ...], *parts: bytes, name: bytes = b"trial") -> bytes:
    flags, dims = struct.pack("<II", array_class, 0), struct.pack(f"<{len(shape)}i", *shape)
    return element(14, element(6, flags) + element(5, dims) + element(1, name) + b"".join(parts))


def mat(*elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(elements)


def packed(data: bytes) -> bytes:
    content = zlib.compress(data, 9)
    return struct.pack("<II", 15, len(content)) + content


def nested(depth: int) -> bytes:
    inner = matrix(6, (1, 1), element(9, struct.pack("<d", 1.0)))
    for _ in range(depth):
        inner = matrix(1, (1, 1), inner)
    return inner


def many_zeros(path: Path) -> None:
    """More than half a gigabyte of zeros in half a megabyte."""
    n = 65 << 20
    head, pack = matrix(6, (1, n)), zlib.compressobj(6)
    sizes = struct.pack("<II", 14, len(head) + 8 * n) + head[8:] + struct.pack("<II", 9, 8 * n)
    blocks = [pack.compress(sizes), *(pack.compress(bytes(1 << 20)) for _ in range(8 * n >> 20)), pack.flush()]
    content = b"".join(blocks)
    path.write_bytes(mat(struct.pack("<II", 15, len(content)) + content))


def bytes_for_doubles(path: Path) -> None:
    """Doubles that are stored as bytes take eight times as much when they are read."""
    n = 60 << 20
    path.write_bytes(mat(packed(matrix(6, (1, n), element(2, bytes(n))))))


def many_variables(path: Path) -> None:
    n = 4 << 20
    path.write_bytes(mat(*[packed(matrix(6, (1, n), element(9, bytes(8 * n))))] * 12))


def empty_rows(path: Path) -> None:
    """A billion rows without a number."""
    path.write_bytes(mat(matrix(6, (1 << 30, 0), element(9, b""))))


def empty_rows_of_version_4(path: Path) -> None:
    path.write_bytes(struct.pack("<5i", 0, 1 << 30, 0, 0, 6) + b"trial\0")


def cells_that_are_not_there(path: Path) -> None:
    path.write_bytes(mat(matrix(1, (1 << 30, 1))))


def cells_without_end(path: Path) -> None:
    path.write_bytes(mat(nested(20_000)))


def equal_numbers(path: Path) -> None:
    """A dictionary with one number."""
    n = 36 << 20
    table = pa.table({"trial": np.ones(n, np.int64), "a": np.ones(n)})
    pq.write_table(table, path, compression="zstd", row_group_size=n)


def equal_texts(path: Path) -> None:
    """A dictionary with one text of a megabyte, in each of 100,000 rows."""
    texts = pa.DictionaryArray.from_arrays(np.zeros(100_000, np.int32), pa.array(["x" * (1 << 20)]))
    table = pa.table({"trial": np.arange(100_000), "response": texts})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=1 << 30)


def texts_in_lists(path: Path) -> None:
    pq.write_table(pa.table({"trial": [1], "spikes": [["x"]]}), path)


def many_rows(path: Path) -> None:
    pq.write_table(pa.table({"trial": pa.nulls(ROWS, pa.int8()), "a": pa.nulls(ROWS, pa.int8())}), path)


def cells_of_nothing(path: Path) -> None:
    """100 MB as Arrow holds them, and 770 MB as objects."""
    n = 1 << 22
    table = pa.table({"trial": np.ones(n, np.int64), "a": np.full(n, np.nan), "b": np.full(n, np.nan)})
    pq.write_table(table, path, compression="zstd")


def flags(path: Path) -> None:
    """A bit each, and eight bytes in a list."""
    n = 5 << 20
    table = pa.table({"trial": np.ones(n, np.int8), "rejected": np.ones(n, np.bool_)})
    pq.write_table(table, path, compression="zstd")


def empty_cells(path: Path) -> None:
    path.write_text("trial,a,b\n" + ",,\n" * 2_200_000)


def spikes_of_one_cell(path: Path) -> None:
    path.write_text("trial,spikes\n1," + "9 " * (1 << 23) + "\n")


REFUSED = [
    (many_zeros, ".mat", "unfolds to more than is read at once"),
    (bytes_for_doubles, ".mat", "unfolds to more than is read at once"),
    (many_variables, ".mat", "unfolds to more than is read at once"),
    (empty_rows, ".mat", "unfolds to more than is read at once"),
    (empty_rows_of_version_4, ".mat", "unfolds to more than is read at once"),
    (cells_that_are_not_there, ".mat", r"declares \[1073741824, 1\], but holds"),
    (cells_without_end, ".mat", "nested more than 16 levels deep"),
    (equal_numbers, ".parquet", "unfolds to 576 MiB; the limit is 512"),
    (equal_texts, ".parquet", "trial 0 of a has 'xxx"),
    (texts_in_lists, ".parquet", "texts within lists"),
    (many_rows, ".parquet", "rows; the limit is"),
    (cells_of_nothing, ".parquet", "unfolds to 768 MiB; the limit is 512"),
    (flags, ".parquet", "unfolds to 640 MiB; the limit is 512"),
    (empty_cells, ".csv", "cells may take 550 MiB in memory; the limit is 512"),
    (spikes_of_one_cell, ".csv", "cells may take 544 MiB in memory; the limit is 512"),
]


@pytest.mark.parametrize(("write", "suffix", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_file_that_unfolds_beyond_the_limit_is_refused_in_little_memory(
    tmp_path: Path, write: Callable[[Path], None], suffix: str, message: str
) -> None:
    path = tmp_path / f"responses{suffix}"
    write(path)
    assert path.stat().st_size < 24 << 20
    megabytes, said = megabytes_and_answer(IMPORTS, READ, str(path))
    assert "\n" not in said
    assert re.search(message, said), said
    assert megabytes < 640, "the limit is 512 MiB"


@pytest.mark.parametrize(
    ("line", "lines"),
    [("1" + ",0.12345" * 4096 + "\r\n", 1500), ("100;12,345\n", 1_500_000), ("9,n1,12.3\n", 1_800_000)],
)
def test_blocks_of_thousands_of_neurons_and_millions_of_spikes_are_within_the_limit(line: str, lines: int) -> None:
    assert bytes_as_objects(line.encode() * lines) < LARGEST_DECODED


def test_other_variables_of_a_session_do_no_harm(tmp_path: Path) -> None:
    """Users save their whole workspace: structures, texts, sparse matrices, empty cells."""
    others = {
        "info": {"rig": "two", "rate": 1000.0, "notes": np.array([["a", 1.0]], dtype=object)},
        "sparse": csc_array((1_000_000, 1_000_000)),
        "empty": np.empty((0, 0)),
        "cells": np.empty((3, 0), dtype=object),
        "flag": True,
        "complex": np.array([1 + 2j]),
        "text": "hello",
    }
    for compressed in (False, True):
        path = tmp_path / "session.mat"
        savemat(path, {"trial": [1, 2], "a": [0.5, 1.5], **others}, do_compression=compressed)
        assert read_responses(path, ONE) == [Row(1, "a", 0.5), Row(2, "a", 1.5)]


def test_strings_and_tables_of_matlab_do_no_harm(tmp_path: Path) -> None:
    """They are opaque objects, which are laid out in another way; their content is in a variable without a name."""
    number = matrix(13, (6, 1), element(6, struct.pack("<6I", 0xDD000000, 2, 1, 1, 1, 1)), name=b"")
    flags = element(6, struct.pack("<II", 17, 0))
    label = element(14, flags + element(1, b"label") + element(1, b"MCOS") + element(1, b"string") + number)
    trial, a = (matrix(6, (1, 2), element(9, struct.pack("<2d", 1, 2)), name=name) for name in (b"trial", b"a"))
    workspace = matrix(9, (1, 40), element(2, bytes(40)), name=b"")
    (tmp_path / "r.mat").write_bytes(mat(packed(trial), packed(label), a, workspace))
    assert read_responses(tmp_path / "r.mat", ONE) == [Row(1, "a", 1.0), Row(2, "a", 2.0)]


def test_what_matlab_stores_is_read_as_scipy_reads_it(tmp_path: Path) -> None:
    """Numbers of every kind, in both byte orders' layouts of old and new versions, texts, cells, empty ones."""
    cells = np.empty((2, 3), dtype=object)
    cells[:] = [[np.arange(3.0), "words", 1], [np.zeros((0, 0)), np.array([[1, 2], [3, 4]]), np.float32(2.5)]]
    numbers = {f"n{kind}": np.arange(6, dtype=kind).reshape(2, 3) for kind in "bBhHiIqQfd"}
    variables = {
        **numbers,
        "flag": True,
        "z": np.array([[1 + 2j, 3]]),
        "text": ["one", "two"],
        "nothing": np.zeros((0, 3)),
    }
    for version in ("4", "5"):
        written = (
            variables if version == "4" else {**variables, "cells": cells, "cube": np.arange(24.0).reshape(2, 3, 4)}
        )
        for packed in (False, True) if version == "5" else (False,):
            savemat(tmp_path / "x.mat", written, format=version, do_compression=packed)
            ours, theirs = read_mat((tmp_path / "x.mat").read_bytes(), decoded=1 << 20), loadmat(tmp_path / "x.mat")
            assert set(ours) == {name for name in theirs if not name.startswith("__")}
            for name in {*numbers, "flag", "z"}:
                assert np.array_equal(np.ravel(ours[name]), np.ravel(theirs[name])), name
            assert [text.strip() for text in ours["text"]] == ["one", "two"]
            assert ours["nothing"] == []
    assert ours["cells"] == [[[0.0, 1.0, 2.0], "words", [1]], [[], [1, 2, 3, 4], [2.5]]]
    assert ours["cube"] == np.arange(24.0).reshape(2, 3, 4).tolist()


def test_columns_of_every_type_are_read(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "trial": pd.array([1, 2, 3], dtype="UInt16"),
            "neuron": pd.Categorical(["a", "b", "a"]),
            "response": np.array([0.5, np.nan, 2], np.float32),
            "rejected": [False, True, False],
            "when": pd.to_datetime(["2026-01-01"] * 3),
            "rig": ["two", None, "three"],
        }
    )
    table.to_parquet(tmp_path / "r.parquet")
    rows = [Row(1, "a", 0.5), Row(2, "b", None), Row(3, "a", 2.0)]
    assert read_responses(tmp_path / "r.parquet", TWO) == rows


def test_of_a_block_one_picture_at_a_time_is_in_memory(folder: Path) -> None:
    """They may have 200 MB each, and a block hundreds of them."""
    size = {"width = 48": "width = 320", "height = 40": "height = 320", "size = 32": "size = 320"}
    lab = new_experiment(folder, solver="random", references=2, changes=size)
    lab.next_block()
    shutil.rmtree(folder / "blocks")
    tracemalloc.start()
    block = lab.next_block()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert block is not None
    pictures = list(block.folder.glob("*.png"))
    assert len(pictures) > 10
    assert peak < 7 * 320 * 320 * 3

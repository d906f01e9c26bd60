"""Image sets: what the loader reads, keeps and refuses."""

import gc
import gzip
import io
import os
import struct
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from peak_memory import megabytes_and_answer
from PIL import Image

from amb.errors import DataError, SpecError
from amb_problems.data import image_sets as data
from amb_problems.data import origins


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache, nor the network."""
    monkeypatch.setenv("AMB_CACHE", str(tmp_path / "cache"))

    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    return tmp_path / "cache"


def write_set(folder: Path, name: str, column: str, mode: str, image_format: str) -> dict[str, np.ndarray]:
    """A tiny set in the public hubs' layout; answers the images as arrays."""
    rng = np.random.default_rng(7)
    shape = (5, 32, 32, 3) if mode == "RGB" else (5, 28, 28)
    (folder / name).mkdir(parents=True)
    written = {}
    for split in ("train", "test"):
        images = rng.integers(0, 256, shape, np.uint8)
        encoded = []
        for image in images:
            stream = io.BytesIO()
            Image.fromarray(image).save(stream, image_format)
            encoded.append({"bytes": stream.getvalue(), "path": None})
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = pa.table({column: pa.array(encoded, kind), "label": pa.array(range(5), pa.int64())})
        pq.write_table(table, folder / name / f"{split}.parquet")
        written[split] = images
    return written


def test_lossless_images_come_back_as_they_were(tmp_path: Path) -> None:
    """A PNG set is read exactly, with a channel axis, int64 labels and a source for the card."""
    written = write_set(tmp_path, "mnist", "image", "L", "PNG")
    loaded = data.load("mnist", tmp_path)
    assert np.array_equal(written["train"][..., None], loaded.train_images)
    assert np.array_equal(written["test"][..., None], loaded.test_images)
    assert np.array_equal(np.arange(5), loaded.test_labels)
    assert loaded.train_labels.dtype == np.int64
    assert "MNIST" in loaded.source


def test_the_source_tells_of_the_jpeg_encoding(tmp_path: Path) -> None:
    """CIFAR-10 from Parquet says that it is re-encoded, and has the classes in the labels' order."""
    write_set(tmp_path, "cifar10", "img", "RGB", "JPEG")
    loaded = data.load("cifar10", tmp_path)
    assert "JPEG" in loaded.source
    assert loaded.train_images.shape == (5, 32, 32, 3)
    assert loaded.classes[0] == "airplane"
    assert loaded.classes[9] == "truck"


def test_images_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second call reads the cache."""
    written = write_set(tmp_path, "mnist", "image", "L", "PNG")
    data.load("mnist", tmp_path)
    monkeypatch.delattr(data, "_read_parquet")
    assert np.array_equal(written["train"][..., None], data.load("mnist", tmp_path).train_images)


def test_a_file_of_equal_size_and_time_is_decoded_again(tmp_path: Path) -> None:
    """Archives and stores give files one time, and other labels are as large: the old ones were used in silence."""
    write_set(tmp_path, "mnist", "image", "L", "PNG")
    data.load("mnist", tmp_path)
    file = tmp_path / "mnist" / "train.parquet"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(bytes(file.stat().st_size))
    os.utime(file, ns=times)
    with pytest.raises(DataError, match=r"train\.parquet cannot be read"):
        data.load("mnist", tmp_path)


def test_a_changed_file_is_decoded_again(tmp_path: Path) -> None:
    """Another time of change makes the cache stale."""
    write_set(tmp_path, "mnist", "image", "L", "PNG")
    data.load("mnist", tmp_path)
    file = tmp_path / "mnist" / "train.parquet"
    file.write_bytes(b"no parquet any more")
    with pytest.raises(DataError, match=r"train\.parquet cannot be read"):
        data.load("mnist", tmp_path)


def test_a_torn_cache_is_replaced(tmp_path: Path, own_cache: Path) -> None:
    """A cache file that was cut off costs time and nothing else."""
    written = write_set(tmp_path, "mnist", "image", "L", "PNG")
    data.load("mnist", tmp_path)
    (cached,) = (own_cache / "data").glob("*.npz")
    cached.write_bytes(cached.read_bytes()[:100])
    assert np.array_equal(written["train"][..., None], data.load("mnist", tmp_path).train_images)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process")
def test_a_cache_that_finds_no_room_costs_time_and_no_word(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, file_limit: Callable[[int | None], None]
) -> None:
    """Not even one of an archive that Python deletes later."""
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    images, labels = np.zeros((9, 28, 28, 1), np.uint8), np.zeros(9, np.int64)
    file_limit(9_000)
    found = data._cached("mnist", [], lambda: (images, labels, images, labels))
    gc.collect()
    file_limit(None)
    assert found[0] is images
    assert not said
    assert not list((own_cache / "data").iterdir())


def test_a_cache_with_a_wrong_bit_is_never_used(tmp_path: Path, own_cache: Path) -> None:
    """Numpy believes an array's header, and would read fewer images, or others."""
    written = write_set(tmp_path, "mnist", "image", "L", "PNG")["train"][..., None]
    files = [tmp_path / "mnist" / f"{split}.parquet" for split in ("train", "test")]
    right = data.load("mnist", tmp_path)
    arrays = right.train_images, right.train_labels, right.test_images, right.test_labels
    (cached,) = (own_cache / "data").glob("*.npz")
    good, rng = cached.read_bytes(), np.random.default_rng(0)
    header = good.index(b"'shape': (5, 28")
    for place in (*range(0, 60, 4), *range(60, header + 30, 2), *range(len(good) - 100, len(good), 4)):
        changed = bytearray(good)
        changed[place] ^= 1 << int(rng.integers(8))
        cached.write_bytes(changed)
        found = data._cached("mnist", files, lambda: arrays)
        assert np.array_equal(found[0], written), place
        assert np.array_equal(found[1], np.arange(5)), place
    assert header > 100


def test_the_data_folder_is_left_alone(tmp_path: Path) -> None:
    """Loading writes nothing next to the data."""
    write_set(tmp_path / "data", "mnist", "image", "L", "PNG")
    data.load("mnist", tmp_path / "data")
    assert sorted(f.name for f in (tmp_path / "data").rglob("*.*")) == ["test.parquet", "train.parquet"]


def test_missing_files_without_a_network_say_what_is_expected(tmp_path: Path) -> None:
    """The error names the files and their columns."""
    with pytest.raises(DataError, match=r"cifar10/train\.parquet.*`img`.*`label`.*no network"):
        data.load("cifar10", tmp_path)


def encoded(mode: str, size: tuple[int, int], image_format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, image_format)
    return stream.getvalue()


GOOD = encoded("RGB", (32, 32))
WRONG: dict[str, tuple[list, list, str]] = {  # images as bytes, or what is encoded
    "another size": ([("RGB", (31, 33))], [1], "31 x 33 pixels"),
    "grey": ([("L", (32, 32))], [1], r"uint8 \[32, 32\]"),
    "transparent": ([("RGBA", (32, 32))], [1], r"uint8 \[32, 32, 4\]"),
    "unfolding": ([("1", (20_000, 20_000))], [1], "too large"),
    "of another kind": ([("RGB", (32, 32), "EPS")], [1], "neither PNG nor JPEG"),
    "none": ([None], [1], "an image is missing"),
    "junk": ([b"junk"], [1], "damaged"),
    "no rows": ([], [], "no rows"),
    "labels below": ([GOOD], [-1], "labels are -1 to -1"),
    "labels beyond": ([GOOD, GOOD], [0, 10], "labels are 0 to 10, there are 10 classes"),
    "labels missing": ([GOOD], [None], "a label is missing"),
    "labels with a point": ([GOOD], [0.5], "labels are of type double"),
}


@pytest.mark.parametrize(("images", "labels", "says"), WRONG.values(), ids=WRONG)
def test_what_nothing_can_be_trained_on_is_refused_in_a_line(
    tmp_path: Path, images: list, labels: list, says: str
) -> None:
    (tmp_path / "cifar10").mkdir()
    kind = pa.int64() if labels != [0.5] else pa.float64()
    contents = [encoded(*image) if isinstance(image, tuple) else image for image in images]
    column = pa.array([{"bytes": content, "path": None} for content in contents], pa.struct({"bytes": pa.binary()}))
    for half in ("train", "test"):
        pq.write_table(pa.table({"img": column, "label": pa.array(labels, kind)}), tmp_path / f"cifar10/{half}.parquet")
    with pytest.raises(DataError, match=says) as refused:
        data.load("cifar10", tmp_path)
    assert "\n" not in str(refused.value)


IMPORTS = """
from pathlib import Path
from amb_problems.data import image_sets as data
import amb.study.tables
"""
READ = """
try:
    print(len(data.load("cifar10", Path(sys.argv[1])).train_images))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_few_bytes_do_not_unfold_to_gigabytes(tmp_path: Path) -> None:
    """1,000 times one image of 400 kB are a few kB in the file, and were 1,200 MB in memory."""
    (tmp_path / "cifar10").mkdir()
    kind = pa.struct({"bytes": pa.binary()})
    column = pa.array([{"bytes": GOOD + bytes(400_000)}] * 1000, kind)
    table = pa.table({"img": column, "label": pa.array([1] * 1000, pa.int64())})
    for half in ("train", "test"):
        pq.write_table(table, tmp_path / f"cifar10/{half}.parquet", compression="zstd")
    megabytes, said = megabytes_and_answer(IMPORTS, READ, str(tmp_path))
    assert said == "1000"
    assert megabytes < 900, "512 MiB, and libraries"
    assert (tmp_path / "cifar10/train.parquet").stat().st_size < 50_000


@pytest.mark.parametrize("different", [3, 600])  # one dictionary, or more images than fit into one
def test_images_of_any_encoding_come_back_in_order(tmp_path: Path, different: int) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (different, 32, 32, 3), np.uint8)
    streams = [io.BytesIO() for _ in pixels]
    for stream, image in zip(streams, pixels, strict=True):
        Image.fromarray(image).save(stream, "PNG")
    chosen = rng.integers(0, different, 900)
    (tmp_path / "cifar10").mkdir()
    column = pa.array([{"bytes": streams[i].getvalue(), "path": "a"} for i in chosen])
    for half in ("train", "test"):
        table = pa.table({"img": column, "label": pa.array(chosen % 10, pa.int64())})
        pq.write_table(table, tmp_path / f"cifar10/{half}.parquet", row_group_size=700)
    found = data.load("cifar10", tmp_path)
    assert np.array_equal(found.train_images, pixels[chosen])
    assert np.array_equal(found.test_labels, chosen % 10)


@pytest.mark.parametrize(
    ("column", "label", "says"),
    [
        ([{"bytes": ["a"]}], [1], "its column img holds struct"),
        ([{"bytes": 3}], [1], "its column img holds struct"),
        ([{"bytes": GOOD}], ["a"], "its labels are of type string"),
    ],
)
def test_columns_of_other_types_are_refused(tmp_path: Path, column: list, label: list, says: str) -> None:
    (tmp_path / "cifar10").mkdir()
    for half in ("train", "test"):
        pq.write_table(pa.table({"img": column, "label": label}), tmp_path / f"cifar10/{half}.parquet")
    with pytest.raises(DataError, match=says):
        data.load("cifar10", tmp_path)


def test_images_that_are_not_in_a_struct_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    for half in ("train", "test"):
        pq.write_table(pa.table({"img": [GOOD], "label": [1]}), tmp_path / f"cifar10/{half}.parquet")
    with pytest.raises(DataError, match="its column img holds binary"):
        data.load("cifar10", tmp_path)


def test_an_unknown_set_names_the_nearest() -> None:
    """A slip of the pen is answered by the name that was meant."""
    with pytest.raises(SpecError, match="cifar10"):
        data.load("cifar", None)  # type: ignore[arg-type]


def test_a_download_that_differs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are not the published ones never become data."""
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(b"an error page"))
    with pytest.raises(DataError, match="md5"):
        data.load("cifar10", None)


def test_the_binary_cifar10_is_read(tmp_path: Path) -> None:
    """Records of a label and three planes become images with the colour last, batches in their order."""
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for label, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
            planes = np.repeat(np.array([10, 20, 30], np.uint8) + label, 1024)
            record = bytes([label]) + planes.tobytes()
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            info.size = len(record)
            tar.addfile(info, io.BytesIO(record))
    train, train_labels, test, test_labels = origins.parse("cifar10", [archive])
    assert train.shape == (5, 32, 32, 3)
    assert train_labels.tolist() == [0, 1, 2, 3, 4]
    assert train[2, 0, 0].tolist() == [12, 22, 32]
    assert test[0, 31, 31].tolist() == [15, 25, 35]
    assert test_labels.tolist() == [5]


def test_the_idx_files_of_mnist_are_read(tmp_path: Path) -> None:
    """Headers are skipped, pixels and labels come out in order."""
    files = []
    for number, (header, body) in enumerate(
        [
            (struct.pack(">4i", 2051, 2, 28, 28), bytes(range(256)) * 6 + bytes(32)),
            (struct.pack(">2i", 2049, 2), bytes([7, 1])),
        ]
        * 2
    ):
        files.append(tmp_path / f"{number}.gz")
        files[-1].write_bytes(gzip.compress(header + body))
    images, labels, _, test_labels = origins.parse("mnist", files)
    assert images.shape == (2, 28, 28, 1)
    assert images[0, 0, :3, 0].tolist() == [0, 1, 2]
    assert labels.tolist() == test_labels.tolist() == [7, 1]

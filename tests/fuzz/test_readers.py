"""Mutated files of third parties: each reader returns or says what is wrong, within its time and memory."""

import gc
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = ("run", "journal", "journal_line", "journal_frame", "journal_0_1", "record", "manifest", "log", "published")
NAMES += ("spec", "space", "message", "references", "array", "cached_point", "published_record", "published_lists")
NAMES += ("published_manifest", "training_state", "tensors", "card")
NAMES += ("responses_csv", "responses_parquet", "responses_mat")


@pytest.fixture(scope="module")
def fuzz() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("amb_fuzz_readers", Path(__file__).with_name("readers.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def readers(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict:
    return fuzz.readers(tmp_path_factory.mktemp("fuzz"))


def test_every_reader_is_fuzzed_and_takes_its_own_seed(fuzz: ModuleType, readers: dict) -> None:
    assert tuple(readers) == NAMES
    for reader in readers.values():
        reader.read(reader.seeds[0])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_a_mutated_file_is_read_or_refused(fuzz: ModuleType, readers: dict, name: str, seed: int) -> None:
    fuzz.attempt(readers[name], fuzz.seeded(readers[name], seed))


def test_what_takes_too_much_is_a_finding(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what other tests left would be freed meanwhile
    with pytest.raises(MemoryError, match="MB more"):
        fuzz.attempt(fuzz.Reader("greedy", (), lambda _: bytearray(b"x" * (200 << 20))), b"")
    monkeypatch.setattr(fuzz, "MOST_SECONDS", 0.1)
    with pytest.raises(TimeoutError):
        fuzz.attempt(fuzz.Reader("endless", (), lambda _: [None for _ in iter(int, 1)]), b"")


def test_what_was_found_once_stays_fixed(fuzz: ModuleType, readers: dict) -> None:
    """Inputs that once ended the process, or would not end; named after their reader."""
    found = sorted((Path(__file__).parent / "found").iterdir())
    assert found
    for file in found:
        fuzz.attempt(readers[file.name.split("-")[0]], file.read_bytes())
    fuzz.attempt(readers["spec"], b"0..99999999999")

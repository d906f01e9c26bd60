"""A journal of lone queries, which is read as one array, says exactly what reading frame by frame says."""

from pathlib import Path

import numpy as np
import pytest

from amb.study import journal as module
from amb.study.journal import Journal, read_journal
from amb.study.runs import Seconds

D, QUERIES = 3, 6


def written(path: Path, batches: tuple[int, ...], continues: tuple[int, ...] = ()) -> bytes:
    rng = np.random.default_rng(0)
    with Journal(path, D) as journal:
        for number, size in enumerate(batches):
            values = rng.random(size)
            values[0] = [0.5, np.nan, np.inf][number % 3]
            seconds = Seconds(number + 0.1, number + 0.2, number + 0.3)
            rows = rng.integers(0, 64, (size, D)), values, values + 1
            journal.append(*rows, seconds, continues=number in continues)
    return path.read_bytes()


def read_both_ways(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the journal holds, read as one array where that is possible, and frame by frame."""
    found: list[object] = []
    for _ in range(2):
        content = read_journal(path)
        if content is None:
            found.append(None)
        else:
            trace = content.known.trace
            columns = (trace.candidates, trace.values, trace.clean, trace.batches)
            found.append(([(c.dtype, c.shape, c.tobytes()) for c in columns], content.known.seconds, content.whole))
        monkeypatch.setattr(module, "_lone_queries", lambda *_: None)
    monkeypatch.undo()
    return found


@pytest.mark.parametrize(
    ("batches", "continues"), [((1,) * QUERIES, ()), ((1, 2, 1), ()), ((1, 1, 1), (1,)), ((2,), ())]
)
def test_whole_journals_are_read_alike(
    batches: tuple[int, ...], continues: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.journal"
    written(path, batches, continues)
    once, again = read_both_ways(path, monkeypatch)
    assert once is not None
    assert once == again


def test_torn_and_damaged_journals_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.journal"
    content = written(path, (1,) * QUERIES)
    first = content.index(b"\n") + 1
    for place in range(first, len(content)):
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]):
            path.write_bytes(damaged)
            once, again = read_both_ways(path, monkeypatch)
            assert once == again, place
            if place >= first + (len(content) - first) // QUERIES:
                assert once is not None  # what was written before the damage is kept

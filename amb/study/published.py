"""A published study: all runs in one small file, to read and compare with, but not to extend.

Storing all candidates would be too much for a repository. A published study keeps every value in query order, every
record with its recommended candidate, and, for the best run of each problem and solver, the candidates at which it
improved; the others follow from the seed.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amb.errors import StudyError
from amb.study.durable import write_whole
from amb.study.manifest import Manifest, manifest_text, read_manifest
from amb.study.runs import DIMENSIONS, RunPlan, RunRecord, Trace, improvements
from amb.study.study import Study
from amb.study.tables import read_table
from amb.study.traces import LARGEST_RUN, MOST_NUMBERS

RUNS = "runs.parquet"
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("record", pa.string()),
        ("modes", pa.int32()),
        ("batches", pa.list_(pa.int32())),
        ("values", pa.list_(pa.float64())),
        ("clean", pa.list_(pa.float64())),  # null where it equals the values: no noise
        ("rows", pa.list_(pa.int32())),  # queries whose candidates are kept
        ("candidates", pa.list_(pa.uint16())),
    ]
)


def publish(study: Study, folder: Path) -> list[Path]:
    """Write a study's finished runs and its manifest into `folder`, as two files.

    Raises:
        StudyError: the study holds no finished run, or the folder cannot be written.
    """
    best: dict[tuple[str, str], tuple[float, str]] = {}
    for record, _ in study.records():
        pair = record.plan.problem, record.plan.solver
        best[pair] = max(best.get(pair, (-np.inf, "")), (np.nan_to_num(record.final, nan=-np.inf), record.plan.run_id))
    if not best:
        raise StudyError(f"{study.folder} holds no finished run to publish; `amb run --study` makes some")
    winners = {run_id for _, run_id in best.values()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise StudyError(f"cannot create {folder}: {cause.strerror or cause}") from cause
    rows = [_row(record, trace, record.plan.run_id in winners) for record, trace in study.records()]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    files = [folder / RUNS, folder / "manifest.json"]
    write_whole(
        files[0],
        lambda path: pq.write_table(table, path, compression="zstd", compression_level=19, write_page_checksum=True),
    )
    write_whole(files[1], manifest_text(study.manifest))
    return files


class PublishedStudy:
    """Opens what `publish` wrote, and is read like a `Study`.

    A trace's candidates are -1 where they were not kept.

    Raises:
        StudyError: there is no published study in the folder, or it is damaged.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / RUNS).is_file():
            raise StudyError(f"{folder} is not a published study (it has no {RUNS}); `amb publish` makes one")

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the study that was published."""
        return read_manifest(self.folder / "manifest.json")

    def load(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        """The run of a plan with exactly that budget, or None: most candidates of a longer run were not kept."""
        row = self._rows.get(plan.run_id)
        run = None if row is None else self._read(row)
        return run if run and run[0].plan.budget == plan.budget else None

    def records(self) -> Iterator[tuple[RunRecord, Trace]]:
        """All runs, in the order of their ids."""
        for run_id in sorted(self._rows):
            yield self._read(self._rows[run_id])

    @cached_property
    def _table(self) -> pa.Table:
        path = self.folder / RUNS
        try:
            return read_table(path, largest=LARGEST_RUN, most=MOST_NUMBERS, expected=lambda _: SCHEMA)
        except (pa.ArrowException, OSError, ValueError) as cause:
            raise StudyError(f"{path} is damaged or not a published study ({cause}); get a new copy") from cause

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {run_id: row for row, run_id in enumerate(self._table["key"].to_pylist())}

    def _read(self, row: int) -> tuple[RunRecord, Trace]:
        cells = {name: self._table[name][row].as_py() for name in SCHEMA.names}
        try:
            record = RunRecord.from_json(cells["record"])
            d = cells["modes"]
            if not 1 <= d <= DIMENSIONS or d * len(cells["values"]) > MOST_NUMBERS:
                raise ValueError(f"{len(cells['values'])} candidates of {d} dimensions exceed the size limit")
            values = np.array(cells["values"], dtype=np.float64)
            clean = values.copy() if cells["clean"] is None else np.array(cells["clean"], dtype=np.float64)
            candidates = np.full((len(values), d), -1, dtype=np.int64)
            candidates[cells["rows"]] = np.array(cells["candidates"], dtype=np.int64).reshape(-1, d)
            trace = Trace(candidates, values, clean, np.array(cells["batches"], dtype=np.int64))
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError) as cause:
            raise StudyError(
                f"{self.folder / RUNS} is damaged at run {cells['key']} ({cause}); get a new copy"
            ) from cause
        if record.plan.run_id != cells["key"] or record.queries != len(trace) or len(clean) != len(values):
            raise StudyError(f"{self.folder / RUNS} contradicts itself at run {cells['key']}; get a new copy")
        return record, trace


def _row(record: RunRecord, trace: Trace, winner: bool) -> dict[str, object]:
    queries = improvements(trace.values) if winner else np.empty(0, np.int64)
    return {
        "key": record.plan.run_id,
        "record": record.to_json(),
        "modes": trace.candidates.shape[1],
        "batches": trace.batches,
        "values": trace.values,
        "clean": None if np.array_equal(trace.clean, trace.values, equal_nan=True) else trace.clean,
        "rows": queries,
        "candidates": trace.candidates[queries].astype(np.uint16).ravel(),
    }


AnyStudy = Study | PublishedStudy


def open_study(folder: str | Path) -> AnyStudy:
    """An existing study, to be read: a folder of runs, or a published one.

    Raises:
        StudyError: there is no study in the folder.
    """
    place = Path(folder)
    if (place / RUNS).is_file():
        return PublishedStudy(place)
    if not (place / "manifest.json").is_file():
        raise StudyError(f"{folder} is not a study (it has no manifest.json); `amb compare --study {folder}` makes one")
    return Study(place)

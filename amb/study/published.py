"""A published study: all runs in one small file, to read and compare with; `amb.run.restore` makes it a study again.

Storing all candidates would be too much for a repository. A published study keeps every value in query order, every
record with its recommended candidate, and, for the best run of each problem and solver, in each of their versions, the
candidates at which it improved; the others follow from the seed.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from amb.contracts.space import DIMENSIONS, FloatArray, IntArray
from amb.errors import StudyError
from amb.kept_path import KeptPath
from amb.reloaded import Reloaded
from amb.spec import user_path
from amb.study.compact import numbered
from amb.study.copies import Copy, difference
from amb.study.durable import make_folder, write_together
from amb.study.links import refuse_outside
from amb.study.lock import Claim, enter
from amb.study.manifest import LARGEST as LARGEST_MANIFEST
from amb.study.manifest import Manifest, manifest_text, read_manifest, union
from amb.study.own_files import PUBLISHED_RUNS, Form, refuse_others, refuse_part_of_a_study, table
from amb.study.runs import AnyInts, RunPlan, RunRecord, Trace, improvements
from amb.study.study import FOLDERS, Study
from amb.study.tables import read_table, table_bytes
from amb.study.traces import LARGEST_RUN, MOST_NUMBERS
from amb.study.untrusted import MEBIBYTE, json_object, plain, read_bytes, refuse_unreadable

# Bytes that a published study may take in memory; the reference study takes 22 MB.
LARGEST_DECODED = 512 * MEBIBYTE
LONGEST_KEY = 64
# Where the file of runs says with which manifest it was written.
MANIFEST = "amb.manifest"
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
# Numbers of a dictionary that are not whole bytes compress badly, and values have large dictionaries.
DICTIONARIES = ["key", "record", "modes", "batches.list.element", "rows.list.element", "candidates.list.element"]
TRACE = tuple(name for name in SCHEMA.names if name not in ("key", "record"))
# What a cell raises that does not hold what it should.
DAMAGE = (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError)


NOT_OF_ONE_PIECE = (
    f"it is not the manifest that {PUBLISHED_RUNS} was written with: one of the two was replaced or edited, or `amb "
    "publish` was interrupted between them; publish again, or get both files"
)


def publish(studies: "AnyStudy | Sequence[AnyStudy]", folder: Path) -> list[Path]:
    """Write the finished runs and the manifest of a study, or of several as one, into `folder`, as two files.

    Of two copies of one run that agree, the longer is taken, as `amb.study.merge` does; of two that are alike, that of
    the study named first.

    Raises:
        StudyError: there is no finished run, two copies of one run contradict each other, or the folder is in use,
            cannot be written, or holds a study that is not published.
    """
    sources = [studies] if isinstance(studies, Study | PublishedStudy) else list(studies)
    folder = user_path(folder)
    refuse_part_of_a_study(folder)
    files = [folder / PUBLISHED_RUNS, folder / "manifest.json"]
    with ExitStack() as claims:
        if begun := folder.is_dir():  # from here on, since it may be among the studies, to grow
            claims.enter_context(_alone(folder))
        table = _table(sources)
        manifests = manifests_of(sources, folder)
        manifest = manifest_text(manifests[0] if len(sources) == 1 else union(manifests))
        table = table.replace_schema_metadata({MANIFEST: _digest(manifest)})
        runs = table_bytes(table, level=19, dictionaries=DICTIONARIES)  # slow, so it comes before the first file
        try:
            make_folder(folder)
        except OSError as cause:
            raise StudyError(f"cannot create {folder}: {cause.strerror or cause}") from cause
        if not begun:
            claims.enter_context(_alone(folder))
        write_together(dict(zip(files, (runs, manifest), strict=True)))
    return files


def manifests_of(studies: "Sequence[AnyStudy]", folder: Path) -> list[Manifest]:
    """The manifests of studies that are to be published into a folder.

    If that is one of them, to grow, and its publishing was interrupted between its two files, the manifest is the old
    one; it is replaced by one that also names what the other studies do.

    Raises:
        StudyError: one is damaged, or another published study has a manifest that is not its own.
    """
    growing = [
        one for one in studies if isinstance(one, PublishedStudy) and folder.is_dir() and folder.samefile(one.folder)
    ]
    manifests = [one.stated_manifest if one in growing else one.manifest for one in studies]
    for one in growing:
        if not one.is_of_one_piece() and {plan.solver for plan in one.plans()} - union(manifests).solvers.keys():
            raise one.not_of_one_piece()
    return manifests


def _alone(folder: Path) -> Claim:
    """Claim a folder to publish into.

    Raises:
        StudyError: another process uses it, it is a study, or holds files of these names that are not of one.
    """
    presence = enter(folder, alone=True)
    if presence is None:
        raise StudyError(
            f"{folder} is in use: another process works on it; wait until it has finished, or use another folder"
        )
    try:
        if (folder / "manifest.json").exists() and not (folder / PUBLISHED_RUNS).is_file():
            raise StudyError(f"{folder} has a manifest.json of its own, as a study has; publish into another folder")
        what = "of a published study"
        forms = {PUBLISHED_RUNS: replace(table("key", "record"), what=what), "manifest.json": Form(what, _is_manifest)}
        refuse_others({folder / name: form for name, form in forms.items()}, "publish into another folder")
    except BaseException:
        presence.release()
        raise
    return presence


def _is_manifest(path: Path) -> bool:
    """Whether a file is a study's manifest, of any version; one that is no JSON may be a damaged one."""
    try:
        return "schema" in json_object(read_bytes(path, LARGEST_MANIFEST))
    except ValueError:
        return True
    except OSError as cause:
        refuse_unreadable(path, cause)
        return False


def _digest(manifest: bytes) -> str:
    """Of a manifest's entries, however they are laid out: git may have changed the ends of lines."""
    return sha256(json.dumps(json_object(manifest), sort_keys=True).encode()).hexdigest()


def _table(sources: "Sequence[AnyStudy]") -> pa.Table:
    """The finished runs of studies, each once.

    Raises:
        StudyError: there is none, two copies of one contradict each other, or they are too large.
    """
    found: dict[str, tuple[RunRecord, dict[str, object]]] = {}
    holder: dict[str, AnyStudy] = {}
    for source in sources:
        for record, trace in source.records():
            run_id = record.plan.run_id
            if run_id not in found or _is_better(source, record, trace, holder[run_id], found[run_id][0]):
                found[run_id], holder[run_id] = (record, _row(record, trace)), source
            del trace  # gone when the next is read: each may take gigabytes
    if not found:
        names = ", ".join(str(source.shown) for source in sources) or "no study"
        raise StudyError(f"{names} holds no finished run to publish; `amb run --study` makes some")
    best: dict[RunPlan, tuple[float, str]] = {}
    for run_id, (record, _) in found.items():
        # Reports count the runs of one network and version only, and, of solvers that plan for it, of one budget.
        kind = replace(record.plan, seed=0, budget=0 if record.plan.anytime else record.plan.budget)
        best[kind] = max(best.get(kind, (-np.inf, "")), (np.nan_to_num(record.final, nan=-np.inf), run_id))
    winners = {run_id for _, run_id in best.values()}
    for run_id in found.keys() - winners:
        found[run_id][1].update(rows=[], candidates=[])
    rows = [row for _, row in sorted(found.values(), key=lambda pair: _place(pair[0]))]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    if 2 * table.nbytes > LARGEST_DECODED:  # candidates and batches may count twice
        raise StudyError(
            f"the runs take {table.nbytes / MEBIBYTE:,.0f} MiB, too much for a published study; publish a part"
        )
    return table


def _is_better(source: "AnyStudy", record: RunRecord, trace: Trace, holder: "AnyStudy", held: RunRecord) -> bool:
    """Whether a copy of a run is to replace the one that another study holds.

    Raises:
        StudyError: the two contradict each other.
    """
    again = holder.load(held.plan)
    if again is None:  # somebody has just moved it away
        return True
    one, other = (Copy(s.folder, r.plan, r, t) for s, (r, t) in ((holder, again), (source, (record, trace))))
    if why := difference(one, other):
        raise StudyError(
            f"{one.path} and {other.path} hold different copies of the run {held.plan.name} ({held.plan.run_id}), so "
            f"nothing was published: {why}. A run has one outcome: find out which is wrong, and delete it there, or "
            "publish without that study"
        )
    return other.rank > one.rank


def _place(record: RunRecord) -> tuple[str, str, int, str]:
    """Runs that are alike lie next to each other, which makes the file a fifth smaller."""
    return record.plan.problem, record.plan.solver, record.plan.seed, record.plan.run_id


class PublishedStudy(Reloaded):
    """Opens what `publish` wrote, and is read like a `Study`.

    A trace's candidates are -1 where they were not kept.

    Attributes:
        given: the folder as it was named, for people.

    Raises:
        StudyError: there is no published study in the folder, or it is damaged.
        UnreadableError: it cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self._kept = KeptPath(folder)
        self.given = self._kept.given
        if not (self.folder / PUBLISHED_RUNS).is_file():
            raise StudyError(f"{folder} is not a published study (it has no {PUBLISHED_RUNS}); `amb publish` makes one")
        refuse_outside(self.folder, FOLDERS)

    def __repr__(self) -> str:
        return f"<published study {self.given}>"

    @property
    def folder(self) -> Path:
        """Where it is; the same folder whatever the current one is."""
        return self._kept.absolute

    @property
    def shown(self) -> Path:
        """The same for messages: as it was given, while that leads there."""
        return self._kept.shown

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the study that was published.

        Raises:
            StudyError: it is missing, damaged, or not the one that was written with the runs.
        """
        stated = self.stated_manifest
        if not self.is_of_one_piece():
            raise self.not_of_one_piece()
        return stated

    def not_of_one_piece(self) -> StudyError:
        """An error for a manifest that is not the one that was written with the runs."""
        return StudyError(f"{self.folder / 'manifest.json'}: {NOT_OF_ONE_PIECE}")

    @cached_property
    def stated_manifest(self) -> Manifest:
        """The manifest as its file states it, whether or not it was written with the runs."""
        path = self.folder / "manifest.json"
        if not os.path.lexists(path):
            raise StudyError(
                f"{self.shown} has runs, but no manifest.json: its publishing was interrupted; repeat the `amb "
                "publish` that made it, or get both files"
            )
        return read_manifest(path)

    def is_of_one_piece(self) -> bool:
        """Whether the manifest is the one that was written with the runs; one of version 0.1 does not tell."""
        stated = (self._table.schema.metadata or {}).get(MANIFEST.encode())
        content = read_bytes(self.folder / "manifest.json", LARGEST_MANIFEST)
        return stated is None or stated == _digest(content).encode()

    def run_file(self, run_id: str) -> Path:
        """The file of a run: one file holds all of them."""
        return self.folder / PUBLISHED_RUNS

    def load(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        """The run of a plan, or None without one or if it is longer: most candidates of a longer run were not kept.

        A shorter one is returned as it is, as a study that was interrupted in an extension has it; one that broke off
        earlier has any larger budget.
        """
        run = self._load(plan)
        return None if run is None else (run[0], run[1].trace())

    def records(self) -> Iterator[tuple[RunRecord, Trace]]:
        """All runs, in the order of their ids."""
        for run_id in sorted(self._rows):
            record, kept = self._read(self._rows[run_id])
            yield record, kept.trace()

    def holds(self, plan: RunPlan) -> bool:
        """Whether it holds the run of a plan, with any budget if the solver does not plan for it."""
        return plan.run_id in self._rows

    def count_runs(self) -> int:
        """How many runs it holds, whatever they are of."""
        return len(self._rows)

    def plans(self) -> list[RunPlan]:
        """What the runs were asked for, in the order of their ids; much faster than reading the runs.

        Raises:
            StudyError: a record is damaged.
        """
        return [self._record(self._rows[run_id]).plan for run_id in sorted(self._rows)]

    def load_compact(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        """The same with a number in place of each candidate (`amb.study.compact`)."""
        run = self._load(plan)
        return None if run is None else (run[0], run[1].compact())

    def compact_records(self) -> Iterator[tuple[RunRecord, Trace]]:
        """`records` with compact traces."""
        for run_id in sorted(self._rows):
            record, kept = self._read(self._rows[run_id])
            yield record, kept.compact()

    def _load(self, plan: RunPlan) -> "tuple[RunRecord, _Kept] | None":
        row = self._rows.get(plan.run_id)
        if row is None:
            return None
        record, kept = self._read(row)
        if record.plan.budget > plan.budget:
            return None
        return record.at_budget(kept.without_candidates(), plan.budget)[0], kept

    @cached_property
    def _table(self) -> pa.Table:
        path = self.folder / PUBLISHED_RUNS
        try:
            table = read_table(
                path,
                largest=LARGEST_RUN,
                most=MOST_NUMBERS,
                decoded=LARGEST_DECODED,
                expected=lambda _: SCHEMA,
                texts=("key", "record"),
            )
            for chunk in table["key"].chunks:
                if chunk.null_count or (pc.max(pc.binary_length(chunk.dictionary)).as_py() or 0) > LONGEST_KEY:
                    raise ValueError("a run's key is missing or too long")
            return table
        except (pa.ArrowException, OSError, ValueError) as cause:
            refuse_unreadable(path, cause)
            raise StudyError(f"{path} is damaged or not a published study ({cause}); get a new copy") from cause

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows: dict[str, int] = {}
        for row, run_id in enumerate(self._table["key"].to_pylist()):
            if rows.setdefault(run_id, row) != row:
                raise StudyError(f"{self.shown / PUBLISHED_RUNS} holds the run {plain(run_id)} twice; get a new copy")
        return rows

    def _record(self, row: int) -> RunRecord:
        key = self._table["key"][row].as_py()
        try:
            record = RunRecord.from_json(self._table["record"][row].as_py())
        except DAMAGE as cause:
            raise self._damaged(key, cause) from cause
        if record.plan.run_id != key:
            raise StudyError(f"{self.shown / PUBLISHED_RUNS} contradicts itself at run {plain(key)}; get a new copy")
        return record

    def _read(self, row: int) -> "tuple[RunRecord, _Kept]":
        record = self._record(row)
        try:
            cell = {name: self._table[name][row] for name in TRACE}
            d, values, queries = cell["modes"].as_py(), _numbers(cell["values"]), _numbers(cell["rows"])
            if d is None or not 1 <= d <= DIMENSIONS or d * len(values) > MOST_NUMBERS:
                raise ValueError(f"{len(values)} candidates of {d} dimensions exceed the size limit")
            if (np.diff(queries, prepend=-1) < 1).any() or (queries >= len(values)).any():
                raise ValueError("the queries whose candidates it keeps are not in order")
            improved = np.zeros(len(values), dtype=np.bool_)
            improved[improvements(values)] = True
            if not improved[queries].all():
                raise ValueError("the queries whose candidates it keeps are not those at which it improved")
            clean = values.copy() if not cell["clean"].is_valid else _numbers(cell["clean"])
            batches = _numbers(cell["batches"]).astype(np.int64)
            kept = _Kept(d, queries, _numbers(cell["candidates"]).reshape(-1, d), values, clean, batches)
            if len(kept.candidates) != len(queries):
                raise ValueError(f"it keeps {len(kept.candidates)} candidates of {len(queries)} queries")
            record.check(kept.without_candidates())
            record.check_final(kept.candidates, clean[queries])
        except DAMAGE as cause:
            raise self._damaged(record.plan.run_id, cause) from cause
        return record, kept

    def _damaged(self, key: str, cause: Exception) -> StudyError:
        return StudyError(f"{self.shown / PUBLISHED_RUNS} is damaged at run {plain(key)} ({cause}); get a new copy")


@dataclass(frozen=True)
class _Kept:
    """A run's trace as the file holds it: a few bytes may stand for two gigabytes of candidates that were not kept.

    Attributes:
        d: dimensions.
        queries: int32[kept], the queries whose candidates are kept; `candidates`, uint16[kept, d], those.
        values, clean, batches: as in `Trace`.
    """

    d: int
    queries: AnyInts
    candidates: AnyInts
    values: FloatArray
    clean: FloatArray
    batches: IntArray

    def trace(self) -> Trace:
        """The trace with -1 for what was not kept; it takes memory only if something was."""
        unknown = self.without_candidates()
        if not len(self.queries):
            return unknown
        candidates = unknown.candidates.copy()
        candidates[self.queries] = self.candidates
        return replace(unknown, candidates=candidates)

    def compact(self) -> Trace:
        """`amb.study.compact` of the trace."""
        numbers = numbered(self.candidates, self.queries, len(self.values))
        return Trace(numbers, self.values, self.clean, self.batches)

    def without_candidates(self) -> Trace:
        """The trace as if none was kept: one number that is repeated, which cannot be written."""
        unknown = np.broadcast_to(np.int64(-1), (len(self.values), self.d))
        return Trace(unknown, self.values, self.clean, self.batches)


def _numbers(cell: pa.ListScalar) -> np.ndarray:
    """The numbers of a list, without a Python object for each.

    Raises:
        ValueError: there is no list, or one of its numbers is missing.
    """
    if not cell.is_valid or cell.values.null_count:
        raise ValueError("a list is missing or incomplete")
    return cell.values.to_numpy(zero_copy_only=False).copy()


def _row(record: RunRecord, trace: Trace) -> dict[str, object]:
    """A run with the candidates at which it improved, as far as they are known."""
    queries = improvements(trace.values)
    queries = queries[trace.kept[queries]]
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
    """An existing study, to be read: a folder of runs, or a published one; nothing is created.

    Raises:
        StudyError: there is no study in the folder.
    """
    place = user_path(folder)
    if os.path.lexists(place / PUBLISHED_RUNS):  # also a link that leads nowhere, which must not look like no run
        return PublishedStudy(place)
    if not (place / "manifest.json").is_file():
        raise StudyError(f"{folder} is not a study (it has no manifest.json); `amb compare --study {folder}` makes one")
    return Study(place, create=False)

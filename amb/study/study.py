"""A study: a folder with a manifest, finished runs and journals."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from amb.errors import StudyError
from amb.runs import RunPlan, RunRecord, Trace
from amb.study.environment import environment
from amb.study.files import write_whole
from amb.study.journal import Journal, from_table, read_journal, to_batch

SCHEMA_VERSION = 1


class Study:
    """Opens a study folder, making it if need be.

    Layout: ``manifest.json``, ``runs/<key>.parquet``, ``journal/<key>.arrows``, ``report/``.

    Raises:
        StudyError: the folder cannot be made or written, is no study, or has a later schema.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            for part in ("runs", "journal", "report"):
                (self.folder / part).mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise StudyError(
                f"cannot make the study folder {self.folder}: {cause.strerror or cause}; give another with --study"
            ) from cause
        self._check_manifest()

    @property
    def manifest(self) -> dict[str, object]:
        """The manifest's content, {} before the first `describe`."""
        path = self.folder / "manifest.json"
        return read_json(path) if path.exists() else {}

    def describe(self, plans: Sequence[RunPlan], settings: Mapping[str, object]) -> None:
        """Write the manifest: versions, environment, settings and everything that was ever asked of it."""
        old = self.manifest
        problems = {**dict(old.get("problems", {})), **{p.problem: p.fingerprint for p in plans}}  # type: ignore[call-overload]
        solvers = {**dict(old.get("solvers", {})), **{p.solver: p.version for p in plans}}  # type: ignore[call-overload]
        content = {
            "schema": SCHEMA_VERSION,
            "environment": environment(),
            "settings": dict(settings),
            "problems": dict(sorted(problems.items())),
            "solvers": dict(sorted(solvers.items())),
        }
        text = json.dumps(content, indent=1) + "\n"
        write_whole(self.folder / "manifest.json", lambda path: path.write_text(text, encoding="utf-8"))

    def save(self, record: RunRecord, trace: Trace) -> None:
        """Write a finished run whole."""
        batch = to_batch(trace.candidates, trace.values, trace.clean)
        metadata = {"amb.record": record.to_json(), "amb.batches": json.dumps(trace.batches.tolist())}
        table = pa.Table.from_batches([batch]).replace_schema_metadata(metadata)
        write_whole(
            self._run_file(record.plan.key),
            lambda path: pq.write_table(table, path, compression="zstd", write_page_checksum=True),
        )

    def load(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        """The finished run of a plan, or None.

        A longer run answers for a shorter plan by its first queries, as the solver is anytime then; its
        recommendation is the best candidate told so far.
        """
        path = self._run_file(plan.key)
        if not path.exists():
            return None
        record, trace = read_run(path)
        if record.plan.budget > plan.budget:
            return _shorten(record, trace, plan)
        return record, trace

    def records(self) -> Iterator[tuple[RunRecord, Trace]]:
        """All finished runs, in the order of their keys."""
        for path in sorted((self.folder / "runs").glob("*.parquet")):
            yield read_run(path)

    def journal(self, plan: RunPlan, d: int, trace: Trace | None) -> Journal:
        """A journal for a run under way, beginning with what is known already."""
        return Journal(self._journal_file(plan.key), d, trace)

    def unfinished(self, plan: RunPlan) -> Trace | None:
        """What an interrupted, or shorter, run of this plan observed; None if there is nothing."""
        journalled = read_journal(self._journal_file(plan.key))
        finished = self.load(plan)
        if finished is not None and (journalled is None or len(finished[1]) > len(journalled)):
            return finished[1]
        return journalled

    def _run_file(self, key: str) -> Path:
        return self.folder / "runs" / f"{key}.parquet"

    def _journal_file(self, key: str) -> Path:
        return self.folder / "journal" / f"{key}.arrows"

    def _check_manifest(self) -> None:
        schema = self.manifest.get("schema", SCHEMA_VERSION)
        if schema != SCHEMA_VERSION:
            raise StudyError(
                f"{self.folder} has schema version {schema}, this amb reads {SCHEMA_VERSION}; "
                "use the version of amb that wrote it"
            )


def read_run(path: Path) -> tuple[RunRecord, Trace]:
    """Read one run file.

    Raises:
        StudyError: the file is damaged or no run.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        metadata = table.schema.metadata or {}
        record = RunRecord.from_json(metadata[b"amb.record"].decode())
        batches = np.array(json.loads(metadata[b"amb.batches"]), dtype=np.int64)
        trace = from_table(table, batches)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as cause:
        raise StudyError(f"{path} is damaged or no run ({cause}); move it away to run it again") from cause
    if batches.sum() != len(trace) or record.queries != len(trace) or record.plan.key != path.stem:
        raise StudyError(f"{path} contradicts itself; move it away to run it again")
    return record, trace


def read_json(path: Path) -> dict[str, object]:
    """A JSON object.

    Raises:
        StudyError: the file is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return content
    except (ValueError, OSError) as cause:
        raise StudyError(f"{path} is damaged ({cause}); restore or delete it") from cause


def _shorten(record: RunRecord, trace: Trace, plan: RunPlan) -> tuple[RunRecord, Trace]:
    """The first queries of a longer run, as the run of a plan with a smaller budget."""
    n = min(plan.budget, len(trace))
    candidates, values, clean = trace.candidates[:n], trace.values[:n], trace.clean[:n]
    ends = np.minimum(np.cumsum(trace.batches), n)
    batches = np.diff(ends, prepend=0)
    known = ~np.isnan(values)
    best = int(np.nanargmax(values)) if known.any() else 0
    share = n / max(len(trace), 1)
    content = asdict(record) | {
        "plan": plan,
        "status": "ok" if n == plan.budget else record.status,
        "queries": n,
        "distinct": len(np.unique(candidates, axis=0)),
        "recommended": tuple(candidates[best].tolist()) if n else (),
        "final": float(clean[best]) if known.any() else np.nan,
        "solver_seconds": record.solver_seconds * share,
        "generator_seconds": record.generator_seconds * share,
        "target_seconds": record.target_seconds * share,
    }
    return RunRecord(**content), Trace(candidates, values, clean, batches[batches > 0])

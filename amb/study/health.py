"""What state a study is in, from its files alone: no plug-in is imported and nothing is run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from amb.errors import StudyError
from amb.study.journal import JournalContent, find_journals, read_journal
from amb.study.lock import is_claimed
from amb.study.runs import RunRecord
from amb.study.study import Study
from amb.study.traces import LARGEST_RUN, read_run
from amb.study.untrusted import check_file

Mend = Literal["none", "set aside", "delete"]


@dataclass(frozen=True)
class UnderWay:
    """A run with a journal: `alive` if a process works on it now, else interrupted."""

    name: str
    queries: int
    budget: int
    alive: bool


@dataclass(frozen=True)
class StudyStatus:
    """Where a study stands.

    Attributes:
        finished: runs that ended well; `failed`, the records of the others.
        under_way: runs with a journal.
        session: the last "begin" in the log, {} if there is none; `rate`, queries a second since then, or None;
            `heard`, seconds since the log's last line, or None.
        warnings: messages of the last session's warnings, failures aside.
    """

    finished: int
    failed: tuple[RunRecord, ...]
    under_way: tuple[UnderWay, ...]
    session: Mapping[str, object]
    rate: float | None
    heard: float | None
    warnings: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether a process works on the study."""
        return any(run.alive for run in self.under_way)

    @property
    def eta(self) -> float | None:
        """Seconds until the last session's runs are complete, at its rate; None where unknown."""
        if not self.alive or not self.rate:
            return None
        return max(0.0, _number(self.session.get("left")) / self.rate)


def study_status(study: Study) -> StudyStatus:
    """Read where a study stands, also while another process works on it."""
    records = [record for path in sorted((study.folder / "runs").glob("*.parquet")) if (record := _peek(path))]
    under_way = []
    for path, content in _journals(study):
        if content is not None and content.plan is not None:
            plan = content.plan
            alive = is_claimed(path.with_suffix(".lock"))
            under_way.append(UnderWay(plan.name, len(content.known.trace), plan.budget, alive))
    session: dict[str, object] = {}
    rate: float | None = None
    last: object = None
    warnings: list[str] = []
    for line in study.log.read():
        last = line.get("time")
        event = line.get("event")
        if event == "begin":
            session, rate, warnings = dict(line), None, []
        elif event == "progress":
            rate = _number(line.get("rate"))
            session["left"] = line.get("left", 0)
        elif line.get("level") != "info" and event != "run ended":
            warnings.append(str(line.get("message", event)))
    return StudyStatus(
        sum(not record.failed for record in records),
        tuple(record for record in records if record.failed),
        tuple(under_way),
        session,
        rate,
        _age(last),
        tuple(warnings),
    )


@dataclass(frozen=True)
class Finding:
    """Something about a file that its owner should know.

    Attributes:
        path: the file.
        what: in words, with what follows from it.
        mend: what `mend` does about it.
    """

    path: Path
    what: str
    mend: Mend = "none"


def examine(study: Study) -> list[Finding]:
    """Read every file of a study and check it."""
    return [*_run_findings(study), *_journal_findings(study), *_leftovers(study)]


def mend(study: Study, findings: list[Finding]) -> int:
    """Do what the findings propose: set damaged files aside, delete leftovers; how many.

    Raises:
        StudyError: the folder cannot be written.
    """
    done = 0
    for finding in findings:
        if finding.mend == "set aside":
            study.set_aside(finding.path, finding.what)
        elif finding.mend == "delete":
            try:
                finding.path.unlink(missing_ok=True)
            except OSError as cause:
                raise StudyError(f"cannot delete {finding.path}: {cause.strerror or cause}") from cause
        done += finding.mend != "none"
    return done


def _run_findings(study: Study) -> Iterator[Finding]:
    manifest = study.manifest
    versions, prints = manifest.solvers, manifest.problems
    for path in sorted((study.folder / "runs").glob("*.parquet")):
        try:
            record, _ = read_run(path)
        except StudyError as cause:
            yield Finding(path, f"{str(cause).split('; `amb')[0]}; its run will be made again", "set aside")
            continue
        plan = record.plan
        if record.failed:
            yield Finding(path, f"{plan.name} failed ({record.outcome}): {record.reason}; --retry resumes it")
        if versions.get(plan.solver, plan.version) != plan.version:
            now = versions[plan.solver]
            yield Finding(path, f"{plan.name} is of version {plan.version} of its solver, and {now} is used now")
        elif prints.get(plan.problem, plan.fingerprint) != plan.fingerprint:
            yield Finding(path, f"{plan.name} ran on networks that have changed since: not used")


def _journal_findings(study: Study) -> Iterator[Finding]:
    for path, content in _journals(study):
        if is_claimed(path.with_suffix(".lock")):
            continue  # at work
        if content is None:
            yield Finding(path, "a journal of which nothing is whole; its run begins anew", "set aside")
            continue
        queries = len(content.known.trace)
        name = content.plan.name if content.plan else path.stem
        if not content.whole:
            yield Finding(path, f"{name}: the journal's end is torn; {queries} whole queries before it are used")
        else:
            yield Finding(path, f"{name} was interrupted after {queries} queries; the same command goes on with it")


def _leftovers(study: Study) -> Iterator[Finding]:
    for folder in (study.folder, study.folder / "runs", study.folder / "journal"):
        for path in sorted(folder.iterdir()):
            if path.is_symlink():
                yield Finding(path, "a symbolic link, where only files are read", "set aside")
            elif path.suffix in (".tmp", ".new"):
                yield Finding(path, "half of a file whose process died; nothing reads it", "delete")
            elif path.suffix == ".lock" and not is_claimed(path):
                yield Finding(path, "the claim of a process that died; the next one takes it over", "delete")


def _journals(study: Study) -> Iterator[tuple[Path, JournalContent | None]]:
    for path in find_journals(study.folder / "journal"):
        yield path, read_journal(path)


def _peek(path: Path) -> RunRecord | None:
    """A run's record without its trace; None where it is damaged or just being written."""
    try:
        check_file(path, LARGEST_RUN)
        metadata = pq.read_metadata(path).metadata or {}
        return RunRecord.from_json(metadata[b"amb.record"].decode())
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
        return None


def _age(time: object) -> float | None:
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(str(time))).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(value: object) -> float:
    """A number of the log; 0 where a stranger wrote something else."""
    return float(value) if isinstance(value, int | float) and isfinite(value) else 0.0

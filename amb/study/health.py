"""The state of a study, from its files alone: no plug-in is imported and nothing is run."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Literal

from amb.errors import StudyError, UnreadableError
from amb.study import journal_0_1
from amb.study.fit import misfits
from amb.study.index import NAME as INDEX
from amb.study.journal import SUFFIX, JournalContent, find_journals, read_journal, read_journal_and_ending
from amb.study.lock import IN_ITS_PLACE, claim, clear, is_claimed
from amb.study.log import LOG_NAME
from amb.study.own_files import PUBLISHED_RUNS
from amb.study.published import NOT_OF_ONE_PIECE, PublishedStudy
from amb.study.runs import RunPlan, RunRecord
from amb.study.study import Study, run_files_in
from amb.study.traces import read_record, read_run

JOURNALS = (SUFFIX, journal_0_1.SUFFIX)
Repair = Literal["none", "set aside", "delete"]


@dataclass(frozen=True)
class UnderWay:
    """A run with a journal: `alive` if a process works on it now, otherwise interrupted."""

    name: str
    queries: int
    budget: int
    alive: bool


@dataclass(frozen=True)
class StudyStatus:
    """The state of a study.

    Attributes:
        finished: number of runs that did not fail; `failed`, the records of those that did.
        under_way: runs with a journal.
        session: the last "begin" in the log, {} without one.
        rate: queries per second since then; None if unknown.
        idle: seconds since the last line of the log; None if there is none.
        warnings: messages of the last session's warnings, failures aside.
    """

    finished: int
    failed: tuple[RunRecord, ...]
    under_way: tuple[UnderWay, ...]
    session: Mapping[str, object]
    rate: float | None
    idle: float | None
    warnings: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether a process works on the study."""
        return any(run.alive for run in self.under_way)

    @property
    def eta(self) -> float | None:
        """Seconds until the last session's runs are finished, at its rate; None if unknown."""
        if not self.alive or not self.rate:
            return None
        return max(0.0, _number(self.session.get("left")) / self.rate)


def study_status(study: Study) -> StudyStatus:
    """Read the state of a study, even while another process works on it."""
    finished, failures = 0, []
    for path in study.run_files():
        entry = study.index.find(path)
        if entry is not None and not entry.failed:
            finished += 1
        elif record := read_record(path):
            finished += not record.failed
            failures += [record] * record.failed
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
        finished,
        tuple(failures),
        tuple(under_way),
        session,
        rate,
        _age(last),
        tuple(warnings),
    )


@dataclass(frozen=True)
class Finding:
    """Something that the owner of a file should know.

    Attributes:
        path: the file.
        what: a sentence, with the consequence.
        repair: what `repair` does about it.
    """

    path: Path
    what: str
    repair: Repair = "none"


def examine(study: Study) -> list[Finding]:
    """Read every file of a study and check it; a file that cannot be read is among the findings.

    Raises:
        UnreadableError: a folder cannot be read.
    """
    return [*_run_findings(study), *_journal_findings(study), *_leftovers(study)]


def examine_published(study: PublishedStudy) -> list[Finding]:
    """Read the manifest and all runs of a published study: which runs failed, and what is damaged.

    Where the manifest or a run is damaged, that is the only finding.

    Raises:
        UnreadableError: it cannot be read.
    """
    manifest, runs = study.folder / "manifest.json", study.folder / PUBLISHED_RUNS
    try:
        _ = study.stated_manifest
    except StudyError as cause:
        return [Finding(manifest, str(cause))]
    try:
        dimensions, failed = _Dimensions(), []
        for record, _ in study.compact_records():
            dimensions.add(runs, record.plan, len(record.recommended))
            if record.failed:
                failed.append(Finding(runs, _failure(record)))
    except StudyError as cause:
        return [Finding(runs, str(cause))]
    if contradictions := list(dimensions.findings()):
        return [*failed, *contradictions]
    if study.is_of_one_piece():
        return failed
    return [*failed, Finding(manifest, NOT_OF_ONE_PIECE)]


def repair(study: Study, findings: list[Finding]) -> int:
    """Move damaged files to ``damaged/`` and delete leftovers, as the findings propose.

    Returns:
        How many files were moved or deleted. Those of a run that another process works on are left to it.

    Raises:
        StudyError: the folder cannot be written.
    """
    study.make_folders()  # of one that was opened to be read; claims are files in one of them
    done = 0
    gone: set[Path] = set()
    for finding in findings:
        if finding.repair == "none" or finding.path in gone:  # one file may have two faults
            continue
        gone.add(finding.path)
        done += _set_aside(study, finding) if finding.repair == "set aside" else _delete(finding.path)
    return done


def _delete(path: Path) -> bool:
    try:
        return clear(path)
    except OSError as cause:
        raise StudyError(f"cannot delete {path}: {cause.strerror or cause}") from cause


def _set_aside(study: Study, finding: Finding) -> bool:
    """Move the file away, unless a process has begun to work on its run, or has replaced it, since it was examined."""
    folder, path = study.folder / "journal", finding.path
    if path.parent not in (folder, study.folder / "runs") or path.suffix not in (".parquet", *JOURNALS):
        study.set_aside(path, finding.what)  # no run's
        return True
    owned = claim(folder / f"{path.stem}.lock")
    if owned is None:
        return False
    with owned:
        if path.is_symlink() or _is_damaged(path):
            study.set_aside(path, finding.what)
            return True
    return False


def _is_damaged(path: Path) -> bool:
    try:
        if path.suffix == ".parquet":
            read_run(path)
            return False
        content = read_journal(path)
        return path.exists() if content is None else not content.is_named(path)
    except StudyError:
        return path.exists()
    except UnreadableError:
        if path.exists():
            raise
        return False  # another process has just moved it away


def _run_findings(study: Study) -> Iterator[Finding]:
    if not os.path.lexists(runs := study.folder / "runs"):
        yield Finding(
            runs, "the folder is missing, and all finished runs with it: get it back, or begin the study anew"
        )
        return
    manifest = study.manifest
    versions, prints = manifest.solvers, manifest.problems
    dimensions = _Dimensions()
    for path in study.run_files():
        try:
            record, d = _record_and_dimensions(path)
        except StudyError as cause:
            yield Finding(path, f"{str(cause).split('; `amb')[0]}; the same command runs it again", "set aside")
            continue
        except UnreadableError as cause:
            if path.exists():  # otherwise another process has just moved it away
                yield Finding(path, _unread(cause))
            continue
        plan = record.plan
        dimensions.add(path, plan, d)
        if record.failed:
            yield Finding(path, f"{_failure(record)}; --retry resumes it")
        if versions.get(plan.solver, plan.version) != plan.version:
            now = versions[plan.solver]
            yield Finding(path, f"{plan.name} ran on version {plan.version} of its solver, now {now}: not used")
        elif prints.get(plan.problem, plan.fingerprint) != plan.fingerprint:
            yield Finding(path, f"{plan.name} ran on networks that have since changed: not used")
    yield from dimensions.findings()


def _failure(record: RunRecord) -> str:
    return f"{record.plan.name} failed ({record.outcome}): {record.reason}"


def _record_and_dimensions(path: Path) -> tuple[RunRecord, int]:
    """A run's record, and the dimensions of its candidates; its trace is gone when the next run is read."""
    record, trace = read_run(path)
    return record, trace.candidates.shape[1]


class _Dimensions:
    """The dimensions of the candidates of runs, and which of them contradict others on the same problem."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], dict[tuple[Path, str], int]] = {}

    def add(self, path: Path, plan: RunPlan, d: int) -> None:
        if d:  # 0 if it recommends nothing
            self._of.setdefault((plan.problem, plan.fingerprint), {})[path, plan.name] = d

    def findings(self) -> Iterator[Finding]:
        for runs in self._of.values():
            for (path, name), why in misfits(runs).items():
                yield Finding(path, f"{name}: {why}, or delete it and run it again")


def _journal_findings(study: Study) -> Iterator[Finding]:
    for path in find_journals(study.folder / "journal"):
        if path.is_symlink() or is_claimed(path.with_suffix(".lock")):
            continue  # among the leftovers, or under way
        try:
            content, ending = read_journal_and_ending(path)
        except StudyError as cause:
            yield Finding(path, f"{cause}; its run starts over", "set aside")
            continue
        except UnreadableError as cause:
            if path.exists():
                yield Finding(path, _unread(cause))
            continue
        if content is None:
            what = "that is damaged from its beginning" if ending == "changed" else "without a complete batch"
            yield Finding(path, f"a journal {what}; its run starts over", "set aside")
            continue
        if not content.is_named(path):
            yield Finding(
                path, "the journal of another run, whose name it does not have; nothing reads it", "set aside"
            )
            continue
        queries = len(content.known.trace)
        name = content.plan.name if content.plan else path.stem
        if ending == "changed":
            yield Finding(
                path,
                f"{name}: the journal is damaged after {queries} queries; these are used, what follows is lost. The "
                "same command copies the journal to damaged/ and resumes the run",
            )
        elif ending == "torn":
            yield Finding(path, f"{name}: the journal's end is incomplete; the {queries} queries before it are used")
        else:
            yield Finding(path, f"{name} was interrupted after {queries} queries; the same command resumes it")


def _unread(cause: UnreadableError) -> str:
    """A file that the system does not hand over is neither intact nor damaged; the others are examined all the same."""
    return f"{cause}; whether it is intact is unknown"


def _leftovers(study: Study) -> Iterator[Finding]:
    own = [study.folder / "manifest.json", study.folder / INDEX, study.folder / LOG_NAME]
    runs = run_files_in(study.folder / "runs")
    left = list(study.leftovers())
    for path in [*own, *runs, *find_journals(study.folder / "journal"), *left]:
        if path.is_symlink():
            yield Finding(path, "a symbolic link; only regular files are read", "set aside")
    for path in left:
        if path.is_symlink() or is_claimed(path):
            continue
        if path.is_dir():
            yield Finding(path, IN_ITS_PLACE)
        elif path.suffix == ".lock":
            yield Finding(path, "a lock file, left by a process that died; it blocks no other process", "delete")
        else:
            yield Finding(path, "an incomplete file, left by a process that died; nothing reads it", "delete")


def _journals(study: Study) -> Iterator[tuple[Path, JournalContent | None]]:
    for path in find_journals(study.folder / "journal"):
        yield path, read_journal(path)


def _age(time: object) -> float | None:
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(str(time))).total_seconds())
    except (ValueError, TypeError):
        return None


def _number(value: object) -> float:
    """A number in the log; 0 if the entry is anything else."""
    try:
        return float(value) if isinstance(value, int | float) and isfinite(value) else 0.0
    except OverflowError:  # an integer beyond all floats
        return 0.0

"""A study: a folder with a manifest, finished runs and journals."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from amb.errors import AmbError, StudyError
from amb.file_identity import Identity
from amb.kept_path import KeptPath
from amb.reloaded import Reloaded
from amb.study import journal_0_1
from amb.study.changes import changes, edited
from amb.study.codes import key, several, with_all_parts
from amb.study.compact import compact
from amb.study.durable import flush_folder, make_folder, rename, write_whole
from amb.study.environment import environment
from amb.study.index import Entry, Index
from amb.study.journal import SUFFIX, Journal, JournalContent, longest_journal, read_journal_and_ending
from amb.study.links import refuse_outside
from amb.study.lock import Claim, claim, clear, enter
from amb.study.log import LOG, LOG_NAME, StudyLog
from amb.study.manifest import Manifest, Settings, manifest_text, read_manifest
from amb.study.own_files import PUBLISHED_RUNS, refuse_others, refuse_part_of_a_study
from amb.study.runs import Known, RunPlan, RunRecord, Trace
from amb.study.traces import read_record, read_run, write_run
from amb.study.untrusted import names_in, refuse_unreadable

FOLDERS = ("runs", "journal", "report", "damaged", "analysis")

# What a process may leave in each folder: by whole names, since a study may be in a folder of the user's, where tools
# have files such as poetry.lock.
_LEFTOVERS = {
    "": re.compile(r"\.(manifest|report)\.lock|\.(manifest\.json|\.index|log\.jsonl)(\.\d+)?\.tmp"),
    "runs": re.compile(r"\.[^.]+\.parquet(\.\d+)?\.tmp"),
    "journal": re.compile(r"[0-9a-f]{32}\.(lock|new)|\.[0-9a-f]{32}\.journal(\.\d+)?\.tmp"),
}


_WRITTEN_ANEW = (
    "restore it, or move it away and repeat the commands that began the study: they write a new one, and stored runs "
    "are not repeated"
)


class Study(Reloaded):
    """Opens a study folder, and creates it if it does not exist, unless it is only read.

    Layout: ``manifest.json``, ``runs/<run id>.parquet``, ``journal/<run id>.journal``, ``log.jsonl``, ``report/``, and
    ``damaged/`` for files that cannot be used.

    Args:
        folder: where it is.
        create: make the folders that are missing; without it, opening changes nothing, so that a study on a disk that
            cannot be written, or in somebody else's care, can be read.

    Attributes:
        given: the folder as it was named, for people.
        log: what happened to it.

    Raises:
        StudyError: the folder cannot be created or written, is not a study, is a published one, has a later schema,
            or would be a new one beside a user's `log.jsonl` or inside another study.
    """

    def __init__(self, folder: str | Path, *, create: bool = True) -> None:
        self._kept = KeptPath(folder)
        self.given = self._kept.given
        if (self.folder / PUBLISHED_RUNS).is_file():  # whoever reads it would never see runs that were added
            raise StudyError(
                f"{self.shown} is a published study (it has {PUBLISHED_RUNS}), which takes no more runs; "
                f"name another folder, or restore it into one first: amb study restore {self.shown} FOLDER"
            )
        self.log = StudyLog(self._kept.absolute / LOG_NAME)
        self._only_read = not create
        self._described = False
        _ = self.manifest  # refuses a folder that is not a study, or one of a different schema, before it is changed
        if create:
            if not (self.folder / "manifest.json").exists():
                refuse_part_of_a_study(self.folder)
                refuse_others({self.folder / LOG_NAME: LOG}, "move it away, or name another folder")
            self.make_folders()
        refuse_outside(self.folder, FOLDERS)

    def __repr__(self) -> str:
        return f"<study {self.given}>"

    @property
    def folder(self) -> Path:
        """Where it is; the same folder whatever the current one is."""
        return self._kept.absolute

    @property
    def shown(self) -> Path:
        """The same for messages: as it was given, while that leads there."""
        return self._kept.shown

    def make_folders(self) -> None:
        """Make the folders that a study consists of, where they are missing, as whoever writes into it needs them.

        Names of those that exist are flushed with the manifest, which every command that adds runs writes first.

        Raises:
            StudyError: one cannot be made.
        """
        for name in FOLDERS[:3]:
            if not os.path.isdir(self.folder / name):
                self._make_folder(name)

    @property
    def manifest(self) -> Manifest:
        """The manifest; an empty one before the first `describe`.

        Raises:
            StudyError: it is damaged, or was there and is gone.
        """
        path = self.folder / "manifest.json"
        if path.exists():
            self._described = True
            return read_manifest(path, advice=_WRITTEN_ANEW)
        if self._described:
            raise StudyError(
                f"{path} is gone, which was there: the study was moved, deleted or replaced meanwhile; put it back, or "
                "open it where it is now"
            )
        return Manifest()

    def describe(self, plans: Sequence[RunPlan], settings: Settings, *, retry: bool = False) -> list[str]:
        """Write the manifest: versions, environment, settings, and every problem and solver that was ever asked for.

        Args:
            plans: what is asked now.
            settings: the whole request.
            retry: whether failed runs will be resumed.

        Returns:
            Why earlier runs of the study are not used for these plans, one sentence for each reason.

        Raises:
            StudyError: the study is in use, so that these plans could not be run now, or cannot be written.
        """
        reasons: list[str] = []

        def added(old: Manifest) -> Manifest:
            edits = edited(old, plans, settings.codes)
            ahead = plans
            if edits or changes(old, plans, plans):  # otherwise no run is looked up
                ahead = [plan for plan in plans if not self._surely_holds(plan, settings.timing, retry)]
            reasons.extend([*changes(old, plans, ahead), *edits])
            earlier = {name: sees for name, sees in old.settings.sees.items() if name not in settings.solvers}
            solvers = {**old.solvers, **{p.solver: p.version for p in plans}}
            problems = {**old.problems, **{p.problem: p.fingerprint for p in plans}}
            asked = {key(*each) for p in plans for each in ((p.solver, p.version), (p.problem, p.fingerprint))}
            now = {name: code for name, code in settings.codes.items() if name in asked}
            codes = now | {
                name: with_all_parts(code, now[name]) if name in now else code
                for name, code in old.settings.codes.items()
            }
            other = {name for names in edits.values() for name in names}
            for p in ahead:
                for name, version in ((p.solver, p.version), (p.problem, p.fingerprint)):
                    if name in other:
                        codes[key(name, version)] = several(codes[key(name, version)])
            return replace(
                old.going_on(environment()),
                settings=replace(
                    settings,
                    sees=dict(sorted({**earlier, **settings.sees}.items())),
                    codes=dict(sorted(codes.items())),
                ),
                problems=dict(sorted(problems.items())),
                solvers=dict(sorted(solvers.items())),
            )

        with self.enter(alone=settings.timing):
            self.rewrite_manifest(added)
        return reasons

    def rewrite_manifest(self, change: Callable[[Manifest], Manifest]) -> None:
        """Replace the manifest by what `change` returns for it, while no other process does the same."""
        with self._claimed(".manifest.lock"):
            write_whole(self.folder / "manifest.json", manifest_text(change(self.manifest)))

    def enter(self, *, alone: bool = False) -> Claim:
        """Claim the study, together with other processes or alone; the claim ends with the process.

        What processes that died left half written is cleared away.

        Raises:
            StudyError: another process is working on it, and one of the two needs it exclusively.
        """
        presence = enter(self.folder, alone=alone)
        if presence is None:
            why = "other processes are working on it" if alone else "a timing study or a merge needs it exclusively"
            raise StudyError(f"{self.shown} is in use: {why}; wait until they finish, or use another folder")
        for path in self.leftovers():
            with suppress(OSError):  # a study that cannot be written says so when a result is
                if path.is_file() and not path.is_symlink():
                    clear(path)
        return presence

    def leftovers(self) -> Iterator[Path]:
        """Temporary files and lock files, of processes that died or of living ones; `clear` tells them apart.

        Links of such a name are among them.
        """
        for part, left in _LEFTOVERS.items():
            folder = self.folder / part
            yield from (folder / name for name in names_in(folder) if left.fullmatch(name))

    def settle(self, folder: str = "runs") -> None:
        """Wait until the disk has the names of all runs that were found, so that they may be called finished.

        A process that was killed may have written one and not waited. The files themselves were flushed before they
        got their names.

        Args:
            folder: "journal" for the names of journals, "" for that of the manifest.

        Raises:
            StudyError: the disk failed.
        """
        place = self.folder / folder
        try:
            flush_folder(place)
        except OSError as cause:
            raise StudyError(f"cannot write to {place}: {cause.strerror or cause}") from cause

    def save(self, record: RunRecord, trace: Trace) -> None:
        """Write a finished run whole."""
        write_run(self.run_file(record.plan.run_id), record, trace)

    def holds(self, plan: RunPlan, *, timing: bool = False, retry: bool = False) -> bool:
        """Whether the run of a plan is finished, so that it needs no more queries.

        Args:
            plan: the run.
            timing: whether it must have had the machine to itself.
            retry: whether a failed one is resumed.

        Raises:
            StudyError: its file is damaged.
        """
        ending = self.ending(plan)
        if ending is None:
            return False
        status, timed = ending.status, ending.timing
        if ending.budget > plan.budget:
            loaded = self.load(plan)
            if loaded is None:  # another process has just moved it away
                return False
            status, timed = loaded[0].status, loaded[0].timing
        if status != "ok":
            return not retry
        if ending.budget < plan.budget or (timing and not timed):
            return False
        # A failed run that spent its budget is retried like any other, unless the study holds a longer version of it.
        return not (retry and ending.failed and ending.budget == plan.budget)

    def _surely_holds(self, plan: RunPlan, timing: bool, retry: bool) -> bool:
        try:
            return self.holds(plan, timing=timing, retry=retry)
        except AmbError:  # it is repeated, or refused when it is its turn
            return False

    def load(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        """The finished run of a plan, or None.

        For another budget, it is the run as it stood then (`RunRecord.at_budget`).
        """
        path = self.run_file(plan.run_id)
        if not path.exists():
            return None
        record, trace = read_run(path)
        return record.at_budget(trace, plan.budget)

    def load_compact(self, plan: RunPlan) -> tuple[RunRecord, Trace] | None:
        """The same, with a number in place of each candidate (`amb.study.compact`); faster, for thousands of runs.

        The record is whole: it recommends the candidate itself.
        """
        path = self.run_file(plan.run_id)
        run = self.index.load(path) or (self._read_compact(path) if path.exists() else None)
        if run is None:
            return None
        if plan.budget >= run[0].plan.budget:
            return run[0].at_budget(run[1], plan.budget)
        cut = self.load(plan)  # the recommended candidate is another one
        return None if cut is None else (cut[0], compact(cut[1]))

    def compact_records(self) -> Iterator[tuple[RunRecord, Trace]]:
        """`records` with compact traces."""
        for path in self.run_files():
            yield self.index.load(path) or self._read_compact(path)
        self.keep_index()

    def run_files(self) -> list[Path]:
        """The files of all finished runs, in the order of their run ids.

        Raises:
            StudyError: the folder is missing, which is made with the study: without it, all runs are.
        """
        folder = self.folder / "runs"
        if not os.path.lexists(folder):
            raise StudyError(
                f"{self.shown} has no folder runs: a copy was interrupted, or a disk is away; get it back, or make an "
                "empty one if no run had ended"
            )
        return run_files_in(folder)

    def count_runs(self) -> int:
        """How many finished runs it holds, whatever they are of."""
        return len(self.run_files())

    def plans(self) -> list[RunPlan]:
        """What the finished runs were asked for, in the order of their ids; damaged runs are left out."""
        return [record.plan for path in self.run_files() if (record := read_record(path))]

    def _read_compact(self, path: Path) -> tuple[RunRecord, Trace]:
        """A run from its file, which the index then knows."""
        file = Identity.of(path)
        record, trace = read_run(path)
        trace = compact(trace)
        self.index.add(path, file, record, trace)
        return record, trace

    @cached_property
    def index(self) -> Index:
        """How the runs ended that were read before."""
        return Index(self._kept.absolute)

    def keep_index(self) -> None:
        """Write what was read into the index, unless the study is only read: it may be another's, or a checkout."""
        if not self._only_read:
            self.index.save()

    def ending(self, plan: RunPlan) -> Entry | None:
        """How the finished run of a plan ended, whatever its budget; None without one. See `amb.study.index`.

        Raises:
            StudyError: the run's file is damaged.
            UnreadableError: it cannot be read.
        """
        path = self.run_file(plan.run_id)
        if (entry := self.index.find(path)) is not None:
            return entry
        try:
            file = Identity.of(path)
        except FileNotFoundError:
            return None
        except OSError as cause:
            refuse_unreadable(path, cause)
            raise
        record, trace = read_run(path)
        return self.index.add(path, file, record, compact(trace))

    def holds_queries(self, plan: RunPlan, more_than: int = 0) -> bool:
        """Whether the file of a run, whatever its budget and status, has more than so many queries, or is damaged."""
        path = self.run_file(plan.run_id)
        try:
            return path.exists() and read_run(path)[0].queries > more_than
        except StudyError:
            return True

    def records(self) -> Iterator[tuple[RunRecord, Trace]]:
        """All finished runs, in the order of their run ids."""
        for path in self.run_files():
            yield read_run(path)

    def journal(self, plan: RunPlan, d: int, known: Known | None) -> Journal:
        """A journal for a run under way, which begins with what is known already and replaces an earlier one."""
        journal = Journal(self.journal_file(plan.run_id), d, known, plan=plan)
        for path in self.journals(plan.run_id):
            if path != journal.path:
                path.unlink()
        return journal

    def drop_journal(self, plan: RunPlan, queries: int) -> None:
        """Delete the journal of a run that is saved with this number of queries, unless the journal holds more."""
        content = self._journalled(plan)
        if content is None or len(content.known.trace) <= queries:
            for path in self.journals(plan.run_id):
                path.unlink(missing_ok=True)

    def tidy(self, plan: RunPlan) -> None:
        """Delete the journal left by a process that died after saving the run, unless another process works on it."""
        if not self.journals(plan.run_id):
            return
        owned = self.claim(plan)
        if owned is None:
            return
        with owned:
            queries = read_run(self.run_file(plan.run_id))[0].queries
            self.settle()
            self.drop_journal(plan, queries)

    def unfinished(self, plan: RunPlan) -> Known | None:
        """What an interrupted, shorter or failed run of this plan observed; None if nothing is known.

        Of a damaged journal that is what it holds before the damage; a copy of it is kept.
        """
        journalled = self._journalled(plan)
        if journalled is not None and journalled.ending == "changed":
            path = self.journal_file(plan.run_id)
            write_whole(self._free_place(path.name), path.read_bytes())
        path = self.run_file(plan.run_id)
        record, trace = read_run(path) if path.exists() else (None, None)
        if record is not None and trace is not None and (not journalled or len(trace) > len(journalled.known.trace)):
            return Known(trace, record.seconds, record.timing)
        return journalled.known if journalled else None

    def claim(self, plan: RunPlan) -> Claim | None:
        """Claim a run until the process ends; None if another process has it."""
        return claim(self.folder / "journal" / f"{plan.run_id}.lock")

    def set_aside(self, path: Path, why: str) -> Path:
        """Move a file that cannot be used to ``damaged/``, and log why.

        Raises:
            StudyError: the folder cannot be written.
        """
        destination = self._free_place(path.name)
        try:
            rename(path, destination)
        except OSError as cause:
            raise StudyError(f"{path} can be neither used ({why}) nor moved away: {cause.strerror or cause}") from cause
        self.log.write(
            "warning", "set aside", file=str(path.relative_to(self.folder)), place=destination.name, message=why
        )
        return destination

    def keep_copy(self, plan: RunPlan) -> None:
        """Copy what is known of a run to ``damaged/`` before other queries replace it, and log it."""
        for path in (*self.journals(plan.run_id), self.run_file(plan.run_id)):
            if path.exists():
                place = self._free_place(path.name)
                write_whole(place, path.read_bytes())
                self.log.write("warning", "copied", file=str(path.relative_to(self.folder)), place=place.name)

    def run_file(self, run_id: str) -> Path:
        """The file of a finished run, whether it exists or not."""
        return self.folder / "runs" / f"{run_id}.parquet"

    def journal_file(self, run_id: str) -> Path:
        """The journal of a run under way, whether it exists or not."""
        return self.folder / "journal" / f"{run_id}{SUFFIX}"

    def journals(self, run_id: str) -> list[Path]:
        """The existing journals of a run: at most one, and one of version 0.1."""
        path = self.journal_file(run_id)
        return [place for place in (path, path.with_suffix(journal_0_1.SUFFIX)) if place.exists()]

    def _journalled(self, plan: RunPlan) -> JournalContent | None:
        """The run's journal; one that holds another run's queries, or nothing that can be used, is set aside."""
        paths = self.journals(plan.run_id)
        if not paths:
            return None
        content, ending = read_journal_and_ending(path := longest_journal(paths))
        if content is not None and not content.is_named(path):
            self.set_aside(path, "it is the journal of another run")
            return None
        if content is None and ending == "changed":
            self.set_aside(path, "it is damaged from its beginning")
        return content

    def _make_folder(self, name: str) -> None:
        part = self.folder / name
        try:
            make_folder(part)
        except OSError as cause:
            if not self.folder.is_dir():
                why = f"the study folder {self.shown}: {cause.strerror or cause}; choose another folder"
            elif part.is_symlink() or (part.exists() and not part.is_dir()):
                why = f"{part}: there is something else of this name, where a study has a folder; move it away"
            else:
                why = f"{part}: {cause.strerror or cause}"
            raise StudyError(f"cannot create {why}") from cause

    def _free_place(self, name: str) -> Path:
        self._make_folder("damaged")
        folder = self.folder / "damaged"
        return next(place for i in count() if not (place := folder / (name if i == 0 else f"{name}.{i}")).exists())

    def _claimed(self, name: str) -> Claim:
        owned = claim(self.folder / name, wait=True)
        assert owned is not None  # it waited
        return owned


def run_files_in(folder: Path) -> list[Path]:
    """The files of runs in a folder, by name; hidden ones, which macOS makes beside others on foreign disks, are none.

    Raises:
        UnreadableError: the folder cannot be read.
    """
    return [folder / name for name in names_in(folder) if name.endswith(".parquet") and not name.startswith(".")]

"""Several studies as one: the union of their runs by run id, refused if two studies contradict each other."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from amb.errors import StudyError
from amb.spec import real_path, user_path
from amb.study.copies import difference, read_copy
from amb.study.durable import write_whole
from amb.study.journal import find_journals, read_undamaged_journal
from amb.study.manifest import Manifest, disagreements, union
from amb.study.published import open_study
from amb.study.study import Study

# Contradictions that an error quotes in full; more are counted.
QUOTED = 3


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        studies: how many were merged into the study.
        added: runs that it did not have; `lengthened`, runs of which it had a copy of lower rank.
        runs: finished runs that it holds now.
        unfinished: journals that were copied.
        notes: what the studies hold of different networks or versions under one name, as clauses.
    """

    studies: int
    added: int
    lengthened: int
    runs: int
    unfinished: int
    notes: tuple[str, ...] = ()


def merge(into: str | Path, studies: Sequence[str | Path]) -> Merged:
    """Merge studies by the ids of their runs.

    Of two copies of one run, the one with more queries is kept if it continues the other; if both have the same number,
    the one with the larger budget, then one that did not fail, then one of a timing study, then the one in `into`.
    Journals are copied if they have more queries than the finished run. All files are read and checked before the first
    is written, so a refusal writes nothing. Merging is idempotent, and an interrupted merge can be repeated.

    Args:
        into: the study that receives all runs; created if it does not exist.
        studies: folders of the others, which are only read.

    Raises:
        StudyError: a study is damaged or published; two copies of one run contradict each other; `into` is in use or
            cannot be written.
    """
    folder = user_path(into)
    sources = [_source(study, folder) for study in dict.fromkeys(user_path(s) for s in studies)]
    if not sources:
        raise StudyError(f"nothing to merge: name at least one study besides {folder}")

    def united(now: Manifest) -> Manifest:
        others = [source.manifest for source in sources]
        return union(others if now == Manifest() else [now, *others])

    begun = _existing(folder)
    finished, unfinished = _union(sources) if begun is None else ({}, {})  # what is refused leaves no folder
    destination = begun or Study(folder)
    with destination.enter(alone=True):
        if begun or _existing(folder):  # another process may have begun the study while the others were read
            finished, unfinished = _union([destination, *sources])
        if begun is None:  # first, so that an interrupted merge leaves a study that the same command completes
            destination.rewrite_manifest(united)
        else:  # of one that was interrupted, the disk may have no manifest yet
            destination.settle("")
        before = {path.stem for path in destination.run_files()}
        copied: set[str] = set()
        continued: set[str] = set()
        while True:
            for path in _elsewhere(finished, destination):
                write_whole(destination.run_file(path.stem), partial(shutil.copyfile, path))
                copied.add(path.stem)
            taken = [_continue(destination, path) for path in _elsewhere(unfinished, destination)]
            continued.update(run_id for run_id in taken if run_id is not None)
            if None not in taken:
                break
            finished, unfinished = _union([destination, *sources])  # a run of theirs has just ended
        for part in ("runs", "journal"):  # what an interrupted merge had copied
            destination.settle(part)
        for run_id in finished.keys() - unfinished.keys():
            for path in destination.journals(run_id):
                path.unlink()
        sides = [destination, *sources] if begun else sources
        notes = disagreements([(str(side.shown), side.manifest) for side in sides])
        destination.rewrite_manifest(united)
        added, rest = len(copied - before), len(continued & unfinished.keys())
        done = Merged(len(sources), added, len(copied) - added, len(finished), rest, tuple(notes))
        names = [str(source.shown) for source in sources]
        destination.log.write("info", "merged", studies=names, added=added, lengthened=done.lengthened)
    return done


def _elsewhere(files: Mapping[str, Path], destination: Study) -> list[Path]:
    return [path for path in files.values() if path.parent.parent != destination.folder]


def _continue(destination: Study, journal: Path) -> str | None:
    """Copy another study's journal; the id of its run, or None if the journal is gone."""
    content = read_undamaged_journal(journal)
    if content is None or content.plan is None:
        return None
    destination.journal(content.plan, content.known.trace.candidates.shape[1], content.known).close()
    return content.plan.run_id


def _union(sides: Sequence[Study]) -> tuple[dict[str, Path], dict[str, Path]]:
    """The files to keep, finished runs and journals, by run id; contradictions are collected, then raised."""
    files: dict[str, dict[str, Path]] = {"runs": {}, "journal": {}}
    contradictions: list[str] = []
    for kind in files:
        for side in sides:
            for path in find_journals(side.folder / kind) if kind == "journal" else side.run_files():
                contradictions += _weigh(path, kind, files)
    if contradictions:
        more = f"; and {len(contradictions) - QUOTED} more" if len(contradictions) > QUOTED else ""
        raise StudyError(
            f"studies contradict each other, so nothing was merged: {'; '.join(contradictions[:QUOTED])}{more}. "
            "A run has one outcome: find out which file is wrong (`amb study doctor`) and delete it"
        )
    return files["runs"], files["journal"]


def _weigh(path: Path, kind: str, files: dict[str, dict[str, Path]]) -> list[str]:
    """Have a file among those to keep if it is better than the ones there; in what they contradict it.

    No copy outlives this: each may take gigabytes.
    """
    copy = read_copy(path)
    if copy is None:
        return []
    run_id = copy.plan.run_id
    rivals = [rival for paths in files.values() if run_id in paths and (rival := read_copy(paths[run_id]))]
    reach = copy.rank if kind == "runs" else copy.rank[:1]
    if all(reach > rival.rank[: len(reach)] for rival in rivals):
        files[kind][run_id] = path
    conflicts = [(rival, why) for rival in rivals if (why := difference(rival, copy))]
    return [f"{rival.path} and {path} ({copy.plan.name}): {why}" for rival, why in conflicts]


def _source(folder: Path, into: Path) -> Study:
    if real_path(folder, StudyError) == real_path(into, StudyError):
        raise StudyError(f"{folder} cannot be merged into itself; name the other studies only")
    study = open_study(folder)
    if not isinstance(study, Study):
        raise StudyError(f"{folder} is a published study, which lacks most candidates; merge the study it came from")
    return study


def _only_begun(folder: Path) -> bool:
    """Whether a folder is empty, but for what a study whose creation was interrupted leaves."""
    parts = {"runs", "journal", "report"}
    return all(
        path.name.startswith(".") or (path.name in parts and path.is_dir() and not any(path.iterdir()))
        for path in folder.iterdir()
    )


def _existing(folder: Path) -> Study | None:
    """The study to merge into, or None if it does not exist yet."""
    if not folder.exists() or (folder.is_dir() and _only_begun(folder)):
        return None
    if not (folder / "manifest.json").is_file():
        raise StudyError(f"{folder} exists and is not a study (it has no manifest.json); merge into another folder")
    return Study(folder)

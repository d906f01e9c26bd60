"""Studies made apart as one: the union of their runs by key, refused where two sides contradict each other."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from amb.errors import StudyError
from amb.study.durable import write_whole
from amb.study.journal import find_journals, read_journal
from amb.study.lock import nobody
from amb.study.manifest import union
from amb.study.published import open_study
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.study import Study
from amb.study.traces import read_run

# Contradictions that an error quotes in full; more are counted.
QUOTED = 3


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        studies: how many were merged into the target.
        added: runs that the target did not have; `lengthened`, runs of which it had fewer queries or less.
        runs: finished runs that it holds now.
        unfinished: journals that were copied.
    """

    studies: int
    added: int
    lengthened: int
    runs: int
    unfinished: int


@dataclass(frozen=True)
class Course:
    """What one file says about a run; `record` is None where the file is a journal."""

    path: Path
    plan: RunPlan
    record: RunRecord | None
    trace: Trace

    @property
    def rank(self) -> tuple[int, int, bool, bool]:
        """Of two courses that agree, the greater one answers for both."""
        record = self.record
        ended_well, timing = (False, False) if record is None else (not record.failed, record.timing)
        return len(self.trace), self.plan.budget, ended_well, timing


def merge(target: str | Path, studies: Sequence[str | Path]) -> Merged:
    """Union studies by the keys of their runs.

    Of two files of one run, the one with more queries stays if it continues the other; among equals a larger
    budget, then a run that ended well, then one of a timing study, then what the target had. Journals are copied
    where they reach farther than the finished run. All files are read and checked before the first is written, so
    a refusal writes nothing; a merge that was interrupted, or made twice, ends the same.

    Args:
        target: the study that takes all; made if need be.
        studies: folders of the others, which are only read.

    Raises:
        StudyError: a damaged or published study; two files of one run that contradict each other; a target that
            is at work or cannot be written.
    """
    home = Path(target)
    sources = [_source(study, home) for study in dict.fromkeys(Path(s) for s in studies)]
    if not sources:
        raise StudyError("nothing to merge: name at least one study besides the target")
    ours = _existing(home)
    with nobody() if ours is None else ours.enter(alone=True):
        sides = sources if ours is None else [ours, *sources]
        finished, unfinished = _union(sides)
        if ours is None:
            ours = Study(home)
        before = {path.stem for path in (ours.folder / "runs").glob("*.parquet")}
        taken = [path for path in finished.values() if path.parent.parent != ours.folder]
        for path in taken:
            write_whole(ours.run_file(path.stem), partial(shutil.copyfile, path))
        continued = [path for path in unfinished.values() if path.parent.parent != ours.folder]
        for path in continued:
            content = read_journal(path)
            if content is not None and content.plan is not None:
                d = content.known.trace.candidates.shape[1]
                ours.journal(content.plan, d, content.known).close()
        for run_id in finished.keys() - unfinished.keys():
            for path in ours.journals(run_id):
                path.unlink()
        ours.rewrite_manifest(lambda _: union([side.manifest for side in sides]))
        added = sum(path.stem not in before for path in taken)
        done = Merged(len(sources), added, len(taken) - added, len(finished), len(continued))
        names = [str(source.folder) for source in sources]
        ours.log.write("info", "merged", studies=names, added=added, lengthened=done.lengthened)
    return done


def difference(one: Course, other: Course) -> str | None:
    """How two courses of one run contradict each other; None if the one with more queries continues the other.

    A budget may cut a batch, and a solver that is asked for less may then ask for something else: in the last batch
    of a shorter run candidates may differ.
    """
    shorter, longer = sorted((one, other), key=lambda course: course.rank)
    n = len(shorter.trace)
    if n == 0:
        return None
    if shorter.trace.candidates.shape[1] != longer.trace.candidates.shape[1]:
        sizes = [course.trace.candidates.shape[1] for course in (one, other)]
        return f"candidates of {sizes[0]} and of {sizes[1]} dimensions"
    same = (shorter.trace.candidates == longer.trace.candidates[:n]).all(axis=1)
    cut = n == shorter.plan.budget < longer.plan.budget
    fixed = n - int(shorter.trace.batches[-1]) if cut else n
    if not same[:fixed].all():
        return f"query {int(np.argmin(same)) + 1} asks for other candidates"
    for name in ("values", "clean"):
        mine, theirs = getattr(shorter.trace, name), getattr(longer.trace, name)[:n]
        wrong = same & (mine != theirs) & ~(np.isnan(mine) & np.isnan(theirs))
        if wrong.any():
            row = int(np.argmax(wrong))
            values = {id(shorter): mine[row], id(longer): theirs[row]}
            what = "value" if name == "values" else "noise-free value"
            return f"query {row + 1} has the {what} {values[id(one)]!r} and {values[id(other)]!r}"
    a, b = one.record, other.record
    if a is None or b is None or not a.status == b.status == "ok":
        return None
    if a.queries != b.queries or a.plan.budget != b.plan.budget:
        return None
    for name in ("recommended", "final"):
        x, y = getattr(a, name), getattr(b, name)
        if x != y and not (x != x and y != y):
            return f"{name} is {x!r} and {y!r}"
    return None


def _union(sides: Sequence[Study]) -> tuple[dict[str, Path], dict[str, Path]]:
    """The files to keep, finished runs and journals, by key; contradictions are gathered, then raised."""
    kept: dict[str, dict[str, Path]] = {"runs": {}, "journal": {}}
    against: list[str] = []
    for kind in kept:
        for side in sides:
            for course in _courses(side, kind):
                key = course.plan.run_id
                rivals = [_read(place[key]) for place in kept.values() if key in place]
                found = [(rival, why) for rival in rivals if rival and (why := difference(rival, course))]
                against += [f"{rival.path} and {course.path} ({course.plan.name}): {why}" for rival, why in found]
                reach = course.rank if kind == "runs" else course.rank[:1]
                if all(reach > rival.rank[: len(reach)] for rival in rivals if rival):
                    kept[kind][key] = course.path
    if against:
        more = f"; and {len(against) - QUOTED} more" if len(against) > QUOTED else ""
        raise StudyError(
            f"studies contradict each other, so nothing was merged: {'; '.join(against[:QUOTED])}{more}. "
            "A run is one thing: find out which side is wrong (`amb study doctor`), and delete its file"
        )
    return kept["runs"], kept["journal"]


def _courses(study: Study, kind: str) -> Iterator[Course]:
    folder = study.folder / kind
    for path in find_journals(folder) if kind == "journal" else sorted(folder.glob("*.parquet")):
        if course := _read(path):
            yield course


def _read(path: Path) -> Course | None:
    """A file's content; None for a journal of which nothing is whole."""
    if path.suffix == ".parquet":
        record, trace = read_run(path)
        return Course(path, record.plan, record, trace)
    content = read_journal(path)
    if content is None:
        return None
    if content.plan is None or content.plan.run_id != path.stem:
        raise StudyError(f"{path} does not say which run it belongs to; delete it, or finish the run first")
    return Course(path, content.plan, None, content.known.trace)


def _source(folder: Path, target: Path) -> Study:
    if folder.resolve() == target.resolve():
        raise StudyError(f"{folder} is the target itself; name the others only")
    study = open_study(folder)
    if not isinstance(study, Study):
        raise StudyError(f"{folder} is a published study, without most candidates; merge the study that it came from")
    return study


def _existing(folder: Path) -> Study | None:
    """The target as it is, or None if it is to be made."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return None
    if not (folder / "manifest.json").is_file():
        raise StudyError(f"{folder} is there and is no study (it has no manifest.json); give another target")
    return Study(folder)

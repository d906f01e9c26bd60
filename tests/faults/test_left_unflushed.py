"""What a killed process wrote and did not flush is on the disk before a later process reports it or deletes a copy."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.catalogue.solvers import resolve
from amb.contracts.reference import Reference
from amb.lab.experiment import template
from amb.lab.laboratory import Laboratory, create
from amb.lab.responses import Row
from amb.lab.server import _Rig
from amb.references.resume import Cache
from amb.reports import draft
from amb.run.dask import _Session
from amb.run.execute import execute
from amb.run.population import record
from amb.run.progress import NoProgress
from amb.run.restore import restore
from amb.study import durable
from amb.study.durable import make_folder
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.published import PublishedStudy, open_study, publish
from amb.study.recording import Recording
from amb.study.runs import RunPlan
from amb.study.study import Study

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are named by /proc")

Calls = list[tuple[str, Path]]
SPACE = Space.uniform(4, 16)
NAMES = ("p/q/r/0", "p/q/r/1")
POINT = Reference("print", 0.1, 0.2, None, None, 0.5, (1, 2), "measured")


class Neuron(FunctionProblem):
    group = "recording"  # type: ignore[assignment]


def problem(spec: str) -> FunctionProblem:
    return Neuron(lambda rows: np.sin(rows).mean(axis=1), SPACE, id=spec)


PRINT = problem(NAMES[0]).fingerprint
PLAN = RunPlan(NAMES[0], PRINT, "random[k=5]", "1", 0, 20)
TOGETHER = [RunPlan(name, PRINT, "random[k=5]", "1", 0, 20, anytime=False,
                    recording=Recording(NAMES, (PRINT, PRINT), "recommend")) for name in NAMES]  # fmt: skip


def place_of(descriptor: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{descriptor}"))


def killed(work: Callable[[], object], place: Path, *, time: int = 1) -> None:
    """Do something in a process that is killed where it would flush a file or a folder for this time."""
    child = os.fork()
    if child == 0:
        plain, times = os.fsync, count(1)

        def flush(descriptor: int) -> None:
            if place_of(descriptor) == place and next(times) == time:
                os.kill(os.getpid(), signal.SIGKILL)
            plain(descriptor)

        os.fsync = flush
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL, f"it never flushed {place}"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """What is flushed, deleted and reported, in order."""
    made: Calls = []
    fsync, unlink, rmtree, replace = os.fsync, Path.unlink, shutil.rmtree, os.replace

    def flush(descriptor: int) -> None:
        made.append(("flush", place_of(descriptor)))
        fsync(descriptor)

    def delete(path: Path, missing_ok: bool = False) -> None:
        made.append(("delete", path))
        unlink(path, missing_ok)

    def clear(path: Path, **options: bool) -> None:
        if path.exists():
            made.append(("delete", path))
        rmtree(path, **options)

    def rename(old: Path, new: Path) -> None:
        made.append(("rename", new))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "unlink", delete)
    monkeypatch.setattr(shutil, "rmtree", clear)
    monkeypatch.setattr(os, "replace", rename)
    return made


class Reports(NoProgress):
    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def begin(self, planned: int, waiting: object) -> None:
        self._calls.append(("report", Path()))


def run(folder: Path, calls: Calls) -> Study:
    study = Study(folder)
    study.describe([PLAN], Settings(budget=20))
    execute([PLAN], study, problem, progress=Reports(calls))
    return study


def experiment(folder: Path) -> None:
    text = template(generator="toy", neurons=("n1",), solver="cma", together=False, trials=60, seed=0)
    for name in ("width", "height", "size"):
        text = text.replace(f"{name} = 256", f"{name} = 32")
    create(folder, text)


def tell(folder: Path) -> None:
    Laboratory(folder).tell([Row(trial, "n1", trial / 8) for trial in range(1, 5)], source="rig")


def test_a_run_that_is_found_is_on_the_disk_before_it_is_reported_and_its_journal_deleted(
    tmp_path: Path, calls: Calls
) -> None:
    runs = tmp_path / "runs"
    killed(lambda: run(tmp_path, []), runs)
    (journal,) = (tmp_path / "journal").glob("*.journal")
    run(tmp_path, calls)
    flushed = calls.index(("flush", runs))
    assert flushed < calls.index(("delete", journal))
    assert flushed < calls.index(("report", Path()))


def test_a_run_that_a_dead_worker_saved_is_on_the_disk_before_it_is_reported(tmp_path: Path, calls: Calls) -> None:
    study = run(tmp_path, calls)
    finished = SimpleNamespace(finished=lambda *_: calls.append(("report", Path())))
    session = SimpleNamespace(_study=study, _retry=False, _plans={}, _live={}, _watch=finished)
    calls.clear()
    assert _Session._ended(session, PLAN, again=True)  # type: ignore[arg-type]
    assert calls == [("flush", tmp_path / "runs"), ("report", Path())]


def test_a_study_of_many_runs_is_flushed_once(tmp_path: Path, calls: Calls) -> None:
    study, plans = Study(tmp_path), [RunPlan(NAMES[0], "print", "random[k=5]", "1", seed, 5) for seed in range(20)]
    execute(plans, study, problem)
    calls.clear()
    execute(plans, Study(tmp_path), problem)
    assert [path for kind, path in calls if kind == "flush" and path.parent != tmp_path] == []
    assert calls.count(("flush", tmp_path / "runs")) == 1


def test_a_study_that_is_only_read_is_not_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, [])
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("somebody else's disk"))
    study = open_study(tmp_path)
    assert len(list(study.compact_records())) == len(study.plans()) == 1


def test_a_line_of_an_experiment_is_on_the_disk_before_what_follows_from_it(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the line of its block in the journal, an experiment whose block is there would be refused."""
    lab, journal = tmp_path / "lab", tmp_path / "lab" / "journal.jsonl"
    experiment(lab)
    killed(lambda: Laboratory(lab).next_block(), journal)
    calls.clear()
    block = Laboratory(lab).next_block()
    assert block is not None
    assert calls.index(("flush", journal)) < calls.index(("rename", block.folder))
    assert ("flush", lab) in calls[: calls.index(("rename", block.folder))]
    killed(lambda: tell(lab), journal, time=2)
    calls.clear()
    asyncio.run(_Rig(lab, None).status(None))  # type: ignore[arg-type]
    assert ("flush", journal) in calls, "a rig that reads that a response is recorded need not keep it"
    calls.clear()
    again = Laboratory(lab)
    receipt = again.tell([Row(1, "n1", 1 / 8)], source="rig")
    assert (receipt.new, receipt.known) == (0, 1)
    assert ("flush", journal) in calls
    calls.clear()
    again.tell([Row(1, "n1", 1 / 8)], source="rig")
    assert not [path for kind, path in calls if kind == "flush"], "once is enough"
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("it is only read"))
    assert len(Laboratory(lab).history.missing(1)) == len(block.trials) - 4


def test_an_old_report_is_deleted_once_the_disk_has_the_new_one(tmp_path: Path, calls: Calls) -> None:
    report = tmp_path / "report"

    def write(text: str) -> None:
        with draft.draft_of(report) as place:
            (place / "table.csv").write_text(text)

    write("old")

    def cut() -> None:
        exchange = draft.exchange
        draft.exchange = lambda one, other: durable.flush_folder(tmp_path / "moment") or exchange(one, other)  # type: ignore[func-returns-value]
        write("new")

    (tmp_path / "moment").mkdir()
    killed(cut, tmp_path / "moment")
    (old,) = tmp_path.glob(".report-draft-*")
    calls.clear()
    write("newer")
    assert calls.index(("flush", tmp_path)) < calls.index(("delete", old))


def a_merge(folder: Path) -> None:
    merge(folder / "all", [folder / "study"])


def an_unfinished_merge(folder: Path) -> None:
    study = Study(folder / "begun")
    if not study.journals(PLAN.run_id):
        finished = Study(folder / "study")
        study.describe([PLAN], Settings(budget=20))
        study.journal(PLAN, SPACE.d, finished.unfinished(PLAN)).close()
    merge(folder / "both", [folder / "begun"])


def a_publication(folder: Path) -> None:
    publish(Study(folder / "study"), folder / "new" / "published")


def a_restoration(folder: Path) -> None:
    if not (folder / "published").exists():
        publish(Study(folder / "study"), folder / "published")
    restore(PublishedStudy(folder / "published"), Study(folder / "restored"), problem, resolve)


def a_recording(folder: Path) -> None:
    record([TOGETHER], Study(folder / "recorded"), problem)


def a_measurement(folder: Path) -> None:
    Cache(folder / "state").point("p/q/r/0", "print", 1, lambda: POINT)


def an_experiment(folder: Path) -> None:
    experiment(folder / "lab")


def a_block(folder: Path) -> None:
    experiment(folder / "lab")
    Laboratory(folder / "lab").next_block()


def folders(folder: Path) -> None:
    make_folder(folder / "new" / "deep" / "deeper")


@pytest.mark.parametrize(
    ("work", "place", "time"),
    [
        (a_merge, "all/runs", 1),
        (an_unfinished_merge, "both/journal", 1),
        (a_publication, "new", 1),
        (a_restoration, "restored/runs", 1),
        (a_recording, "recorded/runs", 2),
        (a_measurement, "state", 2),
        (an_experiment, "lab", 1),
        (a_block, "lab/blocks", 2),
        (folders, "new", 1),
        (folders, "new/deep", 1),
    ],
)
def test_what_a_killed_command_had_not_flushed_is_flushed_by_the_next(
    work: Callable[[Path], None], place: str, time: int, tmp_path: Path, calls: Calls
) -> None:
    run(tmp_path / "study", [])
    killed(lambda: work(tmp_path), tmp_path / place, time=time)
    calls.clear()
    work(tmp_path)
    assert ("flush", tmp_path / place) in calls

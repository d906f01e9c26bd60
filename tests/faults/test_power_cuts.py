"""The power fails at any moment of a command: what was reported is there, and the same command completes the rest."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import power_cuts_work as work
import pytest
from power_cuts import Disk, lay_out, record

from amb.catalogue.reference_points import load as load_references
from amb.lab.blocks import is_written
from amb.lab.laboratory import Laboratory
from amb.run.execute import execute
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.published import open_study
from amb.study.runs import RunPlan
from amb.study.study import Study

STAGES = ("run", "extend", "resume", "merge", "files", "report", "lab")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="calls are recorded by strace")


def traces(study: Study, plans: list[RunPlan]) -> list[bytes]:
    found = [study.load(plan) for plan in plans]
    assert None not in found
    return [run[1].candidates.tobytes() + run[1].values.tobytes() for run in found if run is not None]


class Expected:
    """What must be there after a cut, and after the same command was repeated."""

    def __init__(self, stage: str, folder: Path) -> None:
        self.stage = stage
        if stage == "report":
            return
        if stage == "lab":
            work.experiment(folder)
            work.block(folder, lambda text: None)
            self.presented = presented(folder)
            return
        self.plans = work.plans(40 if stage in ("extend", "resume") else 20)
        work.run(folder / "undisturbed", self.plans[0].budget)
        self.traces = traces(Study(folder / "undisturbed"), self.plans)
        if stage == "run":
            self.known = [0, 0, 0]
            return
        disk = Study(folder / "disk" / "study")
        self.known = [0 if (known := disk.unfinished(plan)) is None else len(known.trace) for plan in self.plans]

    def check(self, root: Path, marks: list[str]) -> None:
        if self.stage == "merge":
            return self._check_merged(root, marks)
        if self.stage == "files":
            return self._check_files(root, marks)
        if self.stage == "report":
            return self._check_report(root, marks)
        if self.stage == "lab":
            return self._check_lab(root, marks)
        study = Study(root / "study")
        left = 0
        for plan, trace, before in zip(self.plans, self.traces, self.known, strict=True):
            if plan.run_id in marks:
                assert traces(study, [plan]) == [trace], "a run that was reported is there"
            elif before:
                known = study.unfinished(plan)
                assert known is not None
                assert len(known.trace) >= before, "what had been flushed before is there"
                left += plan.budget - len(known.trace)
            else:
                left += plan.budget
        measured: list[int] = []
        study.describe(self.plans, Settings(budget=self.plans[0].budget))
        execute(self.plans, study, work.problem(measured.append))
        assert sum(measured) <= left, "nothing is measured twice"
        assert traces(study, self.plans) == self.traces
        assert not [path for path in root.rglob("*") if path.name.endswith((".tmp", ".new", ".lock"))]

    def _check_merged(self, root: Path, marks: list[str]) -> None:
        assert traces(Study(root / "study"), self.plans) == self.traces
        if marks:
            assert traces(Study(root / "all"), self.plans) == self.traces
        merge(root / "all", [root / "study"])
        assert traces(Study(root / "all"), self.plans) == self.traces

    def _check_files(self, root: Path, marks: list[str]) -> None:
        done = {path: root / path for path in marks}
        if "published/deep" in done:
            assert len(list(open_study(done["published/deep"]).records())) == len(self.plans)
        if "new/references.json" in done:
            assert load_references(done["new/references.json"]).points
        if "state/deep" in done:
            assert len(list(done["state/deep"].glob("*.json"))) == 1
        work.files(root, lambda text: None)

    def _check_report(self, root: Path, marks: list[str]) -> None:
        names = ("table.csv", "figures/ranks.svg")
        found = {(root / "report" / name).read_text() for name in names}
        assert found == {"new"} if marks else found in ({"old"}, {"new"}), "it is whole, and the new one if reported"
        assert (root / "report" / "notes.txt").read_text() == work.NOTES
        work.report(root, "new")
        assert {(root / "report" / name).read_text() for name in names} == {"new"}
        assert (root / "report" / "notes.txt").read_text() == work.NOTES
        assert [path.name for path in root.iterdir()] == ["report"]

    def _check_lab(self, root: Path, marks: list[str]) -> None:
        lab = Laboratory(root / "lab")
        if "block 1" in marks:
            assert is_written(lab.block_folder(1)), "a rig may be showing it"
        if "told" in marks:
            assert not lab.history.missing(1), "responses cannot be measured again"
        if "block 2" in marks:
            assert is_written(lab.block_folder(2))
        work.block(root, lambda text: None)
        assert presented(root) == self.presented


def presented(folder: Path) -> tuple:
    """What an experiment presented and recorded, and the files of its blocks but for checksums of a past with times."""
    lab = Laboratory(folder / "lab")
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(lab.folder.rglob("block-*/[!.]*"))}
    values = [lab.history.value(trial.number, "n1") for trial in lab.history.trials]
    return lab.history.trials, list(lab.history.candidates.values()), values, files


def survive(stage: str, folder: Path, more: int, every: int, *, killed: int | None = None) -> int:
    """Cut the power at moments of a command; how many different states of the disk were resumed.

    With `killed`, the same command went before, and was killed in place of this flush.
    """
    root, marks = folder / "disk", folder / "marks"
    root.mkdir()
    script = Path(work.__file__)
    # In a process of its own: it is interrupted, which must not reach the process that runs the tests.
    subprocess.run([sys.executable, str(script), "prepare", stage, str(root)], check=True)
    expected, disk = Expected(stage, folder), Disk(root, marks)
    words = [sys.executable, str(script), stage, str(root), str(marks)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    if killed is not None:
        for call in record([*words, str(killed)], folder / "calls", env, ends=-signal.SIGKILL):
            disk.apply(call)
        disk.end_process()
    calls = record(words, folder / "calls", env)
    rng, seen, moments = np.random.default_rng(0), set(), 0
    for call in calls:
        if not disk.apply(call):
            continue
        moments += 1
        if moments % every:
            continue
        for state in disk.states(rng, more):
            digest = hashlib.sha256(repr((sorted(state.items()), disk.marks)).encode()).digest()
            if digest in seen:
                continue
            seen.add(digest)
            lay_out(state, folder / "after")
            try:
                expected.check(folder / "after", disk.marks)
            except BaseException as cause:
                cause.add_note(f"{stage}, after change {moments}, {call[0]}; on disk: {sorted(state)}")
                raise
    on_disk = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    now = disk.everything()
    assert {path: content for path, content in now.items() if content is not None} == on_disk, "every call was seen"
    assert disk.marks
    return len(seen)


@pytest.mark.parametrize("stage", STAGES)
def test_a_power_cut_takes_nothing_that_was_reported(stage: str, tmp_path: Path) -> None:
    assert survive(stage, tmp_path, more=0, every=5 if stage in ("merge", "files", "report") else 13) > 5


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_no_power_cut_takes_anything_that_was_reported(stage: str, tmp_path: Path) -> None:
    """At every single change of the disk, and with more of the states that it may leave."""
    print(stage, survive(stage, tmp_path, more=6, every=1), "states")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "killed"),
    [("run", n) for n in (2, 8, 10, 14)] + [("merge", n) for n in (8, 10, 14)] + [("lab", n) for n in (0, 1, 36, 37)],
)
def test_no_power_cut_takes_what_a_killed_command_left_and_the_next_reported(
    stage: str, killed: int, tmp_path: Path
) -> None:
    """It was killed in place of the flush of a manifest, of a run's name, of a line of a journal, of a block's name."""
    print(stage, killed, survive(stage, tmp_path, more=0, every=3, killed=killed), "states")

"""The power fails at any moment of a command: what was reported is there, and the same command completes the rest."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import power_cuts_work as work
import pytest
from power_cuts import Disk, lay_out, record

from amb.catalogue.reference_points import load as load_references
from amb.run.execute import execute
from amb.study.manifest import Settings
from amb.study.merge import merge
from amb.study.published import open_study
from amb.study.runs import RunPlan
from amb.study.study import Study

STAGES = ("run", "extend", "resume", "merge", "files")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="calls are recorded by strace")


def traces(study: Study, plans: list[RunPlan]) -> list[bytes]:
    found = [study.load(plan) for plan in plans]
    assert None not in found
    return [run[1].candidates.tobytes() + run[1].values.tobytes() for run in found if run is not None]


class Expected:
    """What must be there after a cut, and after the same command was repeated."""

    def __init__(self, stage: str, folder: Path) -> None:
        self.stage = stage
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


def survive(stage: str, folder: Path, more: int, every: int) -> int:
    """Cut the power at moments of a command; how many different states of the disk were resumed."""
    root, marks = folder / "disk", folder / "marks"
    root.mkdir()
    script = Path(work.__file__)
    # In a process of its own: it is interrupted, which must not reach the process that runs the tests.
    subprocess.run([sys.executable, str(script), "prepare", stage, str(root)], check=True)
    expected, disk = Expected(stage, folder), Disk(root, marks)
    calls = record(
        [sys.executable, str(script), stage, str(root), str(marks)],
        folder / "calls",
        {**os.environ, "OMP_NUM_THREADS": "1"},
    )
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
    assert survive(stage, tmp_path, more=0, every=5 if stage in ("merge", "files") else 13) > 5


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_no_power_cut_takes_anything_that_was_reported(stage: str, tmp_path: Path) -> None:
    """At every single change of the disk, and with more of the states that it may leave."""
    print(stage, survive(stage, tmp_path, more=6, every=1), "states")

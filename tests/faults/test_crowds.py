"""Many runs at once, within the memory and the open files of a small machine."""

import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.errors import StudyError
from amb.run.execute import execute
from amb.run.progress import NoProgress
from amb.study.runs import RunPlan
from amb.study.study import Study

PLAN = RunPlan("p/q/r/0", "print", "random[k=100]", "1", 0, 4_000)
WIDE = Space.uniform(200, 16)


def lab(spec: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: rows.mean(axis=1), WIDE, id=spec)


def test_runs_keep_on_disk_what_they_have_observed(tmp_path: Path) -> None:
    """Together they observe 128 MB of candidates; what their journals hold is not in memory, too."""
    plans = [replace(PLAN, seed=seed) for seed in range(20)]
    tracemalloc.start()
    try:
        execute(plans, Study(tmp_path), lab)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(plans) * PLAN.budget * WIDE.d * 8 == 128_000_000
    assert most < 64_000_000
    for plan in plans:
        record, trace = Study(tmp_path).load(plan) or pytest.fail("it is not finished")
        assert len(trace) == record.queries == PLAN.budget
        assert np.array_equal(trace.clean, trace.candidates.mean(axis=1))


def test_a_journal_that_another_program_changes_is_not_believed(tmp_path: Path) -> None:
    study = Study(tmp_path)

    class Vandal(NoProgress):
        def update(self, runs) -> None:  # type: ignore[no-untyped-def]
            if runs and runs[0].queries == 1_000:
                with study.journal_file(PLAN.run_id).open("r+b") as file:
                    file.seek(5_000)
                    file.write(b"?")

    with pytest.raises(StudyError, match="another program has changed the journal"):
        execute([PLAN], study, lab, progress=Vandal())
    execute([PLAN], study, lab)
    _, trace = study.load(PLAN) or pytest.fail("it is not finished")
    assert len(trace) == PLAN.budget


CROWD = """
import resource
import sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
import numpy as np
from amb import FunctionProblem, Space
from amb.run.execute import execute
from amb.study.runs import RunPlan
from amb.study.study import Study
plans = [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, 15) for seed in range(300)]
space = Space.uniform(4, 16)
execute(plans, Study(sys.argv[1]), lambda spec: FunctionProblem(lambda rows: rows.mean(axis=1), space, id=spec))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on open files")
def test_three_hundred_runs_advance_within_256_open_files(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CROWD, str(tmp_path / "st")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(list(Study(tmp_path / "st").records())) == 300

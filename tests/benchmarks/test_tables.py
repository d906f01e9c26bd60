"""What a study of thousands of finished runs costs to look at, in CPU time, against reading all its run files once."""

from collections.abc import Callable
from pathlib import Path
from time import process_time, sleep

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from amb import file_identity
from amb.catalogue.plugins import load_file
from amb.comparison.compare import reopen
from amb.comparison.table import read_runs
from amb.reports.write import write_leaderboard, write_reports
from amb.run.execute import execute
from amb.run.plan import Plan, make_plan
from amb.study.health import study_status
from amb.study.runs import RunRecord, Trace
from amb.study.study import Study

pytestmark = [pytest.mark.benchmark_ratio, pytest.mark.usefixtures("toy")]

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
QUERIES = 200


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Two solvers on four problems, with many seeds: 3,200 runs."""
    load_file(TOY)
    return make_plan("random,climber", "toy/bowl/near/*", budget=QUERIES, seeds=400)


@pytest.fixture(scope="module")
def folder(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of runs with made-up values, as a report leaves it: with its index."""
    with pytest.MonkeyPatch.context() as patch:
        # Nothing here is about the disk.
        patch.setattr("amb.study.durable.flush_file", lambda path: None)
        patch.setattr("amb.study.durable.flush_folder", lambda path: None)
        study = Study(tmp_path_factory.mktemp("many") / "study")
        study.describe(plan.runs, plan.settings())
        rng = np.random.default_rng(0)
        space = plan.problem(plan.problems[0]).space
        for run in plan.runs:
            candidates = space.sample(QUERIES, rng)
            values = np.round(rng.beta(2, 6, QUERIES), 2)
            best = tuple(candidates[values.argmax()].tolist())
            record = RunRecord(run, "ok", QUERIES, QUERIES, best, float(values.max()), 0.1, 0.1, 0.1)
            study.save(record, Trace(candidates, values, values, np.full(QUERIES // 10, 10)))
    sleep(file_identity.SETTLED_SECONDS + 0.1)  # an index notes no file that is younger
    read_runs(plan, study)
    return study.folder


@pytest.fixture(scope="module")
def direct(folder: Path) -> float:
    """Seconds for reading every run file."""
    return seconds(lambda: sum(len(trace) for _, trace in Study(folder).records()))


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the second time."""
    work()
    start = process_time()
    work()
    return process_time() - start


def limited(benchmark: BenchmarkFixture, work: Callable[[], object], direct: float, share: float) -> None:
    taken = benchmark.pedantic(seconds, args=(work,), rounds=1)
    benchmark.extra_info["share of reading all files"] = f"{taken / direct:.0%}"
    assert taken < share * direct


def test_a_status_opens_no_run_file(benchmark: BenchmarkFixture, folder: Path, direct: float) -> None:
    limited(benchmark, lambda: study_status(Study(folder)), direct, 0.1)


def test_a_start_with_nothing_to_do_opens_no_run_file(
    benchmark: BenchmarkFixture, folder: Path, plan: Plan, direct: float
) -> None:
    limited(benchmark, lambda: execute(plan.runs, Study(folder), plan.problem), direct, 0.15)


def test_the_tables_of_a_comparison_open_no_run_file(
    benchmark: BenchmarkFixture, folder: Path, plan: Plan, direct: float
) -> None:
    limited(benchmark, lambda: read_runs(plan, Study(folder)), direct, 0.2)


def test_a_leaderboard_takes_less_time_than_reading_all_files(
    benchmark: BenchmarkFixture, folder: Path, tmp_path: Path, direct: float
) -> None:
    limited(benchmark, lambda: write_leaderboard([folder], tmp_path / "page.html"), direct, 0.8)


def test_a_report_with_all_figures_takes_at_most_twice_as_long(
    benchmark: BenchmarkFixture, folder: Path, tmp_path: Path, direct: float
) -> None:
    limited(benchmark, lambda: write_reports(reopen(folder), folder=tmp_path / "report"), direct, 2.0)

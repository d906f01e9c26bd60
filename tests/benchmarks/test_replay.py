"""The cost of a resume: replaying a journal, compared with evaluating it, in one process."""

from pathlib import Path
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from amb.run.execute import execute
from amb.run.live import LiveRun
from amb.run.plan import make_plan
from amb.study.runs import Known
from amb.study.study import Study

pytestmark = pytest.mark.benchmark_ratio

QUERIES = 300
PROBLEM = "cifar10-sngan/snn-resnet18/layer2.1.sn2/0"


def replay_and_evaluation(solver: str, folder: Path) -> tuple[float, float]:
    """Milliseconds a query: of telling a fresh solver what a journal holds, and of evaluating it alone."""
    plan = make_plan(solver, PROBLEM, budget=QUERIES, seeds=1)
    run, study = plan.runs[0], Study(folder)
    execute(plan.runs, study, plan.problem, timing=True)
    loaded = study.load(run)
    assert loaded is not None
    record, trace = loaded
    study.run_file(run.run_id).unlink()
    study.journal(run, trace.candidates.shape[1], Known(trace, record.seconds)).close()
    start = perf_counter()
    live = LiveRun(run, plan.problem(PROBLEM), study)
    seconds = perf_counter() - start
    assert live.replayed == QUERIES
    live.abandon()
    return 1000 * seconds / QUERIES, 1000 * record.seconds.evaluation / QUERIES


@pytest.mark.parametrize("solver", ["random", "tt-b", "cma", "portfolio", "portfolio-transition"])
def test_replay_is_reported_beside_evaluation(benchmark: BenchmarkFixture, tmp_path: Path, solver: str) -> None:
    """The built-in methods but Nevergrad's cost less than a tenth; Nevergrad's are slow themselves, so replay is."""
    replay, evaluation = benchmark.pedantic(lambda: replay_and_evaluation(solver, tmp_path), rounds=1)
    benchmark.extra_info |= {"replay ms": replay, "evaluation ms": evaluation, "ratio": replay / evaluation}
    print(
        f"\n{solver}: replay {replay:.2f} ms a query, evaluation {evaluation:.1f} ms, ratio {replay / evaluation:.3f}"
    )
    if not solver.startswith("portfolio"):
        assert replay < evaluation / 10

"""What a user sees while a study runs: how solvers stand, how fast it goes, and how long it will take."""

import io
from collections.abc import Sequence

import numpy as np
import pytest
from rich.console import Console

from amb.run import display as displays
from amb.run.display import Lines, TerminalTable, display
from amb.run.progress import RemoteRun as Run
from amb.run.standings import Standings
from amb.study.runs import RunPlan, RunRecord, Seconds

PROBLEM = "cifar10-sngan-int8/snn-cnn/sn1/29"


def plans(*solvers: str, seeds: int = 2, budget: int = 100) -> list[RunPlan]:
    return [RunPlan(PROBLEM, "f", solver, "1", seed, budget) for solver in solvers for seed in range(seeds)]


def record(plan: RunPlan, status: str = "ok", queries: int = 100) -> RunRecord:
    return RunRecord(plan, status, queries, queries, (1, 2), 0.5, 1.0, 1.0, 1.0, timing=False, message="it fell over")


def standings_of(runs: Sequence[Run]) -> Standings:
    standings = Standings(lambda _, value: value / 2)
    standings.begin([run.plan for run in runs])
    standings.update(runs)
    return standings


def test_solvers_stand_by_the_mean_of_their_runs() -> None:
    """Runs, queries, best activation and score of each solver, in the order asked for."""
    slow, fast = plans("slow", "fast", seeds=1)
    runs = [Run(slow, 10, best=0.2), Run(fast, 50, best=0.8)]
    standings = standings_of(runs)
    assert [(one.solver, one.runs, one.queries, one.best, one.score) for one in standings.solvers] == [
        ("slow", 1, 10, 0.2, 0.1),
        ("fast", 1, 50, 0.8, 0.4),
    ]
    standings.finished(runs[1], record(fast))
    assert [(one.ended, one.queries) for one in standings.solvers] == [(0, 10), (1, 100)]


def test_time_left_counts_what_each_solver_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow solver's remaining queries take as long as its own, not as the average query."""
    slow, fast = plans("slow", "fast", seeds=1)
    standings = standings_of([Run(slow, 20, seconds=Seconds(9.0)), Run(fast, 100, seconds=Seconds(1.0))])
    monkeypatch.setattr(Standings, "elapsed", 5.0)  # two cores: ten seconds of work in five
    assert standings.seconds_left == pytest.approx(80 * 9.0 / 20 / 2)


def test_time_left_ignores_what_earlier_sessions_cost() -> None:
    """A resumed run's speed is that of its new queries."""
    (plan,) = plans("one", seeds=1)
    standings = standings_of([Run(plan, 60, replayed=60, seconds=Seconds(600.0))])
    standings.update([Run(plan, 70, replayed=60, seconds=Seconds(601.0))])
    assert standings.solvers[0].seconds_left == pytest.approx(3.0)


def test_time_left_is_unknown_before_every_solver_has_begun() -> None:
    first, second = plans("first", "second", seeds=1)
    standings = standings_of([Run(first)])
    standings.begin([first, second])
    standings.update([Run(first)])
    standings.update([Run(first, 50, seconds=Seconds(1.0))])
    assert np.isnan(standings.seconds_left)


def test_replayed_queries_are_progress_but_not_speed() -> None:
    """A resumed study starts where it was, and its rate is that of new queries."""
    (plan,) = plans("one", seeds=1)
    standings = standings_of([Run(plan, 60, replayed=60, best=0.5)])
    assert standings.solvers[0].queries == 60
    assert standings.rate == 0


def test_failed_and_skipped_runs_leave_nothing_to_do() -> None:
    failing, skipped = plans("failing", "skipped", seeds=1)
    standings = standings_of([Run(failing), Run(skipped)])
    standings.finished(Run(failing, 7), record(failing, "crash", 7))
    standings.skipped(record(skipped, "skip", 0))
    assert [(one.failed, one.queries, one.ended) for one in standings.solvers] == [(1, 100, 1), (1, 100, 1)]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_the_terminal(width: int) -> None:
    """Ten solvers at any width: a line each, no line longer than the screen, no number cut."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width)
    shown = display(console)
    assert isinstance(shown, TerminalTable)
    runs = [Run(plan, 12, best=0.25) for plan in plans(*(f"solver-{i}" for i in range(10)), seeds=24, budget=500)]
    shown.standings.begin([run.plan for run in runs])
    shown.standings.update(runs)
    paper = Console(file=io.StringIO(), width=width)
    paper.print(shown._table())
    lines = paper.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 12  # a header, and the line for the whole study
    assert max(map(len, lines)) <= width
    assert all("0/24" in line and "0.250" in line for line in lines[1:-1])


def test_a_pipe_gets_lines_and_no_escape_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lines, "refresh_seconds", 0.0)
    sink = io.StringIO()
    shown = display(Console(file=sink, width=80))
    assert isinstance(shown, Lines)
    (plan,) = plans("one", seeds=1)
    shown.prepare("Loading ...")
    shown.begin(3, [plan])
    shown.update([Run(plan, 50, best=0.5)])
    shown.finished(Run(plan, 50), record(plan, "crash", 50))
    shown.end()
    lines = sink.getvalue().splitlines()
    assert lines[0] == "Loading ..."
    assert lines[1] == "1 run, 100 queries (2 runs reused)"
    assert lines[2].startswith("50% of 100 queries")
    assert "one 0.500" in lines[2]
    assert "it fell over" in lines[3]
    assert "\x1b" not in sink.getvalue()


def test_a_score_is_the_share_of_the_gap_that_is_closed() -> None:
    """0 at chance and 1 at the best known value, where the suite has reference points for these very weights."""
    import amb
    from amb.catalogue.reference_points import stored_point

    problem = amb.problem(PROBLEM)
    point = stored_point(problem.id, problem.fingerprint)
    assert point is not None
    plan = RunPlan(problem.id, problem.fingerprint, "one", "1", 0, 10)
    assert displays.normalized(plan, point.chance) == 0
    assert displays.normalized(plan, point.best) == 1
    assert np.isnan(displays.normalized(RunPlan(problem.id, "other weights", "one", "1", 0, 10), 0.5))

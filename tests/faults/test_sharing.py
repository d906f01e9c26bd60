"""Two processes on one study, interrupts, what is extended and what is run again."""

import os
import signal
import threading
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from amb import FunctionProblem, Space
from amb.errors import StudyError
from amb.run.execute import execute
from amb.run.progress import NoProgress
from amb.study.health import examine, repair, study_status
from amb.study.manifest import Settings
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(6, 16)
PLANS = [RunPlan("p/q/r/0", "print", "random[k=5]", "1", seed, 60) for seed in range(4)]


class Lab:
    """Counts what it measures; `pause` seconds a batch."""

    def __init__(self, pause: float = 0.0, counter: Path | None = None) -> None:
        self.queries, self.pause, self.counter = 0, pause, counter

    def __call__(self, spec: str) -> FunctionProblem:
        def respond(rows: np.ndarray) -> np.ndarray:
            self.queries += len(rows)
            if self.counter is not None:
                with self.counter.open("ab") as file:
                    file.write(b"." * len(rows))
            threading.Event().wait(self.pause)
            return np.sin(rows).mean(axis=1)

        return FunctionProblem(respond, SPACE, id=spec)


class Notes(NoProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, message: str) -> None:
        self.said.append(message)


def traces(study: Study, plans: list[RunPlan] = PLANS) -> list[bytes]:
    found = [study.load(plan) for plan in plans]
    return [run[1].candidates.tobytes() + run[1].values.tobytes() for run in found if run is not None]


def test_two_processes_share_a_study_and_measure_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run belongs to one of them; both end when all runs are finished."""
    # One run at a time, so that there is something left for the other.
    monkeypatch.setattr(import_module("amb.run.execute"), "CROWD", 1)
    execute(PLANS, Study(tmp_path / "alone"), Lab())
    study, counter = Study(tmp_path / "shared"), tmp_path / "counter"
    children = []
    for order in (PLANS, PLANS[::-1]):
        if (child := os.fork()) == 0:
            status = 1
            try:
                execute(order, Study(tmp_path / "shared"), Lab(0.01, counter))
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert traces(study) == traces(Study(tmp_path / "alone"))
    assert counter.stat().st_size == 4 * 60
    assert len({line["pid"] for line in study.log.read() if line["event"] == "run ended"}) == 2
    assert not list((tmp_path / "shared" / "journal").iterdir())


def test_a_journal_whose_run_is_saved_is_cleared_away(tmp_path: Path) -> None:
    """A process may die after it saved a run and before it deleted the journal."""
    study = Study(tmp_path)
    execute(PLANS, study, Lab())
    for plan in PLANS:
        study.journal(plan, SPACE.d, study.unfinished(plan)).close()
    longer = study.journal(PLANS[0], SPACE.d, study.unfinished(PLANS[0]))
    longer.append(np.zeros((1, SPACE.d), np.int64), np.zeros(1), np.zeros(1))
    longer.close()
    with study.claim(PLANS[1]) or pytest.fail("nobody has it"):
        execute(PLANS, study, Lab())
        left = {path.stem for path in (tmp_path / "journal").glob("*.journal")}
        assert left == {PLANS[0].run_id, PLANS[1].run_id}, "one holds more than its run, one is another process's"
    execute(PLANS, study, Lab())
    assert [path.stem for path in (tmp_path / "journal").glob("*.journal")] == [PLANS[0].run_id]


def test_a_solver_that_cannot_start_ends_its_own_run_only(tmp_path: Path) -> None:
    """It has observed nothing, so nothing is restored."""
    refused = replace(PLANS[0], solver="random[draw=nonsense]")
    study = Study(tmp_path)
    execute([refused, *PLANS], study, Lab())
    record, trace = study.load(refused) or pytest.fail("it has no record")
    assert (record.status, len(trace)) == ("crash", 0)
    assert "nonsense" in record.message
    assert len(traces(study)) == len(PLANS)


def test_a_run_that_cannot_begin_is_given_up_by_its_process(tmp_path: Path) -> None:
    """Otherwise the same process, asked again, would wait for itself."""
    study, pipe = Study(tmp_path), Study(tmp_path).journal_file(PLANS[0].run_id)
    os.mkfifo(pipe)
    with pytest.raises(StudyError, match="not a regular file") as error:
        execute(PLANS, study, Lab())
    claim = study.claim(PLANS[0])
    assert claim is not None, error  # whose traceback keeps every frame alive
    claim.release()
    pipe.unlink()
    execute(PLANS, study, Lab())
    assert len(traces(study)) == len(PLANS)


def signal_after(lab: Lab, queries: int, number: signal.Signals) -> None:
    """Send this process a signal once so many queries were measured, when the runner is surely listening for it."""

    def wait() -> None:
        while lab.queries < queries:
            time.sleep(0.005)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait, daemon=True).start()


def test_the_first_interrupt_finishes_the_batch_and_the_second_does_not_wait(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        study, lab, notes = Study(tmp_path), Lab(0.2), Notes()
        signal_after(lab, 1, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            execute(PLANS[:1], study, lab, progress=notes)
        assert any("again to stop at once" in line for line in notes.said)
        known = study.unfinished(PLANS[0])
        assert known is not None
        assert len(known.trace) == lab.queries  # the batch under way was kept
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

        def never(spec: str) -> FunctionProblem:
            def respond(rows: np.ndarray) -> np.ndarray:
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)
                raise AssertionError("the second interrupt did not stop it")

            return FunctionProblem(respond, SPACE, id=spec)

        with pytest.raises(KeyboardInterrupt):
            execute(PLANS[:1], study, never)
        execute(PLANS[:1], study, rest := Lab())
        assert lab.queries + rest.queries == 60
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("solver", ["random[k=32]", "protes[k=50,k_top=5]"])
def test_more_budget_measures_only_what_is_more(tmp_path: Path, solver: str) -> None:
    """Even of the batch that the smaller budget had cut, what is known is used."""
    short = RunPlan("p/q/r/0", "print", solver, "1", 0, 70)
    long = replace(short, budget=130)
    study, lab, fresh = Study(tmp_path / "a"), Lab(), Study(tmp_path / "b")
    for plan in (short, long):
        execute([plan], study, lab)
    execute([long], fresh, Lab())
    assert lab.queries == 130
    assert traces(study, [long]) == traces(fresh, [long])
    assert study.load(long)[1].batches.tolist() == fresh.load(long)[1].batches.tolist()  # type: ignore[index]


def test_less_budget_loses_nothing_of_an_interrupted_run(tmp_path: Path) -> None:
    study, plan = Study(tmp_path), PLANS[0]
    signal_after(first := Lab(0.03), 11, signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        execute([plan], study, first)
    assert first.queries > 10
    execute([replace(plan, budget=7)], study, none := Lab())
    assert none.queries == 0
    execute([plan], study, rest := Lab())
    assert first.queries + rest.queries == 60


def test_new_runs_say_why_earlier_ones_are_not_used(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.describe(PLANS, Settings())
    assert study.describe(PLANS, Settings()) == []
    newer = study.describe([replace(PLANS[0], version="2")], Settings())
    assert "now version 2, not 1" in newer[0]
    options = study.describe([replace(PLANS[0], solver="random[k=7]")], Settings())
    assert "differs in its options from random[k=5]" in options[0]
    networks = study.describe([replace(PLANS[0], version="2", fingerprint="other")], Settings())
    assert "networks or the code of p/q/r/0 have changed" in networks[0]


def test_a_solver_that_asks_for_different_candidates_than_its_journal_is_reported(tmp_path: Path) -> None:
    """Here its code changed and its version did not; what it no longer asks for is kept in damaged/."""
    study, plan = Study(tmp_path), PLANS[0]
    execute([plan], study, Lab())
    record, trace = study.load(plan)  # type: ignore[misc]
    changed = trace.candidates.copy()
    changed[23] = (changed[23] + 1) % 16
    study.save(record, replace(trace, candidates=changed))
    execute([replace(plan, budget=90)], study, lab := Lab())
    assert lab.queries == 90 - 20
    warnings = [line for line in study.log.read() if line["event"] == "replay differs"]
    assert "after 20 queries" in str(warnings[0]["message"])
    assert (tmp_path / "damaged" / f"{plan.run_id}.parquet").exists()


def test_the_doctor_explains_and_repairs(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.describe(PLANS, Settings())
    execute(PLANS[:3], study, Lab())
    assert examine(study) == []
    damaged, torn = study.run_file(PLANS[0].run_id), study.journal_file(PLANS[3].run_id)
    content = bytearray(damaged.read_bytes())
    content[60] ^= 1
    damaged.write_bytes(content)
    known = study.unfinished(PLANS[1])
    study.journal(PLANS[3], 6, known).close()
    torn.write_bytes(torn.read_bytes()[:-30])
    (tmp_path / "runs" / ".x.parquet.99.tmp").write_bytes(b"half")
    (tmp_path / "journal" / f"{'d' * 32}.lock").write_bytes(b"")
    found = {finding.path.name: finding for finding in examine(study)}
    assert found[damaged.name].repair == "set aside"
    assert "incomplete; the 55 queries" in found[torn.name].what
    assert found[".x.parquet.99.tmp"].repair == found[f"{'d' * 32}.lock"].repair == "delete"
    assert repair(study, list(found.values())) == 3
    assert [finding.path for finding in examine(study)] == [torn]
    assert (tmp_path / "damaged" / damaged.name).exists()


def test_the_status_counts_what_is_there(tmp_path: Path) -> None:
    study, states = Study(tmp_path), []

    class Spy(NoProgress):
        def update(self, runs) -> None:  # type: ignore[no-untyped-def]
            states.append(study_status(Study(tmp_path)))

    execute(PLANS, study, Lab(), progress=Spy())
    assert states[0].alive
    assert [(run.queries, run.budget) for run in states[0].under_way] == [(5, 60)] * 4
    done = study_status(study)
    assert (done.finished, done.failed, done.under_way, done.alive) == (4, (), (), False)
    assert done.session["waiting"] == 4
    assert done.idle is not None

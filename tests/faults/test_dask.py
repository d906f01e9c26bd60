"""A study on a Dask cluster: what it leaves is what one machine leaves, to the bit, whatever happens to the workers."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.testing import CliRunner

from amb import variables
from amb.catalogue import problems as registry
from amb.catalogue.plugins import load_file
from amb.catalogue.plugins import plugins as plugins_of
from amb.catalogue.solvers import resolve
from amb.cli.app import app
from amb.errors import SpecError, StudyError
from amb.run import dask, dask_worker
from amb.run.dask import DaskCluster, groups
from amb.run.execute import execute
from amb.run.progress import NoProgress
from amb.study.manifest import Settings
from amb.study.runs import Known, RunPlan, Seconds, Trace
from amb.study.study import Study

distributed = pytest.importorskip("distributed")
dask_itself = pytest.importorskip("dask")
PLUGINS = Path(__file__).parents[1] / "plugins"


def plans(solvers: tuple[str, ...] = ("random", "climber"), budget: int = 40, problems: int = 3) -> list[RunPlan]:
    names = [f"toy/bowl/near/{unit}" for unit in range(problems)]
    return [
        RunPlan(name, registry.problem(name).fingerprint, solver, resolve(solver).cls.version, 0, budget)
        for name in names
        for solver in solvers
    ]


def traces(study: Study, wanted: list[RunPlan]) -> list[tuple]:
    found = [study.load(plan) for plan in wanted]
    assert all(found)
    return [
        (r.status, r.recommended, r.final, t.candidates.tobytes(), t.values.tobytes(), t.batches.tolist())
        for r, t in found  # type: ignore[misc]
    ]


@pytest.fixture
def alone(toy: Path, tmp_path: Path) -> Callable[[list[RunPlan]], list[tuple]]:
    """What one process makes of the plans."""

    def run(wanted: list[RunPlan]) -> list[tuple]:
        study = Study(tmp_path / "alone")
        execute(wanted, study, registry.problem)
        return traces(study, wanted)

    return run


@pytest.fixture
def scheduler() -> Iterator[str]:
    """A cluster of two workers in this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="inproc://", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def once() -> Iterator[None]:
    """Dask gives up a task with the first worker that is lost."""
    with dask_itself.config.set({"distributed.scheduler.allowed-failures": 0}):
        yield


class Heard(NoProgress):
    def __init__(self) -> None:
        self.finished_runs: list[str] = []
        self.seen: set[str] = set()
        self.notes: list[str] = []

    def update(self, runs) -> None:  # type: ignore[no-untyped-def]
        self.seen.update(run.plan.name for run in runs if run.queries)

    def finished(self, run, record) -> None:  # type: ignore[no-untyped-def]
        self.finished_runs.append(record.plan.run_id)

    def note(self, message: str) -> None:
        self.notes.append(message)


def test_a_cluster_leaves_what_one_process_leaves(
    alone: Callable[[list[RunPlan]], list[tuple]], scheduler: str, tmp_path: Path, toy: Path
) -> None:
    wanted = plans()
    study, heard = Study(tmp_path / "st"), Heard()
    study.describe(wanted, Settings())
    cluster = DaskCluster(scheduler=scheduler, plugins=(toy,))
    cluster.execute(wanted, study, progress=heard)
    assert traces(study, wanted) == alone(wanted)
    assert sorted(heard.finished_runs) == sorted(plan.run_id for plan in wanted)
    assert not list((study.folder / "journal").iterdir())
    events = [line["event"] for line in study.log.read()]
    assert (events[0], events[-1]) == ("begin", "end")
    assert events.count("run ended") == len(wanted)
    # Nothing is left to do, and more budget extends the runs.
    before = {plan.run_id: study.run_file(plan.run_id).stat().st_mtime_ns for plan in wanted}
    cluster.execute(wanted, study)
    assert before == {plan.run_id: study.run_file(plan.run_id).stat().st_mtime_ns for plan in wanted}
    longer = plans(budget=60)
    cluster.execute(longer, study)
    assert traces(study, longer) == alone(longer)


def test_a_worker_that_does_not_see_the_folder_is_named(scheduler: str, tmp_path: Path, toy: Path) -> None:
    study = Study(tmp_path / "st")  # no manifest: as if the folder were another machine's
    with pytest.raises(StudyError, match="2 of 2 workers do not see"):
        DaskCluster(scheduler=scheduler, plugins=(toy,)).execute(plans(), study)


def test_groups_share_a_pair_and_serve_every_worker() -> None:
    def plan(pair: str, unit: int) -> RunPlan:
        return RunPlan(f"{pair}/l/{unit}[noise=poisson]", "print", "random", "1", 0, 10)

    wanted = [plan(pair, unit) for unit in range(40) for pair in ("a/b", "a/c")]
    made = groups(wanted, 4)
    assert sorted(p.run_id for group in made for p in group) == sorted(p.run_id for p in wanted)
    assert all(len({p.problem[:3] for p in group}) == 1 for group in made)
    assert len(made) == 16
    assert {len(group) for group in groups([plan("a/b", unit) for unit in range(5000)], 1)} <= {128, 5000 % 128}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--executor", "dask", "--timing"], "wall times are never measured on a cluster"),
        (["--executor", "dusk"], "did you mean dask"),
        (["--workers", "2"], "need --executor dask"),
        (["--executor", "dask", "--workers", "2", "--scheduler", "tcp://x:1"], "one of them"),
    ],
)
def test_what_a_cluster_cannot_do_is_said(toy: Path, tmp_path: Path, words: list[str], message: str) -> None:
    command = ["run", "-s", "random", "-p", "toy/bowl/near/0", "--budget", "5", "--study", str(tmp_path / "st")]
    done = CliRunner().invoke(app, [*command, *words])
    assert isinstance(done.exception, SpecError)
    assert message in str(done.exception)


@pytest.mark.parametrize(("field", "word"), [("version", "solver"), ("fingerprint", "problem")])
def test_a_worker_with_other_code_stores_nothing_under_the_plans_name(
    scheduler: str, tmp_path: Path, toy: Path, field: str, word: str
) -> None:
    """Its values would count as those of the version that was asked for."""
    wanted = plans(("climber",), problems=2)
    other = [replace(plan, **{field: "of another machine"}) for plan in wanted]
    study = Study(tmp_path / "st")
    study.describe(other, Settings())
    with pytest.raises(StudyError, match=f"has {word} .* in version .*, and of another .* was asked for"):
        DaskCluster(scheduler=scheduler, plugins=(toy,)).execute(other, study)
    assert not list((study.folder / "runs").glob("*.parquet"))


def test_variables_that_dask_sets_for_its_workers_make_no_other_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that reads the number of threads was refused on every cluster."""
    monkeypatch.setattr(variables, "_CHANGED", {})
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    own = variables.unchanged()
    handed = dask.changed_for_workers()
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    variables.take_over(handed)
    assert variables.unchanged() == own


EDITED = """
from amb import Family, FunctionProblem, Space

class Edited(Family):
    name = "edited/bowl"

    def layers(self):
        return {"l": 1}

    def problem(self, layer, unit, *, device="cpu", **options):
        return FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(6, 16), id="edited/l/0", version="VERSION")
"""


def test_a_worker_loads_a_plugin_again_that_was_edited(tmp_path: Path) -> None:
    """It outlives the command: without this, the next command's runs have the values of the file as it was."""
    loaded, file = dask_worker._Loaded(), tmp_path / "edited.py"
    found = []
    for version in ("1", "2", "1"):  # the edit is undone
        with loaded.using([(str(file), EDITED.replace("VERSION", version).encode(), {})]):
            found.append(dask_worker._problem("edited/bowl/l/0", "cpu").fingerprint)
    assert found[0] == found[2] != found[1]
    with loaded.using([]):
        assert "edited/bowl" not in plugins_of("families")


@pytest.mark.parametrize("later", ["of the same name", "none"])
def test_a_worker_with_threads_works_on_one_group_at_a_time(tmp_path: Path, later: str) -> None:
    """It would compute one command's runs with the solver of the other, or with what that one sets for all threads."""
    loaded = dask_worker._Loaded()
    files = [[(str(tmp_path / f"{name}.py"), EDITED.replace("VERSION", name).encode(), {})] for name in ("1", "2")]
    seen, entered = [], threading.Event()

    def other() -> None:
        entered.set()
        with loaded.using(files[1] if later == "of the same name" else []):
            seen.append("other")

    thread = threading.Thread(target=other)
    with loaded.using(files[0]):
        thread.start()
        entered.wait()
        time.sleep(0.2)
        seen.append("first")
    thread.join()
    assert seen == ["first", "other"]
    with loaded.using([]):
        pass


def test_a_scheduler_that_goes_away_is_named_and_loses_nothing(
    alone: Callable[[list[RunPlan]], list[tuple]], tmp_path: Path, toy: Path
) -> None:
    load_file(PLUGINS / "slow.py")
    wanted = plans(("dawdler",), budget=60, problems=2)
    study = Study(tmp_path / "st")
    study.describe(wanted, Settings())
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp://", host="127.0.0.1"
    )

    def end() -> None:
        while not list((study.folder / "journal").glob("*.journal")):
            time.sleep(0.05)
        cluster.close()

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(StudyError, match=r"went away with . runs to do; what was observed is kept"):
        DaskCluster(scheduler=cluster.scheduler_address, plugins=(toy, PLUGINS / "slow.py")).execute(wanted, study)
    thread.join()
    execute(wanted, study, registry.problem)
    assert traces(study, wanted) == alone(wanted)


FALLS = """
import time
from distributed import get_client, get_worker
from amb import Solver

class Falls(Solver):
    def _ask(self, limit):
        worker, client = get_worker(), get_client()
        while len(client.processing()[worker.address]) < 2:
            time.sleep(0.01)
        client.sync(client.scheduler.unregister, address=worker.address, stimulus_id="lost")
        raise MemoryError("as if the system had ended this process")
"""


def test_a_run_that_waited_where_another_one_died_is_no_crash(
    alone: Callable[[list[RunPlan]], list[tuple]], once: None, scheduler: str, tmp_path: Path, toy: Path
) -> None:
    """Dask counts the death against it; it would count as a failure of its solver, for good."""
    (file := tmp_path / "falls.py").write_text(FALLS)
    load_file(file)
    bad, good = plans(("falls",), problems=1), plans(("random[k=5]",), problems=4)
    study = Study(tmp_path / "st")
    study.describe([*bad, *good], Settings())
    DaskCluster(scheduler=scheduler, plugins=(toy, file)).execute([*bad, *good], study)
    assert traces(study, good) == alone(good)
    assert study.load(bad[0])[0].status == "crash"  # type: ignore[index]


def test_workers_that_die_before_they_begin_are_no_runs_fault(
    once: None, scheduler: str, tmp_path: Path, toy: Path
) -> None:
    """As where a library that amb needs ends the process: the command would send the runs again for ever."""
    study = Study(tmp_path / "st")
    study.describe(plans(), Settings())

    def lose_a_worker() -> None:
        with distributed.Client(scheduler) as client:
            while not (sent := [worker for worker, tasks in client.processing().items() if tasks]):
                time.sleep(0.01)
            client.sync(client.scheduler.unregister, address=sent[0], stimulus_id="lost")

    thread = threading.Thread(target=lose_a_worker)
    with dask_worker._LOADED._group:  # so that none begins
        thread.start()
        with pytest.raises(StudyError, match=r"die before they begin a run \(such as inproc://.*repeat the command"):
            DaskCluster(scheduler=scheduler, plugins=(toy,)).execute(plans(), study)
    thread.join()


class Silent(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_what_is_no_scheduler_is_not_waited_for(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A web server, whose answer Dask takes for the beginning of a long message; and settings that are missing."""
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 1)
    study = Study(tmp_path / "st")
    study.describe(plans(), Settings())
    with ThreadingHTTPServer(("127.0.0.1", 0), Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for scheme in ("tcp", "tls"):
            with pytest.raises(StudyError, match=r"cannot reach .*; is the scheduler running\?"):
                DaskCluster(scheduler=f"{scheme}://127.0.0.1:{server.server_port}").execute(plans(), study)
        server.shutdown()


def test_a_local_cluster_lets_solvers_start_processes_and_starts_its_workers_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pool of multiprocessing crashed here and not on one machine; where a solver killed workers, none was left."""
    begun: list[tuple[bool, str]] = []

    def begin(**_: object) -> None:
        names = ("distributed.worker.daemon", "distributed.deploy.lost-worker-timeout")
        begun.append(tuple(map(dask_itself.config.get, names)))  # type: ignore[arg-type]
        raise ValueError("begun")

    monkeypatch.setattr(distributed, "LocalCluster", begin)
    with pytest.raises(StudyError, match="begun"), DaskCluster()._client(1):
        pass
    assert begun == [(False, "1 day")]


LOCAL = """
from amb.run.dask import DaskCluster

def start():
    with DaskCluster()._client(1):
        pass

"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start()", r"script\.py, line 8 starts a local cluster, and .* put .* under `if __name__ == \"__main__\":`"),
        ("for _ in range(2):\n    exec('start()')", r"script\.py, line 9 starts a local cluster"),
        ("if __name__ == '__main__':\n    start()", "cannot start a local cluster: ValueError: begun"),
        ("__name__ == '__main__' and start()", "cannot start a local cluster: ValueError: begun"),
    ],
)
def test_a_script_without_a_guard_is_refused_before_its_workers_start_the_study_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    """Each imported the script: hundreds of lines of tracebacks, and the advice to start a scheduler."""

    def begin(**_: object) -> None:
        raise ValueError("begun")

    monkeypatch.setattr(distributed, "LocalCluster", begin)
    script = ModuleType("__main__")
    (file := tmp_path / "script.py").write_text(LOCAL + text)
    script.__file__ = str(file)
    monkeypatch.setitem(sys.modules, "__main__", script)
    with pytest.raises((SpecError, StudyError), match=message):
        exec(compile(LOCAL + text, str(file), "exec"), vars(script))


@pytest.mark.slow
def test_the_script_that_the_guide_shows_runs_as_one(tmp_path: Path) -> None:
    """With workers that import it."""
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "studies.md").read_text(encoding="utf-8")
    (text,) = (block for block in re.findall(r"```python\n(.*?)```", guide, re.DOTALL) if "DaskCluster" in block)
    (tmp_path / "script.py").write_text(text)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.slow
def test_two_of_four_workers_killed_cost_nothing(
    alone: Callable[[list[RunPlan]], list[tuple]], tmp_path: Path, toy: Path
) -> None:
    load_file(PLUGINS / "slow.py")
    wanted = plans(("random[k=5]", "dawdler"), budget=60, problems=4)
    study = Study(tmp_path / "st")
    study.describe(wanted, Settings())
    killed: list[int] = []

    def kill_two(cluster) -> None:  # type: ignore[no-untyped-def]
        while len(list((study.folder / "journal").glob("*.journal"))) < 3:
            time.sleep(0.05)
        for worker in list(cluster.workers.values())[:2]:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGKILL)

    with distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster:
        thread = threading.Thread(target=kill_two, args=(cluster,))
        thread.start()
        DaskCluster(scheduler=cluster.scheduler_address, plugins=(toy, PLUGINS / "slow.py")).execute(wanted, study)
        thread.join()
    assert len(set(killed)) == 2
    assert traces(study, wanted) == alone(wanted)
    assert not list((study.folder / "journal").glob("*.journal"))


@pytest.mark.slow
def test_a_run_that_kills_every_worker_ends_as_a_crash_and_harms_no_other(
    alone: Callable[[list[RunPlan]], list[tuple]], tmp_path: Path, toy: Path
) -> None:
    load_file(PLUGINS / "poison.py")
    good, bad = plans(("random[k=5]",), problems=4), plans(("poison",), problems=1)
    study = Study(tmp_path / "st")
    study.describe([*good, *bad], Settings())
    DaskCluster(workers=2, plugins=(toy, PLUGINS / "poison.py")).execute([*bad, *good], study)
    assert traces(study, good) == alone(good)
    loaded = study.load(bad[0])
    assert loaded is not None
    assert loaded[0].status == "crash"
    assert "KilledWorker" in loaded[0].reason
    assert loaded[0].queries == 3 == len(loaded[1])
    assert np.isnan(loaded[0].final)


def test_the_death_of_a_run_is_recorded_although_it_once_had_a_larger_budget(tmp_path: Path, toy: Path) -> None:
    """Its journal held more queries than its budget: the command ended, at every repetition, with all other runs."""
    study = Study(tmp_path)
    longer, plan = (plans(("random",), budget=budget, problems=1)[0] for budget in (60, 20))
    known = Trace(np.zeros((40, 6), np.int64), np.ones(40), np.ones(40), np.full(4, 10))
    study.journal(longer, 6, Known(known, Seconds())).close()
    assert dask.record_death(study, plan, "tcp://worker")
    record, trace = study.load(plan)  # type: ignore[misc]
    assert (record.status, record.queries, len(trace)) == ("crash", 20, 20)
    assert len(study.unfinished(longer).trace) == 40  # type: ignore[union-attr] # a longer run goes on from there

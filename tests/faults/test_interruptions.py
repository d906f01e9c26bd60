"""Signals, closed streams and the bench's own exceptions: only the user ends a command, and it ends in one line."""

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from commands import command

from amb import FunctionProblem, Space
from amb.catalogue.plugins import load_file
from amb.compiling import compiled
from amb.errors import LabError
from amb.interruption import Interrupted, Receiver
from amb.lab.stimuli import content_hash
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.study.runs import RunPlan
from amb.study.study import Study

PLUGINS = Path(__file__).parents[1] / "plugins"
ROGUES = PLUGINS / "rogues.py"
TOY = PLUGINS / "toy.py"
GOOD = RunPlan("p/q/r/0", "print", "rogue", "1", 0, 12)
AMB = [sys.executable, "-m", "amb"]
WAITS = "import os, time, pathlib\npathlib.Path(os.environ['AMB_TEST_LOADS']).touch()\ntime.sleep(600)\n"


def problem(spec: str) -> FunctionProblem:
    return FunctionProblem(lambda rows: np.sin(rows).mean(axis=1), Space.uniform(6, 16), id=spec)


@pytest.mark.parametrize(
    ("words", "name"),
    [("solvers list", "SIGINT"), ("solvers list", "SIGTERM"), ("solvers list", "SIGHUP"), ("report st", "SIGINT"),
     ("lab next lab", "SIGTERM")],
)  # fmt: skip
def test_a_signal_ends_any_command_in_one_line(tmp_path: Path, words: str, name: str) -> None:
    """Here while a plug-in is loaded, with the status that shells count."""
    (tmp_path / "waits.py").write_text(WAITS)
    process = subprocess.Popen(
        [*AMB, *words.split(), "--plugin", "waits.py"],
        cwd=tmp_path,
        env={**os.environ, "AMB_TEST_LOADS": str(tmp_path / "loads")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGHUP)],
    )
    end = time.monotonic() + 60
    while not (tmp_path / "loads").exists() and time.monotonic() < end:
        time.sleep(0.05)
    number = signal.Signals[name]
    process.send_signal(number)
    printed, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number, told
    assert (printed, told.strip()) == ("", "amb: interrupted; nothing is lost, and the command can be repeated")


def test_a_signal_while_a_command_ends_prints_no_traceback() -> None:
    """The search for a plug-in to blame takes the last tenths of a second of every command."""
    code = (
        "import signal, sys, amb.catalogue.plugins as plugins\n"
        "plugins.blame = lambda error: signal.raise_signal(signal.SIGTERM)\n"
        "sys.argv = ['amb', 'solvers', 'list']\n"
        "from amb.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (143, False), done.stderr


BENCHS_OWN = ["raises-interrupted", "raises-out-of-time", "raises-no-process", "raises-refusal"]


@pytest.mark.parametrize("limits", [Limits(), Limits(timeout=600)], ids=["no limits", "timeout"])
def test_the_bench_s_own_exceptions_are_a_solver_s_failure(tmp_path: Path, limits: Limits) -> None:
    """No solver can pretend that the user stopped it, that its time was over, or that the machine failed."""
    load_file(ROGUES)
    plans = [RunPlan("p/q/r/0", "print", solver, "1", 0, 12) for solver in BENCHS_OWN]
    study = Study(tmp_path)
    execute([*plans, GOOD], study, problem, limits=limits)
    assert [study.load(plan)[0].status for plan in plans] == ["crash"] * len(plans)  # type: ignore[index]
    assert study.load(GOOD)[0].status == "ok"  # type: ignore[index]


@pytest.mark.parametrize("solver", ["closes-streams", "closes-descriptors", "replaces-streams"])
def test_a_solver_that_closes_the_streams_loses_no_result(tmp_path: Path, solver: str) -> None:
    """Its run and those of others are printed, and no print gets into a journal that took the descriptor's number."""
    words = ["run", "-s", f"{solver},random", "-p", "toy/bowl/near/0", "-b", "12", "--seeds", "1", "--study", "st"]
    done = command(*words, "--plugin", TOY, "--plugin", ROGUES, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert solver in done.stdout
    assert "random" in done.stdout
    assert {record.status for record, _ in Study(tmp_path / "st").records()} == {"ok"}
    assert not list((tmp_path / "st" / "damaged").glob("*"))


def test_a_solver_that_closes_all_files_gets_nothing_of_amb_s_into_its_own(tmp_path: Path) -> None:
    """Two of them had frames of a journal over their text, and the locks' numbers were closed under it."""
    own = [tmp_path / f"mine-{number:02}" for number in range(40)]
    for path in own:
        path.write_text("measured yesterday")
    words = ["run", "-s", "takes-numbers,random", "-p", "toy/bowl/near/0", "-b", "12", "--seeds", "2", "--study", "st"]
    done = command(*words, "--plugin", TOY, "--plugin", ROGUES, cwd=tmp_path)
    assert {path.read_text() for path in own} == {"measured yesterday"}
    assert done.returncode == 2
    assert "a plug-in has closed it; the same command resumes" in done.stderr
    assert "Traceback" not in done.stderr
    again = command(*words[:2], "random", *words[3:], "--plugin", TOY, cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_command_without_streams_does_its_work(tmp_path: Path, closed: str) -> None:
    words = ["run", "-s", "random", "-p", "toy/bowl/near/0", "-b", "12", "--seeds", "1", "--study", "st"]
    command = " ".join([*AMB, *words, "--plugin", str(TOY)])
    done = subprocess.run(f"{command} {closed}", shell=True, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [record.status for record, _ in Study(tmp_path / "st").records()] == ["ok"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("words", ["--version", "solvers list", "solvers list --json"])
def test_output_that_a_full_disk_refuses_is_told_in_one_line(words: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*AMB, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "amb: cannot write to stdout: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize(("printed", "status"), [("| true", 1), ("> /dev/full", 2)])
def test_a_report_is_written_although_nothing_can_be_printed(tmp_path: Path, printed: str, status: int) -> None:
    """Else the files of a comparison that was looked at with `| head -1` would be those of an earlier one."""
    words = ["-s", "random", "-p", "toy/bowl/near/0", "-b", "8", "--seeds", "1", "--study", "st", "--plugin", TOY]
    command("run", *words, cwd=tmp_path, check=True)
    amb = " ".join([*AMB, "report", "st", "--plugin", str(TOY)])
    shell = ["bash", "-c", f"{amb} {printed}; exit ${{PIPESTATUS[0]}}"]
    done = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (status, False), done.stderr
    assert (tmp_path / "st" / "report" / "report.md").is_file()


def test_a_terminal_without_a_width_shows_what_is_printed() -> None:
    """Serial consoles and containers export COLUMNS=0."""
    done = command("solvers", "list", width=0)
    assert re.search(r"^ *random ", done.stdout, re.MULTILINE)


@pytest.mark.parametrize(("solver", "says"), [("amb:Solver", "does not define"), ("amb:Space", "is not a subclass")])
def test_a_class_that_is_no_solver_is_refused(tmp_path: Path, solver: str, says: str) -> None:
    words = ["run", "-s", solver, "-p", "toy/bowl/near/0", "--study", "st", "--plugin", str(TOY)]
    done = command(*words, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert says in done.stderr
    assert not (tmp_path / "st").exists()


@pytest.mark.parametrize("isolate", [False, True])
def test_an_error_of_a_solver_s_creation_names_the_solver(tmp_path: Path, isolate: bool) -> None:
    words = ["run", "-s", "random,refuses-option", "-p", "toy/bowl/near/0", "--study", "st"]
    words += ["--plugin", str(TOY), "--plugin", str(ROGUES), *["--isolate"] * isolate]
    done = command(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "amb: refuses-option: k must be odd"


def test_a_network_that_forks_leaves_no_second_bench(tmp_path: Path) -> None:
    """Not even while it is evaluated in a thread: what its child raises ends the child, and no result is changed."""
    (tmp_path / "forks.py").write_text(FORKS)
    words = [
        "run",
        "-s",
        "random,random[k=3]",
        "-p",
        "forking/only/a/0..1",
        "-b",
        "12",
        "--seeds",
        "1",
        "--study",
        "st",
    ]
    done = command(*words, "--plugin", "forks.py", cwd=tmp_path, seconds=120)
    assert done.returncode == 0, done.stderr
    assert [record.status for record, _ in Study(tmp_path / "st").records()] == ["ok"] * 4


FORKS = """
import os
from amb import Family, FunctionProblem, Space

class Forking(FunctionProblem):
    threaded = True

def respond(rows):
    if os.fork() == 0:
        raise SystemExit(0)
    return rows.mean(axis=1)

class ForkingFamily(Family):
    name = "forking/only"
    def layers(self):
        return {"a": 2}
    def problem(self, layer, unit, *, device="cpu", **options):
        return Forking(respond, Space.uniform(6, 16), id=f"forking/only/a/{unit}")
"""


WORKERS = """
import atexit, logging, multiprocessing, threading, time
import amb.cli.leftovers
from amb import Solver

amb.cli.leftovers.UPLOAD_SECONDS = 3.0  # not a minute

class Works(Solver):
    def _ask(self, limit):
        self.work()
        return self.space.sample(min(10, limit), self.rng)
    def work(self):
        pass

class EndsWorker(Works):
    def work(self):
        process = multiprocessing.Process(target=time.sleep, args=(1e6,))
        process.start()
        process.terminate()
        process.join()

class EndsPool(Works):
    def work(self):
        with multiprocessing.Pool(1) as pool:
            pool.map(abs, [1])

class KeepsPool(Works):
    def work(self):
        self.pool = multiprocessing.Pool(1)

class KeepsProcess(Works):
    def work(self):
        multiprocessing.Process(target=time.sleep, args=(30,), name="busy").start()

class KeepsQueue(Works):
    def work(self):
        self.queue = multiprocessing.Queue()
        self.queue.put(b"x" * 10**7)

class KeepsThread(Works):
    def work(self):
        threading.Thread(target=time.sleep, args=(1e6,)).start()

class KeepsHook(Works):
    def work(self):
        atexit.register(time.sleep, 1e6)

class Uploads(logging.Handler):
    def close(self):
        time.sleep(1e6)

class KeepsLogger(Works):
    def work(self):
        logging.getLogger("up").addHandler(Uploads())
"""


@pytest.mark.parametrize(
    "solvers",
    ["ends-worker,ends-pool,keeps-pool", "keeps-process", "keeps-queue", "keeps-thread", "keeps-hook", "keeps-logger"],
)
def test_threads_processes_and_exit_hooks_of_a_solver_keep_no_command_from_ending(tmp_path: Path, solvers: str) -> None:
    """Its workers die of a signal as without `amb`. What is left is named, once everything is written."""
    (tmp_path / "workers.py").write_text(WORKERS)
    words = ["run", "-s", solvers, "-p", "toy/bowl/near/0", "-b", "20", "--seeds", "1", "--study", "st"]
    done = command(*words, "--plugin", str(TOY), "--plugin", "workers.py", cwd=tmp_path, seconds=120)
    assert done.returncode == 0, done.stderr
    assert {record.status for record, _ in Study(tmp_path / "st").records()} == {"ok"}
    left = "everything is written; the "
    assert (left in done.stderr) == solvers.startswith("keeps"), done.stderr
    assert ("the process 'busy'" in done.stderr) == (solvers == "keeps-process")
    assert ("the exit hook" in done.stderr) == (solvers in ("keeps-hook", "keeps-logger"))
    assert "stopping" not in done.stderr


def test_a_plan_for_too_many_seeds_is_refused_at_once() -> None:
    done = command("plan", "--difference", "0.05", "--seeds", "1000000000", seconds=120)
    assert (done.returncode, done.stderr) == (2, "amb: --seeds must be at most 100,000, got 1,000,000,000\n")


def test_closed_descriptors_of_the_bench_end_in_a_line(tmp_path: Path) -> None:
    """A solver that closes all files of its process, as daemons do, costs a repetition, and no result."""
    words = ["run", "-s", "closes-all,random", "-p", "toy/bowl/near/0", "-b", "12", "--seeds", "1", "--study", "st"]
    words += ["--plugin", str(TOY), "--plugin", str(ROGUES)]
    done = subprocess.run([*AMB, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 2)
    words[2] = "random"
    assert command(*words, cwd=tmp_path).returncode == 0


def test_warnings_stay_warnings_whatever_a_plug_in_declares(tmp_path: Path) -> None:
    """Otherwise a warning of one library would end whatever uses it, such as a good run."""
    (tmp_path / "strict.py").write_text(STRICT)
    before = list(warnings.filters)
    load_file(tmp_path / "strict.py")
    assert list(warnings.filters) == before


STRICT = """
import warnings
from amb import Solver

warnings.simplefilter("error")

class StrictAboutWarnings(Solver):
    def _ask(self, limit):
        return self.space.sample(1, self.rng)
"""


def test_a_pipe_among_the_reference_images_is_refused(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / "one.png")
    with pytest.raises(LabError, match="it is not a regular file"):
        content_hash(tmp_path / "one.png")


SWALLOWED = """
import os, signal
import amb.cli

def run():
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(10**6):
            pass
    except KeyboardInterrupt:
        pass  # as an extension module clears it
    raise ImportError("numpy._core.multiarray failed to import")

amb.cli._run = run
amb.cli.main()
"""


def test_a_signal_that_an_import_swallows_ends_in_a_line() -> None:
    """numpy's extension modules clear the exception that a signal raises while they import, and fail by it."""
    ended = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 128 + signal.SIGTERM
    assert ended.stderr.strip() == "amb: interrupted; nothing is lost, and the command can be repeated"


def test_a_signal_while_numba_compiles_waits_until_it_has() -> None:
    """LLVM prints and clears what a signal raises in its callbacks; the command ended in numba's traceback."""
    from numba.core.event import RecordingListener, install_listener

    class Sends(RecordingListener):
        def on_start(self, event: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)

    twice = compiled()(eval("lambda x: 2 * x"))  # of no file, so that no cache has it
    with Receiver():
        with pytest.raises(Interrupted), install_listener("numba:run_pass", Sends()):
            twice(21)
        assert twice.signatures
        assert twice(21) == 42

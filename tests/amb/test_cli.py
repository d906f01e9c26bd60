import json
import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from commands import command
from typer.testing import CliRunner

from amb.cli.app import app

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
BAD = Path(__file__).parents[1] / "plugins" / "failing_reports.py"
amb = partial(command, width=100)
AMB = [sys.executable, "-m", "amb"]
SMALL = ["--solvers", "random,climber", "--problems", "toy/bowl/near/*", "--budget", "40", "--seeds", "2"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which a comparison was made, in its study `st`, and what the command printed."""
    folder = tmp_path_factory.mktemp("compared")
    done = amb("compare", *SMALL, "--plugin", str(TOY), "--study", "st", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_compare_prints_a_table_and_a_verdict_and_writes_a_report(compared: tuple[Path, str]) -> None:
    folder, printed = compared
    for expected in (
        "climber",
        "random",
        "Holm p",
        "4 problems",
        "2 seeds",
        "0 of 16 runs failed",
        "Report: st",
    ):
        assert expected in printed
    assert max(map(len, printed.splitlines())) <= 100
    written = {file.name for file in (folder / "st" / "report").iterdir()}
    assert {"runs.csv", "ranking.csv", "report.md", "convergence.png", "gallery.png"} <= written


def test_the_same_command_again_and_a_report_run_nothing_and_say_the_same(compared: tuple[Path, str]) -> None:
    folder, printed = compared
    words = ["--plugin", str(TOY), "--json"]
    again = amb("compare", *SMALL, *words, "--study", "st", cwd=folder)
    assert "The study already holds all 16 runs" in again.stderr
    record = json.loads(again.stdout)
    assert " ".join(record["verdict"].split()) in " ".join(printed.split())
    assert json.loads(amb("report", "st", *words, cwd=folder).stdout) == record


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(compared: tuple[Path, str], width: int) -> None:
    folder, _ = compared
    done = amb("compare", *SMALL, "--plugin", str(TOY), "--study", "st", cwd=folder, width=width)
    assert max(len(line) for line in done.stdout.splitlines()) <= width


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("references quick --study st --prior 5000 --seed 3", "--prior, --seed have no effect with --study"),
        ("references quick --study st --data d", "--data has no effect with --study"),
        ("problems list quick --time", "--time has no effect with quick"),
        ("problems show quick --device cuda", "--device has no effect with quick"),
        ("problems show mnist-sngan/mnist-snn --device cuda", "--device has no effect with mnist-sngan/mnist-snn"),
    ],
)
def test_an_option_without_effect_is_refused(words: str, says: str, tmp_path: Path) -> None:
    """What an option asks for is done, or its user is told that it is not."""
    done = amb(*words.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert not any(tmp_path.iterdir())


def test_many_runs_are_summed_up_by_solver_and_json_has_them_all(tmp_path: Path) -> None:
    words = ["run", *SMALL[:5], "5", "--seeds", "13", "--plugin", str(TOY), "--study", "st"]
    shown = amb(*words, cwd=tmp_path, width=80)
    assert shown.returncode == 0, shown.stderr
    assert [line.split()[:4] for line in shown.stdout.splitlines() if line.startswith(("random", "climber"))] == [
        ["random", "4", "52", "0"],
        ["climber", "4", "52", "0"],
    ]
    assert "`amb report st` writes all 104 runs" in shown.stdout
    every = json.loads(amb(*words, "--json", cwd=tmp_path).stdout)
    assert len(every) == 104
    amb("report", "st", "--plugin", str(TOY), cwd=tmp_path)
    assert len((tmp_path / "st" / "report" / "runs.csv").read_text().splitlines()) == 1 + 104


def test_two_executions_give_identical_traces(tmp_path: Path) -> None:
    """In two interpreters, whose hashes differ."""
    from amb.study.study import Study

    for folder in ("one", "two"):
        words = ["run", *SMALL, "--plugin", str(TOY), "--study", folder]
        subprocess.run([*AMB, *words], cwd=tmp_path, check=True, capture_output=True)
    one, two = (list(Study(tmp_path / folder).records()) for folder in ("one", "two"))
    assert len(one) == len(two) == 16
    for (_, a), (_, b) in zip(one, two, strict=True):
        assert a.values.tobytes() == b.values.tobytes()
        assert a.candidates.tobytes() == b.candidates.tobytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["compare", "--solvers", "randm"], "did you mean random"),
        (["compare", "--solvers", "random[draw=sobol]"], "'grid' or 'prior'"),
        (["compare", "--solvers", "random[k"], "bad spec"),
        (["compare", "--solvers", ""], "no solvers given"),
        (["compare", "--solvers", "random", "--problems", "toy/bowl/neer/0"], "did you mean near"),
        (["compare", "--solvers", "random", "--problems", "toy/bowl/near/4"], "0..3"),
        (["compare", "--solvers", "random", "--problems", "nothing"], "unknown suite"),
        (["compare", "--solvers", "random", "--problems", "toy/bowl/near/0", "--budget", "0"], "budget"),
        (["compare", "--solvers", "random", "--problems", "toy/bowl/near/0", "--seeds", "0"], "seed"),
        (["compare", "--solvers", "random", "--problems", "toy/bowl/near/0", "--alpha", "2"], "alpha"),
        (["compare", "--solvers", "random", "--problems", "toy/bowl/near/0", "--metric", "x"], "metric"),
        (["compare", *SMALL, "--control", "tt-b"], "control"),
        (["compare", *SMALL, "--study", "/proc/none/study"], "choose another folder"),
        (["run", "-s", "random", "--isolate", "--memory", "9" * 400, "--study", "st"], "expected less than"),
        (["report", "nowhere"], "not a study"),
        (["solvers", "show", "randm"], "did you mean random"),
        (["problems", "show", "toy/bowl/near"], "expected <generator>/<target>/<layer>/<unit>"),
        (["train", "cifar11-sngan", "--data", "."], "did you mean cifar10-sngan"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(tmp_path: Path, words: list[str], says: str) -> None:
    plugin = [] if words[0] in ("train",) else ["--plugin", str(TOY)]
    done = amb(*words, *plugin, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("amb: ")
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("**/runs/*"))


def test_a_crashing_solver_is_named_and_counted(tmp_path: Path) -> None:
    done = amb(
        *("compare", "--solvers", "random,crasher", "--problems", "toy/bowl/near/*", "--budget", "20"),
        *("--plugin", str(TOY), "--study", "st"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the lamp is broken") == 1
    assert "7 more runs of crasher ended so" in done.stdout
    assert "8 of 16 runs failed (crasher 8)" in done.stdout.replace("\n", " ")
    without = amb("report", "st", cwd=tmp_path)
    assert without.returncode == 0, without.stderr
    said = " ".join(without.stdout.split())
    assert "crasher is known here from stored runs only" in said
    assert "8 of 16 runs failed (crasher 8)" in said


def test_a_report_that_fails_hides_neither_the_verdict_nor_the_other_reports(tmp_path: Path) -> None:
    """One line per failed report after the results, on stderr, and exit status 1."""
    plugins = ["--plugin", str(TOY), "--plugin", str(BAD)]
    compared = amb("compare", *SMALL, *plugins, "--study", "st", cwd=tmp_path)
    reported = amb("report", "st", *plugins, "--json", cwd=tmp_path)
    for done in (compared, reported):
        assert done.returncode == 1
        lines = [line for line in done.stderr.splitlines() if line.startswith("amb: ")]
        assert len(lines) == 3
        assert lines[0] == (
            f"amb: report 'bad' of {BAD} failed: ZeroDivisionError: division by zero; the others were written"
        )
        assert "report 'lost'" in lines[1]
        assert "no-such.mplstyle" in lines[1]
        assert "report 'vague'" in lines[2]
        assert "write returned ['figure.png']; expected a list of paths" in lines[2]
        assert "Traceback" not in done.stderr
    assert "Holm p" in compared.stdout
    assert "Report: st" in compared.stdout
    record = json.loads(reported.stdout)
    assert record["verdict"]
    written = {file.name for file in (tmp_path / "st" / "report").iterdir()}
    assert {"runs.csv", "report.md", "convergence.png", "ranking.csv"} <= written
    assert len(record["files"]) > 5


@pytest.mark.parametrize("words", [["run", "--budget"], ["plan", "--power"], ["lab", "serve", "rig", "--port"]])
def test_an_option_without_its_value_is_said_to_need_one(words: list[str]) -> None:
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 2
    assert isinstance(ended.exception, SystemExit)
    assert "Traceback" not in ended.output


def test_a_report_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """One line and status 2, as for any file of the study that cannot be written."""
    assert amb("run", *SMALL, "--plugin", str(TOY), "--study", "st", cwd=tmp_path).returncode == 0
    (tmp_path / "st" / "report" / "report.md").mkdir()
    done = amb("report", "st", "--plugin", str(TOY), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"amb: cannot write {tmp_path}/st/report/report.md: it is a folder; move it away\n"
    printed = amb("report", "st", "--plugin", str(TOY), "--json", cwd=tmp_path)
    assert (printed.returncode, printed.stderr) == (2, done.stderr)
    assert json.loads(printed.stdout)["runs"]  # what was measured can still be read
    assert json.loads(printed.stdout)["files"] == []


def test_ctrl_c_leaves_a_study_that_the_same_command_finishes(tmp_path: Path) -> None:
    """The interrupted study ends with the very traces of an undisturbed one."""
    slow = tmp_path / "slow.py"
    pause = "__import__('time').sleep(float(__import__('os').environ.get('PAUSE', '0'))); return np.exp("
    slow.write_text(TOY.read_text().replace("return np.exp(", pause))
    words = ["run", *SMALL[:5], "400", "--seeds", "1", "--plugin", str(slow)]
    process = subprocess.Popen(
        [*AMB, *words, "--study", "st"],
        cwd=tmp_path,
        env={**os.environ, "PAUSE": "0.02"},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Shells start background jobs, and so some test runs, with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("st/journal/*.journal")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"keeps 0 finished runs, and [\d,]+ quer(y|ies) of \d+ unfinished runs?", errors)
    assert "The same command resumes them" in errors
    assert list(tmp_path.glob("st/journal/*.journal"))
    for folder in ("st", "undisturbed"):
        assert amb(*words, "--study", folder, cwd=tmp_path).returncode == 0
    from amb.study.study import Study

    traces = [
        {record.plan.run_id: trace.values.tobytes() for record, trace in Study(tmp_path / folder).records()}
        for folder in ("st", "undisturbed")
    ]
    assert traces[0] == traces[1]


def test_help_is_instant() -> None:
    """No heavy package is imported to print the help."""
    code = (
        "import sys; sys.argv = ['amb', '--help'];\n"
        "from amb.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'torch', 'jax', 'pandas', 'scipy', 'matplotlib', 'numba', 'nevergrad'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("begin", "says"),
    [
        ("threading.Thread(target=threading.Event().wait, name='lamp').start()", "'lamp'"),
        ("ThreadPoolExecutor(1, thread_name_prefix='lamps').submit(threading.Event().wait)", "'lamps_0'"),
    ],
)
def test_a_command_ends_although_a_solver_leaves_a_thread(tmp_path: Path, begin: str, says: str) -> None:
    """Python waits for threads and for the workers of pools; the results are written, so nobody else does."""
    (tmp_path / "leaves.py").write_text(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from amb import Solver\n"
        "class Leaves(Solver):\n"
        "    def _ask(self, limit):\n"
        f"        {begin}\n"
        "        return self.space.sample(limit, self.rng)\n"
    )
    plugins = ("--plugin", str(TOY), "--plugin", "leaves.py")
    done = amb("run", "--solvers", "leaves", "--problems", "toy/bowl/near/0", "--budget", "5", "--seeds", "1", *plugins,
               "--study", "st", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"everything is written; the thread {says}" in done.stderr
    assert len(list((tmp_path / "st" / "runs").iterdir())) == 1


def test_lists_show_names_and_origins(tmp_path: Path) -> None:
    solvers = amb("solvers", "list", "--plugin", str(TOY), "--json", cwd=tmp_path)
    rows = {row["solver"]: row["from"] for row in json.loads(solvers.stdout)}
    assert rows["random"].startswith("amb ")
    assert rows["climber"] == str(TOY)
    shown = amb("solvers", "show", "random[k=5]", cwd=tmp_path)
    assert "k=5, draw=grid" in shown.stdout or "draw=grid, k=5" in shown.stdout
    problems = amb("problems", "list", "toy/bowl/*/1..2", "--plugin", str(TOY), "--json", cwd=tmp_path)
    assert [row["problem"] for row in json.loads(problems.stdout)] == [
        "toy/bowl/near/1",
        "toy/bowl/near/2",
        "toy/bowl/far/1",
        "toy/bowl/far/2",
    ]


@pytest.mark.parametrize(("damage", "says"), [("flip", "damaged"), ("remove", "cannot be read")])
def test_a_damaged_or_missing_checkpoint_is_named(tmp_path: Path, damage: str, says: str) -> None:
    """Found by its digest when it is loaded, with what to do about it; nothing is run."""
    import shutil

    import amb_problems

    shutil.copytree(Path(amb_problems.__file__).parent / "checkpoints", tmp_path / "checkpoints")
    file = tmp_path / "checkpoints" / "snn-cnn.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    if damage == "flip":
        file.write_bytes(content)
    code = (
        "import pathlib, sys, amb_problems.checkpoint as c\n"
        f"c._package_folder = lambda: pathlib.Path({str(tmp_path / 'checkpoints')!r})\n"
        "from amb.cli import main; main()"
    )
    words = ["compare", "--solvers", "random", "--problems", "cifar10-sngan/snn-cnn/sn1/0", "--budget", "9"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for expected in ("snn-cnn.safetensors", says, "reinstall amb"):
        assert expected in done.stderr
    assert not list(tmp_path.glob("**/runs/*"))

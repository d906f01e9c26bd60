"""Where `amb` runs: terminals that lack characters, folders that cannot be written, devices that are not there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path

import numpy as np
import pytest
from commands import command

import amb
from amb.catalogue.plugins import load_file
from amb.contracts.space import Space
from amb.errors import AmbError, SolverError, SpecError
from amb.run.plan import make_plan, parse_seeds
from amb.study.published import open_study, publish
from amb.study.study import Study

PLUGINS = Path(__file__).parents[1] / "plugins"


# Output


@pytest.fixture(scope="module")
def failed_abroad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a failed run whose reason has characters of many alphabets, and half of one."""
    folder = tmp_path_factory.mktemp("abroad")
    (folder / "abroad.py").write_text(
        "from amb import Solver\n"
        "class Abroad(Solver):\n"
        "    '''Müller’s Ω-search – 探索.'''\n"
        "    source = 'Müller’s Ω-search – 探索'\n"
        "    def _ask(self, limit):\n"
        "        raise RuntimeError('Lampe ✂ 壊れた Ω \\udcff')\n",
        encoding="utf-8",
    )
    done = command(
        "run", "-s", "abroad,random", "-p", "toy/bowl/near/0", "-b", "8", "--seeds", "1", "--study", str(folder / "st"),
        "--plugin", str(folder / "abroad.py"), "--plugin", str(PLUGINS / "toy.py"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("encoding", "commands"),
    [("ascii", range(4)), ("cp437", range(4)), ("latin-1", [0]), ("cp850", [2]), ("cp932", [3])],
    ids=str,
)
def test_a_terminal_that_lacks_a_character_shows_another(
    failed_abroad: Path, encoding: str, commands: Sequence[int]
) -> None:
    """Every command where all these characters are missing; where a few are there, one of them."""
    plugin = ["--plugin", str(failed_abroad / "abroad.py")]
    several = (
        ["study", "status", str(failed_abroad / "st")],
        ["study", "doctor", str(failed_abroad / "st")],
        ["solvers", "show", "abroad", *plugin],
        ["solvers", "show", "Ω探索", *plugin],
    )
    settings = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"}
    for words in (several[number] for number in commands):
        done = subprocess.run([sys.executable, "-m", "amb", *words], env=settings, capture_output=True, check=False)
        assert done.returncode == (2 if "Ω探索" in words else 0), done.stderr
        assert b"Traceback" not in done.stderr
        assert b"?" in done.stdout + done.stderr or encoding not in ("ascii", "cp437")


# Plug-ins


@pytest.mark.parametrize("ends", ["import sys; sys.exit(0)", "raise GeneratorExit", "raise ValueError('x\\ny')"])
def test_a_plugin_that_ends_at_import_is_told_in_one_line(tmp_path: Path, ends: str) -> None:
    (tmp_path / "quitter.py").write_text(ends)
    done = command("solvers", "list", "--plugin", str(tmp_path / "quitter.py"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be imported" in done.stderr


BROKEN = """
import sys
from amb import Family, Report, Solver

class Bad(Family):
    name = "bad/family"
    def layers(self):
        {layers}
    def problem(self, layer, unit, *, device="cpu", **options):
        {problem}
"""


@pytest.mark.parametrize(
    ("layers", "problem"),
    [("sys.exit(0)", "pass"), ("return {'a': 1}", "sys.exit(0)"), ("return {'a': 1}", "raise ValueError('broken')")],
)
def test_a_problem_that_ends_the_process_is_told_in_one_line(tmp_path: Path, layers: str, problem: str) -> None:
    (tmp_path / "bad.py").write_text(BROKEN.format(layers=layers, problem=problem))
    plugin = ["--plugin", str(tmp_path / "bad.py")]
    done = command("run", "-s", "random", "-p", "bad/family/a/0", "--study", str(tmp_path / "st"), *plugin)
    assert done.returncode == 2
    assert "bad.py" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    listed = command("problems", "list", *plugin)
    assert listed.returncode == 0, listed.stderr
    assert "quick" in listed.stdout


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_the_exit_status_and_the_study_resumes(tmp_path: Path, number: signal.Signals) -> None:
    words = [
        "run",
        "-s",
        "dawdler",
        "-p",
        "toy/bowl/near/0",
        "-b",
        "60",
        "--seeds",
        "1",
        "--study",
        str(tmp_path / "st"),
    ]
    words += ["--plugin", str(PLUGINS / "toy.py"), "--plugin", str(PLUGINS / "slow.py")]
    process = subprocess.Popen([sys.executable, "-m", "amb", *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not list((tmp_path / "st").glob("journal/*.journal")) and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert b"The same command resumes" in told


# Folders


def test_a_compile_cache_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    """Files stand where the cache's folders would be, next to the source and in the home folder."""
    (tmp_path / "home").write_text("")
    (tmp_path / "__pycache__").write_text("")
    (tmp_path / "loops.py").write_text(
        "from amb.compiling import compiled\n"
        "@compiled(nogil=True)\n"
        "def add(a, b):\n"
        "    return a + b\n"
        "print(add(1, 2))\n"
    )
    places = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment = {name: value for name, value in {**os.environ, **places}.items() if name != "NUMBA_CACHE_DIR"}
    run = [sys.executable, str(tmp_path / "loops.py")]
    for variables in ({}, {"NUMBA_CACHE_LOCATOR_CLASSES": "none"}):
        settings = {**environment, **variables}
        done = subprocess.run(run, capture_output=True, text=True, check=False, env=settings)
        assert (done.stdout, done.returncode) == ("3\n", 0), done.stderr
    # Without `compiled`, numba refuses.
    text = (tmp_path / "loops.py").read_text().replace("@compiled(nogil=True)", "@njit(cache=True)")
    (tmp_path / "loops.py").write_text("from numba import njit\n" + text)
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
    assert "cannot cache function" in done.stderr


def test_kernels_are_compiled_even_where_numba_is_told_not_to(tmp_path: Path) -> None:
    """NUMBA_DISABLE_JIT is for the user's own functions: interpreted, sums of bytes would overflow."""
    (tmp_path / "loops.py").write_text(
        "import numpy as np\n"
        "from numba import njit\n"
        "from amb.compiling import compiled\n"
        "@compiled()\n"
        "def add(a, b):\n"
        "    return a[0] + b[0]\n"
        "@njit\n"
        "def own(a):\n"
        "    return a\n"
        "print(add(np.full(1, 200, np.uint8), np.full(1, 100, np.uint8)), type(own).__name__)\n"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    run = [sys.executable, str(tmp_path / "loops.py")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout, done.returncode) == ("300 function\n", 0), done.stderr


def test_a_compile_cache_on_a_full_disk_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from amb.compiling import compiled

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", _no_space)

    @compiled()
    def double(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert double(21) == 42


def _no_space(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_home_is_expanded_everywhere(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half of a study lands in a folder called `~`."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    load_file(toy)
    (tmp_path / "home" / "slow.py").write_bytes((PLUGINS / "slow.py").read_bytes())
    options = [
        "-s",
        "random",
        "-p",
        "toy/bowl/near/0",
        "-b",
        "8",
        "--seeds",
        "1",
        "--study",
        "~/st",
        "--plugin",
        str(toy),
    ]
    for words in (
        ["compare", *options, "--plugin", "~/slow.py"],
        ["study", "status", "~/st"],
        ["publish", "~/st", "~/published"],
        ["merge", "~/merged", "~/st"],
        ["study", "restore", "~/published", "~/restored", "--plugin", str(toy)],
        ["leaderboard", "~/st", "~/published", "--out", "~/pages/page.html"],
        ["report", "~/st", "--plugin", str(toy)],
        ["problems", "show", "toy/bowl/near/0", "--plugin", str(toy), "--out", "~/picture.png"],
        ["lab", "new", "~/lab", "-g", "toy", "-t", "20"],
        ["lab", "next", "~/lab"],
        ["lab", "report", "~/lab", "--out", "~/lab-report"],
    ):
        done = command(*words)
        assert done.returncode == 0, (words, done.stderr)
    result = amb.compare("random", "toy/bowl/near/0", budget=8, seeds=1, study="~/python")
    result.save("~/saved", reports=["csv"])
    assert {path.name for path in tmp_path.iterdir()} == {"home"}
    made = {path.name for path in (tmp_path / "home").iterdir()}
    assert made >= {
        "st",
        "published",
        "merged",
        "restored",
        "pages",
        "picture.png",
        "lab",
        "lab-report",
        "python",
        "saved",
    }
    with pytest.raises(SpecError, match="cannot expand"):
        Study("~nobody-of-that-name/st")


# Names


@pytest.mark.skipif(sys.platform == "win32", reason="a current folder cannot be deleted there")
def test_a_current_folder_that_was_deleted_is_told_in_a_line(tmp_path: Path) -> None:
    """Torch's libraries would say that they cannot be loaded."""
    gone = tmp_path / "gone"
    script = (
        f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {sys.executable} -m amb problems show toy/snn-cnn/sn1/0"
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("amb: the current folder is gone"), done.stderr


def test_variables_by_which_packages_fail_to_be_imported_are_not_read() -> None:
    """Containers set the date of builds to nothing, which numpy's f2py, imported by scipy, takes for a number; and
    notebooks name a backend of matplotlib that the command's environment lacks."""
    for date in ("", "9" * 20):  # the other is beyond the system's times
        environment = {**os.environ, "SOURCE_DATE_EPOCH": date, "MPLBACKEND": "nonsense"}
        assert run_after_main("import scipy.stats, matplotlib", environment).returncode == 0


def run_after_main(then: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Python code, after a command in the same process."""
    script = f"import sys, amb.cli; sys.argv = ['amb', '--version']; amb.cli.main(); {then}"
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, timeout=120, check=False
    )


@pytest.mark.parametrize("threads", ["0", "-1", "two", ""])
def test_a_number_of_threads_that_numba_cannot_use_is_not_read(threads: str) -> None:
    """Nor does the warning appear by which numba shows a traceback."""
    done = run_after_main("import numba", {**os.environ, "NUMBA_NUM_THREADS": threads})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_variable_by_which_numpy_fails_is_named_in_a_line() -> None:
    environment = {**os.environ, "NPY_PROMOTION_STATE": "none"}
    run = [sys.executable, "-m", "amb", "problems", "show", "cifar10-sngan/snn-cnn/sn1/0"]
    done = subprocess.run(run, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("amb: a package cannot use NPY_PROMOTION_STATE=none: TypeError: "), done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("features", "read"), [("avx2", False), ("+avx2,abc", False), ("+avx2,-avx512f", True), ("", True)]
)
def test_features_by_which_llvm_aborts_are_not_read(features: str, read: bool) -> None:
    threads = {"NUMBA_NUM_THREADS": "3", "NUMBA_CPU_FEATURES": features}
    done = run_after_main("import os; print(os.environ.get('NUMBA_CPU_FEATURES'))", {**os.environ, **threads})
    assert done.stdout.endswith(f"{features if read else None}\n")


def test_names_that_no_file_can_have_are_refused_in_a_line(tmp_path: Path) -> None:
    long = "x" * 300
    for arguments in (
        ["study", "status", long],
        ["study", "doctor", long],
        ["report", long],
        ["merge", long, "other"],
        ["leaderboard", long],
        ["leaderboard", "other", "--out", long],
        ["compare", "--solvers", "random", "--study", long],
        ["plan", "--difference", "0.1", "--study", long],
        ["demo", "--out", long],
        ["check", "random", "--plugin", long],
    ):
        done = command(*arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), arguments
        assert "choose a name of at most 200" in done.stderr, arguments
    with pytest.raises(SpecError, match="is not UTF-8"):
        open_study("st\udcff/study")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the calls fail")
@pytest.mark.parametrize(
    ("call", "error", "at"),
    [
        ("newfstatat", "ESTALE", "manifest.json"),  # a network's folder that was made anew on the server
        ("newfstatat", "EUCLEAN", "runs"),  # a file system that found damage in itself
    ],
)
def test_what_only_a_failing_disk_or_network_answers_is_told_in_a_line(
    tmp_path: Path, call: str, error: str, at: str
) -> None:
    words = ["run", "-s", "random", "-p", "toy/bowl/near/0", "-b", "8", "--seeds", "1", "--study", "st"]
    plugin = ["--plugin", str(PLUGINS / "toy.py")]
    (tmp_path / "st" / at).parent.mkdir()
    fault = ["strace", "-f", "--seccomp-bpf", "-o", os.devnull, "-P", str(tmp_path / "st" / at)]
    done = subprocess.run(
        [*fault, "-e", f"inject={call}:error={error}", sys.executable, "-m", "amb", *words, *plugin],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert done.stderr.splitlines()[-1].startswith("amb: ")
    assert f"st/{at}" in done.stderr


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the calls fail")
def test_packages_on_a_failing_disk_do_not_change_how_a_command_ends(toy: Path, tmp_path: Path) -> None:
    """The search for a plug-in to blame reads what installed packages provide, at the end of every command."""
    amb.compare("random", "toy/bowl/near/0", budget=4, seeds=1, study=str(tmp_path / "st"))
    provides = [str(file.locate()) for file in distribution("pytest").files or () if file.name == "entry_points.txt"]
    fault = ["strace", "-f", "--seccomp-bpf", "-o", str(tmp_path / "calls"), "-P", *provides]
    fault += ["-e", "trace=read", "-e", "inject=read:error=EIO"]
    doctor = [sys.executable, "-m", "amb", "study", "doctor", str(tmp_path / "st")]
    done = subprocess.run([*fault, *doctor], capture_output=True, text=True, check=False)
    assert "EIO" in (tmp_path / "calls").read_text()
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert "All files are intact" in done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_a_study_inside_a_folder_whose_name_is_not_utf8_is_finished(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was copied from an old system, and commands name what is in it."""
    old = tmp_path / "st\udcff"
    old.mkdir()
    monkeypatch.chdir(old)
    amb.compare("random", "toy/bowl/near/0", budget=3, seeds=1, study="study")
    study = Study(Path("study"))
    assert [trace.values.size for _, trace in study.records()] == [3]
    assert [file.exists() for file in publish(study, Path("published"))] == [True, True]


# Arguments


def test_nothing_does_not_mean_the_default(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in ({"problems": []}, {"problems": ""}, {"problems": ()}, {"solvers": []}, {"solvers": " "}):
        with pytest.raises(SpecError, match=r"no (problems|solvers) given"):
            amb.compare(**{"solvers": "random", "problems": "toy/bowl/near/0", "study": "st"} | wrong)  # type: ignore[arg-type]
    for study in ("", "st\0"):
        with pytest.raises(SpecError, match="is not a path"):
            amb.compare("random", "toy/bowl/near/0", study=study)
        with pytest.raises(SpecError, match="is not a path"):
            open_study(study)
    done = command("compare", "-p", "", "-s", "random")
    assert (done.returncode, "no problems given" in done.stderr) == (2, True)
    done = command("run", "--study", "")
    assert (done.returncode, "is not a path" in done.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("budget", "seeds", "expected"),
    [
        (np.int64(8), np.int32(2), (0, 1)),
        (np.array(8), np.array([3, 1]), (3, 1)),
        (np.uint8(8), [np.int64(5), 2], (5, 2)),
        (8, (np.uint16(4),), (4,)),
    ],
)
def test_integers_of_numpy_are_integers(toy: Path, tmp_path: Path, budget: int, seeds: int, expected: tuple) -> None:
    result = amb.compare("random,climber", "toy/bowl/near/0", budget=budget, seeds=seeds, study=tmp_path / "st")
    assert result.plan.seeds == expected
    assert result.plan.budget == 8
    assert type(result.plan.budget) is int
    assert all(type(seed) is int for seed in result.plan.seeds)
    assert len(open_study(tmp_path / "st").manifest.settings.seeds) == len(expected)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, np.float64(3), True, "5", None.__class__, np.array([5, 6])])
def test_anything_else_is_not_a_budget(toy: Path, wrong: object) -> None:
    with pytest.raises(SpecError, match="the budget must be a whole number"):
        make_plan("random", "toy/bowl/near/0", budget=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [2**48 + 1, 10**20, 10**400])
def test_numbers_that_no_reader_takes_are_refused_before_anything_is_written(tmp_path: Path, number: int) -> None:
    """A budget of 10**20 was written into the manifest, which could then not be read."""
    with pytest.raises(SpecError, match="the budget must be at most"):
        amb.compare("random", "quick", budget=number, study=tmp_path / "st")
    with pytest.raises(SpecError, match="a seed must be at most"):
        amb.compare("random", "quick", seeds=[number], study=tmp_path / "st")
    assert not (tmp_path / "st").exists()


@pytest.mark.parametrize("wrong", [0, 1.5, True, [], [1.5], [-1], ["1"], np.array([0.5]), np.array([])])
def test_anything_else_is_not_a_seed(wrong: object) -> None:
    with pytest.raises(SpecError, match="seed"):
        parse_seeds(wrong)  # type: ignore[arg-type]


def test_a_fraction_is_not_a_solvers_seed() -> None:
    with pytest.raises(AmbError, match="the seed must be a whole number"):
        amb.solver("random", Space.uniform(2, 4), budget=3, seed=1.7)  # type: ignore[arg-type]
    with pytest.raises(SolverError, match="budget"):
        amb.solver("random", Space.uniform(2, 4), budget=1.7)  # type: ignore[arg-type]


# Devices


@pytest.mark.parametrize("device", ["tpu7", "meta", "", "cpu:99:1", "cuda:99"])
def test_a_device_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, device: str) -> None:
    for use in (
        lambda: amb.target("snn-cnn", device=device),
        lambda: amb.generator("cifar10-sngan", device=device),
        lambda: amb.problem("cifar10-sngan/snn-cnn/sn1/3", device=device),
        lambda: amb.compare("random", "cifar10-sngan/snn-cnn/sn1/3", device=device, study=tmp_path / "st"),
    ):
        with pytest.raises(SpecError, match=r"device .* cannot be used here .*there are: cpu") as refusal:
            use()
        assert "\n" not in str(refusal.value)
    assert not (tmp_path / "st").exists()


def test_cuda_without_cuda_is_refused_in_one_line(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    words = [
        "run",
        "-s",
        "random",
        "-p",
        "cifar10-sngan/snn-cnn/sn1/3",
        "--device",
        "cuda",
        "--study",
        str(tmp_path / "st"),
    ]
    done = command(*words)
    assert done.returncode == 2
    assert "device 'cuda' cannot be used here" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr

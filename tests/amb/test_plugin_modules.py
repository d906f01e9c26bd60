"""Plug-in files share one process, and each is given the modules that it would be given alone."""

import sys
from importlib import import_module
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest
from typer.testing import CliRunner

from amb.catalogue import plugin_modules, plugins
from amb.catalogue.solvers import resolve
from amb.cli.app import app
from amb.errors import PluginError, SpecError, StudyError
from amb.run import dask_worker
from amb.run.isolation.code import is_other, told_code
from amb.study.study import Study

PLUGIN = """
import sys, os
FOLDER = os.path.dirname(os.path.abspath(__file__))
{path}
import amb, numpy as np
{at_top}
class Solver{letter}(amb.Solver):
    def _ask(self, limit):
        {inside}
        return None
"""
FIRST = "sys.path.insert(0, FOLDER)"
LAST = "sys.path.append(FOLDER)"
BRIEFLY = "sys.path.insert(0, FOLDER + '/below'); import inner; sys.path.pop(0)"
ONCE = "if FOLDER not in sys.path: sys.path.insert(0, FOLDER)"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Two folders, each with a module of one name; what is imported is forgotten afterwards."""
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.KINDS})
    for name in ("_of_files", "_added"):
        monkeypatch.setattr(plugin_modules, name, {})
    monkeypatch.setattr(plugin_modules, "_of_python", [])
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    for letter, level in (("A", 10), ("B", 50)):
        Path(letter, "lib").mkdir(parents=True)
        Path(letter, f"pack_{letter}").mkdir()
        for file in ("helper.py", "lib/part.py", f"pack_{letter}/helper.py"):
            Path(letter, file).write_text(f"LEVEL = {level}\n")
        Path(letter, "through.py").write_text("from helper import LEVEL\n")
    Path("A/through.py").rename("A/through_a.py")
    yield
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__spec__", None)):
            del sys.modules[name]


def write(letter: str, path: str, at_top: str = "", inside: str = "") -> Path:
    file = Path(letter, f"solver_{letter}.py")
    file.write_text(PLUGIN.format(letter=letter, path=path, at_top=at_top, inside=inside))
    return file


@pytest.mark.parametrize("path", [FIRST, LAST, ONCE])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (("import helper",), ("from helper import LEVEL",)),
        (("", "import helper"), ("import helper",)),
        (("", "import helper"), ("", "import importlib; importlib.import_module('helper')")),
        (("import through_a",), ("", "import through")),
        (("import lib.part",), ("from lib import part",)),
    ],
    ids=["at the top", "one in a function", "in functions", "through another module", "in a folder without __init__"],
)
def test_modules_of_one_name_beside_two_plugin_files_are_refused(
    path: str, a: tuple[str, ...], b: tuple[str, ...]
) -> None:
    """The second file would silently run with the first one's, and give other values than alone or isolated."""
    plugins.load_file(write("A", path, *a))
    second = write("B", path, *b)
    with pytest.raises(PluginError, match=r"_[AB]\.py imports (helper|lib.part) and means .*, but here .*: rename"):
        plugins.load_file(second)
    assert [*plugins._from_files["solvers"]] == ["solver-a"]
    for name in ("helper", "lib", "lib.part", "through"):
        sys.modules.pop(name, None)
    plugin_modules.forget(str(Path("A/solver_A.py").resolve()))
    if path != LAST:
        assert plugins.load_file(second), "alone it is right"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((BRIEFLY,), (BRIEFLY,)),
        ((FIRST, "import only"), ("", "try: import only\nexcept ImportError: pass")),
        (("", "", "sys.path.insert(0, FOLDER); import helper"), ("", "", "sys.path.insert(0, FOLDER); import helper")),
        ((FIRST, "import by_name_A"), (FIRST, "import by_name_B")),
    ],
    ids=["the folder is added for a moment", "optional", "the folder is added later", "a module imports by name"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_modules_that_are_found_in_less_usual_ways_are_refused(
    a: tuple[str, ...], b: tuple[str, ...], turned: bool
) -> None:
    for letter, level in (("A", 1), ("B", 2)):
        Path(letter, "below").mkdir()
        Path(letter, "below", "inner.py").write_text(f"LEVEL = {level}\n")
        Path(letter, f"by_name_{letter}.py").write_text("import importlib\nimportlib.import_module('helper')\n")
    Path("A", "only.py").write_text("LEVEL = 1\n")
    files = [write("A", *a), write("B", *b)]
    first, second = reversed(files) if turned else files
    plugins.load_file(first)
    with pytest.raises(PluginError, match=r"_[AB]\.py imports (helper|inner|only) and means"):
        plugins.load_file(second)


def test_a_later_files_folder_must_not_take_over_what_an_earlier_one_imports_later() -> None:
    plugins.load_file(write("A", FIRST, inside="import helper"))
    with pytest.raises(PluginError, match=r"solver_A\.py imports helper .* beside plug-in file .*solver_B\.py"):
        plugins.load_file(write("B", FIRST))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("import helper", ""),
        ("import pack_A.helper", "import pack_B.helper"),
        ("import helper", "import pack_B.helper"),
        ("import through_a", "import through_a"),
        ("import helper", "try:\n    import nowhere\nexcept ImportError: pass"),
    ],
)
def test_other_files_are_loaded(a: str, b: str) -> None:
    plugins.load_file(write("A", FIRST, a))
    plugins.load_file(write("B", FIRST, b))
    again = Path("A/other_A.py")
    again.write_text(write("A", ONCE, a).read_text().replace("SolverA", "OtherA"))
    assert plugins.load_file(again), "two files of one folder share its modules"


def test_the_path_that_python_was_given_counts_for_all_files() -> None:
    """With `PYTHONPATH=A:B`, all modules of one name are A's, alone as well."""
    sys.path[:0] = [str(Path(letter).resolve()) for letter in "AB"]
    for letter in "AB":
        plugins.load_file(write(letter, "", "import helper"))


@pytest.mark.parametrize("command", ["check", "run --budget 5 -p toy/snn-cnn/sn1/0 -s random --plugin"])
def test_a_file_that_does_not_find_a_module_beside_it_is_told_how(command: str) -> None:
    """By all commands: `amb check` found it, and the commands after it did not."""
    with pytest.raises(PluginError, match=r"No module named 'helper'; helper lies beside it: .* PYTHONPATH=.*A"):
        CliRunner().invoke(app, [*command.split(), str(write("A", "", "import helper"))], catch_exceptions=False)


def test_a_class_in_a_module_of_the_current_folder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """By all commands, and last: the folder hides no module that is installed."""
    write("A", "", "import helper")
    monkeypatch.chdir("A")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    assert resolve("solver_A:SolverA").cls.__module__ == "solver_A"
    assert sys.path[-1] == str(Path.cwd())


def test_an_isolated_solver_finds_what_its_file_found() -> None:
    """The folder of a later file stands before its own, and has a module of the name too."""
    plugins.load_file(write("A", ONCE, "import helper"))
    plugins.load_file(write("B", ONCE))
    path = plugin_modules.path_of(str(Path("A/solver_A.py").resolve()))
    assert path.index(str(Path("A").resolve())) < path.index(str(Path("B").resolve()))
    assert set(path) == set(sys.path)


def test_a_module_that_was_edited_since_a_file_imported_it_is_refused() -> None:
    """By a file that is loaded later, and by an isolated solver, which imports it anew."""
    plugins.load_file(write("A", FIRST, "import helper"))
    before = told_code(resolve("solver-a"))
    Path("A/helper.py").write_text("LEVEL = 100\n")
    assert told_code(resolve("solver-a")) == before, "this process has what was imported"
    with pytest.raises(SpecError, match=r"helper\.py was changed after .* imported it as helper "):
        plugins.load_file("A/solver_A.py")
    del sys.modules["helper"]
    plugins.load_file("A/solver_A.py")
    assert told_code(resolve("solver-a")) != before


def as_sent(letter: str) -> dask_worker.PluginFile:
    """A plug-in file and the hashes of its modules, as a command sends them that has just begun."""
    file = write(letter, FIRST, "import helper").resolve()
    plugin_modules.start_over()
    plugins.load_file(file)
    sent = str(file), file.read_bytes(), plugin_modules.hashes_of(str(file))
    plugin_modules.start_over()
    return sent


def test_a_worker_that_has_another_module_than_the_command_is_refused() -> None:
    """Such as an old copy of it."""
    file, text, _ = as_sent("A")
    other = [(file, text, {"helper": "0" * 64, "missing": "1"})]
    says = "a worker on .* has another helper, which plug-in file .* imports.* start the workers again"
    with pytest.raises(StudyError, match=says), dask_worker._Loaded().using(other):
        pass


def test_a_worker_serves_one_command_after_the_other() -> None:
    """Whose files have modules of one name, or were edited in between: it went on with the first one's."""
    loaded = dask_worker._Loaded()
    for letter, level in (("A", 10), ("B", 50), ("A", 100)):
        Path(letter, "helper.py").write_text(f"LEVEL = {level}\n")
        with loaded.using([as_sent(letter)]):
            assert level == sys.modules["helper"].LEVEL


def test_an_isolated_solver_may_have_helpers_that_import_one_another(tmp_path: Path) -> None:
    """Its process finds the plug-in file's folder from the beginning, and so tells of fewer of them."""
    Path("A/lib/__init__.py").touch()
    Path("A/lib/whole.py").write_text("from . import part; LEVEL = part.LEVEL\n")
    file = write("A", FIRST, "import lib.whole")
    file.write_text(file.read_text().replace("return None", "return self.space.sample_prior(limit, self.rng)"))
    words = ["run", "--plugin", str(file), "-s", "solver-a", "-p", "toy/snn-cnn/sn1/0", "-b", "5", "--seeds", "1"]
    done = CliRunner().invoke(app, [*words, "--isolate", "--study", "st"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [record.status for record, _ in Study("st").records()] == ["ok"]


def test_a_file_that_has_the_name_of_a_package_in_development_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install -e` has a finder of its own; alone, a file is given what Python gives it."""
    package = Path("elsewhere/tool/__init__.py")
    package.parent.mkdir(parents=True)
    package.write_text("LEVEL = 3\n")

    class Editable:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            return spec_from_file_location(name, package.resolve()) if name == "tool" else None

    monkeypatch.setattr(sys, "meta_path", [Editable, *sys.meta_path])
    assert plugins.load_file(write("A", "", "import tool").rename("A/tool.py"))
    assert sys.modules["tool"].LEVEL == 3


def test_processes_that_have_met_different_modules_are_compared_by_the_others() -> None:
    assert not is_other({"helper": "1", "lib.part": "2"}, {"helper": "1", "through": "3"})
    assert is_other({"helper": "1", "lib.part": "2"}, {"helper": "2"})
    assert is_other({"helper": "1"}, None), "a process of an older amb"


@pytest.mark.parametrize("loaded", [True, False])
def test_a_copy_of_a_package_that_amb_uses_is_refused(loaded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """amb's own `cma` ran a user's variant, and was stored as `cma`; or the plug-in silently ran the installed one."""
    import cma

    if not loaded:
        for name in [name for name in sys.modules if name.split(".")[0] == "cma"]:
            monkeypatch.delitem(sys.modules, name)
    Path("A/cma").mkdir()
    Path("A/cma/__init__.py").write_text("VARIANT = 5\n")
    with pytest.raises(PluginError, match=r"imports cma and means .*A/cma/__init__.py, but cma is also a package"):
        plugins.load_file(write("A", FIRST, "import cma"))
    assert import_module("cma").__file__ == cma.__file__, "the next one to import it gets the installed one"


def test_a_copy_of_an_installed_package_beside_one_of_two_files_is_refused() -> None:
    """Which one it gets depended on the other file."""
    plugins.load_file(write("B", "", "import sortedcontainers"))
    Path("A/sortedcontainers.py").write_text("VARIANT = 5\n")
    with pytest.raises(PluginError, match=r"imports sortedcontainers and means .*A.*: rename"):
        plugins.load_file(write("A", FIRST, "import sortedcontainers"))

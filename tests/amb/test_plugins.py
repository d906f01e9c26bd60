import pickle
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import amb
from amb import Family, FunctionProblem, Space
from amb.catalogue import plugins
from amb.catalogue import problems as catalogue
from amb.catalogue.families import problem_of
from amb.cli.solvers import list_solvers
from amb.cli.training import run_recipe
from amb.errors import PluginError, SpecError
from amb.interruption import Receiver
from amb.spec import Value


def entry(name: str, value: str, group: str = "amb.solvers") -> EntryPoint:
    return EntryPoint(name, value, group)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch):
    """Replace what is installed by the given entry points."""

    def install(*entries: EntryPoint) -> None:
        monkeypatch.setattr(plugins, "entry_points", lambda: EntryPoints(entries))
        monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.KINDS})
        plugins._installed.cache_clear()

    yield install
    monkeypatch.undo()
    plugins._installed.cache_clear()


@pytest.fixture(autouse=True)
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plug-in of a file that other tests have loaded, and none that these load is left to others."""
    monkeypatch.setattr(plugins, "_from_files", {kind: {} for kind in plugins.KINDS})


def test_listing_imports_no_plugin() -> None:
    """Neither `amb` nor the list of solvers loads any of the packages behind them."""
    code = (
        "import sys, amb; from amb.catalogue.plugins import plugins; names = list(plugins('solvers'));"
        "assert 'random' in names, names;"
        "print([m for m in ('amb_solvers', 'amb_problems', 'torch', 'jax', 'pandas') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_broken_plugin_is_listed_and_breaks_nothing_else(installed) -> None:
    installed(entry("good", "amb_solvers.search.random_search:RandomSearch"), entry("bad", "no_such_module:Thing"))
    assert list(plugins.plugins("solvers")) == ["bad", "good"]
    assert plugins.find("solvers", "good").load()
    with pytest.raises(PluginError, match=r"'bad'.*no_such_module:Thing.*ModuleNotFoundError"):
        plugins.find("solvers", "bad").load()


RECIPES = """
import os, sys
def without_resume(*, name, data, out, seed, device, minutes, progress): pass
def with_more(*, size, **arguments): pass
def quits(**arguments): sys.exit(0)
def interrupts(**arguments): raise KeyboardInterrupt
def counts(*, progress, **arguments): progress(3)
def closes(**arguments): sys.stdout = None; os.chdir("/")
"""


def test_a_recipe_of_others_ends_in_a_line_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed
) -> None:
    """Those with other arguments ended in tracebacks, and an interruption of their own counted as the user's."""
    (tmp_path / "recipes_of_others.py").write_text(RECIPES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = ("without_resume", "with_more", "quits", "interrupts", "counts", "closes")
    own = (entry(name, f"recipes_of_others:{name}", "amb.recipes") for name in names)
    installed(*own, entry("silent", "builtins:dict", "amb.recipes"))

    def train(name: str, keep: int = 0) -> None:
        run_recipe(name, data=Path(), out=Path("out"), seed=0, minutes=None, device="cpu", resume=True, keep=keep)

    for name, says in (
        (
            "without_resume",
            r"cannot train \(got an unexpected keyword argument 'resume'\); expected a function of name, ",
        ),
        ("with_more", r"cannot train \(missing a required .*argument: 'size'\)"),
        ("quits", "failed: SystemExit: 0"),
        ("interrupts", "failed: KeyboardInterrupt"),
        ("counts", "failed: AttributeError"),
    ):
        with Receiver(), pytest.raises(PluginError, match=f"recipe '{name}' of .* {says}"):
            train(name)
    with pytest.raises(SpecError, match="leave out --keep"):
        train("silent", keep=3)
    before = sys.stdout
    train("closes")
    assert (Path.cwd(), sys.stdout) == (tmp_path, before)


def test_two_plugins_of_one_name_are_both_named(installed) -> None:
    """Neither is used, and all others are."""
    good = entry("good", "amb_solvers.search.random_search:RandomSearch")
    installed(entry("same", "first:A"), entry("same", "second:B"), good)
    assert list(plugins.plugins("solvers")) == ["good", "same"]
    assert plugins.find("solvers", "good").load()
    with pytest.raises(PluginError, match=r"first:A.*second:B"):
        plugins.find("solvers", "same")


@pytest.mark.parametrize(
    "ends", ["raise SystemExit(0)", "raise GeneratorExit", "raise BaseExceptionGroup('g', [KeyError()])"]
)
def test_a_plugin_that_ends_the_process_at_import_only_fails_to_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed, ends: str
) -> None:
    (tmp_path / "quitter.py").write_text(f"import os\nos.chdir('/')\n{ends}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    installed(entry("quitter", "quitter:Solver"))
    with pytest.raises(PluginError, match=r"'quitter'.*cannot be loaded"):
        plugins.find("solvers", "quitter").load()
    with pytest.raises(PluginError, match="cannot be imported"):
        plugins.load_file("quitter.py")
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("entry_points.txt", b"[amb.solvers]\na line without a value\n", "The plug-ins of broken 1 are missing"),
        ("entry_points.txt", b"\xff", "The plug-ins of broken 1 are missing"),
        ("METADATA", b"\xff", "a distribution whose metadata in broken-1.dist-info cannot be read"),
        ("METADATA", b"Metadata-Version: 2.1\n", "a distribution whose metadata in broken-1.dist-info cannot"),
        ("METADATA", b"Name: \x1b[31mred\nVersion: <b>\n", "from [31mred <b>"),
    ],
)
def test_a_package_with_broken_metadata_spoils_no_command_and_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: bytes,
    named: str,
) -> None:
    """Any package, one that has nothing to do with amb included."""
    folder = tmp_path / "broken-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[amb.solvers]\nbroken = broken:Broken\n")
    (folder / file).write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins._installed.cache_clear()
    try:
        assert "tt-b" in plugins.plugins("solvers")
        list_solvers()
        assert named in " ".join(capsys.readouterr().out.split())
        with pytest.raises(SpecError) as refused:
            plugins.find("solvers", "broken-one")
        assert ("broken 1" in str(refused.value)) == (file == "entry_points.txt")
    finally:
        monkeypatch.undo()
        plugins._installed.cache_clear()


def test_a_listed_plugin_that_cannot_be_used_says_so(installed, capsys: pytest.CaptureFixture[str]) -> None:
    installed(entry("same", "first:A"), entry("same", "second:B"))
    list_solvers()
    assert "Cannot be used: two solvers are called 'same'" in " ".join(capsys.readouterr().out.split())


def test_an_import_that_does_not_end_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed, capsys: pytest.CaptureFixture[str]
) -> None:
    """It waits until it reads that it is named."""
    (tmp_path / "endless.py").write_text(
        "import sys, time\nend = time.monotonic() + 60\n"
        "while 'importing solver' not in sys.stderr.getvalue() and time.monotonic() < end:\n    time.sleep(0.01)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "_PATIENCE_SECONDS", 0.0)
    installed(entry("endless", "endless:time"))
    plugins.find("solvers", "endless").load()
    assert "still importing solver 'endless' of an unknown distribution" in capsys.readouterr().err


def test_an_unknown_name_gets_its_neighbours(installed) -> None:
    installed(entry("tt-b", "x:Y"))
    with pytest.raises(SpecError, match="did you mean tt-b"):
        plugins.find("solvers", "tt_b")


def test_a_file_brings_problems_and_solvers(toy: Path) -> None:
    assert plugins.find("solvers", "climber").origin == str(toy)
    assert "toy/bowl" in plugins.plugins("families")
    assert plugins.load_file(toy), "loading it again is harmless"


@pytest.mark.parametrize("names", [("a/my.py", "b/my.py"), ("my-solver.py", "my_solver.py")])
def test_files_of_one_name_are_two_modules(tmp_path: Path, names: tuple[str, str]) -> None:
    """Classes are pickled by their modules' names."""
    for cls, name in zip(("One", "Two"), names, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            f"import amb\nclass {cls}(amb.Solver):\n    def _ask(self, limit):\n        return None\n"
        )
    loaded = [plugins.load_file(tmp_path / name)[0].load() for name in (*names, *names)]
    for cls, name in zip(loaded[2:], ("One", "Two"), strict=True):
        assert cls.__name__ == name
        assert pickle.loads(pickle.dumps(cls)) is cls
    assert [cls.__module__ for cls in loaded[:2]] == [cls.__module__ for cls in loaded[2:]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("x = 1", "defines no subclass"),
        (None, "no plug-in file"),
        (
            "import amb\nclass Mine(amb.Solver): pass\nclass My(amb.Solver):\n    name = 'mine'",
            "two solvers called 'mine'",
        ),
        ("import amb\nclass Mine(amb.Solver):\n    name = 42", "name = 42, but a name must be a printable text"),
        ("import amb\nclass Mine(amb.Solver):\n    name = 'a\\x1bb'", "a name must be a printable text"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PluginError, match=says):
        plugins.load_file(file)


def test_a_class_that_lacks_a_method_is_named(tmp_path: Path) -> None:
    """Neither a file without solvers nor an unknown solver: that would send its author looking elsewhere."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from amb import Solver\n"
        "class Shared(Solver):\n    pass\n"
        "class Whole(Shared):\n    def _ask(self, limit):\n        return None\n"
        "class NoAsk(Solver):\n    pass\n"
    )
    assert [plugin.name for plugin in plugins.load_file(file)] == ["no-ask", "whole"]
    with pytest.raises(PluginError, match=r"NoAsk of .*mine\.py lacks _ask"):
        plugins.find("solvers", "no-ask")


def test_a_file_may_not_take_a_built_in_name(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from amb import Solver\n"
        "class R(Solver):\n    name = 'random'\n    def _ask(self, limit):\n        return None\n"
    )
    with pytest.raises(PluginError, match=r"two solvers are called 'random'"):
        plugins.load_file(file)


def test_a_solver_of_a_file_that_lacks_a_method_is_listed(tmp_path: Path, installed, capsys) -> None:
    installed()
    (tmp_path / "half.py").write_text('from amb import Solver\n\n\nclass Half(Solver):\n    """Draws."""\n')
    plugins.load_file(tmp_path / "half.py")
    list_solvers()
    assert "lacks _ask" in " ".join(capsys.readouterr().out.split())


class OneForAll(Family):
    name = "one/for-all"

    def __init__(self) -> None:
        self.made = FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(3, 4), id="one/for-all/only/0")

    def layers(self) -> dict[str, int]:
        return {"only": 3}

    def problem(self, layer: str, unit: int, **_: object) -> FunctionProblem:
        self.made.id = f"one/for-all/only/{unit}"
        return self.made


def test_each_problem_of_a_family_is_an_object_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the runs of all units would hold the values of the last."""
    with pytest.raises(PluginError, match="OneForAll returned one object for several problems"):
        amb.compare("random", OneForAll(), budget=5, seeds=1, study=tmp_path)
    shared = OneForAll()
    monkeypatch.setattr("amb.run.plan.problem_registry.problem", lambda spec, **_: shared.made)
    monkeypatch.setattr("amb.run.plan.problem_registry.expand", lambda text: [text])
    with pytest.raises(PluginError, match="one object was returned for one/for-all/only/0 and one/for-all/only/1"):
        amb.compare("random", ["one/for-all/only/0", "one/for-all/only/1"], budget=5, seeds=1, study=tmp_path)
    assert not list(tmp_path.glob("runs/*"))


def test_a_family_that_returns_another_problem_is_refused() -> None:
    with pytest.raises(PluginError, match=r"returned the problem 'one/for-all/only/0' for <name>/wrong/0"):
        problem_of(OneForAll(), "wrong", (0,), device="cpu", options={})


@pytest.mark.parametrize("layers", [["only"], None, {"only": "3"}, {"only": -3}, {"only": 3.0}])
def test_layers_of_a_family_that_are_none_are_named(monkeypatch: pytest.MonkeyPatch, layers: object) -> None:
    """As after a forgotten `return`: commands ended in a traceback."""
    own = OneForAll()
    monkeypatch.setattr(own, "layers", lambda: layers)
    monkeypatch.setattr("amb.catalogue.problems.family", lambda name: own)
    for ask in (
        lambda: catalogue.expand("one/for-all/only/0"),
        lambda: catalogue.problem("one/for-all/only/0"),
        lambda: amb.compare("random", own, budget=5, seeds=1),
    ):
        with pytest.raises(
            PluginError, match=r"layers\(\) of OneForAll returned .*; expected a mapping of the layers' names"
        ):
            ask()


@pytest.mark.parametrize("made", [None, FunctionProblem])
def test_a_problem_of_a_family_that_is_none_is_named(made: object) -> None:
    own = OneForAll()
    own.problem = lambda *_, **__: made  # type: ignore[method-assign]
    with pytest.raises(PluginError, match=r"OneForAll returned .* for <name>/only/0; expected an amb\.Problem"):
        problem_of(own, "only", (0,), device="cpu", options={})


def test_a_fingerprint_with_half_a_character_is_named_with_its_family(monkeypatch: pytest.MonkeyPatch) -> None:
    """No manifest can hold it."""
    own = OneForAll()
    monkeypatch.setattr(own.made, "fingerprint", "half a \ud800")
    with pytest.raises(PluginError, match=r"the problem of OneForAll for <name>/only/0 sets fingerprint = 'half a"):
        problem_of(own, "only", (0,), device="cpu", options={})


class Shifted(Family):
    """Problems with one option."""

    name = "own/shifted"

    def layers(self) -> dict[str, int]:
        return {"only": 2}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", by: int = 0) -> FunctionProblem:
        return FunctionProblem(lambda x: x.mean(axis=1) + by, Space.uniform(4, 16), id=f"own/shifted/{layer}/{unit}")

    def group(self, layer: str, units: tuple[int, ...], *, device: str = "cpu", **options: Value) -> FunctionProblem:
        return self.problem(layer, units[0], device=device)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("device", "device is no option of a problem: choose it with --device"),
        ("layer", "layer is no option of a problem: layer and units are parts of its name"),
        ("units", "units is no option of a problem"),
        ("self", "self is no option of a problem"),
        ("bye", r"unknown option of a problem 'bye'; did you mean by\?"),
    ],
)
def test_an_option_that_a_family_cannot_be_given_is_refused(option: str, says: str) -> None:
    """It was a TypeError about Python's arguments."""
    assert problem_of(Shifted(), "only", (1,), device="cpu", options={"by": 2}).id == "own/shifted/only/1"
    with pytest.raises(SpecError, match=says):
        problem_of(Shifted(), "only", (1,), device="cpu", options={option: 1})
    if option != "bye":
        with pytest.raises(SpecError, match=says):
            problem_of(Shifted(), "only", (0, 1), device="cpu", options={option: 1})

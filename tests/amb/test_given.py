"""Solvers and problems given as objects and classes, beside names: the same comparison, on the same study."""

import dataclasses
import sys
from functools import partial
from hashlib import sha256
from itertools import repeat
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

import amb
from amb.catalogue.given import name_problems, name_solvers
from amb.catalogue.solvers import resolve, spec_of
from amb.comparison.compare import compare, reopen
from amb.errors import PluginError, SpecError, StudyError
from amb.reports.write import write_reports
from amb.run.dask import DaskCluster
from amb.run.limits import Limits
from amb.study.published import publish
from amb.study.study import Study
from amb_solvers.adapters import from_function
from amb_solvers.search.random_search import RandomSearch

SPACE = amb.Space.uniform(4, 6)
HERE = f"{__name__}:Stepper"


class Stepper(amb.Solver):
    """Asks for `k` random grid points at a time."""

    def __init__(self, space: amb.Space, *, budget: int, seed: int, k: int = 1) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.k = k

    def _ask(self, limit: int) -> np.ndarray:
        return self.space.sample(min(self.k, limit), self.rng)


class Outer:
    class Inner(Stepper):
        """Of a class."""


def bowl(id: str = "mine/bowl/only/0", bottom: int = 0) -> amb.FunctionProblem:
    return amb.FunctionProblem(lambda rows: -np.abs(rows - bottom).mean(1), SPACE, id=id, version=str(bottom))


class Bowls(amb.Family):
    """Two units, which like 0 and 1."""

    def layers(self) -> dict[str, int]:
        return {"only": 2}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> amb.FunctionProblem:
        return bowl(f"mine/bowl/{layer}/{unit}", unit)


def test_classes_options_objects_and_names_mix(tmp_path: Path) -> None:
    """Every form of a solver, and a problem object beside a named one; the second call finds all runs."""
    solvers = [Stepper, Stepper(k=3), Stepper(SPACE, budget=9, seed=1, k=2), partial(Stepper, k=4), "random"]
    problems = [bowl(), "toy/snn-cnn/sn1/3"]
    first = compare(solvers, problems, budget=12, seeds=2, study=tmp_path, control=Stepper)
    names = [HERE, f"{HERE}[k=3]", f"{HERE}[k=2]", f"{HERE}[k=4]", "random"]
    assert [str(spec) for spec in first.plan.solvers] == names
    assert first.analysis.question.control == HERE
    assert set(first.runs["problem"]) == {"mine/bowl/only/0", "toy/snn-cnn/sn1/3"}
    assert (first.runs["status"] == "ok").all()
    assert len(first.meis()) == 10
    again = compare(solvers, problems, budget=12, seeds=2, study=tmp_path)
    assert again.runs["solver_seconds"].tolist() == first.runs["solver_seconds"].tolist()


def test_a_registered_class_has_its_registered_name() -> None:
    """So its runs are those of the name, and the published ones too."""
    names, objects = name_solvers([RandomSearch, RandomSearch(k=5)])  # type: ignore[call-arg]
    assert names == ["random", "random[k=5]"]
    assert objects["random[k=5]"].spec == resolve("random[k=5]").spec


def test_a_class_of_a_script_has_one_name_in_processes_that_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """`multiprocessing` calls the script's module `__mp_main__` there; its runs were made again under that name."""
    cls = type("Own", (Stepper,), {"__module__": "__mp_main__"})
    script = ModuleType("__mp_main__")
    script.Own = cls  # type: ignore[attr-defined]
    for name in ("__main__", "__mp_main__"):
        monkeypatch.setitem(sys.modules, name, script)
    assert str(spec_of(cls).spec) == "__main__:Own"


def test_an_importable_class_is_resumed_by_its_name(tmp_path: Path) -> None:
    """As `module:Class`; in Python by the class or by the name."""
    compare([Stepper(k=3)], [bowl()], budget=6, study=tmp_path, seeds=1)
    named = compare(f"{HERE}[k=3]", [bowl()], budget=6, study=tmp_path, seeds=1)
    assert named.runs["solver"].tolist() == [f"{HERE}[k=3]"]
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_families_suites_and_problem_classes_are_taken_whole() -> None:
    class Ready(amb.FunctionProblem):
        def __init__(self) -> None:
            super().__init__(lambda rows: rows.mean(1), SPACE, id="ready")

    suite = amb.Suite("s", 1, ("toy/snn-cnn/sn1/0",), 10, 1, "one")
    names, objects = name_problems([Bowls, Ready, suite, "quick"])
    assert names == ["mine/bowl/only/0", "mine/bowl/only/1", "ready", "toy/snn-cnn/sn1/0", "quick"]
    assert list(objects) == names[:3]


def test_a_longer_comparison_continues_with_the_objects(tmp_path: Path) -> None:
    """Nothing is measured twice: what is stored counts, no matter that its problem has no registered name.

    Before each comparison the function is tried with four candidates.
    """
    queries: list[int] = []

    def respond(rows: np.ndarray) -> np.ndarray:
        queries.append(len(rows))
        return rows.mean(1)

    problem = amb.FunctionProblem(respond, SPACE, id="mine/counts/only/0")
    compare([Stepper(k=3)], [problem], budget=30, seeds=1, study=tmp_path)
    assert sum(queries) == 4 + 30
    finished = compare([Stepper(k=3)], [problem], budget=40, seeds=1, study=tmp_path)
    assert sum(queries) == 2 * 4 + 40
    assert finished.runs["queries"].tolist() == [40]


def test_a_study_of_objects_is_read_without_them(tmp_path: Path) -> None:
    """Table, verdict and trials need stored runs only; images need the network, and one line says so."""

    class Local(Stepper):
        """Defined in a function, so no import finds it."""

    (name,), _ = name_solvers(Local)
    compare([Local, "random"], [bowl(), "toy/snn-cnn/sn1/3"], budget=8, seeds=2, study=tmp_path)
    first = compare([Local, "random"], [bowl(), "toy/snn-cnn/sn1/3"], budget=8, seeds=2, study=tmp_path)
    again = amb.open(tmp_path)
    pd.testing.assert_frame_equal(again.ranking, first.ranking)
    assert again.verdict == first.verdict
    assert again.warnings == (
        f"{name} is known here from stored runs only, and these are compared; to run more, name the solver's "
        "file with --plugin, or give its class in Python",
        "the network of mine/bowl/only/0 is not here: stored runs are compared, without images of these problems",
    )
    assert set(again.meis()["problem"]) == {"toy/snn-cnn/sn1/3"}, "the images of the other network are still there"
    assert reopen(tmp_path, budget=4).runs["queries"].tolist() == [4] * 8
    part = reopen(tmp_path, solvers=name, problems="mine/bowl/only/0")
    assert part.runs["final"].tolist() == first.runs["final"].tolist()[:2]
    written = write_reports(again, folder=tmp_path / "elsewhere")
    assert written.failures == ()
    publish(Study(tmp_path), tmp_path / "published")
    assert amb.open(tmp_path / "published").verdict == first.verdict


def test_a_study_of_earlier_versions_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new version of a solver or a network makes no published result unreadable; a line says what is compared."""
    names = ["toy/snn-cnn/sn1/3", "toy/snn-cnn/sn1/4"]
    first = compare(["random", "one-plus-lambda"], names, budget=8, seeds=2, study=tmp_path)
    publish(Study(tmp_path), tmp_path / "published")
    monkeypatch.setattr(RandomSearch, "version", "99")
    monkeypatch.setattr("amb_problems.problem.sha256", lambda words: sha256(words + b" retrained"))
    for folder in (tmp_path, tmp_path / "published"):
        again = amb.open(folder)
        assert again.runs["final"].tolist() == first.runs["final"].tolist()
        assert again.verdict == first.verdict
        assert again.warnings == (
            "random ran in version 1, and version 99 is installed here: the stored runs are compared; to compare the "
            "installed version, run the study again",
            "the network of toy/snn-cnn/sn1/3, toy/snn-cnn/sn1/4 is another one here: the stored runs are compared, "
            "without images of these problems",
        )


def test_other_weights_of_a_network_are_not_mixed_in(tmp_path: Path) -> None:
    """A study that has runs of two networks of one name is read with those of the last request."""
    compare("random", [bowl(bottom=0)], budget=5, seeds=1, study=tmp_path)
    last = compare("random", [bowl(bottom=3)], budget=5, seeds=2, study=tmp_path)
    again = reopen(tmp_path)
    assert again.runs["final"].tolist() == last.runs["final"].tolist()


def test_a_stored_solver_keeps_its_class(tmp_path: Path) -> None:
    """One that saw gradients is not ranked among black boxes because its class is not here."""

    class Climber(Stepper):
        sees = "gradients"

        def attach(self, problem: amb.Problem) -> None:
            """Needs no gradient to be of this class."""

    (name,), _ = name_solvers(Climber)
    compare([Climber, "random"], [bowl()], budget=5, seeds=1, study=tmp_path)
    again = reopen(tmp_path)
    assert again.ranking["solver"].tolist()[0] == "random"
    assert again.runs.set_index("solver")["sees"].to_dict() == {name: "gradients", "random": "values"}


def test_the_runs_of_a_solver_that_plans_for_its_budget_are_found_without_it(tmp_path: Path) -> None:
    """The budget is a part of such a run's id: whether it is, only the stored runs say."""

    class Planner(Stepper):
        anytime = False

    compare([Planner, "random"], [bowl()], budget=6, seeds=1, study=tmp_path)
    assert len(reopen(tmp_path).runs) == 2


def test_what_no_name_finds_is_said_when_runs_begin(tmp_path: Path) -> None:
    class Local(Stepper):
        """Defined in a function, so no import finds it."""

    compare([Local, "random"], [bowl()], budget=5, seeds=1, study=tmp_path)
    log = (tmp_path / "log.jsonl").read_text()
    assert f"{name_solvers(Local)[0][0]}, mine/bowl/only/0 were given as objects, and no name finds them" in log
    reopened = reopen(tmp_path, solvers=[Local, "random"], problems=[bowl()])
    assert len(reopened.runs) == 2
    assert reopened.warnings == ()
    compare("random", "toy/snn-cnn/sn1/0", budget=5, seeds=1, study=tmp_path)
    assert len(reopen(tmp_path).runs) == 1, "the last request has names only"


def test_other_processes_are_not_sent_objects_that_they_cannot_find(tmp_path: Path) -> None:
    """A process of its own finds a solver's class by import; a cluster's worker would also need the problem."""

    class Local(Stepper):
        """Defined in a function, so no import finds it."""

    with pytest.raises(SpecError, match=r"Local-\w+ was given as an object, and a process of its own"):
        compare([Local], [bowl()], budget=5, study=tmp_path, limits=Limits(isolate=True))
    with pytest.raises(SpecError, match="mine/bowl/only/0 was given as an object, and a worker of a cluster"):
        compare("random", [bowl()], budget=5, study=tmp_path, cluster=DaskCluster(workers=1))
    isolated = compare([RandomSearch], [bowl()], budget=5, seeds=1, study=tmp_path, limits=Limits(isolate=True))
    assert isolated.runs["status"].tolist() == ["ok"]


@pytest.mark.parametrize(
    ("solvers", "says"),
    [
        ([3], "expected a solver's name, an amb.Solver class"),
        ([amb.FunctionProblem], "expected a solver's name"),
        ([amb.Solver], "class Solver does not define _ask; see amb.Solver"),
        ([Stepper(kk=3)], "no option 'kk'; did you mean k?"),  # type: ignore[call-arg]
        ([Stepper(k="x")], "k of .* must be an integer"),  # type: ignore[arg-type]
        ([Stepper(k=[1])], r"\[1\], which cannot be a part of a run's name"),  # type: ignore[arg-type]
        ([Stepper(k="a b")], "cannot be a part of a run's name"),  # type: ignore[arg-type]
        ([partial(Stepper, SPACE)], "expected a solver's name"),
        ([], "no solvers given"),
    ],
)
def test_a_wrong_solver_is_refused_before_anything_runs(tmp_path: Path, solvers: list, says: str) -> None:
    with pytest.raises((SpecError, PluginError), match=says):
        compare(solvers, [bowl()], budget=5, study=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def falling(point: np.ndarray) -> float:
    return -float(point.sum())


def rising(point: np.ndarray) -> float:
    return float(point.sum())


def test_objects_may_come_from_a_generator(tmp_path: Path) -> None:
    """It can be gone through only once."""
    functions = (function for function in (falling, rising))
    result = compare((one for one in ["random"]), functions, bounds=[(-1, 1)] * 2, budget=5, seeds=1, study=tmp_path)
    assert sorted(result.runs["problem"]) == ["falling", "rising"]
    again = reopen(tmp_path, solvers=np.array(["random"]), problems=(name for name in ["rising"]))
    assert list(again.runs["problem"]) == ["rising"]


def test_an_object_that_can_be_iterated_is_one_item(tmp_path: Path) -> None:
    class Steps(list):
        __name__ = "steps"

        def __call__(self, point: np.ndarray) -> float:
            return float(sum(step(point) for step in self))

    result = compare("random", Steps([falling, rising]), bounds=[(-1, 1)], budget=5, seeds=1, study=tmp_path)
    assert list(result.runs["problem"]) == ["steps"]


@pytest.mark.parametrize("nothing", [(), "", " , ", iter([]), np.array([], dtype=str)])
def test_no_problem_does_not_mean_the_default(tmp_path: Path, nothing: object) -> None:
    with pytest.raises(SpecError, match="no problems given; leave the argument out"):
        compare("random", nothing, study=tmp_path / "none")  # type: ignore[arg-type]
    assert not (tmp_path / "none").exists()


def test_several_controls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="control must be one solver, got"):
        compare("random,cma", [bowl()], control=["random", "cma"], study=tmp_path)  # type: ignore[arg-type]


def nameless() -> amb.FunctionProblem:
    problem = bowl()
    del problem.id
    return problem


@pytest.mark.parametrize(
    ("problems", "says"),
    [
        ([3], "expected a problem's name"),
        ([amb.generator("toy")], "toy alone is not a problem"),
        ([amb.target("snn-cnn")], r"snn-cnn alone is not a problem: .*amb\.target\(\.\.\.\)\.problem"),
        ([amb.FunctionProblem], r"class FunctionProblem needs arguments .*give an object"),
        ([bowl("my bowl")], "the id 'my bowl' cannot name runs: ' ' cannot be in a name"),
        ([bowl("mine/*")], r"the id 'mine/\*' cannot name runs: '\*' stands for several names"),
        ([bowl("mine/bowl/a/0[k=01]")], r"cannot name runs: write 'mine/bowl/a/0\[k=1\]'"),
        ([bowl("bowl[b=1,a=2]")], r"write 'bowl\[a=2,b=1\]'"),
        ([bowl(), bowl(bottom=2)], "two problems are called mine/bowl/only/0"),
        ([nameless()], r"problem FunctionProblem does not set id; see amb\.Problem: id is its name"),
    ],
)
def test_a_wrong_problem_is_refused_before_anything_runs(tmp_path: Path, problems: list, says: str) -> None:
    with pytest.raises((SpecError, PluginError), match=says):
        compare("random", problems, budget=5, study=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_options_may_be_numbers_of_numpy() -> None:
    plain, _ = name_solvers([Stepper(k=3)])  # type: ignore[call-arg]
    for k in (np.int64(3), np.int8(3), *np.arange(3, 4)):
        assert name_solvers([Stepper(k=k)])[0] == plain  # type: ignore[call-arg]


def test_two_classes_of_one_name_are_refused() -> None:
    def make() -> type[amb.Solver]:
        class Same(Stepper):
            """One of two."""

        return Same

    with pytest.raises(SpecError, match=r"two solver classes are called .*:Same"):
        name_solvers([make(), make()])


def test_a_class_without_a_space_is_a_class_with_options() -> None:
    """And one with a space is a solver, which remembers its options; a missing budget is still an error."""
    assert isinstance(Stepper(k=3), partial)  # type: ignore[call-arg]
    solver = Stepper(k=3)(SPACE, budget=4, seed=0)  # type: ignore[call-arg]
    assert isinstance(solver, Stepper)
    assert solver.given_options == {"k": 3}
    with pytest.raises(TypeError, match="budget"):
        Stepper(SPACE)  # type: ignore[call-arg]


def test_settings_of_a_study_name_everything_else_as_before(tmp_path: Path) -> None:
    compared = compare("random", "toy/snn-cnn/sn1/0", budget=5, seeds=1, study=tmp_path)
    assert compared.requested.given == ()
    assert "given" not in (tmp_path / "manifest.json").read_text()
    assert dataclasses.is_dataclass(compared.plan)


def test_reports_show_what_excites_a_unit_of_your_own_network(tmp_path: Path) -> None:
    """The page's images come from the object itself: no name would find it."""
    import torch

    from amb.reports.write import report_data
    from amb_reports.page.evolutions import best_images

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 5))
    problem = amb.target(network, layer="0", name="mine").problem("toy", 1)
    data = report_data(compare("random", [problem], budget=10, seeds=1, study=tmp_path))
    images = best_images(data.runs, data.traces, data.load, lambda name, fingerprint: None, data.problem)
    assert not images.notes
    assert [evolution.problem for evolution in images.evolutions] == ["toy/mine/0/1"]


def test_two_functions_under_one_name_are_refused() -> None:
    """The second was dropped without a word, and its runs were those of the first."""
    space = amb.Space.uniform(3, 4)
    rising = amb.FunctionProblem(lambda rows: rows.sum(axis=1) * 1.0, space, id="own/a/l/0")
    falling = amb.FunctionProblem(lambda rows: -rows.sum(axis=1) * 1.0, space, id="own/a/l/0")
    with pytest.raises(SpecError, match="two problems are called own/a/l/0"):
        amb.compare("random", [rising, falling], budget=5, progress=False)


@pytest.mark.parametrize("name", ["", "random[zz=1]", "a[b"])
def test_a_manifest_with_a_solver_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    compare(["random"], ["toy/snn-cnn/sn1/3"], budget=2, seeds=1, study=tmp_path)
    study = Study(tmp_path)
    study.rewrite_manifest(lambda old: replace(old, settings=replace(old.settings, solvers=("random", name))))
    with pytest.raises(StudyError, match=r"manifest\.json names a solver that cannot be used: "):
        amb.open(tmp_path)


@pytest.mark.parametrize("name", ["<b>", "=a/b/c/0", "toy/snn-cnn/sn1/3[noise"])
def test_a_manifest_with_a_problem_that_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    compare(["random"], ["toy/snn-cnn/sn1/3"], budget=2, seeds=1, study=tmp_path)
    Study(tmp_path).rewrite_manifest(lambda old: replace(old, settings=replace(old.settings, problems=(name,))))
    with pytest.raises(StudyError, match=r"manifest\.json names a problem that cannot be used: bad spec"):
        amb.open(tmp_path)


def test_runs_of_another_version_than_the_manifest_states_are_not_said_to_be_compared(tmp_path: Path) -> None:
    compare(["random", "one-plus-lambda"], ["toy/snn-cnn/sn1/3"], budget=4, seeds=2, study=tmp_path)
    study = Study(tmp_path)
    study.rewrite_manifest(lambda old: replace(old, solvers={**old.solvers, "random": "77"}))
    again = amb.open(tmp_path)
    assert set(again.runs["solver"]) == {"one-plus-lambda"}
    (note,) = [warning for warning in again.warnings if "random" in warning and "77" in warning]
    assert "its stored runs are of version 1: they are left out" in note


@pytest.mark.parametrize(
    "problems", [range(10**12), repeat("toy/snn-cnn/sn1/3")], ids=["none is a problem", "one without end"]
)
def test_an_iterable_of_any_length_is_refused_in_a_line(problems: object) -> None:
    with pytest.raises(SpecError, match=r"expected a problem's name|more than 1,000,000 problems; ask for fewer"):
        amb.compare("random", problems, budget=5, progress=False)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"expected a solver's name|more than 1,000,000 solvers; ask for fewer"):
        amb.compare(problems, "toy/snn-cnn/sn1/3", budget=5, progress=False)  # type: ignore[arg-type]


def test_a_suite_object_states_budget_and_seeds_as_a_name_does(tmp_path: Path) -> None:
    mine = amb.Suite("mine", 2, ("toy/small-max-a/sn1/0", "toy/small-max-a/sn1/1"), 7, 3, "two units")
    found = amb.compare("random", mine, study=tmp_path)
    assert set(found.runs["budget"]) == {7}
    assert set(found.runs["seed"]) == {0, 1, 2}
    assert found.settings["suite"] == "mine-2"
    assert set(amb.compare("random", mine, budget=5, seeds=1, study=tmp_path).runs["budget"]) == {5}


def test_an_option_that_was_given_by_its_position_is_not_lost() -> None:
    """The object would stand for the class with its defaults."""

    class Loose(amb.Solver):
        def __init__(self, space, budget, seed, k=1) -> None:  # type: ignore[no-untyped-def]
            super().__init__(space, budget=budget, seed=seed)

        def _ask(self, limit: int) -> np.ndarray:
            return self.space.sample(1, self.rng)

    with pytest.raises(SpecError, match="options are keyword-only arguments"):
        name_solvers(Loose(SPACE, 9, 0, 5))
    assert name_solvers(Loose(SPACE, 9, 0))[0] == name_solvers(Loose)[0]


def test_different_classes_have_different_names() -> None:
    """Of no letters that a spec can state, inside of others, and made by a function with what they capture."""

    def made(step: int) -> type[amb.Solver]:
        class Mine(Stepper):
            def _ask(self, limit: int) -> np.ndarray:
                return np.full((1, self.space.d), step)

        return Mine

    class A:
        Mine = type("Mine", (Stepper,), {"__qualname__": "A.Mine"})

    first, second = type("快", (Stepper,), {}), type("慢", (Stepper,), {})
    classes = [made(1), made(2), first, second, A.Mine, Stepper, Outer.Inner]
    names, _ = name_solvers(classes)
    assert len(set(names)) == len(classes)
    assert names[5:] == [HERE, f"{__name__}:Outer.Inner"]
    assert name_solvers([made(1)])[0] == names[:1]
    assert resolve(f"{__name__}:Outer.Inner").cls is Outer.Inner


def test_a_function_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    """Its runs would be those of what it was. What it changes itself is its own affair."""
    seen: list[float] = []
    scale = 1.0

    def function(point: np.ndarray) -> float:
        seen.append(scale * point.sum())
        return seen[-1]

    problem = amb.objective(function, [(0, 1)] * 3)
    compare("random", problem, budget=4, seeds=1, study=tmp_path)
    compare("random", problem, budget=6, seeds=1, study=tmp_path)
    scale = 2.0
    with pytest.raises(SpecError, match=r"the function of function has changed .* make the problem again"):
        compare("random", problem, budget=6, seeds=1, study=tmp_path)
    assert amb.open(tmp_path, problems=problem).runs["final"].max() <= 3
    again = compare("random", amb.objective(function, [(0, 1)] * 3), budget=6, seeds=1, study=tmp_path)
    assert (again.runs["final"] > 3).all()


def test_a_solver_whose_function_has_changed_since_is_refused(tmp_path: Path) -> None:
    step = 1

    def search(f) -> None:  # type: ignore[no-untyped-def]
        for _ in range(4):
            f(np.full(4, float(step)))

    class Local(Stepper):
        def _ask(self, limit: int) -> np.ndarray:
            return np.full((1, self.space.d), step)

    adapted = from_function(search)
    compare([adapted, Local], bowl(), budget=4, seeds=1, study=tmp_path)
    step = 2
    for solver in (adapted, Local):
        with pytest.raises(SpecError, match=r"solver .* has changed since it was made.* make its class again"):
            compare(solver, bowl(), budget=4, seeds=1, study=tmp_path)


def test_a_function_on_another_grid_is_another_problem() -> None:
    """Its candidates are other points."""
    uniform = amb.Space.uniform
    spaces = [uniform(4, 8), uniform(4, 64), uniform(6, 8), uniform(4, 8, low=-1)]
    problems = [amb.FunctionProblem(lambda rows: rows.mean(1), space, id="mine") for space in spaces]
    assert len({problem.fingerprint for problem in problems}) == len(spaces)
    assert amb.FunctionProblem(problems[0].function, spaces[0], id="mine").fingerprint == problems[0].fingerprint
    with pytest.raises(SpecError, match="two problems are called mine"):
        name_problems(problems[:2])

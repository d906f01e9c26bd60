"""Who edits a solver or a problem and keeps its version or fingerprint is told that the runs are of the old code."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from commands import command

import amb
from amb import FunctionProblem, Solver, Space
from amb.catalogue.given import Given, name_solvers
from amb.catalogue.own_code import codes_of
from amb.catalogue.solvers import resolve
from amb.meis.found import found_in
from amb.stats.question import Question
from amb.study.codes import is_of_several, is_other_code, several, with_all_parts
from amb.study.manifest import Manifest, Settings, union
from amb.study.merge import merge
from amb.study.published import open_study
from amb_reports.page.gather import board_of_studies
from amb_solvers.adapters import from_scipy

PROBLEM = FunctionProblem(lambda rows: rows.mean(axis=1), Space.uniform(4, 8), id="p/q/r/0")
CODE = """
import numpy as np
from amb import Solver

STEP = {step}

def candidates(space, rng, n):
    return {candidates}

class Mine(Solver):
    "Asks for some candidates."
    version = "{version}"

    def _ask(self, limit):
        return candidates(self.space, self.rng, limit)
"""
REVERSED = "space.sample(n, rng)[:, ::-1]"
TOLD = "has changed since its first stored run, but the version has not"


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """The class of a file that is written anew, as in another session, with what is given changed in it."""

    def written(*, step: object = 1, candidates: str = "space.sample(n, rng)", version: str = "1") -> type[Solver]:
        file = tmp_path_factory.mktemp("session") / "edited_solver.py"
        file.write_text(CODE.format(step=step, candidates=candidates, version=version))
        spec = spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        spec.loader.exec_module(module)
        return module.Mine  # type: ignore[no-any-return]

    return written


def warnings(cls: type[Solver], study: Path, **more: object) -> list[str]:
    result = amb.compare([cls, "random"], PROBLEM, study=study, progress=False, **{"budget": 8, "seeds": 1, **more})  # type: ignore[arg-type]
    return [warning for warning in result.warnings if "edited_solver:Mine" in warning]


def test_an_edit_is_told_until_the_version_is_raised(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study, zeros = tmp_path / "st", "np.zeros((n, space.d), int)"
    assert warnings(mine(), study) == []
    assert warnings(mine(), study, budget=12) == [], "the same code"
    for _ in range(2):
        (told,) = warnings(mine(candidates=zeros), study)
        assert TOLD in told
    assert warnings(mine(), study) == [], "the edit was undone"
    assert warnings(mine(candidates=zeros, version="2"), study) == []
    assert warnings(mine(version="2"), study)


def test_the_log_and_a_report_tell_it_too(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study = tmp_path / "st"
    warnings(mine(), study)
    warnings(edited := mine(candidates=REVERSED), study)
    assert TOLD in (study / "log.jsonl").read_text(encoding="utf-8")
    result = amb.open(study, solvers=[edited, "random"], problems=PROBLEM)
    assert any(TOLD in warning for warning in result.warnings)
    assert not any(TOLD in warning for warning in amb.open(study).warnings), "the class is not at hand"


def test_runs_of_different_code_are_told_of_whatever_the_code_is_now(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    study = tmp_path / "st"
    warnings(mine(), study)
    (told,) = warnings(mine(candidates=REVERSED), study, seeds=2)
    for _ in range(2):
        (told,) = warnings(mine(), study)
        assert "are of different code under one version" in told
    assert any("are of different code" in warning for warning in amb.open(study).warnings)
    assert warnings(mine(version="2"), study) == []


def test_runs_that_other_code_extends_are_told_of(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Each held queries of two codes, and once the edit was undone nothing said so."""
    study = tmp_path / "st"
    warnings(mine(), study)
    for candidates in (REVERSED, REVERSED[: REVERSED.index("[")]):
        (told,) = warnings(mine(candidates=candidates), study, budget=12)
        assert "are of different code under one version" in told


def test_a_version_that_comes_back_has_the_runs_that_it_had(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The log said that it runs again, which it did not, and an edit in between was not told."""
    study = tmp_path / "st"
    for version in ("1", "2"):
        assert warnings(mine(version=version), study) == []
    assert "runs again" in (study / "log.jsonl").read_text(encoding="utf-8")
    (study / "log.jsonl").unlink()
    assert warnings(mine(), study) == []
    (told,) = warnings(mine(candidates=REVERSED), study)
    assert TOLD in told
    assert "runs again" not in (study / "log.jsonl").read_text(encoding="utf-8")
    one, other = tmp_path / "one", tmp_path / "other"
    warnings(mine(), one)
    warnings(mine(candidates=REVERSED, version="2"), other, seeds="3..4")
    merge(tmp_path / "both", [one, other])
    assert warnings(mine(), tmp_path / "both") == [], "versions differ where code does"


def test_code_that_is_not_the_references_is_told_of(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Its stored runs stood in the table as if they were those of today's code."""
    reference, study = tmp_path / "reference", tmp_path / "st"
    amb.compare(mine(), PROBLEM, study=reference, budget=8, seeds=1, progress=False)
    assert warnings(mine(), tmp_path / "same", with_reference=reference) == []
    (told,) = warnings(edited := mine(candidates=REVERSED), study, with_reference=reference)
    assert TOLD in told
    assert TOLD in (study / "log.jsonl").read_text(encoding="utf-8")
    result = amb.open(study, solvers=[edited, "random"], problems=PROBLEM, reference=reference)
    assert any(TOLD in warning for warning in result.warnings)

    highest = FunctionProblem(lambda rows: rows.max(axis=1).astype(float), PROBLEM.space, id=PROBLEM.id)
    other = {"study": tmp_path / "other", "with_reference": reference, "progress": False}
    result = amb.compare([mine(), "random"], highest, **other)  # type: ignore[arg-type]
    assert any("p/q/r/0 are of different code under one fingerprint" in warning for warning in result.warnings)


def test_studies_of_different_code_that_become_one_are_told_of(mine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    one, other = tmp_path / "one", tmp_path / "other"
    warnings(mine(), one)
    warnings(mine(candidates=REVERSED), other, seeds="3..4")
    board = board_of_studies([open_study(one), open_study(other)], Question(), command="")
    assert any("are of different code" in note for note in board.notes)
    merge(tmp_path / "both", [one, other])
    assert warnings(mine(), tmp_path / "both")
    assert warnings(mine(candidates=REVERSED), tmp_path / "both")


def test_what_a_solver_names_counts_and_what_has_a_version_of_its_own_does_not(mine) -> None:  # type: ignore[no-untyped-def]
    def codes(cls: type[Solver]) -> list[str]:
        return list(codes_of(name_solvers([cls])[1].values(), {}, Given()).values())

    steps = "space.sample(n * STEP, rng)"
    assert codes(mine()) == codes(mine())
    assert codes(mine(candidates=steps, step=1)) != codes(mine(candidates=steps, step=2))
    assert codes(from_scipy("dual_annealing")) == [], "its version is a hash"
    assert codes_of([resolve("tt-b")], {}, Given()) == {}, "of an installed package"


def test_an_edited_function_of_a_problem_is_told_of(tmp_path: Path) -> None:
    def told(function: Callable[[np.ndarray], np.ndarray], version: str = "1") -> list[str]:
        problem = FunctionProblem(function, Space.uniform(4, 8), id="p/q/r/0", version=version)
        result = amb.compare("random", problem, budget=8, seeds=1, study=tmp_path, progress=False)
        return [warning for warning in result.warnings if "code of p/q/r/0" in warning]

    assert told(lambda rows: rows.mean(axis=1)) == []
    assert told(lambda rows: rows.mean(axis=1)) == []
    (edited,) = told(lambda rows: rows.max(axis=1).astype(float))
    assert "but the fingerprint has not" in edited
    assert told(lambda rows: rows.max(axis=1).astype(float), version="2") == []


def test_the_code_of_any_callable_object_is_told(tmp_path: Path) -> None:
    """One that cannot be a key of a mapping, and one whose class is Python's own."""

    @dataclass
    class Scaled:
        by: float

        def __call__(self, rows: np.ndarray) -> np.ndarray:
            return self.by * rows.mean(axis=1)

    def codes(function: Callable[[np.ndarray], np.ndarray]) -> dict[str, str]:
        problem = FunctionProblem(function, Space.uniform(4, 8), id="p/q/r/0")
        return codes_of([], {problem.id: problem}, Given({}, {problem.id: problem}))

    assert codes(Scaled(1.0)) == codes(Scaled(1.0)) != codes(Scaled(2.0))
    assert codes(partial(np.mean, axis=1)) == codes(partial(np.mean, axis=1)) != codes(partial(np.max, axis=1))


class Gain:
    """A model that a target is given."""

    def of(self, image: np.ndarray) -> float:
        return float(image.mean()) / 255


class Doubled(Gain):
    """The same, edited."""

    def of(self, image: np.ndarray) -> float:
        return 2 * float(image.mean()) / 255


class Cell(amb.Target):
    """One unit, by a model that is loaded on first use, as large ones are."""

    name, shape, fingerprint, layers = "cell", (32, 32, 3), "cell-1", {"only": 1}

    def __init__(self, load: type[Gain]) -> None:
        self.loaded = {"load": [load], "model": None}

    def activations(self, images, units):  # type: ignore[no-untyped-def]
        self.loaded["model"] = self.loaded["load"][0]()
        return np.array([self.loaded["model"].of(image) for image in images])


def test_an_edit_of_what_a_target_was_given_is_told_of(tmp_path: Path) -> None:
    def told(model: type[Gain]) -> list[str]:
        problem = amb.target(Cell(model)).problem("toy", 0, layer="only")
        for _ in range(2):  # the second time it is loaded
            result = amb.compare("random", problem, budget=8, seeds=1, study=tmp_path, progress=False)
        return [warning for warning in result.warnings if "code of toy/cell/only/0" in warning]

    assert told(Gain) == []
    assert told(Doubled)
    assert told(Gain) == []


def test_what_is_loaded_on_first_use_is_no_edit_and_an_edit_of_it_is_one() -> None:
    first, loaded, edited = "3.11 part:a", "3.11 part:a+part:b", "3.11 part:a+part:c"
    assert not is_other_code(first, loaded)
    assert not is_other_code(loaded, first)
    assert with_all_parts(first, loaded) == with_all_parts(loaded, first) == loaded
    assert is_other_code(loaded, edited)
    assert not is_other_code("3.11 family:a", "3.11 function:b"), "nothing to compare"
    assert with_all_parts("3.11 family:a", "3.11 function:b") == "3.11 family:a+function:b"
    assert not is_of_several(loaded)
    assert is_of_several(several(loaded))
    assert with_all_parts(several(first), loaded) == several(first)


def test_a_family_by_name_and_as_an_object_is_one_code(tmp_path: Path) -> None:
    """Its problems' functions were compared with its class, and the study was marked for ever."""
    (tmp_path / "parts.py").write_text(PARTS.format(gain=40))
    asked = "--plugin parts.py -s random -p own/bowl/l/0..2 -b 8 --seeds 1 --study st"
    assert command("run", *asked.split(), cwd=tmp_path).returncode == 0
    spec = spec_from_file_location("parts", tmp_path / "parts.py")
    assert spec is not None
    assert spec.loader is not None
    parts = module_from_spec(spec)
    spec.loader.exec_module(parts)
    result = amb.compare("random", parts.Bowl(), budget=8, seeds=2, study=tmp_path / "st", progress=False)
    assert not any("code of" in warning or "different code" in warning for warning in result.warnings)
    (tmp_path / "parts.py").write_text(PARTS.format(gain=5))
    assert "the code of own/bowl/l/0, own/bowl/l/1 and 1 more" in command("run", *asked.split(), cwd=tmp_path).stdout


@pytest.mark.parametrize(
    "what", ["__import__('threading').Lock()", "open(__file__)", "[__import__('logging').StreamHandler()]"]
)
def test_code_that_names_a_lock_or_an_open_file_is_told_apart(mine, what: str) -> None:  # type: ignore[no-untyped-def]
    """Nothing tells what these are, and of such a class no edit was noticed."""

    def codes(candidates: str) -> dict[str, str]:
        named = f"(STEP, {candidates})[1]"
        return codes_of(name_solvers([mine(step=what, candidates=named)])[1].values(), {}, Given())

    usual = codes("space.sample(n, rng)")
    assert len(usual) == 1
    assert codes("space.sample(n, rng)") == usual != codes("space.sample(n, rng) * 0")


PARTS = """
import numpy as np
import amb

class Bars(amb.Generator):
    "Stripes."
    name, latent_dim, shape, fingerprint = "bars", 3, (32, 32, 3), "bars-1"

    def _render(self, latents):
        return np.repeat(np.clip(128 + {gain} * latents, 0, 255), 1024, axis=0).reshape(-1, 32, 32, 3).astype(np.uint8)

class Bowl(amb.Family):
    "Bowls."
    name = "own/bowl"

    def layers(self):
        return {{"l": 3}}

    def problem(self, layer, unit, *, device="cpu", **options):
        return amb.FunctionProblem(
            lambda rows: {gain} * rows.mean(axis=1), amb.Space.uniform(4, 8), id=f"{{self.name}}/{{layer}}/{{unit}}"
        )
"""


@pytest.mark.parametrize("problems", ["bars/snn-cnn/sn1/0..1", "own/bowl/l/0..1"])
def test_an_edited_generator_or_family_of_a_plug_in_is_told_of(tmp_path: Path, problems: str) -> None:
    said = []
    for gain in (40, 5):  # of another length: byte code is told by time and size
        (tmp_path / "parts.py").write_text(PARTS.format(gain=gain))
        asked = f"--plugin parts.py -s random -p {problems} -b 8 --seeds 1 --study st"
        done = command("run", *asked.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        said.append(" ".join(done.stdout.split()))
    first, second = (problems.replace("0..1", unit) for unit in "01")
    assert "the code of" not in said[0]
    assert said[1].count(f"the code of {first}, {second}, or a value that it names, has changed") == 1


def test_measures_of_stimuli_tell_it_too(tmp_path: Path) -> None:
    """Of each unit they take the run with the highest activation, which was that of the other code."""
    for model, seeds in ((Gain, 1), (Doubled, 2)):
        problem = amb.target(Cell(model)).problem("toy", 0, layer="only")
        amb.compare("random", problem, budget=8, seeds=seeds, study=tmp_path, progress=False)
    found = found_in(open_study(tmp_path), lambda _: problem)
    assert any("toy/cell/only/0 are of different code" in note for note in found.notes)


def test_code_is_compared_within_one_version_of_python() -> None:
    def codes(*each: str) -> dict[str, str]:
        return dict(union([Manifest(settings=Settings(codes={"mine": code})) for code in each]).settings.codes)

    assert codes("3.11 p:a", "3.12 p:b") == {"mine": "3.11 p:a"}
    assert codes("3.11 p:a", "3.11 p:a") == {"mine": "3.11 p:a"}
    assert codes("3.11 p:a", "3.11 p:b", "3.11 p:a") == {"mine": "3.11 several"}
    assert codes("3.11 p:a", "3.11 several") == {"mine": "3.11 several"}
    assert codes("3.12 p:c", "3.11 several") == {"mine": "3.12 several"}
    assert codes("3.12 p:c", "3.11 p:a", "3.11 p:b") == {"mine": "3.12 several"}

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
from amb.stats.question import Question
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
TOLD = "has changed since the first run in this study, but the version has not"


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """The class of a file that is written anew, as in another session, with what is given changed in it."""

    def written(*, step: int = 1, candidates: str = "space.sample(n, rng)", version: str = "1") -> type[Solver]:
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


def test_code_is_compared_within_one_version_of_python() -> None:
    def codes(*each: str) -> dict[str, str]:
        return dict(union([Manifest(settings=Settings(codes={"mine": code})) for code in each]).settings.codes)

    assert codes("3.11 a", "3.12 b") == {"mine": "3.11 a"}
    assert codes("3.11 a", "3.11 a") == {"mine": "3.11 a"}
    assert codes("3.11 a", "3.11 b", "3.11 a") == {"mine": "3.11 several"}

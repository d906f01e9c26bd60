"""An image-seeing solver receives the generator and never the target: by reference here, by process if isolated."""

import gc
from pathlib import Path
from types import FunctionType, ModuleType

import numpy as np
import pytest

import amb
from amb.catalogue.plugins import load_file
from amb.catalogue.solvers import resolve
from amb.contracts.problem import Problem
from amb.contracts.target import Target
from amb.contracts.view import View
from amb.errors import SolverError
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.study.runs import RunPlan, RunRecord, Trace
from amb.study.study import Study

PROBLEM = "cifar10-sngan/small-mean-a/sn1/2"
CODES = "cifar10-vqvae/small-mean-a/sn1/2"
ONE_THREAD = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def peeking() -> None:
    load_file(Path(__file__).parents[1] / "plugins" / "peeking.py")


def reachable(start: object) -> list[object]:
    """Everything to which an object refers, over any number of steps; classes and modules lead everywhere."""
    found, seen = [start], {id(start)}
    for thing in found:  # grows
        parts = gc.get_referents(thing)
        if isinstance(thing, FunctionType):  # its globals are its module
            parts = [*(thing.__closure__ or ()), *(thing.__defaults__ or ()), thing.__dict__]
        for part in parts:
            if id(part) not in seen and not isinstance(part, type | ModuleType):
                seen.add(id(part))
                found.append(part)
    return found


@pytest.mark.parametrize("spec", [PROBLEM, CODES, CODES + "[codes=principal]"])
def test_no_path_of_references_leads_from_a_view_to_the_target(spec: str) -> None:
    problem = amb.problem(spec)
    assert any(isinstance(thing, Target) for thing in reachable(problem)), "the check can fail"
    assert not [thing for thing in reachable(problem.view()) if isinstance(thing, Problem | Target)]


def test_nor_from_that_of_a_function_to_the_function() -> None:
    def secret(rows: np.ndarray) -> np.ndarray:
        return rows.sum(axis=1)

    problem = amb.FunctionProblem(secret, amb.Space.uniform(4, 8), id="a/b/c/0")
    assert not [thing for thing in reachable(problem.view()) if thing is secret or thing is problem]
    assert np.array_equal(problem.view().images([[1, 2, 3, 4]]), problem.images([[1, 2, 3, 4]]))


@pytest.mark.parametrize("spec", [PROBLEM, CODES])
def test_a_view_shows_what_the_neuron_is_shown(spec: str) -> None:
    problem = amb.problem(spec)
    candidates = problem.space.sample_prior(3, np.random.default_rng(0))
    assert np.array_equal(problem.view().images(candidates), problem.images(candidates))


def test_gradients_are_those_of_the_images() -> None:
    """A step along the gradient of mean brightness makes images brighter, by about what the gradient says."""
    view = amb.problem(PROBLEM).view()
    latents = np.random.default_rng(0).standard_normal((3, view.space.d)) * 0.5
    slopes = view.gradient(latents, lambda pixels: np.full_like(pixels, 1 / pixels[0].size))
    step = 0.3 * slopes / np.linalg.norm(slopes, axis=1, keepdims=True)

    def brightness(points: np.ndarray) -> np.ndarray:
        shown: list[np.ndarray] = []
        view.gradient(points, lambda pixels: shown.append(pixels.mean((1, 2, 3))) or np.zeros_like(pixels))
        return np.concatenate(shown)[: len(points)]

    gained = brightness(latents + step) - brightness(latents - step)
    expected = 2 * (step * slopes).sum(axis=1)
    assert (np.abs(gained - expected) < 0.3 * expected).all()
    assert np.array_equal(view.gradient(latents[1:2], lambda p: np.full_like(p, 1 / p[0].size)), slopes[1:2])


@pytest.mark.parametrize("options", ["", "[codes=principal]"])
def test_substitutions_say_which_codes_make_an_image_brighter(options: str) -> None:
    view = amb.problem(CODES + options).view()
    rng = np.random.default_rng(0)
    candidates = view.space.sample(2, rng)
    changes = view.substitutions(candidates, lambda pixels: np.full_like(pixels, 1 / pixels[0].size))
    assert changes.shape == (2, view.space.d, 512)
    assert np.allclose(np.take_along_axis(changes, candidates[..., None], axis=2), 0, atol=1e-6)
    before = view.images(candidates).mean((1, 2, 3), dtype=float)
    brighter, darker = candidates.copy(), candidates.copy()
    for row in range(2):
        for position in rng.choice(view.space.d, 8, replace=False):
            brighter[row, position] = changes[row, position].argmax()
            darker[row, position] = changes[row, position].argmin()
    assert (view.images(brighter).mean((1, 2, 3), dtype=float) > before).all()
    assert (view.images(darker).mean((1, 2, 3), dtype=float) < before).all()


def run(folder: Path, solver: str, problem: str = PROBLEM, **limits: object) -> tuple[RunRecord, Trace]:
    found = amb.problem(problem)
    plan = RunPlan(found.id, found.fingerprint, solver, "1", 0, 10)
    execute([plan], Study(folder), lambda _: found, limits=Limits(**limits))  # type: ignore[arg-type]
    loaded = Study(folder).load(plan)
    assert loaded is not None
    return loaded


@ONE_THREAD
def test_a_solver_that_looks_for_the_target_does_not_find_it_if_isolated(tmp_path: Path) -> None:
    """In the bench's own process all objects can be listed, by any solver; a process of its own has none of them."""
    assert run(tmp_path / "isolated", "peeking", isolate=True)[0].status == "ok"
    here = run(tmp_path / "here", "peeking")[0]
    assert "I found the" in here.message, "the search works: where there is a target it is found"


@ONE_THREAD
@pytest.mark.parametrize("problem", [PROBLEM, CODES])
def test_isolated_or_not_an_image_seeing_solver_sees_the_same_bits(tmp_path: Path, problem: str) -> None:
    (here, one), (there, other) = (
        run(tmp_path / "a", "brightest", problem),
        run(tmp_path / "b", "brightest", problem, isolate=True),
    )
    assert (here.status, there.status) == ("ok", "ok")
    assert np.array_equal(one.candidates, other.candidates)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("target", "'target', which a view does not have"),
        ("size", "sent 3 bytes"),
        ("outside", "the refusal came back"),
        ("slopes", "something other than the slopes"),
    ],
)
@ONE_THREAD
def test_requests_that_no_view_sends_end_the_run_and_nothing_else(tmp_path: Path, what: str, says: str) -> None:
    record, _ = run(tmp_path, f"rude[what={what}]" if what != "target" else "rude", isolate=True)
    assert record.status == "crash"
    assert says in record.message


def test_a_problem_without_a_view_is_refused() -> None:
    class Blind(amb.FunctionProblem):
        def view(self) -> View:
            return Problem.view(self)

    blind = Blind(lambda rows: rows.sum(axis=1), amb.Space.uniform(4, 8), id="a/b/c/0")
    with pytest.raises(SolverError, match="a/b/c/0 offers no view"):
        resolve("brightest").start(blind, budget=10, seed=0)


def test_a_solver_of_amb_0_1_that_sees_gradients_is_not_taken_for_a_black_box() -> None:
    class Old(amb.Solver):
        white_box = True

    assert Old.sees == "gradients"

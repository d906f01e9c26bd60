"""An image-seeing solver receives the generator and never the target: by reference here, by process if isolated."""

import gc
from pathlib import Path
from types import FunctionType, ModuleType

import numpy as np
import pytest
from numpy.typing import ArrayLike

import amb
from amb.catalogue.plugins import load_file
from amb.catalogue.solvers import resolve
from amb.contracts.handed_view import HandedView
from amb.contracts.problem import Problem
from amb.contracts.target import Target
from amb.contracts.view import Slope, View
from amb.errors import PluginError, SolverError
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


def run(folder: Path, solver: str, problem: str | Problem = PROBLEM, **limits: object) -> tuple[RunRecord, Trace]:
    found = amb.problem(problem) if isinstance(problem, str) else problem
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


class OneBuffer(View):
    """Writes all its answers into one array, and into what it is given."""

    def __init__(self) -> None:
        self.space, self.shape = amb.Space.uniform(4, 8), (2, 2, 1)
        self.differentiable = self.substitutable = True
        self.buffer = np.zeros((2, 2, 2, 1), np.uint8)
        self.slopes = np.zeros((2, 4))
        self.pixels = np.zeros((2, 2, 2, 1), np.float32)
        self.answered: np.ndarray | None = None

    def images(self, candidates: ArrayLike) -> np.ndarray:
        assert isinstance(candidates, np.ndarray)
        self.buffer[:] = candidates.reshape(2, 2, 2, 1)
        candidates[:] = 7
        return self.buffer

    def gradient(self, latents: ArrayLike, slope: Slope) -> np.ndarray:
        assert isinstance(latents, np.ndarray)
        self.pixels[:] = latents.reshape(2, 2, 2, 1)
        self.answered = slope(self.pixels)
        self.slopes[:] = self.answered.reshape(2, 4)
        latents[:] = 7
        return self.slopes

    def substitutions(self, candidates: ArrayLike, slope: Slope) -> np.ndarray:
        return np.zeros(3)


def test_a_view_and_its_solver_never_share_an_array() -> None:
    """A solver's stored images became those that it asked for last."""
    view, rows = OneBuffer(), np.array([[0, 1, 2, 3], [3, 2, 1, 0]])
    handed, kept = HandedView(view), []

    def slope(pixels: np.ndarray) -> np.ndarray:
        kept.append(pixels)
        return pixels

    first = handed.images(rows)
    handed.images(rows[::-1].copy())
    assert np.array_equal(first.reshape(2, 4), rows), "the second call changed the first answer"
    slopes = handed.gradient(rows, slope)
    assert not np.shares_memory(kept[0], view.pixels), "what the solver keeps stays"
    assert view.answered is not None
    assert not np.shares_memory(view.answered, kept[0])
    handed.gradient(rows[::-1].copy(), slope)
    assert np.array_equal(slopes, rows)
    assert np.array_equal(rows, [[0, 1, 2, 3], [3, 2, 1, 0]]), "the solver's own candidates changed"


@pytest.mark.parametrize("isolate", [False, True])
@ONE_THREAD
def test_answers_of_a_view_of_the_wrong_shape_are_refused(tmp_path: Path, isolate: bool) -> None:
    class Short(OneBuffer):
        def __init__(self) -> None:
            super().__init__()
            self.differentiable = self.substitutable = False

        def images(self, candidates: ArrayLike) -> np.ndarray:
            return self.buffer[:1]

    with pytest.raises(PluginError, match=r"view Short returned uint8 \[1, 2, 2, 1\]; expected images uint8 \[2, 2"):
        HandedView(Short()).images([[0, 1, 2, 3]] * 2)
    with pytest.raises(PluginError, match=r"substitutions of view Short returned float64 \[3\]; expected .*2, 4, 8"):
        HandedView(Short()).substitutions([[0, 1, 2, 3]] * 2, lambda pixels: pixels)

    class Mine(amb.FunctionProblem):
        def view(self) -> View:
            return Short()

    mine = Mine(lambda rows: rows.sum(axis=1), amb.Space.uniform(4, 8), id="a/b/c/0")
    record, _ = run(tmp_path, "brightest", mine, isolate=isolate)
    assert record.status == "crash"
    assert "view Short returned" in record.message


@pytest.mark.parametrize("what", ["class", "space", "shape"])
def test_what_is_no_view_is_refused(what: str) -> None:
    view = OneBuffer()
    if what != "class":
        delattr(view, what)
    with pytest.raises(PluginError, match=r"expected an amb\.View|has space None|has shape None"):
        HandedView(view if what != "class" else np.zeros(3))  # type: ignore[arg-type]


def test_a_solver_of_amb_0_1_that_sees_gradients_is_not_taken_for_a_black_box() -> None:
    class Old(amb.Solver):
        white_box = True

    assert Old.sees == "gradients"

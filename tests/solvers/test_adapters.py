"""Other packages' optimizers as solvers: each passes the conformance kit, or is here with the one reason why not."""

import gc
import pickle
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from interrupting import interrupt

import amb
from amb import FunctionProblem, Space
from amb.catalogue.plugins import load_file
from amb.contracts.solver import Solver
from amb.errors import SolverError, SpecError
from amb.run.execute import execute
from amb.study.runs import RunPlan
from amb.study.study import Study
from amb.testing import CASES, Case, Subject
from amb.testing.check import check_solver
from amb.testing.conformance import verify
from amb.testing.subject import drive, rows
from amb_solvers.adapters import (
    from_ask_tell,
    from_botorch,
    from_cma,
    from_function,
    from_nevergrad,
    from_optuna,
    from_pyribs,
    from_scipy,
)
from amb_solvers.adapters.inside_out import Conversation, Stopped

SPACE = Space.uniform(6, 32)
PEAK = SPACE.decode(np.full((1, 6), 20))


def peak(candidates: np.ndarray) -> np.ndarray:
    return np.exp(-np.square(SPACE.decode(candidates) - PEAK).mean(axis=1))


def hill(f, x0, rng):  # type: ignore[no-untyped-def]
    """Never ends by itself."""
    best = f(x0)
    while True:
        x = x0 + 0.3 * rng.normal(size=len(x0))
        if (value := f(x)) < best:
            x0, best = x, value


def batches(f, lower, upper, rng, budget):  # type: ignore[no-untyped-def]
    """Evaluates several points at once, and ends early."""
    points = rng.uniform(lower, upper, (7, len(lower)))
    return points[f(points).argmin()]


def levels(f, lower, upper, rng):  # type: ignore[no-untyped-def]
    return min((rng.integers(lower, upper + 1) for _ in range(20)), key=f)


class Cloud:
    """Ask and tell, as a package would have it."""

    def __init__(self, x0: np.ndarray, seed: int) -> None:
        self.centre, self.rng, self.best = x0, np.random.default_rng(seed), np.inf

    def ask(self) -> list[np.ndarray]:
        return [self.centre + self.rng.normal(size=self.centre.size) for _ in range(5)]

    def tell(self, points: list[np.ndarray], losses: list[float]) -> None:
        if min(losses) < self.best:
            self.best, self.centre = min(losses), points[int(np.argmin(losses))]


def nevergrad() -> type[Solver]:
    import nevergrad as ng

    return from_nevergrad(ng.families.DifferentialEvolution(crossover="twopoints"))


def optuna() -> type[Solver]:
    return from_optuna(pytest.importorskip("optuna").samplers.TPESampler, multivariate=True, n_startup_trials=40)


def pyribs() -> type[Solver]:
    return from_pyribs(pytest.importorskip("ribs.emitters").GaussianEmitter, sigma=1.0, batch_size=6)


def pyribs_cma() -> type[Solver]:
    return from_pyribs(pytest.importorskip("ribs.emitters").EvolutionStrategyEmitter, sigma0=1.0, batch_size=8)


def botorch() -> type[Solver]:
    pytest.importorskip("botorch")
    return from_botorch(initial=45)


ADAPTED: dict[str, Callable[[], type[Solver]]] = {
    "function": lambda: from_function(hill),
    "function of batches": lambda: from_function(batches, noisy=False),
    "function of levels": lambda: from_function(levels, levels=True),
    "ask and tell": lambda: from_ask_tell(Cloud),
    "scipy differential_evolution": lambda: from_scipy("differential_evolution", popsize=5),
    "scipy minimize": lambda: from_scipy("minimize", method="Nelder-Mead"),
    "scipy dual_annealing": lambda: from_scipy("dual_annealing"),
    "pycma": lambda: from_cma({"popsize": 6, "CMA_diagonal": True}, bounded=True),
    "nevergrad": nevergrad,
    "optuna": optuna,
    "pyribs": pyribs,
    "pyribs EvolutionStrategyEmitter": pyribs_cma,
    "botorch": botorch,
}
# A minute and more each: all cases run on request (-m slow), these cases always.
SLOW = {"optuna", "pyribs EvolutionStrategyEmitter", "botorch"}
ALWAYS = {"candidates on the grid", "space: one level per dimension", "neuron: always failing (NaN)"}


@cache
def subject(name: str) -> Subject:
    return Subject(ADAPTED[name]())


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.name}", marks=pytest.mark.slow if slow else ())
        for name in ADAPTED
        for case in CASES
        for slow in [name in SLOW and case.name not in ALWAYS]
    ],
)
def test_conforms(name: str, case: Case) -> None:
    """The kit's rule holds."""
    verify(case, subject(name))


@pytest.mark.parametrize("function", ["direct", "shgo"])
def test_methods_without_random_numbers_say_so(function: str) -> None:
    """They cannot conform: scipy's `direct` and `shgo` draw nothing, so every seed asks for the same candidates."""
    broken = {outcome.case.name for outcome in check_solver(from_scipy(function)) if outcome.result == "broken"}
    assert broken == {"different seed, different candidates", "seeds of a study"}


@pytest.mark.parametrize("name", [name for name in ADAPTED if name not in SLOW])
def test_limits_change_nothing_that_is_asked(name: str) -> None:
    one = subject(name)
    np.testing.assert_array_equal(rows(drive(one.make(), limits=(1, 7, 2, 3))), rows(one.run()))


@pytest.mark.parametrize("name", ["function", "ask and tell", "scipy minimize", "pycma", "nevergrad", "pyribs"])
def test_each_finds_a_peak(name: str) -> None:
    """Orientation, bounds and units are right: it gets closer than its first candidates by far.

    Nelder-Mead stops early on the steps of the grid, and pyribs' emitter spreads over its archive.
    """
    solver = ADAPTED[name]()(SPACE, budget=400, seed=0)
    values = np.concatenate([values for _, values in drive(solver, peak)])
    assert values.max() > 0.5
    assert values.max() > np.median(values[:10]) + 0.3


def test_maximizing_is_told_from_minimizing() -> None:
    def upwards(f, x0, rng):  # type: ignore[no-untyped-def]
        best = f(x0)
        while True:
            x = x0 + 0.3 * rng.normal(size=len(x0))
            if (value := f(x)) > best:
                x0, best = x, value

    up, down = (from_function(upwards, maximize=maximize)(SPACE, budget=300, seed=1) for maximize in (True, False))
    assert drive(up, peak)[-1][1][0] > drive(down, peak)[-1][1][0] + 0.3


def test_a_function_that_converges_is_called_again_with_another_start() -> None:
    starts: list[tuple[float, ...]] = []

    def short(f, x0):  # type: ignore[no-untyped-def]
        starts.append(tuple(x0))
        f(x0)

    drive(from_function(short, version="1")(SPACE, budget=5, seed=0), peak)
    assert len(starts) >= 5
    assert len(set(starts)) == len(starts)


def test_what_a_noisy_function_returns_is_recommended() -> None:
    """It has averaged; the best single measurement is its luckiest."""

    def mean_of_all(f, lower, upper, rng, budget):  # type: ignore[no-untyped-def]
        for _ in range(budget):
            f(rng.uniform(lower, upper))
        return np.full(len(lower), 0.13)

    trusted = from_function(mean_of_all, noisy=True)(SPACE, budget=20, seed=0)
    drive(trusted, peak)
    np.testing.assert_array_equal(trusted.recommend(), SPACE.nearest(np.full((1, 6), 0.13))[0])
    best = from_function(mean_of_all)(SPACE, budget=20, seed=0)
    log = drive(best, peak)
    np.testing.assert_array_equal(best.recommend(), rows(log)[np.concatenate([v for _, v in log]).argmax()])


def test_an_exception_of_the_function_is_raised_with_its_traceback() -> None:
    def faulty(f, x0):  # type: ignore[no-untyped-def]
        f(x0)
        raise ZeroDivisionError("in the user's own line")

    solver = from_function(faulty)(SPACE, budget=5, seed=0)
    with pytest.raises(ZeroDivisionError, match="own line") as caught:
        drive(solver, peak)
    assert any(entry.name == "faulty" for entry in caught.traceback)


def test_a_function_that_evaluates_nothing_is_refused() -> None:
    solver = from_function(lambda f, x0: x0)(SPACE, budget=5, seed=0)
    with pytest.raises(SolverError, match="without evaluating anything"):
        solver.ask()


def threads() -> int:
    return sum(thread.name == "amb optimizer" for thread in threading.enumerate())


def settled(expected: int) -> bool:
    end = time.monotonic() + 10
    while threads() != expected and time.monotonic() < end:
        time.sleep(0.01)
    return threads() == expected


@pytest.mark.parametrize("ending", ["budget", "dropped", "raised", "pickled"])
def test_no_thread_outlives_its_solver(ending: str) -> None:
    """Whether the budget is spent, the run is given up, the function fails, or the solver is copied."""
    before = threads()
    for seed in range(5):
        solver = from_function(hill)(SPACE, budget=30, seed=seed)
        if ending == "raised":
            with pytest.raises(ZeroDivisionError):
                drive(from_function(lambda f, x0: f(x0) / 0)(SPACE, budget=9, seed=seed), peak)
        else:
            drive(solver, peak, stop=0 if ending == "budget" else 10)
        if ending == "pickled":
            pickle.loads(pickle.dumps(solver))
        del solver
    gc.collect()
    assert settled(before)


def test_a_function_that_goes_on_for_ever_is_reported() -> None:
    """One that swallows even BaseException cannot be stopped; the error says so instead of a hang."""
    over = threading.Event()

    def stubborn(f):  # type: ignore[no-untyped-def]
        while not over.is_set():
            try:
                f(np.zeros(3))
            except BaseException:
                time.sleep(0.01)

    conversation = Conversation(stubborn)
    conversation.ask()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("amb_solvers.adapters.inside_out.PATIENCE", 0.2)
        with pytest.raises(SolverError, match="must not catch BaseException"):
            conversation.close()
    over.set()


def test_the_stop_is_no_exception_that_functions_swallow() -> None:
    assert not issubclass(Stopped, Exception)


def test_a_killed_run_resumes_exactly(tmp_path: Path) -> None:
    """The journal's values are told to the function again, whose thread had died with the process."""
    adapted = {"De": from_scipy(popsize=3, name="De"), "Hill": from_function(hill, name="Hill")}
    wanted = [RunPlan("p/q/r/0", "print", name, "1", seed, 60) for name in adapted for seed in range(2)]
    asked = 0

    def neuron(fragile: bool) -> FunctionProblem:
        def function(candidates: np.ndarray) -> np.ndarray:
            nonlocal asked
            asked += len(candidates)
            if fragile and asked > 90:
                interrupt()
            return peak(candidates)

        return FunctionProblem(function, SPACE, id="p/q/r/0")

    from amb.catalogue.solvers import spec_of

    def solver(name: str):  # type: ignore[no-untyped-def]
        return spec_of(adapted[name])

    whole, broken = Study(tmp_path / "whole"), Study(tmp_path / "broken")
    execute(wanted, whole, lambda spec: neuron(False), find_solver=solver)
    asked = 0
    with pytest.raises(KeyboardInterrupt):
        execute(wanted, broken, lambda spec: neuron(True), find_solver=solver)
    execute(wanted, broken, lambda spec: neuron(False), find_solver=solver)
    for plan in wanted:
        (_, one), (_, other) = whole.load(plan), broken.load(plan)  # type: ignore[misc]
        np.testing.assert_array_equal(one.candidates, other.candidates)
        np.testing.assert_array_equal(one.values, other.values)


def test_an_adapted_solver_is_compared_in_one_call(tmp_path: Path) -> None:
    """Next to a built-in one, on a function of the user's own."""
    found = amb.compare(
        [from_scipy("dual_annealing"), from_cma({"popsize": 8}), "random"],
        lambda point: float(np.exp(-np.square(point).sum())),
        bounds=[(-2, 3)] * 4,
        budget=80,
        seeds=2,
        study=tmp_path,
    )
    assert not found.runs["failed"].any()
    assert len(set(found.runs["solver"])) == 3


def test_a_file_with_an_adapted_solver_is_a_plugin(tmp_path: Path) -> None:
    """`amb check my_solver.py` and `--plugin my_solver.py` find it, as any solver class of the file."""
    file = tmp_path / "my_adapted.py"
    file.write_text(
        "from amb_solvers.adapters import from_scipy\n\nMine = from_scipy('minimize', method='Powell', name='Mine')\n"
    )
    (plugin,) = load_file(file)
    assert plugin.name == "mine"


def test_the_version_follows_function_and_options() -> None:
    """An edited function or another option makes new runs; the same call finds the old ones."""
    versions = {
        cls.version
        for cls in (
            from_function(hill),
            from_function(batches),
            from_function(hill, maximize=True),
            from_cma({"popsize": 6}),
            from_cma({"popsize": 8}),
            from_cma(sigma=2.0),
            from_scipy("minimize", method="Powell"),
            from_scipy("minimize", method="Nelder-Mead"),
        )
    }
    assert len(versions) == 8
    assert from_function(hill).version == from_function(hill, name="Other").version
    assert from_function(hill, version="7").version == "7"


@pytest.mark.parametrize(
    ("adapt", "says"),
    [
        (lambda: from_function(lambda: 0), "must take at least 1 argument"),
        (lambda: from_function(lambda f, start: 0), "needs start, which the adapter does not offer"),
        (lambda: from_function(hill, step=1), "takes no argument 'step'"),
        (lambda: from_function(hill, name="my hill"), "must be a Python identifier"),
        (lambda: from_scipy("differential_evolutio"), "did you mean differential_evolution"),
        (lambda: from_scipy("minimize", methd="Powell"), "takes no argument 'methd'"),
        (lambda: from_cma({"popsizes": 3}), "pycma refuses"),
        (lambda: from_cma({"seed": 3}), "the adapter sets pycma's option seed"),
    ],
)
def test_a_wrong_call_is_explained(adapt: Callable[[], object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        adapt()


@pytest.mark.parametrize(("package", "extra"), [("ribs", "pyribs"), ("botorch", "botorch")])
def test_a_missing_package_is_named_with_its_command(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module in [name for name in sys.modules if name.split(".")[0] == package] + [package]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SolverError, match=rf"pip install 'amb\[{extra}\]'"):
        from_pyribs(Cloud) if package == "ribs" else from_botorch()


def test_a_function_that_asks_for_complex_points_ends_with_the_reason() -> None:
    """A derivative by complex steps would be 0, in silence."""

    solver = from_function(lambda f, x0: f(x0 + 1e-20j))(SPACE, budget=9, seed=0)
    with pytest.raises(ValueError, match="expected real numbers"):
        solver.ask()

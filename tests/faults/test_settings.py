"""What solvers set for the whole process reaches no other code, in whichever thread they are called."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from amb import FunctionProblem, Solver, Space
from amb.catalogue.solvers import SolverSpec, resolve
from amb.foreign import contained, work_beside, working_alone
from amb.run.execute import execute
from amb.run.limits import Limits
from amb.study.runs import RunPlan
from amb.study.study import Study

SPACE = Space.uniform(6, 16)


def state() -> list[object]:
    mask = os.umask(0o022)
    os.umask(mask)
    return [os.getcwd(), mask, os.fstat(1), os.fstat(2), sys.stdout]


@contextmanager
def for_a_moment(folder: Path) -> Iterator[None]:
    """What a solver may do that puts everything back itself: a private scratch file, elsewhere, with C silenced."""
    before, mask = os.getcwd(), os.umask(0o077)
    saved, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.chdir(folder)
    os.dup2(null, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.chdir(before)
        os.umask(mask)
        os.close(saved)
        os.close(null)


class Beside:
    """A thread that evaluates while this one calls solvers: it enters a block and leaves it when it is told to."""

    def __init__(self) -> None:
        self._steps, self._done = [threading.Event(), threading.Event()], [threading.Event(), threading.Event()]
        self._thread = threading.Thread(target=self._evaluate, daemon=True)
        self._thread.start()

    def _evaluate(self) -> None:
        work_beside()
        self._steps[0].wait(60)
        with contained():
            self._done[0].set()
            self._steps[1].wait(60)
        self._done[1].set()

    def enter(self) -> None:
        self._steps[0].set()
        assert self._done[0].wait(60)

    def leave(self) -> None:
        self._steps[1].set()
        assert self._done[1].wait(60)
        self._thread.join()


def test_what_a_solver_sets_for_a_moment_ends_with_it(tmp_path: Path) -> None:
    """An evaluation that began in that moment brought it back: no table was printed, and files were private."""
    before, evaluation = state(), Beside()
    with contained(), for_a_moment(tmp_path):
        evaluation.enter()
    evaluation.leave()
    assert state() == before


def test_an_evaluation_that_ends_changes_nothing_under_a_solver(tmp_path: Path) -> None:
    before, evaluation = state(), Beside()
    evaluation.enter()
    with contained(), for_a_moment(tmp_path):
        here = state()
        evaluation.leave()
        assert state() == here
    assert state() == before


def test_what_a_solver_leaves_is_put_back_while_another_problem_is_evaluated(tmp_path: Path) -> None:
    before, evaluation = state(), Beside()
    evaluation.enter()
    for _ in range(2):
        with contained():
            os.chdir(tmp_path)
            os.umask(0o077)
        assert state() == before
    evaluation.leave()
    assert state() == before


class Precise(Solver):
    """Computes in double precision, as tutorials of Gaussian processes set it."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        torch.set_default_dtype(torch.float64)

    def _ask(self, limit: int) -> np.ndarray:
        return self.space.sample_prior(min(3, limit), self.rng)


class Drawing(Solver):
    """Draws by torch: other numbers with another default dtype."""

    def _ask(self, limit: int) -> np.ndarray:
        generator = torch.Generator().manual_seed(self.remaining)
        share = torch.rand(min(3, limit), self.space.d, generator=generator).numpy()
        return np.minimum((share * self.space.levels).astype(np.int64), self.space.levels - 1)


def candidates(folder: Path, *solvers: type[Solver]) -> bytes:
    """What `Drawing` asks for beside these solvers."""
    found = {solver.__name__.lower(): solver for solver in solvers}
    plans = [RunPlan("p/q/r/0", "print", name, "1", 0, 12) for name in found]
    study = Study(folder)
    execute(
        plans,
        study,
        lambda spec: FunctionProblem(lambda rows: rows.mean(axis=1), SPACE, id=spec),
        find_solver=lambda spec: SolverSpec(resolve("random").spec, found[spec], resolve("random").plugin),
        limits=Limits(),
    )
    return study.load(plans[-1])[1].candidates.tobytes()  # type: ignore[index]


def in_a_thread(work: Callable[[], bytes]) -> bytes:
    """As a worker of Dask and the server of a laboratory call solvers, whose main threads wait."""
    answers: list[bytes] = []

    def answer() -> None:
        with working_alone():
            answers.append(work())

    thread = threading.Thread(target=answer)
    thread.start()
    thread.join()
    return answers[0]


def test_what_a_user_sets_while_a_comparison_runs_in_a_thread_stays(tmp_path: Path) -> None:
    """A notebook's next cell asked for float64 and computed in float32."""
    asked, go_on = threading.Event(), threading.Event()

    class Slow(Drawing):
        def _ask(self, limit: int) -> np.ndarray:
            asked.set()
            assert go_on.wait(60)
            return super()._ask(limit)

    thread = threading.Thread(target=candidates, args=(tmp_path, Slow))
    thread.start()
    assert asked.wait(60)
    torch.set_default_dtype(torch.float64)
    try:
        go_on.set()
        thread.join()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_on_workers_a_solver_s_precision_is_its_own(tmp_path: Path) -> None:
    """On a worker of Dask, other solvers drew other candidates beside it, and were stored under their names."""
    alone = candidates(tmp_path / "alone", Drawing)
    assert candidates(tmp_path / "beside", Precise, Drawing) == alone
    assert in_a_thread(lambda: candidates(tmp_path / "thread", Precise, Drawing)) == alone
    assert torch.get_default_dtype() == torch.float32


FIRST = """
import sys
from amb.foreign import contained
assert "torch" not in sys.modules
with contained():
    import torch
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)
    torch.set_default_device("meta")
    torch.set_float32_matmul_precision("medium")
    torch.nn.modules.module.register_module_forward_hook(lambda module, given, out: out * 0.5)
print(torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled())
print(torch.get_default_device(), torch.get_float32_matmul_precision(), torch.nn.ReLU()(torch.ones(1)).item())
"""


def test_what_the_first_to_import_torch_sets_reaches_no_other_code() -> None:
    """Values of other solvers depended on whether the program had imported torch before."""
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["torch.float32", "False", "True", "cpu", "highest", "1.0"]


JAX = """
import sys, jax, numpy as np
for name, value in eval(sys.argv[1]).items():
    jax.config.update(name, value)
from amb import Space
from amb.catalogue.solvers import resolve
solver = resolve(sys.argv[2]).make(Space.uniform(8, 16), budget=100, seed=0)
asked = []
for _ in range(3):
    asked.append(solver.ask())
    solver.tell(asked[-1], -np.abs(asked[-1] - 5).mean(axis=1))
print(np.concatenate(asked).tolist())
"""


@pytest.mark.parametrize(("solver", "package"), [("protes-reference", "protes"), ("evosax", "evosax")])
def test_what_a_program_sets_for_all_of_jax_changes_no_solver(solver: str, package: str) -> None:
    pytest.importorskip(package)
    others = {
        "jax_enable_x64": True,
        "jax_threefry_partitionable": True,
        "jax_numpy_dtype_promotion": "strict",
        "jax_numpy_rank_promotion": "raise",
        "jax_random_seed_offset": 7,
        "jax_legacy_prng_key": "error",
        "jax_transfer_guard": "disallow",
    }
    asked = [
        subprocess.run(
            [sys.executable, "-c", JAX, repr(settings), solver], capture_output=True, text=True, check=True
        ).stdout
        for settings in ({}, others)
    ]
    assert asked[0] == asked[1] != ""


def test_a_callers_autocast_reaches_no_solver_and_none_leaves_its_own() -> None:
    """`inception-loop` trained its model in bfloat16 then, and the run counted as that of every other session."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with contained():
            assert not torch.is_autocast_enabled("cpu")
            torch.set_autocast_enabled("cpu", True)
        assert torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")

"""The conformance kit catches what it says it catches."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from commands import command

from amb import Problem, Solver, Space
from amb.errors import SolverError
from amb.testing import CASES, SolverConformance, check_solver
from amb.testing.check import passed


class Honest(Solver):
    """Random search."""

    source = "this test"

    def _ask(self, limit: int) -> Any:
        return self.space.sample(min(limit, 4), self.rng)


class Wordless(Solver):
    def _ask(self, limit: int) -> Any:
        return self.space.sample(min(limit, 4), self.rng)


class Floaty(Honest):
    """Asks for numbers between the levels, without saying that it is continuous."""

    def _ask(self, limit: int) -> Any:
        return super()._ask(limit) + 0.5


class OffTheGrid(Honest):
    """Counts levels from one."""

    def _ask(self, limit: int) -> Any:
        return super()._ask(limit) + 1


class Diverged(Honest):
    """A continuous method whose step is not a number."""

    continuous = True
    kinds = frozenset({"ordinal"})

    def _ask(self, limit: int) -> Any:
        return np.full((1, self.space.d), np.nan)


class Generous(Honest):
    """Asks for a whole batch, whatever the limit."""

    def _ask(self, limit: int) -> Any:
        return self.space.sample(4, self.rng)


class Spendthrift(Honest):
    """Never reports that its budget is spent, and bypasses the bookkeeping."""

    @property
    def remaining(self) -> int:
        return 5

    def ask(self, limit: int | None = None) -> Any:
        self._pending = self._ask(limit or 5)
        return self._pending.copy()


class Miser(Honest):
    """Stops before its budget is spent."""

    @property
    def remaining(self) -> int:
        return max(0, self.budget - self.asked - 3)


class Credulous(Honest):
    """Accepts any tell."""

    def tell(self, candidates: Any, values: Any) -> None:
        self._pending = None
        if len(candidates):
            self._best = np.asarray(candidates)[0]


class Entropic(Honest):
    """Seeds itself from the clock."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.rng = np.random.default_rng()


class Deaf(Honest):
    """Ignores its seed."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=0)


class Legacy(Honest):
    """Seeds a generator that takes 32 bits only."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.rng: Any = np.random.RandomState(seed)

    def _ask(self, limit: int) -> Any:
        return self.rng.randint(0, self.space.levels, (min(limit, 4), self.space.d))


class Gossip(Honest):
    """Shares what it finds with its other instances, from its second batch on."""

    heard: ClassVar[list[int]] = []

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.heard.clear()

    def _ask(self, limit: int) -> Any:
        self.heard.append(self.seed)
        return (super()._ask(limit) + (self.heard[0] != self.seed)) % self.space.levels


class NumpyGlobal(Honest):
    """Draws from numpy's global state."""

    def _ask(self, limit: int) -> Any:
        return np.random.randint(0, self.space.levels, (1, self.space.d))  # noqa: NPY002


class PythonGlobal(Honest):
    """Moves Python's global state, without using it."""

    def _ask(self, limit: int) -> Any:
        random.random()
        return super()._ask(limit)


class TorchGlobal(Honest):
    """Moves torch's global state."""

    def _ask(self, limit: int) -> Any:
        import torch

        torch.rand(1)
        return super()._ask(limit)


class JaxGlobal(Honest):
    """Switches JAX to another precision globally."""

    def _ask(self, limit: int) -> Any:
        import jax

        jax.config.update("jax_enable_x64", True)
        return super()._ask(limit)


class Reader(Honest):
    """Reads numpy's global state, without moving it."""

    def _ask(self, limit: int) -> Any:
        word = int(np.random.get_state()[1][0])  # type: ignore[index] # noqa: NPY002
        return (super()._ask(limit) + word) % self.space.levels


class Unpicklable(Honest):
    """Holds a Python generator, which cannot be pickled."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        self.numbers = (i for i in range(3))


class Forgetful(Honest):
    """Loses its random state when pickled."""

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "rng": np.random.default_rng(0)}


class Capricious(Honest):
    """Cannot be replayed once it was asked for four candidates."""

    def _ask(self, limit: int) -> Any:
        if limit == 4:
            self.rng = np.random.default_rng()
        return super()._ask(limit)


class Scheduler(Honest):
    """Cools with the budget, and declares itself anytime."""

    def _ask(self, limit: int) -> Any:
        return (super()._ask(limit) + self.budget) % self.space.levels


class Braggart(Honest):
    """Claims categorical spaces, and refuses them."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        if not space.ordinal:
            raise SolverError("no order, no search")
        super().__init__(space, budget=budget, seed=seed)


class Rounder(Honest):
    """Works in the latent box, and claims categorical spaces."""

    continuous = True

    def _ask(self, limit: int) -> Any:
        return self.space.decode(super()._ask(limit))


class Refuser(Honest):
    """Refuses every space."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        raise SolverError("not today")


class Shy(Honest):
    """Breaks a rule, and refuses every budget at which a case could notice."""

    def __init__(self, space: Space, *, budget: int, seed: int) -> None:
        super().__init__(space, budget=budget, seed=seed)
        if budget > 7:
            raise SolverError("too much for me")

    def _ask(self, limit: int) -> Any:
        return np.random.randint(0, self.space.levels, (1, self.space.d))  # noqa: NPY002


class Lucky(Honest):
    """Claims to handle noise, but recommends its luckiest value."""

    noisy = True


class Peeping(Honest):
    """Takes the problem without declaring that it sees gradients."""

    def attach(self, problem: Problem) -> None:
        self.problem = problem


class Staring(Honest):
    """Takes a view without declaring that it sees images."""

    def look(self, view: Any) -> None:
        self.view = view


class Unseeing(Honest):
    """Declares that it sees images, and does not wait for them."""

    sees = "images"

    def look(self, view: Any) -> None:
        self.view = view


class Short(Honest):
    """Cannot do without gradients of the generator."""

    sees = "images"
    view = None

    def look(self, view: Any) -> None:
        self.view = view

    def _ask(self, limit: int) -> Any:
        if self.view is None:
            raise SolverError("no view")
        self.view.gradient(np.zeros((1, self.space.d)), lambda pixels: pixels)
        return super()._ask(limit)


class Fickle(Honest):
    """Draws another random number whenever it recommends."""

    def recommend(self) -> Any:
        self.rng.random()
        return super().recommend()


class Vague(Honest):
    """Recommends a point between the levels."""

    def recommend(self) -> Any:
        return super().recommend() + 0.5


class Normalizer(Honest):
    """Divides by the spread of values."""

    def _tell(self, candidates: Any, values: Any) -> None:
        if len(values) > 1 and np.ptp(values) == 0:
            raise ZeroDivisionError("all values are equal")


class Satisfied(Honest):
    """Stops at an activation of one."""

    @property
    def remaining(self) -> int:
        return 0 if self._best_value >= 1 and self.asked > 8 else super().remaining


class Fragile(Honest):
    """Fails on a failed query."""

    def _tell(self, candidates: Any, values: Any) -> None:
        if np.isnan(values).any():
            raise ValueError("NaN")


class Squarer(Honest):
    """Squares values, and fails when they overflow."""

    def _tell(self, candidates: Any, values: Any) -> None:
        with np.errstate(over="raise", invalid="ignore"):
            np.square(np.nan_to_num(values))


class Stepper(Honest):
    """Moves by at least one level, although a dimension may have only one."""

    def _ask(self, limit: int) -> Any:
        return (super()._ask(limit) + self.rng.integers(1, self.space.levels)) % self.space.levels


class Aloof(Honest):
    """Claims to learn from candidates of others."""

    foreign = True


class Eavesdropping(Honest):
    """Is distracted by candidates of others without saying so."""

    def _learn_foreign(self, candidates: Any, values: Any) -> None:
        self.rng.random()


BAD = [
    (Wordless, "describes itself", "docstring"),
    (Floaty, "candidates on the grid", "integers"),
    (OffTheGrid, "candidates on the grid", "level 8"),
    (Diverged, "candidates on the grid", "NaN"),
    (Generous, "limits", "the limits are 1..1"),
    (Spendthrift, "budget", "of a budget of"),
    (Miser, "budget", "of a budget of"),
    (Credulous, "order of ask and tell", "accepted"),
    (Entropic, "same seed, same candidates", "query 1 differs"),
    (Deaf, "different seed, different candidates", "self.rng"),
    (Legacy, "seeds of a study", "Seed must be between 0 and 2**32 - 1"),
    (Gossip, "alone or in lockstep", "in lockstep with another run"),
    (NumpyGlobal, "global random states untouched", "numpy"),
    (PythonGlobal, "global random states untouched", "Python"),
    (TorchGlobal, "global random states untouched", "torch"),
    (Reader, "global random states unread", "differs"),
    (Unpicklable, "pickling", "cannot be pickled"),
    (Forgetful, "pickling", "differs"),
    (Capricious, "replay after a cut", "in batch 1"),
    (Scheduler, "budgets as claimed", "anytime = False"),
    (Braggart, "spaces as claimed", "`kinds` contains categorical"),
    (Rounder, "spaces as claimed", "latent box"),
    (Refuser, "spaces as claimed", "not today"),
    (Lucky, "noise as claimed", "luckiest"),
    (Peeping, "gradients as claimed", "accepted"),
    (Staring, "images as claimed", "declares not to see"),
    (Unseeing, "images as claimed", "an ask before its view is accepted"),
    (Short, "images as claimed", "not differentiable"),
    (Aloof, "foreign candidates as claimed", "changes nothing"),
    (Eavesdropping, "foreign candidates as claimed", "does not declare `foreign`"),
    (Fickle, "recommendation", "between batches"),
    (Vague, "recommendation", "integers"),
    (Normalizer, "neuron: constant", "ZeroDivisionError"),
    (Normalizer, "neuron: silent", "ZeroDivisionError"),
    (Satisfied, "neuron: saturated", "of a budget of"),
    (Fragile, "neuron: sometimes failing (NaN)", "ValueError"),
    (Fragile, "neuron: always failing (NaN)", "ValueError"),
    (Fragile, "neuron: infinite", "ValueError"),
    (Squarer, "neuron: huge", "FloatingPointError"),
    (Stepper, "space: one level per dimension", "ValueError"),
    (Stepper, "space: dimensions with different numbers of levels", "ValueError"),
]


def test_an_honest_solver_passes() -> None:
    """Rules that do not apply to it are skipped with a reason; all others hold."""
    outcomes = check_solver(Honest)
    assert [o for o in outcomes if o.result == "broken"] == []
    assert {o.case.name for o in outcomes if o.result == "skipped"} == {"noise as claimed"}
    assert passed(outcomes)


@pytest.mark.parametrize(("cls", "case", "says"), BAD, ids=[f"{cls.__name__}-{case}" for cls, case, _ in BAD])
def test_a_bad_solver_is_caught_by_the_right_case(cls: type[Solver], case: str, says: str) -> None:
    """Each rule is broken by a solver made for it, and the case of that rule reports it."""
    outcomes = {o.case.name: o for o in check_solver(cls)}
    assert outcomes[case].result == "broken", [(o.case.name, o.reason) for o in outcomes.values()]
    assert says in outcomes[case].reason
    assert not passed(list(outcomes.values()))


def test_an_error_comes_with_the_solver_s_own_line() -> None:
    """Not with one of `amb` or of the standard library; without one if the solver's code had returned already."""
    inside, returned = check_solver(Fragile), check_solver(OffTheGrid)
    reasons = [o.reason for o in inside if "ValueError" in o.reason]
    assert reasons
    assert all("(test_testing.py:" in reason for reason in reasons)
    assert not any(".py:" in o.reason for o in returned)


def test_every_case_catches_somebody() -> None:
    """Every case of the kit catches a solver made for it, except the spaces that repeat the rules of others."""
    repeating = {"space: levels at the prior's quantiles", "space: a single dimension", "space: categories"}
    assert {case.name for case in CASES} == {case for _, case, _ in BAD} | repeating | {"replay after a cut"}


def test_jax_s_precision_is_a_global_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that switches JAX to float64 globally is caught."""
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    try:
        outcomes = {o.case.name: o for o in check_solver(JaxGlobal)}
    finally:
        jax.config.update("jax_enable_x64", before)
    assert "JAX" in outcomes["global random states untouched"].reason


@pytest.mark.parametrize("cls", [Refuser, Shy])
def test_nothing_held_is_nothing_shown(cls: type[Solver]) -> None:
    """A solver that refuses the plain space, always or for all but the smallest budgets, does not pass."""
    outcomes = check_solver(cls)
    assert not passed(outcomes)
    assert any("refuses the plain space" in o.reason for o in outcomes if o.result == "broken")
    assert not passed([o for o in outcomes if o.result == "skipped"])


class TestHonest(SolverConformance):
    """The kit as a class of tests."""

    solver = Honest


class TestBuiltIn(SolverConformance):
    """The same by name."""

    solver = "random"


def check(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return command("check", *words, cwd=cwd, width=100)


def run_pytest(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )


MINE = """
from amb import Solver

class {name}(Solver):
    "{doc}"
    source = "this test"

    def _ask(self, limit):
        return self.space.sample(min(limit, 4), self.rng) + {shift}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good and a bad solver, one file each."""
    (tmp_path / "good.py").write_text(MINE.format(name="GoodOne", doc="Random search.", shift=0))
    (tmp_path / "bad.py").write_text(MINE.format(name="BadOne", doc="Counts from one.", shift=1))
    return tmp_path


def test_amb_check_at_the_command_line(folder: Path) -> None:
    """Files, module:Class and names are checked; a broken rule makes the exit status 1."""
    good = check("good.py", "good:GoodOne", cwd=folder)
    assert good.returncode == 0, good.stdout + good.stderr
    assert "good-one conforms: 31 held, 1 skipped" in good.stdout
    assert "good:GoodOne conforms" in good.stdout
    bad = check("bad-one", "random", "--plugin", "bad.py", cwd=folder)
    assert bad.returncode == 1
    assert "broken" in bad.stdout
    assert "bad-one does not conform" in bad.stdout
    assert "random conforms" in bad.stdout
    rows = json.loads(check("--plugin", "bad.py", "--json", cwd=folder).stdout)
    assert {"solver": "bad-one", "result": "broken"}.items() <= rows[2].items()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "nothing to check"),
        (("tt_b",), "did you mean tt-b"),
        (("no_such_module:Thing",), "No module named"),
        (("missing.py",), "no plug-in file"),
        (("my_solver.pyy",), "no plug-in file"),
    ],
)
def test_amb_check_refuses_in_one_line(words: tuple[str, ...], says: str, tmp_path: Path) -> None:
    """Bad input ends in one line without a traceback."""
    done = check(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_pytest_s_option_adds_the_cases_and_nothing_without_it(folder: Path) -> None:
    """`pytest --amb-check` needs no test file; without the option the plug-in adds nothing."""
    assert "no tests ran" in run_pytest(cwd=folder).stdout
    done = run_pytest("--amb-check", "good:GoodOne", "--amb-check", "bad:BadOne", cwd=folder)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "level 8" in done.stdout

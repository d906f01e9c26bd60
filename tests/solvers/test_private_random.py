"""Private random streams: a library draws from its own, and the user's stay as they were."""

import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

from amb import Space
from amb.catalogue.solvers import resolve
from amb_solvers.shared.private_random import PrivateRandom

# ruff: noqa: NPY002 - global states are what is tested


@pytest.fixture(autouse=True)
def users_states() -> Iterator[None]:
    """States with a normal number pending in both, as a user's are after an odd number of normal numbers."""
    np.random.seed(7)
    random.seed(7)
    np.random.randn()
    random.gauss(0, 1)
    yield
    np.random.set_bit_generator(np.random.MT19937(0))


def drawn(number: int = 5) -> list[float]:
    """Numbers of all kinds; an odd number of normal numbers, so that one is left for the next call."""
    uniform = [*np.random.rand(number), *(random.random() for _ in range(number)), random.randint(0, 10**9)]
    return [*uniform, *np.random.randn(3), random.gauss(0, 1), random.gauss(0, 1), random.gauss(0, 1)]


def expected(seed: int, times: int) -> list[list[float]]:
    """What a process draws whose own states begin where the private ones do."""
    words = np.random.SeedSequence(seed).generate_state(3)
    before = np.random.get_state(), random.getstate()
    np.random.seed(words[0])
    random.seed(int(words[1]))
    numbers = [drawn() for _ in range(times)]
    np.random.set_state(before[0])
    random.setstate(before[1])
    return numbers


def test_a_library_draws_the_numbers_of_its_seed_however_the_user_draws_in_between() -> None:
    private, numbers = PrivateRandom(3), expected(3, 3)
    for those in numbers:
        with private.use():
            assert drawn() == those
        drawn(2)


def test_the_users_numbers_are_those_of_a_process_without_the_library() -> None:
    state = np.random.get_state(), random.getstate()
    without = [drawn() for _ in range(3)]
    np.random.set_state(state[0])
    random.setstate(state[1])
    private = PrivateRandom(3)
    for those in without:
        with private.use():
            np.random.seed(1)
            random.seed(1)
            drawn(2)
        assert drawn() == those


def test_the_users_states_come_back_after_an_exception_and_from_a_block_in_a_block() -> None:
    before = np.random.get_state(), random.getstate()
    outer, inner = PrivateRandom(1), PrivateRandom(2)

    def fail() -> None:
        with outer.use():
            drawn()
            with inner.use():
                drawn()
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    after = np.random.get_state(), random.getstate()
    assert np.array_equal(before[0][1], after[0][1])  # type: ignore[index]
    assert before[0][2:] == after[0][2:]
    assert before[1] == after[1]
    first, second = expected(1, 2)
    outer = PrivateRandom(1)
    with outer.use():
        assert drawn() == first
        with inner.use():
            drawn()
        assert drawn() == second


def test_a_seed_that_a_library_sets_holds_until_its_next_call() -> None:
    private = PrivateRandom(3)
    with private.use():
        np.random.seed(11)
        random.seed(11)
        first = drawn()
    with private.use():
        np.random.set_state(np.random.RandomState(12).get_state())
    with private.use():
        assert np.random.rand() == np.random.RandomState(12).rand()
    with private.use():
        np.random.seed(11)
        random.seed(11)
    with private.use():
        assert drawn() == first


def test_a_bit_generator_of_the_users_choice_stays_in_place() -> None:
    chosen = np.random.PCG64(5)
    np.random.set_bit_generator(chosen)
    private = PrivateRandom(3)
    with private.use():
        assert drawn() == expected(3, 1)[0]
    assert np.random.get_bit_generator() is chosen
    assert np.random.rand() == np.random.RandomState(np.random.PCG64(5)).rand()


@pytest.mark.parametrize("copied", [deepcopy, lambda private: pickle.loads(pickle.dumps(private))])
def test_a_copy_continues_where_the_original_was(copied: object) -> None:
    private = PrivateRandom(3)
    _, second, third = expected(3, 3)
    with private.use():
        drawn()
    copy = copied(private)  # type: ignore[operator]
    for one in (private, copy):
        with one.use():
            assert drawn() == second
    with copy.use():
        assert drawn() == third


FRESH = """
import pickle, random, sys
import numpy as np
from amb.catalogue.solvers import resolve
early = resolve("portfolio") and "nevergrad" in sys.modules
np.random.seed(1)
random.seed(1)
states = np.random.get_state()[1].tolist(), random.getstate()
with open(sys.argv[1], "rb") as file:
    solver = pickle.load(file)
same = states == (np.random.get_state()[1].tolist(), random.getstate())
print(early, "nevergrad" in sys.modules, same, solver.ask().tolist())
"""


def test_nevergrad_is_imported_when_it_is_needed_and_touches_no_random_state(tmp_path: Path) -> None:
    """Who reads a study does not wait for it; a solver that another process unpickles goes on as it would have here."""
    solver = resolve("portfolio").make(Space.uniform(4, 8), budget=20, seed=0)
    for _ in range(5):
        rows = solver.ask()
        solver.tell(rows, -np.abs(rows - 3.0).mean(axis=1))
    (tmp_path / "solver").write_bytes(pickle.dumps(solver))
    out = subprocess.check_output([sys.executable, "-c", FRESH, str(tmp_path / "solver")], text=True)
    assert out.strip() == f"False True True {solver.ask().tolist()}"

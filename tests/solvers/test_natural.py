"""A pool of natural images is shown, and its best image recommended."""

from pathlib import Path

import numpy as np
import pytest

import amb
from amb import FunctionProblem, Space
from amb.errors import SolverError, SpecError

SPACE = Space.uniform(6, 8)
POOL = np.random.default_rng(0).integers(0, 8, (20, 6))


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    np.save("pool.npy", POOL)
    return "natural[pool=pool.npy]"


def test_every_image_of_the_pool_is_shown_once_then_the_prior(pool: str) -> None:
    problem = FunctionProblem(lambda rows: rows.sum(axis=1), SPACE, id="p")
    solver = amb.solver(pool, SPACE, budget=30, seed=1)
    asked = []
    while solver.remaining:
        asked.append(solver.ask(limit=7))
        solver.tell(asked[-1], problem.evaluate(asked[-1]))
    shown = np.concatenate(asked)
    assert sorted(map(tuple, shown[:20])) == sorted(map(tuple, POOL))
    assert not np.array_equal(shown[:20], POOL), "the seed draws the order"
    assert shown[np.argmax(shown.sum(axis=1))].tolist() == solver.recommend().tolist()
    other = amb.solver(pool, SPACE, budget=30, seed=2).ask(limit=7)
    assert not np.array_equal(other, asked[0])


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "cannot read"),
        (b"no array", "cannot read"),
        (np.zeros((0, 6), int), "no candidates"),
        (POOL[:, :5], "a different grid"),
        (POOL + 8, "a different grid"),
        (np.array([{}], object), "cannot read"),
    ],
)
def test_an_invalid_pool_is_refused(pool: str, content: object, error: str) -> None:
    if content is None:
        Path("pool.npy").unlink()
    elif isinstance(content, bytes):
        Path("pool.npy").write_bytes(content)
    else:
        np.save("pool.npy", content, allow_pickle=True)
    with pytest.raises((SpecError, SolverError), match=error):
        amb.solver(pool, SPACE, budget=30, seed=1)

import contextlib
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from amb import Space
from amb.contracts.generator import Grid
from amb.contracts.problem import FunctionProblem
from amb.errors import CandidateError, SpecError

grids = st.builds(
    lambda levels, low, width, prior, grid: Space(np.array(levels), low=low, high=low + width, prior=prior, grid=grid),
    st.lists(st.integers(1, 70), min_size=1, max_size=6),
    st.floats(-10, 10),
    st.floats(0.1, 20),
    st.sampled_from(["normal", "uniform"]),
    st.just("even"),
)


@given(grids, st.integers(0, 2**32 - 1))
def test_decoding_then_rounding_is_the_identity(space: Space, seed: int) -> None:
    """Every grid point is nearest to its own coordinates."""
    points = space.sample(8, np.random.default_rng(seed))
    assert np.array_equal(points, space.nearest(space.decode(points)))


@given(st.integers(1, 300), st.integers(0, 99))
def test_quantile_levels_round_trip_and_increase(n: int, seed: int) -> None:
    """On the prior's quantiles too, levels are strictly ordered and nearest to themselves."""
    space = Space.uniform(3, n, low=-4.0, high=4.0, grid="quantile")
    points = space.sample(8, np.random.default_rng(seed))
    assert np.all(np.diff(space.axis(0)) > 0)
    assert np.array_equal(points, space.nearest(space.decode(points)))


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_nearest_is_no_farther_than_any_level(point: list[float]) -> None:
    space = Space.uniform(4, 9, low=-2.0, high=3.0)
    latent = np.array([point])
    chosen = space.decode(space.nearest(latent))
    for j in range(4):
        distances = np.abs(space.axis(j) - latent[0, j])
        assert abs(chosen[0, j] - latent[0, j]) <= distances.min() * (1 + 1e-12)


def test_the_papers_grid() -> None:
    """64 levels evenly in [-4, 4]; a uniform grid point is far off the prior's sphere (26 against 11.3)."""
    space = Space.uniform(128, 64)
    axis = space.axis(0)
    assert (axis[0], axis[-1]) == (-4.0, 4.0)
    assert np.allclose(np.diff(axis), 8 / 63)
    rng = np.random.default_rng(0)
    assert 25 < np.linalg.norm(space.decode(space.sample(500, rng)), axis=1).mean() < 27.5
    assert 11 < np.linalg.norm(space.decode(space.sample_prior(500, rng)), axis=1).mean() < 11.6


def test_a_uniform_point_of_the_quantile_grid_is_a_prior_draw() -> None:
    space = Space.uniform(128, 64, grid="quantile")
    norms = np.linalg.norm(space.decode(space.sample(500, np.random.default_rng(0))), axis=1)
    assert 10.8 < norms.mean() < 11.6


def test_categorical_coordinates_are_the_codes() -> None:
    space = Space.uniform(2, 512, kind="categorical")
    assert np.array_equal(space.decode(np.array([[3, 511]])), [[3.0, 511.0]])


WRONG: list[tuple[ArrayLike, str]] = [
    (np.zeros((2, 5), dtype=int), "shape"),
    (np.zeros(4, dtype=int), "shape"),
    (np.zeros((2, 4)), "integers"),
    (np.full((1, 4), 8), "0..7"),
    (np.full((1, 4), -1), "0..7"),
    (np.zeros((1, 4), dtype=bool), "integers"),
    ([[0, 0, 0, 0], [0]], "shape"),
    (None, "got None"),  # type: ignore[list-item]
    ("hello", "got .hello."),
]


@pytest.mark.parametrize(("candidates", "says"), WRONG)
@pytest.mark.parametrize("call", ["check", "decode", "latents", "numbered latents", "evaluate", "images"])
def test_whatever_a_user_calls_refuses_wrong_candidates_and_evaluates_nothing(
    call: str, candidates: ArrayLike, says: str
) -> None:
    """Only internal calls, behind a check, skip it."""
    space = Space.uniform(4, 8)
    shown: list[np.ndarray] = []

    def respond(rows: np.ndarray) -> np.ndarray:
        shown.append(rows)
        return np.zeros(len(rows))

    problem = FunctionProblem(respond, space, id="test/blank")
    calls = {
        "check": space.check,
        "decode": space.decode,
        "latents": Grid(space).latents,
        "numbered latents": Grid(space, np.arange(8)).latents,
        "evaluate": problem.evaluate,
        "images": problem.images,
    }
    with pytest.raises(CandidateError, match=says):
        calls[call](candidates)
    assert not shown


@given(grids, st.integers(0, 2**32 - 1))
def test_checked_candidates_decode_to_the_same_latents(space: Space, seed: int) -> None:
    """Skipping the check changes no bit of a valid candidate's latents."""
    points = space.sample(8, np.random.default_rng(seed))
    np.testing.assert_array_equal(space.decode_checked(points), space.decode(points))
    np.testing.assert_array_equal(Grid(space).latents_checked(points), Grid(space).latents(points))


@pytest.mark.parametrize(
    "levels", [np.array([]), np.array([[2]]), np.array([2.0]), np.array([0, 3]), np.ma.array([4], mask=[1])]
)
def test_wrong_levels_are_refused(levels: np.ndarray) -> None:
    with pytest.raises(SpecError, match="levels"):
        Space(levels)
    with pytest.raises(SpecError, match="low must be a number"):
        Space(np.array([4]), low=np.complex128(1j))  # type: ignore[arg-type]


@pytest.mark.parametrize("grid", ["even", "quantile"])
def test_levels_between_levels_round_to_the_nearer(grid: str) -> None:
    """Level 2.4 is rounded to level 2, on any grid; beyond the ends, to the ends."""
    space = Space(np.array([7, 1, 64]), grid=grid)
    numbers = np.array([[2.4, 0.3, 30.6], [-3.0, 5.0, 99.0], [6.0, 0.0, 0.49]])
    np.testing.assert_array_equal(space.nearest(space.between(numbers)), [[2, 0, 31], [0, 0, 63], [6, 0, 0]])


def test_what_is_checked_is_what_is_returned_while_a_thread_writes() -> None:
    """A solver may own the array that it returned, and go on writing into it."""
    space, rows = Space.uniform(6, 16), np.zeros((100_000, 6), np.int64)
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            rows[:] = -1
            rows[:] = 0

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            with contextlib.suppress(CandidateError):
                assert space.check(rows).min() == 0
    finally:
        done.set()
        writer.join()


def test_nan_latents_are_refused() -> None:
    with pytest.raises(CandidateError, match="NaN"):
        Space.uniform(2, 8).nearest([[np.nan, 0.0]])


@pytest.mark.parametrize(
    "given",
    [
        np.array([[1 + 5j, 0]]),
        np.array([["1_0", "2"]]),
        np.array([["1_0", 2]], dtype=object),
        np.array([[None, 2]]),
        np.array([[1, 2]], dtype="datetime64[s]"),
        np.array([[True, False]]),
        np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]]),
        [np.ma.masked_array([1.0, 2.0], mask=[True, False])],
    ],
    ids=repr,
)
def test_latents_are_real_numbers(given: object) -> None:
    """The imaginary part was thrown away, and texts were read as numbers."""
    space = Space.uniform(2, 8)
    for take in (space.nearest, space.between):
        with pytest.raises(CandidateError, match=r"real numbers|masked"):
            take(given)  # type: ignore[arg-type]


def test_a_space_cannot_be_changed() -> None:
    space = Space.uniform(2, 8)
    with pytest.raises(ValueError, match="read-only"):
        space.levels[0] = 3

"""A plain function goes straight into a comparison, and an edited one is never confused with its predecessor."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import amb
from amb.errors import AmbError, CandidateError, SpecError

BOX = [(-2, 2)] * 3
OTHER_BOX = [(0, 1), (-5, 5), (100, 200)]


def bump(point: np.ndarray) -> float:
    return float(np.exp(-np.square(point - 0.5).sum()))


def scaled(point: np.ndarray, factor: float = 1.0) -> float:
    return factor * bump(point)


def test_a_function_is_compared_in_one_call(tmp_path: Path) -> None:
    """With the bounds of its points; a second call repeats nothing. Four calls are those of its trial."""
    calls = []

    def counted(point: np.ndarray) -> float:
        calls.append(point)
        return bump(point)

    problem = partial(amb.objective, counted, BOX, version="1")
    found = amb.compare("snes,random", bump, bounds=BOX, budget=60, seeds=2, study=tmp_path / "a")
    assert set(found.runs["problem"]) == {"bump"}
    assert found.runs["final"].max() > 0.8
    for _ in range(2):
        amb.compare("random", problem(), budget=20, seeds=1, study=tmp_path / "b")
        assert len(calls) == 4 + 20


def test_every_coordinate_has_its_own_bounds() -> None:
    seen = []
    problem = amb.objective(lambda point: seen.append(point) or 0.0, OTHER_BOX, levels=5, name="mine")
    problem.evaluate(np.array([[0, 0, 0], [4, 4, 4], [2, 1, 2]]))
    np.testing.assert_allclose(seen, [[0, -5, 100], [1, 5, 200], [0.5, -2.5, 150]])


def test_equal_bounds_are_the_latents_of_the_space() -> None:
    """So a solver that works in the latent box works in the user's own coordinates."""
    space = amb.objective(bump, BOX, levels=[3, 4, 5]).space
    assert (space.low, space.high, space.prior) == (-2, 2, "uniform")
    assert space.levels.tolist() == [3, 4, 5]


def test_minimizing_negates_and_vectorized_takes_many() -> None:
    candidates = np.array([[0, 1, 2], [3, 3, 3]])
    one = amb.objective(bump, BOX, levels=4).evaluate(candidates)
    low = amb.objective(bump, BOX, levels=4, minimize=True).evaluate(candidates)
    many = amb.objective(lambda points: np.exp(-np.square(points - 0.5).sum(axis=1)), BOX, levels=4, vectorized=True)
    np.testing.assert_array_equal(low, -one)
    np.testing.assert_allclose(many.evaluate(candidates), one)


def test_a_failed_query_is_nan() -> None:
    assert np.isnan(amb.objective(lambda point: np.nan, BOX).evaluate(np.zeros((1, 3), int))).all()


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ([], "pairs, one per coordinate"),
        ([(0, 1, 2)], "pairs, one per coordinate"),
        ("narrow", "pairs, one per coordinate"),
        ([(1, 0)], "first number below its second"),
        ([(0, np.inf)], "must be finite"),
        ([(-1e308, 1e308), (0, 1)], "within 1e\\+100 of 0"),
        ([("0", "1_0")], "pairs, one per coordinate"),
        (np.array([["2020", "2021"]], dtype="datetime64[Y]"), "pairs, one per coordinate"),
        (np.ma.masked_array([[0.0, 1.0]], mask=[[0, 1]]), "pairs, one per coordinate"),
        ([(0, 1 + 0j)], "pairs, one per coordinate"),
    ],
)
def test_bad_bounds_are_refused(bounds: object, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        amb.objective(bump, bounds)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"one for each coordinate, got \[\[8\]"):
        amb.objective(bump, [(0, 1)] * 2, levels=[[8], [8, 9]])  # type: ignore[arg-type]


def test_what_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"say where, as in amb.compare\(..., bounds="):
        amb.compare("random", bump, study=tmp_path)
    with pytest.raises(SpecError, match="bounds belong to a function"):
        amb.compare("random", "quick", bounds=BOX, study=tmp_path)
    with pytest.raises(SpecError, match="levels for 3 coordinates"):
        amb.objective(bump, BOX, levels=[3, 4])
    with pytest.raises(CandidateError, match="must return a number"):
        amb.objective(lambda point: "high", BOX).evaluate(np.zeros((1, 3), int))
    with pytest.raises(CandidateError, match="must return 2 numbers"):
        amb.objective(lambda points: np.zeros(3), BOX, vectorized=True).evaluate(np.zeros((2, 3), int))
    with pytest.raises(AmbError, match="bad spec"):
        amb.objective(bump, BOX, name="my function")


@pytest.mark.parametrize("value", ["1_0", "٣", b"1", 1j, np.datetime64("2026-01-01"), None, object()])
def test_what_only_python_reads_as_a_number_is_none(value: object) -> None:
    with pytest.raises(CandidateError, match="must return a number"):
        amb.objective(lambda point: value, BOX).evaluate(np.zeros((1, 3), int))


@pytest.mark.parametrize("value", [1.5e100, -1e200])
def test_numbers_that_tests_cannot_use_are_refused_and_infinity_is_a_failed_query(value: float) -> None:
    with pytest.raises(CandidateError, match=r"need at most 1e\+100"):
        amb.objective(lambda point: value, BOX).evaluate(np.zeros((1, 3), int))
    failed = amb.objective(lambda point: np.inf, BOX).evaluate(np.zeros((1, 3), int))
    assert np.isnan(np.asarray(failed, dtype=float)).all() or np.isinf(np.asarray(failed, dtype=float)).all()


def test_a_changed_function_makes_new_runs() -> None:
    """Its code, its defaults, what it calls and captures, and how it is read: all are in the fingerprint."""
    prints = {
        amb.objective(function, bounds, **options).fingerprint  # type: ignore[arg-type]
        for function, bounds, options in [
            (bump, BOX, {}),
            (bump, OTHER_BOX, {}),
            (bump, BOX, {"minimize": True}),
            (bump, BOX, {"levels": 16}),
            (bump, BOX, {"version": "2"}),
            (scaled, BOX, {"name": "bump"}),
            (partial(scaled, factor=2.0), BOX, {"name": "bump"}),
        ]
    }
    assert len(prints) == 7
    assert amb.objective(bump, BOX).fingerprint == amb.objective(bump, BOX).fingerprint


class Unfriendly:
    """Raises for every attribute that it lacks."""

    def __call__(self, point: np.ndarray) -> float:
        return bump(point)

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"there is no {name}")


def test_an_object_that_raises_when_looked_at_is_refused_in_a_line() -> None:
    """Whether it has changed cannot be told, unless its user says so."""
    with pytest.raises(SpecError, match=r"there is no .*give a version"):
        amb.objective(Unfriendly(), BOX)
    assert amb.objective(Unfriendly(), BOX, version="1").id.startswith("Unfriendly")


def test_the_integer_type_of_levels_makes_no_other_problem() -> None:
    """Numbers that were read on another system, or by pandas, may be narrower; stored runs were not found again."""
    told = {
        amb.objective(str, [(0, 1)] * 3, levels=levels, version="1").fingerprint  # type: ignore[arg-type]
        for levels in (64, [64] * 3, np.array([64] * 3, np.int32), np.array([64] * 3, np.uint16))
    }
    assert len(told) == 1


def test_a_function_may_have_any_name_of_python() -> None:
    """`réponse` was called a bad spec, as if its user had written one."""

    def réponse(point: np.ndarray) -> float:
        return float(point.sum())

    assert amb.objective(réponse, BOX).id == "r+0000e9ponse"

"""The white-box reference: it climbs slopes, says what it needs, and is never ranked."""

from pathlib import Path

import numpy as np
import pytest

import amb
from amb import Space
from amb.catalogue.solvers import resolve
from amb.errors import SolverError, SpecError
from amb.testing.grid import Slope
from amb.testing.subject import drive, rows

SPACE = Space.uniform(40, 64)


def test_it_climbs_faster_than_anything_blind() -> None:
    """On 40 dimensions a peak at level 2 is found in 200 queries, as every query has a slope."""
    problem = Slope(SPACE)

    def best(spec: str) -> float:
        solver = resolve(spec).start(problem, budget=200, seed=0)
        drive(solver, lambda c: problem.gradient(SPACE.decode(c))[0])
        return float(problem.gradient(SPACE.decode(solver.recommend()[None]))[0][0])

    assert best("gradient[rate=0.5,steps=20]") > 0.9
    assert best("cma") < 0.1


def test_every_gradient_is_taken_where_a_query_was_made() -> None:
    """No gradient is free: a run of n queries takes fewer than n gradients, at its own unrounded points."""
    queried: list[np.ndarray] = []
    climbed: list[np.ndarray] = []

    class Counting(Slope):
        def gradient(self, latents):  # type: ignore[no-untyped-def]
            climbed.extend(np.asarray(latents))
            return super().gradient(latents)

    solver = resolve("gradient[k=3,draws=5,steps=4]").start(Counting(SPACE), budget=50, seed=0)
    while solver.remaining:
        candidates = solver.ask()
        queried.extend(solver._proposed)
        solver.tell(candidates, np.arange(len(candidates)))
    assert 0 < len(climbed) < len(queried)
    known = {point.tobytes() for point in queried}
    assert all(point.tobytes() in known for point in climbed)


def test_a_round_ends_and_another_begins_from_new_draws() -> None:
    solver = resolve("gradient[k=2,draws=5,steps=3]").start(Slope(SPACE), budget=22, seed=0)
    sizes = [len(candidates) for candidates, _ in drive(solver)]
    assert sizes == [5, 2, 2, 2] * 2
    assert len(np.unique(rows(drive(resolve("gradient").start(Slope(SPACE, 0.0), budget=200, seed=0))), axis=0)) == 200


def test_without_a_problem_or_its_gradients_it_says_so() -> None:
    blind = amb.FunctionProblem(lambda c: c.sum(1), SPACE, id="a/b/c/0")
    with pytest.raises(SolverError, match="attach"):
        amb.solver("gradient", SPACE, budget=10).ask()
    with pytest.raises(SolverError, match="a/b/c/0 has no gradients"):
        resolve("gradient").start(blind, budget=10, seed=0)


@pytest.mark.parametrize("options", ["k=0", "k=40", "steps=0", "rate=0"])
def test_bad_options(options: str) -> None:
    with pytest.raises(SpecError, match="expected"):
        amb.solver(f"gradient[{options}]", SPACE, budget=10)


@pytest.mark.usefixtures("one_thread")
def test_it_is_shown_below_the_table_of_a_real_comparison(tmp_path: Path) -> None:
    """It runs on a spiking network; alone or as the control it is refused before anything runs."""
    problem = "cifar10-sngan/snn-cnn/sn1/5"
    with pytest.raises(SpecError, match="never ranked"):
        amb.compare("gradient", problem, budget=8, seeds=1, study=tmp_path)
    with pytest.raises(SpecError, match="control"):
        amb.compare("gradient,random", problem, budget=8, seeds=1, study=tmp_path, control="gradient")
    found = amb.compare("gradient[draws=8],random", problem, budget=24, seeds=1, study=tmp_path)
    assert list(found.ranking["solver"]) == ["random"]
    assert list(found.analysis.table["solver"]) == ["random", "gradient[draws=8]"]
    assert set(found.runs["solver"]) == {"random", "gradient[draws=8]"}
    assert "random alone" in found.verdict

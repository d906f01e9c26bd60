"""Problems of `amb` for other packages: each evaluates the same grid points, and keeps what was evaluated."""

import numpy as np
import pytest

import amb
from amb import FunctionProblem, Space
from amb.errors import BudgetExhausted, CandidateError, SpecError
from amb_problems.adapters import as_callable, as_ioh, as_nevergrad, as_optuna

SPACE = Space.uniform(4, 9)
CODES = Space(np.array([5, 3, 4]), kind="categorical")


def mean(candidates: np.ndarray) -> np.ndarray:
    return candidates.mean(axis=1) / 8


def sometimes_failing(candidates: np.ndarray) -> np.ndarray:
    return np.where(candidates[:, 0] == 0, np.nan, mean(candidates))


def problem(function=mean, space: Space = SPACE) -> FunctionProblem:  # type: ignore[no-untyped-def]
    return FunctionProblem(function, space, id="mine/mean/only/0")


def test_a_callable_rounds_evaluates_and_records() -> None:
    function = as_callable(problem())
    assert function.bounds == [(-4.0, 4.0)] * 4
    assert function([4, 4, 4, 4]) == 1.0
    np.testing.assert_array_equal(function([[-9, -4, -4, -4], [0.4, 0, 0, 0]]), [0.0, 0.5])
    assert function.candidates.tolist() == [[8] * 4, [0] * 4, [4] * 4]
    assert function.values.tolist() == [1.0, 0.0, 0.5]
    assert function.best.tolist() == [8] * 4
    assert as_callable(problem(), minimize=True)([4, 4, 4, 4]) == -1.0


def test_a_callable_of_codes_takes_their_numbers() -> None:
    function = as_callable(problem(space=CODES))
    assert function.bounds == [(0, 4), (0, 2), (0, 3)]
    function([3.6, -1, 9])
    assert function.candidates.tolist() == [[4, 0, 3]]


def test_a_callable_keeps_to_its_budget() -> None:
    function = as_callable(problem(), budget=3)
    function(np.zeros((2, 4)))
    with pytest.raises(BudgetExhausted, match="budget of 3"):
        function(np.zeros((2, 4)))
    assert function.queries == 2
    with pytest.raises(SpecError, match="at least 1"):
        as_callable(problem(), budget=0)
    with pytest.raises(CandidateError, match=r"\[n, 4\]"):
        function([0, 0])


def test_a_callable_observes_what_solvers_observe() -> None:
    """With noise, a query's number counts, as in a script that evaluates the problem."""
    noisy = "cifar10-sngan/snn-cnn/sn1/29[noise=poisson,spikes=20,lost=0.3]"
    points = np.random.default_rng(0).normal(size=(20, 128))
    function = as_callable(noisy)
    again = amb.problem(noisy)
    np.testing.assert_array_equal(function(points), again.evaluate(again.space.nearest(points)))
    assert np.isnan(function.values).any()
    assert np.isfinite(function.values[(function.candidates == function.best).all(axis=1)]).all()


def test_without_a_success_there_is_no_best() -> None:
    with pytest.raises(SpecError, match="no evaluation has succeeded"):
        _ = as_callable(problem()).best


def test_scipy_takes_the_callable() -> None:
    from scipy.optimize import dual_annealing

    function = as_callable(problem(), minimize=True)
    found = dual_annealing(function, function.bounds, maxfun=200, rng=1)
    assert found.fun == -function.values.max() < -0.8


def test_ioh_counts_logs_and_maximizes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ioh = pytest.importorskip("ioh")
    made = as_ioh(problem(sometimes_failing))
    logger = ioh.logger.Analyzer(root=str(tmp_path), folder_name="log")
    made.attach_logger(logger)
    assert (made.meta_data.n_variables, made.bounds.lb[0], made.bounds.ub[0]) == (4, -4, 4)
    assert made.meta_data.optimization_type == ioh.OptimizationType.MAX
    assert [made([-4, 4, 4, 4]), made([0] * 4), made([4] * 4)] == [0.0, 0.5, 1.0]
    assert (made.state.evaluations, made.state.current_best.y) == (3, 1.0)
    logger.close()
    assert any(file.suffix == ".json" for file in (tmp_path / "log").iterdir())
    assert as_ioh(problem())([4] * 4) == 1.0  # a second one of the same problem


@pytest.mark.parametrize("space", [SPACE, CODES], ids=["ordinal", "categorical"])
def test_optuna_optimizes_it(space: Space) -> None:
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    objective = as_optuna(problem(sometimes_failing, space))
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=60)
    assert study.best_value == objective.function.values[~np.isnan(objective.function.values)].max()
    assert [study.best_params[str(j)] for j in range(space.d)] == objective.function.best.tolist()
    failed = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.FAIL]
    assert len(failed) == np.isnan(objective.function.values).sum()


@pytest.mark.parametrize("space", [SPACE, CODES], ids=["ordinal", "categorical"])
def test_nevergrad_minimizes_it(space: Space) -> None:
    import nevergrad as ng

    experiment = as_nevergrad(problem(sometimes_failing, space))
    experiment.parametrization.random_state.seed(0)
    ng.optimizers.OnePlusOne(experiment.parametrization, budget=80).minimize(experiment)
    values = experiment.function_of_amb.values
    assert len(values) == 80
    assert np.nanmax(values) > 0.8 * mean(space.levels[None] - 1)[0]
    assert experiment.copy().parametrization.dimension == experiment.parametrization.dimension


@pytest.mark.parametrize("point", [["1", "2", "1_0"], [1 + 4j, 2, 3], np.ma.masked_less([1.0, 2, 3], 2)])
def test_a_callable_takes_real_numbers_only(point: object) -> None:
    """Complex steps would be cut off, and what is behind a mask would count."""
    function = as_callable(problem(space=Space.uniform(3, 9)))
    with pytest.raises(ValueError, match="expected real numbers"):
        function(point)
    assert function.queries == 0

"""The inception loop: what it knows, what it finds, and what it does where there is nothing to see."""

from pathlib import Path

import numpy as np
import pytest
import torch

import amb
from amb import FunctionProblem, Space
from amb.catalogue.solvers import resolve
from amb.errors import AmbError, SolverError, SpecError
from amb_solvers.image_seeing.ascent import within
from amb_solvers.image_seeing.banks import GaborColour, RandomConvolutions, gabor_filters
from amb_solvers.image_seeing.features import Features
from amb_solvers.image_seeing.regression import Regression
from amb_solvers.shared.tuning_units import SUITES, tuning_units

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = Space.uniform(64, 16)
BAR = np.zeros((8, 8))
BAR[:, 3] = 1.0
BAR[:, 4] = -1.0


def respond(candidates: np.ndarray) -> np.ndarray:
    """A neuron that likes an edge: light on the left of the middle, dark on the right."""
    drive = (candidates.reshape(-1, 8, 8) / 15 * BAR).sum(axis=(1, 2)) / 8
    return np.maximum(drive, 0.0)


def run(solver: str, problem: amb.Problem, *, budget: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, amb.Solver]:
    one = resolve(solver).start(problem, budget=budget, seed=seed)
    asked, values = [], []
    while one.remaining:
        candidates = one.ask()
        asked.append(candidates)
        values.append(problem.evaluate(candidates))
        one.tell(candidates, values[-1])
    return np.concatenate(asked), np.concatenate(values), one


def edge(**options: object) -> FunctionProblem:
    return FunctionProblem(respond, SPACE, id="a/b/edge/0", **options)  # type: ignore[arg-type]


def test_it_finds_an_edge_by_screening_where_random_draws_do_not() -> None:
    """The generator is a plain function without slopes: eight by eight grey pixels."""
    _, values, _ = run("inception-loop[pool=300]", edge(), budget=80)
    _, blind, _ = run("random-prior", edge(), budget=80)
    assert values.max() > 1.3 * blind.max()


@pytest.mark.parametrize("problem", ["cifar10-sngan/small-mean-a/sn1/2", "cifar10-vqvae/small-mean-a/sn1/2"])
def test_on_networks_fifty_queries_beat_fifty_draws_by_far(problem: str) -> None:
    """Along gradients through an SN-GAN, by exchanging codes of a VQ-VAE without order."""
    found = amb.problem(problem)
    _, values, _ = run("inception-loop[pool=200]", found, budget=50)
    blind = found.evaluate(found.space.sample_prior(500, np.random.default_rng(1)))
    assert values.max() > blind.max()
    assert np.median(values[-16:]) > blind.max()


def test_two_runs_with_one_seed_are_the_same_and_pool_draws_come_first() -> None:
    first, _, _ = run("inception-loop[pool=100]", edge(), budget=40)
    again, _, _ = run("inception-loop[pool=100]", edge(), budget=40)
    assert np.array_equal(first, again)
    assert len(np.unique(first, axis=0)) == len(first), "no image is shown twice"


def test_under_noise_it_recommends_by_the_posterior_mean() -> None:
    """Over seeds, the recommendation is better than the luckiest measurement."""
    by_mean, by_luck = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        solver = resolve("inception-loop[pool=200,steps=3]").start(edge(), budget=64, seed=seed)
        asked, values = [], []
        while solver.remaining:
            candidates = solver.ask()
            asked.append(candidates)
            values.append(respond(candidates) + rng.normal(0, 0.05, len(candidates)))
            solver.tell(candidates, values[-1])
        rows, told = np.concatenate(asked), np.concatenate(values)
        by_mean.append(respond(solver.recommend()[None])[0])
        by_luck.append(respond(rows[told.argmax()][None])[0])
    assert np.mean(by_mean) > np.mean(by_luck)


def test_a_silent_neuron_is_shown_stronger_images_than_draws() -> None:
    """With nothing but zeros there is nothing to regress: the climbs follow draws of the prior over features."""
    silent = FunctionProblem(lambda rows: np.zeros(len(rows)), SPACE, id="a/b/silent/0")
    asked, _, solver = run("inception-loop[pool=200]", silent, budget=64)
    contrast = asked.std(axis=1)
    assert contrast[16:].mean() > contrast[:16].mean()
    SPACE.check(solver.recommend()[None])


def test_a_needle_is_found_once_it_responds() -> None:
    """Most of the neuron's responses are zero, as those of a class output."""
    sparse = FunctionProblem(lambda rows: np.maximum(respond(rows) - 0.05, 0.0), SPACE, id="a/b/needle/0")
    _, values, _ = run("inception-loop[pool=300]", sparse, budget=80)
    assert (values[:16] == 0).mean() > 0.5
    assert values.max() > 2 * values[:16].max()


def test_features_of_the_network_that_is_searched_are_refused() -> None:
    problem = amb.problem("cifar10-sngan/ann-resnet/relu/3")
    with pytest.raises(SolverError, match="uses the weights of ann-resnet"):
        resolve("inception-loop[features=gabor+ann-resnet]").start(problem, budget=20, seed=0)


def test_a_plain_network_s_features_are_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shipped one by its name, and a module of the user's own."""
    (tmp_path / "own_features.py").write_text(
        "import torch\n\n\ndef network():\n    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    problem = amb.problem("cifar10-sngan/small-mean-a/sn1/2")
    for features in ("ann-alexnet", "own_features.network"):
        _, values, _ = run(f"inception-loop[features={features},pool=32,steps=2]", problem, budget=24)
        assert np.isfinite(values).all()


@pytest.mark.parametrize("features", ["ann-resnt", "snn-cnn", "mnist-snn"])
def test_networks_without_maps_or_of_other_images_are_refused_in_a_line(features: str) -> None:
    problem = amb.problem("cifar10-sngan/small-mean-a/sn1/2")
    solver = resolve(f"inception-loop[features={features},pool=16]").start(problem, budget=20, seed=0)
    with pytest.raises(AmbError, match=features):
        solver.ask()


BAD = ("k=0", "means=8", "steps=0", "rate=0", "start=0", "start=50,pool=40", "features=+")


@pytest.mark.parametrize("options", BAD)
def test_bad_options(options: str) -> None:
    with pytest.raises(SpecError):
        amb.solver(f"inception-loop[{options}]", SPACE, budget=10)


def test_the_regression_finds_which_group_of_features_matters_and_how_much_noise_there_is() -> None:
    rng = np.random.default_rng(0)
    features = (rng.standard_normal((150, 40)) / np.sqrt(20)).astype(np.float32)
    values = features[:, :20] @ rng.standard_normal(20) * 3 + rng.normal(0, 0.5, 150)
    model = Regression([slice(0, 20), slice(20, 40)])
    model.add(features[:70], values[:70])
    model.add(features[70:], values[70:])
    model.fit()
    assert model._variances[0] > 10 * model._variances[1]
    assert model.noise * values.var() == pytest.approx(0.25, rel=0.4)
    fresh = (rng.standard_normal((200, 40)) / np.sqrt(20)).astype(np.float32)
    draws = model.draws(200, rng) @ fresh.T
    assert np.corrcoef(draws.mean(axis=0), model.mean() @ fresh.T)[0, 1] > 0.98, "draws scatter around the mean"


def test_the_gradient_of_the_marginal_likelihood_is_its_slope() -> None:
    rng = np.random.default_rng(0)
    model = Regression([slice(0, 5), slice(5, 9)])
    model.add(rng.standard_normal((30, 9)).astype(np.float32), rng.standard_normal(30))
    model.fit()
    at, step = np.array([-0.5, 0.3, -1.0]), 1e-5
    _, slopes = model._loss(at)
    for j in range(3):
        ends = [model._loss(at + sign * step * np.eye(3)[j])[0] for sign in (1, -1)]
        assert slopes[j] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_slopes_of_features_are_those_of_their_values() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    features = Features([RandomConvolutions(torch.from_numpy(images).float()), GaborColour()], images)
    weights = rng.standard_normal((2, features.sample.shape[1])).astype(np.float32)
    pixels = images[:2].astype(np.float32)
    slopes = features.slope(pixels, weights)
    assert slopes.shape == pixels.shape
    step = 0.05 * np.sign(slopes)

    def score(shown: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            raw = features._vector(torch.from_numpy(shown)) - features._mean
        return ((raw * features._scale).numpy() * weights).sum(axis=1)

    gained = score(pixels + step) - score(pixels - step)
    assert gained == pytest.approx(2 * (step * slopes).sum(axis=(1, 2, 3)), rel=0.1)


def test_gabor_filters_have_no_mean_and_unit_norm() -> None:
    filters = gabor_filters()
    assert np.allclose(filters.mean(axis=(1, 2)), 0, atol=1e-12)
    assert np.allclose(np.linalg.norm(filters, axis=(1, 2)), 1)


def test_latents_stay_where_the_generator_was_trained() -> None:
    space = Space.uniform(100, 64)
    far = within(space, np.full((1, 100), 3.9))
    assert np.linalg.norm(far) == pytest.approx(12.5)


def test_the_units_for_tuning_are_in_no_suite_and_on_no_held_out_network() -> None:
    """Development and validation are apart, too; the draw is repeated by the same rule."""
    from amb.catalogue.problems import expand
    from amb.catalogue.suites import suite_names
    from amb.spec import ProblemId

    development, validation = tuning_units()
    assert (development, validation) == tuning_units()

    def units(ids: list[str]) -> set[tuple[str, str, str]]:
        parts = [ProblemId.parse(one) for one in ids]
        return {(part.target, part.layer, unit) for part in parts for unit in part.unit.split("+")}

    assert not units(development) & units(validation)
    suites = units([problem for name in suite_names() for problem in expand(name)])
    assert not (units(development) | units(validation)) & suites
    held_out = {target for target, _, _ in units(expand("networks-held-out"))}
    assert not {target for target, _, _ in units(development + validation)} & held_out
    assert set(SUITES) <= set(suite_names())

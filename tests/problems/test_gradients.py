import numpy as np
import pytest

from amb import Space
from amb.catalogue.problems import problem
from amb.contracts.problem import FunctionProblem
from amb.errors import CandidateError, SpecError

pytestmark = pytest.mark.usefixtures("one_thread")
UNITS = ("snn-cnn/sn1/5", "ann-resnet/layer1.0.relu/3", "ann-resnet/prob/3")


def latents_of(made, n: int = 3) -> np.ndarray:
    return made.space.decode(made.space.sample_prior(n, np.random.default_rng(0)))


@pytest.mark.parametrize("unit", UNITS)
def test_a_gradient_does_not_depend_on_its_batch(unit: str) -> None:
    """A white-box search that is resumed, or that asks for one point, sees the same bits."""
    made = problem(f"cifar10-sngan/{unit}")
    latents = latents_of(made)
    values, slopes = made.gradient(latents)
    alone = made.gradient(latents[1:2])
    assert values.shape == (3,)
    assert slopes.shape == (3, 128)
    assert np.array_equal(alone[0], values[1:2])
    assert np.array_equal(alone[1], slopes[1:2])


def test_a_gradient_at_numbers_that_are_not_real_is_refused() -> None:
    made = problem(f"cifar10-sngan/{UNITS[0]}")
    with pytest.raises(CandidateError, match="latents must be real numbers, got complex128"):
        made.gradient(latents_of(made, 1) + 1j)


@pytest.mark.parametrize("unit", UNITS[:2])
def test_a_step_along_the_gradient_excites_the_unit_more(unit: str) -> None:
    """Measured exactly, on the grid: the relaxation points where the unit's own activation rises."""
    made = problem(f"cifar10-sngan/{unit}")
    latents = latents_of(made, 4)
    _, slopes = made.gradient(latents)
    steps = latents + slopes / np.linalg.norm(slopes, axis=1, keepdims=True)
    before, after = (made.evaluate(made.space.nearest(z)) for z in (latents, steps))
    assert after.mean() > before.mean()


def test_the_relaxation_of_a_plain_network_is_its_activation() -> None:
    made = problem("cifar10-sngan/ann-resnet/layer1.0.relu/3")
    latents = latents_of(made)
    values, _ = made.gradient(latents)
    assert values == pytest.approx(made.evaluate(made.space.nearest(latents)), abs=1e-3)


def test_images_from_anywhere_are_answered_by_many_units_at_once() -> None:
    ids = [f"cifar10-sngan/snn-cnn/{unit}" for unit in ("sn1/5", "out/3", "sn1/2")]
    problems = [problem(spec) for spec in ids]
    batch = problems[0].space.sample_prior(5, np.random.default_rng(1))
    table = type(problems[0]).respond_together(problems, problems[0].images(batch))
    assert np.array_equal(table, np.stack([p.evaluate(batch) for p in problems], axis=1))


def test_a_problem_without_gradients_says_so() -> None:
    bowl = FunctionProblem(lambda candidates: candidates.sum(1), Space.uniform(2, 3), id="a/b/c/0")
    with pytest.raises(SpecError, match="no gradients"):
        bowl.gradient(np.zeros((1, 2)))
    with pytest.raises(SpecError, match="its own candidates only"):
        type(bowl).respond_together([bowl], np.zeros((1, 2, 2, 1), np.uint8))

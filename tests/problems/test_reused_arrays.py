"""Code written elsewhere may use its arrays again, and change what it is given; each candidate keeps its own value."""

from types import MappingProxyType

import numpy as np
import pytest

import amb
from amb.errors import PluginError


class Bars(amb.Generator):
    """Images of one grey level, all in one array; the latents are used up."""

    name, latent_dim, shape, fingerprint = "bars", 3, (32, 32, 3), "1"

    def __init__(self) -> None:
        self.out = np.empty((self.CHUNK, 32, 32, 3), np.uint8)

    def _render(self, latents):  # type: ignore[no-untyped-def]
        latents *= 40
        self.out[:] = np.clip(128 + latents, 0, 255)[:, None, None, :]
        return self.out


class AllAtOnce(Bars):
    """Renders all chunks into the array of one."""

    def _render_all(self, chunks):  # type: ignore[no-untyped-def]
        return [self._render(chunk) for chunk in chunks]


class Retina(amb.Target):
    """A unit responds with the mean of one colour: all in one array, and in the images' own memory."""

    name, shape, fingerprint = "retina", (32, 32, 3), "1"
    layers = MappingProxyType({"a": 3})  # type: ignore[assignment]

    def __init__(self) -> None:
        self.out = np.empty(100)

    def activations(self, images, units):  # type: ignore[no-untyped-def]
        """The means, after the image is darkened."""
        images //= 2
        self.out[: len(images)] = [image[..., unit].mean() for image, (_, unit) in zip(images, units, strict=True)]
        return self.out[: len(images)]


def _one_by_one(problem: amb.Problem, candidates: np.ndarray) -> np.ndarray:
    return np.array([problem.evaluate(candidate[None])[0] for candidate in candidates])


def test_a_generator_may_render_into_one_array() -> None:
    """Beyond one chunk, all images but the last chunk's were those of the last."""
    problem = amb.target(Retina()).problem(Bars(), 1, layer="a")
    problem.warm_up()
    candidates = problem.space.sample(2 * Bars.CHUNK + 3, np.random.default_rng(0))
    np.testing.assert_array_equal(problem.evaluate(candidates), _one_by_one(problem, candidates))
    alone = np.concatenate([problem.images(candidate[None]) for candidate in candidates])
    np.testing.assert_array_equal(problem.images(candidates), alone)


def test_a_generator_that_mixes_chunks_is_refused() -> None:
    """What it returns for all chunks at a time cannot be copied in between: the trial shows it two of them."""
    with pytest.raises(PluginError, match="another image in a batch with others"):
        amb.target(Retina()).problem(AllAtOnce(), 1, layer="a").warm_up()


def test_a_target_may_respond_in_one_array_and_in_the_images_memory() -> None:
    """The mean of a group was the last unit's, and every unit saw what the one before had left of the image."""
    target = amb.target(Retina())
    units = [target.problem("toy", unit, layer="a") for unit in range(3)]
    group = target.problem("toy", [0, 1, 2], layer="a")
    group.warm_up()
    candidates = group.space.sample(4, np.random.default_rng(0))
    alone = [_one_by_one(unit, candidates) for unit in units]
    np.testing.assert_allclose(group.evaluate(candidates), np.mean(alone, axis=0), rtol=1e-15)
    together = type(group).evaluate_together(units, [candidates] * 3)
    np.testing.assert_array_equal(together.values, alone)
    images = group.images(candidates)
    shown = images.copy()
    np.testing.assert_array_equal(type(group).respond_together(units, images), np.transpose(alone))
    np.testing.assert_array_equal(images, shown)


def test_a_function_may_return_one_array_again_and_again() -> None:
    """Each run was told the values of the run that was evaluated last, and one image was shown for all."""
    values, pictures = np.empty(64), np.empty((64, 4, 4, 3), np.uint8)

    def function(candidates):  # type: ignore[no-untyped-def]
        values[: len(candidates)] = candidates.sum(axis=1)
        candidates[:] = 0
        return values[: len(candidates)]

    def render(candidates):  # type: ignore[no-untyped-def]
        pictures[: len(candidates)] = candidates.sum(axis=1)[:, None, None, None]
        return pictures[: len(candidates)]

    space = amb.Space.uniform(5, 16)
    problem = amb.FunctionProblem(function, space, id="my/sum/only/0", render=render)
    batches = list(space.sample(12, np.random.default_rng(0)).reshape(3, 4, 5))
    sums = np.sum(batches, axis=2)
    np.testing.assert_array_equal([problem.images(batch)[:, 0, 0, 0] for batch in batches], sums)
    found = problem.evaluate_together([problem] * 3, [batch.copy() for batch in batches])
    np.testing.assert_array_equal(found.values, sums)
    np.testing.assert_array_equal(found.clean, sums)


def test_a_function_of_a_point_may_return_one_array_again_and_again() -> None:
    """Every point had the value of the last."""
    value = np.empty(())

    def function(point):  # type: ignore[no-untyped-def]
        value[...] = point.sum()
        point[:] = 0
        return value

    problem = amb.objective(function, [(0, 1)] * 3, version="1")
    candidates = problem.space.sample(5, np.random.default_rng(0))
    np.testing.assert_array_equal(problem.evaluate(candidates), _one_by_one(problem, candidates))


class Sum(amb.Problem):
    """A problem of a user's own class, which writes all its values into one array."""

    id, fingerprint, space = "my/sum/only/0", "1", amb.Space.uniform(3, 8)
    out = np.empty(100)

    @classmethod
    def evaluate_together(cls, problems, batches):  # type: ignore[no-untyped-def]
        """The sums of single batches."""
        (batch,) = batches
        cls.out[: len(batch)] = batch.sum(axis=1)
        return amb.Evaluation([cls.out[: len(batch)]], [cls.out[: len(batch)]])

    def images(self, candidates):  # type: ignore[no-untyped-def]
        return np.zeros((len(candidates), 4, 4, 1), np.uint8)


def test_what_evaluate_returned_stays() -> None:
    """It changed with the next call."""
    first = Sum().evaluate(np.full((2, 3), 1))
    Sum().evaluate(np.full((2, 3), 2))
    np.testing.assert_array_equal(first, [3, 3])

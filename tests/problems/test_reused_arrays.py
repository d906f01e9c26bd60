"""Code written elsewhere may use its arrays again, and change what it is given; each candidate keeps its own value."""

from types import MappingProxyType

import numpy as np
import pytest
import torch

import amb
from amb.contracts import asking
from amb.errors import PluginError
from amb.run.ending import clean_value
from amb.study.runs import Trace


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
    """A problem of a user's own class: it uses up what it is given, and writes all of one kind into one array."""

    id, fingerprint, space = "my/sum/only/0", "1", amb.Space.uniform(3, 8)
    out, pictures, slopes = np.empty((100, 1)), np.empty((100, 4, 4, 1), np.uint8), np.empty((100, 3))

    @classmethod
    def evaluate_together(cls, problems, batches):  # type: ignore[no-untyped-def]
        """The sums of a single batch."""
        (batch,) = batches
        found = cls._summed(batch)[:, 0]
        return amb.Evaluation([found], [found])

    @classmethod
    def respond_together(cls, problems, images):  # type: ignore[no-untyped-def]
        """The sums of the pixels."""
        return cls._summed(images)

    def images(self, candidates):  # type: ignore[no-untyped-def]
        """The sum as grey level."""
        self.pictures[: len(candidates)] = candidates.sum(axis=1)[:, None, None, None]
        candidates[:] = 0
        return self.pictures[: len(candidates)]

    def gradient(self, latents):  # type: ignore[no-untyped-def]
        """That of a quadratic function."""
        self.slopes[: len(latents)] = latents
        return self._summed(latents)[:, 0], self.slopes[: len(latents)]

    @classmethod
    def _summed(cls, rows):  # type: ignore[no-untyped-def]
        cls.out[: len(rows), 0] = rows.reshape(len(rows), -1).sum(axis=1)
        rows[:] = 0
        return cls.out[: len(rows)]


def test_what_evaluate_returned_stays() -> None:
    """It changed with the next call."""
    first = Sum().evaluate(np.full((2, 3), 1))
    Sum().evaluate(np.full((2, 3), 2))
    np.testing.assert_array_equal(first, [3, 3])


def test_whoever_asks_a_problem_twice_keeps_both_answers_and_what_was_asked() -> None:
    """Responses of the blocks of a data set were those of the last, a picture showed another candidate's image."""
    problem, asked = Sum(), [np.full((2, 3), 1), np.full((2, 3), 2)]
    pixels = [np.full((2, 4, 4, 1), level, np.uint8) for level in (1, 2)]
    answers = {
        "activations": [asking.activations(problem, rows) for rows in asked],
        "images": [asking.images(problem, rows)[:, 0, 0, 0] for rows in asked],
        "responses": [asking.responses([problem], images)[:, 0] / 16 * 3 for images in pixels],
        "gradient": [asking.gradient(problem, rows.astype(float))[1].sum(axis=1) for rows in asked],
    }
    for name, found in answers.items():
        np.testing.assert_array_equal(found, [[3, 3], [6, 6]], name)
    np.testing.assert_array_equal(asked, [np.full((2, 3), 1), np.full((2, 3), 2)])
    np.testing.assert_array_equal([images.max() for images in pixels], [1, 2])


def test_a_recommendation_that_no_query_measured_is_stored_as_it_was_made() -> None:
    """The problem that measured it could change the array that was stored afterwards."""
    recommended = np.array([1, 2, 3])
    assert clean_value(Sum(), recommended, Trace.empty(3)) == 6.0
    np.testing.assert_array_equal(recommended, [1, 2, 3])


class Halved(torch.nn.Module):
    """A leaky neuron behind a convolution of half the image, which is halved in place or not."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.conv, self.memory, self.in_place = torch.nn.Conv2d(3, 2, 9, 9), None, in_place

    def forward(self, x):  # type: ignore[no-untyped-def]
        """Membrane potentials that are not reset."""
        x = x.mul_(0.5) if self.in_place else x * 0.5
        drive = self.conv(x)
        self.memory = drive if self.memory is None else 0.9 * self.memory + drive
        return self.memory


def _responses(network: torch.nn.Module, *pairs: tuple[str, int], **options: object) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    return amb.target(network, name="own", **options).all_activations(images, pairs)  # type: ignore[attr-defined]


def test_a_network_may_change_its_input_in_place() -> None:
    """In every further pass it saw what the passes before had left of the image."""
    found = []
    for in_place in (False, True):
        torch.manual_seed(0)
        found.append(_responses(Halved(in_place=in_place), ("conv", 0), ("conv", 1), frames=3))
    np.testing.assert_array_equal(*found)


def test_a_layer_whose_output_is_overwritten_keeps_its_values_beside_deeper_ones() -> None:
    """In float64, a rectifier in place behind it made its values those of the rectifier, if both were asked for."""
    torch.manual_seed(0)
    parts = torch.nn.Flatten(), torch.nn.Linear(3072, 5), torch.nn.ReLU(inplace=True), torch.nn.Linear(5, 3)
    network = torch.nn.Sequential(*parts).double()
    pairs = [("1", unit) for unit in range(5)]
    alone = _responses(network, *pairs)
    assert alone.min() < 0
    np.testing.assert_array_equal(_responses(network, *pairs, ("3", 0))[:, :5], alone)


def test_a_generators_functions_may_use_their_tensors_again_and_change_what_they_are_given() -> None:
    """Every image had the latents of the last; and latents that were scaled in place were told as random images."""
    kept = torch.zeros(3)

    def decode(_, latents):  # type: ignore[no-untyped-def]
        return latents.mul_(0.1)[:, :, None, None].expand(-1, 3, 4, 4)

    def encode(_, images):  # type: ignore[no-untyped-def]
        return kept.copy_(images.mean((0, 2, 3)) * 10)

    own = amb.generator(torch.nn.Identity(), latent_dim=3, shape=(4, 4, 3), decode=decode, encode=encode)
    latents = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    given = latents.copy()
    images = own.images(latents)
    np.testing.assert_array_equal(latents, given)
    np.testing.assert_allclose(own.encode(images), latents, atol=0.05)

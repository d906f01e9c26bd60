"""Noise, groups of units and input noise work for a user's own networks as for the shipped ones."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from spikingjelly.activation_based import functional
from torch import nn

import amb
from amb.errors import SpecError
from amb_problems.encoding import Encoding

from . import ZOO
from .specimen import Specimen

FRAMED = [
    one
    for one in ZOO
    if one.name
    in (
        "snntorch hidden states, frame by frame",
        "spikingjelly first tutorial, single-step",
        "spikingjelly first tutorial, fused steps",
        "spikingjelly containers, steps from outside",
        "handmade neurons with a potential",
    )
]


class Pixels(amb.Generator):
    """Two brightnesses of a checkered image."""

    name, latent_dim, fingerprint = "pixels", 2, "1"

    def __init__(self, channels: int = 3) -> None:
        self.shape = (12, 12, channels)

    def _render(self, latents: np.ndarray) -> np.ndarray:
        board = np.indices((12, 12)).sum(0) % 2
        grey = np.clip(128 + 30 * latents, 0, 255)[:, board]
        return np.repeat(np.rint(grey)[..., None], self.shape[2], axis=3).astype(np.uint8)


def target_of(specimen: Specimen) -> amb.Target:
    return amb.target(specimen.built(), shape=specimen.shape, name="mine", **specimen.options)  # type: ignore[arg-type]


def own_loop(specimen: Specimen, frames: np.ndarray, layer: str) -> np.ndarray:
    """Each frame shown once, one after the other, to a new network; the mean over frames and positions."""
    network = specimen.built().eval()
    outputs: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    network.get_submodule(layer).register_forward_hook(keep)
    x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    fused = "multistep" in specimen.options
    with torch.no_grad():
        if fused:
            functional.set_step_mode(network, "m")
            network(x[:, None])
        else:
            for frame in x:
                network(frame[None])
    steps = (outputs[0] if fused else torch.stack(outputs))[:, 0].double()  # [frames, units, ...]
    return steps.flatten(2).mean((0, 2)).numpy() if steps.ndim > 2 else steps.mean(0).numpy()


@pytest.mark.parametrize("specimen", FRAMED, ids=lambda specimen: specimen.name)
def test_input_noise_shows_another_image_in_every_frame(specimen: Specimen) -> None:
    """The value is the plain loop's for the frames that the query's own random numbers give."""
    target, layer = target_of(specimen), specimen.layers[-1]
    number = int(specimen.options["frames"])  # type: ignore[call-overload]
    encoding, images = Encoding("bernoulli"), specimen.images(3)

    def frames(row: int) -> np.ndarray:
        return encoding.frames(images[row], number, np.random.default_rng(row))

    found = target.frame_activations(3, frames, layer, (0, 2))  # type: ignore[attr-defined]
    expected = [own_loop(specimen, frames(row), layer)[[0, 2]] for row in range(3)]
    np.testing.assert_allclose(found, expected, atol=2e-6)
    still = target.frame_activations(3, lambda row: np.repeat(images[row][None], number, 0), layer, (1,))  # type: ignore[attr-defined]
    assert np.array_equal(still[:, 0], target.activations(images, [(layer, 1)] * 3)), "frames that do not change"

    problem = target.problem(Pixels(), 0, layer=layer, input="bernoulli")
    assert problem.id == f"pixels/mine/{layer}/0[input=bernoulli]"
    points = problem.space.sample(4, np.random.default_rng(0))
    again = target.problem(Pixels(), 0, layer=layer, input="bernoulli")
    assert np.array_equal(problem.evaluate(points), again.evaluate(points))


def test_without_frames_input_noise_is_refused() -> None:
    """A network that takes its steps itself sees one image; so does a plain one."""
    for name in ("snntorch resets itself", "torch grey images"):
        specimen = next(one for one in ZOO if one.name == name)

        with pytest.raises(SpecError, match=r"does not take single frames.*a module of your own if it has frames="):
            target_of(specimen).problem(Pixels(specimen.shape[2]), 0, layer=specimen.layers[0], input="bernoulli")


@pytest.mark.parametrize(
    ("name", "layer", "count"),
    [
        ("snntorch hidden states, frame by frame", "2", 6 * 25),
        ("snntorch resets itself", "lif", 6 * 100),
        ("snntorch one neuron module for two layers", "lif_1", 6 * 64),
        ("spikingjelly repeats the image, multi-step", "conv_fc.2", 5 * 100),
        ("spikingjelly containers, steps from outside", "1", 5 * 100),
        ("spikingjelly parallel neurons of fixed steps", "net.1", 5 * 100),
    ],
)
def test_poisson_noise_knows_how_many_spikes_there_may_be(name: str, layer: str, count: int) -> None:
    """Steps times positions, and times the units of a group, as for the shipped networks."""
    target = target_of(next(one for one in ZOO if one.name == name))
    problem = target.problem(Pixels(), 1, layer=layer, noise="poisson")
    assert problem.spikes == count == problem.noise.spikes  # type: ignore[union-attr]
    assert target.problem(Pixels(), [0, 1], layer=layer, noise="bernoulli").spikes == 2 * count
    points = problem.space.sample(3, np.random.default_rng(0))
    observed = problem.evaluate(points) * count
    np.testing.assert_allclose(observed, np.rint(observed), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("torch grey images", "1"), ("snntorch membrane of fully connected", "lif1"),
     ("spikingjelly readout without spikes", "out")],
)  # fmt: skip
def test_what_is_not_a_spike_is_not_counted(name: str, layer: str) -> None:
    """Poisson noise then wants the number; Gaussian noise needs none."""
    specimen = next(one for one in ZOO if one.name == name)
    target = target_of(specimen)

    with pytest.raises(SpecError, match=r"counts no spikes.*such as spikes=100"):
        target.problem(Pixels(specimen.shape[2]), 0, layer=layer, noise="poisson")
    for options in ({"noise": "poisson", "spikes": 50}, {"noise": "gaussian", "std": 0.1, "trials": 2}):
        problem = target.problem(Pixels(specimen.shape[2]), 0, layer=layer, **options)  # type: ignore[arg-type]
        clean = target.problem(Pixels(specimen.shape[2]), 0, layer=layer)
        points = problem.space.sample(3, np.random.default_rng(0))
        assert not np.array_equal(problem.evaluate(points), clean.evaluate(points))
        assert problem.fingerprint != clean.fingerprint


def test_a_groups_activation_is_the_mean_of_its_units() -> None:
    """In one pass, for a list or for the words of the command line."""
    target = target_of(FRAMED[0])
    group = target.problem(Pixels(), "3+0+1", layer="2")
    assert group.id == "pixels/mine/2/0+1+3" == target.problem(Pixels(), [3, 0, 1], layer="2").id
    points = group.space.sample(4, np.random.default_rng(1))
    single = [target.problem(Pixels(), unit, layer="2").evaluate(points) for unit in (0, 1, 3)]
    np.testing.assert_allclose(group.evaluate(points), np.mean(single, axis=0), atol=1e-12)


@pytest.mark.parametrize("make", [lambda: nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())], ids=["plain"])
def test_frames_of_a_network_without_memory_are_averaged(make: Callable[[], nn.Module]) -> None:
    """Shown one by one even where a still image needs one pass only."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = make()
    target = amb.target(network, shape=(12, 12, 3), frames=4)
    frames = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)
    found = target.frame_activations(1, lambda row: frames, "1", (0,))[0, 0]  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, target.activations(frames, [("1", 0)] * 4).mean(), atol=1e-6)

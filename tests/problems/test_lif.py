from typing import Literal

import pytest
import torch
from torch import nn

from amb_problems.cards import Reset
from amb_problems.targets.spiking.framework import framework_neuron
from amb_problems.targets.spiking.lif import LIF, LIFNeuron
from amb_problems.targets.spiking.surrogate import SurrogateLIF, set_frames

FRAMES = 40


def currents(seed: int = 0) -> torch.Tensor:
    """`[frames, n]`: noise of both signs, and rows on multiples of 1/128 that meet the threshold exactly."""
    generator = torch.Generator().manual_seed(seed)
    noise = 0.4 * torch.randn(FRAMES, 500, generator=generator)
    coarse = torch.randint(-64, 192, (FRAMES, 500), generator=generator) / 128
    return torch.cat([noise, coarse, torch.ones(FRAMES, 1), torch.full((FRAMES, 1), 0.1)], 1)


NEURONS = [
    LIF(decay, strict=strict, reset=reset)
    for decay in (0.5, 0.9, 1.0)
    for strict, reset in ((True, "zero"), (False, "zero"), (False, "subtract"))
]


@pytest.mark.parametrize("lif", NEURONS, ids=str)
def test_spikes_are_the_frameworks_own(lif: LIF) -> None:
    """In every frame our in-place neuron fires where snnTorch's (strict) or SpikingJelly's neuron fires."""
    pytest.importorskip("snntorch" if lif.strict else "spikingjelly")
    ours, theirs = LIFNeuron(lif), framework_neuron(lif)
    for frame, current in enumerate(currents()):
        with torch.no_grad():
            assert torch.equal(ours(current), theirs(current)), frame


def test_the_threshold_rules_differ_at_the_threshold_only() -> None:
    current = torch.tensor([1.0, 1.0000001192092896])
    _, above = LIF(strict=True).step(None, current)
    _, at = LIF(strict=False).step(None, current)
    assert above.tolist() == [False, True]
    assert at.tolist() == [True, True]


def test_a_reset_neuron_forgets_the_image_before() -> None:
    neuron = LIFNeuron(LIF())
    first = [neuron(current) for current in currents()]
    neuron.reset()
    assert all(torch.equal(a, neuron(current)) for a, current in zip(first, currents(), strict=True))


def test_the_step_leaves_the_currents_alone() -> None:
    """The first frame must not make the caller's currents the potentials that are overwritten later."""
    current = torch.tensor([0.5, 2.0])
    v, _ = LIF().step(None, current)
    LIF().step(v, current)
    assert current.tolist() == [0.5, 2.0]


def test_no_neuron_is_strict_and_subtracts() -> None:
    """snnTorch subtracts in the next frame, after the leak: a third order of operations, which is not implemented."""
    with pytest.raises(ValueError, match="reset to zero"):
        LIF(strict=True, reset="subtract")


@pytest.mark.parametrize("lif", NEURONS, ids=str)
def test_training_neurons_fire_like_inference_neurons(lif: LIF) -> None:
    x = currents()
    neuron = SurrogateLIF(decay=lif.decay, strict=lif.strict, reset=lif.reset)
    neuron.frames = FRAMES
    reference = LIFNeuron(lif)
    assert torch.equal(neuron(x.flatten(0, 0)), torch.cat([reference(current) for current in x]).view_as(x))


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_surrogate_gradients_are_spikingjellys(reset: Reset) -> None:
    """Arctan surrogate with a detached reset: equal spikes, gradients equal to rounding, in double precision."""
    pytest.importorskip("spikingjelly")
    from spikingjelly.activation_based import neuron, surrogate

    x = currents().double()
    weights = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    theirs = neuron.LIFNode(
        tau=10.0,
        decay_input=False,
        v_reset=0.0 if reset == "zero" else None,
        detach_reset=True,
        step_mode="m",
        surrogate_function=surrogate.ATan(alpha=2.0),
    )
    ours = SurrogateLIF(reset=reset)
    ours.frames = FRAMES
    gradients = []
    for layer in (theirs, ours):
        leaf = x.clone().requires_grad_()
        spikes = layer(leaf)
        (spikes * weights).sum().backward()
        gradients.append((spikes.detach(), leaf.grad))
    assert torch.equal(gradients[0][0], gradients[1][0])
    assert gradients[0][1] is not None
    assert gradients[1][1] is not None
    torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-10, atol=1e-12)


def test_the_layer_of_the_still_image_repeats_its_input() -> None:
    """Repeating inside the layer gives the spikes and the gradient of an input that was repeated before."""
    network = nn.ModuleDict({"sn1": SurrogateLIF(), "sn2": SurrogateLIF()})
    set_frames(network, 3)
    image = torch.rand(4, 2, 5, 5, generator=torch.Generator().manual_seed(2)).requires_grad_()
    inside = network["sn1"](image)
    outside = network["sn2"](torch.cat([image] * 3))
    assert torch.equal(inside, outside)
    inside.sum().backward()
    once, image.grad = image.grad, None
    outside.sum().backward()
    assert once is not None
    assert image.grad is not None
    torch.testing.assert_close(once, image.grad)


@pytest.mark.parametrize(("relaxation", "highest"), [("relu", 3.0), ("clipped", 1.0)])
def test_no_frames_mean_the_rate_relaxation(relaxation: Literal["relu", "clipped"], highest: float) -> None:
    currents = torch.tensor([-1.0, 0.25, 3.0])
    assert SurrogateLIF(relaxation=relaxation)(currents).tolist() == [0.0, 0.25, highest]

"""A user's own network is measured on a private copy: a value is a function of the image alone, or refused."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

import amb
from amb.errors import SpecError

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (12, 12, 3)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
INPUT = torch.from_numpy(IMAGES).permute(0, 3, 1, 2) / 255


def convolution(channels: int = 4) -> nn.Conv2d:
    """A convolution whose map is 10x10."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Conv2d(3, channels, 3)


class Body(nn.Module):
    """A convolution, and whatever a test adds."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = convolution()

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def answer(target: amb.Target, layer: str = "output") -> np.ndarray:
    """Unit 1's activations; the same backwards and one by one."""
    found = target.activations(IMAGES, [(layer, 1)] * 5)
    assert np.array_equal(found, target.activations(IMAGES[::-1], [(layer, 1)] * 5)[::-1])
    assert np.array_equal(found, [target.activations(IMAGES[i : i + 1], [(layer, 1)])[0] for i in range(5)])
    return found


def state(module: nn.Module) -> list[object]:
    """Everything about a module that a user can see: identities of what it holds, and all numbers."""
    held = [(id(value), getattr(value, "_version", 0)) for part in module.modules() for value in vars(part).values()]
    hooks = [list(table) for part in module.modules() for table in (part._forward_hooks, part._forward_pre_hooks)]
    tensors = [*module.parameters(), *module.buffers()]
    numbers = [tensor.detach().clone().numpy().tobytes() for tensor in tensors]
    gradients = [None if p.grad is None else (id(p.grad), p.grad.sum().item()) for p in module.parameters()]
    flags = [(p.requires_grad, p.device) for p in module.parameters()]
    return [held, hooks, numbers, gradients, flags, [part.training for part in module.modules()]]


def self_resetting() -> nn.Module:
    """As in snnTorch's tutorials: `utils.reset` inside the forward pass, which reaches all neurons that exist."""
    snn = pytest.importorskip("snntorch")
    from snntorch import utils

    class Resetting(Body):
        def __init__(self) -> None:
            super().__init__()
            self.bn, self.drop = nn.BatchNorm2d(4), nn.Dropout(0.5)
            self.lif = snn.Leaky(beta=0.9, threshold=0.3, init_hidden=True)

        def forward(self, x: Tensor) -> Tensor:
            utils.reset(self)
            return torch.stack([self.lif(self.drop(self.bn(self.conv(x)))) for _ in range(6)])

    return Resetting()


def test_nothing_about_the_users_module_changes_and_nothing_they_do_later_counts() -> None:
    """In training mode, with gradients, with membranes on a graph; then it is trained on."""
    user = self_resetting().train()
    user(INPUT).sum().backward()
    before, membrane = state(user), user.lif.mem
    numbers = membrane.detach().clone()
    target = amb.target(user, shape=SHAPE)
    fingerprint, found = target.fingerprint, answer(target, "lif")
    target.relaxed(torch.from_numpy(IMAGES[:2]).float(), "lif")
    assert state(user) == before
    assert user.lif.mem is membrane
    assert torch.equal(membrane, numbers)
    expected = amb.target(user, shape=SHAPE)
    torch.optim.SGD(user.parameters(), 1.0).step()
    user(INPUT)
    assert np.array_equal(answer(target, "lif"), found)
    assert target.fingerprint == fingerprint
    assert np.array_equal(answer(expected, "lif"), found), "copied at creation, before the step"
    assert amb.target(user, shape=SHAPE).fingerprint != fingerprint


def test_a_network_that_resets_itself_through_a_registry() -> None:
    """The copies' neurons are reset, on any thread, and the user's are not; the registry is what it was."""
    snn = pytest.importorskip("snntorch")
    network = self_resetting().eval()
    registry = snn.SpikingNeuron.instances
    right = network(INPUT).mean((0, 3, 4))[:, 1].detach().numpy()
    target = amb.target(self_resetting(), shape=SHAPE)
    np.testing.assert_allclose(answer(target, "lif"), right, atol=1e-6)
    torch.set_num_threads(2)
    try:
        many = target.activations(np.tile(IMAGES, (20, 1, 1, 1)), [("lif", 1)] * 100)
    finally:
        torch.set_num_threads(1)
    assert np.array_equal(many, np.tile(answer(target, "lif"), 20))
    assert snn.SpikingNeuron.instances is registry


class OwnNeuron(Body):
    """A memory of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.v: Tensor | float = 0.0

    def reset_state(self) -> None:
        self.v = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.v = 0.9 * self.v + self.conv(x)
        spikes = (self.v > 0.5).float()
        self.v = self.v - spikes
        return spikes


def test_a_memory_of_the_users_own_is_put_back_or_reset_by_their_function() -> None:
    network = OwnNeuron()
    right = torch.stack([network(INPUT) for _ in range(6)]).mean((0, 3, 4))[:, 1].detach().numpy()
    np.testing.assert_allclose(answer(amb.target(OwnNeuron(), shape=SHAPE, frames=6)), right, atol=1e-6)
    with pytest.raises(SpecError, match=r"v is a memory that is not at rest; pass reset="):
        _ = amb.target(network, shape=SHAPE, frames=6).layers
    target = amb.target(network, shape=SHAPE, frames=6, reset=OwnNeuron.reset_state)
    np.testing.assert_allclose(answer(target), right, atol=1e-6)


def test_forgotten_frames_are_asked_for() -> None:
    with pytest.raises(SpecError, match=r"keeps a memory .* frames="):
        _ = amb.target(OwnNeuron(), shape=SHAPE).layers


def test_a_method_called_reset_is_not_called() -> None:
    """It may initialize the weights, and hides no layers."""

    class Erasing(Body):
        def reset(self) -> None:
            nn.init.zeros_(self.conv.weight)

    user = nn.Sequential(Erasing(), nn.Flatten())
    target = amb.target(user, shape=SHAPE)
    assert dict(target.layers) == {"0.conv": 4, "0": 4, "1": 400}
    assert answer(target, "0").all()
    assert user[0].conv.weight.any()
    with pytest.raises(SpecError, match=r"reset= changes the weights 0\.conv\.weight"):
        _ = amb.target(user, shape=SHAPE, reset=lambda module: module[0].reset()).layers


def test_what_outlasts_a_presentation_is_refused_with_the_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(Body):
        def forward(self, x: Tensor) -> Tensor:
            os.environ["CALLS"] = str(int(os.environ["CALLS"]) + 1)  # where nobody looks
            return self.conv(x) + int(os.environ["CALLS"])

    monkeypatch.setenv("CALLS", "0")
    with pytest.raises(SpecError, match=r"layer output gives different values when the same image is shown again"):
        _ = amb.target(Counting(), shape=SHAPE).layers


def test_images_that_are_mixed_in_a_batch_are_refused() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False), convolution(), nn.ReLU())
    with pytest.raises(SpecError, match="layer 0 gives an image other values beside other images"):
        _ = amb.target(network, shape=SHAPE).layers


class Dropping(Body):
    def forward(self, x: Tensor) -> Tensor:
        return dropout(self.conv(x))


class FromNumpy(Body):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + np.random.rand()  # noqa: NPY002


class FromPython(Body):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x) + random.random()


@pytest.mark.parametrize("make", [Dropping, FromNumpy, FromPython])
def test_random_numbers_are_seeded_from_the_image(make: Callable[[], nn.Module]) -> None:
    """The same image has the same value, other images other noise, and the global generators do not move."""
    target = amb.target(make(), shape=SHAPE)
    states = torch.get_rng_state(), np.random.get_state()[1].tobytes(), random.getstate()  # noqa: NPY002
    found = answer(target)
    assert len(set(found)) == 5
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tobytes(), random.getstate())  # noqa: NPY002
    assert np.array_equal(found, answer(amb.target(make(), shape=SHAPE)))


def test_a_poisson_encoder_draws_in_every_frame() -> None:
    encoding = pytest.importorskip("spikingjelly.activation_based.encoding")
    target = amb.target(nn.Sequential(encoding.PoissonEncoder()), shape=SHAPE, frames=200)
    np.testing.assert_allclose(answer(target, "0"), INPUT.mean((2, 3))[:, 1], atol=0.02)


def test_random_numbers_that_cannot_be_seeded_are_refused() -> None:
    class FromTheSystem(Body):
        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) + np.random.default_rng().random()

    with pytest.raises(SpecError, match="different values"):
        _ = amb.target(FromTheSystem(), shape=SHAPE).layers


SEEN: list[Tensor] = []


def test_hooks_and_functions_act_on_the_copy() -> None:
    """A hook that changes an output is part of the network; one that records does not record for the user."""
    near: list[Tensor] = []
    user = Body()
    user.scale = lambda x: user.conv(x) * 2
    user.conv.register_forward_hook(lambda module, inputs, output: SEEN.append(output))
    user.conv.register_forward_hook(lambda module, inputs, output: near.append(output))
    user.conv.register_forward_hook(lambda module, inputs, output: output + 1)
    right = user(INPUT).mean((2, 3))[:, 1].detach().numpy()
    target = amb.target(user, shape=SHAPE)
    np.testing.assert_allclose(answer(target, "conv"), right, atol=1e-6)
    assert len(SEEN) == len(near) == 1


def test_what_cannot_be_copied_can_come_from_a_function() -> None:
    class Locked(Body):
        def __init__(self) -> None:
            super().__init__()
            self.lock = threading.Lock()

    with pytest.raises(SpecError, match=r"cannot be copied .* pass a function"):
        amb.target(Locked(), shape=SHAPE)
    assert np.array_equal(
        answer(amb.target(Locked, shape=SHAPE), "conv"), answer(amb.target(Body(), shape=SHAPE), "conv")
    )


class Inner(Body):
    """The minimum of an energy, found by its gradient in the forward pass."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.zeros(len(x), 4, 10, 10, requires_grad=True)
        (slope,) = torch.autograd.grad(((hidden - self.conv(x)) ** 2).sum(), hidden)
        return hidden - 0.5 * slope


def test_modules_that_differentiate_in_their_forward_pass() -> None:
    right = convolution()(INPUT).mean((2, 3))[:, 1].detach().numpy()
    np.testing.assert_allclose(answer(amb.target(Inner(), shape=SHAPE)), right, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_modules_of_another_precision(dtype: torch.dtype) -> None:
    right = convolution().to(dtype)(INPUT.to(dtype)).double().mean((2, 3))[:, 1].detach().numpy()
    np.testing.assert_allclose(answer(amb.target(Body().to(dtype), shape=SHAPE), "conv"), right, atol=1e-6)


def wrapped(kind: str) -> nn.Module:
    """A convolution in one of torch's wrappers."""
    body = nn.Sequential(convolution()).eval()
    if kind == "trace":
        return torch.jit.trace(body, INPUT[:1])
    if kind == "script":
        return torch.jit.script(body)
    if kind == "export":
        return torch.export.export(body, (INPUT[:1],)).module()
    if kind == "compile":
        return torch.compile(body)
    if kind == "weight norm":
        body[0] = torch.nn.utils.weight_norm(body[0])
        body(INPUT)
    else:
        body[0] = torch.nn.utils.parametrizations.weight_norm(body[0])
    return body


@pytest.mark.parametrize("kind", ["trace", "script", "export", "compile", "weight norm", "parametrized"])
def test_wrapped_modules(kind: str) -> None:
    """Of scripted and exported ones the output alone can be measured."""
    target = amb.target(wrapped(kind), shape=SHAPE)
    name = "output" if kind in ("trace", "script", "export") else "0"
    assert dict(target.layers) == {name: 4}
    right = convolution()(INPUT).mean((2, 3))[:, 1].detach().numpy()
    np.testing.assert_allclose(answer(target, name), right, atol=1e-6)


def test_lazy_modules_and_exported_programs_say_what_to_do() -> None:
    with pytest.raises(SpecError, match=r"0\.weight is lazy .* run one image"):
        amb.target(nn.Sequential(nn.LazyConv2d(4, 3)), shape=SHAPE)
    with pytest.raises(SpecError, match=r"pass program\.module\(\)"):
        amb.target(torch.export.export(Body(), (INPUT[:1],)), shape=SHAPE)


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_a_token_never_passes_for_a_unit() -> None:
    """Where tokens and channels cannot be told apart, here 25 of each, the axis must be stated."""
    patches = nn.Conv2d(3, 25, 4, stride=2)
    network = nn.Sequential(
        patches, Apply(lambda x: x.flatten(2).transpose(1, 2)), Apply(lambda x: x + 1), nn.Linear(25, 6)
    )
    target = amb.target(network, shape=SHAPE)
    assert dict(target.layers) == {"0": 25, "3": 6}
    with pytest.raises(SpecError, match=r"\[1, 25, 25\] may hold the units; state channel_axis="):
        target.activations(IMAGES, [("2", 0)] * 5)
    right = (patches(INPUT).mean((2, 3)) + 1)[:, 1].detach().numpy()
    for stated in (2, {"2": -1}):
        np.testing.assert_allclose(answer(amb.target(network, shape=SHAPE, channel_axis=stated), "2"), right, atol=1e-6)
    np.testing.assert_allclose(answer(target, "3"), network(INPUT).mean(1)[:, 1].detach().numpy(), atol=1e-6)


def test_fingerprints_tell_networks_apart_and_are_equal_in_every_process() -> None:
    """By behaviour: attributes and functions that are in no state dict count."""
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    prints = [
        amb.target(nn.Sequential(convolution(), made), shape=SHAPE, frames=4).fingerprint
        for made in (
            neuron.LIFNode(tau=4.0, v_threshold=0.2),
            neuron.LIFNode(tau=4.0, v_threshold=0.2, decay_input=False),
            neuron.LIFNode(tau=4.0, v_threshold=0.2, v_reset=None),
            Apply(lambda x: x * 2),
            Apply(lambda x: x * 3),
        )
    ]
    assert len(set(prints)) == len(prints)
    used = nn.Sequential(convolution(), neuron.LIFNode(tau=4.0, v_threshold=0.2))
    used(INPUT)
    assert amb.target(used, shape=SHAPE, frames=4).fingerprint == prints[0]
    code = (
        "import torch, amb\nfrom torch import nn\nfrom spikingjelly.activation_based import neuron\n"
        "torch.set_num_threads(1); torch.manual_seed(0)\n"
        "net = nn.Sequential(nn.Conv2d(3, 4, 3), neuron.LIFNode(tau=4.0, v_threshold=0.2))\n"
        "print(amb.target(net, shape=(12, 12, 3), frames=4).fingerprint)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == prints[0]


class Ceiling(nn.Module):
    def __init__(self, most: float, *, held: bool = False) -> None:
        super().__init__()
        self._most = Held(most) if held else most

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._last = x
        return x.clamp(max=getattr(self._most, "_most", self._most))


class Held:
    def __init__(self, most: float) -> None:
        self._most = most


@pytest.mark.parametrize("held", [False, True])
def test_a_private_attribute_that_no_fixed_image_reaches_is_told(held: bool) -> None:
    """Such as a ceiling, which a search reaches. What a pass leaves is not."""
    made = [Ceiling(most, held=held) for most in (70.0, 95.0, 70.0)]
    made[2](INPUT)
    prints = [amb.target(nn.Sequential(convolution(), one), shape=SHAPE).fingerprint for one in made]
    assert prints[0] == prints[2] != prints[1]


def test_unused_and_unknown_layers_say_why() -> None:
    network = Body()
    network.spare = nn.Linear(3, 3)
    target = amb.target(network, shape=SHAPE, layer="conv")
    with pytest.raises(SpecError, match="spare of own cannot be measured: the forward pass does not call it"):
        target.problem("toy", 0, layer="spare")
    with pytest.raises(SpecError, match="did you mean conv"):
        target.problem("toy", 0, layer="convv")

"""A user's own network as a target: plain, of snnTorch, of SpikingJelly; and ImageNet's, which the user downloads."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import amb
from amb.catalogue.plugins import load_file
from amb.catalogue.problems import family as find_family
from amb.errors import DataError, PluginError, SpecError
from amb_problems.targets.plain.imagenet import ImageNetTarget
from amb_problems.targets.plain.imagenet_layers import LAYERS

pytestmark = pytest.mark.usefixtures("one_thread")

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)


class Net(nn.Module):
    """A convolution, neurons, a fully connected layer, neurons; one frame per call."""

    def __init__(self, neuron: Callable[[], nn.Module]) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.conv, self.sn1 = nn.Conv2d(3, 8, 3, 2), neuron()
            self.fc, self.out = nn.Linear(8 * 15 * 15, 10), neuron()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.fc(self.sn1(self.conv(x)).flatten(1)))


def snntorch_neuron() -> nn.Module:
    snntorch = pytest.importorskip("snntorch")
    return snntorch.Leaky(beta=0.9, threshold=0.2, reset_mechanism="zero", init_hidden=True)


def spikingjelly_neuron() -> nn.Module:
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    return neuron.LIFNode(tau=10.0, decay_input=False, v_threshold=0.2, v_reset=0.0)


NEURONS = {"snntorch": snntorch_neuron, "spikingjelly": spikingjelly_neuron, "plain": nn.ReLU}
FRAMES = {"snntorch": 6, "spikingjelly": 6, "plain": None}


@pytest.fixture(params=NEURONS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_value_depends_on_its_own_image_alone(kind: str) -> None:
    """Alone, in a batch, at any position, again, on any number of threads: from rest, bit for bit the same."""
    target = amb.target(Net(NEURONS[kind]), frames=FRAMES[kind])
    names = list(target.layers)
    units = [(names[i % len(names)], i % 8) for i in range(20)]
    expected = target.activations(IMAGES, units)
    assert np.array_equal(expected, target.activations(IMAGES, units))
    assert np.array_equal(expected[::-1], target.activations(IMAGES[::-1], units[::-1]))
    alone = [target.activations(IMAGES[i : i + 1], units[i : i + 1])[0] for i in range(20)]
    assert np.array_equal(expected, alone)
    try:
        torch.set_num_threads(2)
        assert np.array_equal(expected, target.activations(IMAGES, units))
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("kind", ["snntorch", "spikingjelly"])
def test_a_spiking_layers_activation_is_its_share_of_spikes(kind: str) -> None:
    """The module's own forward pass, frame by frame from rest, gives the same numbers of spikes."""
    network = Net(NEURONS[kind])
    target = amb.target(Net(NEURONS[kind]), layer="sn1", frames=6)
    found = np.stack([target.activations(IMAGES[:16], [("sn1", unit)] * 16) for unit in range(8)], 1)
    spikes: list[Tensor] = []
    network.sn1.register_forward_hook(lambda module, inputs, output: spikes.append(output.detach()))
    x = torch.from_numpy(IMAGES[:16]).permute(0, 3, 1, 2) / 255
    for _ in range(6):
        network(x)
    expected = torch.stack(spikes).sum((0, 3, 4)).numpy() / (6 * 15 * 15)
    assert expected.max() > 0.05, "a silent layer would prove nothing"
    np.testing.assert_allclose(found, expected, atol=1e-6)


def jelly(threshold: float = 0.2) -> nn.Module:
    """A network of SpikingJelly's own layers, which take one frame or many a call."""
    layer = pytest.importorskip("spikingjelly.activation_based.layer")
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            layer.Conv2d(3, 8, 3, 2),
            neuron.LIFNode(tau=10.0, decay_input=False, v_threshold=threshold, v_reset=0.0),
            layer.Flatten(),
            layer.Linear(8 * 15 * 15, 10),
            neuron.LIFNode(tau=10.0, decay_input=False, v_threshold=threshold, v_reset=0.0),
        )


def test_all_frames_in_one_call_give_the_same_spikes() -> None:
    """SpikingJelly's neurons may then use one fused kernel; the code path changes, the responses do not."""
    stepwise, fused = amb.target(jelly(), frames=6), amb.target(jelly(), frames=6, multistep=True)
    assert stepwise.layers == fused.layers
    units = [("1", i % 8) for i in range(10)] + [("4", i) for i in range(10)]
    expected = stepwise.activations(IMAGES, units)
    assert expected.max() > 0.05
    assert np.array_equal(expected, fused.activations(IMAGES, units))
    assert np.array_equal(expected, fused.activations(IMAGES, units)), "again, from rest"
    pixels = torch.from_numpy(IMAGES[:2]).float()
    torch.testing.assert_close(stepwise.relaxed(pixels, "1"), fused.relaxed(pixels, "1"))


@pytest.mark.parametrize(("make", "frames"), [(lambda: Net(nn.ReLU), 6), (jelly, None)])
def test_all_frames_in_one_call_want_spikingjellys_modules(make: Callable[[], nn.Module], frames: int | None) -> None:
    with pytest.raises(SpecError, match="multistep needs SpikingJelly"):
        _ = amb.target(make(), frames=frames, multistep=True).layers


@pytest.mark.gpu
def test_an_accelerators_fused_neurons_fire_nearly_alike() -> None:
    """Such networks are not exact: a sum that rounds otherwise may move a spike."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    here = amb.target(jelly(), frames=20).activations(IMAGES, [("1", 3)] * 20)
    there = amb.target(jelly(), frames=20, multistep=True, device="cuda").activations(IMAGES, [("1", 3)] * 20)
    np.testing.assert_allclose(here, there, atol=0.01)


def test_what_was_shown_before_leaves_no_trace(kind: str) -> None:
    """A module that comes with memories is brought to rest, and the user's module is left as it was at rest."""
    used = Net(NEURONS[kind])
    for _ in range(3):
        used(torch.ones(2, 3, 32, 32))
    fresh = amb.target(Net(NEURONS[kind]), frames=FRAMES[kind])
    units = [("out", 1)] * 20
    before = fresh.fingerprint
    target = amb.target(used, frames=FRAMES[kind])
    assert np.array_equal(fresh.activations(IMAGES, units), target.activations(IMAGES, units))
    assert fresh.fingerprint == before == target.fingerprint


def test_it_makes_problems_with_a_shipped_generator(kind: str) -> None:
    target = amb.target(Net(NEURONS[kind]), layer="sn1", frames=FRAMES[kind], name="mine")
    problem = target.problem("cifar10-sngan", 3)
    assert problem.id == "cifar10-sngan/mine/sn1/3"
    candidates = problem.space.sample_prior(3, np.random.default_rng(0))
    expected = target.activations(problem.images(candidates), [("sn1", 3)] * 3)
    assert np.array_equal(problem.evaluate(candidates), expected)
    other = target.problem("cifar10-sngan", 3, layer="out", grid="quantile")
    assert other.id == "cifar10-sngan/mine/out/3[grid=quantile]"
    assert other.fingerprint != problem.fingerprint


def test_other_weights_are_another_problem() -> None:
    """The keys of runs hold the weights: results of one network are never taken for another's."""
    first, second = (Net(nn.ReLU) for _ in range(2))
    assert amb.target(first).fingerprint == amb.target(second).fingerprint
    with torch.no_grad():
        second.conv.bias[0] += 1
    prints = {amb.target(net, version=version).fingerprint for net in (first, second) for version in ("1", "2")}
    assert len(prints) == 4


def test_a_function_is_called_when_the_module_is_needed() -> None:
    calls: list[int] = []

    def make() -> nn.Module:
        calls.append(1)
        return Net(nn.ReLU)

    target = amb.target(make, layer="sn1")
    assert not calls
    assert target.layers["sn1"] == 8
    assert target.activations(IMAGES[:1], [("sn1", 0)]).shape == (1,)
    assert calls == [1]


PLUGIN = """
import torch
import amb

target = amb.target(lambda: torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU()), name="filters")

class Filters(amb.Family):
    name = "cifar10-sngan/filters"

    def layers(self):
        return target.layers

    def problem(self, layer, unit, *, device="cpu", **options):
        return target.problem("cifar10-sngan", unit, layer=layer, **options)
"""


def test_a_file_offers_it_to_every_command(tmp_path: Path) -> None:
    """As `--plugin` does; the family of an entry point may be the target's own."""
    (tmp_path / "filters_plugin.py").write_text(PLUGIN)
    load_file(tmp_path / "filters_plugin.py")
    problem = amb.problem("cifar10-sngan/filters/1/7")
    assert problem.evaluate(problem.space.sample_prior(2, np.random.default_rng(0))).shape == (2,)
    family = amb.target(Net(nn.ReLU), name="mine").family("cifar10-sngan")
    assert isinstance(family, amb.Family)
    assert dict(family.layers()) == {"conv": 8, "sn1": 8, "fc": 10, "out": 10}


def test_shipped_targets_have_names() -> None:
    target = amb.target("snn-cnn", layer="sn2")
    problem, same = target.problem("cifar10-sngan", 8), amb.problem("cifar10-sngan/snn-cnn/sn2/8")
    candidates = problem.space.sample_prior(4, np.random.default_rng(0))
    assert np.array_equal(problem.evaluate(candidates), same.evaluate(candidates))
    assert problem.fingerprint == same.fingerprint


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda: amb.target("snn-cn"), "snn-cnn"),
        (lambda: amb.target("snn-cnn", layer="sn22"), "sn2"),
        (lambda: amb.target("snn-cnn", frames=3), "has its own"),
        (lambda: amb.target("snn-cnn", name="mine"), "has its name already"),
        (lambda: amb.target(Net(nn.ReLU), mean={0.1, 0.2, 0.3}), "mean must be a finite number"),
        (lambda: amb.target(Net(nn.ReLU), mean={5: 1, 6: 2, 7: 3}), "mean must be a finite number"),
        (lambda: amb.target(Net(nn.ReLU), mean=True), "mean must be a finite number"),
        (lambda: amb.target(Net(nn.ReLU), std=-1), "std must be above 0"),
        (lambda: amb.target(Net(nn.ReLU), std=(1, 0, 1)), "std must be above 0"),
        (
            lambda: amb.target("snn-cnn").activations(np.ma.zeros((1, 32, 32, 3), np.uint8), [("sn1", 0)]),
            "whole images, not masked",
        ),
        (lambda: amb.target("snn-cnn", shape=(1, 1, 1)), "shape"),
        (lambda: amb.target(3), "expected a torch module"),
        (lambda: amb.target(lambda: 3).layers, "returned int"),
        (lambda: amb.target(Net(nn.ReLU), layer="sn11").layers, "sn1"),
        (lambda: amb.target(Net(nn.ReLU), frames=0).layers, "at least 1"),
        (lambda: amb.target(Net(nn.ReLU), name="a/b"), "problem's id"),
        (lambda: amb.target(nn.Linear(3, 2)).layers, "fails on a grey image"),
        (lambda: amb.target(Net(nn.ReLU)).problem("cifar10-sngan", 0), "layer="),
        (lambda: amb.target(Net(nn.ReLU)).problem("cifar10-sngan", 99, layer="fc"), r"0\.\.9"),
        (lambda: amb.target(Net(nn.ReLU)).problem("cifar10-sngn", 0, layer="fc"), "cifar10-sngan"),
        (lambda: amb.target(Net(nn.ReLU)).problem(3, 0, layer="fc"), "generator"),
        (lambda: amb.target("imagenet-vgg", layer="features.99"), r"features"),
    ],
)
def test_wrong_questions_are_answered_clearly(ask: Callable[[], object], says: str) -> None:
    with pytest.raises(SpecError, match=says):
        ask()


class Viewing(nn.Module):
    """Flattens its input with `view`, which needs the memory layout of a data loader's images."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.fc = nn.Linear(inputs, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.view(x.size(0), -1))


@pytest.mark.parametrize(
    ("inputs", "options", "variant"),
    [
        (3 * 32 * 32, {}, {}),
        (3 * 8 * 8, {"size": 8, "mean": 0.5, "std": 0.25}, {}),
        (3 * 32 * 32, {"frames": 2}, {"input": "bernoulli"}),
    ],
    ids=["images", "resized images", "noisy frames"],
)
def test_a_network_may_view_its_input(inputs: int, options: dict[str, object], variant: dict[str, object]) -> None:
    torch.manual_seed(0)
    problem = amb.target(Viewing(inputs), layer="fc", **options).problem("toy", 1, **variant)  # type: ignore[arg-type]
    dark, bright = problem.evaluate([[0] * 16, [63] * 16])
    assert np.isfinite([dark, bright]).all()
    assert dark != bright


def test_an_encoder_may_view_its_input() -> None:
    def encode(net: nn.Module, x: Tensor) -> Tensor:
        return x.view(1, -1)[:, :16]

    make = nn.Sequential(nn.Linear(16, 3 * 32 * 32), nn.Unflatten(1, (3, 32, 32)))
    generator = amb.generator(make, latent_dim=16, name="linear", encode=encode)
    problem = amb.target(Viewing(3 * 32 * 32), layer="fc").problem(generator, 1)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert problem.encode(images).shape == (2, 16)


def fake_torchvision(monkeypatch: pytest.MonkeyPatch, get_model: Callable[..., nn.Module]) -> None:
    package, models = ModuleType("torchvision"), ModuleType("torchvision.models")
    models.get_model = get_model  # type: ignore[attr-defined]
    package.models = models  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


def small_alexnet(function: str, weights: str) -> nn.Module:
    """Of AlexNet's names and numbers of units, but little to compute."""
    assert (function, weights) == ("alexnet", "AlexNet_Weights.IMAGENET1K_V1")
    layers: list[nn.Module] = []
    inputs = 3
    for width, pools in ((64, True), (192, True), (384, False), (256, False), (256, True)):
        layers += [nn.Conv2d(inputs, width, 1, stride=8 if inputs == 3 else 1), nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2)] if pools else []
        inputs = width
    net = nn.Module()
    net.features, net.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1)
    hidden = [nn.Dropout(), nn.Linear(256, 4096), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(4096, 4096)]
    net.classifier = nn.Sequential(*hidden, nn.ReLU(inplace=True), nn.Linear(4096, 1000))
    whole = nn.Sequential()
    whole.features, whole.avgpool, whole.classifier = net.features, net.avgpool, net.classifier

    class AlexNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.avgpool, self.classifier = net.features, net.avgpool, net.classifier

        def forward(self, x: Tensor) -> Tensor:
            assert x.shape[1:] == (3, 224, 224)
            return self.classifier(self.avgpool(self.features(x)).flatten(1))

    return AlexNet()


def test_imagenet_networks_see_enlarged_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for torchvision: every listed layer answers, the classes' probabilities too."""
    fake_torchvision(monkeypatch, small_alexnet)
    target = amb.target("imagenet-alexnet", layer="features.0")
    names = list(target.layers)
    assert names[-2:] == ["classifier.6", "prob"]
    values = target.activations(IMAGES[:1].repeat(len(names), 0), [(name, 1) for name in names])
    assert np.isfinite(values).all()
    assert 0 < values[-1] < 1
    problem = target.problem("cifar10-sngan", 3)
    assert problem.id == "cifar10-sngan/imagenet-alexnet/features.0/3"
    assert np.isfinite(problem.evaluate(problem.space.sample_prior(2, np.random.default_rng(0)))).all()
    large = amb.target("imagenet-alexnet", shape=(224, 224, 3))
    assert large.activations(np.zeros((1, 224, 224, 3), np.uint8), [("features.0", 1)]).shape == (1,)


def test_a_missing_torchvision_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not installed, built for another torch, or without a network: one line that says how to fix it."""
    family = find_family("cifar10-sngan/imagenet-alexnet")
    assert family.layers()["features.0"] == 64, "listing needs no torchvision"
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(PluginError, match=r"pip install 'amb\[imagenet\]'"):
        ImageNetTarget("imagenet-alexnet").activations(IMAGES[:1], [("features.0", 0)])

    def broken(*_: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    fake_torchvision(monkeypatch, small_alexnet)
    monkeypatch.delattr(sys.modules["torchvision"], "models")
    monkeypatch.delitem(sys.modules, "torchvision.models")
    monkeypatch.setattr(sys.modules["torchvision"], "__getattr__", broken, raising=False)
    with pytest.raises(PluginError, match=r"fits torch .*nms does not exist.*one index"):
        ImageNetTarget("imagenet-alexnet").activations(IMAGES[:1], [("features.0", 0)])

    def offline(function: str, weights: str) -> nn.Module:
        raise OSError("<urlopen error no network>")

    fake_torchvision(monkeypatch, offline)
    with pytest.raises(DataError, match=r"could not be downloaded .*TORCH_HOME"):
        ImageNetTarget("imagenet-vgg").activations(IMAGES[:1], [("features.0", 0)])


def test_written_down_layers_are_torchvisions() -> None:
    """Where torchvision can be imported: names, order and numbers of units."""
    try:
        from torchvision import models
    except Exception:
        pytest.skip("no torchvision that fits this torch")
    for name, function in (("alexnet", "alexnet"), ("vgg", "vgg16"), ("densenet", "densenet121")):
        network = models.get_model(function, weights=None)
        kinds = (nn.Conv2d, nn.ReLU, nn.Linear)
        assert list(LAYERS[f"imagenet-{name}"]) == [k for k, m in network.named_modules() if isinstance(m, kinds)]


@pytest.mark.parametrize(
    "units",
    [None, "abc", [0, 0], [("0", [])] * 2, [({}, 0)] * 2, [("0", 0, 2)] * 2, [("0", "0")] * 2, [("0", True)] * 2,
     [("0", 0)], [("0", 0)] * 3],
)  # fmt: skip
def test_units_that_are_no_pairs_for_the_images_are_refused(units: object) -> None:
    """A pair too few left an image out in silence."""
    images = np.zeros((2, 32, 32, 3), np.uint8)
    for target in (amb.target(nn.Sequential(nn.Conv2d(3, 8, 5))), amb.target("snn-cnn")):
        with pytest.raises(SpecError, match=r"\(layer, unit\) pair"):
            target.activations(images, units)


@pytest.mark.parametrize(("unit", "layer"), [(np.array(2.0), "0"), (1, []), (1, {})])
def test_a_unit_or_layer_of_another_type_is_refused(unit: object, layer: object) -> None:
    with pytest.raises(SpecError, match=r"bad unit|has no layer"):
        amb.target(nn.Sequential(nn.Conv2d(3, 8, 5))).problem("toy", unit, layer=layer)

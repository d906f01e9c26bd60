from pathlib import Path

import numpy as np
import pytest
import torch

import amb
from amb.errors import CheckpointError, SpecError
from amb_problems import checkpoint
from amb_problems.cards import SNGANCard, SNGANShape, SpikingTargetCard
from amb_problems.targets.spiking.exact import (
    EXACT_UNITS,
    PIXELS,
    SPIKES,
    ExactLayer,
    check_exact,
    fold,
    make_exact,
    quantize,
    to_tensors,
)
from amb_problems.targets.spiking.exact_network import ExactNetwork, build_network, describe
from amb_problems.targets.spiking.framework import spike_trains
from amb_problems.targets.spiking.lif import LIF, LIFNeuron
from amb_problems.targets.spiking.networks import NETWORKS
from amb_problems.targets.spiking.target import SpikingTarget
from amb_problems.training.spiking_export import add_readout
from amb_problems.training.spiking_recipes import SMALL_RECIPES

pytestmark = pytest.mark.usefixtures("one_thread")


SMALL_NETWORKS = {name: 0.95 if name.startswith("digits") else 0.5 for name in SMALL_RECIPES}
LEAST = {"snn-cnn": 0.7, "snn-resnet18": 0.8, "snn-resnet18-paper": 0.7, "mnist-snn": 0.98} | SMALL_NETWORKS
SHIPPED = [name for name in LEAST if name in checkpoint.shipped()]
SMALL = {
    "SpikingCNN": ("SpikingCNN", {"widths": (5, 6), "hidden": 7}, LIF(strict=True), 12),
    "SpikingResNet18": ("SpikingResNet18", {"width": 4}, LIF(strict=False), 6),
    "ImageNet's stem": ("SpikingResNet18", {"width": 4, "stem": "imagenet"}, LIF(strict=False), 6),
    "digits": ("SpikingCNN", {"widths": (5, 6), "hidden": 7, "channels": 1, "side": 28}, LIF(strict=True), 12),
    "stack": ("SpikingStack", {"layers": "6C5-AP2-6R3S2-8C3-MP2-7"}, LIF(1.0, reset="subtract"), 6),
}


def stimuli(n: int, seed: int = 0, shape: tuple[int, int, int] = (32, 32, 3)) -> np.ndarray:
    """Noise, flat colours, gradients and dark images, in turn."""
    rng = np.random.default_rng(seed)
    height, _, channels = shape
    images = rng.integers(0, 256, (n, *shape))
    images[1::4] = rng.integers(0, 256, (len(images[1::4]), 1, 1, channels))
    images[2::4] = images[2::4] // 8 + np.linspace(0, 220, height)[None, :, None, None]
    images[3::4] //= 16
    return images.astype(np.uint8)


def write(folder: Path, name: str, seed: int = 0) -> Path:
    """A target of random weights, with batch norms that differ from the identity, as a checkpoint."""
    network, arguments, lif, frames = SMALL[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trained = NETWORKS[network](lambda: LIFNeuron(lif), **arguments)
        for module in trained.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.weight.data.uniform_(-1.5, 1.5)
                module.bias.data.uniform_(-0.2, 0.8)
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.02, 0.2)
    card = SpikingTargetCard(
        network=network,
        arguments=arguments,
        lif=lif,
        frames=frames,
        activation="spikes / (frames * positions)",
        layers=describe(build_network(network, arguments, lambda: LIFNeuron(lif))),
    )
    checkpoint.save(folder / name, to_tensors(make_exact(trained)), card)
    return folder / name


@pytest.fixture(scope="module", params=[*SMALL, *SHIPPED])
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExactNetwork:
    """A small network of random weights, or a shipped one."""
    name = request.param
    return ExactNetwork.load(write(tmp_path_factory.mktemp("small"), name) if name in SMALL else name)


def everything(target: ExactNetwork) -> dict[str, range]:
    return {layer: range(info.channels) for layer, info in target.layers.items()}


def test_spikes_are_the_frameworks_own_frame_by_frame(target: ExactNetwork) -> None:
    """With the same weights every layer fires, in each frame, where snnTorch's or SpikingJelly's neurons fire.

    And the counts are these spikes, summed over frames and positions.
    """
    pytest.importorskip("snntorch" if target.lif.strict else "spikingjelly")
    images = stimuli(3, shape=target.shape)
    network, x = target.build(lambda: LIFNeuron(target.lif)), target.input(images)
    totals = {layer: np.zeros((3, info.channels), np.int64) for layer, info in target.layers.items()}
    for frame, theirs in enumerate(spike_trains(target, images)):
        for firing in network.walk(x):
            spikes = theirs[firing.layer]
            assert set(spikes.unique().tolist()) <= {0.0, 1.0}
            assert torch.equal(firing.spikes, spikes), (frame, firing.layer)
            totals[firing.layer] += spikes.flatten(1).unflatten(1, (spikes.shape[1], -1)).sum(2).long().numpy()
    counts = target.counts(images, everything(target))
    assert list(counts) == list(target.layers)
    assert all(np.array_equal(total, counts[layer]) for layer, total in totals.items())
    assert counts["sn1"].any()


def test_a_count_depends_on_its_own_image_alone(target: ExactNetwork) -> None:
    """Alone, in a batch, at any position, on one thread or two: the same counts and scores, bit for bit."""
    images, units = stimuli(3, 1, target.shape), everything(target)
    together, scores = target.counts(images, units), target.class_scores(images[1:])
    backwards = target.counts(images[::-1], units)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        alone = target.counts(images[2:], units)
        assert np.array_equal(scores[1:], target.class_scores(images[2:]))
    finally:
        torch.set_num_threads(threads)
    for layer, counts in together.items():
        assert np.array_equal(counts[::-1], backwards[layer])
        assert np.array_equal(counts[2:], alone[layer])


def test_imagenets_stem_is_the_papers_geometry() -> None:
    """At width 64 the parameters of torchvision's and SpikingJelly's ResNet-18, to the last; last maps of one place."""
    network = NETWORKS["SpikingResNet18"](lambda: LIFNeuron(LIF()), width=64, classes=1000, stem="imagenet")
    assert sum(p.numel() for p in network.parameters()) == 11_689_512
    sides = {layer: shape[1] for layer, shape in describe(network).items()}
    assert [sides[f"{layer}sn1"] for layer in ("", "layer1.0.", "layer2.0.", "layer3.0.")] == [16, 8, 4, 2]
    assert sides["layer4.1.sn2"] == 1


def test_counts_have_the_units_asked_for_in_their_order(target: ExactNetwork) -> None:
    """Units may repeat; other units in the same call change nothing."""
    images = stimuli(3, shape=target.shape)
    full = target.counts(images, everything(target))
    some = target.counts(images, {"sn1": [3, 0, 3]})
    assert list(some) == ["sn1"]
    assert some["sn1"].dtype == np.int64
    assert np.array_equal(full["sn1"][:, [3, 0, 3]], some["sn1"])
    info = target.layers["sn1"]
    assert full["sn1"].max() <= target.frames * info.positions


def test_a_training_that_diverged_is_not_exported() -> None:
    """NaN has no integer; what a processor makes of it would look like weights."""
    network = NETWORKS["SpikingCNN"](lambda: LIFNeuron(LIF()), widths=(5, 6), hidden=7)
    network.conv2.weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(CheckpointError, match=r"the trained network: conv2\.weight holds NaN"):
        make_exact(network)


UNFIT = {
    "other maps": ("layers", {"sn1": (5, 12, 12), "sn2": (6, 5, 5), "sn3": (7, 1, 1), "out": (10, 1, 1)}),
    "a unit too many": ("layers", {"sn1": (6, 14, 14), "sn2": (6, 5, 5), "sn3": (7, 1, 1), "out": (10, 1, 1)}),
    "another order": ("layers", {"out": (10, 1, 1), "sn3": (7, 1, 1), "sn2": (6, 5, 5), "sn1": (5, 14, 14)}),
    "another width": ("arguments", {"widths": (5, 7), "hidden": 7}),
    "a size that no memory holds": ("arguments", {"widths": (5, 6), "hidden": 2**40}),
    "an argument of another type": ("arguments", {"widths": 5}),
}


@pytest.mark.parametrize(("entry", "value"), UNFIT.values(), ids=UNFIT)
def test_a_card_that_does_not_fit_its_network_is_refused(entry: str, value: object, tmp_path: Path) -> None:
    """Spikes divided by the wrong number of positions would be plausible activations."""
    path = write(tmp_path, "SpikingCNN")
    checkpoint.amend(path, **{entry: value})
    with pytest.raises(CheckpointError, match=r"does not fit its card|the card's shape, found"):
        ExactNetwork.load(path)


def test_a_notation_of_another_type_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "stack")
    checkpoint.amend(path, arguments={"layers": ["6C5", "7"]})
    with pytest.raises(CheckpointError, match="does not fit its card: AttributeError"):
        ExactNetwork.load(path)


@pytest.mark.parametrize("tensor", ["conv2.weight", "conv2.shift", "conv2.bias", "fc1.weight"])
def test_tensors_of_another_size_are_refused(tensor: str, tmp_path: Path) -> None:
    """One shift for all channels, for instance, gives plausible values."""
    path = write(tmp_path, "SpikingCNN")
    tensors, card = checkpoint.load(path, SpikingTargetCard)
    for wrong in (tensors[tensor][:1], tensors[tensor].flatten()[0], tensors[tensor][None]):
        checkpoint.save(path, tensors | {tensor: wrong.clone()}, card)
        with pytest.raises(CheckpointError, match=rf"need {tensor} as torch\.int\d+ \[.*found torch\.int"):
            ExactNetwork.load(path)


@pytest.mark.parametrize("shift", [17, -128])
def test_grids_of_weights_stay_where_bounds_are_certain(shift: int, tmp_path: Path) -> None:
    """The distance of two grids is a shift of the bound of their sum, which must not overflow."""
    path = write(tmp_path, "SpikingResNet18")
    tensors, card = checkpoint.load(path, SpikingTargetCard)
    tensors["layer2.0.conv2.shift"][0] = shift
    checkpoint.save(path, tensors, card)
    with pytest.raises(CheckpointError, match=r"layer layer2\.0\.conv2 has weights in units of"):
        ExactNetwork.load(path)


def test_a_scale_of_another_number_of_units_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "SpikingResNet18")
    add_readout(path, ExactNetwork.load(path).class_scores(stimuli(12)))
    tensors, card = checkpoint.load(path, SpikingTargetCard)
    checkpoint.save(path, tensors | {"low/fc": tensors["low/fc"][:9]}, card)
    with pytest.raises(CheckpointError, match=r"the scale of fc is torch\.float32 \[9\], not 10 numbers"):
        ExactNetwork.load(path)


@pytest.mark.parametrize("name", ["SpikingResNet18", "ImageNet's stem"])
def test_the_class_output_is_the_readouts_mean_over_frames(name: str, tmp_path: Path) -> None:
    """Counted in one go it is, bit for bit, what the plain network's frames add up to; 0 and 1 are the scale's ends."""
    path = write(tmp_path, name)
    images = stimuli(12)
    scores = ExactNetwork.load(path).class_scores(images)
    add_readout(path, scores)
    activations = SpikingTarget(path)
    assert np.array_equal(scores, activations.readouts(images))
    units = [("fc", 4), ("sn1", 1)] * 6
    values = activations.activations(images, units)
    alone = [activations.activations(images[i : i + 1], units[i : i + 1])[0] for i in range(12)]
    assert np.array_equal(values, alone)
    low, high = scores[:, 4].mean(), scores[:, 4].max()
    np.testing.assert_allclose(values[::2], (scores[::2, 4] - low) / (high - low), atol=1e-5)
    assert (values[1::2] >= 0).all()


@pytest.mark.parametrize("network", SMALL)
def test_an_image_leaves_no_trace_in_the_next(network: str, tmp_path: Path) -> None:
    """Membranes are at rest before every evaluation."""
    target = ExactNetwork.load(write(tmp_path, network))
    images = stimuli(2, shape=target.shape)
    first = target.counts(images[:1], everything(target))
    target.counts(images[1:], everything(target))
    again = target.counts(images[:1], everything(target))
    assert all(np.array_equal(first[layer], again[layer]) for layer in first)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_cards_say_what_their_target_is(name: str) -> None:
    """The card states data, recipe, neuron, threshold rule, frames and the exact network's accuracy."""
    card = checkpoint.read_card(name, SpikingTargetCard)
    for field in ("network", "lif", "reset", "fires", "frames", "normalization", "activation", "data", "training"):
        assert getattr(card, field), field
    assert 0.1 < card.metrics["test accuracy"] <= 1
    target = ExactNetwork.load(name)
    network = target.build(lambda: LIFNeuron(target.lif))
    assert card.layers == describe(network)


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_shipped_networks_are_accurate(name: str, least: float) -> None:
    """On the whole test half, by the exact weights that are shipped."""
    metrics = checkpoint.read_card(name).metrics
    assert metrics["test images"] == 10_000
    assert metrics["test accuracy"] >= least


def test_the_resnets_class_output_is_a_problem() -> None:
    """`fc` is addressed as a layer, and its value is the same alone and in a batch."""
    problem = amb.problem("cifar10-sngan/snn-resnet18/fc/3")
    candidates = problem.space.sample_prior(3, np.random.default_rng(0))
    values = problem.evaluate(candidates)
    assert values[1] == problem.evaluate(candidates[1:2])[0]
    target = ExactNetwork.load("snn-resnet18")
    scores = target.class_scores(problem.images(candidates[:1]))[0, 3]
    scale = target.scales["fc"]
    assert values[0] == pytest.approx((scores - scale.low[3]) / (scale.high[3] - scale.low[3]))


def test_all_checkpoints_fit_the_wheel() -> None:
    """Forty megabytes together."""
    folder = Path(checkpoint.__file__).parent / "checkpoints"
    assert sum(file.stat().st_size for file in folder.iterdir()) < 40e6


def test_wrong_questions_are_answered_clearly(tmp_path: Path) -> None:
    target = ExactNetwork.load(write(tmp_path, "SpikingCNN"))
    images = stimuli(1)
    with pytest.raises(SpecError, match="sn1"):
        target.counts(images, {"sn11": [0]})
    with pytest.raises(SpecError, match=r"units 0\.\.4"):
        target.counts(images, {"sn1": [5]})
    with pytest.raises(SpecError, match="uint8"):
        target.counts(images.astype(np.float32), {"sn1": [0]})


def test_a_checkpoint_of_another_kind_is_refused(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other", {"w": torch.zeros(1)}, SNGANCard(shape=SNGANShape()))
    with pytest.raises(CheckpointError, match="'sngan', expected 'spiking target'"):
        ExactNetwork.load(tmp_path / "other")


def test_float_weights_are_refused(tmp_path: Path) -> None:
    """A checkpoint whose weights are not integers is not exact and must not be taken for it."""
    path = write(tmp_path, "SpikingCNN")
    tensors, card = checkpoint.load(path)
    checkpoint.save(path, tensors | {"conv2.weight": tensors["conv2.weight"].float()}, card)
    with pytest.raises(CheckpointError, match=r"conv2\.weight as torch\.int8"):
        ExactNetwork.load(path)


def test_quantized_weights_are_near_the_real_ones() -> None:
    """Each channel uses at least half of the int8 range, and no weight is off by more than half a unit."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(8, 3, 5, 5, generator=generator) * torch.logspace(-3, 1, 8).view(-1, 1, 1, 1)
    bias = torch.randn(8, generator=generator)
    layer = quantize(weight, bias, PIXELS)
    peaks = layer.weight.long().abs().flatten(1).amax(1)
    assert ((peaks >= 64) & (peaks <= 127)).all()
    unit = torch.exp2(-layer.shift.float())
    assert ((layer.float_weight() - weight).abs().flatten(1).amax(1) <= unit / 2).all()
    assert ((layer.float_bias() - bias).abs() <= unit / 64 / 2).all()


def test_sums_that_float32_could_round_are_refused() -> None:
    weight = torch.ones(1, 1, 1, 1, dtype=torch.int8)
    shift = torch.zeros(1, dtype=torch.int8)
    edge = ExactLayer(weight, shift, torch.tensor([EXACT_UNITS - 2], dtype=torch.int32), SPIKES)
    check_exact({"conv1": edge})
    beyond = ExactLayer(weight, shift, torch.tensor([EXACT_UNITS - 1], dtype=torch.int32), SPIKES)
    with pytest.raises(CheckpointError, match="layer conv1, channel 0"):
        check_exact({"conv1": beyond})


def test_a_residual_sum_is_bounded_on_the_finer_grid_of_its_branches() -> None:
    """Both branches are exact alone, yet their sum is not where the powers of two lie too far apart."""
    coarse = ExactLayer(
        torch.full((1, 4, 3, 3), 127, dtype=torch.int8),
        torch.tensor([-4], dtype=torch.int8),
        torch.zeros(1, dtype=torch.int32),
        SPIKES,
    )
    fine = ExactLayer(
        torch.full((1, 4, 1, 1), 127, dtype=torch.int8),
        torch.tensor([16], dtype=torch.int8),
        torch.zeros(1, dtype=torch.int32),
        SPIKES,
    )
    check_exact({"layer2.0.conv2": coarse, "other": fine})
    with pytest.raises(CheckpointError, match=r"layer2\.0\.conv2"):
        check_exact({"layer2.0.conv2": coarse, "layer2.0.downsample.0": fine})


def test_folding_keeps_the_function() -> None:
    """Convolution and batch norm, and the folded convolution, give the same currents."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        convolution, norm = torch.nn.Conv2d(3, 4, 3, bias=False).double(), torch.nn.BatchNorm2d(4).double()
        norm.weight.data.normal_()
        norm.bias.data.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 2.0)
        x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    weight, bias = fold(convolution.weight, convolution.bias, norm)
    expected = norm.eval()(convolution(x))
    torch.testing.assert_close(torch.nn.functional.conv2d(x, weight, bias), expected)

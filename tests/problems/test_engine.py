import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from amb.errors import SpecError
from amb_problems import checkpoint
from amb_problems.engine.convolution import Convolution, as_matrix
from amb_problems.engine.eager_kernels import EagerKernels, max_pool
from amb_problems.engine.evaluator import Evaluator
from amb_problems.engine.event_convolution import EventConvolution
from amb_problems.engine.firing_periods import period_edges
from amb_problems.engine.stages import Affine, Neuron, Pool, Stage
from amb_problems.engine.superposition import Superposition
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.stages import network_of
from amb_problems.training.spiking_recipes import SMALL_RECIPES

pytestmark = pytest.mark.usefixtures("one_thread")


ALL = ["snn-cnn", "snn-resnet18", "snn-resnet18-paper", "mnist-snn", *SMALL_RECIPES]
TARGETS = [name for name in ALL if name in checkpoint.shipped()]
NEURONS = [Neuron(0.9, 1.0, True), Neuron(0.9, 1.0, False), Neuron(0.5, 0.75, False)]


def stimuli(n: int, seed: int = 0, shape: tuple[int, int, int] = (32, 32, 3)) -> np.ndarray:
    """Noise, flat colours, gradients and dark images: some silence a network, some saturate it."""
    rng = np.random.default_rng(seed)
    height, _, channels = shape
    images = rng.integers(0, 256, (n, *shape))
    images[1::4] = rng.integers(0, 256, (len(images[1::4]), 1, 1, channels))
    images[2::4] = images[2::4] // 8 + np.linspace(0, 220, height)[None, :, None, None]
    images[3::4] //= 16
    return images.astype(np.uint8)


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> ExactNetwork:
    return ExactNetwork.load(request.param)


def probes_of(target: ExactNetwork, n: int, seed: int = 0) -> list[tuple[str, int]]:
    rng = np.random.default_rng(seed)
    names = list(target.layers)
    layers = [names[i] for i in rng.integers(0, len(names), n)]
    return [(layer, int(rng.integers(0, min(target.layers[layer].channels, 5)))) for layer in layers]


@pytest.fixture(scope="module")
def plain_counts(target: ExactNetwork) -> dict[str, np.ndarray]:
    """Units 0, 1 and 3 of every layer, one frame after another through the whole network."""
    return target.counts(stimuli(4, shape=target.shape), {layer: [0, 1, 3] for layer in target.layers})


@pytest.mark.parametrize("backend", ["events", "integers", "products", "floats", "eager"])
def test_every_backend_counts_what_the_plain_network_counts(
    target: ExactNetwork, plain_counts: dict[str, np.ndarray], backend: str
) -> None:
    """One frame after another through the whole network, and the engine's shortcuts, agree to the spike."""
    images = stimuli(4, shape=target.shape)
    evaluator = Evaluator(network_of(target), backend=backend)
    layers = list(target.layers)
    # The deepest layer depends on all others' spikes; the first has its own closed form.
    for layer in layers if backend == "events" else [layers[0], layers[-1]]:
        assert np.array_equal(plain_counts[layer], evaluator.unit_counts(images, layer, (0, 1, 3))), layer


def test_one_pass_counts_every_layer(target: ExactNetwork, plain_counts: dict[str, np.ndarray]) -> None:
    images = stimuli(4, shape=target.shape)
    result = Evaluator(network_of(target)).layer_counts(images, target.layers)
    for layer, counts in plain_counts.items():
        assert result[layer].shape == (4, target.layers[layer].channels)
        assert np.array_equal(counts, result[layer][:, [0, 1, 3]]), layer


def test_the_frameworks_own_forward_pass_counts_the_same(
    target: ExactNetwork, plain_counts: dict[str, np.ndarray]
) -> None:
    """snnTorch's and SpikingJelly's neurons, one frame per call, with the same weights."""
    pytest.importorskip("snntorch" if target.lif.strict else "spikingjelly")
    from amb_problems.targets.spiking.framework import spike_trains

    images = stimuli(4, shape=target.shape)[:1]
    result = {layer: np.zeros((1, 3), np.int64) for layer in target.layers}
    for frame in spike_trains(target, images):
        for layer, spikes in frame.items():
            result[layer] += spikes[:, [0, 1, 3]].reshape(1, 3, -1).sum(-1).long().numpy()
    for layer in target.layers:
        assert np.array_equal(plain_counts[layer][:1], result[layer]), layer
        assert np.array_equal(result[layer], Evaluator(network_of(target)).unit_counts(images, layer, (0, 1, 3)))


def test_a_count_depends_on_its_own_image_alone(target: ExactNetwork) -> None:
    """Alone, in any batch, at any position, in chunks of any size, on any number of threads: the same count."""
    images, probes = stimuli(40, shape=target.shape), probes_of(target, 40)
    evaluator = Evaluator(network_of(target))
    expected = evaluator.counts(images, probes)
    shuffled = np.random.default_rng(1).permutation(40)
    assert np.array_equal(expected[shuffled], evaluator.counts(images[shuffled], [probes[i] for i in shuffled]))
    for chunk in (1, 3, 32):
        assert np.array_equal(expected, evaluator.counts(images, probes, chunk=chunk))
    for i in range(0, 40, 7):
        assert expected[i] == evaluator.counts(images[i : i + 1], probes[i : i + 1])[0]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        assert np.array_equal(expected, evaluator.counts(images, probes))
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_thousands_of_candidates_never_differ(target: ExactNetwork) -> None:
    """Two thousand images, each with its own probe: no count depends on backend, chunk or order."""
    images, probes = stimuli(2000, 5, target.shape), probes_of(target, 2000, seed=5)
    network = network_of(target)
    expected = Evaluator(network).counts(images, probes)
    assert np.array_equal(expected, Evaluator(network, backend="floats").counts(images, probes, chunk=7))
    assert np.array_equal(expected[::-1], Evaluator(network).counts(images[::-1], probes[::-1], chunk=32))


@pytest.mark.parametrize("neuron", NEURONS)
def test_the_closed_form_of_the_first_layer_is_exact(neuron: Neuron) -> None:
    """For any constant current, firing every p-th frame is what the iterated neuron does, to the frame."""
    frames = 100
    edges = period_edges(neuron, frames)
    rng = np.random.default_rng(0)
    around = np.concatenate([np.nextafter(edges, np.float32(bound)) for bound in (-9, 9)])
    currents = np.concatenate([rng.uniform(-1, 3, 20000).astype(np.float32), edges, around])
    above = (currents[:, None] < edges).sum(axis=1) + 1
    periods = np.where(above <= frames, above, 0)
    potential, decay = np.zeros_like(currents), np.float32(neuron.decay)
    for frame in range(1, frames + 1):
        potential = potential * decay + currents
        fires = potential >= neuron.level
        potential = np.where(fires, np.float32(0), potential)
        expected = (periods > 0) & (frame % np.maximum(periods, 1) == 0)
        assert np.array_equal(expected, fires), frame


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_small_maps_as_a_matrix_are_the_same_convolution(side: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randint(-128, 128, (5, 7, 3, 3), generator=generator, dtype=torch.int8)
    affine = Affine(weight, torch.full((5,), 0.25), torch.arange(5.0), stride, 1)
    spikes = torch.randint(0, 2, (9, side, side, 7), generator=generator, dtype=torch.uint8)
    plain = torch.nn.functional.conv2d(
        spikes.permute(0, 3, 1, 2).float(), weight.float() * 0.25, affine.bias, stride, 1
    ).permute(0, 2, 3, 1)
    assert torch.equal(plain, Convolution(affine, side, arithmetic="floats")(spikes))
    assert torch.equal(plain, Convolution(affine, side, arithmetic="products")(spikes))
    assert as_matrix(affine, side).weight.shape[1] == side * side * 7


@given(
    side=st.integers(1, 6),
    inputs=st.integers(1, 40),
    outputs=st.integers(1, 40) | st.sampled_from([64, 96, 160]),
    shape=st.sampled_from([(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 2, 1), (5, 1, 2), (2, 2, 0)]),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    extreme=st.booleans(),
    narrow=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_adding_the_rows_of_spikes_is_the_convolution(
    side: int,
    inputs: int,
    outputs: int,
    shape: tuple[int, int, int],
    density: float,
    extreme: bool,
    narrow: bool,
    seed: int,
) -> None:
    """Any map, kernel, stride and padding; also with the smallest weights, 257 of which overflow 16 bits."""
    kernel, stride, padding = shape
    assume(side + 2 * padding >= kernel)
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-128, 128, (outputs, inputs, kernel, kernel), generator=generator, dtype=torch.int8)
    if extreme:
        weight[:] = -128
    affine = Affine(weight, torch.full((outputs,), 0.25), torch.arange(float(outputs)), stride, padding)
    spikes = (torch.rand((3, side, side, inputs), generator=generator) < density).to(torch.uint8)
    plain = torch.nn.functional.conv2d(
        spikes.permute(0, 3, 1, 2).double(), weight.double() * 0.25, affine.bias.double(), stride, padding
    ).permute(0, 2, 3, 1)
    assert EventConvolution.fits(affine)  # up to 5 x 40 weights of at least -128
    convolution = EventConvolution(affine, side, narrow=narrow)
    assert torch.equal(plain.float(), convolution(spikes))
    assert torch.equal(plain.float(), Convolution(affine, side, arithmetic="products")(spikes))


@given(
    side=st.integers(1, 9),
    inputs=st.integers(1, 12),
    outputs=st.sampled_from([1, 2, 5, 8, 16, 40]),
    shape=st.sampled_from([(1, 0), (3, 0), (3, 1), (5, 2), (2, 1)]),
    pool=st.sampled_from([None, Pool(1, 1), Pool(2, 2), Pool(3, 2), Pool(2, 1)]),
    silent=st.sampled_from([0.0, 0.6, 1.0]),
    extreme=st.booleans(),
    frames=st.sampled_from([1, 20, 100]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_adding_each_periodic_neuron_once_is_the_convolution_of_every_frame(
    side: int,
    inputs: int,
    outputs: int,
    shape: tuple[int, int],
    pool: Pool | None,
    silent: float,
    extreme: bool,
    frames: int,
    seed: int,
) -> None:
    """Any map, kernel, padding, pool and number of units; also with sums that overflow 16 bits."""
    kernel, padding = shape
    assume(side + 2 * padding >= kernel + (pool.kernel - 1 if pool else 0))
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-128, 128, (outputs, inputs, kernel, kernel), generator=generator, dtype=torch.int8)
    if extreme:
        weight[:] = -128
        weight[::2] = 127
    affine = Affine(weight, torch.full((outputs,), 2.0**-9), torch.arange(float(outputs)) / 64, 1, padding)
    stage, neuron = Stage("second", affine, pool), Neuron(0.9, 1.0, True)
    periods = torch.randint(0, frames + 1, (2, side, side, inputs), generator=generator).to(torch.uint8)
    periods[torch.rand(periods.shape, generator=generator) < silent] = 0
    plain = EagerKernels(neuron, frames)
    spikes = plain.trains(periods, None).flatten(0, 1)
    current = max_pool(Convolution(affine, side, arithmetic="floats")(spikes), pool)
    expected = plain.fire(current.view(frames, 2, *current.shape[1:]), None)
    assert Superposition.fits(stage)
    assert torch.equal(expected, Superposition(stage, side, neuron, frames)(periods))


def test_a_line_of_weights_that_16_bits_do_not_hold_is_left_to_dense_arithmetic() -> None:
    weight = torch.full((16, 86, 3, 3), 127, dtype=torch.int8)
    weight[0, 0, 0, 0] = 126
    scale, bias = torch.ones(16), torch.zeros(16)
    assert 3 * 86 * 127 - 1 <= 32767
    assert EventConvolution.fits(Affine(weight, scale, bias))
    weight[0, 0, 0, 0] = 127
    assert EventConvolution.fits(Affine(weight, scale, bias)) == (3 * 86 * 127 <= 32767)
    assert not EventConvolution.fits(Affine(torch.full((16, 87, 3, 3), 127, dtype=torch.int8), scale, bias))
    assert not EventConvolution.fits(Affine(torch.full((16, 86, 3, 3), -128, dtype=torch.int8), scale, bias))


@given(
    side=st.integers(1, 5),
    inputs=st.sampled_from([3, 8, 32, 64]),
    outputs=st.sampled_from([32, 64, 96, 160]),
    shape=st.sampled_from([(1, 2, 0), (3, 1, 1), (3, 2, 1)]),
    shortcut=st.sampled_from([None, "spikes", "currents"]),
    reset=st.sampled_from(["zero", "subtract"]),
    extreme=st.booleans(),
    narrow=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_firing_without_storing_the_currents_gives_the_same_spikes(
    side: int,
    inputs: int,
    outputs: int,
    shape: tuple[int, int, int],
    shortcut: str | None,
    reset: str,
    extreme: bool,
    narrow: bool,
    seed: int,
) -> None:
    kernel, stride, padding = shape
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randint(-128, 128, (outputs, inputs, kernel, kernel), generator=generator, dtype=torch.int8)
    if extreme:
        weight[:] = 127  # 576 inputs overflow 16 bits
    affine = Affine(weight, torch.full((outputs,), 2.0**-9), torch.arange(float(outputs)) / 64, stride, padding)
    assume(EventConvolution.fits(affine))
    neuron, frames = Neuron(0.5, 0.75, False, reset), 6
    spikes = (torch.rand((frames, 2, side, side, inputs), generator=generator) < 0.2).to(torch.uint8)
    current = Convolution(affine, side, arithmetic="floats")(spikes.flatten(0, 1))
    current = current.view(frames, 2, *current.shape[1:])
    added = {
        None: None,
        "spikes": torch.randint(0, 2, current.shape, generator=generator, dtype=torch.uint8),
        "currents": torch.randint(-9, 9, current.shape, generator=generator) / 8,
    }[shortcut]
    convolution = EventConvolution(affine, side, narrow=narrow)
    assert convolution.fires
    assert torch.equal(EagerKernels(neuron, frames).fire(current, added), convolution.fire(spikes, added, neuron))


def test_all_targets_are_shipped() -> None:
    """A missing checkpoint would leave the tests above out silently."""
    assert TARGETS == ALL


@pytest.mark.parametrize("probe", [("sn1", 64), ("sn1", -1), ("sn9", 0)])
def test_unknown_probes_are_refused(probe: tuple[str, int]) -> None:
    evaluator = Evaluator(network_of(ExactNetwork.load("snn-cnn")))
    with pytest.raises(SpecError, match=r"unit|layer"):
        evaluator.counts(stimuli(1), [probe])


@pytest.mark.gpu
def test_an_accelerator_counts_the_same(target: ExactNetwork) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    images, probes = stimuli(200, shape=target.shape), probes_of(target, 200)
    network = network_of(target)
    assert np.array_equal(
        Evaluator(network).counts(images, probes), Evaluator(network, device="cuda").counts(images, probes)
    )

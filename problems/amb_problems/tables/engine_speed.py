"""Speed of the engine on this machine, and its processor utilization: `python -m amb_problems.tables.engine_speed`.

Prints, as the Markdown of `docs/notes/performance.md`, the machine's measured peaks and, for each target and layer,
images per second on one thread, the ratio to the framework's own forward pass through the whole network, and where the
time goes. The best of several repetitions counts, since other processes can only slow one down; time without a
processor is left out.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb.clock import CLOCK
from amb_problems import checkpoint
from amb_problems.engine.convolution import Convolution, has_integers
from amb_problems.engine.evaluator import Evaluator
from amb_problems.engine.kernels import Kernels
from amb_problems.engine.stages import Affine
from amb_problems.targets.spiking.exact_network import ExactNetwork
from amb_problems.targets.spiking.framework import spike_trains
from amb_problems.targets.spiking.stages import network_of

IMAGES = 128
LAYERS: Mapping[str, tuple[str, ...]] = {
    "snn-cnn": ("sn1", "sn2", "sn3", "out"),
    "snn-resnet18": ("sn1", "layer1.0.sn1", "layer1.0.sn2", "layer2.1.sn2", "layer3.1.sn2", "layer4.1.sn2"),
}
_KERNELS = ("periods", "period_counts", "trains", "fire", "fire_counts", "counts")


@dataclass(frozen=True)
class Speed:
    """How fast one layer is probed on one thread."""

    layer: str
    images_per_second: float
    convolution_rate: float
    """GOP/s inside the convolutions, two operations for a multiplication and addition."""
    convolution_share: float
    """Share of the time in convolutions."""
    neuron_share: float
    """Share of the time in neurons."""


def best_seconds(work: Callable[[], object], *, seconds: float = 0.6, repetitions: int = 3) -> float:
    """The shortest of at least `repetitions` runs over at least `seconds`, after a warm-up."""
    work()
    best, begin, runs = float("inf"), CLOCK.now(), 0
    while runs < repetitions or CLOCK.since(begin) < seconds:
        start = CLOCK.now()
        work()
        best = min(best, CLOCK.since(start))
        runs += 1
    return best


def peaks() -> dict[str, float]:
    """Measured peaks of one thread: convolutions in GOP/s (256 channels, 14x14, 3x3), copying in GB/s."""
    rates, generator = {}, torch.Generator().manual_seed(0)
    n, channels = 64, 256
    operations = 2 * n * channels * channels * 9 * 14 * 14
    spikes = torch.randint(0, 2, (n, 14, 14, channels), generator=generator, dtype=torch.uint8)
    weight = torch.randint(-128, 128, (channels, channels, 3, 3), generator=generator, dtype=torch.int8)
    if has_integers():
        affine = Affine(weight, torch.ones(channels), torch.zeros(channels), padding=1)
        rates["int8"] = operations / best_seconds(partial(Convolution(affine, 14, arithmetic="integers"), spikes)) / 1e9
    for kind in (torch.bfloat16, torch.float32):
        x = spikes.permute(0, 3, 1, 2).to(kind)
        w = weight.to(kind).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            seconds = best_seconds(partial(torch.nn.functional.conv2d, x, w, padding=1))
        rates[str(kind).removeprefix("torch.")] = operations / seconds / 1e9
    source = torch.ones(64 << 20)
    target = torch.empty_like(source)
    rates["copy"] = 2 * source.nbytes / best_seconds(lambda: target.copy_(source)) / 1e9
    return rates


def stimuli(n: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth random images of natural contrast: noise at 4x4 and 8x8 positions, enlarged."""
    rng = np.random.default_rng(seed)
    coarse = sum(np.kron(rng.normal(0, 40, (n, k, k, 3)), np.ones((1, 32 // k, 32 // k, 1))) for k in (4, 8))
    return np.clip(coarse + rng.normal(120, 25, (n, 1, 1, 3)), 0, 255).astype(np.uint8)


def framework_seconds(target: ExactNetwork, images: NDArray[np.uint8], *, repetitions: int = 2) -> float:
    """Seconds per image of the framework's forward pass through the whole network, all frames."""

    def work() -> None:
        for _ in spike_trains(target, images):
            pass

    return best_seconds(work, seconds=0, repetitions=repetitions) / len(images)


def speed(evaluator: Evaluator, layer: str, images: NDArray[np.uint8], *, unit: int = 0) -> Speed:
    """Probe one unit of a layer with all images, and attribute the time to convolutions and neurons."""
    probes = [(layer, unit)] * len(images)
    total = best_seconds(lambda: evaluator.counts(images, probes))
    whole, shares = float("inf"), dict[str, float]()
    with _attributed(evaluator) as spent:
        for _ in range(8):
            spent.clear()
            start = CLOCK.now()
            evaluator.counts(images, probes)
            if (passed := CLOCK.since(start)) < whole:
                whole, shares = passed, dict(spent)
    operations, convolving = shares.pop("operations"), shares.pop("convolution")
    rate, neurons = operations / convolving / 1e9, sum(shares.values())
    return Speed(layer, len(images) / total, rate, convolving / whole, neurons / whole)


@contextmanager
def _attributed(evaluator: Evaluator) -> Iterator[dict[str, float]]:
    """Clocks around the convolutions and the neurons' kernels."""
    spent: dict[str, float] = defaultdict(float)
    forward, kernels, prepare = evaluator.forward, evaluator.forward.kernels, evaluator.forward.convolution

    def clocked(name: str, work: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def run(*arguments: object) -> Tensor:
            start = CLOCK.now()
            result = work(*arguments)
            spent[name] += CLOCK.since(start)
            return result

        return run

    def convolution(*arguments: object, **options: object) -> Callable[[Tensor], Tensor]:
        prepared = prepare(*arguments, **options)

        def run(maps: Tensor) -> Tensor:
            spent["operations"] += prepared.operations(len(maps))
            return clocked("convolution", prepared)(maps)

        return run

    try:
        forward.convolution = convolution  # type: ignore[assignment]
        forward.kernels = _Clocked(kernels, clocked)  # type: ignore[assignment]
        yield spent
    finally:
        forward.convolution, forward.kernels = prepare, kernels


class _Clocked:
    def __init__(self, kernels: Kernels, clocked: Callable[[str, Callable[..., Tensor]], Callable[..., Tensor]]):
        self.superposes = kernels.superposes
        for name in _KERNELS:
            setattr(self, name, clocked(name, getattr(kernels, name)))


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print("| peak of one thread | |\n|---|---|")
    top = peaks()
    for name, value in top.items():
        print(f"| {name} | {value:,.0f} {'GB/s' if name == 'copy' else 'GOP/s'} |")
    kind = "int8" if has_integers() else "float32"
    for name in (name for name in LAYERS if name in checkpoint.shipped()):
        target = ExactNetwork.load(name)
        evaluator, images = Evaluator(network_of(target)), stimuli(IMAGES)
        framework = framework_seconds(target, images[:32])
        print(f"\n{name}: the framework's network takes {1 / framework:.1f} images/s\n")
        print(f"| layer | images/s | x framework | convolutions | neurons | GOP/s | of the {kind} peak |")
        print("|---|---:|---:|---:|---:|---:|---:|")
        for layer in LAYERS[name]:
            s = speed(evaluator, layer, images)
            print(
                f"| `{layer}` | {s.images_per_second:,.0f} | {s.images_per_second * framework:,.0f} "
                f"| {s.convolution_share:.0%} | {s.neuron_share:.0%} | {s.convolution_rate:,.0f} "
                f"| {s.convolution_rate / top[kind]:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

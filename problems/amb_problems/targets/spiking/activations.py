"""What problems maximize: a unit's spikes as a share of all that it could have fired, or a class's readout."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from amb.errors import SpecError, unknown
from amb_problems.engine.build import network_of
from amb_problems.engine.evaluator import Evaluator, Images
from amb_problems.targets.spiking.surrogate import SurrogateLIF, set_frames
from amb_problems.targets.spiking.target import SpikingTarget

UInt8Array = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

READOUT = "fc"
"""The class output that does not spike."""

GRADIENT_FRAMES = 20
"""Frames of the relaxation from which surrogate gradients come."""


class SpikingActivations:
    """Activations of a spiking target's units: spikes / (frames x positions of the feature map), in [0, 1].

    The class output `fc` does not spike: a class's activation is its readout, averaged over the frames and normalized
    by what natural images reach: 0 is the mean, 1 the highest over the data set's test half.

    Membranes are at rest before every image, so an image's activation depends on nothing shown before it.

    Attributes:
        frames: how often an image is shown.
        spikes: by layer, the spikes of a unit that fires in every frame at every position.
    """

    def __init__(self, target: SpikingTarget) -> None:
        self.target = target
        self.evaluator = Evaluator(network_of(target), device=str(target.device))
        self.frames = target.frames
        self._last = list(target.layers)[-1]
        self._last_units = tuple(range(target.layers[self._last].channels))
        self.spikes = {name: target.frames * layer.positions for name, layer in target.layers.items()}

    def activations(self, images: Images, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of unit `units[i]`, a (layer, channel) pair, for image `i`: float64 `[n]`.

        Args:
            images: uint8 `[n, height, width, channels]`, of the target's shape.

        Raises:
            SpecError: no such layer, or images of another shape.
        """
        self._check(images)
        classes = [i for i, (layer, _) in enumerate(units) if layer in self.target.scales]
        spiking = [i for i, (layer, _) in enumerate(units) if layer not in self.target.scales]
        result = np.zeros(len(units))
        if spiking:
            asked = [units[i] for i in spiking]
            counts = self.evaluator.counts(images[spiking], asked)
            result[spiking] = counts / np.array([self.spikes[layer] for layer, _ in asked], np.float64)
        if classes:
            wanted = np.array([units[i][1] for i in classes])
            scores = self.readouts(images[classes])[np.arange(len(classes)), wanted]
            result[classes] = self.target.scales[READOUT](wanted, scores)
        return result

    device_activations = activations

    def readouts(self, images: Images) -> FloatArray:
        """The output of `fc`, averaged over the frames: float64 `[n, classes]`."""
        return self._readouts(self.evaluator.unit_counts(images, self._last, self._last_units))

    def _readouts(self, counts: IntArray) -> FloatArray:
        """Readouts from the last layer's spikes, int64 `[n, units]`.

        The output is linear, so the spikes may be summed over frames and positions first; in integers, hence exactly.
        """
        layer = self.target.weights[READOUT]
        assert layer.grid.peak == self.target.layers[self._last].positions
        total = torch.from_numpy(counts) @ layer.weight.long().T + self.target.frames * layer.bias.long()
        return (torch.ldexp(total.double(), -(layer.shift.int() + layer.grid.bits)) / self.target.frames).numpy()

    def all_activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of every unit for every image: float64 `[n, len(units)]`, one pass for all spiking layers.

        Raises:
            SpecError: no such layer or unit, or images of another shape.
        """
        self._check(images)
        result = np.zeros((len(images), len(units)))
        asked = dict.fromkeys(layer for layer, _ in units)
        needed = dict.fromkeys(self._last if layer in self.target.scales else layer for layer in asked)
        counts = self.evaluator.layer_counts(images, needed) if needed else {}
        for layer in asked:
            columns = [column for column, (own, _) in enumerate(units) if own == layer]
            wanted = np.array([units[column][1] for column in columns])
            if layer in self.target.scales:
                result[:, columns] = self.target.scales[layer](wanted, self._readouts(counts[self._last])[:, wanted])
            else:
                if max(wanted) >= counts[layer].shape[1]:
                    raise SpecError(f"no unit {max(wanted)} in {layer}; its units are 0..{counts[layer].shape[1] - 1}")
                result[:, columns] = counts[layer][:, wanted] / self.spikes[layer]
        return result

    def _check(self, images: Images) -> None:
        target = self.target
        if tuple(images.shape[1:]) != target.shape:
            wanted = ", ".join(map(str, target.shape))
            raise SpecError(f"target {target.name} takes images [n, {wanted}], got {list(images.shape)}")

    def frame_activations(
        self, n: int, frames: Callable[[int], UInt8Array], layer: str, units: tuple[int, ...]
    ) -> FloatArray:
        """Activations of some units of a layer where every frame shows an image of its own: float64 `[n, len(units)]`.

        Args:
            n: number of stimuli.
            frames: the frames of stimulus i, uint8 `[frames, h, w, c]`; made when they are needed.
            layer, units: whose activations.
        """
        wanted = np.array(units)
        if layer not in self.target.scales:
            return self.evaluator.frame_counts(n, frames, layer, units) / self.spikes[layer]
        return self.target.scales[layer](wanted, self.frame_scores(n, frames)[:, wanted])

    def frame_scores(self, n: int, frames: Callable[[int], UInt8Array]) -> FloatArray:
        """A score for every class where every frame shows an image of its own: float64 `[n, classes]`.

        The spikes of the last layer, or the readout. Arguments are those of `frame_activations`.
        """
        counts = self.evaluator.frame_counts(n, frames, self._last, self._last_units)
        return self._readouts(counts) if READOUT in self.target.scales else counts.astype(np.float64)

    def relaxed(self, pixels: torch.Tensor, layer: str) -> torch.Tensor:
        """Differentiable activations of a layer's units: float32 `[n, units]` of pixels `[n, h, w, c]` in 0..255.

        The same weights with surrogate spikes (arctan, no gradient through the reset), for `GRADIENT_FRAMES` frames at
        most: all of them would cost as many times more and say little else about which way is up.

        Raises:
            SpecError: no such layer.
        """
        target = self.target
        frames = min(target.frames, GRADIENT_FRAMES)
        lif = target.lif
        network = target.build(
            lambda: SurrogateLIF(decay=lif.decay, threshold=lif.threshold, strict=lif.strict)
        ).requires_grad_(False)
        set_frames(network, frames)
        x = pixels.permute(0, 3, 1, 2).sub(128.0).div(64.0)
        for firing in network.walk(x):
            if firing.layer == layer:
                return _over_frames(firing.spikes, frames)
        if layer not in target.scales:
            raise unknown(f"layer of {target.name}", layer, [*target.layers, *target.scales])
        scale = target.scales[layer]
        low, high = torch.from_numpy(scale.low).to(x), torch.from_numpy(scale.high).to(x)
        return (_over_frames(network.readout(firing), frames) - low) / (high - low).clamp_min(1e-6)


def _over_frames(response: torch.Tensor, frames: int) -> torch.Tensor:
    """Mean over frames, which are folded into the batch, and positions: `[n, channels]`."""
    means = response if response.ndim == 2 else response.flatten(2).mean(2)
    return means.view(frames, -1, means.shape[1]).mean(0)

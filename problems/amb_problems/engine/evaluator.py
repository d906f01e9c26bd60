"""Spike counts of single units, computing no layer, channel or frame that they do not need."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb.errors import unknown
from amb_problems.engine.compiled import Compiled
from amb_problems.engine.convolution import Convolution, convolve_pixels, has_integers
from amb_problems.engine.eager import Eager, max_pool
from amb_problems.engine.kernels import Kernels
from amb_problems.engine.network import Network, Stage

CHUNK = 16
"""Images evaluated at a time: enough to fill the arithmetic units, few enough to stay in the cache."""

Path = Literal["auto", "integers", "floats", "eager"]


class Evaluator:
    """Counts spikes under a constant image, from rest, bit for bit as the frame-by-frame network would.

    Args:
        network: the stages.
        device: where it runs.
        path: "auto" takes the fastest code path there is; the others name one, for tests and measurements:
            "integers" and "floats" differ in the convolutions, "eager" uses plain tensor operations throughout.
    """

    def __init__(self, network: Network, *, device: str = "cpu", path: Path = "auto") -> None:
        self.network = network
        self.device = torch.device(device)
        on_cpu = self.device.type == "cpu"
        self._integers = on_cpu and path in ("auto", "integers") and has_integers()
        compiled = on_cpu and path != "eager"
        kernels = Compiled if compiled else Eager
        self._kernels: Kernels = kernels(network.neuron, network.frames)
        self._positions = {name: index for index, name in enumerate(network.names)}
        self._sides = self._input_sides()
        self._convolution = lru_cache(maxsize=512)(self._make_convolution)

    def counts(
        self, images: NDArray[np.uint8], probes: Sequence[tuple[str, int]], *, chunk: int = CHUNK
    ) -> NDArray[np.int64]:
        """Spikes of one unit for each image.

        Args:
            images: uint8 `[n, 32, 32, 3]`.
            probes: for image i, the (layer, unit) to count.
            chunk: images at a time; it changes no bit.

        Returns:
            int64 `[n]`.

        Raises:
            SpecError: no such layer.
        """
        result = np.zeros(len(images), np.int64)
        for layer, rows in self._by_layer(probes).items():
            for start in range(0, len(rows), chunk):
                some = rows[start : start + chunk]
                units = np.array([probes[row][1] for row in some])
                asked, column = np.unique(units, return_inverse=True)
                found = self.unit_counts(images[some], layer, tuple(asked.tolist()))
                result[some] = found[np.arange(len(some)), column]
        return result

    def unit_counts(
        self, images: NDArray[np.uint8], layer: str, units: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Spikes of some units of one layer for every image: int64 `[n, len(units)]`."""
        with torch.inference_mode():
            shown = torch.from_numpy(np.ascontiguousarray(images)).to(self.device)
            return self._run(shown, self._positions[layer], units).cpu().numpy()

    def _run(self, images: Tensor, deepest: int, units: tuple[int, ...]) -> Tensor:
        stages, kernels = self.network.stages, self._kernels
        first = stages[0]
        if deepest == 0:
            affine = first.affine.select(torch.tensor(units))
            return kernels.period_counts(kernels.periods(convolve_pixels(affine, images), first.pool))
        periods = kernels.periods(convolve_pixels(first.affine, images), first.pool)
        spikes: dict[str, Tensor] = {}
        previous = first.name
        superposed = self._superposes()
        if not superposed:
            spikes[previous] = kernels.trains(periods, first.spike_pool)
        for index in range(1, deepest + 1):
            stage = stages[index]
            wanted = units if index == deepest else None
            if index == 1 and superposed:
                fired = self._superpose(stage, periods, wanted)
                if wanted is not None:
                    return kernels.counts(fired)
            else:
                current = self._currents(index, spikes[previous], wanted)
                shortcut = self._shortcut(index, spikes, wanted)
                if wanted is not None:
                    return kernels.fire_counts(current, shortcut)
                fired = kernels.fire(current, shortcut)
            spikes[stage.name] = fired
            previous = stage.name
            self._forget(spikes, index)
        raise AssertionError("the deepest stage returns")

    def _superposes(self) -> bool:
        """Whether the second stage can be computed from the first one's periods instead of its frames."""
        first, second = self.network.stages[0], self.network.stages[1]
        return self._kernels.superposes and first.spike_pool is None and second.shortcut is None

    def _superpose(self, stage: Stage, periods: Tensor, units: tuple[int, ...] | None) -> Tensor:
        classes = self._kernels.classes(periods)
        current = self._convolution(1, False, units, False)(classes.rows)
        bias = stage.affine.bias if units is None else stage.affine.bias[list(units)]
        return self._kernels.superpose(current, bias, classes, stage.pool)

    def _currents(self, index: int, spikes: Tensor, units: tuple[int, ...] | None) -> Tensor:
        frames, n = spikes.shape[:2]
        current = self._convolution(index, False, units, True)(spikes.flatten(0, 1))
        current = max_pool(current, self.network.stages[index].pool)
        return current.view(frames, n, *current.shape[1:])

    def _shortcut(self, index: int, spikes: Mapping[str, Tensor], units: tuple[int, ...] | None) -> Tensor | None:
        stage = self.network.stages[index]
        if stage.shortcut is None:
            return None
        source = spikes[stage.shortcut]
        if stage.downsample is not None:
            frames, n = source.shape[:2]
            current = self._convolution(index, True, units, True)(source.flatten(0, 1))
            return current.view(frames, n, *current.shape[1:])
        return source if units is None else source[..., list(units)].contiguous()

    def _forget(self, spikes: dict[str, Tensor], index: int) -> None:
        """Drop spikes that no later stage reads."""
        later = self.network.stages[index + 1 :]
        needed = {self.network.stages[index].name, *(stage.shortcut for stage in later)}
        for name in [name for name in spikes if name not in needed]:
            del spikes[name]

    def _make_convolution(
        self, index: int, downsample: bool, units: tuple[int, ...] | None, with_bias: bool
    ) -> Convolution:
        stage = self.network.stages[index]
        affine = stage.downsample if downsample else stage.affine
        assert affine is not None
        if units is not None:
            affine = affine.select(torch.tensor(units))
        source = stage.shortcut if downsample else self.network.names[index - 1]
        side = self._sides[str(source)]
        return Convolution(affine, side, integers=self._integers, with_bias=with_bias, device=self.device)

    def _input_sides(self) -> dict[str, int]:
        """Side of the map that each stage hands on, the first one's spikes pooled."""
        sides = self.network.sides()
        first = self.network.stages[0]
        if first.spike_pool is not None:
            sides[first.name] = first.spike_pool.output_side(sides[first.name])
        return sides

    def _by_layer(self, probes: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.int64]]:
        """Rows by the layer that they ask for; within a layer, rows that ask for one unit stand together."""
        layers: dict[str, list[int]] = {}
        for row, (layer, _) in enumerate(probes):
            if layer not in self._positions:
                raise unknown("layer", layer, self._positions)
            layers.setdefault(layer, []).append(row)
        return {name: np.array(sorted(rows, key=lambda row: probes[row][1])) for name, rows in layers.items()}

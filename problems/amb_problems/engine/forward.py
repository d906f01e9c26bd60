"""One chunk of images through the stages, only as far as the probed units need it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb_problems.engine.convolution import Arithmetic, Convolution, has_integers
from amb_problems.engine.eager_kernels import max_pool
from amb_problems.engine.event_convolution import EventConvolution
from amb_problems.engine.kernels import Kernels
from amb_problems.engine.stages import Network, Pool
from amb_problems.engine.superposition import Superposition

Units = tuple[int, ...]
Algorithm = Arithmetic | Literal["events"]
"""How convolutions are computed: in one arithmetic, or event-driven where that is possible and faster."""
_FEW_OUTPUTS = 16
"""With fewer outputs, the row of weights that a spike selects is too short to be worth selecting."""


class Forward:
    """The stages of a network with prepared convolutions; thread-safe.

    Everything before the first spiking layer is computed once, since the frames repeat, and that layer in closed form
    if its neurons are periodic.
    The frames of the other layers are one batch. In the probed layer, only the probed units are computed.
    """

    def __init__(self, network: Network, kernels: Kernels, *, algorithm: Algorithm, device: torch.device) -> None:
        self.network = network
        self.kernels = kernels
        self.device = device
        self._periodic = network.neuron.periodic
        self._algorithm = algorithm
        self._depth = {name: index for index, name in enumerate(network.names)}
        self._sides = self._input_sides()
        self.convolution = lru_cache(maxsize=512)(self._prepare)
        self.superposition = lru_cache(maxsize=512)(self._superposition)

    def counts(self, images: NDArray[np.uint8] | Tensor, layer: str, units: Units) -> NDArray[np.int64]:
        """Spikes of some units of one layer for every image: int64 `[n, units]`."""
        return self._run(images, self._depth[layer], units, None)

    def probe_counts(
        self, images: NDArray[np.uint8] | Tensor, layer: str, units: Units, column: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Spikes, for image i, of `units[column[i]]` of one layer: int64 `[n]`."""
        same = len(units) == 1
        return self._run(images, self._depth[layer], units, None if same else column)[:, 0]

    def layer_counts(self, images: NDArray[np.uint8], layers: Iterable[str]) -> dict[str, NDArray[np.int64]]:
        """Spikes of all units of some layers for every image, int64 `[n, units]` each, in one pass."""
        wanted = set(layers)
        deepest = max(self._depth[layer] for layer in wanted)
        counts: dict[str, NDArray[np.int64]] = {}
        with torch.inference_mode():
            shown = self._shown(images)
            first = self.network.names[0]
            firing = self._firing(self.convolution(0, None)(shown))
            if first in wanted:
                counts[first] = self._firing_counts(firing).cpu().numpy()
            spikes = self._after_first(firing, None) if deepest else {}
            for name, fired in self._walk(spikes, deepest + 1):
                if name in wanted:
                    counts[name] = self.kernels.counts(fired).cpu().numpy()
        return counts

    def frame_counts(self, frames: NDArray[np.uint8], layer: str, units: Units) -> NDArray[np.int64]:
        """Spikes of some units of one layer where every frame shows a different image.

        Every layer is computed in every frame, since nothing repeats.

        Args:
            frames: uint8 `[frames, n, side, side, channels]`.
            layer, units: what is counted.

        Returns:
            int64 `[n, units]`.
        """
        deepest, first = self._depth[layer], self.network.stages[0]
        with torch.inference_mode():
            shown = self._shown(frames)
            current = self._currents(0, shown, units if deepest == 0 else None)
            if deepest == 0:
                return self.kernels.fire_counts(current, None).cpu().numpy()
            spikes = {first.name: _pool_spikes(self.kernels.fire(current, None), first.spike_pool)}
            for _ in self._walk(spikes, deepest):
                pass
            return self._last(deepest, spikes, units, None).cpu().numpy()

    def _run(
        self, images: NDArray[np.uint8] | Tensor, deepest: int, units: Units, column: NDArray[np.int64] | None
    ) -> NDArray[np.int64]:
        with torch.inference_mode():
            shown = self._shown(images)
            selected = None if column is None else torch.from_numpy(column).to(self.device)
            counts = self._deeper(shown, deepest, units, selected) if deepest else self._first(shown, units, selected)
            return counts.cpu().numpy()

    def _shown(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.ascontiguousarray(images))
        return pixels.to(self.device)

    def _first(self, images: Tensor, units: Units, selected: Tensor | None) -> Tensor:
        current = self.convolution(0, units)(images)
        if selected is not None:
            # The selected unit of each image, as if they were the units of one image.
            current = _select(current, selected).permute(3, 1, 2, 0).contiguous()
        counts = self._firing_counts(self._firing(current))
        return counts if selected is None else counts.T

    def _deeper(self, images: Tensor, deepest: int, units: Units, selected: Tensor | None) -> Tensor:
        stages, kernels = self.network.stages, self.kernels
        firing = self._firing(self.convolution(0, None)(images))
        spikes = self._after_first(firing, units if deepest == 1 else None)
        if stages[deepest].name in spikes:
            counts = kernels.counts(spikes[stages[deepest].name])
            return counts if selected is None else _select(counts, selected)
        for _ in self._walk(spikes, deepest):
            pass
        return self._last(deepest, spikes, units, selected)

    def _last(self, deepest: int, spikes: dict[str, Tensor], units: Units, selected: Tensor | None) -> Tensor:
        current = self._currents(deepest, spikes[self.network.stages[deepest - 1].name], units)
        shortcut = self._shortcut(deepest, spikes, units)
        if selected is not None:
            current = _select(current, selected)
            shortcut = None if shortcut is None else _select(shortcut, selected)
        return self.kernels.fire_counts(current, shortcut)

    def _firing(self, current: Tensor) -> Tensor:
        """How the neurons of the first stage fire under constant currents: their periods if they have, else spikes."""
        pool = self.network.stages[0].pool
        return self.kernels.periods(current, pool) if self._periodic else self.kernels.hold(current, pool)

    def _firing_counts(self, firing: Tensor) -> Tensor:
        """The spikes of the first stage, of its periods or spikes."""
        return self.kernels.period_counts(firing) if self._periodic else self.kernels.counts(firing)

    def _after_first(self, firing: Tensor, units: Units | None) -> dict[str, Tensor]:
        """The spikes of the first stage; if they can be superposed, those of the second stage's units instead."""
        first = self.network.stages[0]
        if not self._periodic:
            return {first.name: _pool_spikes(firing, first.spike_pool)}
        if self._superposes():
            return {self.network.stages[1].name: self.superposition(units)(firing)}
        return {first.name: self.kernels.trains(firing, first.spike_pool)}

    def _walk(self, spikes: dict[str, Tensor], end: int) -> Iterator[tuple[str, Tensor]]:
        """Spikes of all units, from the second stage to the one before `end`; drops spikes once they are used up."""
        for index in range(1, end):
            stage = self.network.stages[index]
            if stage.name not in spikes:
                spikes[stage.name] = self._fire(index, spikes)
            yield stage.name, spikes[stage.name]
            self._forget(spikes, index)

    def _fire(self, index: int, spikes: dict[str, Tensor]) -> Tensor:
        """Spikes of all units of a stage."""
        stage, received = self.network.stages[index], spikes[self.network.stages[index - 1].name]
        convolution, shortcut = self.convolution(index, None), self._shortcut(index, spikes, None)
        if isinstance(convolution, EventConvolution) and convolution.fires and stage.pool is None:
            return convolution.fire(received, shortcut, self.network.neuron)
        return self.kernels.fire(self._currents(index, received, None), shortcut)

    def _superposes(self) -> bool:
        """Whether the second stage can be computed from the first one's periods instead of its frames."""
        first, second = self.network.stages[0], self.network.stages[1]
        needed = first.name in (stage.shortcut for stage in self.network.stages)  # itself, not only its convolution
        return self.kernels.superposes and first.spike_pool is None and not needed and Superposition.fits(second)

    def _superposition(self, units: Units | None) -> Superposition:
        """The second stage, reduced to some units."""
        stage = self.network.stages[1]
        if units is not None:
            stage = replace(stage, affine=stage.affine.select(torch.tensor(units)))
        return Superposition(stage, self._sides[self.network.names[0]], self.network.neuron, self.network.frames)

    def _currents(self, index: int, spikes: Tensor, units: Units | None) -> Tensor:
        frames, n = spikes.shape[:2]
        current = self.convolution(index, units)(spikes.flatten(0, 1))
        current = max_pool(current, self.network.stages[index].pool)
        return current.view(frames, n, *current.shape[1:])

    def _shortcut(self, index: int, spikes: dict[str, Tensor], units: Units | None) -> Tensor | None:
        stage = self.network.stages[index]
        if stage.shortcut is None:
            return None
        source = spikes[stage.shortcut]
        if stage.downsample is not None:
            frames, n = source.shape[:2]
            current = self.convolution(index, units, downsample=True)(source.flatten(0, 1))
            return current.view(frames, n, *current.shape[1:])
        return source if units is None else source[..., list(units)].contiguous()

    def _forget(self, spikes: dict[str, Tensor], index: int) -> None:
        """Drop spikes that no later stage reads."""
        later = self.network.stages[index + 1 :]
        needed = {self.network.stages[index].name, *(stage.shortcut for stage in later)}
        for name in [name for name in spikes if name not in needed]:
            del spikes[name]

    def _prepare(self, index: int, units: Units | None, *, downsample: bool = False) -> Convolution | EventConvolution:
        stage = self.network.stages[index]
        affine = stage.downsample if downsample else stage.affine
        assert affine is not None
        if units is not None:
            affine = affine.select(torch.tensor(units))
        source = stage.shortcut if downsample else self.network.names[index - 1]
        side = self._sides[str(source)] if index else self.network.side
        pixels = index == 0
        few = len(affine.weight) < _FEW_OUTPUTS
        if self._algorithm == "events" and not pixels and not few and EventConvolution.fits(affine):
            return EventConvolution(affine, side)
        return Convolution(affine, side, arithmetic=self._dense_arithmetic(pixels), pixels=pixels, device=self.device)

    def _dense_arithmetic(self, pixels: bool) -> Arithmetic:
        """The arithmetic of a convolution that is not event-driven."""
        if self._algorithm in ("products", "floats"):
            return self._algorithm
        return "integers" if has_integers(pixels=pixels) else "floats"

    def _input_sides(self) -> dict[str, int]:
        """Side of the map that each stage passes on; the spikes of the first stage are pooled."""
        sides = self.network.sides()
        first = self.network.stages[0]
        if first.spike_pool is not None:
            sides[first.name] = first.spike_pool.output_side(sides[first.name])
        return sides


def _pool_spikes(spikes: Tensor, pool: Pool | None) -> Tensor:
    """Max pooling of spikes uint8 `[frames, n, h, w, units]`."""
    if pool is None:
        return spikes
    pooled = max_pool(spikes.flatten(0, 1).float(), pool).to(torch.uint8)
    return pooled.view(*spikes.shape[:2], *pooled.shape[1:])


def _select(values: Tensor, selected: Tensor) -> Tensor:
    """From values `[..., n, (h, w,) units]`, for image i unit `selected[i]`: the last dimension becomes 1."""
    images = values.dim() - (4 if values.dim() >= 4 else 2)
    shape = [1] * values.dim()
    shape[images] = -1
    return values.gather(-1, selected.view(shape).expand(*values.shape[:-1], 1))

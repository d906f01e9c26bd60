"""Spike counts of single units, without computing layers, channels or frames that do not matter to them."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb.contracts.target import check_unit
from amb.errors import SpecError
from amb_problems.engine.allocator import keep_memory
from amb_problems.engine.compiled_kernels import CompiledKernels
from amb_problems.engine.convolution import has_integers
from amb_problems.engine.eager_kernels import EagerKernels
from amb_problems.engine.event_convolution import events_are_faster
from amb_problems.engine.forward import Algorithm, Forward
from amb_problems.engine.kernels import Kernels
from amb_problems.engine.matrix_products import has_products
from amb_problems.engine.stages import Network, Neuron
from amb_problems.threads import one_thread_each

Backend = Literal["auto", "events", "integers", "products", "floats", "eager"]
Images = NDArray[np.uint8] | Tensor
"""uint8 `[n, side, side, channels]`; a tensor must already be on the evaluator's device."""

_CHUNK = 16
"""Images per chunk: enough to fill the arithmetic units, few enough for the caches."""
_FIRST_LAYER_CHUNK = 128
"""The first layer takes so little time per image that the overhead of calls would dominate."""
_ACCELERATOR_CHUNK = 256
"""An accelerator has thousands of arithmetic units to fill, and enough memory for the currents."""


class Evaluator:
    """Counts spikes under a constant image, from rest; gives the same bits as the frame-by-frame network.

    Chunks of images are computed in parallel, each on one thread, on the number of threads that torch is set to.

    Args:
        network: the stages.
        device: the device that it runs on.
        backend: "auto" chooses the fastest; tests and benchmarks name one. Four differ in the algorithm of the
            convolutions: "events" (event-driven, on a CPU), "integers" (oneDNN's, on a CPU), "products" (of int8
            matrices) and "floats"; "eager" uses plain tensor operations throughout.
    """

    def __init__(self, network: Network, *, device: str = "cpu", backend: Backend = "auto") -> None:
        self.network = network
        self.device = torch.device(device)
        self._backend = backend

    @cached_property
    def algorithm(self) -> Algorithm:
        """The algorithm of the convolutions, chosen by a trial on first use, which a report never needs."""
        return _choose_algorithm(self._backend, self.device)

    @cached_property
    def forward(self) -> Forward:
        """The forward pass; made on first use."""
        on_cpu = self.device.type == "cpu"
        if on_cpu:
            keep_memory()
        compiled = on_cpu and self._backend != "eager"
        make: Callable[[Neuron, int], Kernels] = CompiledKernels if compiled else EagerKernels
        kernels = make(self.network.neuron, self.network.frames)
        return Forward(self.network, kernels, algorithm=self.algorithm, device=self.device)

    def counts(
        self, images: Images, probes: Sequence[tuple[str, int]], *, chunk: int | None = None
    ) -> NDArray[np.int64]:
        """Spikes of one unit for each image.

        Args:
            images: any number of them.
            probes: for image i, the (layer, unit) to count.
            chunk: images at a time; it does not change the counts.

        Returns:
            int64 `[n]`.

        Raises:
            SpecError: no such layer or unit, or the numbers of images and probes differ.
        """
        if len(images) != len(probes):
            raise SpecError(f"expected one probe for each image, got {len(probes)} for {len(images)}")
        chunks = [
            (layer, rows)
            for layer, all_rows in self._by_layer(probes).items()
            for rows in _split(all_rows, chunk or self._chunk(layer))
        ]
        units = np.array([unit for _, unit in probes], np.int64)
        result = np.zeros(len(images), np.int64)

        def compute(layer: str, rows: NDArray[np.int64]) -> None:
            probed, column = np.unique(units[rows], return_inverse=True)
            result[rows] = self.forward.probe_counts(images[rows], layer, tuple(probed.tolist()), column)

        self._each(compute, chunks)
        return result

    def frame_counts(
        self, n: int, frames: Callable[[int], NDArray[np.uint8]], layer: str, units: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Spikes of some units of one layer where every frame shows a different image: int64 `[n, len(units)]`.

        Args:
            n: number of stimuli.
            frames: the frames of stimulus i, uint8 `[frames, side, side, channels]`; computed when needed.
            layer, units: what is counted.
        """
        self._by_layer([(layer, unit) for unit in units])
        result = np.zeros((n, len(units)), np.int64)

        def compute(rows: NDArray[np.int64]) -> None:
            shown = np.stack([frames(int(i)) for i in rows], axis=1)
            result[rows] = self.forward.frame_counts(shown, layer, units)

        self._each(compute, [(rows,) for rows in _split(np.arange(n), _CHUNK)])
        return result

    def unit_counts(self, images: Images, layer: str, units: tuple[int, ...]) -> NDArray[np.int64]:
        """Spikes of some units of one layer for every image: int64 `[n, len(units)]`."""
        self._by_layer([(layer, unit) for unit in units])
        result = np.zeros((len(images), len(units)), np.int64)

        def compute(rows: NDArray[np.int64]) -> None:
            result[rows] = self.forward.counts(images[rows], layer, units)

        self._each(compute, [(rows,) for rows in _split(np.arange(len(images)), self._chunk(layer))])
        return result

    def layer_counts(self, images: NDArray[np.uint8], layers: Iterable[str]) -> dict[str, NDArray[np.int64]]:
        """Spikes of all units of some layers for every image, int64 `[n, units]` each, in one pass.

        Raises:
            SpecError: no such layer.
        """
        wanted = tuple(dict.fromkeys(layers))
        known = self.network.units
        self._by_layer([(layer, 0) for layer in wanted])
        result = {layer: np.zeros((len(images), known[layer]), np.int64) for layer in wanted}

        def compute(rows: NDArray[np.int64]) -> None:
            for layer, counts in self.forward.layer_counts(images[rows], wanted).items():
                result[layer][rows] = counts

        self._each(compute, [(rows,) for rows in _split(np.arange(len(images)), _CHUNK)])
        return result

    def _chunk(self, layer: str) -> int:
        if self.device.type != "cpu":
            return _ACCELERATOR_CHUNK
        return _FIRST_LAYER_CHUNK if layer == self.network.names[0] else _CHUNK

    def _each(self, compute, chunks) -> None:  # type: ignore[no-untyped-def]
        _ = self.forward  # made here, and not by every thread
        if self.device.type != "cpu" or len(chunks) < 2:
            for arguments in chunks:  # a lone chunk has all threads
                compute(*arguments)
        else:
            one_thread_each(lambda arguments: compute(*arguments), chunks)

    def _by_layer(self, probes: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.int64]]:
        """Rows by the layer that they probe; within a layer, rows that probe the same unit are adjacent."""
        known = self.network.units
        layers: dict[str, list[int]] = {}
        for row, (layer, unit) in enumerate(probes):
            check_unit(known, layer, unit)
            layers.setdefault(layer, []).append(row)
        return {name: np.array(sorted(rows, key=lambda row: probes[row][1])) for name, rows in layers.items()}


def _choose_algorithm(backend: Backend, device: torch.device) -> Algorithm:
    if device.type != "cpu":
        return "products" if backend in ("auto", "products") and has_products(device) else "floats"
    if backend == "events" or (backend == "auto" and events_are_faster()):
        return "events"
    if backend == "products":
        return "products"
    return "integers" if backend in ("auto", "integers") and has_integers() else "floats"


def _split(rows: NDArray[np.int64], chunk: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + chunk] for start in range(0, len(rows), chunk)]

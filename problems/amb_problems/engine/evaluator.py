"""Spike counts of single units, computing no layer, channel or frame that they do not need."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from amb.errors import SpecError, unknown
from amb_problems.engine.compiled import Compiled
from amb_problems.engine.convolution import has_integers
from amb_problems.engine.eager import Eager
from amb_problems.engine.event_convolution import events_pay
from amb_problems.engine.forward import Forward, Way
from amb_problems.engine.kernels import Kernels
from amb_problems.engine.products import has_products
from amb_problems.engine.stages import Network, Neuron

Path = Literal["auto", "events", "integers", "products", "floats", "eager"]
Images = NDArray[np.uint8] | Tensor
"""uint8 `[n, side, side, channels]`; a tensor is on the evaluator's device already."""

_CHUNK = 16
"""Images at a time: enough to fill the arithmetic units. From 32 on, malloc returns the currents' memory to the system
after every layer, and fetching it again halves the speed."""
_CHUNK_OF_FIRST = 128
"""The first layer takes so little for an image that calls would cost more."""
_CHUNK_OF_ACCELERATOR = 256
"""An accelerator has thousands of arithmetic units to fill; its memory holds the currents."""


class Evaluator:
    """Counts spikes under a constant image, from rest, bit for bit as the frame-by-frame network would.

    Chunks of images are computed side by side, each on one thread, on as many threads as torch is set to.

    Args:
        network: the stages.
        device: where it runs.
        path: "auto" takes the fastest code path there is; the others name one, for tests and measurements:
            "events" (row by row for each spike, on a CPU), "integers" (oneDNN's, on a CPU), "products" (of int8
            matrices) and "floats" differ in the convolutions, "eager" uses plain tensor operations throughout.
    """

    def __init__(self, network: Network, *, device: str = "cpu", path: Path = "auto") -> None:
        self.network = network
        self.device = torch.device(device)
        on_cpu = self.device.type == "cpu"
        make: Callable[[Neuron, int], Kernels] = Compiled if on_cpu and path != "eager" else Eager
        self.way = _way(path, self.device)
        kernels = make(network.neuron, network.frames)
        self.forward = Forward(network, kernels, way=self.way, device=self.device)

    def counts(
        self, images: Images, probes: Sequence[tuple[str, int]], *, chunk: int | None = None
    ) -> NDArray[np.int64]:
        """Spikes of one unit for each image.

        Args:
            images: of any number.
            probes: for image i, the (layer, unit) to count.
            chunk: images at a time; it changes no bit.

        Returns:
            int64 `[n]`.

        Raises:
            SpecError: no such layer or unit, or not one probe for each image.
        """
        if len(images) != len(probes):
            raise SpecError(f"expected one probe for each image, got {len(probes)} for {len(images)}")
        chunks = [
            (layer, some)
            for layer, rows in self._by_layer(probes).items()
            for some in _split(rows, chunk or self._chunk(layer))
        ]
        units = np.array([unit for _, unit in probes], np.int64)
        result = np.zeros(len(images), np.int64)

        def compute(layer: str, some: NDArray[np.int64]) -> None:
            asked, column = np.unique(units[some], return_inverse=True)
            result[some] = self.forward.own_counts(images[some], layer, tuple(asked.tolist()), column)

        self._each(compute, chunks)
        return result

    def frame_counts(
        self, n: int, frames: Callable[[int], NDArray[np.uint8]], layer: str, units: tuple[int, ...]
    ) -> NDArray[np.int64]:
        """Spikes of some units of one layer where every frame shows an image of its own: int64 `[n, len(units)]`.

        Args:
            n: number of stimuli.
            frames: the frames of stimulus i, uint8 `[frames, side, side, channels]`; made when they are needed.
            layer, units: what is counted.
        """
        self._by_layer([(layer, unit) for unit in units])
        result = np.zeros((n, len(units)), np.int64)

        def compute(some: NDArray[np.int64]) -> None:
            shown = np.stack([frames(int(i)) for i in some], axis=1)
            result[some] = self.forward.frame_counts(shown, layer, units)

        self._each(compute, [(some,) for some in _split(np.arange(n), _CHUNK)])
        return result

    def unit_counts(self, images: Images, layer: str, units: tuple[int, ...]) -> NDArray[np.int64]:
        """Spikes of some units of one layer for every image: int64 `[n, len(units)]`."""
        self._by_layer([(layer, unit) for unit in units])
        result = np.zeros((len(images), len(units)), np.int64)

        def compute(some: NDArray[np.int64]) -> None:
            result[some] = self.forward.counts(images[some], layer, units)

        self._each(compute, [(some,) for some in _split(np.arange(len(images)), self._chunk(layer))])
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

        def compute(some: NDArray[np.int64]) -> None:
            for layer, counts in self.forward.layer_counts(images[some], wanted).items():
                result[layer][some] = counts

        self._each(compute, [(some,) for some in _split(np.arange(len(images)), _CHUNK)])
        return result

    def _chunk(self, layer: str) -> int:
        if self.device.type != "cpu":
            return _CHUNK_OF_ACCELERATOR
        return _CHUNK_OF_FIRST if layer == self.network.names[0] else _CHUNK

    def _each(self, compute, chunks) -> None:  # type: ignore[no-untyped-def]
        threads = torch.get_num_threads()
        workers = min(threads, len(chunks))
        if self.device.type != "cpu" or workers < 2:
            for arguments in chunks:
                compute(*arguments)
            return
        try:
            # OpenMP keeps the number of threads per calling thread, so every worker has to say it itself.
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                for done in [pool.submit(compute, *arguments) for arguments in chunks]:
                    done.result()
        finally:
            torch.set_num_threads(threads)

    def _by_layer(self, probes: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.int64]]:
        """Rows by the layer that they ask for; within a layer, rows that ask for one unit stand together."""
        known = self.network.units
        layers: dict[str, list[int]] = {}
        for row, (layer, unit) in enumerate(probes):
            if layer not in known:
                raise unknown("layer", layer, known)
            if not 0 <= unit < known[layer]:
                raise SpecError(f"no unit {unit} in {layer}; its units are 0..{known[layer] - 1}")
            layers.setdefault(layer, []).append(row)
        return {name: np.array(sorted(rows, key=lambda row: probes[row][1])) for name, rows in layers.items()}


def _way(path: Path, device: torch.device) -> Way:
    if device.type != "cpu":
        return "products" if path in ("auto", "products") and has_products(device) else "floats"
    if path == "events" or (path == "auto" and events_pay()):
        return "events"
    if path == "products":
        return "products"
    return "bytes" if path in ("auto", "integers") and has_integers() else "floats"


def _split(rows: NDArray[np.int64], chunk: int) -> list[NDArray[np.int64]]:
    return [rows[start : start + chunk] for start in range(0, len(rows), chunk)]

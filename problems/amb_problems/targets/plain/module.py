"""Targets that are torch modules in floating point.

The activation of a unit is its channel's mean response over the positions of its map, and over the frames where the
network has a memory.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from amb.contracts.images import check_images
from amb.contracts.space import FloatArray
from amb.contracts.target import Target, check_pairs
from amb.errors import SpecError, unknown
from amb_problems.targets.softmax import softmax
from amb_problems.torch_state import usual_torch

if TYPE_CHECKING:  # heavy imports wait until the module is needed
    from torch import Tensor

    from amb_problems.targets.plain.responses import Images, Responses
    from amb_problems.targets.scale import Scale

PROBABILITY = "prob"
"""The layer whose units are the softmax probabilities of the classes."""


class ModuleTarget(Target):
    """Activations of a module's units.

    A subclass provides the module (`responses`), and may name its class output and normalize layers. Values are the
    same, bit for bit, alone and in a batch, on any number of threads, on one kind of processor.
    """

    arithmetic: ClassVar[str] = "floating point: the same bits on one kind of processor"
    output: str | None = None
    """The layer of the class output, which is also offered as `prob`; None if there is no such layer."""

    @property
    def scales(self) -> "Mapping[str, Scale]":
        """The layers that are normalized; others give their raw mean."""
        return {}

    @property
    @abstractmethod
    def responses(self) -> "Responses":
        """The module with its hooks; loaded on first use."""

    @usual_torch()
    def activations(self, images: "Images", units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of unit `units[i]`, a (layer, channel) pair, for image `i`: float64 `[n]`.

        Raises:
            SpecError: no such layer or unit, or images of the wrong shape or type.
        """
        check_images(images, self.shape, f"target {self.name}")
        check_pairs(units, len(images))
        self._check(units)
        rows: dict[str, list[int]] = {}
        for row, (layer, _) in enumerate(units):
            rows.setdefault(layer, []).append(row)
        result = np.zeros(len(units))
        likely = rows.pop(PROBABILITY, []) if self.output is not None else []
        plain = [row for some in rows.values() for row in some]
        if plain:
            result[plain] = self.responses.own(images[plain], [units[row] for row in plain])
        for layer, some in rows.items():
            if layer in self.scales:
                result[some] = self.scales[layer](np.array([units[row][1] for row in some]), result[some])
        if likely:
            probabilities = softmax(self.class_scores(images[likely]))
            result[likely] = probabilities[np.arange(len(likely)), [units[row][1] for row in likely]]
        return result

    device_activations = activations

    @usual_torch()
    def all_activations(self, images: "Images", units: Sequence[tuple[str, int]]) -> FloatArray:
        """The activation of every unit for every image: float64 `[n, len(units)]`, in one pass.

        Raises:
            SpecError: no such layer or unit, or images of the wrong shape or type.
        """
        check_pairs(units)
        self._check(units)
        sources = {layer: self._source_of(layer) for layer, _ in units}
        means = self.responses.means(images, sources.values())
        result = np.zeros((len(images), len(units)))
        for layer, source in sources.items():
            columns = [column for column, (own, _) in enumerate(units) if own == layer]
            wanted = np.array([units[column][1] for column in columns])
            values = means[source].astype(np.float64)
            values = (softmax(values) if source != layer else values)[:, wanted]
            result[:, columns] = self.scales[layer](wanted, values) if layer in self.scales else values
        return result

    @usual_torch()
    def relaxed(self, pixels: "Tensor", layer: str) -> "Tensor":
        """Differentiable activations of a layer's units: float32 `[n, units]` of pixels `[n, h, w, c]` in 0..255.

        A spiking module's gradient is that of its own framework's surrogate.

        Raises:
            SpecError: no such layer.
        """
        import torch

        self._check([(layer, 0)])
        source = self._source_of(layer)
        means = self.responses.differentiable(pixels, source)
        if source != layer:
            return means.softmax(1)
        if layer not in self.scales:
            return means
        low, high = (torch.from_numpy(end).to(means) for end in (self.scales[layer].low, self.scales[layer].high))
        return (means - low) / torch.where(high > low, high - low, torch.ones_like(high))

    def maps(self, pixels: "Tensor") -> "list[Tensor]":
        """Maps of the module's rectifiers or, if it has none, of all its layers, through which gradients flow."""
        return self.responses.maps(pixels)

    @usual_torch()
    def class_scores(self, images: "Images") -> FloatArray:
        """The raw class output, float64 `[n, classes]`."""
        assert self.output is not None
        return self.responses.means(images, [self.output])[self.output].astype(np.float64)

    def classify(self, images: "Images") -> FloatArray:
        """The softmax of the class output.

        Raises:
            SpecError: no layer is known to be the class output.
        """
        if self.output is None or not self.classes:
            raise SpecError(f"target {self.name} is not known to be a classifier, so it has no class probabilities")
        return softmax(self.class_scores(images))

    def _source_of(self, layer: str) -> str:
        """The module's layer behind a target's layer: of `prob`, the class output."""
        return self.output if layer == PROBABILITY and self.output is not None else layer

    def _check(self, units: Sequence[tuple[str, int]]) -> None:
        for layer, _ in units:
            if layer not in self.layers:
                raise unknown("layer", layer, self.layers, of=self.name)

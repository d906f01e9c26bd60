"""The target contract: what the entry-point group `amb.targets` offers and `amb.target` returns."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from amb.contracts import returned
from amb.contracts.family import Family
from amb.contracts.images import Shape, size
from amb.contracts.natural import NaturalResponses
from amb.contracts.problem import Problem, UInt8Array
from amb.contracts.space import FloatArray
from amb.errors import SpecError, unknown
from amb.spec import Value
from amb.text import angled

if TYPE_CHECKING:
    from torch import Tensor


class Composer(Protocol):
    """Creates problems from a target and a generator; `amb.target` gives one to every target."""

    def family(self, generator: object, target: "Target") -> Family:
        """The family of a target and a generator, given by name or as an object."""

    def problem(
        self, family: Family, layer: str, units: tuple[int, ...], *, device: str, options: Mapping[str, Value]
    ) -> Problem:
        """A family's problem of one unit, or of several; options are those of a problem's spec, noise included."""


class Target(ABC):
    """A network whose units are driven. With a generator it makes problems, one by one or as a family.

    A target written elsewhere sets `name`, `shape`, `fingerprint` and `layers` and overrides `activations`; everything
    else is optional. Creating a target loads no network: its attributes come from a model card or are written down, and
    `on` or the first `activations` loads.
    """

    plugin_kind: ClassVar[str] = "targets"

    name: str
    """Its name in problem ids."""
    shape: Shape
    """Height, width and channels of its input images."""
    fingerprint: str
    """Identifies what responses depend on besides the image: the checkpoint's sha256, or a version."""
    activation: str = "response of the unit"
    """A description of what is maximized."""
    device: str = "cpu"
    """Where it runs, "cpu" or "cuda"."""
    classes: tuple[str, ...] = ()
    """Names of the classes that the network tells apart; () if it is not known to be a classifier."""
    layer: str | None = None
    """The layer of problems that do not name one; None: every problem must name one."""
    threaded: bool = False
    """Whether it may respond in another thread while solvers think; see `Problem.threaded`."""
    composer: Composer | None = None
    """Creates problems; `amb.target` sets it on the target that it returns."""

    def __repr__(self) -> str:
        return angled(self, lambda: f"target {self.name}: {size(self.shape)} images, {self.activation}")

    @property
    @abstractmethod
    def layers(self) -> Mapping[str, int]:
        """Number of units of every layer that can be probed, in the order of the network."""

    @abstractmethod
    def activations(self, images: UInt8Array, units: Sequence[tuple[str, int]]) -> FloatArray:
        """The response of unit `units[i]`, a (layer, unit) pair, to image `i`: uint8[n, h, w, c] -> float64[n].

        A response depends on its own image only, bit for bit.

        Raises:
            SpecError: no such layer or unit, or images of the wrong shape or type.
        """

    def maps(self, pixels: "Tensor") -> "list[Tensor]":
        """Maps of its rectifiers, through which gradients flow: features of images for image-seeing solvers. Optional.

        Args:
            pixels: float32[n, h, w, c] in 0..255, on its device.

        Returns:
            float32[n, channels, h', w'] or float32[n, units] of each, in the order of the network.

        Raises:
            SpecError: it offers none.
        """
        raise SpecError(f"target {self.name} offers no differentiable maps; a plain network does")

    def classify(self, images: UInt8Array) -> FloatArray:
        """The network's class probabilities, uint8[n, h, w, c] -> float64[n, len(classes)]. Optional.

        Raises:
            SpecError: it is not a classifier.
        """
        raise SpecError(f"target {self.name} is not known to be a classifier, so it has no class probabilities")

    def natural_responses(self) -> NaturalResponses | None:
        """How its units respond to its data set, as shipped with it; None if that is not shipped. Optional."""
        return None

    def states(self, folder: Path | None = None) -> "Sequence[Target]":
        """The network as it was in the course of its training, oldest first. Optional.

        Names of states end in a dash and the number of steps, such as ``mnist-snn-step-000290``.

        Args:
            folder: where `amb train --keep` stored them; by default those that are shipped.
        """
        return ()

    def on(self, device: str) -> "Target":
        """The same target on a device, loaded; by default itself."""
        return self

    def facts(self) -> Mapping[str, object]:
        """The model card's facts, names and values, for `amb problems show`; no network is loaded. Optional."""
        return {}

    def card(self) -> Mapping[str, object]:
        """The attributes of the target, and its facts."""
        return {
            "name": self.name,
            "images": size(self.shape),
            "activation": self.activation,
            **returned.facts(self, f"target {self.name}"),
            "fingerprint": self.fingerprint,
        }

    def family(self, generator: object) -> Family:
        """All problems with a generator: a registered one by its name, or a `Generator` of your own.

        Raises:
            SpecError: no such generator, one that makes images of a different shape, or a target that `amb.target` did
                not return.
        """
        return self._require_composer().family(generator, self)

    def problem(
        self, generator: object, unit: int | str | Sequence[int], *, layer: str | None = None, **options: Value
    ) -> Problem:
        """The problem of one unit, or of the mean of several.

        Args:
            generator: a registered one by its name, or a `Generator` of your own.
            unit: a number; for a group several, as a list or as in a problem's id, ``"3+7+12"``.
            layer: by default the target's own.
            options: those of a problem's spec, such as ``grid``, ``input`` or ``noise``.

        Raises:
            SpecError: no such generator, layer, unit or option.
        """
        chosen = self.layer if layer is None else layer
        if chosen is None:
            raise SpecError(f"{self.name}: choose a layer with layer=..., one of {', '.join(self.layers)}")
        check_unit(self.layers, chosen, 0, self.name)
        units = units_of(unit, self.layers[chosen], f"{self.name}/{chosen}")
        family = self.family(generator)
        return self._require_composer().problem(family, chosen, units, device=self.device, options=options)

    def _require_composer(self) -> Composer:
        """The composer, or an error that says how to get one."""
        if self.composer is None:
            raise SpecError(f"target {self.name} cannot look up generators; use amb.target(target)")
        return self.composer


class Layers(dict[str, int]):
    """Units of every layer that can be probed, and why others cannot.

    Args:
        units: number of units by layer.
        refused: reasons by layer.
    """

    def __init__(self, units: Mapping[str, int], refused: Mapping[str, str]) -> None:
        super().__init__(units)
        self.refused = refused


REQUIRED = {
    "name": returned.Attribute("its name in problem ids: letters, digits and dashes", returned.is_name),
    "shape": returned.Attribute("(height, width, channels) of its images", returned.is_shape),
    "fingerprint": returned.Attribute("a text that changes when its responses change", returned.is_text),
    "layers": returned.Attribute("a mapping from layers to their numbers of units, at least 1", returned.are_layers),
    "activation": returned.Attribute("a description of what is maximized", returned.is_text),
    "classes": returned.Attribute("the names of the classes, or ()", returned.are_names),
    "threaded": returned.Attribute("True or False", returned.is_switch),
}
"""What every target sets or inherits."""


def units_of(units: int | str | Sequence[int], number: int, where: str) -> tuple[int, ...]:
    """The units of a problem, ascending.

    Args:
        units: a number; or several, for the mean of a group: a list, or a text, ``"3+7+12"``.
        number: how many units the layer has.
        where: the layer, for the message.

    Raises:
        SpecError: something else, a unit that the layer does not have, or one that is named twice.
    """
    listed: Sequence[object] = [units]
    if isinstance(units, str):
        listed = [int(part) if re.fullmatch("[0-9]{1,9}", part) else part for part in units.split("+")]
    elif isinstance(units, Sequence) or (isinstance(units, np.ndarray) and units.ndim):
        listed = list(units)
    if not listed or not all(is_unit(one) for one in listed):
        raise SpecError(
            f"bad unit {units!r} of {where}: expected a number, or several for their mean, as 3+7+12 or [3, 7, 12]"
        )
    numbers = sorted(int(one) for one in listed)  # type: ignore[call-overload]
    if wrong := [one for one in numbers if not 0 <= one < number]:
        raise SpecError(f"no unit {wrong[-1]} in {where}; its units are 0..{number - 1}")
    if len(set(numbers)) < len(numbers):
        raise SpecError(f"units {'+'.join(map(str, numbers))} of {where} name one unit twice")
    return tuple(numbers)


def check_unit(layers: Mapping[str, int], layer: str, unit: int, owner: str = "") -> None:
    """Refuse a layer or a unit that a network does not have.

    Args:
        layers: number of units of every layer.
        layer, unit: what is asked for.
        owner: name of the network, for the message.

    Raises:
        SpecError: no such layer or unit.
    """
    if not isinstance(layer, str) or layer not in layers:
        if isinstance(layer, str) and isinstance(layers, Layers) and layer in layers.refused:
            raise SpecError(
                f"layer {layer}{f' of {owner}' if owner else ''} cannot be measured: {layers.refused[layer]}"
            )
        raise unknown("layer", layer, layers, of=owner)
    if not 0 <= unit < layers[layer]:
        where = f"{owner}/{layer}" if owner else layer
        raise SpecError(f"no unit {unit} in {where}; its units are 0..{layers[layer] - 1}")


def check_pairs(units: Sequence[tuple[str, int]], images: int | None = None) -> None:
    """Refuse what is no sequence of (layer, unit) pairs, or of another length than the images.

    Args:
        units: what is asked for.
        images: how many images there are, if each has a pair.

    Raises:
        SpecError: it is something else.
    """
    expected = "expected (layer, unit) pairs, such as [('conv1', 3)]"
    if not isinstance(units, Sequence) or isinstance(units, str):
        raise SpecError(f"{expected}, got {units!r:.60}")
    for pair in units:
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str) or not is_unit(pair[1]):
            raise SpecError(f"{expected}, got {pair!r:.60} among them")
    if images is not None and len(units) != images:
        raise SpecError(f"expected a (layer, unit) pair for each of {images} images, got {len(units)}")


def is_unit(number: object) -> bool:
    """Whether it is a whole number, as units are."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)

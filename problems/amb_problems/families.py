"""Families of networks: the entry point `network` of `amb.families`, which composes a generator with a target."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from amb.contracts.family import Family
from amb.contracts.generator import Generator
from amb.contracts.natural import NaturalResponses
from amb.contracts.target import Target
from amb.errors import SpecError, unknown
from amb.spec import MEASUREMENT_OPTIONS, Spec, Value, foreign_sign
from amb_problems.encoding import OPTIONS as INPUT_OPTIONS
from amb_problems.encoding import Encoding
from amb_problems.problem import NetworkProblem, Pair
from amb_problems.torch_state import usual_torch

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from amb.contracts.problem import UInt8Array
    from amb_problems.data.image_sets import Dataset


class NetworkFamily(Family):
    """Problems of a generator and a target; each may be built-in, a third party's or the user's own.

    Options of a problem's spec are those of the generator, which choose the grid: for an SN-GAN `grid`, "even", the
    paper's 64 levels in [-4, 4] (section 3.2.2), or "quantile", levels at the quantiles of the generator's own latent
    distribution; for a VQ-VAE `codes`. A spiking target also takes `input`, "bernoulli" or "gaussian" (with
    `deviation`): its frames are drawn at random (`Encoding`).

    Args:
        generator, target: two that fit together; nothing is loaded before a problem is created.
    """

    def __init__(self, generator: Generator, target: Target) -> None:
        self.generator, self.target = generator, target
        self._pairs: dict[str, Pair] = {}

    def __repr__(self) -> str:
        return f"<family {self.name}>"

    @property
    def name(self) -> str:
        """``<generator>/<target>``."""
        return f"{self.generator.name}/{self.target.name}"

    def layers(self) -> Mapping[str, int]:
        """Units of every layer, as the target's card lists them."""
        return self.target.layers

    def cards(self) -> Mapping[str, Mapping[str, object]]:
        """The cards of generator and target."""
        return {"generator": self.generator.card(), "target": self.target.card()}

    def natural_images(self, data: "Path | None") -> "UInt8Array | None":
        """The test half of the data set whose name begins the generator's name; None if there is no such data set."""
        data_set = self._data_set(data)
        return None if data_set is None else data_set.test_images

    def natural_labels(self, data: "Path | None") -> "NDArray[np.int64] | None":
        """The classes of these images."""
        data_set = self._data_set(data)
        return None if data_set is None else data_set.test_labels

    def natural_responses(self) -> NaturalResponses | None:
        """The target's own."""
        return self.target.natural_responses()

    def _data_set(self, data: "Path | None") -> "Dataset | None":
        from amb_problems.data import image_sets

        name = self.generator.name.split("-")[0]
        if name not in image_sets.CLASSES:
            return None
        return image_sets.load(cast(image_sets.DatasetName, name), data)

    @usual_torch()
    def pair(self, device: str) -> Pair:
        """Generator and target on a device, loaded."""
        if device not in self._pairs:
            self._pairs[device] = Pair(self.generator.on(device), self.target.on(device), device)
        return self._pairs[device]

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: Value) -> NetworkProblem:
        """The problem of one unit; see the class for `options`."""
        return self.group(layer, (unit,), device=device, **options)

    def group(self, layer: str, units: tuple[int, ...], *, device: str = "cpu", **options: Value) -> NetworkProblem:
        """The problem of one unit, or of several units' mean; see the class for `options`.

        Raises:
            SpecError: no such option, or a layer whose name cannot be a part of an id.
        """
        if (sign := foreign_sign(layer)) is not None:
            raise SpecError(
                f"layer {layer!r} of {self.target.name} has {sign!r} in its name, which cannot be in a problem's id: "
                "rename the submodule, with letters, digits, dashes and underscores"
            )
        encoding_options = {name: options.pop(name) for name in INPUT_OPTIONS if name in options}
        for option in options:
            if option not in self.generator.options:
                known = [*self.generator.options, *INPUT_OPTIONS, *MEASUREMENT_OPTIONS]
                raise unknown("option of a problem", option, known)
        grid = self.generator.grid(**options)
        chosen = tuple(sorted([*self._chosen(options), *encoding_options.items()]))
        name = f"{self.name}/{layer}/{'+'.join(map(str, units))}"
        encoding = Encoding.of(encoding_options)
        return NetworkProblem(self.pair(device), layer, units, grid, id=str(Spec(name, chosen)), encoding=encoding)

    def _chosen(self, options: Mapping[str, Value]) -> list[tuple[str, Value]]:
        """The generator's options that differ from their defaults, so that a problem has only one id."""
        defaults = {name: values[0] for name, values in self.generator.options.items()}
        return [(name, value) for name, value in options.items() if value != defaults[name]]

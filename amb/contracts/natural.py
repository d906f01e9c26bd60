"""How a network's units respond to its data set: what an image's activation is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from amb.contracts.space import FloatArray

SHARES = np.r_[np.arange(0, 0.98, 0.02), 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 1.0]
"""The quantiles of a unit's activations that are kept: shares of the images, denser at the top, where MEIs lie."""


@dataclass(frozen=True)
class NaturalResponses:
    """Activations of units for the images of a data set, reduced to what a few numbers can hold.

    Attributes:
        fingerprint: of the network; responses of other weights are not used.
        images: number of images.
        classes: names of the images' classes; () if the images have none.
        units: layer and unit of every row below.
        quantiles: float32[units, len(SHARES)], activations at the quantiles `SHARES`.
        best: int64[units], number of the image with the highest activation.
        class_means: float32[units, classes], mean activation over the images of each class.
    """

    fingerprint: str
    images: int
    classes: tuple[str, ...]
    units: tuple[tuple[str, int], ...]
    quantiles: NDArray[np.float32]
    best: NDArray[np.int64]
    class_means: NDArray[np.float32]

    @classmethod
    def measured(
        cls,
        fingerprint: str,
        units: Sequence[tuple[str, int]],
        responses: FloatArray,
        labels: NDArray[np.int64] | None,
        classes: Sequence[str],
    ) -> "NaturalResponses":
        """Reduce the responses of units, float64[images, units], to images with these labels, int64[images] or None."""
        means = np.zeros((len(units), 0), np.float32)
        if labels is not None and len(classes):
            means = np.stack([responses[labels == i].mean(axis=0) for i in range(len(classes))], axis=1)
        return cls(
            fingerprint,
            len(responses),
            tuple(classes) if means.shape[1] else (),
            tuple((layer, int(unit)) for layer, unit in units),
            np.quantile(responses, SHARES, axis=0).T.astype(np.float32),
            responses.argmax(axis=0).astype(np.int64),
            means.astype(np.float32),
        )

    @cached_property
    def row(self) -> Mapping[tuple[str, int], int]:
        """The row of every unit."""
        return {unit: row for row, unit in enumerate(self.units)}

    def percentile(self, row: int, activation: float) -> float:
        """The share of images that excite a unit less than `activation`, in percent; between quantiles, interpolated.

        It is 100 above every image only: where images excite the unit as much, they are not counted.
        """
        quantiles = self.quantiles[row].astype(np.float64)
        activation = float(np.float32(activation))  # as the quantiles are stored, so that equal ones stay equal
        if activation <= quantiles[0]:
            return 0.0
        if activation > quantiles[-1]:
            return 100.0
        above = int(np.searchsorted(quantiles, activation, side="left"))
        low, high = quantiles[above - 1], quantiles[above]
        share = (activation - low) / (high - low)
        return float(100 * min(SHARES[above - 1] + share * (SHARES[above] - SHARES[above - 1]), 1 - 1 / self.images))

    def mean(self, row: int) -> float:
        """The mean activation over the images, from the quantiles."""
        quantiles = self.quantiles[row].astype(np.float64)
        return float((np.diff(SHARES) * (quantiles[1:] + quantiles[:-1]) / 2).sum())

    def preferred(self, row: int) -> int | None:
        """The class whose images excite a unit most on average; None without classes, or if all are equal."""
        means = self.class_means[row]
        return int(means.argmax()) if means.size and means.max() > means.min() else None

    def selectivity(self, row: int) -> float:
        """Class selectivity index (Morcos et al. 2018, section A.2): (highest - mean of others) / (their sum), 0 to 1.

        0: all classes excite the unit alike; 1: a single class does. Activations are counted from the lowest class
        mean where that is negative. NaN without classes or without any response.
        """
        means = self.class_means[row].astype(np.float64)
        if means.size < 2:
            return np.nan
        means = means - min(0.0, means.min())
        top = means.max()
        others = (means.sum() - top) / (means.size - 1)
        return float((top - others) / (top + others)) if top + others > 0 else np.nan

    def dead(self, row: int) -> bool:
        """Whether a unit responds alike to every image."""
        return bool(self.quantiles[row, 0] == self.quantiles[row, -1])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """All of it as arrays of numbers and text, for a file without pickled objects."""
        return {
            "fingerprint": np.array(self.fingerprint),
            "images": np.array(self.images),
            "classes": np.array(self.classes, dtype=np.str_),
            "layers": np.array([layer for layer, _ in self.units], dtype=np.str_),
            "units": np.array([unit for _, unit in self.units], np.int64),
            "quantiles": self.quantiles,
            "best": self.best,
            "class_means": self.class_means,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "NaturalResponses":
        """What `arrays` returned.

        Raises:
            KeyError, ValueError, TypeError: something is missing, or arrays do not fit each other.
        """
        layers, units = arrays["layers"].tolist(), arrays["units"].tolist()
        responses = cls(
            str(arrays["fingerprint"]),
            int(arrays["images"]),
            tuple(str(name) for name in arrays["classes"].tolist()),
            tuple(zip((str(layer) for layer in layers), (int(unit) for unit in units), strict=True)),
            np.asarray(arrays["quantiles"], np.float32),
            np.asarray(arrays["best"], np.int64),
            np.asarray(arrays["class_means"], np.float32),
        )
        shapes = responses.quantiles.shape, responses.best.shape, responses.class_means.shape
        n = len(responses.units)
        if shapes != ((n, len(SHARES)), (n,), (n, len(responses.classes))):
            raise ValueError(f"arrays of shapes {shapes} for {n} units and {len(responses.classes)} classes")
        return responses

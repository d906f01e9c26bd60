"""Input noise: a new random stimulus in every frame of every query (the paper, section 2.2, second encoding).

The first encoding shows the image itself in every frame. Frames stay images of bytes, so that a spiking network stays
exact: the same frames give the same spikes, bit for bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from amb.contracts.problem import UInt8Array
from amb.errors import SpecError
from amb.spec import Value

Kind = Literal["bernoulli", "gaussian"]
OPTIONS = ("input", "deviation")
DEVIATION = 32.0


@dataclass(frozen=True)
class Encoding:
    """How the frames of an image are drawn.

    Attributes:
        kind: "bernoulli", rate coding: a pixel's channel is 255 with probability value / 255, else 0;
            "gaussian": normal noise is added, rounded and clipped to 0..255.
        deviation: the noise's standard deviation, in grey levels; gaussian only.

    Raises:
        SpecError: no such kind, or a deviation that is not positive.
    """

    kind: Kind
    deviation: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SpecError(f"input must be bernoulli or gaussian, got {self.kind!r}")
        if self.kind == "bernoulli" and self.deviation is not None:
            raise SpecError("input=bernoulli takes no deviation: a pixel's value is its probability")
        if self.kind == "gaussian" and not (isinstance(self.deviation, int | float) and self.deviation > 0):
            raise SpecError(f"input=gaussian takes a deviation above 0, in grey levels, got {self.deviation!r}")

    @classmethod
    def of(cls, options: Mapping[str, Value]) -> "Encoding | None":
        """The encoding that a problem's options ask for.

        Raises:
            SpecError: a wrong value, or a deviation without an encoding.
        """
        kind, deviation = options.get("input"), options.get("deviation")
        if kind is None:
            if deviation is not None:
                raise SpecError("deviation is an option of input=gaussian")
            return None
        if kind == "gaussian" and deviation is None:
            deviation = DEVIATION
        return cls(kind, deviation)  # type: ignore[arg-type]

    def frames(self, image: UInt8Array, number: int, rng: np.random.Generator) -> UInt8Array:
        """Random frames of one image: uint8[h, w, c] -> uint8[number, h, w, c]."""
        shape = number, *image.shape
        if self.kind == "bernoulli":
            return np.where(rng.integers(0, 255, shape, dtype=np.uint8) < image, 255, 0).astype(np.uint8)
        assert self.deviation is not None
        noisy = image + np.float32(self.deviation) * rng.standard_normal(shape, dtype=np.float32)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

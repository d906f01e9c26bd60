"""A family whose images look like photographs to a compressor: noise whose amplitude falls with frequency."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from amb import Family, FunctionProblem, Space

SIDE, IMAGES = 32, 256


class Painted(Family):
    name = "painted/net"

    def layers(self) -> Mapping[str, int]:
        return {f"conv{i}": 20 for i in range(1, 4)}

    def problem(self, layer: str, unit: int, *, device: str = "cpu", **options: object) -> FunctionProblem:
        return FunctionProblem(
            lambda candidates: candidates.mean(axis=1) / 15,
            Space.uniform(6, 16),
            id=f"{self.name}/{layer}/{unit}",
            render=lambda candidates: paint()[candidates @ (16 ** np.arange(candidates.shape[1])) % IMAGES],
        )


@cache
def paint() -> np.ndarray:
    """uint8[IMAGES, SIDE, SIDE, 3], of a 1/f spectrum with correlated colours, as natural images have."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    frequency[0, 0] = 1
    noise = np.fft.fft2(rng.normal(size=(IMAGES, 4, SIDE, SIDE))) / frequency
    grey, *colours = np.moveaxis(np.fft.ifft2(noise).real, 1, 0)
    images = np.stack([grey + 0.4 * colour for colour in colours], axis=-1)
    images /= images.std(axis=(1, 2, 3), keepdims=True)
    return np.clip(128 + 60 * images, 0, 255).astype(np.uint8)

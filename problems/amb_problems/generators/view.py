"""What an image-seeing solver may see of a network problem: the generator on its grid, without the target."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts import returned
from amb.contracts.generator import Generator, Grid, chunks
from amb.contracts.space import FloatArray
from amb.contracts.view import Slope, UInt8Array, View
from amb.errors import CandidateError
from amb_problems.threads import one_thread_each
from amb_problems.torch_state import usual_torch

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 8
"""Latents per chunk, the last one padded: other sizes use other kernels, which round differently."""


class GeneratorView(View):
    """A generator's images and, where it is differentiable and its latents are continuous, its slopes.

    Args:
        generator: on `device`. One with `pixels` (see `amb_problems.abilities.DifferentiableGenerator`) is
            differentiable; one with `code_pixels`, from weights of codes float32[n, positions, codes] to pixels, has a
            differentiable codebook.
        grid: its latents as a grid.
        device: "cpu" or "cuda".
    """

    def __init__(self, generator: Generator, grid: Grid, *, device: str) -> None:
        self.space, self.shape = grid.space, generator.shape
        self._generator, self._grid, self._device = generator, grid, device
        codes = not grid.space.ordinal or grid.numbering is not None
        self.differentiable = hasattr(generator, "pixels") and not codes
        self.substitutable = hasattr(generator, "code_pixels") and codes

    @usual_torch()
    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli as they would be shown."""
        latents = self._grid.latents(candidates)
        pixels: UInt8Array = returned.images(
            self._generator.images(latents), (len(latents), *self.shape), f"generator {self._generator.name}"
        )
        return pixels

    @usual_torch()
    def gradient(self, latents: ArrayLike, slope: Slope) -> FloatArray:
        """The chain rule through the generator; a latent's gradient does not depend on the others, in any bit."""
        points = self.space.real_rows(latents, "latents")
        if not self.differentiable:
            return super().gradient(points, slope)
        if not np.isfinite(points).all():
            raise CandidateError("latents must be finite: has the solver diverged?")
        z = points.astype(np.float32)
        return self._in_chunks(z, self._generator.pixels, slope).astype(np.float64)  # type: ignore[attr-defined]

    @usual_torch()
    def substitutions(self, candidates: ArrayLike, slope: Slope) -> FloatArray:
        """The chain rule through decoder and codebook."""
        index = self.space.check(candidates)
        if not self.substitutable:
            return super().substitutions(index, slope)
        number = int(self.space.levels.max())
        order = np.arange(number) if self._grid.numbering is None else self._grid.numbering
        weights = np.zeros((*index.shape, number), np.float32)
        np.put_along_axis(weights, order[index][..., None], 1.0, axis=2)
        slopes = self._in_chunks(weights, self._generator.code_pixels, slope)[..., order]  # type: ignore[attr-defined]
        changes: FloatArray = slopes.astype(np.float64) - np.take_along_axis(slopes, index[..., None], axis=2)
        return changes

    def _in_chunks(self, inputs: np.ndarray, pixels: "Callable[[Tensor], Tensor]", slope: Slope) -> np.ndarray:
        """Derivatives with respect to inputs [n, ...]; row by row the same bits, whatever the other rows are."""
        if not len(inputs):
            return np.empty_like(inputs)
        # One after the other, since a solver's slope may not be called by two threads.
        parts = [
            one_thread_each(lambda one: self._pull_back(one, pixels, slope), [chunk])[0]
            for chunk in chunks(inputs, CHUNK)
        ]
        return np.concatenate(parts)[: len(inputs)]

    def _pull_back(self, chunk: np.ndarray, pixels: "Callable[[Tensor], Tensor]", slope: Slope) -> np.ndarray:
        import torch

        expected, source = (len(chunk), *self.shape), f"generator {self._generator.name}"
        inputs = torch.from_numpy(chunk).to(self._device).requires_grad_()
        made = pixels(inputs)
        shown = returned.numbers(made.detach().cpu().numpy(), expected, source).astype(np.float32)
        slopes = returned.numbers(slope(shown), expected, "the solver's slope").astype(np.float32)
        (gradient,) = torch.autograd.grad(made, inputs, torch.from_numpy(slopes).to(made.device))
        return gradient.cpu().numpy()

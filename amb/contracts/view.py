"""What an image-seeing solver is handed: the generator as an experimenter owns it, and nothing of the neuron."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amb.contracts.images import Shape
from amb.contracts.returned import images
from amb.contracts.space import FloatArray, Space
from amb.errors import SpecError

UInt8Array = NDArray[np.uint8]
Pixels = NDArray[np.float32]
Slope = Callable[[Pixels], Pixels]
"""From pixels float32[n, h, w, c] in 0..255 to the derivatives of n scores with respect to them, same shape."""


class View(ABC):
    """A generator behind its grid: images of candidates and, where it is differentiable, slopes through it.

    A view holds no reference to the target, its unit or the problem. Its calls are not metered as queries, since
    rendering an image costs no trial; their time counts as the solver's.

    Attributes:
        space: the grid that is searched.
        shape: height, width and channels of the images.
        differentiable: whether `gradient` works.
        substitutable: whether `substitutions` works. Where neither does, a solver screens images instead.
    """

    space: Space
    shape: Shape
    differentiable: bool = False
    substitutable: bool = False

    @abstractmethod
    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli of candidates int[n, d], as they are shown to the neuron: uint8[n, h, w, c].

        Raises:
            CandidateError: wrong shape, type or range.
        """

    def gradient(self, latents: ArrayLike, slope: Slope) -> FloatArray:
        """The derivatives of scores of images with respect to the latents behind them: the chain rule, float64[n, d].

        Args:
            latents: float[n, d], coordinates in the space's box, on the grid or between its points.
            slope: called with pixels float32[n, h, w, c], possibly a few images at a time and padded with images that
                are not used; returns the derivative of each image's score with respect to its own pixels.

        Raises:
            SpecError: the generator is not differentiable.
            CandidateError: latents of the wrong shape, or not finite.
        """
        raise SpecError("this generator is not differentiable: screen its images instead (View.differentiable)")

    def substitutions(self, candidates: ArrayLike, slope: Slope) -> FloatArray:
        """What other levels would change, to first order: the view's slopes where latents are numbers of codes.

        Args:
            candidates: int[n, d].
            slope: as for `gradient`.

        Returns:
            float64[n, d, levels]: by how much an image's score would change if that dimension took that level; 0 for
            the level that it has.

        Raises:
            SpecError: the generator has no differentiable codebook.
            CandidateError: wrong shape, type or range.
        """
        raise SpecError("this generator has no differentiable codebook: screen its images (View.substitutable)")


class RenderedView(View):
    """The view of a problem whose images come from a function.

    Args:
        space: the grid.
        render: int64[n, d] -> uint8[n, h, w, c].
        source: what the function is, for messages.
    """

    def __init__(self, space: Space, render: Callable[[NDArray[np.int64]], UInt8Array], *, source: str) -> None:
        self.space, self._render, self._source = space, render, source
        height, width, channels = self.images(np.zeros((1, space.d), np.int64)).shape[1:]
        self.shape = height, width, channels

    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The images that the function draws."""
        return drawn(self._render, self.space.check(candidates), self._source)


def drawn(render: Callable[[NDArray[np.int64]], UInt8Array], candidates: NDArray[np.int64], source: str) -> UInt8Array:
    """The images that a function draws of candidates, checked: uint8[n, h, w, c].

    Raises:
        PluginError: it returned something else.
    """
    pixels: UInt8Array = images(render(candidates), (len(candidates), "h", "w", "c"), source)
    return pixels


def draw_levels(candidates: NDArray[np.int64], space: Space) -> UInt8Array:
    """Candidates drawn as grey squares, for problems without images: uint8[n, side, side, 1]."""
    side = int(np.ceil(np.sqrt(space.d)))
    grey = np.zeros((len(candidates), side * side), dtype=np.uint8)
    grey[:, : space.d] = np.rint(candidates * (255 / np.maximum(space.levels - 1, 1)))
    return grey.reshape(-1, side, side, 1)

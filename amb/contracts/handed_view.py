"""The view of a problem or a generator of any class, as it is handed to a solver: checked, and in copies.

A view may write all its answers into one array, and a solver may keep what it was given or write into it
(`amb.contracts.returned`). Neither reaches the other's arrays here.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.returned import copied, described, images, is_shape, numbers
from amb.contracts.space import FloatArray, Space
from amb.contracts.view import Pixels, Slope, UInt8Array, View
from amb.errors import PluginError


class HandedView(View):
    """A view that checks the answers of another one and copies what passes between it and its solver.

    Args:
        view: of a problem or of a generator.

    Raises:
        PluginError: it is no `amb.View`, or has no space or shape.
    """

    def __init__(self, view: View) -> None:
        if not isinstance(view, View):
            raise PluginError(f"view() returned {described(view)}; expected an amb.View")
        source = f"view {type(view).__name__}"
        space: object = getattr(view, "space", None)
        shape: Any = getattr(view, "shape", None)
        if not isinstance(space, Space):
            raise PluginError(f"{source} has space {space!r:.60}; expected an amb.Space")
        if not is_shape(shape):
            raise PluginError(f"{source} has shape {shape!r:.60}; expected height, width and channels")
        height, width, channels = map(int, shape)
        self.space, self.shape = space, (height, width, channels)
        self.differentiable, self.substitutable = bool(view.differentiable), bool(view.substitutable)
        self._view, self._source = view, source

    def images(self, candidates: ArrayLike) -> UInt8Array:
        """The stimuli, a copy.

        Raises:
            CandidateError: wrong shape, type or range.
            PluginError: the view returned something else.
        """
        rows = self.space.check(candidates)
        pixels: UInt8Array = images(self._view.images(rows.copy()), (len(rows), *self.shape), self._source)
        return pixels

    def gradient(self, latents: ArrayLike, slope: Slope) -> FloatArray:
        """The view's chain rule, a copy.

        Raises:
            SpecError, CandidateError: the view refuses.
            PluginError: it returned something other than a number for each coordinate.
        """
        points = self.space.real_rows(latents, "latents")  # a copy
        shape = points.shape
        return numbers(self._view.gradient(points, _apart(slope)), shape, f"gradient of {self._source}")

    def substitutions(self, candidates: ArrayLike, slope: Slope) -> FloatArray:
        """The view's chain rule, a copy.

        Raises:
            SpecError, CandidateError: the view refuses.
            PluginError: it returned something other than a number for each level.
        """
        rows = self.space.check(candidates)
        changes = self._view.substitutions(rows.copy(), _apart(slope))
        return numbers(changes, (*rows.shape, int(self.space.levels.max())), f"substitutions of {self._source}")


def _apart(slope: Slope) -> Slope:
    """A slope that gets its own pixels and keeps its own answers."""

    def separate(pixels: Pixels) -> Pixels:
        answered: Pixels = copied(slope(np.array(pixels)))
        return answered

    return separate

"""The view of an isolated image-seeing solver: its process has pixels and slopes, not even the generator.

In the middle of an answer the solver's process may ask for images or slopes; the bench computes them and continues to
wait. While it computes slopes it asks back, chunk by chunk: pixels go to the process, their slopes come back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike

from amb.contracts.space import FloatArray, Space
from amb.contracts.view import Pixels, Slope, UInt8Array, View
from amb.errors import SolverError, SpecError

Exchange = Callable[[Mapping[str, object], bytes], tuple[dict[str, object], bytes]]
"""Send a message to the other end, and wait for its answer."""

ROWS = 256
"""Rows of one request; a view cuts larger ones."""
LARGEST = 1 << 28
"""Bytes of one message."""


def described(view: View) -> dict[str, object]:
    """What the solver's process must know to create a `RemoteView`."""
    return {
        "shape": list(view.shape),
        "differentiable": bool(view.differentiable),
        "substitutable": bool(view.substitutable),
    }


class RemoteView(View):
    """A view whose images and slopes are computed by the bench.

    Args:
        space: the grid that is searched.
        description: what `described` returned.
        exchange: sends a request to the bench and returns its answer.
    """

    def __init__(self, space: Space, description: Mapping[str, object], exchange: Exchange) -> None:
        height, width, channels = map(int, cast(Sequence[int], description["shape"]))
        self.space, self.shape = space, (height, width, channels)
        self.differentiable = bool(description["differentiable"])
        self.substitutable = bool(description["substitutable"])
        self._exchange = exchange

    def images(self, candidates: ArrayLike) -> UInt8Array:
        """Rendered by the bench."""
        index = self.space.check(candidates)
        parts = [
            np.frombuffer(self._asked("images", part.astype("<i8"), None), np.uint8).reshape(-1, *self.shape)
            for part in _cut(index)
        ]
        return np.concatenate(parts) if parts else np.empty((0, *self.shape), np.uint8)

    def gradient(self, latents: ArrayLike, slope: Slope) -> FloatArray:
        """The bench's chain rule, with slopes from here."""
        points = self.space.real_rows(latents, "latents").astype("<f8", copy=False)
        if not self.differentiable:
            return super().gradient(points, slope)
        parts = [self._numbers("gradient", part, slope, part.shape) for part in _cut(points)]
        return np.concatenate(parts) if parts else np.empty(points.shape)

    def substitutions(self, candidates: ArrayLike, slope: Slope) -> FloatArray:
        """The bench's chain rule, with slopes from here."""
        index = self.space.check(candidates).astype("<i8")
        if not self.substitutable:
            return super().substitutions(index, slope)
        levels = int(self.space.levels.max())
        parts = [self._numbers("substitutions", part, slope, (*part.shape, levels)) for part in _cut(index)]
        return np.concatenate(parts) if parts else np.empty((*index.shape, levels))

    def _numbers(self, what: str, rows: np.ndarray, slope: Slope, shape: tuple[int, ...]) -> FloatArray:
        return np.frombuffer(self._asked(what, rows, slope), "<f8").reshape(shape).copy()

    def _asked(self, what: str, rows: np.ndarray, slope: Slope | None) -> bytes:
        message, body = self._exchange({"view": what}, np.ascontiguousarray(rows).tobytes())
        while "pixels" in message:
            assert slope is not None
            pixels = np.frombuffer(body, "<f4").reshape(-1, *self.shape).copy()
            slopes = np.ascontiguousarray(slope(pixels), dtype="<f4")
            message, body = self._exchange({"slopes": len(slopes)}, slopes.tobytes())
        if "failure" in message:
            raise SolverError(str(message["failure"]))
        return body


def answer(view: View, request: Mapping[str, object], body: bytes, exchange: Exchange) -> bytes:
    """The body of the bench's answer to a request of a `RemoteView`.

    Args:
        view: the actual view.
        request, body: what came from the process, which is not trusted.
        exchange: asks the process for slopes.

    Raises:
        SolverError: a request that no `RemoteView` sends.
        AmbError: the view refuses the rows.
    """
    what = request.get("view")
    if what not in ("images", "gradient", "substitutions"):
        raise SolverError(f"the solver's process asked for {what!r:.60}, which a view does not have")
    rows = _rows(body, "<f8" if what == "gradient" else "<i8", view.space.d)
    if what == "images":
        return np.ascontiguousarray(view.images(rows.astype(np.int64))).tobytes()
    if not (view.differentiable if what == "gradient" else view.substitutable):
        raise SpecError(f"this generator has no {what}")

    def slope(pixels: Pixels) -> Pixels:
        content = np.ascontiguousarray(pixels, dtype="<f4")
        message, back = exchange({"pixels": len(pixels)}, content.tobytes())
        if "slopes" not in message or len(back) != content.nbytes:
            raise SolverError("the solver's process sent something other than the slopes that it was asked for")
        return np.frombuffer(back, "<f4").reshape(pixels.shape).astype(np.float32)

    found = view.gradient(rows, slope) if what == "gradient" else view.substitutions(rows.astype(np.int64), slope)
    return np.ascontiguousarray(found, dtype="<f8").tobytes()


def _rows(body: bytes, kind: str, dimensions: int) -> np.ndarray:
    if len(body) % (8 * dimensions) or len(body) > ROWS * 8 * dimensions:
        raise SolverError(f"the solver's process sent {len(body)} bytes; expected up to {ROWS} rows of {dimensions}")
    return np.frombuffer(body, kind).reshape(-1, dimensions)


def _cut(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[i : i + ROWS] for i in range(0, len(rows), ROWS)]

"""Your own objective function as a problem."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from amb.activation import LARGEST
from amb.contracts.content import Content
from amb.contracts.problem import FunctionProblem
from amb.contracts.real_numbers import as_numbers
from amb.contracts.returned import copied
from amb.contracts.space import FARTHEST, FloatArray, IntArray, Space
from amb.errors import CandidateError, SpecError
from amb.fingerprint import fingerprint
from amb.spec import Spec, explained, flag, spelt

LEVELS = 256
Bounds = Sequence[tuple[float, float]]


@explained("amb.objective")
def objective(
    function: Callable[..., object],
    bounds: Bounds | ArrayLike,
    *,
    levels: int | Sequence[int] = LEVELS,
    minimize: bool = False,
    vectorized: bool = False,
    name: str | None = None,
    version: str | None = None,
) -> FunctionProblem:
    """A problem from a plain function of a point in a box.

    Args:
        function: float64[d] -> number, or, if `vectorized`, float64[n, d] -> float[n]. NaN is a failed query.
        bounds: lowest and highest value of every coordinate, [(low, high), ...] or float[d, 2].
        levels: levels per coordinate, evenly spaced between its bounds, both included: the grid that is searched.
        minimize: whether low values are better. Values are then negated: solvers, tables and reports maximize.
        name: its name in tables; by default the function's.
        version: a text that changes when the function does. By default its code is hashed (`amb.fingerprint`), so that
            an edited function is evaluated again; code of installed packages counts with its name only. Where what it
            reads has changed since, `amb.compare` asks for a new problem.

    Raises:
        SpecError: invalid bounds or levels, or a function without a name or content to identify it by.
    """
    minimize, vectorized = flag(minimize, "minimize"), flag(vectorized, "vectorized")
    if not (version is None or isinstance(version, str)):
        raise SpecError(f"version must be a text or None, got {version!r:.80}")
    box = _box(bounds)
    try:
        counts = np.asarray(levels)
    except ValueError as cause:  # ragged
        raise SpecError(f"levels must be a whole number, or one for each coordinate, got {levels!r:.80}") from cause
    counts = np.broadcast_to(counts, len(box)) if counts.ndim == 0 else counts
    if counts.shape != (len(box),):
        raise SpecError(f"expected levels for {len(box)} coordinates, as there are bounds, got {counts.size}")
    alike = bool((box == box[0]).all())
    low, high = (float(box[0, 0]), float(box[0, 1])) if alike else (0.0, 1.0)
    space = Space(counts, low=low, high=high, prior="uniform")
    if name is not None and not isinstance(name, str):
        raise SpecError(f"the name must be a text, got {name!r:.80}")
    named = name or _name(function)
    Spec.parse(named)
    offset, width = (0.0, 1.0) if alike else (box[:, 0], box[:, 1] - box[:, 0])
    sign = -1.0 if minimize else 1.0

    def values(candidates: IntArray) -> FloatArray:
        points = offset + width * space.decode_checked(candidates)
        # Copies, since a function may return one array again and again.
        results = function(points) if vectorized else [copied(function(point)) for point in points]
        return sign * _numbers(results, len(points), named)

    content = Content(lambda: (function,)) if version is None else None
    told = fingerprint(version if content is None else content.fingerprint, box, space.levels, minimize, vectorized)
    problem = FunctionProblem(values, space, id=named)
    problem.fingerprint = f"function-{named}-{told}"  # which tells the space
    problem.made_of = content
    return problem


def _box(bounds: Bounds | ArrayLike) -> FloatArray:
    try:
        box = as_numbers(bounds)
    except ValueError:
        box = np.empty(0)
    if box.ndim != 2 or box.shape[1] != 2 or not len(box):
        raise SpecError(f"bounds must be pairs, one per coordinate, such as [(-5, 5)] * 8, got {bounds!r}")
    if not ((np.abs(box) <= FARTHEST).all() and (box[:, 0] < box[:, 1]).all()):
        raise SpecError(
            f"every pair of bounds must be finite, within {FARTHEST:g} of 0, and its first number below its second, "
            f"got {bounds!r:.80}"
        )
    return box


def _name(function: object) -> str:
    inner = function.func if isinstance(function, partial) else function
    try:
        name = str(getattr(inner, "__name__", type(inner).__name__)).strip("_<>")
    except Exception:  # of an object's own code
        name = type(inner).__name__
    return spelt(name) if name != "lambda" else "objective"


def _numbers(results: object, expected: int, name: str) -> FloatArray:
    try:
        values = as_numbers(results)  # type: ignore[arg-type]
    except ValueError as cause:
        raise CandidateError(f"{name} must return a number, got {results!r:.80}") from cause
    if values.size != expected:
        raise CandidateError(f"{name} must return {expected} numbers for {expected} points, got {list(values.shape)}")
    largest = np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0)
    if largest > LARGEST:
        raise CandidateError(
            f"{name} returned a number of size {largest:.3g}, but tests and ranks need at most {LARGEST:g}: return "
            "smaller numbers, or infinity for a query that fails"
        )
    return values.reshape(expected)

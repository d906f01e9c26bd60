"""Best-so-far curves, small enough for a web page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.contracts.space import FloatArray
from amb.stats.gap import gap_closed
from amb.stats.queries import FRACTIONS, SLACK

SCALE = 52 * 1260
"""Shares of the gap are stored as whole numbers of this size; the 52 thresholds are exact."""

POINTS = 40
"""A long curve keeps its values on a logarithmic grid of this many queries, and where it first reaches thresholds."""


@dataclass(frozen=True)
class Curves:
    """Curves of runs, one after another.

    Attributes:
        start: uint32[runs + 1], where each run's steps begin.
        query: uint16 or uint32[steps], after which the curve steps up.
        share: uint16[steps], the share of the gap that it has then closed, in units of 1 / `SCALE`.
    """

    start: NDArray[np.uint32]
    query: NDArray[np.unsignedinteger]
    share: NDArray[np.uint16]


def pack(problems: Sequence[str], traces: Sequence[FloatArray], bounds: pd.DataFrame) -> Curves:
    """The curves of all runs in their order.

    Args:
        problems: of each run.
        traces: values without noise of each run.
        bounds: `start` and `best` by problem; values above the best count as the best.
    """
    starts, bests = bounds["start"].to_dict(), bounds["best"].to_dict()
    queries, shares, start = [], [], [0]
    for problem, values in zip(problems, traces, strict=True):
        query, share = steps(values, starts[problem], bests[problem])
        queries.append(query)
        shares.append(share)
        start.append(start[-1] + len(query))
    small = max((int(q[-1]) for q in queries if len(q)), default=0) < 2**16
    return Curves(
        np.array(start, dtype=np.uint32),
        np.concatenate(queries).astype(np.uint16 if small else np.uint32),
        np.concatenate(shares).astype(np.uint16),
    )


def steps(values: FloatArray, start: float, best: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The queries at which a best-so-far curve rises, and the shares of the gap that it rises to, int[steps] each.

    A share that equals a threshold is never rounded below it.
    """
    if not len(values) or best <= start:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    known = np.where(np.isnan(values), -np.inf, values)
    closed = np.minimum(np.maximum(gap_closed(known, start, best), 0), 1)  # np.clip and np.diff take twice as long
    share = np.floor(closed * SCALE + SLACK * SCALE).astype(np.int64)
    highest = np.maximum.accumulate(share)
    rises = np.flatnonzero(highest > np.concatenate([[0], highest[:-1]]))
    if len(rises) > POINTS:
        rises = _thinned(rises, highest)
    return rises + 1, highest[rises]


def _thinned(rises: NDArray[np.int64], highest: NDArray[np.int64]) -> NDArray[np.int64]:
    grid = np.unique(np.rint(np.geomspace(1, len(highest), POINTS)).astype(int)) - 1
    seen = np.searchsorted(rises, grid, side="right") - 1
    thresholds: Sequence[float] = FRACTIONS
    hits = np.searchsorted(highest[rises], np.rint(np.array(thresholds) * SCALE), side="left")
    steps_kept = np.unique(np.concatenate([seen[seen >= 0], hits[hits < len(rises)]]))
    return rises[steps_kept]

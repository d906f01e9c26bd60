"""Whether the candidates of runs are of their problem's space: files that agree with themselves may hold others."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from amb.contracts.space import Space

Key = TypeVar("Key", bound=Hashable)


def misfit(candidate: Sequence[int], space: Space) -> str:
    """Why a candidate is none of a space; empty if it is one."""
    levels = np.asarray(candidate)
    if len(levels) != space.d:
        return f"its candidates have {len(levels)} dimensions, its problem {space.d}: get a new copy"
    if (beyond := levels >= space.levels).any():
        j = int(np.argmax(beyond))
        return (
            f"its level {levels[j]} in dimension {j} is outside of the grid, 0..{space.levels[j] - 1}: get a new copy"
        )
    return ""


def misfits(dimensions: Mapping[Key, int]) -> dict[Key, str]:
    """Runs that contradict the others of their problem, and why; without a majority, all of them.

    Args:
        dimensions: of the candidates of each run, all of one problem and fingerprint.
    """
    counts = Counter(dimensions.values()).most_common()
    if len(counts) < 2:
        return {}
    usual = counts[0][0] if counts[0][1] > counts[1][1] else None
    return {
        key: f"its candidates have {d} dimensions, those of the other runs of this problem "
        f"{' or '.join(str(other) for other, _ in counts if other != d and usual in (None, other))}: get a new copy"
        for key, d in dimensions.items()
        if d != usual
    }

"""Step 3b: which solvers differ?"""

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.errors import unknown
from amb.stats.omnibus import mean_ranks
from amb.stats.question import Question
from amb.stats.signed_rank import signed_rank, smallest_p

METHOD = "exact Wilcoxon signed-rank test over problems (Pratt), Holm-corrected"


def compare_pairs(blocks: pd.DataFrame, *, alpha: float = Question.alpha, control: str | None = None) -> pd.DataFrame:
    """Signed-rank tests over problems, Holm-corrected over all pairs or over all against a control.

    Args:
        blocks: problem × solver, higher is better, no gaps.
        alpha: family-wise error rate.
        control: a solver with which every other one is compared; None compares all pairs.

    Returns:
        One row per pair. `first` has the better mean rank or, with a control, `second` is the control; problems, wins,
        ties, losses (of the first), p, p_holm, balance (rank-biserial correlation, positive if the first is better),
        differs (p_holm <= alpha), method, and note: "all tied", or "underpowered" if even a first solver that won on
        every problem that is not tied could not have come below alpha.

    Raises:
        SpecError: the control is not one of the solvers.
    """
    if control is not None and control not in blocks.columns:
        raise unknown("control solver", control, blocks.columns)
    order = list(mean_ranks(blocks).sort_values(kind="stable").index) if len(blocks) else list(blocks.columns)
    couples = (
        list(combinations(order, 2))
        if control is None
        else [(solver, control) for solver in order if solver != control]
    )
    values = {solver: blocks[solver].to_numpy(dtype=float) for solver in order}
    rows = [_row(first, second, values[first] - values[second]) for first, second in couples]
    table = pd.DataFrame(
        rows,
        columns=["first", "second", "problems", "wins", "ties", "losses", "p", "balance", "informative"],
    )
    table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
    table["differs"] = table["p_holm"] <= alpha
    reachable = [len(rows) * smallest_p(int(m)) <= alpha for m in table["informative"]]
    table["note"] = np.select(
        [table["informative"] == 0, ~table["differs"] & ~np.array(reachable, dtype=bool)],
        ["all tied", "underpowered"],
        default="",
    )
    table["method"] = METHOD
    return table.drop(columns="informative")


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values adjusted by Holm (1979), float[n]: the smallest times n, the next times n - 1, never decreasing.

    The same as ``statsmodels.stats.multitest.multipletests(p, method="holm")[1]``, which takes a hundred times as long
    because it runs the garbage collector at every call.
    """
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)) if len(p) else p
    return np.minimum(adjusted, 1.0)


def _row(first: str, second: str, differences: NDArray[np.float64]) -> dict[str, object]:
    differences = np.round(differences, 12)
    p, balance, informative = signed_rank(differences)
    return {
        "first": first,
        "second": second,
        "problems": len(differences),
        "wins": int((differences > 0).sum()),
        "ties": int((differences == 0).sum()),
        "losses": int((differences < 0).sum()),
        "p": p,
        "balance": balance,
        "informative": informative,
    }

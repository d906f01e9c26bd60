"""Step 3b: which solvers differ?"""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.errors import unknown
from amb.stats.levels import LEAST_NETWORKS, Levels
from amb.stats.omnibus import mean_ranks
from amb.stats.question import Question
from amb.stats.signed_rank import signed_rank, signed_rank_interval, smallest_p

METHOD = "exact Wilcoxon signed-rank test over {level} (Pratt), Holm-corrected"


def differences(
    scores: NDArray[np.float64], ordered: NDArray[np.float64], first: int, second: int
) -> NDArray[np.float64]:
    """Score of the first minus score of the second on every problem, float[problems].

    Where two scores are equal, the tie-break of `ordered` decides the sign, by a difference that is smaller than any
    other; where they are not, it changes nothing.

    Args:
        scores: float[problems, solvers].
        ordered: the scores with ties broken, float[problems, solvers].
        first: number of a solver.
        second: number of another.
    """
    plain = np.round(scores[:, first] - scores[:, second], 12)
    broken = np.round(ordered[:, first] - ordered[:, second], 12)
    return np.where(plain != 0, plain, broken)


def compare_pairs(
    ordered: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    problems: pd.DataFrame | None = None,
    *,
    alpha: float = Question.alpha,
    control: str | None = None,
    level: str = Question.level,
) -> pd.DataFrame:
    """Signed-rank tests, Holm-corrected over all pairs or over all against a control.

    Args:
        ordered: problem × solver, medians with ties broken; higher is better, no gaps.
        scores: the same without breaking ties; by default `ordered`.
        problems: generator, target and layer of each problem; None: one network, and only the level "problems".
        alpha: family-wise error rate.
        control: a solver with which every other one is compared; None compares all pairs.
        level: what is exchangeable under the null hypothesis, a name in `amb.stats.levels.LEVELS`.

    Returns:
        One row per pair. `first` has the better mean rank or, with a control, `second` is the control; problems, wins,
        ties, losses (problems that the first won, ...), units (problems, layers or networks that are tested), p,
        p_holm, balance (rank-biserial correlation, positive if the first is better), differs (p_holm <= alpha), method;
        networks and generators (numbers of them), agree (networks, or generators of the only network, on which the mean
        difference has the sign of the balance), p_networks (the same test over networks, Holm-corrected; NaN for fewer
        than six), differs_networks (p_networks <= alpha), network_low and network_high (interval of the mean difference
        on a network; NaN for fewer than six); and note: "all tied", or "underpowered" if no outcome of this pair could
        have come below alpha, given those of the others. P-values of a single problem are NaN.

    Raises:
        SpecError: the control is not one of the solvers.
    """
    if control is not None and control not in ordered.columns:
        raise unknown("control solver", control, ordered.columns)
    scores = ordered if scores is None else scores
    if problems is None:
        problems = pd.DataFrame({"generator": "", "target": "", "layer": ""}, index=ordered.index)
    levels = Levels(problems.loc[ordered.index])
    order = list(mean_ranks(ordered).sort_values(kind="stable").index) if len(ordered) else list(ordered.columns)
    couples = (
        list(combinations(order, 2))
        if control is None
        else [(solver, control) for solver in order if solver != control]
    )
    number = {solver: i for i, solver in enumerate(ordered.columns)}
    plain, broken = scores[list(number)].to_numpy(dtype=float), ordered.to_numpy(dtype=float)
    rows = [
        _row(first, second, differences(plain, broken, number[first], number[second]), levels, level)
        for first, second in couples
    ]
    table: dict[str, NDArray[Any]] = {
        column: np.array([row[column] for row in rows], dtype=kind) for column, kind in _COLUMNS.items()
    }
    p, informative = table["p"], table.pop("informative")
    p_holm, p_networks = holm(p), holm(table["p_networks"])
    reachable = least_holm(p, np.array([smallest_p(int(m)) for m in informative])) <= alpha
    derived: dict[str, object] = {
        "p_networks": p_networks,
        "p_holm": p_holm,
        "differs": p_holm <= alpha,
        "differs_networks": p_networks <= alpha,
        "note": np.select([informative == 0, ~(p_holm <= alpha) & ~reachable], ["all tied", "underpowered"], ""),
        "method": METHOD.format(level=level),
    }
    return pd.DataFrame({**table, **derived})


def holm(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """P-values adjusted by Holm (1979), float[n]: the smallest times n, the next times n - 1, never decreasing.

    The same as ``statsmodels.stats.multitest.multipletests(p, method="holm")[1]``, which takes a hundred times as long
    because it runs the garbage collector at every call. NaN stays NaN, and does not count.
    """
    adjusted, known = np.full(len(p), np.nan), np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    if len(order):
        adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1.0)
    return adjusted


def least_holm(p: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest adjusted p-value that each test could have had, float[n], the others being as they are.

    Args:
        p: the p-values.
        least: the smallest p-value that each test could have given.
    """
    ranked = np.sort(p[~np.isnan(p)])
    n = len(ranked)
    before = np.concatenate([[0.0], np.maximum.accumulate(ranked * np.arange(n, 0, -1))])
    place = np.searchsorted(ranked, least, side="left")
    return np.minimum(np.maximum(before[place], least * np.maximum(n - place, 1)), 1.0)


_COLUMNS: dict[str, type] = {
    **dict.fromkeys(("first", "second"), str),
    **dict.fromkeys(("problems", "wins", "ties", "losses", "units"), int),
    **dict.fromkeys(("p", "balance"), float),
    **dict.fromkeys(("informative", "networks", "generators", "agree"), int),
    **dict.fromkeys(("p_networks", "network_low", "network_high"), float),
}


def _row(first: str, second: str, values: NDArray[np.float64], levels: Levels, level: str) -> dict[str, object]:
    tested = levels.exchangeable(values, level)
    p, balance, informative = signed_rank(tested)
    means = levels.network_means(values)
    enough = len(means) >= LEAST_NETWORKS
    low, high = signed_rank_interval(means) if enough else (np.nan, np.nan)
    return {
        "first": first,
        "second": second,
        "problems": len(values),
        "wins": int((values > 0).sum()),
        "ties": int((values == 0).sum()),
        "losses": int((values < 0).sum()),
        "units": len(tested),
        "p": p if len(values) > 1 else np.nan,
        "balance": balance,
        "informative": informative,
        "networks": levels.networks,
        "generators": levels.generators,
        "agree": int((levels.directions(values) == np.sign(balance)).sum()),
        "p_networks": signed_rank(means)[0] if enough else np.nan,
        "network_low": low,
        "network_high": high,
    }

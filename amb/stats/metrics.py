"""The metrics that can score a run; the primary one is declared before the results are seen."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from amb.errors import unknown

Cell = tuple[str, str, int]
"""Problem, solver and seed, which identify a run in tables and figures."""

Traces = Mapping[Cell, NDArray[np.float64]]
"""float64[queries] of each run: its values in query order, NaN where a query failed."""


def cells_of(runs: pd.DataFrame) -> list[Cell]:
    """The cell of each row of a runs table."""
    # Lists, since iterating over a column of texts takes microseconds a row.
    return list(zip(*(runs[name].tolist() for name in ("problem", "solver", "seed")), strict=True))


@dataclass(frozen=True)
class Metric:
    """A rule that scores a run; scores are oriented so that higher is better.

    Attributes:
        name: its name for `--metric`.
        label: header of its column.
        noun: its name in a sentence.
        logarithmic: scores are -log10 of a cost (queries, seconds), so that differences are ratios.
    """

    name: str
    label: str
    noun: str
    logarithmic: bool = False


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("final", "median activation", "final activation"),
        Metric("anytime", "anytime activation", "activation averaged over the logarithm of queries"),
        Metric(
            "queries",
            "queries to 75%",
            "queries to close 75% of the problem's gap",
            logarithmic=True,
        ),
        Metric("seconds", "solver seconds", "solver seconds", logarithmic=True),
    )
}


def find_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        SpecError: there is no such metric; the message gives the nearest name.
    """
    if not isinstance(name, str) or name not in METRICS:
        raise unknown("metric", str(name), METRICS)
    return METRICS[name]

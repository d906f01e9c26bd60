"""Comparing solvers: a module a step, each a function that takes and returns a DataFrame.

`analyse` runs the whole pipeline; docs/statistics.md explains each step and its sources.
"""

from amb.stats.analysis import Analysis, analyse
from amb.stats.columns import Column, known, pair_columns, ranking_columns, shown
from amb.stats.metrics import METRICS, Metric
from amb.stats.question import Question
from amb.stats.scores import common, competing

__all__ = [
    "METRICS",
    "Analysis",
    "Column",
    "Metric",
    "Question",
    "analyse",
    "common",
    "competing",
    "known",
    "pair_columns",
    "ranking_columns",
    "shown",
]

"""Comparing solvers, one module for each step; a step takes DataFrames and returns one.

`analyse` runs the whole pipeline; docs/notes/statistics.md explains the steps and gives their sources.
"""

from amb.stats.analysis import Analysis, analyse
from amb.stats.classes import competing
from amb.stats.columns import Column, known, pair_columns, ranking_columns, shown
from amb.stats.metrics import METRICS, Metric
from amb.stats.question import Question
from amb.stats.scores import common

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

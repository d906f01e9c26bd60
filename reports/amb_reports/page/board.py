"""The data of a page: runs scored at several budgets, the statistics of the whole, and how the MEIs evolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from amb.contracts.problem import UInt8Array
from amb.contracts.space import FloatArray, IntArray
from amb.stats import Analysis, competing
from amb.stats.classes import sights
from amb.stats.equal import compared
from amb.stats.gap import ranges
from amb.stats.metrics import Traces, cells_of
from amb.stats.runtimes import pooled_runtimes
from amb.stats.scores import score_runs
from amb.study.manifest import Manifest

SECONDS = ("solver_seconds", "generator_seconds", "target_seconds")

SHORTER = 3
"""How many smaller budgets a page offers of each kind: the runs' own, and round numbers."""


@dataclass(frozen=True)
class Source:
    """A study that a page shows.

    Attributes:
        name: its folder, as the user wrote it.
        manifest: the study's manifest.
        left_out: runs that it holds of earlier solver versions or different weights, which are not shown.
    """

    name: str
    manifest: Manifest
    left_out: int = 0


@dataclass(frozen=True)
class Evolution:
    """How the most exciting input of a problem and solver evolved in its best run.

    Attributes:
        queries: int[frames], after how many queries each image was the best so far; the last image is the recommended
            one, and its number the first query that reached its activation.
        activations: float[frames], the value observed then, and for the last the noise-free activation.
        images: uint8[frames, h, w, c].
    """

    problem: str
    solver: str
    seed: int
    queries: IntArray
    activations: FloatArray
    images: UInt8Array


@dataclass(frozen=True)
class Landmark:
    """What the images that solvers find on a problem are seen next to; None where it is not known.

    Attributes:
        chance: activation of an image at chance level: of all runs' first queries, the one closest to chance.
        chance_image: that image, uint8[h, w, c].
        natural: activation of the best natural image. The image itself belongs to a data set, not to a study.
        natural_image: the best natural image as the generator shows it, where the reference points have one.
        natural_shown: activation of that image.
    """

    problem: str
    chance: float | None = None
    chance_image: UInt8Array | None = None
    natural: float | None = None
    natural_image: UInt8Array | None = None
    natural_shown: float | None = None


@dataclass(frozen=True)
class View:
    """All runs as they stood after one budget.

    Attributes:
        budget: queries per run.
        runs: the scored runs table (`amb.stats.scores.score_runs`), with the index of the board's runs, without those
            that are not informative about this budget.
        traces: values without noise up to this budget, by (problem, solver, seed).
    """

    budget: int
    runs: pd.DataFrame
    traces: Traces


@dataclass(frozen=True)
class Board:
    """Everything that a page shows.

    Attributes:
        runs: one row per run at its own budget: the columns of `amb.stats.scores.COLUMNS`, `timing`, `sees`,
            `run_id`, `message` (why it failed), `version` (of the solver) and `source` (number of its study).
        traces: values without noise, NaN where a query failed, of each row of `runs`: a solver that plans for its
            budget may have several runs of one problem and seed.
        views: the budgets that can be looked at; the first is the one that `analysis` is about.
        bounds: the range of each problem, at all budgets; see `common_bounds`.
        analysis: the statistics of all runs at that budget.
        settings: those of the question, and `command`, which writes the page again.
        sources: the studies.
        evolutions: how the MEIs evolved.
        landmarks: what they are seen next to.
        notes: what a reader must know, in sentences.
    """

    runs: pd.DataFrame
    traces: tuple[FloatArray, ...]
    views: tuple[View, ...]
    bounds: pd.DataFrame
    analysis: Analysis
    settings: Mapping[str, object]
    sources: tuple[Source, ...]
    evolutions: tuple[Evolution, ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def runtimes(self) -> pd.DataFrame:
        """Expected runtimes of what is compared at that budget: solver, fraction, low, high, of `pooled_runtimes`."""
        first = self.views[0]
        table = pooled_runtimes(compared(first.runs), first.traces, bounds=self.bounds)
        return table[["solver", "fraction", "low", "high"]] if len(table) else table


def common_bounds(first: pd.DataFrame, traces: Traces, runs: pd.DataFrame) -> pd.DataFrame:
    """The range of each problem (`amb.stats.gap.ranges`) that scales scores, curves and thresholds at all budgets.

    Thresholds are those of the analysis whatever budget is looked at, as they are whichever solvers are.

    Args:
        first: the runs at the first budget, that of the analysis.
        traces: their values up to it.
        runs: all runs, each at its own budget; they count on problems that have none at the first one.
    """
    return _known_ranges(first, traces).combine_first(_known_ranges(runs, {})).astype({"anchored": bool})


def _known_ranges(runs: pd.DataFrame, traces: Traces) -> pd.DataFrame:
    """From the leading class's runs; others count only on problems without these."""
    return ranges(competing(runs), traces).combine_first(ranges(runs, traces))


def budgets_to_show(runs: pd.DataFrame, first: int | None = None) -> list[int]:
    """Budgets to choose from: first the one that is asked for, or that most runs are informative about, then the others
    in descending order.

    A run also shows its state after fewer queries, unless its solver plans for its budget (`anytime` is False).
    The runs' own budgets are followed by the next smaller ones of 1, 2, 5, 10, ..., of which some run shows its state.
    """
    own = sorted({int(b) for b in runs["budget"]}, reverse=True)
    first = first or max(own, key=lambda budget: (int(present(runs, budget).sum()), budget))
    steps = [d * 10**e for e in range(8, 0, -1) for d in (5, 2, 1) if d * 10**e < first]
    others = [budget for budget in {*own[:SHORTER], *steps[:SHORTER]} - {first} if present(runs, budget).any()]
    return [first, *sorted(others, reverse=True)]


def present(runs: pd.DataFrame, budget: int) -> pd.Series:
    """Which runs are informative about a budget: also shorter ones that broke off (`RunRecord.broke_off`)."""
    broke_off = (runs["status"] != "ok") & (runs["queries"] < runs["budget"])
    return (runs["budget"] == budget) | (((runs["budget"] > budget) | broke_off) & runs["anytime"])


def truncated(runs: pd.DataFrame, traces: Traces, budget: int) -> Traces:
    """The values of these runs up to a budget."""
    return {cell: traces[cell][:budget] for cell in cells_of(runs) if cell in traces}


def view(runs: pd.DataFrame, traces: Traces, budget: int, *, metric: str, bounds: pd.DataFrame) -> View:
    """The runs at a budget, scored: each class of solvers by itself, as it is ranked.

    Args:
        runs: the runs table, one row per run that tells something about this budget, as it stood after `budget`
            queries.
        traces: their values, see `truncated`.
        budget: queries per run.
        metric: the primary metric.
        bounds: see `common_bounds`.
    """
    classes = [
        score_runs(own, traces, metric=metric, bounds=bounds).set_index(own.index)
        for _, own in runs.groupby(sights(runs), sort=False)
    ]
    return View(budget, pd.concat(classes).loc[runs.index], traces)

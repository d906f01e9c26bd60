"""What a page is made from: runs, scored at several budgets, the statistics of the whole, courses of the MEIs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from amb.contracts.problem import UInt8Array
from amb.contracts.space import FloatArray, IntArray
from amb.stats import Analysis, common, competing
from amb.stats.gap import gap_closed, ranges
from amb.stats.metrics import Traces
from amb.stats.runtimes import pooled_runtimes
from amb.stats.scores import score_runs
from amb.study.manifest import Manifest

SHORTER = 3
"""How many smaller budgets a page offers."""


VIEWED = [
    *("final", "normalized", "best", "score", "ordered", "failed", "queries"),
    *("solver_seconds", "generator_seconds", "target_seconds"),
]


@dataclass(frozen=True)
class Source:
    """A study that a page shows.

    Attributes:
        name: how to find it, as the user wrote it.
        manifest: of the study.
        left_out: runs that it holds of earlier solver versions or other weights, which are not shown.
    """

    name: str
    manifest: Manifest
    left_out: int = 0


@dataclass(frozen=True)
class Course:
    """How the most exciting input of a problem and solver came about, in its best run.

    Attributes:
        queries: int[frames], after how many queries each image was the best so far; the last is the one recommended.
        activations: float[frames], what was told then, and for the last the noise-free activation.
        images: uint8[frames, h, w, c].
    """

    problem: str
    solver: str
    seed: int
    queries: IntArray
    activations: FloatArray
    images: UInt8Array


@dataclass(frozen=True)
class View:
    """All runs at one budget.

    Attributes:
        budget: queries a run.
        table: a row for each row of the board's runs, in its order: `present`, and the columns `VIEWED`, NaN where it
            is not.
    """

    budget: int
    table: pd.DataFrame


@dataclass(frozen=True)
class Board:
    """Everything that a page shows.

    Attributes:
        runs: one row a run as it was made: the columns of `amb.stats.scores.COLUMNS`, `timing`, `white_box`, `run_id`,
            `message` (why it failed), `version` (of the solver) and `source` (number of its study).
        traces: values without noise, NaN where a query failed, by (problem, solver, seed), as in
            `amb.comparison.table.Runs`.
        views: the budgets that can be looked at; the first is the one that `analysis` is about.
        analysis: the statistics of all runs at that budget.
        settings: `metric`, `alpha`, `rope`, and `command`, which makes the page again.
        sources: the studies.
        courses: MEIs.
        notes: what a reader must know, in sentences.
    """

    runs: pd.DataFrame
    traces: Traces
    views: tuple[View, ...]
    analysis: Analysis
    settings: Mapping[str, object]
    sources: tuple[Source, ...]
    courses: tuple[Course, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def bounds(self) -> pd.DataFrame:
        """What each problem is measured by at the first view's budget; see `amb.stats.queries.ranges`."""
        return known_ranges(*self._first())

    def runtimes(self) -> pd.DataFrame:
        """Expected runtimes of all problems at that budget: solver, fraction, low, high, of `pooled_runtimes`."""
        runs, traces = self._first()
        table = pooled_runtimes(common(competing(runs)), traces, rng=np.random.default_rng(0))
        return table[["solver", "fraction", "low", "high"]] if len(table) else table

    def _first(self) -> tuple[pd.DataFrame, Traces]:
        """The runs of the first view, and their values up to its budget."""
        first = self.views[0]
        here = first.table["present"].to_numpy()
        named = ["problem", "generator", "target", "solver", "seed", "white_box", "chance", "best_known"]
        facts = self.runs[[name for name in named if name in self.runs]]
        seen = facts.join(first.table[["final", "best"]])[here].assign(budget=first.budget)
        return seen, {key: self.traces[key][: first.budget] for key in _keys(seen) if key in self.traces}


def known_ranges(runs: pd.DataFrame, traces: Traces) -> pd.DataFrame:
    """What each problem is measured by, from competitors only; white-box runs count where no other is."""
    return ranges(competing(runs), traces).combine_first(ranges(runs, traces)).astype({"anchored": bool})


def budgets_to_show(runs: pd.DataFrame) -> list[int]:
    """Budgets at which there are most runs, first the one to rank by, then the others from large to small.

    A run shows what it had found after fewer queries, unless its solver plans for its budget (`anytime` is False).
    Beside the runs' own budgets come the next smaller ones of 1, 2, 5, 10, ...
    """
    own = sorted({int(b) for b in runs["budget"]}, reverse=True)
    first = max(own, key=lambda budget: (int(present(runs, budget).sum()), budget))
    steps = [d * 10**e for e in range(8, 0, -1) for d in (5, 2, 1) if d * 10**e < first]
    return [first, *sorted({*own[:SHORTER], *steps[:SHORTER]} - {first}, reverse=True)]


def present(runs: pd.DataFrame, budget: int) -> pd.Series:
    """Which runs speak for a budget."""
    return (runs["budget"] == budget) | ((runs["budget"] > budget) & runs["anytime"])


def view(runs: pd.DataFrame, traces: Traces, noisy: Traces, budget: int, *, metric: str) -> View:
    """The runs at a budget, scored.

    Args:
        runs: as in `Board`, and `anytime`.
        traces: as in `Board`.
        noisy: what was told, where that differs.
        budget: at most that of the runs that are shown.
        metric: the primary metric.
    """
    here = present(runs, budget).to_numpy()
    table = pd.DataFrame({"present": here}, index=runs.index)
    shown = at_budget(runs[here], traces, noisy, budget)
    told = {key: traces[key][:budget] for key in _keys(shown) if key in traces}
    scored = score_runs(shown, told, metric=metric, bounds=known_ranges(shown, told)).reindex(columns=VIEWED)
    scored.index = shown.index
    return View(budget, table.join(scored.astype(float)))


def at_budget(runs: pd.DataFrame, traces: Traces, noisy: Traces, budget: int) -> pd.DataFrame:
    """The runs as they stood after `budget` queries: what they would recommend, and their share of the seconds."""
    rows = []
    for row in runs.to_dict("records"):
        if row["budget"] > budget:
            key = (row["problem"], row["solver"], row["seed"])
            seen = traces.get(key, np.empty(0))
            told, n = noisy.get(key, seen)[:budget], min(budget, len(seen))
            known = n > 0 and not np.isnan(told).all()
            share = n / max(len(seen), 1)
            final = float(seen[np.nanargmax(told)]) if known else np.nan
            status = "ok" if n == budget else row["status"]
            row |= {
                "status": status,
                "failed": status != "ok" or not known,
                "queries": n,
                "final": final,
                "best": float(np.nanmax(seen[:n])) if known else np.nan,
                "normalized": float(gap_closed(final, row.get("chance", np.nan), row.get("best_known", np.nan))),
                "distinct": np.nan,
                "timing": False,  # a share of a longer run's seconds was not measured
                **{f"{part}_seconds": row[f"{part}_seconds"] * share for part in ("solver", "generator", "target")},
            }
        rows.append(row | {"budget": budget})
    return pd.DataFrame(rows, index=runs.index)


def _keys(runs: pd.DataFrame) -> list[tuple[str, str, int]]:
    return list(zip(runs["problem"], runs["solver"], runs["seed"], strict=True))

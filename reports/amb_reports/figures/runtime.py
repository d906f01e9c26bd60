"""How fast thresholds are reached: the empirical distribution of runtimes."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from amb.reports.contract import ReportData
from amb.stats.metrics import Traces
from amb.stats.queries import FRACTIONS, queries_to
from amb_reports.captions import scale_and_scope
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import INK, explain, label_ends, lines, log_queries, tidy


class Runtime(Drawn):
    """`runtime.png` and `.svg`: share of all runs' thresholds that are reached, against queries."""

    name = "runtime"

    def figures(self, data: ReportData) -> dict[str, Figure]:
        runs, traces = data.common, data.traces
        table = pd.DataFrame() if runs.empty else runtime_table(runs, traces, bounds=data.bounds)
        if table.empty:
            return {}
        return {self.name: draw_runtime(table, scale_and_scope(runs, traces))}


def runtime_table(
    runs: pd.DataFrame,
    traces: Traces,
    *,
    bounds: pd.DataFrame | None = None,
    points: int = 120,
    resamples: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of all runs' 52 thresholds that are reached, by number of queries.

    Every problem has the same weight. The band is the 95% interval of a bootstrap that draws problems.

    Returns:
        solver, query, share, low, high, budget; empty if no problem has thresholds.
    """
    hits = queries_to(runs, traces, fractions=FRACTIONS, bounds=bounds)
    queries = np.unique(np.rint(np.geomspace(1, int(runs["budget"].max()), points)).astype(int))
    rng = np.random.default_rng(seed)
    parts = []
    for solver, part in hits.groupby("solver", sort=False):
        shares = np.array(
            [
                (group["queries"].to_numpy(dtype=float)[:, None] <= queries).mean(axis=0)
                for _, group in part.groupby("problem", sort=False)
            ]
        )
        draws = shares[rng.integers(len(shares), size=(resamples, len(shares)))].mean(axis=1)
        low, high = np.quantile(draws, [0.025, 0.975], axis=0)
        content = {"solver": solver, "query": queries, "share": shares.mean(axis=0), "low": low, "high": high}
        parts.append(pd.DataFrame({**content, "budget": part["budget"].max()}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def draw_runtime(table: pd.DataFrame, caption: str) -> Figure:
    """The table as one panel; a cross marks the budget."""
    figure = Figure(figsize=(8.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    styles = lines(list(dict.fromkeys(table["solver"])))
    for solver, part in table.groupby("solver", sort=False):
        style = styles[str(solver)]
        axes.fill_between(
            part["query"], part["low"], part["high"], step="post", color=style.colour, alpha=0.13, linewidth=0
        )
        axes.step(part["query"], part["share"], where="post", color=style.colour, linestyle=style.dash)
        axes.plot(part["budget"].iloc[-1], part["share"].iloc[-1], "x", color=style.colour, clip_on=False, zorder=5)
    log_queries(axes, int(table["query"].max()))
    axes.set_ylim(0, 1.02)
    tidy(axes)
    last = table.groupby("solver", sort=False)["share"].last()
    label_ends(axes, last, float(table["query"].max()), styles)
    axes.set_xlabel("queries", color=INK, fontsize=10)
    axes.set_ylabel("share of thresholds reached", color=INK, fontsize=10)
    note = f"{len(FRACTIONS)} thresholds per problem; ×: budget; bands: 95% bootstrap over problems. {caption}."
    explain(figure, "Thresholds reached", note)
    return figure

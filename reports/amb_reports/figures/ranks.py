"""Mean ranks, with bars over the solvers that the tests do not tell apart."""

import pandas as pd
from matplotlib.figure import Figure

from amb.reports.contract import ReportData
from amb.stats.groups import cliques
from amb_reports.captions import scope
from amb_reports.figures.drawn import Drawn
from amb_reports.figures.palette import INK, MUTED, explain, lines


class Ranks(Drawn):
    """`ranks.png` and `.svg`, if all pairs were tested; not for comparisons with a control."""

    name = "ranks"

    def figures(self, data: ReportData) -> dict[str, Figure]:
        ranked = len(data.analysis.ranking) > 1 and data.analysis.ranking["mean_rank"].notna().all()
        if data.analysis.question.control is not None or not ranked:
            return {}
        runs = data.common
        solvers, bars = ranks_table(data.analysis.ranking, data.analysis.pairs)
        order = runs["solver"].unique().tolist()
        return {self.name: draw_ranks(solvers, bars, scope(runs), order=order)}


def ranks_table(ranking: pd.DataFrame, pairs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The solvers (solver, mean_rank), best first, and the bars (start, end, solvers).

    A bar spans a group of solvers no two of which differ by the Holm-corrected signed-rank tests. A critical difference
    of mean ranks is not used: it would depend on which other solvers take part.
    """
    solvers = ranking[["solver", "mean_rank"]].sort_values("mean_rank", kind="stable", ignore_index=True)
    ranks = solvers.set_index("solver")["mean_rank"]
    groups = cliques(list(solvers["solver"]), pairs)
    rows = [(ranks[group].min(), ranks[group].max(), ", ".join(group)) for group in groups]
    return solvers, pd.DataFrame(rows, columns=["start", "end", "solvers"])


def draw_ranks(solvers: pd.DataFrame, bars: pd.DataFrame, caption: str, *, order: list[str]) -> Figure:
    """The mean-rank diagram of Demšar (2006): the best on the left, names below in two columns.

    Args:
        solvers, bars: the tables of `ranks_table`.
        caption: the scope of the figure.
        order: solvers in the order in which they get their colours.
    """
    count = len(solvers)
    half = -(-count // 2)
    depth = 0.9 + 0.22 * len(bars) + 0.32 * half
    figure = Figure(figsize=(8.2, depth + 1.2), layout="constrained")
    axes = figure.add_subplot()
    styles = lines(order)
    axes.plot([1, count], [0, 0], color=INK, linewidth=1.2)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.1], color=INK, linewidth=1)
        axes.text(rank, 0.16, str(rank), ha="center", va="bottom", fontsize=9, color=MUTED)
    for level, bar in enumerate(bars.itertuples()):
        y = -0.2 - 0.22 * level
        axes.plot([bar.start - 0.02 * count / 4, bar.end + 0.02 * count / 4], [y, y], color="#555555", linewidth=4)
    first = -0.45 - 0.22 * len(bars)
    margin = 0.06 * max(count - 1, 1)
    for i, row in enumerate(solvers.itertuples()):
        left = i < half
        y = first - 0.32 * (i if left else count - 1 - i)
        edge = 1 - margin if left else count + margin
        style = styles[row.solver]
        axes.plot([row.mean_rank, row.mean_rank, edge], [0, y, y], color=style.colour, linewidth=1.2)
        axes.plot(row.mean_rank, 0, "o", color=style.colour, markersize=5, zorder=4)
        words = f"{row.solver}  {row.mean_rank:.2f}" if left else f"{row.mean_rank:.2f}  {row.solver}"
        space = -0.02 * count if left else 0.02 * count
        side = "right" if left else "left"
        axes.text(edge + space, y, words, ha=side, va="center", fontsize=9, color=style.colour)
    axes.set_axis_off()
    axes.set_ylim(first - 0.32 * half, 0.5)
    tests = "exact signed-rank tests, Holm-corrected"
    joined = f"Bars join solvers that are not shown to differ ({tests})"
    note = f"{joined if len(bars) else f'No bars: all solvers are shown to differ ({tests})'}. {caption}."
    explain(figure, "Mean rank over problems (1 is best)", note)
    return figure

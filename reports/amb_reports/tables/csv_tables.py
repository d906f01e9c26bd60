"""The tables as CSV, for further computation."""

from collections.abc import Mapping
from pathlib import Path

from amb.reports.contract import Report, ReportData
from amb.study.durable import write_whole
from amb.study.interchange import csv_text
from amb.study.own_files import Form, table

COLUMNS = {
    "ranking": ("solver", "score", "mean_rank"),
    "pairs": ("first", "second", "problems", "p_holm"),
    "runs": ("problem", "solver", "seed", "final"),
    "problem_tests": ("problem", "first", "second", "a12"),
    "across": ("first", "second", "problems", "p_holm"),
    "trials": ("solver", "base", "fraction"),
}
"""Of each table, columns that those of every version have."""


class Csv(Report):
    """`ranking.csv`, `pairs.csv`, `problem_tests.csv` and `runs.csv`: all columns, all digits, UTF-8.

    `trials.csv` holds the queries that each solver needs to thresholds, against the best ranked.
    With solvers of another ranked class, `across.csv` holds each of them against the best of the ranking.
    """

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The tables."""
        return {f"{name}.csv": table(*columns) for name, columns in COLUMNS.items()}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        tables = {"ranking": data.analysis.table, "pairs": data.analysis.pairs, "runs": data.runs}
        tables["problem_tests"] = data.analysis.problem_tests
        tables |= {
            name: more for name, more in (("across", data.analysis.across), ("trials", data.trials)) if len(more)
        }
        paths = []
        for name, content in tables.items():
            paths.append(folder / f"{name}.csv")
            write_whole(paths[-1], csv_text(content), error=None)
        return paths

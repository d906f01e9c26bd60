"""The tables as CSV, for further computation."""

from pathlib import Path

from amb.reports.contract import Report, ReportData
from amb.study.durable import write_whole
from amb.study.interchange import csv_text


class Csv(Report):
    """`ranking.csv`, `pairs.csv`, `problem_tests.csv` and `runs.csv`: all columns, all digits, UTF-8.

    `trials.csv` holds the queries that each solver needs to thresholds, against the best ranked.
    With solvers of another ranked class, `across.csv` holds each of them against the best of the ranking.
    """

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        tables = {"ranking": data.analysis.table, "pairs": data.analysis.pairs, "runs": data.runs}
        tables["problem_tests"] = data.analysis.problem_tests
        tables |= {
            name: more for name, more in (("across", data.analysis.across), ("trials", data.trials)) if len(more)
        }
        paths = []
        for name, table in tables.items():
            paths.append(folder / f"{name}.csv")
            write_whole(paths[-1], csv_text(table), error=None)
        return paths

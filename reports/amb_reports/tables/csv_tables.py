"""The tables as CSV, for further computation."""

from pathlib import Path

from amb.reports.contract import Report, ReportData
from amb.study.durable import write_whole


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
            texts = table.select_dtypes(exclude=["number", "bool"])
            content = table.assign(**texts.map(_inert)).to_csv(index=False, lineterminator="\n")
            write_whole(paths[-1], content, error=None)
        return paths


def _inert(cell: object) -> object:
    """A cell that a spreadsheet takes for text, even if it looks like a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell

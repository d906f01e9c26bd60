"""The tables as CSV, for whoever computes further."""

from pathlib import Path
from typing import TYPE_CHECKING

from amb.reports.contract import Report

if TYPE_CHECKING:
    from amb.comparison.result import Comparison


class Csv(Report):
    """`ranking.csv`, `pairs.csv`, `problem_tests.csv` and `runs.csv`: all columns, all digits, UTF-8."""

    def write(self, comparison: "Comparison", folder: Path) -> list[Path]:
        tables = {"ranking": comparison.analysis.table, "pairs": comparison.pairs, "runs": comparison.runs}
        tables["problem_tests"] = comparison.analysis.problem_tests
        paths = []
        for name, table in tables.items():
            paths.append(folder / f"{name}.csv")
            table.map(_inert).to_csv(paths[-1], index=False, lineterminator="\n")
        return paths


def _inert(cell: object) -> object:
    """A text that a spreadsheet would take for a formula, as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell

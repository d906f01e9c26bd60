"""Printing tables and facts, as text for people or as JSON for programs."""

import json
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from math import isfinite, isnan
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from amb.cli.complaints import complain
from amb.cli.tables import fact_lines, table_lines
from amb.streams import print_result
from amb.study.untrusted import plain
from amb.text import activation, duration

if TYPE_CHECKING:  # listing and status commands run without pandas
    import pandas as pd

    from amb.comparison.result import Comparison


MOST_LINES = 100
"""Runs that are printed one by one. Nobody reads more, and ten thousand would take ten seconds."""


def print_json(content: object) -> None:
    """Print JSON, which knows no NaN and no infinity: they are null and a text, as in all tables."""
    print_result(json.dumps(_plain_json(content), indent=1, default=str, allow_nan=False))


def _plain_json(content: object) -> object:
    if isinstance(content, Mapping):
        return {str(name): _plain_json(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain_json(value) for value in content]
    if isinstance(content, float) and not isfinite(content):
        return None if isnan(content) else "inf" if content > 0 else "-inf"
    return content


def print_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool, caption: str = "") -> None:
    """Print records as a table whose header is their keys, or as a JSON list."""
    if as_json:
        print_json(list(rows))
        return
    console = Console()
    for header, lines in groupby(table_lines(rows, console.width), key=lambda line: line.header):
        style = "bold" if header else ""
        console.print("\n".join(line.text for line in lines), style=style, markup=False, soft_wrap=True)
    if caption:
        wrapped = wrap(plain(caption), console.width, break_long_words=False, break_on_hyphens=False)  # nor a path
        console.print("\n".join(wrapped), style="dim", markup=False, soft_wrap=True)


def print_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Print one name and value per line, or a JSON object."""
    if as_json:
        print_json(facts)
        return
    console = Console()
    for name, value in fact_lines(facts, console.width):
        console.print(Text(name, style="bold"), end="", soft_wrap=True)
        console.print(value, markup=False, soft_wrap=True)


def print_runs(runs: "pd.DataFrame", study: Path, *, as_json: bool) -> None:
    """Print one line per run, or per solver if there are more than `MOST_LINES`; as JSON always every run."""
    from amb.study.interchange import plain_rows

    if as_json:
        print_json(plain_rows(runs))
    elif len(runs) <= MOST_LINES:
        _print_each(runs)
    else:
        _print_by_solver(runs, study)


def _print_each(runs: "pd.DataFrame") -> None:
    columns = ["problem", "solver", "seed", "status", "queries", "final"]
    table = runs[columns].assign(
        evaluation=(runs["generator_seconds"] + runs["target_seconds"]).map("{:.1f} s".format),
        final=runs["final"].map(lambda value: activation(value, 4)),
        own=runs["solver_seconds"].map("{:.2f} s".format),
    )
    names = {"final": "activation", "own": "solver time", "evaluation": "evaluation time"}
    print_rows(table.rename(columns=names).to_dict("records"), as_json=False)


def _print_by_solver(runs: "pd.DataFrame", study: Path) -> None:
    evaluation = runs["generator_seconds"] + runs["target_seconds"]
    table = runs.assign(evaluation=evaluation).groupby("solver", sort=False).agg(
        problems=("problem", "nunique"),
        runs=("problem", "size"),
        failed=("failed", "sum"),
        final=("final", "median"),
        evaluation=("evaluation", "sum"),
        own=("solver_seconds", "sum"),
    )  # fmt: skip
    rows = [
        {
            "solver": row.Index,
            "problems": row.problems,
            "runs": row.runs,
            "failed": row.failed,
            "activation": activation(row.final, 4),
            "evaluation": duration(row.evaluation),
            "solver time": duration(row.own),
        }
        for row in table.itertuples()
    ]
    name = shlex.quote(str(study))
    more = f"`amb report {name}` writes all {len(runs):,} runs to report/runs.csv; --json prints them."
    print_rows(rows, as_json=False, caption=f"Activations are medians, times are sums. {more}")


def print_disagreements(clauses: Iterable[str]) -> None:
    """Print what studies that become one hold of different networks or versions (`amb.study.manifest`)."""
    for clause in clauses:
        print(plain(f"Note: {clause}; no table compares the runs of both."))


def print_comparison(comparison: "Comparison") -> None:
    """Print the ranking and the verdict."""
    from amb.cli.ranking import left_out_line, ranking_table, scope_line

    console = Console()
    console.print()
    console.print(ranking_table(comparison.analysis, width=console.width))
    console.print(plain(scope_line(comparison)), style="dim", markup=False)
    if left_out := left_out_line(comparison.analysis, width=console.width):
        console.print(plain(left_out), style="dim", markup=False)
    console.print()
    console.print(plain(comparison.verdict), style="bold", markup=False, highlight=False)
    console.print(plain(comparison.basis), style="dim", markup=False, highlight=False)
    if comparison.analysis.across_words:
        console.print(plain(comparison.analysis.across_words), markup=False, highlight=False)
    for warning in comparison.warnings:
        console.print(plain(f"Note: {warning}."), style="yellow", markup=False, highlight=False)


PAGE = "leaderboard.html"
"""The file of a report to open first."""


def print_files(comparison: "Comparison", folder: Path, files: Sequence[Path], *, as_json: bool) -> None:
    """Print which files of reports are in a folder, or the whole comparison as a JSON object."""
    if as_json:
        print_json(as_record(comparison, files))
    elif files:
        names = sorted({f.relative_to(folder).parts[0] + "/" * (f.parent != folder) for f in files})
        console = Console()
        console.print()
        if PAGE in names:
            names.remove(PAGE)
            console.print(f"Report: {folder / PAGE}", markup=False, highlight=False, soft_wrap=True)
        if names:
            console.print(f"Files in {folder}/: {', '.join(names)}", markup=False, highlight=False)


def exit_if_failed(failures: Sequence[str]) -> None:
    """Print one line per failure on stderr, and exit with status 1 if there is any."""
    for failure in failures:
        complain(failure)
    if failures:
        sys.exit(1)


def as_record(comparison: "Comparison", files: Sequence[Path]) -> dict[str, object]:
    """A comparison as plain data for `--json`."""
    from amb.study.interchange import plain_rows

    return {
        "verdict": comparison.verdict,
        "basis": comparison.basis,
        "across": comparison.analysis.across_words,
        "ranking": plain_rows(comparison.analysis.table),
        "pairs": plain_rows(comparison.pairs),
        "runs": plain_rows(comparison.runs),
        "settings": dict(comparison.settings),
        "warnings": list(comparison.warnings),
        "files": [str(file) for file in files],
    }

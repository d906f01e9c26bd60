"""The ranking in terminals of several widths."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

import amb
from amb.cli.ranking import left_out_line, ranking_table, scope_line
from amb.reports.contract import ReportData
from amb.stats import known, ranking_columns

LONG = "nevergrad[name=DiscreteLenglerOnePlusOne,space=ordinal]"


@pytest.fixture(scope="module")
def comparison(make_comparison) -> ReportData:  # type: ignore[no-untyped-def]
    return make_comparison(solvers=("random", "tt-b[k=50,lr=0.1]", "portfolio"))


def printed(comparison: ReportData, width: int) -> list[str]:
    console = Console(width=width, file=StringIO(), color_system=None)
    console.print(ranking_table(comparison.analysis, width=width))
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("width", "columns"), [(60, 4), (80, 6), (120, 9), (200, 13)])
def test_numbers_and_headers_are_whole_at_every_width(comparison: ReportData, width: int, columns: int) -> None:
    """Nothing is cut off, no line wraps, and the wider the terminal, the more columns there are."""
    lines = printed(comparison, width)
    text = "\n".join(lines)
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "…" not in text
    assert "..." not in text
    for row in comparison.analysis.ranking.to_dict("records"):
        line = next(line for line in lines if line.startswith(row["solver"]))
        cells = {name: column.cell(row) for name, column in ranking_columns().items() if name in row}
        shown = [name for name, cell in cells.items() if cell in line]
        assert {"solver", "score", "mean_rank", "p_holm"} <= set(shown)
        assert len(shown) >= columns
    heads = " ".join(word for line in lines for word in line.split())
    for word in ("solver", "median", "activation", "mean", "rank", "Holm"):
        assert word in heads


def test_a_name_wider_than_the_terminal_leaves_the_numbers_whole(make_comparison) -> None:  # type: ignore[no-untyped-def]
    """At 80 columns a spec of 55 characters is still next to the score, uncut."""
    comparison = make_comparison(solvers=("random", LONG))
    lines = printed(comparison, 80)
    row = comparison.analysis.ranking.set_index("solver").loc[LONG]
    assert any(LONG in line and f"{row['score']:.3f}" in line for line in lines)


def test_the_line_below_says_how_many_seeds_solvers_have(make_comparison) -> None:  # type: ignore[no-untyped-def]
    """Each of them, and of those that are compared; two solvers with three other seeds each were said to have six."""
    made = make_comparison(seeds=6)
    apart = made.runs[(made.runs["seed"] < 3) == (made.runs["solver"] == "random")]
    surplus = made.runs[(made.runs["problem"] != "gan/net/conv0/0") | (made.runs["seed"] < 2)]
    for runs, words in ((apart, "; 3 seeds;"), (surplus, "; 2 to 6 seeds;"), (made.runs, "; 6 seeds;")):
        assert words in scope_line(replace(made, runs=runs))
    assert "; 3 seeds;" in scope_line(
        replace(made, runs=made.runs[(made.runs["seed"] < 3) | (made.runs["solver"] == "random")])
    )


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_columns_that_do_not_fit_are_named_with_where_to_see_them(comparison: ReportData, width: int) -> None:
    """Every column is either in the table or in that line."""
    heads = " ".join(printed(comparison, width)[:-3]).split()
    line = left_out_line(comparison.analysis, width=width)
    assert not line or line.endswith("See them in a wider terminal, report.md or --json.")
    names = line.removeprefix("Left out for lack of width: ").partition(". See")[0].split(", ") if line else []
    for title in (column.title for column in known(ranking_columns(), comparison.analysis.table).values()):
        assert title.partition(",")[0] in names or set(title.split()) <= set(heads), title
    assert left_out_line(comparison.analysis, width=300) == ""


def test_the_line_below_says_how_many_problems_the_normalized_column_is_of(tmp_path: Path) -> None:
    few, every = (
        amb.compare("random", f"cifar10-sngan-int8/snn-cnn/sn1/{units}", budget=2, seeds=1, study=tmp_path / units)
        for units in ("0..3", "0..0")
    )
    assert [int(found.runs["best_known"].count()) for found in (few, every)] == [1, 1]
    assert "4 problems (normalized: 1 with reference points);" in scope_line(few)
    assert "normalized" not in scope_line(every)

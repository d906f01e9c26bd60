"""One list of columns for terminal and files; the page is compared with them in test_page_browser.py."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from amb.cli.ranking import ranking_table
from amb.stats import Question, analyse, columns, ranking_columns
from amb.stats.aggregates import Aggregate, aggregate
from amb_reports.tables.csv_tables import Csv
from amb_reports.tables.latex import Latex
from amb_reports.tables.markdown import Markdown


def test_a_column_is_added_in_one_place(make_comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    """A declared aggregate of a quantity of the runs is computed, printed in the terminal and written to every file."""
    added = columns.Column(
        "mean_best", "best query", "number", "Mean of the best value of a query.", unit="spikes", digits=4,
        aggregate=Aggregate("mean", ("best",)),
    )  # fmt: skip
    monkeypatch.setattr(columns, "RANKING", (*columns.RANKING, added))
    data = make_comparison()
    data = replace(data, analysis=analyse(data.runs, data.traces, resamples=20))
    means = data.runs.groupby("solver")["best"].mean()
    table = data.analysis.ranking.set_index("solver")["mean_best"]
    pd.testing.assert_series_equal(table.sort_index(), means.sort_index(), check_names=False)
    console = Console(width=250, file=StringIO(), color_system=None)
    console.print(ranking_table(data.analysis, width=250))
    for report in (Csv, Latex, Markdown):
        report().write(data, tmp_path)
    written = [(tmp_path / name).read_text() for name in ("ranking.tex", "report.md")]
    for text in (console.file.getvalue(), *written):  # type: ignore[attr-defined]
        assert all(f"{mean:.4f}" in text for mean in means)
        assert "spikes" in text
    assert list(pd.read_csv(tmp_path / "ranking.csv")["mean_best"]) == pytest.approx(list(table))


def test_columns_that_say_nothing_are_left_out(make_comparison) -> None:  # type: ignore[no-untyped-def]
    """No reference points: no normalized activation; all problems run by all: no coverage; a control: no letters."""
    data = make_comparison()
    for control in (None, "random"):
        question = Question(control=control)
        found = analyse(data.runs, data.traces, question, resamples=20)
        kept = columns.known(ranking_columns(question), found.table)
        assert {"normalized", "covered"}.isdisjoint(kept)
        assert ("letters" in kept) == (control is None)
        assert kept["p_holm"].header == f"Holm p vs {control or 'best'}"


def test_an_aggregate_follows_its_rule() -> None:
    """By hand: two problems of two seeds, one run failed, one skipped, one problem unknown."""
    runs = pd.DataFrame(
        {
            "solver": "a", "problem": ["p", "p", "q", "q", "r"], "status": ["ok", "crash", "ok", "ok", "skip"],
            "failed": [False, True, False, False, True],
            "x": [1.0, None, 3.0, 5.0, None], "y": [2.0, 0.0, 1.0, 1.0, 8.0],
            "chance": [0.1, 0.1, None, None, 0.1], "best_known": [0.9, 0.9, None, None, 0.9],
        }
    )  # fmt: skip

    def value(rule: Aggregate) -> float:
        return float(aggregate(runs, rule)["a"])

    assert value(Aggregate("mean", ("x",))) == 3
    assert value(Aggregate("mean", ("x",), failed=0.0)) == pytest.approx(9 / 5)
    assert value(Aggregate("mean", ("y",), started_only=True)) == 1
    assert value(Aggregate("mean", ("x", "y"))) == pytest.approx((3 + 4 + 6) / 3)
    assert value(Aggregate("mean", ("chance",), per="y")) == pytest.approx((0.1 / 2 + 0.1 / 8) / 2), "0 of y: no share"
    assert value(Aggregate("mean", ("x",), per="y")) == pytest.approx((0.5 + 3 + 5) / 3)
    assert value(Aggregate("median", ("x",))) == pytest.approx((1 + 4) / 2)
    assert value(Aggregate("median", ("x",), failed=0.0)) == pytest.approx(0.5), "of 0.5, 4 and 0"
    assert value(Aggregate("median", ("x",), failed=0.0, anchored=True)) == pytest.approx(0.25), "of 0.5 and 0"
    assert value(Aggregate("ratio", ("x",), per="y")) == pytest.approx(9 / 12)
    assert pd.isna(value(Aggregate("median", ("z",))))

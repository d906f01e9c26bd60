"""The report to read: verdict, tables, figures, settings."""

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from amb.reports.contract import Report, ReportData
from amb.sight import CLASSES
from amb.stats import Column, pair_columns, ranking_columns, shown
from amb.stats.formats import number, p_value, percent
from amb.stats.gap import ranges
from amb.stats.sentences import sentence
from amb.study.durable import write_whole
from amb.study.own_files import Form, text
from amb.study.untrusted import plain
from amb_reports.captions import command, scale, scope

TITLE = "# Comparison of solvers"
FIGURES = {
    "convergence.png": "Normalized activation, best so far, against queries",
    "runtime.png": "Share of thresholds reached, against queries",
    "ert.png": "Expected queries to a threshold of normalized activation",
    "ranks.png": "Mean ranks; bars join solvers that are not shown to differ",
    "profile.png": "Share of runs that end at or above each normalized activation",
    "heatmap.png": "Median activation of every solver on every problem",
    "gallery.png": "The most exciting input of each problem and solver",
}


class Markdown(Report):
    """`report.md`; it shows the figures that are in the folder when it is written."""

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The report."""
        return {"report.md": text("a report of amb's", TITLE)}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        path = folder / "report.md"
        write_whole(path, render(data, folder), error=None)
        return [path]


def render(data: ReportData, folder: Path) -> str:
    """The text of the report."""
    settings = data.settings
    question = data.analysis.question
    parts = [TITLE, escape(data.analysis.verdict), escape(data.analysis.basis)]
    parts += [escape(data.analysis.across_words)] if data.analysis.across_words else []
    parts += ["## Ranking"]
    parts += [table(data.analysis.table, ranking_columns(question)), _reading(data)]
    parts += [f"Note: {escape(warning)}." for warning in data.warnings]
    shown_figures = [(name, words) for name, words in FIGURES.items() if (folder / name).is_file()]
    if shown_figures:
        parts.append("## Figures")
    for name, words in shown_figures:
        parts.append(f"![{escape(words)}]({name})\n\n*{escape(words)}.*")
    if len(data.analysis.pairs):
        parts += ["## Pairs", table(data.analysis.pairs, pair_columns(question)), _omnibus(data)]
    if len(data.trials):
        parts += ["## Trials to a threshold", _trials(data.trials), _reading_trials(str(data.trials["base"].iloc[0]))]
    parts += ["## Settings", _settings(data), "Repeat it with:", _fenced(plain(command(settings)))]
    return "\n\n".join(parts) + "\n"


def table(data: pd.DataFrame, columns: Mapping[str, Column] | None = None) -> str:
    """A DataFrame as a Markdown table, formatted by its columns."""
    chosen = ranking_columns() if columns is None else columns
    text = shown(data, chosen)
    left = {column.title for column in chosen.values() if column.align == "left"}
    sides = [":---" if title in left else "---:" for title in text.columns]
    rows = [list(text.columns), sides, *text.to_numpy().tolist()]
    cells = [[cell if i == 1 else escape(cell) for cell in row] for i, row in enumerate(rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def escape(words: str) -> str:
    """The text, escaped for Markdown, in tables too."""
    return re.sub(r"([\\`*_\[\]<>|~$&])", r"\\\1", plain(words))


def _fenced(words: str) -> str:
    """A code block that no backticks in its content can end."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", words)), default=0))
    return f"{fence}\n{words}\n{fence}"


def _reading(data: ReportData) -> str:
    rows = data.analysis.ranking
    below = data.analysis.aside
    text = (
        "Brackets: 95% intervals. "
        "Expected queries to 75%: queries of all runs divided by the number of runs that close 75% of their problem's "
        "gap, all problems pooled (ERT); never: no run does."
    )
    if len(data.common):
        anchored = ranges(data.common, data.traces)["anchored"]
        text += f" {scale(anchored)}"
        if 0 < anchored.sum() < len(anchored):
            text += f" {sentence('normalized of some', problems=int(anchored.sum()))}"
    if rows["letters"].any():
        text += f" {sentence('letters')}"
    for kind in CLASSES.values() if len(below) else ():
        if kind.name in set(below["solver_class"]):
            how = "ranked among themselves only" if kind.ranked else "shown for reference, neither ranked nor tested"
            text += f" {kind.name.capitalize()} solvers see {kind.knows}: they are {how}."
            if kind.ranked and below["letters"].any():
                text += f" {sentence('letters, classes', kind=kind.name)}"
    return text


def _trials(trials: pd.DataFrame) -> str:
    """Expected queries to thresholds, relative to the best ranked: fewest first."""
    head = ["solver", "to", "reached on", "share of the queries", "Holm p", "Holm p, half", "networks with fewer"]
    lines = [f"| {' | '.join(head)} |", "| :--- |" + " ---: |" * (len(head) - 1)]
    for row in trials.sort_values(["fraction", "ratio"], kind="stable").to_dict("records"):
        interval = "" if pd.isna(row["low"]) else f" [{number(row['low'], 2)}, {number(row['high'], 2)}]"
        cells = [
            escape(str(row["solver"])),
            f"{row['fraction']:.0%}",
            f"{escape(percent(row['reached']))} of {row['problems']}",
            f"{number(row['ratio'], 2)}{interval}",
            p_value(row["p_holm"]),
            p_value(row["p_half"]),
            f"{row['fewer_on']} of {row['networks']}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _reading_trials(base: str) -> str:
    return (
        f"Expected queries divided by those of {escape(base)}, on problems on which either got there; where one of "
        "them never did, it counts as if it had with its last query. Hodges–Lehmann estimate and 95% interval; exact "
        "signed-rank tests over problems of a ratio of 1 and of a half, Holm-corrected over the solvers; and networks "
        "whose median problem needs fewer."
    )


def _omnibus(data: ReportData) -> str:
    row = data.analysis.omnibus.iloc[0]
    if pd.isna(row["f"]):
        return sentence("no omnibus", note=row["note"]) if row["note"] else ""
    words = {name: str(row[name]) for name in ("method", "df1", "df2")}
    note = f" ({row['note']})" if row["note"] else ""
    test = sentence("omnibus", f=number(row["f"], 2), p=p_value(row["p"]), note=note, **words)
    return f"{test} Pairs: {data.analysis.pairs['method'].iloc[0]}."


def _settings(data: ReportData) -> str:
    lines = [f"| setting | value |\n| :--- | :--- |\n| scope | {scope(data.runs)} |"]
    for name, value in data.settings.items():
        if name == "codes":  # hashes, for machines
            continue
        words = ", ".join(str(v) for v in value) if isinstance(value, list | tuple) else str(value)
        lines.append(f"| {escape(name)} | {escape(words)} |")
    return "\n".join(lines)

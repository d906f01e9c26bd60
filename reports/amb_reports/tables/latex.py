"""The ranking and the pairs as LaTeX tables, for a paper."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from amb.reports.contract import Report, ReportData
from amb.stats import Column, pair_columns, ranking_columns, shown
from amb.study.durable import write_whole
from amb.study.own_files import Form, text
from amb.study.untrusted import plain
from amb_reports.captions import command, scope

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "–": "--", "×": r"$\times$", "→": r"$\to$", "[": "{[}", "]": "{]}",
}  # fmt: skip


class Latex(Report):
    """`ranking.tex` and `pairs.tex`: tables with booktabs' rules, for \\input."""

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The two tables."""
        return dict.fromkeys(("ranking.tex", "pairs.tex"), text("a table of amb's", "Needs \\usepackage{booktabs}"))

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        question = data.analysis.question
        paths = [folder / "ranking.tex", folder / "pairs.tex"]
        heads = [data.analysis.verdict, "Pairwise signed-rank tests over problems, Holm-corrected."]
        for path, rows, chosen, head in zip(
            paths,
            (data.analysis.table, data.analysis.pairs),
            (ranking_columns(question), pair_columns(question)),
            heads,
            strict=True,
        ):
            caption = f"{head} {scope(data.common)}."
            text = table(rows, chosen, caption=caption, label=f"tab:{path.stem}")
            repeat = plain(command(data.settings))
            write_whole(path, f"% Needs \\usepackage{{booktabs}}. Made by: {repeat}\n{text}", error=None)
        return paths


def table(data: pd.DataFrame, columns: Mapping[str, Column], *, caption: str, label: str) -> str:
    """A DataFrame as a LaTeX table float, formatted by its columns; every text is escaped."""
    text = shown(data, columns)
    sides = {column.title: "l" if column.align == "left" else "r" for column in columns.values()}
    rows = [" & ".join(escape(str(cell)) for cell in row) + r" \\" for row in text.to_numpy().tolist()]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape(caption)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{''.join(sides[title] for title in text.columns)}}}",
            r"\toprule",
            " & ".join(escape(title) for title in text.columns) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def escape(words: str) -> str:
    """The text, escaped for LaTeX; brackets are wrapped, which at the start of a row would be an option of \\."""
    return "".join(_SPECIAL.get(letter, letter) for letter in plain(words))

"""The page as a file, and the report that writes it."""

from collections.abc import Mapping, Sequence
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from amb.reports.contract import ReportData, StudyReport
from amb.stats import Question, ranking_columns, shown
from amb.stats.verdict import headline
from amb.study.durable import write_whole
from amb.study.own_files import PAGE, Form
from amb.study.published import AnyStudy
from amb_reports.captions import scope
from amb_reports.figures.colours import PAIRS, slots
from amb_reports.page.board import Board
from amb_reports.page.gather import board_of_comparison, board_of_studies
from amb_reports.page.payload import payload, to_json

SCRIPTS = (
    "vendor/d3.min.js", "vendor/plot.umd.min.js", "formats.js", "sentences.js", "data.js", "statistics.js", "hash.js",
    "selection.js", "results.js", "verdict.js", "captions.js", "dom.js", "roving.js", "help.js", "tables.js",
    "sprites.js", "strip.js", "ranking.js", "pairs.js", "rows.js", "chart.js", "hover.js", "plots.js", "figures.js",
    "runtimes.js", "costs.js", "layers.js", "heatmap.js", "compare.js", "gallery.js", "environment.js", "submit.js",
    "filters.js", "main.js",
)  # fmt: skip
"""Scripts in loading order."""


class Html(StudyReport):
    """`leaderboard.html`: the page of one comparison, or of many studies."""

    @classmethod
    def own_files(cls) -> Mapping[str, Form]:
        """The page of a comparison."""
        return {"leaderboard.html": PAGE}

    def write(self, data: ReportData, folder: Path) -> list[Path]:
        board = board_of_comparison(data)
        suite = data.settings.get("suite")
        path = folder / "leaderboard.html"
        write_whole(path, render(board, title=f"Leaderboard: {suite}" if suite else "Leaderboard"), error=None)
        return [path]

    def write_studies(
        self,
        studies: Sequence[AnyStudy],
        file: Path,
        question: Question,
        *,
        title: str = "",
        command: str = "",
        budget: int | None = None,
    ) -> list[Path]:
        board = board_of_studies(studies, question, command=command, budget=budget)
        write_whole(file, render(board, title=title or "Leaderboard"), error=None)
        return [file]


def environment(package: str) -> Environment:
    """Jinja for the folder `template` of a package: escapes everything, and refuses a name that is not given."""
    return Environment(
        loader=PackageLoader(package, "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(board: Board, *, title: str) -> str:
    """The page, a single file that refers to no others."""
    data = payload(board, title=title)
    columns = ranking_columns(board.analysis.question)
    first = board.views[0]
    return (
        environment("amb_reports.page")
        .get_template("page.html.j2")
        .render(
            title=title,
            headline=headline(board.analysis.ranking, board.analysis.pairs, board.analysis.question),
            verdict=board.analysis.verdict,
            basis=" ".join(filter(None, (board.analysis.basis, board.analysis.across_words))),
            scope=scope(first.runs),
            ranking=shown(board.analysis.table, columns),
            columns={column.title: column for column in columns.values()},
            notes=board.notes,
            colours=[PAIRS[slot] for slot in slots([solver["name"] for solver in data["solvers"]]).values()],
            links=links(),
            style=_asset("style.css"),
            licences=_asset("vendor/LICENSES.txt"),
            scripts=[_asset(name) for name in SCRIPTS],
            data=Markup(to_json(data)),
            amb=data["amb"],
        )
    )


def links() -> list[tuple[str, str]]:
    """Where to read more, by name: the addresses that the distribution declares under `[project.urls]`."""
    declared = metadata("amb").get_all("Project-URL") or []
    pairs = [entry.partition(", ") for entry in declared]
    return [(name, address) for name, _, address in pairs if address.startswith("https://")]


def _asset(name: str) -> Markup:
    """A file of the template; its content is trusted."""
    text: Any = files("amb_reports.page").joinpath("template", name).read_text(encoding="utf-8")
    return Markup(text)

"""`atlas.html`: the page, one file that refers to no others."""

from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from amb.atlas.make import Atlas
from amb.atlas.report import AtlasReport
from amb.study.durable import write_whole
from amb_reports.atlas.payload import payload
from amb_reports.figures.colours import PAIRS
from amb_reports.page.html import environment
from amb_reports.page.payload import to_json

SHARED = ("dom.js", "hash.js")
SCRIPTS = ("data.js", "tiles.js", "charts.js", "sheet.js", "figures.js", "main.js")
"""Scripts in loading order: those of the leaderboard that the atlas shares, then its own."""


class Page(AtlasReport):
    """Writes the page."""

    def write(self, atlas: Atlas, file: Path) -> list[str]:
        made = payload(atlas)
        notes = [*atlas.measures.notes, *made.notes]
        write_whole(file, render(made.data, notes), error=None)
        return made.notes


def render(data: dict[str, object], notes: list[str]) -> str:
    """The page of some data."""
    scripts = [_text("amb_reports.page", name) for name in SHARED]
    scripts += [_text("amb_reports.atlas", name) for name in SCRIPTS]
    return (
        environment("amb_reports.atlas")
        .get_template("atlas.html.j2")
        .render(
            network=data["network"],
            layers=data["layers"],
            notes=notes,
            amb=version("amb"),
            colours=PAIRS[:7],
            style=_text("amb_reports.atlas", "atlas.css"),
            scripts=scripts,
            data=Markup(to_json(data)),
        )
    )


def _text(package: str, name: str) -> Markup:
    """A file of a template; its content is trusted."""
    return Markup(files(package).joinpath("template", name).read_text(encoding="utf-8"))

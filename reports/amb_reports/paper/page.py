"""`paper.html`: the claims with their verdicts, and the figures, in one file."""

from base64 import b64encode
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from amb.paper.report import PaperReport
from amb.paper.studies import PaperData
from amb.paper.verdict import Claim, tally
from amb.reports.style import own_style
from amb.study.durable import write_whole
from amb_reports.page.html import environment
from amb_reports.paper import figures

MARKS = {"holds": "✓", "does not hold": "✗", "cannot be decided": "?"}


class Page(PaperReport):
    """Writes the page."""

    def write(self, data: PaperData, claims: list[Claim], file: Path) -> None:
        write_whole(file, render(data, claims), error=None)


@own_style()
def render(data: PaperData, claims: list[Claim]) -> str:
    """The page."""
    drawn = [(number, caption, figure) for number, caption, figure in _figures(data) if figure is not None]
    style = files("amb_reports.paper").joinpath("template", "paper.css").read_text(encoding="utf-8")
    return (
        environment("amb_reports.paper")
        .get_template("paper.html.j2")
        .render(
            data=data,
            claims=claims,
            marks=MARKS,
            counts=tally(claims),
            figures=[(number, caption, _inline(figure)) for number, caption, figure in drawn],
            notes=data.atlas.measures.notes,
            units=sum(len(units) for units in data.atlas.request.units.values()),
            style=Markup(style),
            amb=version("amb"),
        )
    )


def _figures(data: PaperData) -> list[tuple[str, str, Figure | None]]:
    return [
        ("5", "The best activation so far of one unit, by query.", figures.curves(data)),
        (
            "6",
            "Inputs of a unit of the first spiking layer, by method.",
            figures.inputs_of_a_unit(data, 0),
        ),
        ("7", "Inputs of another unit of the first spiking layer.", figures.inputs_of_a_unit(data, 1)),
        (
            "8",
            "Inputs of the most selective unit searched in the third spiking layer.",
            figures.selective_unit(data),
        ),
        ("9", "Entropy of the class probabilities at the GAN's inputs, by layer.", figures.entropies(data)),
        ("10", "Distances of a unit's inputs in the GAN's latent space.", figures.distances(data)),
        ("11", "Activations by the best inputs of the solvers that search both generators.", figures.activations(data)),
    ]


def _inline(figure: Figure) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=140, facecolor="white")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"

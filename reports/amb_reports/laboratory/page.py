"""The page about an experiment, one file that refers to no others."""

from base64 import b64encode
from importlib.metadata import version
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from amb.lab.report import LabData, LabReport
from amb.lab.status import going_back, lost
from amb.lab.stimuli import Picture
from amb.study.durable import write_whole
from amb.text import MANY
from amb_reports.figures.colours import PAIRS
from amb_reports.laboratory.charts import Point, Series, chart
from amb_reports.page.html import environment

KINDS = {"candidate": "new stimuli", "best": "best so far", "reference": "references", "blank": "blanks"}
"""Kinds of presentations and what the page calls them."""
ADVICE = {
    "early": "too early to tell",
    "improving": "go on: it is improving",
    "stop": "stop: no improvement is to be expected",
    "unclear": "go on: it is not clear yet",
}
SIDE = 160


class Page(LabReport):
    """`report.html`."""

    def write(self, data: LabData, file: Path) -> None:
        write_whole(file, render(data), error=None)


def render(data: LabData) -> str:
    """The page."""
    templates = environment("amb_reports.laboratory")
    templates.filters["number"] = number
    templates.filters["change"] = change
    names = [str(n) for column in ("stimulus", "reference") for n in data.best[column] if isinstance(n, str)]
    pictures = data.draw(list(dict.fromkeys(names)))
    return templates.get_template("laboratory.html.j2").render(
        data=data,
        amb=version("amb"),
        colours=PAIRS[:7],
        style=_text("amb_reports.page", "style.css") + _text("amb_reports.laboratory", "laboratory.css"),
        kinds=KINDS,
        advice=ADVICE,
        lost=lost(data.history),
        going_back=going_back,
        evolutions={name: evolution_chart(name, table) for name, table in data.evolutions.items()},
        drifts={name: drift_chart(name, table, shares=data.in_shares[name]) for name, table in data.drifts.items()},
        raster={neuron: trial_chart(neuron, data.trials) for neuron in data.experiment.neurons},
        best=data.best.to_dict("records"),
        images={name: inline(picture) for name, picture in pictures.items()},
        trials=data.trials.to_dict("records"),
    )


def evolution_chart(search: str, table: pd.DataFrame) -> Markup:
    """Mean responses by block, a series for each kind."""
    series = [
        Series(label, kind, [_point(row, label) for row in table[table["kind"] == kind].to_dict("records")])
        for kind, label in reversed(KINDS.items())
    ]
    fresh = table[table["kind"] == "candidate"]
    course = f": new stimuli from {fresh['mean'].iloc[0]:.3g} to {fresh['mean'].iloc[-1]:.3g}" if len(fresh) else ""
    return chart(series, x="trial", y="response", description=f"Responses by block of search {search}{course}.")


def drift_chart(neuron: str, table: pd.DataFrame, *, shares: bool) -> Markup:
    """The change of the reference responses by block, in percent if changes are shares."""
    factor, axis = (100, "change (%)") if shares else (1, "change")
    points = [
        Point(r["trial"], factor * r["change"], factor * r["low"], factor * r["high"],
              f"block {r['block']}: {change(r['change'], shares)}, {r['trials']} trials")
        for r in table.to_dict("records")
    ]  # fmt: skip
    series = [Series(KINDS["reference"], "reference", points)]
    return chart(series, x="trial", y=axis, description=f"Reference responses of {neuron} by block.", zero=True)


def trial_chart(neuron: str, trials: pd.DataFrame) -> Markup:
    """Every valid response, by trial."""
    own = trials.loc[trials[neuron].notna(), ["trial", "kind", "stimulus", neuron]]
    series = [
        Series(
            label,
            kind,
            [
                Point(r["trial"], r[neuron], title=f"trial {r['trial']}: {r['stimulus']}, {r[neuron]:.4g}")
                for r in own[own["kind"] == kind].to_dict("records")
            ],
            joined=False,
        )
        for kind, label in KINDS.items()
    ]
    return chart(series, x="trial", y="response", description=f"Responses of {neuron} in every trial.")


def inline(picture: Picture) -> str:
    """A picture as the address of an image in the page, no larger than it is shown."""
    image = Image.fromarray(picture, "RGB")
    image.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=90)
    return f"data:image/webp;base64,{b64encode(buffer.getvalue()).decode()}"


def number(value: object, digits: int = 3) -> str:
    """A number in a table; an en dash for none."""
    if not isinstance(value, int | float | np.number) or not np.isfinite(float(value)):
        return "∞" if isinstance(value, float) and value == np.inf else "–"
    whole = 1000 <= abs(float(value)) < MANY
    return f"{float(value):,.0f}" if whole else f"{float(value):.{digits}g}"


def change(value: float, share: bool) -> str:
    """A change with its sign, in percent if it is a share."""
    return f"{100 * value:+.1f}%" if share else f"{value:+.3g}"


def _point(row: dict[str, float], label: str) -> Point:
    title = f"block {row['block']:.0f}, {label}: {row['mean']:.4g}"
    if np.isfinite(row["low"]):
        title += f" ({row['low']:.4g} to {row['high']:.4g})"
    return Point(row["trial"], row["mean"], row["low"], row["high"], title)


def _text(package: str, name: str) -> Markup:
    """A file of a template; its content is trusted."""
    return Markup(files(package).joinpath("template", name).read_text(encoding="utf-8"))

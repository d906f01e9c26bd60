"""A comparison as HTML for a notebook: ranking, verdict and the best images."""

from base64 import b64encode
from html import escape
from io import BytesIO

import numpy as np

from amb.comparison.result import Comparison
from amb.contracts.problem import UInt8Array
from amb.errors import AmbError
from amb.reports.images import as_picture
from amb.spec import ProblemId
from amb.stats import ranking_columns, shown
from amb.study.untrusted import plain
from amb.text import activation

MOST_IMAGES = 8
SIDE = 72
"""Side of an image on the screen, in pixels."""
MOST_PRIORITY = 2
"""Columns of the ranking up to this priority are shown."""


def comparison_html(comparison: Comparison) -> str:
    """Ranking, verdict, what the verdict rests on, warnings, and the winner's most exciting inputs."""
    analysis = comparison.analysis
    columns = ranking_columns(analysis.question)
    table = shown(analysis.table, columns, priority=MOST_PRIORITY).map(lambda cell: escape(plain(cell)))
    parts = [
        table.to_html(index=False, border=0, escape=False, justify="left"),
        f"<p><b>{escape(plain(comparison.verdict))}</b></p>",
        f"<p>{escape(plain(comparison.basis))}</p>",
        *(f"<p>{escape(plain(words))}</p>" for words in [analysis.across_words] if words),
        *(f"<p>Note: {escape(plain(warning))}.</p>" for warning in comparison.warnings),
        images_html(comparison),
    ]
    return "".join(parts)


def images_html(comparison: Comparison) -> str:
    """The leader's most exciting inputs on problems spread over the study; empty if they cannot be rendered."""
    leader = str(comparison.analysis.table["solver"].iloc[0])
    try:
        meis = comparison.meis()
    except AmbError:  # a network that is not installed here: the numbers stand without its images
        return ""
    best = meis[meis["solver"] == leader].reset_index(drop=True)
    if best.empty:
        return ""
    chosen = np.unique(np.linspace(0, len(best) - 1, min(MOST_IMAGES, len(best))).astype(int))
    figures = []
    for row in best.iloc[chosen].itertuples():
        problem = ProblemId.parse(str(row.problem))
        label = escape(plain(f"{problem.layer} {problem.unit}: {activation(row.activation)}"))
        figures.append(
            '<figure style="display:inline-block;margin:0 8px 8px 0;text-align:center">'
            f'<img src="{_data_uri(row.image)}" alt="{escape(plain(row.problem))}" width="{SIDE}" height="{SIDE}"'
            f' style="image-rendering:pixelated"><figcaption><small>{label}</small></figcaption></figure>'
        )
    title = f"The most exciting inputs that {leader} found"
    return f"<p>{escape(plain(title))}:</p><div>{''.join(figures)}</div>"


def _data_uri(image: UInt8Array) -> str:
    buffer = BytesIO()
    as_picture(image).save(buffer, "PNG")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"

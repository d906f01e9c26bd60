"""`amb leaderboard`: one page to open, from one or many studies."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o


def leaderboard(
    studies: Annotated[list[Path], typer.Argument(help="Folders of studies, published ones too.", metavar="STUDY...")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("leaderboard.html"),
    title: Annotated[str, typer.Option("--title", help="Heading of the page.")] = "",
    metric: o.Metric = "final",
    alpha: o.Alpha = 0.05,
    rope: o.Rope = 0.01,
    plugin: o.Plugins = None,
) -> None:
    """Write all runs of one or several studies as one HTML page that needs no network; nothing is run."""
    from amb.reports.write import write_leaderboard

    o.load_plugins(plugin)
    for file in write_leaderboard(studies, out, title=title, metric=metric, alpha=alpha, rope=rope):
        print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")

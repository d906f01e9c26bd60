"""`amb leaderboard`: one HTML page about one or several studies."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o


def leaderboard(
    studies: Annotated[list[Path], typer.Argument(help="Folders of studies, published or not.", metavar="STUDY...")],
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("leaderboard.html"),
    title: Annotated[str, typer.Option("--title", help="Heading of the page.")] = "",
    budget: Annotated[
        int | None,
        typer.Option("--budget", "-b", help="Queries per run at first; by default what most runs have.", metavar="N"),
    ] = None,
    metric: o.Metric = o.DEFAULT_METRIC,
    alpha: o.Alpha = o.DEFAULT_ALPHA,
    rope: o.Rope = o.DEFAULT_ROPE,
    level: o.Level = o.DEFAULT_LEVEL,
    look: o.Look = 1,
    looks: o.Looks = 1,
    plugin: o.Plugins = None,
) -> None:
    """Write one HTML page about all runs of one or several studies; it works offline, and nothing is run."""
    from amb.reports.write import write_leaderboard
    from amb.stats.question import Question
    from amb.text import file_size

    o.load_plugins(plugin)
    for file in write_leaderboard(
        studies, out, Question(metric, alpha, rope, level=level, look=look, looks=looks), title=title, budget=budget
    ):
        print(f"{file} ({file_size(file.stat().st_size)})")

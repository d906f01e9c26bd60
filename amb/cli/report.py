"""`amb report`: tables, figures and verdict of an existing study."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o
from amb.spec import user_path


def report(
    study: Annotated[Path, typer.Argument(help="The study's folder.", parser=user_path)] = o.DEFAULT_STUDY,
    solvers: Annotated[str | None, typer.Option("--solvers", "-s", help="Only these solvers.")] = None,
    problems: Annotated[str | None, typer.Option("--problems", "-p", help="Only these problems.")] = None,
    budget: o.Budget = None,
    seeds: o.Seeds = None,
    control: o.Control = None,
    metric: o.Metric = o.DEFAULT_METRIC,
    alpha: o.Alpha = o.DEFAULT_ALPHA,
    rope: o.Rope = o.DEFAULT_ROPE,
    level: o.Level = o.DEFAULT_LEVEL,
    look: o.Look = 1,
    looks: o.Looks = 1,
    device: o.Device = "cpu",
    reference: o.ReferenceFolder = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Print and write the report of a study; nothing is run."""
    from amb.cli.reporting import print_and_write
    from amb.comparison.compare import reopen
    from amb.stats.question import Question

    o.load_plugins(plugin)
    comparison = reopen(
        study,
        Question(metric, alpha, rope, control, level, look, looks),
        solvers=solvers,
        problems=problems,
        budget=budget,
        seeds=seeds,
        device=device,
        reference=reference,
    )
    print_and_write(comparison, as_json=json)

r"""The command tree.

Typer reads help texts as rich markup, so a bracket in them is written `\[`.
"""

from typing import Annotated

import typer

from amb.cli import (
    check,
    compare,
    lab,
    leaderboard,
    merge,
    problems,
    publish,
    references,
    report,
    run,
    solvers,
    study,
    train,
)

app = typer.Typer(
    name="amb",
    help="Which optimizer finds the stimulus that drives a neuron hardest, how reliably, and at what cost?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Options of `amb` itself."""
    if show:
        from importlib.metadata import version as installed

        print(f"amb {installed('amb')}")
        raise typer.Exit


app.command("check")(check.check)
app.command("compare")(compare.compare)
app.command("run")(run.run)
app.command("report")(report.report)
app.command("merge")(merge.merge)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("publish")(publish.publish)
app.command("references")(references.references)
app.command("train")(train.train)
app.add_typer(lab.app, name="lab")
app.add_typer(problems.app, name="problems")
app.add_typer(solvers.app, name="solvers")
app.add_typer(study.app, name="study")

r"""The command tree.

Typer reads help texts as rich markup, so a bracket in them is written `\[`.
"""

from typing import Annotated

import typer

from amb.cli import (
    analyse,
    atlas,
    check,
    compare,
    demo,
    lab,
    leaderboard,
    merge,
    paper,
    plan,
    population,
    problems,
    publish,
    references,
    report,
    run,
    solvers,
    study,
    train,
)
from amb.cli.group import Group

app = Group(
    name="amb",
    help="Which optimizer finds the stimulus that drives a neuron hardest, how reliably, and at what cost?",
    epilog="Begin with `amb demo`: one neuron and the image that excites it most, in seconds.",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[
        bool, typer.Option("--version", help="Print the versions of amb and suites.", is_eager=True)
    ] = False,
) -> None:
    """Options of `amb` itself."""
    if show:
        from amb.cli.version import print_version

        print_version()
        raise typer.Exit


START, STUDIES, CATALOGUE = "Start here", "Studies and reports", "What there is"
OWN, NETWORKS = "Your own solver, your own laboratory", "Networks and reference points"

app.command("demo", rich_help_panel=START)(demo.demo)
app.command("compare", rich_help_panel=START)(compare.compare)
app.add_typer(solvers.app, name="solvers", rich_help_panel=CATALOGUE)
app.add_typer(problems.app, name="problems", rich_help_panel=CATALOGUE)
app.command("plan", rich_help_panel=STUDIES)(plan.plan)
app.command("run", rich_help_panel=STUDIES)(run.run)
app.command("population", rich_help_panel=STUDIES)(population.population)
app.command("report", rich_help_panel=STUDIES)(report.report)
app.command("leaderboard", rich_help_panel=STUDIES)(leaderboard.leaderboard)
app.add_typer(study.app, name="study", rich_help_panel=STUDIES)
app.command("merge", rich_help_panel=STUDIES)(merge.merge)
app.command("analyse", rich_help_panel=STUDIES)(analyse.analyse)
app.command("publish", rich_help_panel=STUDIES)(publish.publish)
app.command("check", rich_help_panel=OWN)(check.check)
app.add_typer(lab.app, name="lab", rich_help_panel=OWN)
app.command("atlas", rich_help_panel=NETWORKS)(atlas.atlas)
app.command("paper", rich_help_panel=NETWORKS)(paper.paper)
app.command("references", rich_help_panel=NETWORKS)(references.references)
app.command("train", rich_help_panel=NETWORKS)(train.train)

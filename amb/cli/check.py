"""`amb check`: does a solver follow the rules that the built-in solvers follow?"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from amb.cli import options as o

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

    from amb.testing import Outcome

INDENT = 2
STYLES = {"held": "green", "broken": "bold red", "skipped": "dim"}


def check(
    solvers: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOLVER...", help="Names, specs, module:Class, or Python files.", show_default=False),
    ] = None,
    plugin: o.Plugins = None,
    json: o.Json = False,
) -> None:
    """Check solvers with the conformance kit; the exit status is 1 if a rule is broken."""
    from rich.console import Console
    from rich.markup import escape

    from amb.errors import SpecError
    from amb.spec import user_path
    from amb.testing.check import check_solver, passed

    files = [user_path(text) for text in solvers or [] if _is_file(text)]
    specs = [text for text in solvers or [] if not _is_file(text)]
    specs += _solvers_of(files if specs else [*files, *(plugin or [])])
    o.load_plugins(plugin)
    if not specs:
        raise SpecError("nothing to check: give a solver, as in `amb check tt-b` or `amb check my_solver.py`")
    console = Console(stderr=json)
    outcomes: dict[str, list[Outcome]] = {}
    for spec in specs:
        with console.status(escape(f"{spec} ...")) as status:

            def show(outcome: "Outcome", spec: str = spec, status: "Status" = status) -> None:
                status.update(escape(f"{spec}: {outcome.case.name} {outcome.result}"))

            outcomes[spec] = check_solver(spec, progress=show)
        if not json:
            _print(spec, outcomes[spec], console)
    if json:
        _print_json(outcomes)
    if not all(map(passed, outcomes.values())):
        raise typer.Exit(1)


def _is_file(text: str) -> bool:
    """Whether a path is meant, and no spec or module:Class: also one of a file that is not there."""
    return not re.search(r"[\[:]", text) and bool(Path(text).suffix or Path(text).parent.name)


def _solvers_of(files: list[Path]) -> list[str]:
    from amb.catalogue.plugins import load_file

    return [p.name for file in files for p in load_file(file) if p.kind == "solvers"]


def _print(spec: str, outcomes: "list[Outcome]", console: "Console") -> None:
    from collections import Counter

    from rich.markup import escape
    from rich.padding import Padding
    from rich.text import Text

    from amb.study.untrusted import plain
    from amb.testing.check import passed

    names = max(len(outcome.case.name) for outcome in outcomes)
    console.print(f"{'case':<{names}}  result", style="bold")
    for outcome in outcomes:
        console.print(f"{escape(outcome.case.name):<{names}}  [{STYLES[outcome.result]}]{outcome.result}[/]")
        rule = [f"Rule: {outcome.case.rule}"] * (outcome.result == "broken")
        for line in filter(None, [*outcome.reason.splitlines(), *rule]):
            console.print(Padding(Text(plain(line)), (0, 0, 0, INDENT)), highlight=False)
    counts = Counter[str](outcome.result for outcome in outcomes)
    tally = ", ".join(f"{counts[result]} {result}" for result in STYLES if counts[result])
    if passed(outcomes):
        console.print(f"\n{escape(spec)} conforms: {tally}\n", style="bold green")
    else:
        why = "" if counts["held"] else "; at least one rule must have been tested and held"
        console.print(f"\n{escape(spec)} does not conform: {tally}{why}\n", style="bold red")


def _print_json(outcomes: "dict[str, list[Outcome]]") -> None:
    from amb.cli.show import print_json

    rows = [
        {"solver": spec, "case": o.case.name, "rule": o.case.rule, "result": o.result, "reason": o.reason}
        for spec, results in outcomes.items()
        for o in results
    ]
    print_json(rows)

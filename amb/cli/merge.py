"""`amb merge`: studies from several machines or people as one."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o


def merge(
    into: Annotated[
        Path, typer.Argument(help="The study to merge into; created if it does not exist.", metavar="INTO")
    ],
    studies: Annotated[list[Path], typer.Argument(help="Studies to merge; they are only read.", metavar="STUDY...")],
    json: o.Json = False,
) -> None:
    """Merge studies by run id; nothing is written if two of them contradict each other."""
    from dataclasses import asdict

    from amb.cli.show import print_disagreements, print_facts
    from amb.study.merge import merge as unite

    done = asdict(unite(into, studies))
    notes = done["notes"]
    print_facts(done if json else {name: f"{done[name]:,}" for name in done if name != "notes"}, as_json=json)
    print_disagreements(() if json else notes)

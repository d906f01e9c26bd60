"""`amb merge`: studies made apart, on several machines or by several people, as one."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o


def merge(
    target: Annotated[Path, typer.Argument(help="The study that takes all; made if need be.", metavar="TARGET")],
    studies: Annotated[list[Path], typer.Argument(help="Folders of the others, only read.", metavar="STUDY...")],
    json: o.Json = False,
) -> None:
    """Unite studies by the keys of their runs; nothing is written where two of them contradict each other."""
    from dataclasses import asdict

    from amb.cli.show import print_facts
    from amb.study.merge import merge as unite

    done = unite(target, studies)
    print_facts(asdict(done) if json else {name: f"{value:,}" for name, value in asdict(done).items()}, as_json=json)

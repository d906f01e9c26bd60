"""`amb train`: train one of the shipped networks from data."""

from pathlib import Path
from typing import Annotated

import typer

from amb.cli import options as o
from amb.spec import user_path


def train(
    name: Annotated[str, typer.Argument(help="Generator or target, such as cifar10-sngan or snn-cnn.")],
    data: Annotated[
        Path,
        typer.Option("--data", help="Folder of the data sets; missing ones are downloaded.", parser=user_path),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for state, checkpoint, model card and image sheets.",
            parser=user_path,
        ),
    ] = Path("amb-train"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of all random decisions.")] = 0,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Time limit in minutes; the next call resumes.")
    ] = None,
    keep: Annotated[
        int,
        typer.Option("--keep", help="Store this many states of a target, evenly in the log of steps.", min=0),
    ] = 0,
    device: o.Device = "cpu",
    resume: Annotated[
        bool, typer.Option("--resume/--restart", help="Resume from the state in --out, or restart.")
    ] = True,
) -> None:
    """Train a generator or target; writes a checkpoint and its model card."""
    from amb.cli.training import run_recipe

    run_recipe(name, data=data, out=out, seed=seed, minutes=minutes, device=device, resume=resume, keep=keep)
